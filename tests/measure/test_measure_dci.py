"""DCI: exact on importance matrices, steady in n, and 0 where nothing is told."""

from __future__ import annotations

import numpy as np
import pytest
from factor_cases import TURN, grid, noisy, standard

from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.dci import completeness_of, disentanglement_of

D, C, INFORMED = (METRICS[f"dci_{name}"] for name in ("disentanglement", "completeness", "informativeness"))
FACTORS, _ = grid(1500)
CODE = standard(FACTORS)
LESS = 1 - np.log(2) / np.log(10)


@pytest.mark.parametrize(
    ("importance", "d", "c"),
    [
        (np.eye(5), 1, 1),
        (np.array([[1, 0], [0, 1], [0, 0]]), 1, 1),
        (np.zeros((3, 3)), 0, 0),
        (np.r_[5 * np.eye(5), 5 * np.eye(5)], 1, LESS),
        (np.c_[5 * np.eye(5), 5 * np.eye(5)], LESS, 1),
        (np.array([[0.9, 0.1, 0], [0.1, 0.8, 0.1], [0, 0.1, 0.9], [0.05, 0.05, 0.05]]), 0.57984812, 0.56667700),
    ],
)
def test_the_matrices_of_the_reference_give_its_values(importance, d, c):
    assert disentanglement_of(importance) == pytest.approx(d, abs=1e-8)
    assert completeness_of(importance) == pytest.approx(c, abs=1e-8)


def test_known_codes_are_judged_as_the_reference_says():
    for code in (np.c_[CODE, np.ones(1500)], np.exp(CODE)):
        assert D(codes=code, factors=FACTORS) >= 0.95
        assert C(codes=code, factors=FACTORS) >= 0.95
        assert INFORMED(codes=code, factors=FACTORS) >= 0.95
    twice = np.c_[CODE, CODE]
    assert D(codes=twice, factors=FACTORS) >= 0.95
    assert C(codes=twice, factors=FACTORS) == pytest.approx(1 - np.log(2) / np.log(10), abs=0.1)
    turned = CODE @ TURN
    assert D(codes=turned, factors=FACTORS) < 0.45
    assert INFORMED(codes=turned, factors=FACTORS) > 0.7


def test_a_random_code_scores_zero_and_says_why():
    code = np.random.default_rng(3).standard_normal((1500, 5))
    readings = [one.read({"codes": code, "factors": FACTORS}) for one in (D, C, INFORMED)]
    assert [one.value for one in readings] == pytest.approx([0, 0, 0], abs=0.05)
    assert "not told above chance: factor" in readings[0].note


def test_random_codes_rarely_get_any_credit():
    found = [
        D(codes=np.random.default_rng(seed).standard_normal((600, 4)), factors=grid(600, seed)[0][:, :3], trees=20)
        for seed in range(7)
    ]
    assert np.median(found) == 0


def test_more_rows_do_not_raise_the_score_of_the_same_code():
    found = [D(*noisy(n * 3 // 2), rows=10_000) for n in (500, 2000)]
    assert abs(found[1] - found[0]) < 0.10
    assert min(found) > 0.84


def test_a_factor_of_many_values_is_read_as_a_number():
    rng = np.random.default_rng(0)
    factors = rng.random((900, 2))
    assert D(codes=factors, factors=factors) >= 0.95
    assert INFORMED(codes=factors, factors=factors) >= 0.95


def test_the_boosted_variant_follows_its_published_values():
    factors, _ = grid(1000)
    code = standard(factors)
    assert METRICS["dci_gbt"](codes=code, factors=factors, trees=10) >= 0.99
    noise = np.random.default_rng(3).standard_normal((1000, 5))
    assert METRICS["dci_gbt"](codes=noise, factors=factors, trees=10) <= 0.05


def test_the_three_scores_share_one_importance_and_seeds_repeat():
    given = {"codes": CODE[:400], "factors": FACTORS[:400]}
    first, second = D.read(given), C.read(given)
    assert first.more["importance"] == second.more["importance"]
    assert first.value == disentanglement_of(np.array(first.more["importance"]))
    assert D.read(given, {"seed": 1}).more["importance"] != first.more["importance"]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(DataError, match="disentanglement of one factor"):
        D(codes=CODE, factors=FACTORS[:, 0])
    with pytest.raises(DataError, match="completeness of one unit"):
        C(codes=CODE[:, :1], factors=FACTORS)
    with pytest.raises(DataError, match="9 rows are too few"):
        D(codes=CODE[:9], factors=FACTORS[:9])
    with pytest.raises(DataError, match="no unit varies"):
        D(codes=np.ones((50, 3)), factors=FACTORS[:50])


def test_what_held_out_rows_add_to_informativeness_has_its_value_as_mean():
    rng = np.random.default_rng(9)
    factors = rng.integers(3, size=(300, 2))
    found = METRICS["dci_informativeness"].read(
        {"codes": factors + 0.6 * rng.standard_normal((300, 2)), "factors": factors}
    )
    assert found.points.mean() == pytest.approx(found.value) and 0 < found.low < found.value < found.high < 1


def test_disentanglement_of_what_is_hardly_told_says_so():
    rng = np.random.default_rng(8)
    factors = np.stack([rng.integers(k, size=600) for k in (3, 4)], axis=1)
    for name in ("dci_disentanglement", "dci_completeness"):
        silent = METRICS[name].read({"codes": rng.standard_normal((600, 4)), "factors": factors})
        assert silent.value == 0 and "not told above chance: 0 stands for none (informativeness 0.00)" in silent.note
        weak = factors @ np.eye(2, 4) + 4 * rng.standard_normal((600, 4))
        found = METRICS[name].read({"codes": weak, "factors": factors})
        assert "(informativeness 0.0" in found.note
        assert METRICS[name].read({"codes": factors.astype(float), "factors": factors}).note == ""
