"""Dropping units: codes whose curve is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.ablation import _within


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


@pytest.mark.parametrize("task", ["class", "number"])
def test_the_area_has_an_interval_as_wide_as_other_rows_tell(task):
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        codes = rng.standard_normal((200, 5))
        told = codes @ [1, 0.8, 0.6, 0, 0] + rng.standard_normal(200)
        found.append(ablation(codes, told if task == "number" else np.digitize(told, [-0.8, 0.8]), seed=seed))
    spread = np.std([one.value for one in found])
    assert 0.8 < np.mean([one.high - one.low for one in found]) / (3.92 * spread) < 1.4
    assert found[0].points.mean() == pytest.approx(found[0].value) == pytest.approx(found[0].replicates.mean())


def test_classes_that_differ_in_how_well_they_are_told_are_no_luck_of_the_rows():
    # class 0 always right, class 1 never: balanced accuracy is one half whatever the rows
    truth = np.repeat([0, 1], [30, 70])
    area = np.where(truth == 0, 100 / 60, 0.0)[None]
    assert _within(area, truth, "class") == pytest.approx(np.full((1, 100), 0.5))


def test_what_a_row_adds_to_r2_is_its_derivative():
    rng = np.random.default_rng(5)
    truth = rng.standard_normal(400)
    missed = (0.6 * rng.standard_normal(400)) ** 2
    points = _within((1 - missed / truth.var())[None], truth, "number")[0]
    without = [1 - np.delete(missed, i).mean() / np.delete(truth, i).var() for i in range(400)]
    assert points.std(ddof=1) / 20 == pytest.approx(
        np.sqrt(399 / 400 * np.square(np.subtract(without, np.mean(without))).sum()), rel=0.02
    )


def test_a_probe_that_cannot_learn_from_half_of_its_rows_has_no_interval():
    found = ablation(np.random.default_rng(6).standard_normal((4, 3)), np.array([0, 0, 1, 1]))
    assert found.low is None and "cannot learn from half" in found.note
