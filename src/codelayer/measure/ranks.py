"""Co-ranking: the place of each row's neighbours of one space among its neighbours in the other, in one pass.

Reads  codes and x of the same rows.
Gives  Coranking: all that trustworthiness, continuity, MRRE, overlap, LCMC, R_NX and its area are made from; Near,
       the same without the area.
Skips  an n x n matrix: rows are taken in small blocks.

The area needs every place and so whole sorts of all distances; all else needs the places of the nearest alone, which
take about three quarters of the time. Ties are broken by a random number of the row, the same in both spaces and new
for every row compared; places in the other space are the middle of the tied ones. What ties alone would make two spaces
share is reckoned (to 0.05 of the overlap) and counts as luck.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import floats
from .kept import Kept, digest
from .neighbors import EXACT_ROWS, anchor_rows, part_rows
from .record import one_thread
from .sorted_rows import Sorted, places_of_near, shared_by_luck

K_MAX = 100
ROW_VALUES, FEWEST = 2**18, 4  # distances, and rows, of a block
KEPT = 8
Pair = tuple[Sorted, Sorted]
Block = tuple[np.ndarray, tuple[np.ndarray, np.ndarray], Callable[[Any], None], Pair]


@dataclass(frozen=True)
class Near:
    """Places of neighbours, for m of n rows (all, or anchors), p = 1 ... k_max.

    in_x      (m, k_max) the place in x of the p-th nearest row in the codes; the middle one where x ties
    in_codes  (m, k_max) the place in the codes of the p-th nearest row in x
    later     (m, k_max) the later of the two places of the p-th nearest row in the codes
    alike     (m, k_max) how many of the k nearest rows two spaces with these ties share by luck; None without ties
    parts     the same of 12 random parts of the rows (half of them, at most 400): how far it would differ on other rows
    """

    n: int
    in_x: np.ndarray
    in_codes: np.ndarray
    later: np.ndarray
    alike: np.ndarray | None
    parts: tuple[Coranking, ...]

    def shared(self, k: int) -> np.ndarray:
        """How many of the k nearest rows both spaces share, per row (m,)."""
        return np.count_nonzero(self.later[:, :k] <= k, axis=1).astype(np.float64)

    def lucky(self, k: int) -> np.ndarray:
        """How many of them they share by luck, per row (m,)."""
        if self.alike is None:
            return np.full(len(self.later), k * k / (self.n - 1))
        return self.alike[:, k - 1].astype(np.float64)


@dataclass(frozen=True)
class Coranking(Near):
    """Places of neighbours (see Near), and neighbourhoods of every size.

    overlap   (n - 2,) how many of the k nearest rows both spaces share, k = 1 ... n - 2, mean over rows
    luck      (n - 2,) the same by luck
    areas     (m,) what each row adds to the area of R_NX
    """

    overlap: np.ndarray
    luck: np.ndarray
    areas: np.ndarray

    @property
    def rnx(self) -> np.ndarray:
        """R_NX(k) for k = 1 ... n - 2: the overlap above luck, as a share of what is possible; NaN where nothing is."""
        k = np.arange(1, self.n - 1)
        room = k - self.luck
        return np.where(room > 1e-9 * k, (self.overlap - self.luck) / np.where(room > 0, room, 1), np.nan)


_KEPT: Kept[Any] = Kept(2 * KEPT)  # of one pair: the parts, and the whole or the nearest


def coranking(codes: Any, x: Any, k_max: int = K_MAX, anchors: int = 1000, seed: int = 0) -> Coranking:
    """The co-ranking of two spaces; the last few are kept, so that the metrics of a card share one pass.

    codes    (n, units); x (n, features): finite numbers, Euclidean distances in both
    k_max    how many neighbours are kept row by row: this, at least 100, at most n - 2
    anchors  how many rows are compared (with all rows) where there are more than 5,000
    errors   DataError: values that are not finite numbers, rows of unequal number, fewer than 3 rows
    Source: the co-ranking matrix, Lee and Verleysen 2009.
    """
    return _kept(codes, x, k_max, anchors, seed, True)


def near_ranks(codes: Any, x: Any, k_max: int = K_MAX, anchors: int = 1000, seed: int = 0) -> Near:
    """`coranking`, which may lack the area where all rows are compared: about a quarter faster."""
    return _kept(codes, x, k_max, anchors, seed, False)


def _kept(codes: Any, x: Any, k_max: int, anchors: int, seed: int, whole: bool) -> Any:
    codes, x = floats("codes", codes), floats("x", x)
    n = len(x)
    if len(codes) != n or n < 3:
        raise DataError(f"codes have {len(codes)} rows and x has {n}", "give the same rows of both, at least 3")
    if k_max < 1:
        raise DataError(f"k_max={k_max} is not possible", "it is at least 1")
    k_max, chosen = min(max(k_max, K_MAX), n - 2), anchor_rows(n, anchors, EXACT_ROWS, seed)
    key = (digest(codes), digest(x), k_max, len(chosen), seed)
    whole = whole or n > EXACT_ROWS or (*key, True) in _KEPT.found
    with one_thread():
        parts = _KEPT.get(key, lambda: _parts(codes, x, k_max, seed))
        run = _whole if whole else _near
        if whole:
            _KEPT.found.pop((*key, False), None)
        return _KEPT.get((*key, whole), lambda: replace(run(codes, x, k_max, chosen, seed), parts=parts))


def _parts(codes: np.ndarray, x: np.ndarray, k_max: int, seed: int) -> tuple[Coranking, ...]:
    every = part_rows(len(x), seed)
    return tuple(_whole(codes[rows], x[rows], min(k_max, len(rows) - 2), np.arange(len(rows)), seed) for rows in every)


class _Rows:
    """The arrays of Near, filled row by row."""

    def __init__(self, m: int, n: int, k: int) -> None:
        self.n, self.k = n, k
        self.in_x, self.in_codes = (np.empty((m, k), np.float32) for _ in range(2))
        self.later, self.alike = np.empty((m, k), np.int32), None

    def sorted(self, rows: np.ndarray, pair: Pair) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Fill these rows from both sorts; returns the later of two places, of all rows, and what ties share."""
        by_code, by_x = pair
        found = by_x.places(by_code.order)
        self.in_x[rows] = by_x.middle(found[:, : self.k])
        self.in_codes[rows] = by_code.middle(_turned(found, self.k))
        np.maximum(found, np.arange(1, self.n, dtype=np.int32), out=found)
        self.later[rows] = found[:, : self.k]
        line, k, more = shared_by_luck(*pair) if len(by_code.at) or len(by_x.at) else (np.empty(0, np.int64),) * 3
        close = k <= self.k
        if close.any():
            if self.alike is None:
                luck = (np.arange(1, self.k + 1) ** 2 / (self.n - 1)).astype(np.float32)
                self.alike = np.tile(luck, (len(self.later), 1))
            self.alike[rows[line[close]], k[close] - 1] = k[close] ** 2 / (self.n - 1) + more[close]
        return found, (line, k, more)

    def decided(self, rows: np.ndarray, in_x: np.ndarray, in_codes: np.ndarray) -> None:
        """Fill these rows from places without ties."""
        self.in_x[rows], self.in_codes[rows] = in_x, in_codes
        self.later[rows] = np.maximum(in_x, np.arange(1, self.k + 1))


