"""Co-ranking: the place of each row's neighbours of one space among its neighbours in the other, in one pass.

Reads  codes and x of the same rows.
Gives  Coranking: all that trustworthiness, continuity, MRRE, overlap, LCMC, R_NX and its area are made from.
Skips  an n x n matrix: rows are taken in small blocks.

Each distance is sorted as one integer: its leading bits, and in place of the last ones (about 1 in 10^11) the number of
its row. So one sort gives order and places, and distances that agree to 11 digits tie. Ties are broken by a random
number of the row, the same in both spaces and new for every row compared; places in the other space are the middle of
the tied ones. What ties alone would make two spaces share is reckoned (to 0.05 of the overlap) and counts as luck.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import floats
from .kept import Kept, digest
from .neighbors import EXACT_ROWS, Distances, anchor_rows, part_rows
from .record import one_thread

K_MAX = 100
ROW_VALUES = 2**18
KEPT = 8


@dataclass(frozen=True)
class Coranking:
    """Places of neighbours, for m of n rows (all, or anchors), p = 1 ... k_max.

    in_x      (m, k_max) the place in x of the p-th nearest row in the codes; the middle one where x ties
    in_codes  (m, k_max) the place in the codes of the p-th nearest row in x
    later     (m, k_max) the later of the two places of the p-th nearest row in the codes
    alike     (m, k_max) how many of the k nearest rows two spaces with these ties share by luck; None without ties
    overlap   (n - 2,) how many of the k nearest rows both spaces share, k = 1 ... n - 2, mean over rows
    luck      (n - 2,) the same by luck
    areas     (m,) what each row adds to the area of R_NX
    parts     the same of 12 random parts of the rows (half of them, at most 400): how far it would differ on other rows
    """

    n: int
    in_x: np.ndarray
    in_codes: np.ndarray
    later: np.ndarray
    alike: np.ndarray | None
    overlap: np.ndarray
    luck: np.ndarray
    areas: np.ndarray
    parts: tuple[Coranking, ...] = ()

    def shared(self, k: int) -> np.ndarray:
        """How many of the k nearest rows both spaces share, per row (m,)."""
        return np.count_nonzero(self.later[:, :k] <= k, axis=1).astype(np.float64)

    def lucky(self, k: int) -> np.ndarray:
        """How many of them they share by luck, per row (m,)."""
        if self.alike is None:
            return np.full(len(self.later), k * k / (self.n - 1))
        return self.alike[:, k - 1].astype(np.float64)

    @property
    def rnx(self) -> np.ndarray:
        """R_NX(k) for k = 1 ... n - 2: the overlap above luck, as a share of what is possible; NaN where nothing is."""
        k = np.arange(1, self.n - 1)
        room = k - self.luck
        return np.where(room > 1e-9 * k, (self.overlap - self.luck) / np.where(room > 0, room, 1), np.nan)


_KEPT: Kept[Coranking] = Kept(KEPT)


def coranking(codes: Any, x: Any, k_max: int = K_MAX, anchors: int = 1000, seed: int = 0) -> Coranking:
    """The co-ranking of two spaces; the last few are kept, so that the metrics of a card share one pass.

    codes    (n, units); x (n, features): finite numbers, Euclidean distances in both
    k_max    how many neighbours are kept row by row: this, at least 100, at most n - 2
    anchors  how many rows are compared (with all rows) where there are more than 5,000
    errors   DataError: values that are not finite numbers, rows of unequal number, fewer than 3 rows
    Source: the co-ranking matrix, Lee and Verleysen 2009.
    """
    codes, x = floats("codes", codes), floats("x", x)
    n = len(x)
    if len(codes) != n or n < 3:
        raise DataError(f"codes have {len(codes)} rows and x has {n}", "give the same rows of both, at least 3")
    if k_max < 1:
        raise DataError(f"k_max={k_max} is not possible", "it is at least 1")
    k_max, chosen = min(max(k_max, K_MAX), n - 2), anchor_rows(n, anchors, EXACT_ROWS, seed)
    key = (digest(codes), digest(x), k_max, len(chosen), seed)
    with one_thread():
        return _KEPT.get(key, lambda: _with_parts(codes, x, k_max, chosen, seed))


def _with_parts(codes: np.ndarray, x: np.ndarray, k_max: int, chosen: np.ndarray, seed: int) -> Coranking:
    whole, parts = _coranking(codes, x, k_max, chosen, seed), []
    for rows in part_rows(len(x), seed):
        size = len(rows)
        parts.append(_coranking(codes[rows], x[rows], min(k_max, size - 2), np.arange(size), seed))
    return replace(whole, parts=tuple(parts))


def _coranking(codes: np.ndarray, x: np.ndarray, k_max: int, chosen: np.ndarray, seed: int) -> Coranking:
    n, m = len(x), len(chosen)
    places = np.arange(1, n - 1)
    weights = area_weights(n)
    # what a shared neighbour adds to a row's area, by the later of its two places
    gains = np.append(0, np.append(np.cumsum((weights / (places * (1 - places / (n - 1))))[::-1])[::-1], 0))
    share = float((weights * places / (n - 1 - places)).sum())
    in_x, in_codes = (np.empty((m, k_max), np.float32) for _ in range(2))
    later, alike = np.empty((m, k_max), np.int32), None
    counts, luck, areas = np.zeros(n, np.int64), np.zeros(n - 2), np.empty(m)
    done = 0
    for by_code, by_x in _sorted_blocks(codes, x, chosen, seed):
        part = slice(done, done + len(by_code.order))
        done = part.stop
        found = by_x.places(by_code.order)
        in_x[part] = by_x.middle(found[:, :k_max])
        in_codes[part] = by_code.middle(_turned(found, k_max))
        np.maximum(found, np.arange(1, n), out=found)
        later[part] = found[:, :k_max]
        counts += np.bincount(found.ravel(), minlength=n)
        areas[part] = gains.take(found, mode="clip").sum(1)
        if by_code.tied or by_x.tied:
            by_luck = _by_luck(by_code, by_x)
            areas[part] -= by_luck @ (weights / (places * (1 - places / (n - 1))))
            if alike is None:
                alike = np.tile((np.arange(1, k_max + 1) ** 2 / (n - 1)).astype(np.float32), (m, 1))
            alike[part] = by_luck[:, :k_max]
            luck += by_luck.sum(0)
        else:
            areas[part] -= share
            luck += len(found) * (places**2 / (n - 1))
    return Coranking(n, in_x, in_codes, later, alike, np.cumsum(counts)[1:-1] / m, luck / m, areas)


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


class _Sorted:
    """A block of rows sorted by distance to all rows; buffers are used again from block to block."""

    def __init__(self, rows: np.ndarray, step: int) -> None:
        n = len(rows)
        self.distances, self.mask = Distances(rows), 2 ** (n - 1).bit_length() - 1
        self.far, self.keys = np.empty((step, n)), np.empty((step, n), np.int64)
        self.table, self.found = np.zeros(n, np.int64), np.empty((step, n - 1), np.int64)
        self.order, self.first, self.last = self.keys, self.keys, self.keys
        self.tied = False

    def sort(self, part: np.ndarray, ring: np.ndarray, starts: np.ndarray) -> None:
        """order (rows, n - 1): the numbers of the other rows, nearest first; n numbers from a start on the ring."""
        keys = self.distances.block(part, self.far[: len(part)]).view(np.int64)
        keys &= ~self.mask
        for line, start in zip(keys, starts, strict=True):
            line |= ring[start : start + keys.shape[1]]
        keys.sort(axis=1)
        spare, flat = self.keys[: len(part)], keys.ravel()
        apart = np.bitwise_xor(flat[1:], flat[:-1], out=spare.ravel()[1:]) > self.mask
        self.tied = not apart.all()
        if self.tied:
            self.first, self.last = _runs(np.append(True, apart).reshape(keys.shape)[:, 1:-1])
        self.order = np.bitwise_and(keys, self.mask, out=spare)[:, :-1]

    def places(self, order: np.ndarray) -> np.ndarray:
        """The place here, from 1, of the rows that come in this order elsewhere."""
        out, count = self.found[: len(order)], np.arange(1, order.shape[1] + 1)
        for mine, other, line in zip(self.order, order, out, strict=True):
            self.table[mine] = count
            np.take(self.table, other, out=line, mode="clip")
        return out

    def middle(self, places: np.ndarray) -> np.ndarray:
        """Places with ties sharing the middle one."""
        if not self.tied:
            return places
        return (np.take_along_axis(self.first, places - 1, 1) + np.take_along_axis(self.last, places - 1, 1)) / 2


def _runs(apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # for each place the first and the last one it is tied with, from 1; apart (rows, places - 1)
    rows, count = len(apart), apart.shape[1] + 1
    at = np.arange(1, count + 1)
    first, last = np.ones((rows, count), np.int64), np.full((rows, count), count)
    first[:, 1:] = np.where(apart, at[1:], 1)
    last[:, :-1] = np.where(apart, at[:-1], count)
    return np.maximum.accumulate(first, 1), np.minimum.accumulate(last[:, ::-1], 1)[:, ::-1]


def _sorted_blocks(
    codes: np.ndarray, x: np.ndarray, chosen: np.ndarray, seed: int
) -> Iterator[tuple[_Sorted, _Sorted]]:
    n = len(x)
    step = max(8, min(256, ROW_VALUES // n, len(chosen)))
    by_code, by_x = _Sorted(codes, step), _Sorted(x, step)
    rng = np.random.default_rng([seed, 23])
    ring, starts = np.tile(rng.permutation(n), 2), rng.integers(n, size=len(chosen))
    for at in range(0, len(chosen), step):
        for one in (by_code, by_x):
            one.sort(chosen[at : at + step], ring, starts[at : at + step])
        yield by_code, by_x


def _by_luck(a: _Sorted, b: _Sorted) -> np.ndarray:
    """(rows, n - 2): how many of the k nearest rows agree if one space's rows are shuffled, ties broken alike.

    Rows surely among the k nearest count 1. Of a tied group the rows with the lowest numbers come in, in both spaces:
    those below two cuts at random heights, whose lower one is reckoned from their means and variances.
    """
    from scipy.special import ndtr

    n = a.order.shape[1] + 1
    k = np.arange(1.0, n - 1)
    sure, cut, spread = [], [], []
    for one in (a, b):
        first, last = (one.first[:, :-1], one.last[:, :-1]) if one.tied else (k[None], k[None])
        whole = last == k
        wide, some = last - first + 1.0, np.where(whole, 0.0, k - first + 1.0)
        sure.append(k - some)
        cut.append(some)
        spread.append(wide)
    (s, t), (p, q), (c, d) = sure, cut, spread
    apart, sigma = p / c - q / d, np.sqrt(p / c**2 + q / d**2) + 1e-300
    away = sigma * np.sqrt(2 / np.pi) * np.exp(-((apart / sigma) ** 2) / 2) + apart * (2 * ndtr(apart / sigma) - 1)
    lower = np.where((p > 0) & (q > 0), np.maximum(0, (p / c + q / d - away) / 2), 0)
    lower = np.where(np.minimum(c, d) == n - 1, p / c, lower)  # all rows tied in both: the cuts are one
    return (s * t + s * q + p * t + c * d * lower) / (n - 1)
