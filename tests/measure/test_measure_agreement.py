"""UDR over seeds, and total correlation."""

from __future__ import annotations

import numpy as np
import pytest
from factor_cases import TURN

from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.agreement import udr_of

UDR, LASSO, NATS = METRICS["udr"], METRICS["udr_lasso"], METRICS["total_correlation_nats"]
CLOUD = np.random.default_rng(0).standard_normal((2000, 5))


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (np.eye(3), 1),
        (np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]]), 2 / 3),
        (np.ones((3, 3)), 1 / 3),
        (np.zeros((3, 3)), 0),
    ],
)
def test_the_matrices_of_the_reference_give_its_values(relation, expected):
    assert udr_of(relation) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [UDR, LASSO])
def test_seeds_agree_up_to_order_sign_and_scale_and_a_turn_is_seen(metric):
    order = np.random.default_rng(1).permutation(5)
    same = [CLOUD, -2 * CLOUD[:, order], CLOUD[:, ::-1]]
    assert metric(seeds=same) >= 0.85 if metric is LASSO else metric(seeds=same) >= 0.99
    turned = metric(seeds=[CLOUD, CLOUD @ TURN, CLOUD @ TURN @ TURN])
    assert turned < 0.7
    noise = [np.random.default_rng(seed).standard_normal((2000, 5)) for seed in range(3)]
    assert metric(seeds=noise) <= 0.05


def test_dead_units_do_not_count_and_widths_may_differ():
    padded = [np.c_[CLOUD, 1e-4 * np.random.default_rng(seed).standard_normal((2000, 3))] for seed in range(2)]
    assert UDR(seeds=[*padded, CLOUD]) >= 0.99


def test_rank_correlation_sees_curves_and_each_seed_has_its_score():
    reading = UDR.read({"seeds": [CLOUD, np.exp(2 * CLOUD), CLOUD @ TURN]})
    assert reading.more["seeds"][0] > reading.more["seeds"][2]
    assert reading.note == "only 3 seeds"


def test_one_seed_and_a_dead_seed_are_refused():
    with pytest.raises(DataError, match="at least two fits"):
        UDR(seeds=[CLOUD])
    with pytest.raises(DataError, match="no unit varies"):
        UDR(seeds=[CLOUD, np.zeros((2000, 2))])


def test_total_correlation_is_that_of_the_closed_form():
    code = np.random.default_rng(2).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 20_000)
    reading = NATS.read({"codes": code})
    assert reading.value == pytest.approx(-0.5 * np.log(1 - 0.64), abs=0.02)
    assert reading.low < -0.5 * np.log(1 - 0.64) < reading.high
    assert NATS(codes=code * [1e150, 1e-150]) == pytest.approx(reading.value, abs=1e-9)
    assert NATS(codes=CLOUD) == pytest.approx(0, abs=0.01)
    assert NATS(codes=CLOUD @ TURN) == pytest.approx(0, abs=0.01)


def test_total_correlation_of_constant_and_doubled_units_is_told_not_infinite():
    reading = NATS.read({"codes": np.c_[CLOUD, np.ones(2000)]})
    assert reading.note == "1 units that never vary are left out"
    with pytest.raises(DataError, match="units 0 and 5 say the same"):
        NATS(codes=np.c_[CLOUD, 3 * CLOUD[:, 0]])
    with pytest.raises(DataError, match="some units are sums of others"):
        NATS(codes=np.c_[CLOUD, CLOUD.sum(1)])
    with pytest.raises(DataError, match="at least two"):
        NATS(codes=np.c_[CLOUD[:, 0], np.ones(2000)])
    with pytest.raises(DataError, match="50 units vary on 20 rows"):
        NATS(codes=np.random.default_rng(0).standard_normal((20, 50)))


def test_udr_of_three_seeds_has_a_jackknife_interval_and_of_two_none():
    rng = np.random.default_rng(3)
    base = rng.standard_normal((400, 3))
    seeds = [base[:, rng.permutation(3)] + noise * rng.standard_normal((400, 3)) for noise in (0.1, 0.4, 0.7, 0.9)]
    found = METRICS["udr"].read({"seeds": seeds})
    without = [METRICS["udr"].read({"seeds": seeds[:i] + seeds[i + 1 :]}).value for i in range(4)]
    error = (3 / 4 * np.square(np.array(without) - np.mean(without)).sum()) ** 0.5
    assert found.value - found.low == pytest.approx(3.1824463 * error, rel=1e-5)
    two = METRICS["udr"].read({"seeds": seeds[:2]})
    assert two.low is None and two.note == "only 2 seeds: no interval"


def test_what_each_row_adds_to_total_correlation_is_its_numeric_derivative():
    rng = np.random.default_rng(4)
    z = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 3))
    points = METRICS["total_correlation_nats"].read({"codes": z}, as_given=True).points

    def weighted(w):
        c = np.cov(z.T, aweights=w, ddof=0)
        return -0.5 * np.log(np.linalg.det(c / np.sqrt(np.outer(np.diag(c), np.diag(c)))))

    for i in range(0, 60, 20):
        w = np.ones(60)
        w[i] += 1e-5
        slope = (weighted(w) - weighted(np.ones(60))) / (1e-5 / 60)
        assert points[i] - points.mean() == pytest.approx(slope, rel=1e-2, abs=1e-3)
