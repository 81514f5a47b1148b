"""Intervals: paired, honest about groups, and covering the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

from codelayer.errors import DataError
from codelayer.measure import area_interval, chance_area, curve_bands, label_curve, paired_interval
from codelayer.measure.curves import Curve, scores_of

X, Y = load_digits().data / 16, load_digits().target
TRAIN, REST = slice(0, 1100), slice(1437, None)


def made(right: float, rng: np.random.Generator, draws: int = 5, rows: int = 300, counts=(1, 10)) -> Curve:
    """A curve whose predictions are right with the given probability."""
    truth = np.arange(rows) % 3
    wrong = (truth + rng.integers(1, 3, size=(draws, len(counts), rows))) % 3
    predictions = np.where(rng.random(wrong.shape) < right, truth, wrong)
    return Curve("class", np.arange(3), counts, predictions, truth, scores_of(predictions, truth, "class"))


def test_the_interval_covers_the_true_area_about_95_times_in_100():
    rng = np.random.default_rng(0)
    found = [area_interval(made(0.7, rng, draws=20), resamples=200, seed=i) for i in range(100)]
    assert sum(one.low <= 0.7 <= one.high for one in found) >= 90
    assert all(one.low <= one.value <= one.high for one in found)


def test_pairing_makes_the_difference_of_like_rivals_narrow():
    curves = [
        label_curve(x[TRAIN], Y[TRAIN], x[REST], Y[REST], draws=6, counts=[1, 10], probe="knn") for x in (X, X[:, :60])
    ]
    paired = paired_interval(*curves)
    alone = [area_interval(curve) for curve in curves]
    assert paired.value == pytest.approx(curves[0].area - curves[1].area)
    assert paired.high - paired.low < 0.6 * min(one.high - one.low for one in alone)
    same = paired_interval(curves[0], curves[0])
    assert same == (0, 0, 0)


def test_a_clear_difference_excludes_zero_and_its_sign_turns_with_the_order():
    rng = np.random.default_rng(1)
    good, bad = made(0.8, rng), made(0.6, rng)
    forth, back = paired_interval(good, bad), paired_interval(bad, good)
    assert forth.low > 0 > back.high
    assert forth.low == pytest.approx(-back.high)


def test_rows_of_a_group_are_resampled_together_which_widens_the_interval():
    rng = np.random.default_rng(2)
    small = made(0.7, rng, draws=4, rows=60)
    copies = np.repeat(np.arange(60), 10)
    large = Curve(
        "class", small.classes, small.counts, small.predictions[..., copies], small.truth[copies], small.scores
    )
    alone, grouped = area_interval(large), area_interval(large, groups=copies)
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    with pytest.raises(DataError, match="3 groups for 600 scored rows"):
        area_interval(large, groups=[1, 2, 3])


def test_bands_and_areas_agree_for_numbers():
    x, y = load_diabetes(return_X_y=True)
    curve = label_curve(x[:300], y[:300], x[300:], y[300:], draws=6, counts=[50, 100])
    bands, area = curve_bands(curve), area_interval(curve)
    assert [band.value for band in bands] == pytest.approx(curve.mean.tolist())
    assert area.low < np.mean(curve.mean) < area.high
    assert all(band.low < band.value < band.high for band in bands)
    other = label_curve(x[:300, :3], y[:300], x[300:, :3], y[300:], draws=6, counts=[50, 100])
    assert paired_interval(curve, other).low > 0


def test_unpaired_curves_are_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(DataError, match="differ in their counts or scored rows"):
        paired_interval(made(0.5, rng), made(0.5, rng, rows=30))
    with pytest.raises(DataError, match="5 and 4 draws are not paired"):
        paired_interval(made(0.5, rng), made(0.5, rng, draws=4))


def test_chance_is_one_in_the_classes_or_what_shuffled_numbers_give():
    assert chance_area(X[TRAIN], Y[TRAIN], X[REST], Y[REST]) == pytest.approx(0.1)
    x, y = load_diabetes(return_X_y=True)
    assert -0.5 < chance_area(x[:300], y[:300], x[300:], y[300:]) < 0
