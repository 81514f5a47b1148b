"""Rows of one space sorted by their distances to all rows, block by block, and what ties among them share by luck.

Reads  rows (n, features); the numbers that break ties.
Gives  `Sorted`: order, places, ties; `shared_by_luck`; `places_of_near`, for the k nearest alone.
Skips  an n x n matrix: it holds one block at a time, in buffers that are used again.

Each distance is sorted as one integer: its leading bits, and in place of the last ones (about 1 in 10^11) the number of
its row. So one sort gives order and places, and distances that agree to 11 digits tie. Of many rows a few always do:
ties are held as a list of the places that are tied, so that what is tied costs, and not what is not.
"""

from __future__ import annotations

import numpy as np

from .neighbors import Distances


class Sorted:
    """A block of rows sorted by distance to all rows, of one space.

    order   (rows, n - 1) the numbers of the other rows, nearest first
    at      the tied places, ascending, as row * n + place - 1; first, last: the places of their group, from 1
    """

    def __init__(self, rows: np.ndarray, step: int) -> None:
        self.n = n = len(rows)
        self.distances, self.mask = Distances(rows), 2 ** (n - 1).bit_length() - 1
        self.far, self.keys = np.empty((step, n)), np.empty((0, n), np.int64)
        self.table, self.found = np.zeros(n, np.int32), np.empty((0, n - 1), np.int32)
        self.order = self.at = self.first = self.last = np.empty(0, np.int64)
        self.where = np.empty(0, np.int32)  # in the list of tied places, by row * n + place - 1; -1 where it is not

    def look(self, part: np.ndarray) -> np.ndarray:
        """(part, n): squared distances without their last bits; infinity from a row to itself."""
        far = self.distances.block(part, self.far[: len(part)])
        bits = far.view(np.int64)
        bits &= ~self.mask
        return far

    def sort(self, far: np.ndarray, ring: np.ndarray, starts: np.ndarray) -> None:
        """Sort what `look` gave, in place. Ties go by n numbers from a start on the ring."""
        if len(self.keys) < len(far):
            self.keys = np.empty(far.shape, np.int64)
        keys, spare = far.view(np.int64), self.keys[: len(far)]
        for line, start in zip(keys, starts, strict=True):
            line |= ring[start : start + self.n]
        keys.sort(axis=1)
        flat = keys.ravel()
        near = np.bitwise_xor(flat[1:], flat[:-1], out=spare.ravel()[1:]) <= self.mask
        self._tie(np.flatnonzero(near) + 1, flat.size)
        self.order = np.bitwise_and(keys, self.mask, out=spare)[:, :-1]

    def places(self, order: np.ndarray) -> np.ndarray:
        """The place here, from 1, of the rows that come in this order elsewhere."""
        if len(self.found) < len(order):
            self.found = np.empty(order.shape, np.int32)
        out, count = self.found[: len(order)], np.arange(1, order.shape[1] + 1, dtype=np.int32)
        for mine, other, line in zip(self.order, order, out, strict=True):
            self.table[mine] = count
            np.take(self.table, other, out=line, mode="clip")
        return out

    def middle(self, places: np.ndarray) -> np.ndarray:
        """Places (rows, k) with ties sharing the middle one."""
        if not len(self.at):
            return places
        first, last = self.group(np.arange(len(places))[:, None] * self.n + places - 1, places)
        return (first + last) / 2

    def group(self, at: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last place of the group each of these is in: where it is not tied, itself."""
        if not len(self.at):
            return places, places
        found = self.where[at]
        tied = found >= 0
        return np.where(tied, self.first[found], places), np.where(tied, self.last[found], places)

    def _tie(self, again: np.ndarray, size: int) -> None:
        # again: where a key of the block ties with the one before; the last key of each row is the row itself
        again = again[again % self.n != self.n - 1]
        fresh = np.diff(again, prepend=-2) != 1
        starts, ends = again[fresh] - 1, again[np.append(fresh[1:], True)[: len(again)]]
        wide = ends - starts + 1
        self.at = np.repeat(starts - np.cumsum(wide) + wide, wide) + np.arange(wide.sum())
        self.first, self.last = np.repeat(starts % self.n + 1, wide), np.repeat(ends % self.n + 1, wide)
        if len(self.at):
            self.where = np.full(size, -1, np.int32)
            self.where[self.at] = np.arange(len(self.at), dtype=np.int32)


def shared_by_luck(a: Sorted, b: Sorted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many more of the k nearest rows agree, because of ties, if one space's rows are shuffled: row, k and number.

    Only k that are tied are named: elsewhere it is k * k / (n - 1).
    Rows surely among the k nearest count 1. Of a tied group the rows with the lowest numbers come in, in both spaces:
    those below two cuts at random heights, whose lower one is reckoned from their means and variances.
    """
    from scipy.special import ndtr

    n, tied = a.n, [one.where >= 0 for one in (a, b) if len(one.at)]
    at = np.flatnonzero(np.logical_or(tied[0], tied[-1]))
    at = at[at % n < n - 2]
    k = at % n + 1.0
    sure, cut, spread = [], [], []
    for one in (a, b):
        first, last = one.group(at, k)
        wide, some = last - first + 1.0, np.where(last == k, 0.0, k - first + 1.0)
        sure.append(k - some)
        cut.append(some)
        spread.append(wide)
    (s, t), (p, q), (c, d) = sure, cut, spread
    apart, sigma = p / c - q / d, np.sqrt(p / c**2 + q / d**2) + 1e-300
    away = sigma * np.sqrt(2 / np.pi) * np.exp(-((apart / sigma) ** 2) / 2) + apart * (2 * ndtr(apart / sigma) - 1)
    lower = np.where((p > 0) & (q > 0), np.maximum(0, (p / c + q / d - away) / 2), 0)
    lower = np.where(np.minimum(c, d) == n - 1, p / c, lower)  # all rows tied in both: the cuts are one
    return at // n, at % n + 1, (s * t + s * q + p * t + c * d * lower - k * k) / (n - 1)


def places_of_near(far: tuple[np.ndarray, np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places in one space of each row's k nearest in the other, without a sort of all digits.

    far      distances (rows, n) in both spaces, infinity from a row to itself
    returns  which rows this decides; places (decided, k) in the second space of the nearest in the first; the converse

    Distances are rounded to single precision, which keeps their order; then the place of a row is the number of
    smaller distances. Rows where another distance rounds to the same number as one that counts are left undecided.
    """
    with np.errstate(over="ignore"):
        short = [one.astype(np.float32) for one in far]
    ranked = [np.sort(one, axis=1) for one in short]
    clear = np.logical_and.reduce([(one[:, 1 : k + 1] > one[:, :k]).all(1) for one in ranked])
    found = []
    for mine, other in ((0, 1), (1, 0)):
        within = short[mine] <= ranked[mine][:, k - 1 : k]
        within[~clear] = False
        at = np.flatnonzero(within).reshape(-1, k)
        at = np.take_along_axis(at, short[mine].ravel()[at].argsort(1), 1)
        found.append(short[other].ravel()[at])
    rows = np.flatnonzero(clear)
    places = [np.empty(one.shape, np.int64) for one in found]
    for values, line, place in zip(found, (ranked[1], ranked[0]), places, strict=True):
        for i, row in enumerate(rows):
            place[i] = line[row].searchsorted(values[i])
        clear[rows] &= (line[rows[:, None], place + 1] > values).all(1)
        place += 1
    kept = clear[rows]
    return clear, places[0][kept], places[1][kept]
