"""Which labels count, and which rows a probe may see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer.errors import DataError
from codelayer.measure import label_counts, label_draws, labelled, task_of
from codelayer.measure.draws import scored_classes
from codelayer.measure.folds import halves

LABELS = st.lists(st.sampled_from(["cat", "dog", "cow", None, ""]), min_size=1, max_size=60)


def test_none_nan_and_empty_text_are_no_label():
    assert labelled(np.array(["a", None, "", float("nan"), 3], dtype=object)).tolist() == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert labelled([1.0, np.nan]).tolist() == [True, False]
    assert labelled(["a", ""]).tolist() == [True, False]


def test_minus_one_is_no_label_only_beside_other_classes_from_zero_up():
    assert labelled([0, 1, -1, 2]).tolist() == [True, True, False, True]
    assert labelled([-1, 1, -1, 1]).all()
    assert labelled([-2, -1, 0, 1]).all()
    assert labelled([0.5, -1.0]).all()


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        ([0, 1, 2], "class"),
        ([0.0, 1.0, np.nan], "class"),
        ([0.5, 1.0], "number"),
        (list(range(101)), "number"),
        (list(range(100)), "class"),
        (["1.5", "2.5"], "class"),
        ([True, False], "class"),
        (np.array([1.5, None, 2.0], dtype=object), "number"),
    ],
)
def test_a_label_is_a_number_when_not_whole_or_very_varied(labels, task):
    assert task_of(labels) == task


def test_counts_stop_at_the_smallest_scored_class():
    assert label_counts(np.repeat(["a", "b"], [600, 70])) == [1, 5, 10, 50]
    assert label_counts(np.repeat(["a", "b", "alone"], [600, 100, 1])) == [1, 5, 10, 50, 100]
    assert label_counts(np.repeat([0, 1], [9000, 5000]), largest=500) == [1, 5, 10, 50, 100, 500]


def test_counts_for_numbers_are_rows_from_ten_up():
    rng = np.random.default_rng(0)
    assert label_counts(rng.random(700)) == [10, 50, 100, 500]
    assert label_counts(rng.random(7)) == [7]
    with pytest.raises(DataError, match="only 3 rows"):
        label_counts(rng.random(3))


def test_draws_hold_count_rows_of_every_class_are_nested_and_repeat():
    y = np.random.default_rng(0).integers(4, size=300)
    small, large = label_draws(y, 5, seed=3, draws=4), label_draws(y, 20, seed=3, draws=6)
    for one, more in zip(small, large, strict=False):
        assert np.bincount(y[one]).tolist() == [5] * 4
        assert set(one) <= set(more) and len(set(more)) == 80
    assert all(np.array_equal(a, b) for a, b in zip(small, label_draws(y, 5, seed=3, draws=4), strict=True))
    assert not np.array_equal(small[0], small[1])
    assert not np.array_equal(small[1], label_draws(y, 5, seed=4, draws=4)[0])


def test_unlabelled_rows_and_lonely_classes_are_never_drawn():
    y = np.array(["a", "b", "a", "b", None, "lonely", ""], dtype=object)
    assert set(np.concatenate(label_draws(y, 2, draws=10))) == {0, 1, 2, 3}


def test_more_labels_than_a_class_has_are_refused_with_its_name():
    with pytest.raises(DataError, match="class 'b' has 2 labelled rows, 3 were asked for"):
        label_draws(np.array(["a", "a", "a", "b", "b"]), 3)
    with pytest.raises(DataError, match="all 3 labels are equal"):
        scored_classes(["a", "a", "a"])


@settings(deadline=None, max_examples=50, derandomize=True)
@given(LABELS)
def test_halves_are_disjoint_stratified_and_labelled(labels):
    y = np.array(labels, dtype=object)
    try:
        classes = scored_classes(y)
    except DataError:
        return
    train, scored = halves(y)
    assert not set(train) & set(scored)
    for one in classes:
        assert abs((y[train] == one).sum() - (y[scored] == one).sum()) <= 1
    assert set(y[train]) <= set(classes)


def test_mixed_types_of_labels_are_kept_apart_and_sorted_by_type():
    y = np.array([1, "1", 1, "1", 2, 2], dtype=object)
    assert scored_classes(y).tolist() == [1, 2, "1"]
