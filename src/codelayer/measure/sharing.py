"""Look-alikes with a reason: the nearest rows of a row, and the units in which they agree.

Reads  codes (n, units).
Gives  `neighbours`: exact, block by block, by cosine or by shared active units.
Skips  distances between points (neighbors.py) and approximate search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, did_you_mean
from .arrays import floats
from .neighbors import blocks
from .record import one_thread
from .sparsity import active_units

WAYS = ("cosine", "units")


class Neighbours(NamedTuple):
    """The k nearest rows of each row asked about, nearest first.

    rows        (m, k) row numbers
    similarity  (m, k) cosine, or shared active units / units active in either
    units       (m, k, named) the units both have active, those that add most to the cosine first; -1 where none is left
    """

    rows: np.ndarray
    similarity: np.ndarray
    units: np.ndarray


def neighbours(
    codes: Any,
    k: int = 5,
    by: str = "cosine",
    rows: Sequence[int] | None = None,
    named: int = 5,
    threshold: float = 1e-3,
) -> Neighbours:
    """The k most alike rows of each row, with the units that say so.

    codes      (n, units)
    k          how many, below n; of equally similar rows the first is taken
    by         "cosine" of the angle between two codes (0 for a code of zeros), or "units": the share of active units
               that two rows have in common (Jaccard; 0 where neither has any)
    rows       rows asked about, by default all
    named      how many shared units are named at most
    threshold  a unit is active where |h| is above this times its largest |h|
    errors     DataError: k not in 1 to n - 1, an unknown `by`, a row that is not there, every unit active everywhere
               where units are compared
    """
    codes = floats("codes", codes).astype(np.float64)
    n = len(codes)
    if not 1 <= k < n:
        raise DataError(f"k={k} neighbours of {n} rows are not possible", f"k lies in 1 to {n - 1}")
    if by not in WAYS:
        raise DataError(f"neighbours(by={by!r}) is not known{did_you_mean(by, WAYS)}", "by is 'cosine' or 'units'")
    chosen = np.arange(n) if rows is None else np.asarray(rows)
    if chosen.dtype.kind not in "iu":
        raise DataError(f"rows of type {chosen.dtype} are no row numbers", "give whole numbers")
    if len(chosen) and not (chosen.min() >= 0 and chosen.max() < n):
        raise DataError(f"rows {chosen.min()} to {chosen.max()} are asked about", f"there are rows 0 to {n - 1}")
    active = active_units(codes, threshold)
    if by == "units" and active.all():
        raise DataError("every unit is active in every row", "such a code is dense: use by='cosine'")
    size = np.abs(codes).max(1, keepdims=True)
    unit = codes / np.where(size > 0, size, 1)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    unit /= np.where(length > 0, length, 1)
    found = Neighbours(
        np.empty((len(chosen), k), np.intp),
        np.empty((len(chosen), k)),
        np.full((len(chosen), k, min(named, codes.shape[1])), -1, np.intp),
    )
    start = 0
    with one_thread():
        for part in blocks(chosen, max(n, k * codes.shape[1])):
            alike = unit[part] @ unit.T if by == "cosine" else _jaccard(active, part)
            alike[np.arange(len(part)), part] = -np.inf
            here = slice(start, start + len(part))
            found.rows[here], found.similarity[here] = _largest(np.round(alike, 12), k)
            found.units[here] = _shared(unit, active, part, found.rows[here], found.units.shape[2])
            start += len(part)
    return found


def _jaccard(active: np.ndarray, part: np.ndarray) -> np.ndarray:
    whole = active.astype(np.float64)
    both = whole[part] @ whole.T
    count = whole.sum(1)
    either = count[part, None] + count - both
    return both / np.where(either > 0, either, 1)


def _largest(alike: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    # rows that tie with the k-th are taken in their order
    edges = -np.partition(-alike, k - 1, axis=1)[:, k - 1]
    places = np.empty((len(alike), k), np.intp)
    for i, (line, edge) in enumerate(zip(alike, edges, strict=True)):
        near = np.flatnonzero(line >= edge)
        places[i] = near[np.argsort(-line[near], kind="stable")[:k]]
    return places, np.take_along_axis(alike, places, 1)


def _shared(unit: np.ndarray, active: np.ndarray, part: np.ndarray, near: np.ndarray, named: int) -> np.ndarray:
    # (rows, k, named): shared active units by what they add to the cosine
    added = np.where(active[part, None] & active[near], unit[part, None] * unit[near], -np.inf)
    order = np.argsort(-added, axis=2, kind="stable")[:, :, :named]
    return np.where(np.isfinite(np.take_along_axis(added, order, 2)), order, -1)
