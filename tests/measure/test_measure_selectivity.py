"""Selectivity and k90 by hand, by brute force and on codes whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import METRICS

LABELS = np.arange(300) % 3


def selectivity(codes, labels=LABELS):
    return METRICS["class_selectivity"].read({"codes": codes, "labels": labels})


def k90(codes, labels=LABELS, **options):
    return METRICS["k90"].read({"codes": codes, "labels": labels}, options)


def test_selectivity_by_hand():
    # means of a class: (4, 1, 1) and (2, 2, 2) and (6, 0, 0)
    codes = np.array([[4, 2, 6], [1, 2, 0], [1, 2, 0]], dtype=float)[LABELS]
    codes[:, 1] += np.tile([-1, -1, -1, 1, 1, 1], 50)  # varies, but for no class
    reading = selectivity(codes)
    assert reading.value == pytest.approx((3 / 5 + 0 + 1) / 3)
    assert reading.more["above_half"] == pytest.approx(2 / 3)
    assert reading.n == 3


def test_a_one_hot_code_is_fully_selective_and_units_that_never_vary_are_left_out():
    reading = selectivity(np.c_[np.eye(3)[LABELS], np.ones(300)])
    assert (reading.value, reading.n, reading.more["above_half"]) == (1.0, 3, 1.0)


def test_negative_values_are_shifted_and_said():
    codes = np.random.default_rng(0).standard_normal((300, 4)) + np.eye(3)[LABELS] @ np.ones((3, 4))
    reading = selectivity(codes)
    assert reading.value == pytest.approx(selectivity(codes - codes.min(0)).value)
    assert "4 units with negative values" in reading.note


def test_selectivity_needs_classes_and_a_unit_that_varies():
    with pytest.raises(DataError, match="needs classes"):
        selectivity(np.ones((300, 2)), np.random.default_rng(0).random(300))
    with pytest.raises(DataError, match="no unit varies"):
        selectivity(np.ones((300, 2)))


def test_one_informative_unit_among_noise_is_found_alone():
    labels = np.arange(400) % 2
    codes = 0.1 * np.random.default_rng(1).standard_normal((400, 12))
    codes[:, 7] += labels
    reading = k90(codes, labels)
    assert (reading.value, reading.low, reading.high) == (1, 1, 1)
    assert reading.more["share"] == pytest.approx(1 / 12)
    assert reading.more["full"] == pytest.approx(1, abs=0.01)


def test_a_label_spread_over_all_units_needs_most_of_them_and_copies_need_one():
    rng = np.random.default_rng(2)
    signs = rng.standard_normal((1200, 9))
    spread = k90(signs, (signs.sum(1) > 0).astype(int))
    assert spread.more["share"] > 0.6
    labels = np.arange(600) % 2
    assert k90(np.repeat(labels[:, None], 9, 1) + 0.01 * rng.standard_normal((600, 9)), labels).value == 1


def test_greedy_choice_needs_no_more_units_than_any_set_when_units_are_independent():
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((2000, 5))
    y = codes @ [3, 0.1, 2, 0.1, 1] + 0.3 * rng.standard_normal(2000)
    found = k90(codes, y, task="number")

    def r2(units):
        basis = np.c_[codes[:, units], np.ones(2000)]
        return 1 - np.var(y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]) / np.var(y)

    smallest = next(
        k for k in range(1, 6) if max(r2(list(s)) for s in itertools.combinations(range(5), k)) >= 0.9 * r2(range(5))
    )
    assert found.value == smallest == 2


def test_a_code_at_chance_has_no_k90():
    with pytest.raises(DataError, match=r"the probe with all units scores 0\.\d+, chance is 0\.333"):
        k90(np.random.default_rng(4).standard_normal((900, 3)), np.arange(900) % 3)


@pytest.mark.parametrize(("effect", "shift"), [(0.0, 0.0), (0.5, 0.0), (0.0, -5.0)])
def test_selectivity_has_an_interval_as_wide_as_other_rows_tell(effect, shift):
    # the largest of three means that noise alone sets apart varies less than one of them; a shifted unit moves with
    # its lowest row
    found = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        noise = np.maximum(rng.standard_normal((240, 4)), 0) if shift == 0 else rng.standard_normal((240, 4))
        found.append(selectivity(noise + effect * np.eye(3, 4)[LABELS[:240]], LABELS[:240]))
    spread = np.std([one.value for one in found])
    assert 0.85 < np.mean([one.high - one.low for one in found]) / (3.92 * spread) < 1.25
    assert found[0].replicates.mean() == pytest.approx(found[0].value)
