"""Dropping units: codes whose curve is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import METRICS


def ablation(codes, labels, **options):
    return METRICS["ablation_area"].read({"codes": codes, "labels": labels}, options)


def test_a_random_code_keeps_nothing():
    labels = np.arange(3000) % 3
    reading = ablation(np.random.default_rng(0).standard_normal((3000, 5)), labels)
    assert reading.value == pytest.approx(0, abs=0.03)


def test_a_number_that_is_the_sum_of_equal_units_loses_as_much_as_is_dropped():
    codes = np.random.default_rng(1).standard_normal((4000, 16))
    reading = ablation(codes, codes.sum(1), draws=40)
    assert reading.more["scores"] == pytest.approx(1 - np.arange(9) / 8, abs=0.03)
    assert reading.value == pytest.approx(0.5, abs=0.02)
    assert reading.more["kept"] == pytest.approx(0.5, abs=0.02)


def test_copies_of_one_unit_keep_the_class_until_the_last_is_dropped():
    labels = np.arange(800) % 2
    codes = np.repeat(labels[:, None], 8, axis=1).astype(float)
    reading = ablation(codes, labels)
    # full score up to 7/8 dropped, none at 1: the trapezium rule takes half of the last eighth
    assert reading.value == pytest.approx(15 / 16, abs=1e-9)


def test_a_one_hot_code_falls_about_as_fast_as_units_go():
    labels = np.arange(2000) % 10
    assert ablation(np.eye(10)[labels], labels).value == pytest.approx(0.53, abs=0.04)


def test_equal_numbers_and_a_single_draw_are_refused():
    codes = np.random.default_rng(2).standard_normal((50, 3))
    with pytest.raises(DataError, match="all equal"):
        ablation(codes, np.full(50, 0.5))
    with pytest.raises(DataError, match="draws=1"):
        ablation(codes, np.arange(50) % 2, draws=1)
