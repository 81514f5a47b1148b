"""Invariance of encoders that do, or do not, see what changes."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import METRICS, invariance_under
from codelayer.measure.invariance import changes

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((500, 6)) * [1, 2, 3, 4, 5, 6]
PICTURES = np.zeros((120, 12, 12, 1), np.float32)
PICTURES[:, 4:8, 4:8] = RNG.random((120, 4, 4, 1))
FILES = np.zeros((80, 60))
FILES[:, :30] = RNG.integers(1, 256, (80, 30))


def flat(x):
    return x.reshape(len(x), -1)


def read(encode, x, **options):
    return METRICS["invariance"].read({"encode": encode, "x": x}, options)


def test_noise_moves_a_linear_code_as_far_as_the_formula_says():
    # noise of a fifth of each deviation: E|Tx - x|^2 = .04 var, two samples are 2 var apart
    reading = read(flat, ROWS, transform="noise")
    assert reading.value == pytest.approx(1 - 0.04 / 2, abs=2e-3)
    assert reading.low < reading.value < reading.high


def test_swapped_columns_move_a_linear_code_by_the_share_that_is_swapped():
    assert read(flat, ROWS, transform="swap").value == pytest.approx(1 - 0.1, abs=0.02)


def test_a_code_of_what_a_transformation_keeps_is_fully_invariant():
    brightness = read(lambda x: flat(x).sum(1, keepdims=True), PICTURES, transform="shift")
    assert brightness.value == pytest.approx(1, abs=1e-4)
    assert read(flat, PICTURES, transform="shift").value < 0.9
    start = read(lambda x: x[:, :30], FILES, transform="append")
    assert start.value == 1
    assert read(flat, FILES, transform="append").value < 1


def test_a_code_that_forgets_the_sample_at_the_least_noise_is_at_zero():
    assert read(lambda x: np.sin(1e4 * x), ROWS, transform="noise").value == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("x", "names"),
    [
        (PICTURES, ["shift", "rotation", "noise"]),
        (PICTURES[..., 0], ["noise"]),
        (ROWS, ["swap", "noise"]),
    ],
)
def test_the_shape_decides_what_is_tried_and_the_value_is_the_mean(x, names):
    reading = read(flat, x)
    assert list(reading.more) == names
    assert reading.value == pytest.approx(np.mean(list(reading.more.values())))


@pytest.mark.parametrize("name", ["shift", "rotation"])
def test_grey_pictures_are_altered_as_pictures_with_one_channel(name):
    one, other = (changes(x, name)[name](x, np.random.default_rng(3)) for x in (PICTURES[..., 0], PICTURES))
    assert one.shape == PICTURES.shape[:3]
    assert (one == other[..., 0]).all()


def test_a_transformation_of_your_own():
    reading = invariance_under(lambda x: np.sort(x, axis=1), ROWS, lambda x, rng: rng.permuted(x, axis=1))
    assert reading.value == 1
    mirrored = invariance_under(flat, ROWS - ROWS.mean(0), lambda x, rng: -x)
    # |2x|^2 against twice the variance
    assert mirrored.value == pytest.approx(-1, abs=0.01)


def test_what_cannot_be_tried_is_refused():
    with pytest.raises(DataError, match="no transformation is called 'shfit'.*shift"):
        read(flat, PICTURES, transform="shfit")
    with pytest.raises(DataError, match="shift needs pictures"):
        read(flat, ROWS, transform="shift")
    with pytest.raises(DataError, match="swap needs rows"):
        read(flat, PICTURES, transform="swap")
    with pytest.raises(DataError, match="append needs bytes"):
        read(flat, ROWS, transform="append")
    with pytest.raises(DataError, match="append changes no row"):
        read(flat, np.full((5, 4), 7.0), transform="append")
    with pytest.raises(DataError, match="the same code for all samples"):
        read(lambda x: np.ones((len(x), 2)), ROWS)
    with pytest.raises(DataError, match="must keep the shape"):
        invariance_under(flat, ROWS, lambda x, rng: x[:, 1:])


@pytest.mark.parametrize("name", ["invariance", "alignment", "local_smoothness", "contraction", "jacobian_norm"])
def test_an_encode_that_gives_another_width_the_next_time_is_refused(name):
    calls = []

    def encode(x):
        calls.append(x)
        return x[:, : 1 + len(calls)]

    with pytest.raises(DataError, match="encode gave codes of 2 units, then of 3"):
        METRICS[name].read({"encode": encode, "x": ROWS})
