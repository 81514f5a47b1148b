"""Error bars: the published formulas, by independent computation, and widths where all rows agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from codelayer.errors import DataError
from codelayer.measure import METRICS, share_interval
from codelayer.measure.spread import (
    jackknife_half,
    mean_half,
    on_all_rows,
    pseudo_values,
    share_ends,
    shares_ends,
    split_share,
    split_values,
    student95,
)

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


def shares_of_cells(p, rng, cells=12):
    """Shares of 5 splits of all rows and of 2 splits of 10 halves, each the mean over cells that are right or wrong."""
    return rng.binomial(cells, p, 5) / cells, rng.binomial(cells, max(2 * p - 1, 0.3), (10, 2)) / cells


@pytest.mark.parametrize("p", [0.4, 0.9, 0.99])
def test_a_share_over_splits_has_an_interval_as_wide_as_its_few_cells_tell(p):
    rng, found, values = np.random.default_rng(2), [], []
    for _ in range(400):
        each, halves = shares_of_cells(p, rng)
        low, high, replicates = split_share(each, halves, 1000)
        assert low <= each.mean() <= high and replicates.mean() == pytest.approx(each.mean())
        found.append(low <= p <= high)
        values.append(each.mean())
    assert 0.9 <= np.mean(found) <= 1
    # thousands of votes are worth 60 here: the width of all right is Wilson's of about so many
    low, high, _ = split_share(np.ones(5), 1 - 0.02 * rng.binomial(1, 0.3, (10, 2)), 1000)
    assert high == 1 and 0.9 < low < 0.999


def test_shares_that_are_all_right_have_wilsons_interval_of_the_rows():
    low, high, replicates = split_share(np.ones(5), np.ones((10, 2)), 40)
    assert (low, high) == pytest.approx(share_ends(1.0, 40)) and (replicates == 1).all()


def test_pseudo_values_have_the_mean_and_the_spread_of_the_jackknife():
    points = RNG.standard_normal(30) ** 2
    without = np.array([np.log(np.delete(points, i).mean()) for i in range(30)])
    made = pseudo_values(float(np.log(points.mean())), without)
    assert made.mean() == pytest.approx(np.log(points.mean()))
    assert mean_half(made) == pytest.approx(jackknife_half(without))


def test_numbers_of_some_rows_keep_mean_and_spread_among_all():
    kept = np.arange(40) % 4 > 0
    points = RNG.standard_normal(30)
    spread = on_all_rows(points, kept)
    assert spread.shape == (40,) and spread.mean() == pytest.approx(points.mean())
    assert spread.var() / 40 == pytest.approx(points.var() / 30)
    np.testing.assert_allclose(on_all_rows(points, np.ones(30, bool)), points)


def test_rows_that_were_left_out_are_not_counted():
    found = METRICS["hoyer"].read({"codes": np.r_[np.eye(6), np.zeros((60, 6))]})
    assert found.low is None and "the 6 rows do not differ" in found.note


def test_no_interval_of_a_share_leaves_its_range():
    codes = np.abs(RNG.standard_normal((400, 7))).astype(np.float32) + 1
    found = METRICS["l0_share"].read({"codes": codes})
    assert (found.value, found.high) == (1, 1) and found.low < 1
    lone = METRICS["dead_share"].read({"codes": np.c_[np.eye(40)[:, :9], RNG.random(40)]})
    assert 0 <= lone.low <= lone.high <= 1
