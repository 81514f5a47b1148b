"""Coordinate descent on many rows at once, with the Gram matrix.

Reads  rows (n, features), dense or CSR, and a dictionary (features, units).
Gives  codes (n, units).
Source: Friedman, Hastie and Tibshirani 2010, section 2.1 (cyclic); Li and Osher 2009, algorithm 2 (greedy).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import DataError
from .problem import Open, problem
from .shrinkage import shrink
from .support import settle


def coordinate_descent(
    x: Any,
    dictionary: Any,
    l1: float = 0.1,
    *,
    order: str = "greedy",
    sweeps: int = 1000,
    tolerance: float = 1e-6,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Codes by solving for one unit after the other, (n, units).

    x, dictionary  (n, features) and (features, units)
    l1         weight of sum |z|, in units of x
    order      "greedy": each row takes the unit that moves most; "cyclic": all rows take the units in turn
    sweeps     at most so many times the number of units
    tolerance  a row is solved when its duality gap is at most this share of |x|^2 / 2
    start      (n, units) codes to begin with, zeros otherwise
    errors     DataError when the arrays do not fit together, or for an unknown order
    """
    if order not in ("greedy", "cyclic"):
        raise DataError(f"order={order!r} is not known", "it is 'greedy' or 'cyclic'")
    whole = problem(x, dictionary, l1, tolerance)
    answer = whole.empty()
    sweep = _greedy_sweep if order == "greedy" else _cyclic_sweep
    for block in whole.blocks():
        rows = Open(whole, block, start, answer)
        signs = np.zeros_like(rows.codes)
        for _ in range(sweeps):
            slope = rows.slope()
            stay = rows.leave(rows.solved(slope))
            if not len(rows):
                break
            sweep(rows, slope[stay])
            now = np.sign(rows.codes)
            # where a sweep changed no sign the rest is one linear system, which descent alone may be long about
            settle(rows, np.where((now == signs[stay]).all(1)[:, None], now, 0))
            signs = np.sign(rows.codes)
        rows.close()
    return answer


def _lengths(gram: np.ndarray) -> np.ndarray:
    return np.maximum(np.diagonal(gram), 1e-12)


def _cyclic_sweep(rows: Open, slope: np.ndarray) -> None:
    gram, l1, lengths = rows.whole.gram, rows.whole.l1, _lengths(rows.whole.gram)
    codes, slope = np.ascontiguousarray(rows.codes.T), np.ascontiguousarray(slope.T)
    for j in range(len(codes)):
        moved = shrink(slope[j] + lengths[j] * codes[j], l1) / lengths[j] - codes[j]
        if moved.any():
            codes[j] += moved
            slope -= gram[j][:, None] * moved
    rows.codes = np.ascontiguousarray(codes.T)


def _greedy_sweep(rows: Open, slope: np.ndarray) -> None:
    """A quarter of `units` single moves per row: most rows need a few times their active units."""
    gram, l1, lengths = rows.whole.gram, rows.whole.l1, _lengths(rows.whole.gram)
    at = np.arange(len(rows))
    for _ in range(max(8, len(gram) // 4)):
        wish = shrink(slope + lengths * rows.codes, l1)
        wish /= lengths
        wish -= rows.codes
        best = np.abs(wish).argmax(1)
        moved = wish[at, best]
        rows.codes[at, best] += moved
        slope -= moved[:, None] * gram[best]
