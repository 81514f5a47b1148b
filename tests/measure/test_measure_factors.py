"""MIG and modularity against the reference's values, and codes whose verdict is known."""

from __future__ import annotations

import numpy as np
import pytest
from factor_cases import TURN, grid, noisy, standard, ten

from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.factors import modularity_of

MIG, DLIB, MODULARITY = METRICS["mig"], METRICS["mig_dlib20"], METRICS["modularity"]
FACTORS, R = grid(10_000)
CODE = standard(FACTORS)
CASES = {
    "identity": (CODE, 0.9987),
    "noise": (CODE + 0.3 * np.random.RandomState(1).randn(10_000, 5), 0.683),
    "turned": (CODE @ TURN, 0.254),
    "duplicated": (np.c_[CODE, CODE], 0.0),
    "with noise units": (np.c_[CODE, np.random.RandomState(2).randn(10_000, 5)], 0.997),
    "two in one": (np.c_[CODE[:, 0] + CODE[:, 1], CODE[:, 2:]], 0.861),
    "constant unit": (np.c_[CODE, np.ones(10_000)], 0.9987),
    "random": (np.random.RandomState(3).randn(10_000, 5), 0.0002),
    "exp": (np.exp(CODE), 0.928),
}


@pytest.mark.parametrize("case", CASES)
def test_the_variant_of_disentanglement_lib_gives_its_values(case):
    code, expected = CASES[case]
    assert DLIB(codes=code, factors=FACTORS) == pytest.approx(expected, abs=0.01)


def test_the_unit_test_data_of_disentanglement_lib_give_its_values():
    x = ten()
    assert DLIB(codes=x, factors=x) == pytest.approx(0.99215949, abs=0.002)
    assert MIG(codes=x, factors=x) >= 0.995
    assert MODULARITY(codes=x, factors=x) == pytest.approx(1, abs=1e-9)
    for code in (np.c_[x, x], np.zeros_like(x)):
        assert DLIB(codes=code, factors=x) == pytest.approx(0, abs=1e-12)
        assert MIG(codes=code, factors=x) == pytest.approx(0, abs=1e-12)
    assert MODULARITY(codes=np.c_[x, x], factors=x) >= 0.9
    # each row in another order: every unit tells every factor a little, and the largest of ten stands out less with
    # more rows
    x = ten(20_000)
    mixed = np.random.default_rng(1).permuted(x, axis=1)
    assert MODULARITY(codes=mixed, factors=x) <= 0.2


@pytest.mark.parametrize(
    ("case", "low", "high"),
    [
        ("identity", 0.99, 1),
        ("noise", 0.67, 0.70),
        ("turned", 0.24, 0.27),
        ("duplicated", 0, 0),
        ("with noise units", 0.99, 1),
        ("constant unit", 0.99, 1),
        ("random", 0, 0.005),
        ("exp", 0.99, 1),
    ],
)
def test_mig_with_bins_of_equal_mass_judges_as_the_reference_says(case, low, high):
    assert low <= MIG(codes=CASES[case][0], factors=FACTORS) <= high


def test_mig_does_not_see_monotone_maps():
    code, factors = noisy(2000)
    # the bins are the same; rows stand in an order that depends on them, so that other shuffles give the null
    assert MIG(codes=np.exp(code), factors=factors) == pytest.approx(MIG(codes=code, factors=factors), abs=0.002)


def test_the_null_takes_off_what_few_rows_add():
    rng = np.random.default_rng(5)
    factors = rng.integers(0, [10, 40], (400, 2))
    assert MIG(codes=factors.astype(float), factors=factors) == pytest.approx(1, abs=0.02)
    assert DLIB(codes=factors.astype(float), factors=factors) < 0.85
    assert MIG(codes=rng.standard_normal((400, 6)), factors=factors) <= 0.05


