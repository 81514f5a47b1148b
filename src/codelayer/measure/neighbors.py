"""Distances in row blocks: exact, without an n x n matrix.

Reads  rows (n, features), float32 or float64.
Gives  squared Euclidean distances block by block, and nearest neighbours.
Skips  approximate search.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

EXACT_ROWS = 10_000
BLOCK = 256
BLOCK_VALUES = 2**21


class Distances:
    """Squared distances from chosen rows to all rows, in float64.

    Columns start at their smallest value: it keeps rows on a grid exact and removes a large common offset. Distances
    below the rounding of the sum count as 0, so equal rows tie.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows.astype(np.float64)
        self.rows -= self.rows.min(0)
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)
        self.least = 1e-13 * float(self.squares.max())

    def block(self, chosen: np.ndarray) -> np.ndarray:
        """(chosen, n); infinity from a row to itself."""
        far = self.rows[chosen] @ self.rows.T
        far *= -2
        far += self.squares
        far += self.squares[chosen, None]
        far[np.arange(len(chosen)), chosen] = np.inf
        if far.min() < self.least:
            far[far < self.least] = 0
        return far


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
        far = np.sqrt(np.einsum("ijk,ijk->ij", gap, gap))
        order = np.argsort(far, axis=1, kind="stable")
        far_out[start : start + len(part)] = np.take_along_axis(far, order, 1)
        found_out[start : start + len(part)] = np.take_along_axis(found, order, 1)
        start += len(part)
    return far_out, found_out


def anchor_rows(n: int, anchors: int, limit: int, seed: int) -> np.ndarray:
    """All rows up to `limit`, else `anchors` of them drawn without replacement."""
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng([seed, 13]).choice(n, min(anchors, n), replace=False))
