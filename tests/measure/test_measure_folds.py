"""Groups stay on one side of every split."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import label_curve
from codelayer.measure.folds import folds, group_ids, halves, refuse_shared

RNG = np.random.default_rng(0)
Y = np.repeat(["a", "b", "c"], [60, 90, 30])
GROUPS = RNG.permutation(np.arange(180) % 36)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_folds_are_disjoint_whole_and_keep_groups_and_shares_of_classes(count):
    parts = folds(Y, count, groups=GROUPS)
    assert len(parts) == count and sorted(np.concatenate(parts)) == list(range(180))
    for i, one in enumerate(parts):
        assert not any(set(GROUPS[one]) & set(GROUPS[other]) for other in parts[:i])
        for name, size in zip("abc", (60, 90, 30), strict=True):
            assert (Y[one] == name).sum() == pytest.approx(size / count, rel=0.4)


def test_folds_without_groups_share_every_class_evenly_and_repeat():
    parts = folds(Y, 5, seed=3)
    assert sorted(np.concatenate(parts)) == list(range(180))
    assert [[(Y[one] == name).sum() for name in "abc"] for one in parts] == [[12, 18, 6]] * 5
    assert all(np.array_equal(a, b) for a, b in zip(parts, folds(Y, 5, seed=3), strict=True))


def test_rows_without_a_group_are_groups_of_one():
    ids = group_ids(np.array(["s", None, "", "s", "t"], dtype=object))
    assert ids[0] == ids[3] and len(set(ids)) == 4
    assert len(set(group_ids(np.array([1.0, np.nan, np.nan, 1.0])))) == 3
    assert len(set(group_ids(np.array([-1, -1, 0, 1])))) == 3


def test_halves_with_groups_leave_out_classes_of_one_group():
    y, groups = np.repeat(["a", "b", "alone"], 20), np.repeat(np.arange(6), 10)
    groups[y == "alone"] = 9
    train, scored = halves(y, groups=groups)
    assert set(y[train]) == set(y[scored]) == {"a", "b"}
    assert not set(groups[train]) & set(groups[scored])
    with pytest.raises(DataError, match=r"only 0 classes .* both sides"):
        halves(y, groups=y)
    with pytest.raises(DataError, match="all labelled rows are of one group"):
        halves(y, groups=np.zeros(60))
    with pytest.raises(DataError, match="give one group for each of the 60 rows"):
        halves(y, groups=groups[:-1])


def test_halves_of_numbers_keep_groups():
    train, scored = halves(RNG.random(180), groups=GROUPS)
    assert not set(GROUPS[train]) & set(GROUPS[scored]) and abs(len(train) - len(scored)) <= 10


def test_a_group_on_both_sides_of_a_split_is_refused_by_name():
    refuse_shared(["s", None, "t"], ["u", None])
    with pytest.raises(DataError, match=r"1 groups stand on both sides of the split, for example 't'"):
        refuse_shared(["s", "t"], ["t", "u"])
    x, y = RNG.random((20, 2)), np.arange(20) % 2
    with pytest.raises(DataError, match="both sides"):
        label_curve(x, y, x, y, counts=[2], draws=2, groups_train=np.arange(20), groups_eval=np.arange(20))
