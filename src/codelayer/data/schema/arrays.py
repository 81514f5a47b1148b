"""Arrays for a schema: what is taken and refused, and what their columns range over.

Reads  numpy arrays, torch tensors and scipy sparse rows (both by what they can do, neither is imported).
Gives  numbers checked to be finite; ranges, means and deviations made block by block.
Skips  shuffling and sampling: every row is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import DataError
from .cells import LARGEST

_CELLS = 2**17  # numbers in one block: 1 MB of float64 stays in the cache


def row_blocks(rows: int, features: int) -> Iterator[slice]:
    """Slices that cover the rows, each of at most 131,072 numbers."""
    step = max(1, _CELLS // max(1, features))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def as_array(x: Any) -> Any:
    """x as a numeric ndarray or as CSR.

    errors  DataError for objects, texts and complex numbers
    """
    if hasattr(x, "tocsr"):
        x = x.tocsr()
    elif hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    elif not isinstance(x, np.ndarray):
        try:
            x = np.asarray(x)
        except ValueError:
            raise DataError("rows of different lengths make no array", "give every sample the same features") from None
    if x.dtype.kind not in "biuf":
        raise DataError(
            f"an array of type {x.dtype} holds no plain numbers",
            "give numbers, or a frame or a file where columns have different kinds",
        )
    return x


def column_ranges(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value per entry of the last axis, float64.

    errors  DataError for NaN, infinities and numbers too large to square, naming the first
    """
    if hasattr(x, "tocsr"):
        low, high = (getattr(x, side)(axis=0).toarray().ravel().astype(np.float64) for side in ("min", "max"))
    else:
        axes = tuple(range(x.ndim - 1))
        low, high = x.min(axis=axes).astype(np.float64), x.max(axis=axes).astype(np.float64)
    if not ((np.abs(low) < LARGEST) & (np.abs(high) < LARGEST)).all():
        raise not_finite(x)
    return low, high


def not_finite(x: Any, first: int = 0) -> DataError:
    """The error for rows (from row `first` on) with NaN, infinity or a number too large, naming the first."""
    if hasattr(x, "tocsr"):
        coo = x.tocoo()
        places = np.stack([coo.row, coo.col], axis=1)[~(np.abs(coo.data) < LARGEST)]
        place = tuple(int(i) for i in places[0])
        value = x[place]
    else:
        place = next(
            (rows.start + int(at[0]), *map(int, at[1:]))
            for rows in row_blocks(len(x), x[0].size)
            for at in np.argwhere(~(np.abs(x[rows].astype(np.float64)) < LARGEST))[:1]
        )
        value = x[place]
    word = {"nan": "NaN", "inf": "infinity", "-inf": "-infinity"}.get(str(float(value)), str(float(value)))
    where = ", ".join(str(i) for i in place[1:])
    return DataError(
        f"the array holds {word}, first in row {first + place[0]}, column {where}",
        "replace it by a finite number, or give a frame: there an empty cell counts as missing",
    )


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (1/n) per entry of the last axis, float64, two passes over blocks of rows."""
    width = x.shape[-1]
    count = x.size // width
    mean, square = np.zeros(width), np.zeros(width)
    for rows in row_blocks(len(x), x[0].size):
        mean += x[rows].reshape(-1, width).sum(axis=0, dtype=np.float64)
    mean /= count
    for rows in row_blocks(len(x), x[0].size):
        square += np.square(x[rows].reshape(-1, width) - mean).sum(axis=0)
    return mean, np.sqrt(square / count)


def one_range(low: np.ndarray, high: np.ndarray) -> bool:
    """Are these columns one block: do most that change share one minimum and one maximum, none leaving it?"""
    change = low < high
    if change.sum() < 2:
        return False
    pairs, counts = np.unique(np.stack([low[change], high[change]], axis=1), axis=0, return_counts=True)
    least, most = pairs[counts.argmax()]
    return bool(counts.max() * 2 >= change.sum() and (low[change] >= least).all() and (high[change] <= most).all())
