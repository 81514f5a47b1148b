"""Error bars: the published formulas, by independent computation, and widths where all rows agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from codelayer.errors import DataError
from codelayer.measure import METRICS, share_interval
from codelayer.measure.spread import jackknife_half, mean_half, share_ends, shares_ends, split_values, student95

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n", [3, 10, 250])
def test_the_half_of_a_mean_is_students(n):
    points = RNG.standard_normal(n)
    low, high = stats.t.interval(0.95, n - 1, points.mean(), stats.sem(points))
    assert mean_half(points) == pytest.approx((high - low) / 2, rel=1e-9)
    assert student95(n) == pytest.approx(stats.t.ppf(0.975, n - 1))


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (20, 20), (3, 40), (197, 200)])
def test_the_ends_of_a_share_are_wilsons(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert share_ends(hits / n, n) == pytest.approx((expected.low, expected.high))
    assert share_interval(hits / n, n).value == hits / n


def test_rows_of_many_things_are_worth_more_than_one_and_constant_rows_do_not_vary():
    on = RNG.random((200, 50)) < 0.9
    many, one = shares_ends(on.mean(1)), shares_ends(on[:, 0].astype(float))
    assert many[1] - many[0] == pytest.approx(2 * 1.96 * (0.09 / 10_000) ** 0.5, rel=0.2)
    assert one == pytest.approx(share_ends(on[:, 0].mean(), 199), abs=1e-9)
    assert shares_ends(np.full(50, 0.25)) == (0.25, 0.25)
    assert shares_ends(np.ones(50)) == share_ends(1.0, 50.0)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    points = RNG.standard_normal(12)
    without = np.array([np.delete(points, i).mean() for i in range(12)])
    assert jackknife_half(without) == pytest.approx(mean_half(points))


def test_what_one_split_varies_is_taken_off():
    points = RNG.standard_normal(2000)

    def noisy(rows, i):
        return points[rows].mean() + 0.2 * np.random.default_rng([i, int(rows.sum())]).standard_normal()

    each = points.mean() + 0.2 * np.random.default_rng(1).standard_normal(100)
    spread = [split_values(noisy, each, 2000, seed).std(ddof=1) for seed in range(30)]
    # the mean of 100 splits varies by .02 with them and by .022 with the rows; one split by .2
    assert 0.02 < np.mean(spread) < 0.09

    def undefined(rows, i):
        raise DataError("too few", "more")

    assert split_values(undefined, each, 2000, 0) is None


def test_few_rows_that_agree_have_no_interval_and_many_have_one():
    few = METRICS["treves_rolls"].read({"codes": np.eye(10)})
    assert few.low is None and few.high is None and "no interval: the 10 rows do not differ in it" in few.note
    many = METRICS["treves_rolls"].read({"codes": np.eye(40)})
    assert many.low == many.high == many.value


def test_a_probe_that_is_right_on_every_row_has_wilsons_interval():
    labels = np.arange(24) % 2
    found = METRICS["knn_score"].read({"codes": np.eye(2)[labels] * 9 + 0.1 * RNG.random((24, 2)), "labels": labels})
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(stats.binomtest(24, 24).proportion_ci(method="wilson").low)


def test_a_score_of_neighbours_has_an_interval_as_wide_as_other_rows_tell():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = rng.integers(2, size=240)
        codes = rng.standard_normal((240, 3)) + np.eye(3)[labels]
        found.append(METRICS["knn_score"].read({"codes": codes, "labels": labels}))
    spread = np.std([one.value for one in found])
    assert 0.95 < np.mean([one.high - one.low for one in found]) / (3.92 * spread) < 1.6
    assert found[0].replicates.shape == (12,) and found[0].points is None
