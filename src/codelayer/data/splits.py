"""Splits: rows fall into parts, and what belongs together never lies on two sides.

Reads  labels, groups, times and samples.
Gives  sorted row numbers per part.
Skips  cross-validation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ..errors import DataError
from .rows import rows_of
from .schema import Columns

_BYTES = 2**24


def duplicate_ids(x: Any) -> np.ndarray:
    """One whole number per row, shape (n,); equal numbers mean exactly equal rows.

    Rows are hashed to 128 bits, so that memory stays small; -0.0 equals 0.0, a missing cell equals a missing cell.
    """
    if isinstance(x, Columns):
        keys = _table_keys(x)
    elif hasattr(x, "tocsr"):
        keys = _sparse_keys(x)
    else:
        x = x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)
        step = max(1, _BYTES // max(1, x[:1].nbytes))
        keys = [_hash(row) for start in range(0, len(x), step) for row in _plain(x[start : start + step])]
    place: dict[bytes, int] = {}
    return np.array([place.setdefault(key, len(place)) for key in keys], np.int64)


def found_in(x: Any, other: Any) -> np.ndarray:
    """(n,) bool: which rows of x occur, exactly equal, among those of other; both of one kind."""
    if isinstance(x, Columns) != isinstance(other, Columns):
        return np.zeros(rows_of(x), bool)
    if isinstance(x, Columns):
        if set(x.names) != set(other.names) or any(
            x.column(name).dtype.kind != other.column(name).dtype.kind for name in x.names
        ):
            return np.zeros(len(x), bool)
        both = Columns({name: np.concatenate([x.column(name), other.column(name)]) for name in x.names})
    elif x.shape[1:] != other.shape[1:]:
        return np.zeros(rows_of(x), bool)
    elif hasattr(x, "tocsr") or hasattr(other, "tocsr"):
        both = sparse.vstack([x, other], format="csr")
    else:
        both = np.concatenate([x, other])
    ids = duplicate_ids(both)
    return np.isin(ids[: rows_of(x)], ids[rows_of(x) :])


def _hash(data: Any) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _plain(part: np.ndarray) -> np.ndarray:
    part = part.reshape(len(part), -1)
    return np.ascontiguousarray(part + 0 if part.dtype.kind == "f" else part)  # + 0 turns -0.0 into 0.0


def _sparse_keys(x: Any) -> list[bytes]:
    x = x.tocsr().copy()
    x.sum_duplicates()
    x.eliminate_zeros()
    indices = x.indices.astype(np.int64)
    rows = zip(x.indptr[:-1].tolist(), x.indptr[1:].tolist(), strict=True)
    return [_hash(indices[a:b].tobytes() + x.data[a:b].tobytes()) for a, b in rows]


def _table_keys(x: Columns) -> list[bytes]:
    codes = np.empty((len(x), len(x.names)), np.int64)
    for j, name in enumerate(x.names):
        values = x.column(name)
        if values.dtype.kind == "O":
            place: dict[str | None, int] = {}
            codes[:, j] = [place.setdefault(cell, len(place)) for cell in values.tolist()]
        else:
            codes[:, j] = (np.where(np.isnan(values), np.nan, values + 0) if values.dtype.kind == "f" else values).view(
                np.int64
            )
    return [_hash(row) for row in codes]


def split(
    n: int,
    sizes: Sequence[float] = (0.6, 0.2, 0.2),
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
    same: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, ...]:
    """Row numbers of each part, sorted.

    sizes   shares of the rows, in order; they are scaled to sum to 1
    labels  classes (at most 100 values) are spread evenly over the parts; numbers and None change nothing
    groups  rows of one group stay together; None, NaN and "" are groups of one row
    times   numbers or datetime64: the oldest come first, missing ones before them, equal times stay together;
            a group counts by its newest row; seed and labels then change nothing
    same    `duplicate_ids`: exact duplicates stay together
    errors  DataError: a part would be empty, or a length differs
    """
    shares = np.asarray(sizes, float) / np.sum(sizes)
    for word, values in (("labels", labels), ("groups", groups), ("times", times), ("same", same)):
        if values is not None and len(values) != n:
            raise DataError(f"{word} has {len(values)} rows, the samples {n}", "give one per sample")
    units = _units(n, groups, same)
    counts = np.bincount(units)
    if times is not None:
        part = _by_time(np.asarray(times), units, counts, shares)
    else:
        part = _at_random(_strata(labels, units), counts, shares, seed)
    parts = tuple(np.flatnonzero(part[units] == k) for k in range(len(shares)))
    if any(len(rows) == 0 and share > 0 for rows, share in zip(parts, shares, strict=True)):
        raise DataError(
            f"{n} rows, of which {len(counts)} can be told apart, do not give {len(shares)} parts",
            "give more rows, more groups or more different times",
        )
    return parts


def _at_random(strata: np.ndarray, counts: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    order = np.random.default_rng(seed).permutation(len(counts))
    part, owed = np.empty(len(counts), np.int64), np.zeros(len(shares))
    for stratum in np.unique(strata):
        chosen = order[strata[order] == stratum]
        part[chosen], owed = _deal(counts[chosen], shares, owed)
    return part


def _by_time(times: np.ndarray, units: np.ndarray, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Units by their newest row, so that no part holds a row newer than all of the next part's units."""
    stamps = times.astype("datetime64[us]").astype(np.int64) if times.dtype.kind == "M" else times.astype(np.float64)
    stamps = np.where(np.isnat(times) if times.dtype.kind == "M" else np.isnan(stamps), -np.inf, stamps)
    newest = np.full(len(counts), -np.inf)
    np.maximum.at(newest, units, stamps)
    _, place = np.unique(newest, return_inverse=True)
    rows = np.bincount(place, weights=counts)
    middle = np.cumsum(rows) - rows / 2
    return np.searchsorted(np.cumsum(shares)[:-1] * rows.sum(), middle, side="right")[place]


