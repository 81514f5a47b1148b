"""SAP and explicitness against the reference's values."""

from __future__ import annotations

import numpy as np
import pytest
from factor_cases import TURN, grid, noisy, standard, ten

from codelayer.errors import DataError
from codelayer.measure import METRICS

SAP, SVM, EXPLICIT = METRICS["sap"], METRICS["sap_svm"], METRICS["explicitness"]
FACTORS, _ = grid(3000)
CODE = standard(FACTORS)
SPARE = np.random.RandomState(2).randn(3000, 5)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (CODE, 1.0),
        (CODE + 0.3 * np.random.RandomState(1).randn(3000, 5), 0.917),
        (CODE @ TURN, 0.360),
        (np.c_[CODE, CODE], 0.0),
        (np.c_[CODE, SPARE], 1.0),
        (np.c_[CODE[:, 0] + CODE[:, 1], CODE[:, 2:]], 0.797),
        (np.c_[CODE, np.ones(3000)], 1.0),
        (SPARE, 0.0),
        (np.exp(CODE), 0.870),
    ],
)
def test_sap_gives_the_values_of_the_reference(code, expected):
    assert SAP(codes=code, factors=FACTORS) == pytest.approx(expected, abs=0.02)


def test_sap_is_the_gap_of_squared_correlations():
    code, factors = noisy(400)
    squares = np.corrcoef(np.c_[code, factors], rowvar=False)[:5, 5:] ** 2
    top = np.sort(squares, axis=0)
    assert SAP(codes=code, factors=factors) == pytest.approx((top[-1] - top[-2]).mean(), abs=1e-12)
    assert SAP(codes=1e150 * code, factors=factors) == pytest.approx((top[-1] - top[-2]).mean(), abs=1e-9)


def test_the_unit_test_data_of_disentanglement_lib_give_its_values():
    x = ten()
    assert SAP(codes=x, factors=x) == pytest.approx(0.99907039, abs=0.002)
    assert SVM(codes=x, factors=x, rows=3000) == pytest.approx(0.18847, abs=0.02)
    assert SAP(codes=np.zeros_like(x), factors=x) == 0
    assert EXPLICIT.read({"codes": x[:1500], "factors": x[:1500]}, {"draws": 2}).more["auc"] >= 0.998


def test_the_discrete_variant_gives_the_values_of_the_reference():
    assert SVM(codes=CODE, factors=FACTORS) == pytest.approx(0.345, abs=0.03)
    assert SVM(codes=CODE @ TURN, factors=FACTORS) == pytest.approx(0.100, abs=0.05)
    assert SVM(codes=SPARE, factors=FACTORS) <= 0.05


def test_explicitness_does_not_mind_a_turn_or_a_constant_unit():
    few = FACTORS[:800]
    for code in (CODE, CODE @ TURN, np.c_[CODE, np.ones(3000)]):
        assert EXPLICIT(codes=code[:800], factors=few, draws=2) >= 0.97
    reading = EXPLICIT.read({"codes": SPARE[:800], "factors": few}, {"draws": 3})
    assert reading.value == pytest.approx(0, abs=0.06)
    assert reading.more["auc"] == pytest.approx((1 + reading.value) / 2)
    code, factors = noisy(2000)
    assert EXPLICIT.read({"codes": code, "factors": factors}).more["auc"] == pytest.approx(0.957, abs=0.02)


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(DataError, match="no unit varies"):
        EXPLICIT(codes=np.ones((50, 2)), factors=FACTORS[:50])
    with pytest.raises(DataError, match="factor 0 has fewer than two values with four rows"):
        EXPLICIT(codes=CODE[:6], factors=FACTORS[:6, 3:4])


def test_what_rows_add_to_an_area_under_the_curve_has_its_mean_and_its_variance():
    from codelayer.measure.factor_fits import _standing
    from codelayer.measure.probes import auc

    rng = np.random.default_rng(8)
    positive = rng.random(200) < 0.3
    scores = np.round(rng.standard_normal(200) + positive, 1)
    points = _standing(positive, scores)
    assert points.mean() == pytest.approx(auc(positive, scores))
    a, b = scores[positive][:, None], scores[~positive]
    beats = (a > b) + 0.5 * (a == b)
    spread = beats.mean(1).var() / positive.sum() + beats.mean(0).var() / (~positive).sum()
    assert points.var() / 200 == pytest.approx(spread)
