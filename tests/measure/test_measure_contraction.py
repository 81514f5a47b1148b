"""Jacobian norms and contraction of encoders whose answer is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from codelayer.errors import DataError
from codelayer.measure import METRICS

X = np.random.default_rng(0).standard_normal((400, 6))
W = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
POINT = np.tile([0.1, 0.2, 0.3], (5, 1))
TURN = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]


def read(name, encode, x=X, **options):
    return METRICS[name].read({"encode": encode, "x": x}, options)


def test_the_reference_layers_have_their_closed_forms():
    assert read("jacobian_norm", lambda x: expit(x @ W), POINT).value == pytest.approx(0.05501185, abs=2e-7)
    assert read("jacobian_norm", lambda x: x @ W, POINT).value == pytest.approx(0.91, rel=1e-9)


def test_random_directions_give_the_closed_form_of_a_sigmoid_layer_on_average():
    weight = np.random.default_rng(2).standard_normal((40, 7)) / 4
    x = np.random.default_rng(3).standard_normal((500, 40))
    h = expit(x @ weight)
    expected = ((h * (1 - h)) ** 2 @ (weight**2).sum(0)).mean()
    reading = read("jacobian_norm", lambda rows: expit(rows @ weight), x)
    assert reading.value == pytest.approx(expected, rel=0.03)
    assert reading.low < expected < reading.high


def test_the_raw_norm_follows_the_scale_of_the_code_and_the_relative_one_does_not():
    def encode(x):
        return np.tanh(x[:, :3])

    def louder(x):
        return 10 * encode(x) + 5

    assert read("jacobian_norm", louder).value == pytest.approx(100 * read("jacobian_norm", encode).value, rel=1e-6)
    assert read("relative_jacobian", louder).value == pytest.approx(read("relative_jacobian", encode).value, rel=1e-6)


@pytest.mark.parametrize("name", ["relative_jacobian", "contraction"])
def test_a_map_that_keeps_distances_scores_its_chance_of_one(name):
    reading = read(name, lambda x: 1000 * x @ TURN + 7)
    assert reading.value == pytest.approx(1, abs=1e-6)
    assert reading.chance == 1.0


def test_a_code_that_looks_only_where_samples_differ_is_smoother():
    flat = X * [3, 3, 0.01, 0.01, 0.01, 0.01]
    # all the variance, a third of the directions
    assert read("relative_jacobian", lambda x: x[:, :2], flat).value == pytest.approx(1 / 3, rel=0.01)


def test_the_contraction_curve_of_a_saturating_code_falls_and_that_of_a_linear_one_is_level():
    saturating = read("contraction", lambda x: np.tanh(4 * (x - X.mean(0)))).more
    assert saturating["ratio"][0] > 1.2 * saturating["ratio"][-1]
    linear = read("contraction", lambda x: x[:, :3]).more
    assert linear["ratio"] == pytest.approx([linear["ratio"][0]] * 5, rel=0.05)
    assert linear["radius"] == [0.01, 0.03, 0.1, 0.3, 1.0]


def test_single_precision_changes_little():
    single = X.astype(np.float32)

    def encode(x):
        return np.tanh(x @ TURN.astype(x.dtype))

    for name in ("jacobian_norm", "relative_jacobian", "contraction"):
        assert read(name, encode, single).value == pytest.approx(read(name, encode).value, rel=1e-3)


def test_a_constant_code_has_a_norm_of_zero_that_is_said_and_no_relative_one():
    reading = read("jacobian_norm", lambda x: np.ones((len(x), 2)))
    assert (reading.value, reading.note) == (0.0, "the code does not move at all")
    with pytest.raises(DataError, match="the codes are constant"):
        read("relative_jacobian", lambda x: np.ones((len(x), 2)))
    with pytest.raises(DataError, match="x is constant"):
        read("relative_jacobian", lambda x: x, np.ones((9, 4)))
    with pytest.raises(DataError, match="lost in the rounding"):
        read("jacobian_norm", lambda x: x, (1e7 + X).astype(np.float32))
