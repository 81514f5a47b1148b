"""Participation, patterns and correlations against closed forms, NumPy's own routines and reference values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from codelayer.errors import DataError
from codelayer.measure import METRICS

DIGITS = load_digits().data / 16


def participation(codes):
    return METRICS["participation_ratio"].read({"codes": codes})


def test_participation_reproduces_the_reference_table():
    pca = PCA(10, svd_solver="full").fit_transform(DIGITS)
    cube = np.pad(np.random.default_rng(0).random((1500, 5)), ((0, 0), (0, 5)))
    gauss = np.random.default_rng(0).standard_normal((1500, 20))
    found = [participation(rows).value for rows in (DIGITS, pca, cube, gauss)]
    assert found == pytest.approx([13.1685, 7.4920, 4.9891, 19.716], abs=6e-4)
    example = np.random.RandomState(0).randn(300, 10)
    assert participation(example).value == pytest.approx(9.64925459, abs=1e-8)


def test_a_balanced_one_hot_code_participates_with_one_direction_less_than_classes():
    reading = participation(np.tile(np.eye(10), (5, 1)))
    assert reading.value == pytest.approx(9, abs=1e-12)
    assert reading.more["share"] == pytest.approx(0.9)


@pytest.mark.parametrize("shape", [(60, 7), (12, 40)])
def test_participation_is_that_of_the_eigenvalues_also_with_more_units_than_rows(shape):
    codes = np.random.default_rng(1).standard_normal(shape) @ np.diag(np.arange(1.0, shape[1] + 1))
    values = np.linalg.eigvalsh(np.cov(codes.T))
    reading = participation(codes)
    assert reading.value == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-9)
    assert "too few" in reading.note


def test_the_chance_of_participation_is_what_shuffled_columns_give_on_average():
    codes = np.random.default_rng(2).standard_normal((100, 6)) @ np.random.default_rng(3).standard_normal((6, 6))
    shuffled = [participation(np.random.default_rng(i).permuted(codes, axis=0)).value for i in range(300)]
    assert participation(codes).chance == pytest.approx(np.mean(shuffled), rel=0.01)


def test_an_offset_does_not_change_participation_and_a_constant_code_is_refused():
    codes = np.random.default_rng(0).standard_normal((200, 4))
    assert participation(codes + 1e6).value == pytest.approx(participation(codes).value, rel=1e-6)
    with pytest.raises(DataError, match="the codes are constant"):
        participation(np.ones((10, 3)))


def test_patterns_by_hand():
    # two independent units, each above its median in half of the rows: four patterns of equal share, two bits
    codes = np.array([[a, b] for a in (0, 1) for b in (0, 1)] * 25, dtype=float)
    reading = METRICS["pattern_entropy"].read({"codes": codes})
    assert reading.value == pytest.approx(1)
    expected = {"bits": 2.0, "per_unit": 1.0, "patterns": 4, "share": 1.0}
    assert {key: reading.more[key] for key in expected} == pytest.approx(expected)
    # one-hot of four classes: four of sixteen patterns, two bits in four units
    one_hot = METRICS["pattern_entropy"].read({"codes": np.tile(np.eye(4), (25, 1))})
    assert (one_hot.value, one_hot.more["share"]) == pytest.approx((0.5, 0.25))


def test_pattern_entropy_is_that_of_the_patterns_counted_one_by_one():
    codes = np.random.default_rng(4).standard_normal((300, 11)) @ np.random.default_rng(5).standard_normal((11, 11))
    on = [tuple(row) for row in codes > np.median(codes, 0)]
    share = np.array([on.count(one) for one in set(on)]) / 300
    reading = METRICS["pattern_entropy"].read({"codes": codes})
    assert reading.more["patterns"] == len(set(on))
    assert reading.value == pytest.approx(-(share * np.log2(share)).sum() / np.log2(300))


def test_a_binary_unit_that_is_mostly_on_still_tells_its_two_values_apart():
    codes = np.array([[0, 1], [1, 0], [1, 1], [1, 1]] * 10, dtype=float)
    assert METRICS["pattern_entropy"].read({"codes": codes}).more["patterns"] == 3


def test_a_code_that_does_not_vary_has_no_patterns():
    with pytest.raises(DataError, match="one pattern"):
        METRICS["pattern_entropy"](np.ones((10, 3)))


def test_mean_correlation_is_that_of_numpy():
    codes = np.random.default_rng(6).standard_normal((150, 5)) @ np.random.default_rng(7).standard_normal((5, 5))
    expected = np.abs(np.corrcoef(codes.T))[np.triu_indices(5, 1)]
    reading = METRICS["mean_correlation"].read({"codes": np.c_[codes, np.ones(150)]})
    assert reading.value == pytest.approx(expected.mean(), rel=1e-9)
    assert reading.more["largest"] == pytest.approx(expected.max(), rel=1e-9)
    assert reading.note == "1 units that never vary left out"


def test_copies_of_a_unit_are_fully_correlated_and_noise_scores_its_chance():
    unit = np.random.default_rng(8).standard_normal((100, 1))
    assert METRICS["mean_correlation"](np.c_[unit, -2 * unit, unit]) == pytest.approx(1)
    noise = METRICS["mean_correlation"].read({"codes": np.random.default_rng(9).standard_normal((400, 60))})
    assert noise.value == pytest.approx(noise.chance, rel=0.05)
    with pytest.raises(DataError, match="only 1 units vary"):
        METRICS["mean_correlation"](np.c_[unit, np.zeros(100)])


SPREAD = np.array([3, 2, 1, 1.0])
TURN = np.linalg.cholesky(np.array([[1, 0.5, -0.3], [0.5, 1, 0.2], [-0.3, 0.2, 1]]))


@pytest.mark.parametrize(
    ("name", "turn", "truth"),
    [
        ("participation_ratio", np.diag(SPREAD), (SPREAD**2).sum() ** 2 / (SPREAD**4).sum()),
        ("mean_correlation", TURN.T, 1 / 3),
    ],
)
def test_an_interval_covers_the_truth_in_90_to_98_of_100_samples(name, turn, truth):
    hits = 0
    for seed in range(200):
        rows = np.random.default_rng(seed).standard_normal((400, len(turn))) @ turn
        found = METRICS[name].read({"codes": rows})
        hits += found.low <= truth <= found.high
    assert 0.90 <= hits / 200 <= 0.98
