"""Sparsity by hand and against reference values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from codelayer.errors import DataError
from codelayer.measure import METRICS, dead_units

NAMES = ("l0_share", "hoyer", "gini", "treves_rolls")


def of(codes: np.ndarray) -> list[float]:
    return [METRICS[name](codes) for name in NAMES]


def test_the_reference_values_are_reproduced():
    assert of(load_digits().data / 16) == pytest.approx([0.510712, 0.422017, 0.641974, 0.398721], abs=1e-6)
    assert of(np.eye(10)) == pytest.approx([0.1, 1.0, 0.9, 0.1], abs=1e-12)
    assert of(np.ones((4, 10))) == pytest.approx([1, 0, 0, 1], abs=1e-12)


def test_gaussian_codes_give_the_known_values_which_are_also_the_chance_level():
    codes = np.random.default_rng(2).standard_normal((1797, 64))
    expected = {"hoyer": 0.227349, "gini": 0.408739, "treves_rolls": 0.642375}
    for name, value in expected.items():
        reading = METRICS[name].read({"codes": codes})
        assert reading.value == pytest.approx(value, abs=2e-3)
        assert reading.chance == pytest.approx(value, abs=5e-3)


def test_scale_does_not_matter_even_near_the_end_of_the_float_range():
    codes = np.abs(np.random.default_rng(0).standard_normal((50, 8)))
    assert of(1e300 * codes) == pytest.approx(of(codes), rel=1e-12)


def test_rows_of_zeros_are_left_out_and_said():
    codes = np.vstack([np.eye(4), np.zeros((3, 4))])
    reading = METRICS["hoyer"].read({"codes": codes})
    assert (reading.value, reading.n, reading.note) == (1.0, 4, "3 rows of zeros left out")


def test_only_zeros_or_one_unit_are_refused():
    with pytest.raises(DataError, match="all codes are zero"):
        METRICS["hoyer"](np.zeros((5, 4)))
    with pytest.raises(DataError, match="one unit"):
        METRICS["gini"](np.ones((5, 1)))


def test_dead_units_are_counted_with_a_remedy():
    codes = np.random.default_rng(0).standard_normal((200, 6))
    codes[:, [1, 4]] = 0.5
    found = dead_units(codes)
    assert (found["count"], found["share"], found["units"]) == (2, 2 / 6, [1, 4])
    assert "2 of 6 units never vary on 200 rows" in found["note"] and "code_size=4" in found["note"]
    assert METRICS["dead_share"](codes) == pytest.approx(1 / 3)
    assert dead_units(codes[:, [0, 2]])["note"] == ""
    assert dead_units(np.zeros((5, 3)))["share"] == 1.0