def _deal(counts: np.ndarray, shares: np.ndarray, owed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of each unit of one stratum: always the part that lacks most rows; large units are dealt first."""
    part = np.empty(len(counts), np.int64)
    lack = shares * counts.sum() + owed
    first = np.flatnonzero(counts > 1)
    for unit in first[np.argsort(-counts[first], kind="stable")].tolist():
        part[unit] = int(np.argmax(lack))
        lack[part[unit]] -= counts[unit]
    single = np.flatnonzero(counts == 1)
    if len(single):
        want = np.clip(lack, 0, None)
        want = want * len(single) / want.sum()
        whole = np.floor(want + 1e-9).astype(np.int64)
        rest = np.argsort(-(want - whole), kind="stable")[: len(single) - whole.sum()]
        whole[rest] += 1
        part[single] = np.repeat(np.arange(len(shares)), whole)
        lack = lack - whole
    return part, lack


def _units(n: int, groups: np.ndarray | None, same: np.ndarray | None) -> np.ndarray:
    """(n,) numbers 0.. of what must stay together: connected through groups and duplicates."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ties = [codes for codes in (group_codes(groups), None if same is None else np.asarray(same)) if codes is not None]
    if not ties:
        return np.arange(n)
    rows, columns, width = [], [], n
    for codes in ties:
        _, inside = np.unique(codes, return_inverse=True)
        rows.append(np.arange(n))
        columns.append(inside + width)
        width += inside.max() + 1 if n else 0
    at = (np.concatenate(rows), np.concatenate(columns))
    graph = coo_matrix((np.ones(len(at[0]), bool), at), shape=(width, width))
    _, units = np.unique(connected_components(graph, directed=False)[1][:n], return_inverse=True)
    return units


def group_codes(groups: np.ndarray | None) -> np.ndarray | None:
    """Groups as whole numbers; a row without a group gets its own."""
    if groups is None:
        return None
    place: dict[Any, int] = {}
    return np.array(
        [
            place.setdefault(("row", i) if g is None or g != g or g == "" else g, len(place))
            for i, g in enumerate(np.asarray(groups).tolist())
        ],
        np.int64,
    )


def _strata(labels: np.ndarray | None, units: np.ndarray) -> np.ndarray:
    """The stratum of each unit: the class of its first labelled row; 0 without classes."""
    size = int(units.max()) + 1 if len(units) else 0
    found = np.zeros(size, np.int64)
    if labels is None:
        return found
    place: dict[Any, int] = {}
    known = [None if v is None or v != v or v == "" else v for v in np.asarray(labels).tolist()]
    if len(set(known)) > 101 or any(isinstance(v, float) and not v.is_integer() for v in known):
        return found
    for unit, value in zip(units.tolist()[::-1], known[::-1], strict=True):
        if value is not None:
            found[unit] = place.setdefault(value, len(place) + 1)
    return found
