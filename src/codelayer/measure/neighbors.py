"""Distances in row blocks: exact, without an n x n matrix.

Reads  rows (n, features), float32 or float64.
Gives  squared Euclidean distances block by block, and nearest neighbours.
Skips  approximate search.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import DataError
from .spread import Z95

EXACT_ROWS = 5_000
BLOCK = 256
BLOCK_VALUES = 2**21
PARTS, PART_ROWS = 12, 400
STUDENT95 = 2.200985160082949  # with PARTS - 1 degrees of freedom
LARGE = 2**24
ROUNDING = 1e-13  # of the squared lengths of a pair


class Distances:
    """Squared distances from chosen rows to all rows, in float64.

    Columns start at their middle value: it keeps rows on a grid exact and removes a large common offset, and one value
    far out does not move it. Distances below the rounding of a pair's own sum count as 0, so equal rows tie, and a row
    far out costs no other pair its digits. Large float64 rows that lie well are not copied.

    scale  what rows were multiplied by: 1, or a power of 2 where their squares would leave the range of numbers
    """

    def __init__(self, rows: np.ndarray) -> None:
        size = float((rows.max(0) / 2 - rows.min(0).astype(np.float64) / 2).max())
        self.scale = 1.0 if 1e-100 < size < 1e100 else 2.0 ** -np.frexp(size)[1]
        if not np.isfinite(self.scale):
            raise DataError("the values differ by less than any number can tell", "rescale them")
        low, middle, high = quartiles(rows)
        if self.scale == 1 and rows.dtype == np.float64 and rows.size >= LARGE and _lie_well(low, middle, high):
            self.rows = rows
        else:
            self.rows = rows.astype(np.float64)
            self.rows -= middle
            self.rows *= self.scale
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)
        self.least = ROUNDING * 2 * float(self.squares.max())

    def block(self, chosen: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """(chosen, n); infinity from a row to itself. out: where to put it."""
        far = np.matmul(-2 * self.rows[chosen], self.rows.T, out=out)
        far += self.squares
        far += self.squares[chosen, None]
        far[np.arange(len(chosen)), chosen] = np.inf
        if far.min() < self.least:  # most blocks have no pair so near, whatever its own bound
            far[far < ROUNDING * (self.squares + self.squares[chosen, None])] = 0
        return far


def quartiles(rows: np.ndarray) -> np.ndarray:
    """Three values of each column (3, features), float64: a quarter, half and three quarters of the rows lie below."""
    places = [len(rows) // 4, len(rows) // 2, 3 * len(rows) // 4]
    # column by column: no second copy of large rows
    return np.stack([np.partition(column, places)[places] for column in rows.T], axis=1).astype(np.float64)


def _lie_well(low: np.ndarray, middle: np.ndarray, high: np.ndarray) -> bool:
    # no offset that would cost digits: a column is about as wide as it is far from 0
    return bool((np.abs(middle) <= 8 * (high / 2 - low / 2)).all())


def blocks(chosen: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """The chosen row numbers in blocks whose distances to n rows fit the memory bound."""
    step = max(1, min(BLOCK, BLOCK_VALUES // max(n, 1)))
    for start in range(0, len(chosen), step):
        yield chosen[start : start + step]


def nearest(rows: np.ndarray, k: int, chosen: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other rows of each chosen row: distances (ascending) and row numbers, both (chosen, k)."""
    distances = Distances(rows)
    chosen = np.arange(len(rows)) if chosen is None else chosen
    far_out, found_out = np.empty((len(chosen), k)), np.empty((len(chosen), k), dtype=np.intp)
    start = 0
    for part in blocks(chosen, len(rows)):
        found = np.argpartition(distances.block(part), k - 1, axis=1)[:, :k]
        # the short form of a distance loses digits for near rows: those few are computed again
        gap = distances.rows[found] - distances.rows[part, None]
        far = np.sqrt(np.einsum("ijk,ijk->ij", gap, gap)) / distances.scale
        order = np.argsort(far, axis=1, kind="stable")
        far_out[start : start + len(part)] = np.take_along_axis(far, order, 1)
        found_out[start : start + len(part)] = np.take_along_axis(found, order, 1)
        start += len(part)
    return far_out, found_out


def distances_at(rows: np.ndarray, places: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The distances from each chosen row to its neighbours at some places (1 is the nearest), (chosen, places)."""
    distances, k, out = Distances(rows), int(places[-1]), []
    for part in blocks(chosen, len(rows)):
        far = distances.block(part)
        found = np.argpartition(far, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(far, found, 1), axis=1, kind="stable")[:, places - 1]
        gap = distances.rows[np.take_along_axis(found, order, 1)] - distances.rows[part, None]
        out.append(np.sort(np.sqrt(np.einsum("ijk,ijk->ij", gap, gap)), axis=1))
    return np.concatenate(out) / distances.scale


def anchor_rows(n: int, anchors: int, limit: int, seed: int) -> np.ndarray:
    """All rows up to `limit`, else `anchors` of them drawn without replacement."""
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng([seed, 13]).choice(n, min(anchors, n), replace=False))


def part_rows(n: int, seed: int) -> list[np.ndarray]:
    """12 random parts of half the rows, at most 400, without replacement; none below 16 rows."""
    rng = np.random.default_rng([seed, 41])
    return [np.sort(rng.choice(n, min(n // 2, PART_ROWS), replace=False)) for _ in range(PARTS)] if n >= 16 else []


def replicates_of(n: int, size: int, values: np.ndarray) -> np.ndarray:
    """The statistic of each part, drawn together so that their spread is that of the statistic of all n rows."""
    return values.mean() + (values - values.mean()) * (size / (n - size)) ** 0.5


def half_width(n: int, size: int, values: np.ndarray, anchored: float) -> float:
    """Half the 95 % interval of a statistic of rows that share neighbours.

    n, size   rows, and rows of each part; values: the statistic of each part
    anchored  the variance that comes on top where only some rows (anchors) were taken
    Source: subsampling without replacement, Politis and Romano 1994; variance falls as 1 / size - 1 / n.
    """
    return Z95 * (float(np.var(replicates_of(n, size, values), ddof=1)) + anchored) ** 0.5
