"""Mutual information against scikit-learn, and bins that ties cannot split."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from codelayer.errors import DataError
from codelayer.measure.information import (
    Places,
    entropies,
    equal_mass,
    equal_width,
    factor_places,
    information_by_luck,
    mutual_information,
    unit_scaled,
)
from codelayer.measure.spread import half_values

RNG = np.random.default_rng(0)
PLACES = Places(RNG.integers(0, [7, 3, 12], (500, 3)), np.array([7, 3, 12]))
FACTORS = Places(np.c_[PLACES.place[:, 0] // 2, RNG.integers(0, 5, 500)], np.array([4, 5]))


def test_the_matrix_is_that_of_scikit_learn():
    expected = [[mutual_info_score(u, f) for f in FACTORS.place.T] for u in PLACES.place.T]
    assert mutual_information(PLACES, FACTORS) == pytest.approx(np.array(expected), abs=1e-12)
    assert entropies(PLACES) == pytest.approx([mutual_info_score(u, u) for u in PLACES.place.T], abs=1e-12)


def test_luck_is_the_bias_of_small_samples():
    found = information_by_luck(PLACES, FACTORS, 200, 0)
    # (B - 1) (S - 1) / 2 n nats
    assert found == pytest.approx(np.outer([6, 2, 11], [3, 4]) / 1000, rel=0.1)


def test_bins_of_equal_width_are_those_of_the_reference():
    assert equal_width(np.array([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]]), 3).place[:, 0].tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]


def test_bins_of_equal_mass_see_the_order_only_and_keep_ties_together():
    column = RNG.standard_normal((1000, 1))
    found = equal_mass(column)
    assert np.bincount(found.place[:, 0]).tolist() == [50] * 20
    assert np.array_equal(found.place, equal_mass(np.exp(3 * column)).place)
    tied = np.round(column * 100)
    for value in np.unique(tied):
        assert len(np.unique(equal_mass(tied).place[tied == value])) == 1


def test_few_values_keep_their_own_bins():
    assert equal_mass(np.arange(100.0)[:, None] % 40).sizes.tolist() == [40]


def test_scaling_leaves_out_what_never_varies():
    z, varies = unit_scaled(np.c_[np.arange(4.0), np.full(4, 7.0), [0, 1e150, 0, -1e150]])
    assert varies.tolist() == [True, False, True]
    assert z[:, 0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1]) and not z[:, 1].any()


def test_a_factor_of_one_value_is_named():
    with pytest.raises(DataError, match="factor 1 has one value, 4"):
        factor_places(np.c_[np.arange(5.0), np.full(5, 4.0)])


def test_intervals_from_halves_have_the_width_of_the_standard_error():
    points = np.random.default_rng(3).standard_normal(4000)
    values, half = half_values(lambda rows: points[rows].mean(), 4000, 0, halves=400)
    assert len(values) == 400 and half == pytest.approx(1.96 / 4000**0.5, rel=0.1)