def _near(codes: np.ndarray, x: np.ndarray, k_max: int, chosen: np.ndarray, seed: int) -> Near:
    out, quick = _Rows(len(chosen), len(x), k_max), True
    for rows, far, sort, pair in _blocks(codes, x, chosen, seed):
        left = np.ones(len(rows), bool)
        if quick:
            clear, in_x, in_codes = places_of_near(far, k_max)
            out.decided(rows[clear], in_x, in_codes)
            left, quick = ~clear, 2 * clear.sum() > len(rows)  # where most rows tie, sort the rest at once
        if left.any():
            sort(left)
            out.sorted(rows[left], pair)
    return Near(out.n, out.in_x, out.in_codes, out.later, out.alike, ())


def _whole(codes: np.ndarray, x: np.ndarray, k_max: int, chosen: np.ndarray, seed: int) -> Coranking:
    n, m = len(x), len(chosen)
    places = np.arange(1, n - 1)
    worth = area_weights(n) / (places * (1 - places / (n - 1)))
    # what a shared neighbour adds to a row's area, by the later of its two places
    gains = np.append(0, np.append(np.cumsum(worth[::-1])[::-1], 0))
    share = float((worth * places**2).sum()) / (n - 1)
    out = _Rows(m, n, k_max)
    counts, luck, areas = np.zeros(n, np.int64), m * (places**2 / (n - 1)), np.empty(m)
    for rows, _, sort, pair in _blocks(codes, x, chosen, seed):
        sort(slice(None))
        later, (line, k, more) = out.sorted(rows, pair)
        counts += np.bincount(later.ravel(), minlength=n)
        areas[rows] = gains.take(later, mode="clip").sum(1) - share
        if len(line):
            areas[rows] -= np.bincount(line, more * worth[k - 1], len(rows))
            luck += np.bincount(k - 1, more, n - 2)
    overlap = np.cumsum(counts)[1:-1] / m
    return Coranking(n, out.in_x, out.in_codes, out.later, out.alike, (), overlap, luck / m, areas)


def _turned(found: np.ndarray, k: int) -> np.ndarray:
    # found (rows, n - 1): the place in x of the p-th nearest in the codes; out: the converse, for k places
    at = np.flatnonzero(found <= k)
    rows, places = np.divmod(at, found.shape[1])
    out = np.empty((len(found), k), np.int64)
    out[rows, found.ravel()[at] - 1] = places + 1
    return out


def area_weights(n: int) -> np.ndarray:
    """The weight of R_NX(k) in its area, k = 1 ... n - 2: 1 / k, adding up to 1."""
    weights = 1 / np.arange(1, n - 1)
    return weights / weights.sum()


def _blocks(codes: np.ndarray, x: np.ndarray, chosen: np.ndarray, seed: int) -> Iterator[Block]:
    """Per block: numbers among the chosen, distances in codes and x, what sorts some of its rows, both sorts."""
    n = len(x)
    step = max(FEWEST, min(256, ROW_VALUES // n, len(chosen)))
    pair = Sorted(codes, step), Sorted(x, step)
    rng = np.random.default_rng([seed, 23])
    ring, starts = np.tile(rng.permutation(n), 2), rng.integers(n, size=len(chosen))
    for at in range(0, len(chosen), step):
        part = chosen[at : at + step]
        far = pair[0].look(part), pair[1].look(part)

        def sort(some: Any, at: int = at, far: tuple[np.ndarray, np.ndarray] = far) -> None:
            for one, rows in zip(pair, far, strict=True):
                one.sort(rows[some], ring, starts[at : at + len(rows)][some])

        yield np.arange(at, at + len(part)), far, sort, pair
