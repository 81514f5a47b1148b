"""Sparsity by hand and against reference values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from codelayer.errors import DataError
from codelayer.measure import METRICS, active_units, dead_units

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
    assert (reading.value, reading.n) == (1.0, 4) and reading.note.startswith("3 rows of zeros left out; no interval")


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


def test_population_sparsity_is_treves_rolls_put_on_a_scale_from_zero_to_one():
    assert METRICS["population_sparsity"](np.eye(10)) == pytest.approx(1)
    assert METRICS["population_sparsity"](np.ones((4, 10))) == pytest.approx(0, abs=1e-12)
    digits = load_digits().data / 16
    assert METRICS["population_sparsity"](digits) == pytest.approx((1 - 0.398721) / (1 - 1 / 64), abs=1e-6)


def test_lifetime_sparsity_is_population_sparsity_of_the_turned_code():
    codes = np.abs(np.random.default_rng(3).standard_normal((40, 6)))
    codes[:, 2] = 0
    reading = METRICS["lifetime_sparsity"].read({"codes": codes})
    turned = METRICS["population_sparsity"].read({"codes": codes.T})
    assert reading.value == pytest.approx(turned.value, rel=1e-12)
    assert reading.more["treves_rolls"] == pytest.approx(METRICS["treves_rolls"](codes.T), rel=1e-12)
    assert (reading.n, reading.note) == (40, "1 units that are always 0 left out")


def test_a_gaussian_unit_has_the_lifetime_sparsity_of_its_closed_form():
    reading = METRICS["lifetime_sparsity"].read({"codes": np.random.default_rng(4).standard_normal((5000, 20))})
    assert reading.value == pytest.approx(reading.chance, abs=0.005)


def test_the_lifetime_interval_covers_the_truth_in_90_to_98_of_100_samples():
    # an exponential unit has a = 1/2
    truth = 0.5 / (1 - 1 / 400)
    rows = (np.random.default_rng(seed).exponential(size=(400, 5)) for seed in range(200))
    found = [METRICS["lifetime_sparsity"].read({"codes": one}) for one in rows]
    assert 0.90 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.98


def test_saturation_of_sigmoid_codes_counts_values_near_zero_and_one():
    codes = np.array([[0.01, 0.5, 0.99, 0.97], [0.04, 0.06, 0.5, 0.94], [0.5, 0.5, 0.5, 0.5]])
    reading = METRICS["saturation"].read({"codes": codes})
    assert reading.value == pytest.approx((3 / 4 + 1 / 4 + 0) / 3)
    assert reading.more == {"low": pytest.approx(2 / 12), "high": pytest.approx(2 / 12), "range": "values"}


def test_saturation_of_other_codes_goes_by_each_units_own_range():
    even = np.linspace(-3, 7, 2001)[:, None] * [1, 100]
    reading = METRICS["saturation"].read({"codes": np.c_[even, np.ones(2001)]})
    assert reading.value == pytest.approx(reading.chance, abs=2e-3)
    assert reading.more["range"] == "units"
    assert reading.note == "1 units that never vary left out"
    with pytest.raises(DataError, match="no unit varies"):
        METRICS["saturation"](np.full((5, 2), 3.0))
    with pytest.raises(DataError, match=r"margin=0.5"):
        METRICS["saturation"](even, margin=0.5)


def test_the_density_of_units_is_the_share_of_rows_they_are_active_in():
    codes = np.zeros((1000, 4))
    codes[:, 0], codes[:500, 1], codes[:5, 2] = 1, 1, 1
    density = METRICS["l0_share"].read({"codes": codes}).more["density"]
    assert (density["min"], density["median"], density["max"]) == (0, 0.2525, 1)
    assert density["histogram"] == [1, 0, 1, 0, 0, 2]
    assert active_units(codes).mean(0).tolist() == [1, 0.5, 0.005, 0]


def test_the_interval_of_dead_units_counts_those_that_hang_on_one_row():
    codes = np.zeros((100, 8))
    codes[:, 0] = np.arange(100)
    codes[3, 1], codes[[4, 5], 2] = 1, 1
    found = METRICS["dead_share"].read({"codes": codes})
    assert (found.value, found.chance, found.more["by_one_row"]) == (5 / 8, 0, 1)
    assert found.high - found.value == pytest.approx(1.959964 / 8)


def test_active_shares_of_a_dense_code_are_chance_and_have_a_width_where_all_are_active():
    codes = np.random.default_rng(0).standard_normal((500, 6)) + 9
    found = METRICS["l0_share"].read({"codes": codes})
    assert found.value == found.high == 1 and 0.98 < found.low < 1 and found.chance > 0.99


def test_hoyer_of_rows_whose_units_are_equal_is_exactly_zero():
    codes = np.repeat(np.random.default_rng(0).random((12, 1)), 7, axis=1)
    found = METRICS["hoyer"].read({"codes": codes})
    assert found.value == 0 and found.low is None and "do not differ" in found.note
