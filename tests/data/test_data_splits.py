"""Splits keep together what belongs together, and spread classes evenly."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer.data import Table, duplicate_ids, split
from codelayer.errors import DataError


def sides(parts, n):
    side = np.full(n, -1)
    for k, rows in enumerate(parts):
        assert (side[rows] == -1).all()
        assert (np.diff(rows) > 0).all()
        side[rows] = k
    assert (side >= 0).all()
    return side


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.integers(30, 200), st.integers(0, 5), st.booleans(), st.booleans(), st.booleans())
def test_groups_and_duplicates_never_lie_on_two_sides(n, seed, by_group, by_same, by_time):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n, n) if by_group else None
    same = rng.integers(0, 2 * n, n) if by_same else None
    times = rng.integers(0, n, n).astype(float) if by_time else None
    side = sides(split(n, groups=groups, same=same, times=times, labels=rng.integers(0, 3, n), seed=seed), n)
    for ties in (groups, same):
        for value in np.unique(ties) if ties is not None else ():
            assert len(set(side[ties == value])) == 1


def test_shares_are_met_and_classes_are_spread_evenly():
    labels = np.repeat(["a", "b", "c"], [600, 300, 100]).astype(object)
    parts = split(1000, labels=labels)
    assert [len(rows) for rows in parts] == [600, 200, 200]
    assert [(labels[rows] == "c").sum() for rows in parts] == [60, 20, 20]
    assert all((a == b).all() for a, b in zip(parts, split(1000, labels=labels), strict=True))
    assert not np.array_equal(parts[0], split(1000, labels=labels, seed=1)[0])


def test_unlabelled_rows_and_numbers_are_split_too():
    labels = np.array([None, "", "x", "y"] * 25, object)
    assert sum(map(len, split(100, labels=labels))) == 100
    assert [len(rows) for rows in split(100, labels=np.random.default_rng(0).normal(size=100))] == [60, 20, 20]
    assert [len(rows) for rows in split(100, (0.9, 0.1), labels=np.full(100, np.nan))] == [90, 10]


def test_by_time_the_oldest_come_first_and_equal_times_stay_together():
    times = np.repeat(np.arange(10.0), 10)[::-1]
    train, choose, report = split(100, times=times)
    assert times[train].max() < times[choose].min() <= times[choose].max() < times[report].min()
    assert [len(train), len(choose), len(report)] == [60, 20, 20]
    stamps = np.datetime64("2024-01-01") + np.arange(100).astype("timedelta64[h]")
    stamps[5] = np.datetime64("NaT")
    assert split(100, times=stamps)[2].tolist() == list(range(80, 100))


def test_a_group_counts_by_its_newest_row_in_time():
    times, groups = np.arange(10.0), np.array(["a", "b", "c", "d", "e", "f", "g", "h", "i", "a"])
    assert {0, 9} <= set(split(10, times=times, groups=groups)[2].tolist())


def test_rows_without_a_group_are_groups_of_one():
    groups = np.array([None] * 50 + ["g"] * 10, object)
    assert [len(rows) for rows in split(60, groups=groups)] == [36, 12, 12]


def test_what_cannot_be_split_is_told():
    with pytest.raises(DataError, match="do not give 3 parts"):
        split(10, groups=np.zeros(10))
    with pytest.raises(DataError, match="do not give 3 parts"):
        split(2)
    with pytest.raises(DataError, match="groups has 3 rows, the samples 10"):
        split(10, groups=np.zeros(3))


@pytest.mark.parametrize("form", ["dense", "csr", "table", "picture"])
def test_exact_duplicates_have_equal_ids(form):
    base = np.random.default_rng(0).integers(0, 3, (50, 3)).astype(float)
    base[0], base[1] = 0.0, -0.0
    truth = np.unique(base + 0, axis=0, return_inverse=True)[1]
    x = {
        "dense": base,
        "csr": sp.csr_matrix(base),
        "table": Table({"a": base[:, 0], "b": [str(v + 0) for v in base[:, 1]], "c": base[:, 2]}),
        "picture": base.reshape(50, 1, 3, 1),
    }[form]
    ids = duplicate_ids(x)
    assert ((ids[:, None] == ids) == (truth[:, None] == truth)).all()


def test_missing_cells_equal_missing_cells():
    table = Table(
        {"a": [None, None, 1.0], "b": [None, None, "x"], "c": np.array(["NaT", "NaT", "2024-01-01"], "M8[us]")}
    )
    ids = duplicate_ids(table)
    assert ids[0] == ids[1] != ids[2]
