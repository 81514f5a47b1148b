"""The demonstrations: 2^n concepts by n units, and combinations nobody has seen together."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import concepts_named, count_patterns, held_out_combinations, one_hot_codes

PARTS = np.random.default_rng(0).integers(0, 2, (1200, 5))
MIXED = PARTS @ np.random.default_rng(1).standard_normal((5, 20))


@pytest.mark.parametrize("units", [1, 2, 5, 8])
def test_n_binary_units_name_two_to_the_n_concepts_and_one_hot_names_n(units):
    assert concepts_named(units) == {
        "units": units, "concepts": 2**units, "distributed": 2**units, "one_hot": units
    }  # fmt: skip


def test_too_many_units_are_refused():
    with pytest.raises(DataError, match="units=30"):
        concepts_named(30)


def test_patterns_are_counted():
    assert count_patterns(np.tile(np.eye(6), (10, 1))) == 6
    assert count_patterns(PARTS + 0.0) == 32


def test_a_distributed_code_recognises_combinations_it_has_not_seen_and_one_hot_codes_do_not():
    rows = MIXED + 0.1 * np.random.default_rng(2).standard_normal(MIXED.shape)
    told = held_out_combinations(PARTS + 0.1 * np.random.default_rng(3).standard_normal(PARTS.shape), PARTS, rows)
    assert told["code"]["combination"] > 0.99
    assert told["one_hot"]["combination"] < 0.3
    assert told["chance"] == {"factor": 0.5, "combination": 1 / 32}
    assert (told["combinations"], told["held_out"]) == (32, 8)
    assert told["code"]["factor"] >= told["code"]["combination"]


def test_only_combinations_whose_values_occur_elsewhere_are_held_out():
    diagonal = np.repeat(np.arange(4), 10)[:, None] * [1, 1]
    with pytest.raises(DataError, match="none of 4 combinations"):
        held_out_combinations(np.eye(4)[diagonal[:, 0]], diagonal)
    with pytest.raises(DataError, match="only 1 factors vary"):
        held_out_combinations(MIXED, PARTS * [1, 0, 0, 0, 0])


def test_the_same_seed_holds_out_the_same_and_another_may_not():
    first = held_out_combinations(MIXED, PARTS, seed=1)
    assert held_out_combinations(MIXED, PARTS, seed=1) == first
    assert held_out_combinations(MIXED[::-1], PARTS[::-1], seed=1) == first


def test_a_one_hot_code_has_one_unit_on_and_as_many_units_as_asked():
    codes = one_hot_codes(MIXED, MIXED[:50], 7)
    assert codes.shape == (50, 7)
    assert (codes.sum(1) == 1).all()
    assert one_hot_codes(np.zeros((5, 2)), np.zeros((3, 2)), 4).shape == (3, 4)
