"""Neighbours with the units they share, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from codelayer.errors import DataError
from codelayer.measure import active_units, neighbours

SPARSE = np.maximum(np.random.default_rng(0).standard_normal((400, 12)) - 0.8, 0)


def test_cosine_neighbours_are_those_of_all_pairs():
    codes = np.random.default_rng(1).standard_normal((700, 6)).astype(np.float32)
    found = neighbours(codes, k=7)
    alike = cosine_similarity(codes.astype(np.float64))
    np.fill_diagonal(alike, -2)
    order = np.argsort(-alike, axis=1)[:, :7]
    assert (found.rows == order).all()
    np.testing.assert_allclose(found.similarity, np.take_along_axis(alike, order, 1), atol=1e-11)


def test_neighbours_by_units_are_those_with_most_active_units_in_common():
    found = neighbours(SPARSE, k=4, by="units")
    on = active_units(SPARSE)
    for i in range(0, 400, 37):
        either = (on[i] | on).sum(1)
        share = np.where(either > 0, (on[i] & on).sum(1) / np.maximum(either, 1), 0.0)
        share[i] = -1
        assert found.rows[i].tolist() == np.argsort(-share, kind="stable")[:4].tolist()
        np.testing.assert_allclose(found.similarity[i], np.sort(share)[::-1][:4], atol=1e-11)


@pytest.mark.parametrize("by", ["cosine", "units"])
def test_the_units_named_are_active_in_both_and_sorted_by_what_they_add(by):
    found = neighbours(SPARSE, k=3, by=by, named=4)
    on = active_units(SPARSE)
    for i in range(0, 400, 23):
        for j, units in zip(found.rows[i], found.units[i], strict=True):
            named = units[units >= 0]
            both = np.flatnonzero(on[i] & on[j])
            assert len(named) == min(4, len(both)) and set(named) <= set(both)
            added = SPARSE[i, named] * SPARSE[j, named]
            assert (np.diff(added) <= 1e-12).all()
            if len(both):
                assert added[0] == (SPARSE[i, both] * SPARSE[j, both]).max()


def test_by_hand_with_ties_and_a_row_of_zeros():
    codes = np.array([[1, 0, 2], [1, 0, 2], [0, 3, 0], [2, 0, 4], [0, 0, 0]], dtype=float)
    found = neighbours(codes, k=2, rows=[0, 4])
    assert found.rows.tolist() == [[1, 3], [0, 1]]
    assert found.similarity[0] == pytest.approx([1, 1])
    assert found.similarity[1].tolist() == [0, 0]
    assert found.units[0, 0].tolist() == [2, 0, -1]
    assert (found.units[1] == -1).all()


def test_rows_asked_about_are_answered_as_among_all():
    some = neighbours(SPARSE, k=5, rows=[3, 390, 3])
    every = neighbours(SPARSE, k=5)
    for one, other in zip(some, every, strict=True):
        assert (one == other[[3, 390, 3]]).all()


def test_what_cannot_be_answered_is_refused():
    with pytest.raises(DataError, match="k=400 neighbours of 400 rows"):
        neighbours(SPARSE, k=400)
    with pytest.raises(DataError, match="by='cosin'"):
        neighbours(SPARSE, by="cosin")
    with pytest.raises(DataError, match="there are rows 0 to 399"):
        neighbours(SPARSE, rows=[400])
    with pytest.raises(DataError, match="such a code is dense"):
        neighbours(np.ones((5, 3)), by="units", k=1)
    with pytest.raises(DataError, match="NaN"):
        neighbours(np.full((5, 3), np.nan))
