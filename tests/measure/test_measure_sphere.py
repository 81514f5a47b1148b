"""Uniformity and alignment against brute force, closed forms and reference values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from codelayer.errors import DataError
from codelayer.measure import METRICS

DIGITS = load_digits().data / 16


def uniformity(codes, **options):
    return METRICS["uniformity"].read({"codes": codes}, options)


def test_the_reference_values_are_reproduced():
    pca = PCA(10, svd_solver="full").fit_transform(DIGITS)
    assert uniformity(DIGITS).value == pytest.approx(-1.163522, abs=1e-6)
    assert uniformity(pca).value == pytest.approx(-2.893237, abs=1e-6)


@pytest.mark.parametrize("t", [0.5, 2.0, 3.0])
def test_uniformity_is_that_of_all_pairs(t):
    codes = np.random.default_rng(0).standard_normal((200, 5)) + 1
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    assert uniformity(codes, t=t).value == pytest.approx(np.log(np.exp(-t * pdist(unit) ** 2).mean()), rel=1e-10)


@pytest.mark.parametrize("units", [1, 2, 8])
def test_codes_that_are_even_score_their_chance_and_codes_that_are_alike_score_zero(units):
    reading = uniformity(np.random.default_rng(1).standard_normal((4000, units)))
    assert reading.value == pytest.approx(reading.chance, abs=0.02)
    assert uniformity(np.outer(np.arange(1, 20), np.arange(1.0, units + 1))).value == pytest.approx(0, abs=1e-12)


def test_anchors_estimate_the_value_of_all_rows():
    codes = np.random.default_rng(2).standard_normal((6000, 4)) + 0.5
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    truth = np.log(np.exp(-2 * pdist(unit) ** 2).mean())
    reading = uniformity(codes)
    assert reading.n == 1000
    assert reading.low < truth < reading.high


def test_the_interval_covers_the_truth_in_90_to_98_of_100_samples():
    def drawn(seed, n):
        return np.random.default_rng(seed).standard_normal((n, 3)) + [1, 0, 0]

    truth = np.mean([uniformity(drawn(1000 + seed, 3000)).value for seed in range(5)])
    found = [uniformity(drawn(seed, 250)) for seed in range(150)]
    assert 0.90 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.98


def test_rows_of_zeros_have_no_direction():
    codes = np.vstack([np.eye(4), np.zeros((2, 4))])
    reading = uniformity(codes)
    assert reading.n == 4 and reading.note.startswith("2 rows of zeros left out; no interval")
    assert reading.low is None and reading.high is None  # all pairs are equally far
    assert reading.value == pytest.approx(-4)
    with pytest.raises(DataError, match="only 0 codes are not zero"):
        uniformity(np.zeros((5, 2)))
    with pytest.raises(DataError, match="t=0"):
        uniformity(codes, t=0)


def test_alignment_of_a_code_that_keeps_still_is_zero_and_chance_is_that_of_two_samples():
    x = np.random.default_rng(3).standard_normal((300, 4))
    still = METRICS["alignment"].read({"encode": lambda rows: np.sign(rows[:, :2]) + [0, 5], "x": x})
    assert still.value < 0.05
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    reading = METRICS["alignment"].read({"encode": lambda rows: rows, "x": x}, {"transform": "noise"})
    assert reading.chance == pytest.approx((pdist(unit) ** 2).mean(), rel=1e-9)
    assert 0 < reading.value < 0.3
    assert set(reading.more) == {"noise"}


def test_alignment_is_the_distance_of_directions_whatever_the_length():
    x = np.random.default_rng(4).standard_normal((300, 4))
    one, other = (METRICS["alignment"](lambda rows, c=c: c * rows, x, transform="noise") for c in (1, 1000))
    assert one == pytest.approx(other)
