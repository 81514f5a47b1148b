"""Mutual information of units and factors, in nats, from counts.

Reads  codes (n, units) and factors (n, factors); both become places in bins first.
Gives  bins that ties cannot split, the matrix of mutual information, and what it is by luck.
Skips  nearest-neighbour estimates: they cost more and are not compared with anything published here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import DataError

BINS, FEW_VALUES = 20, 50


class Places(NamedTuple):
    """Columns as places in bins: place (n, columns) int64, and how many bins each column has."""

    place: np.ndarray
    sizes: np.ndarray

    def take(self, rows: np.ndarray) -> Places:
        """Some of the rows."""
        return Places(self.place[rows], self.sizes)


def unit_scaled(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units brought to [0, 1] by their own range, float64, and which of them vary, bool (units,); others are 0."""
    z = codes.astype(np.float64)
    low, high = z.min(0), z.max(0)
    varies = high - low > 1e-12 * np.maximum(np.abs(low), np.abs(high))
    return np.where(varies, (z - low) / np.where(varies, high - low, 1), 0.0), varies


def in_use(codes: np.ndarray, prune: float) -> np.ndarray:
    """Units whose deviation is at least `prune` times the largest unit's, bool (units,).

    errors  DataError: no unit varies
    """
    deviation = (codes.astype(np.float64) / (float(np.abs(codes).max()) or 1.0)).std(0)
    kept = unit_scaled(codes)[1] & (deviation >= prune * deviation.max())
    if not kept.any():
        raise DataError("no unit varies", "every unit is dead: see dead_share")
    return kept


def equal_mass(columns: np.ndarray, bins: int = BINS, few: int = FEW_VALUES) -> Places:
    """Bins of about equally many rows; equal values share one, so that only the order of values counts.

    few  a column of at most so many different values keeps each of them
    """
    return _places([_by_mass(column, bins, few) for column in columns.T])


def equal_width(columns: np.ndarray, bins: int = BINS) -> Places:
    """Bins of equal width between each column's ends; the largest value lies in the last."""
    return _places([_by_width(column, bins) for column in columns.T])


def factor_places(factors: np.ndarray) -> Places:
    """Factors as places: each value its own up to 50 different values, else 20 bins of equal mass.

    errors  DataError: a factor with one value
    """
    found = equal_mass(factors)
    if (found.sizes < 2).any():
        j = int((found.sizes < 2).argmax())
        raise DataError(f"factor {j} has one value, {factors[0, j]:g}", "leave it out: nothing can tell it")
    return found


def entropies(columns: Places) -> np.ndarray:
    """Entropy of each column, (columns,), nats."""
    table = _table(len(columns.place))
    sums = [table[np.bincount(column)].sum() for column in columns.place.T]
    return np.log(len(columns.place)) - np.array(sums) / len(columns.place)


def mutual_information(units: Places, factors: Places) -> np.ndarray:
    """I(unit; factor) of every pair, plug-in, (units, factors), nats, at least 0."""
    n, d = units.place.shape
    table, width = _table(n), int(units.sizes.max())
    starts = units.place.T.astype(np.int64) + width * np.arange(d)[:, None]
    joint = np.empty((d, len(factors.sizes)))
    for j, (place, size) in enumerate(zip(factors.place.T, factors.sizes.tolist(), strict=True)):
        counts = np.bincount((starts * size + place).ravel(), minlength=d * width * size)
        joint[:, j] = np.log(n) - table[counts].reshape(d, -1).sum(1) / n
    return np.maximum(entropies(units)[:, None] + entropies(factors) - joint, 0)


def information_by_luck(units: Places, factors: Places, draws: int, seed: int) -> np.ndarray:
    """The mean of the same matrix with the rows of the factors shuffled `draws` times: its bias."""
    rng = np.random.default_rng([seed, 61])
    n = len(units.place)
    return np.mean([mutual_information(units, factors.take(rng.permutation(n))) for _ in range(draws)], axis=0)


def _places(columns: list[np.ndarray]) -> Places:
    return Places(np.stack(columns, axis=1), np.array([int(column.max()) + 1 for column in columns]))


def _by_mass(column: np.ndarray, bins: int, few: int) -> np.ndarray:
    values, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    if len(values) <= few:
        return place.reshape(-1)
    middle = np.cumsum(counts) - counts / 2
    return np.unique((middle * bins / len(column)).astype(np.int64), return_inverse=True)[1][place.reshape(-1)]


def _by_width(column: np.ndarray, bins: int) -> np.ndarray:
    low, high = column.min(), column.max()
    if low == high:
        return np.zeros(len(column), np.int64)
    edges = np.linspace(low, high, bins + 1)[1:-1]
    return np.searchsorted(edges, column, side="right")


def _table(n: int) -> np.ndarray:
    """x log x for x = 0 to n."""
    counts = np.arange(n + 1, dtype=np.float64)
    return counts * np.log(np.maximum(counts, 1))