def test_the_gap_of_each_factor_and_its_unit_stand_beside():
    reading = MIG.read({"codes": CODE[:, ::-1], "factors": FACTORS})
    assert reading.more["units"] == [4, 3, 2, 1, 0]
    assert np.mean(reading.more["factors"]) == pytest.approx(reading.value)
    few = MIG.read({"codes": CODE[:300], "factors": FACTORS[:300]})
    assert few.note == "only 300 rows: information is uncertain below 1,000"


def test_the_interval_covers_the_value_of_many_rows():
    truth = MIG(*noisy(60_000, 999))
    inside = []
    for seed in range(40):
        reading = MIG.read(dict(zip(("codes", "factors"), noisy(3000, seed), strict=True)))
        inside.append(reading.low <= truth <= reading.high)
    assert 0.82 <= np.mean(inside) <= 1


def test_modularity_of_a_matrix_by_hand():
    assert modularity_of(np.eye(5)).tolist() == [1] * 5
    assert modularity_of(np.array([[1, 0], [0, 1], [0, 0]])).mean() == pytest.approx(2 / 3)
    assert modularity_of(np.zeros((3, 2))).mean() == 0
    assert modularity_of(np.c_[5 * np.eye(5), 5 * np.eye(5)]).mean() == pytest.approx(1 - 1 / 9)
    worked = np.array([[0.9, 0.1, 0], [0.1, 0.8, 0.1], [0, 0.1, 0.9], [0.05, 0.05, 0.05]])
    assert modularity_of(worked).mean() == pytest.approx(0.74300733, abs=1e-8)


def test_modularity_of_noise_is_zero_and_that_of_a_turned_code_is_as_published():
    assert MODULARITY(codes=CASES["random"][0], factors=FACTORS) <= 0.05
    assert MODULARITY(codes=CASES["turned"][0], factors=FACTORS) == pytest.approx(0.835, abs=0.05)
    # spare units count as 0: 5 of 10
    assert MODULARITY(codes=CASES["with noise units"][0], factors=FACTORS) == pytest.approx(0.5, abs=0.1)


def test_modularity_of_weak_units_has_an_interval_as_wide_as_other_rows_tell():
    weights = np.array([[1, 0, 0], [0, 0.5, 0], [0.35, 0.3, 0], [0, 0.25, 0.4], [0.2, 0, 0.3]])
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        factors = np.stack([rng.integers(k, size=300) for k in (3, 4, 3)], axis=1)
        found.append(
            MODULARITY.read({"codes": factors @ weights.T + 0.7 * rng.standard_normal((300, 5)), "factors": factors})
        )
    spread = np.std([one.value for one in found])
    assert 0.6 < np.mean([one.high - one.low for one in found]) / (3.92 * spread) < 1.4


@pytest.mark.parametrize("name", ["mig", "mig_dlib20", "modularity", "sap", "dci_disentanglement", "factor_vae_score"])
def test_a_factor_of_one_value_is_one_sentence(name):
    with pytest.raises(DataError, match="factor 1 has one value"):
        METRICS[name](codes=CODE[:60], factors=np.c_[FACTORS[:60, 0], np.full(60, 3)])


def test_factors_may_be_categories_and_unknown_ones_are_left_out():
    shape = np.array(["square", "ellipse", "heart"], object)[FACTORS[:900, 0]]
    code = CODE[:900, :2]
    expected = MIG(codes=code[30:], factors=FACTORS[30:900, :2])
    shape[:30] = None
    found = MIG.read({"codes": code, "factors": {"shape": shape, "scale": FACTORS[:900, 1]}})
    assert found.n == 870
    assert found.value == pytest.approx(expected, abs=0.02)


def test_modularity_of_told_units_has_an_interval_as_wide_as_other_rows_tell():
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        factors = np.stack([rng.integers(k, size=300) for k in (3, 4, 3)], axis=1)
        told = factors @ [[1, 0.4, 0], [0, 1, 0.3], [0.2, 0, 1]] + 0.6 * rng.standard_normal((300, 3))
        found.append(MODULARITY.read({"codes": told, "factors": factors}))
    spread = np.std([one.value for one in found])
    assert 0.8 < np.mean([one.high - one.low for one in found]) / (3.92 * spread) < 1.4
