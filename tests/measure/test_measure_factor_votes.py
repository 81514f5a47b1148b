"""FactorVAE and BetaVAE scores from stored codes."""

from __future__ import annotations

import numpy as np
import pytest
from factor_cases import TURN, grid, standard, ten

from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.factor_votes import _batches, _pairs, _variances
from codelayer.measure.information import factor_places

FACTOR, BETA = METRICS["factor_vae_score"], METRICS["beta_vae_score"]
FACTORS, _ = grid(10_000)
CODE = standard(FACTORS)
RANDOM = np.random.RandomState(3).randn(10_000, 5)


@pytest.mark.parametrize(
    ("code", "factor_vae", "beta_vae"),
    [
        (CODE, 1.0, 1.0),
        (CODE + 0.3 * np.random.RandomState(1).randn(10_000, 5), 1.0, 1.0),
        (CODE @ TURN, 0.782, 0.858),
        (np.c_[CODE, CODE], 1.0, 1.0),
        (np.c_[CODE[:, 0] + CODE[:, 1], CODE[:, 2:]], 0.790, 0.808),
        (np.c_[CODE, np.ones(10_000)], 1.0, 1.0),
        (RANDOM, 0.2, 0.2),
        (np.exp(CODE), 1.0, 1.0),
    ],
)
def test_known_codes_score_as_the_reference_says(code, factor_vae, beta_vae):
    assert FACTOR(codes=code, factors=FACTORS) == pytest.approx(factor_vae, abs=0.04)
    assert BETA(codes=code, factors=FACTORS) == pytest.approx(beta_vae, abs=0.06)


def test_the_unit_test_data_of_disentanglement_lib_stay_in_its_bands():
    x = ten()
    assert FACTOR(codes=x, factors=x) >= 0.9
    assert BETA(codes=x, factors=x) >= 0.9
    with pytest.raises(DataError, match="no unit varies"):
        FACTOR(codes=np.zeros_like(x), factors=x)


def test_chance_is_one_over_the_factors_and_the_corrected_score_zero():
    reading = FACTOR.read({"codes": RANDOM, "factors": FACTORS})
    assert reading.chance == pytest.approx(0.2)
    assert reading.more["corrected"] <= 0.05


def test_values_with_few_rows_cannot_be_learned_by_heart():
    # 300 rows, 40 values: a batch of one value is nearly the same rows each time
    rng = np.random.default_rng(0)
    factors = rng.integers(0, [40, 35, 30], (1000, 3))
    assert FACTOR(codes=rng.standard_normal((1000, 8)), factors=factors) == pytest.approx(1 / 3, abs=0.1)


def test_units_of_low_deviation_do_not_vote():
    wide = np.c_[CODE, 0.01 * RANDOM[:, 0]]
    assert FACTOR.read({"codes": wide, "factors": FACTORS}, {"votes": 200}).more["units"] == 5
    assert FACTOR.read({"codes": wide, "factors": FACTORS}, {"votes": 200, "prune": 0.0}).more["units"] == 6


def test_a_batch_shares_the_value_of_its_factor_and_its_variance_is_that_of_its_rows():
    places, rng = factor_places(FACTORS[:400]), np.random.default_rng(1)
    side = np.arange(0, 400, 2)
    fixed, rows, weight = _batches(places, side, 50, 32, rng)
    assert (rows % 2 == 0).all()
    for factor, row, kept in zip(fixed, rows, weight.astype(bool), strict=True):
        assert len(np.unique(FACTORS[row[kept], factor])) == 1
        assert len(np.unique(row[kept])) == kept.sum() >= 4
    expected = [CODE[row[kept]].var(0, ddof=1) for row, kept in zip(rows, weight.astype(bool), strict=True)]
    assert _variances(CODE[:400], rows, weight) == pytest.approx(np.array(expected) / CODE[:400].var(0))
    fixed, pairs = _pairs(places, side, 50, 8, rng)
    assert (pairs[..., 0] != pairs[..., 1]).all()
    for factor, pair in zip(fixed, pairs, strict=True):
        assert np.array_equal(FACTORS[pair[:, 0], factor], FACTORS[pair[:, 1], factor])


def test_a_factor_without_repeated_values_is_named():
    factors = np.c_[np.arange(40), np.arange(40) % 2]
    with pytest.raises(DataError, match="factor 0 has no value with 4 rows in each half of 20"):
        FACTOR(codes=CODE[:40], factors=factors)
    with pytest.raises(DataError, match="give at least two factors"):
        BETA(codes=CODE[:40], factors=FACTORS[:40, :1])
