"""Local smoothness of encoders whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import METRICS

X = np.random.default_rng(0).standard_normal((400, 6))


def test_a_map_that_keeps_distances_scores_one_at_every_step_and_scale():
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    reading = METRICS["local_smoothness"].read({"encode": lambda x: 1000 * x @ turn + 7, "x": X})
    assert reading.value == pytest.approx(1, abs=1e-6)
    assert [one["q95"] for one in reading.more.values()] == pytest.approx([1, 1, 1], abs=1e-4)


def test_a_map_with_flat_places_is_smoother_and_a_rough_one_is_not():
    def steps(x):
        return np.tanh(20 * x[:, :2])

    def rough(x):
        return np.sin(200 * x)

    assert METRICS["local_smoothness"](steps, X) < 0.2
    assert METRICS["local_smoothness"](rough, X) > 5


def test_pictures_reach_the_encoder_in_their_own_shape():
    pictures = X.reshape(400, 2, 3, 1).astype(np.float32)
    seen = set()

    def encode(x):
        seen.add((x.shape[1:], x.dtype))
        return x.reshape(len(x), -1)

    METRICS["local_smoothness"](encode, pictures)
    assert seen == {((2, 3, 1), np.dtype("float32"))}


def test_a_constant_encoder_or_a_short_answer_is_refused():
    with pytest.raises(DataError, match="same code for most samples"):
        METRICS["local_smoothness"](lambda x: np.ones((len(x), 2)), X)
    with pytest.raises(DataError, match="1 codes for 400 samples"):
        METRICS["local_smoothness"](lambda x: x[:1], X)
    with pytest.raises(DataError, match="as a callable"):
        METRICS["local_smoothness"](3, X)


def test_chance_of_the_jacobian_is_that_of_a_map_that_keeps_distances():
    x = np.random.default_rng(5).standard_normal((300, 4))
    found = METRICS["jacobian_norm"].read({"encode": lambda rows: 3 * rows, "x": x})
    assert found.value == pytest.approx(36) and found.chance == pytest.approx(36)
    relative = METRICS["relative_jacobian"](lambda rows: np.tanh(rows), x)
    own = METRICS["jacobian_norm"].read({"encode": lambda rows: np.tanh(rows), "x": x})
    assert own.value / own.chance == pytest.approx(relative)
