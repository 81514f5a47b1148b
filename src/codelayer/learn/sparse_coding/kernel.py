"""Coordinate descent on the active units of one row after the other, written in loops for numba to compile.

Reads  the Gram matrix, x D and |x|^2 of every row, codes to begin with; all of one dtype.
Gives  the codes, in place. Without numba the same functions run as plain Python: right, but far too slow to be used.
Source: Friedman, Hastie and Tibshirani 2010, sections 2.1 and 2.6 (covariance updates, active set).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

SHARE = 0.7  # an atom joins where it correlates with the rest by this share of the largest: joining all at once is slow
SWEEPS = 20  # over the active units, before the others are looked at again


def _numba() -> Any:
    try:
        return importlib.import_module("numba")
    except ImportError:
        return None


NUMBA = _numba()


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    if NUMBA is None:
        return function
    try:
        return NUMBA.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that its cache may be written to
        return NUMBA.njit(nogil=True)(function)


@_compiled
def explain(gram: np.ndarray, linear: np.ndarray, code: np.ndarray, slope: np.ndarray, on: np.ndarray) -> int:
    """Writes x D - z G to slope and the units that are not 0 to on; gives how many these are."""
    slope[:] = linear
    count = 0
    for j in range(len(code)):
        if code[j] != 0:
            on[count] = j
            count += 1
            for k in range(len(code)):
                slope[k] -= code[j] * gram[j, k]
    return count


@_compiled
def width(linear: np.ndarray, slope: np.ndarray, code: np.ndarray, size: Any, l1: Any, most: Any) -> Any:
    """The duality gap of one row, as in `problem`."""
    x_rest = rest = size
    total = 0 * size
    for j in range(len(code)):
        if code[j] != 0:
            x_rest -= code[j] * linear[j]
            rest -= code[j] * (linear[j] + slope[j])
            total += abs(code[j])
    rest = max(rest, 0 * rest)
    scale = min(1.0, l1 / max(most, 1e-30))
    return 0.5 * rest + l1 * total - scale * x_rest + 0.5 * scale * scale * rest


@_compiled
def descend(small: np.ndarray, slope: np.ndarray, code: np.ndarray, l1: Any, least: Any) -> None:
    """Sweeps over few units, in place, until none moves by more than `least`."""
    for _ in range(SWEEPS):
        most = 0 * l1
        for a in range(len(code)):
            length = max(small[a, a], 1e-12)
            wish = slope[a] + length * code[a]
            moved = (wish - max(-l1, min(wish, l1))) / length - code[a]
            if moved != 0:
                code[a] += moved
                for b in range(len(code)):
                    slope[b] -= moved * small[a, b]
                most = max(most, abs(moved))
        if most <= least:
            return


@_compiled
def search(
    gram: np.ndarray, linear: np.ndarray, size: np.ndarray, codes: np.ndarray, l1: Any, tolerance: Any, rounds: int
) -> None:
    """Solve every row, in place: sweeps over its active units, then the units that are to join them.

    gram, linear, size, codes  (units, units), (rows, units), (rows,), (rows, units), contiguous
    l1, tolerance              as in `problem`, of the arrays' dtype
    rounds                     at most so many times units join
    """
    slope, on = np.empty_like(linear[0]), np.empty(len(gram), np.int64)
    for i in range(len(codes)):
        code = codes[i]
        for _ in range(rounds):
            count = explain(gram, linear[i], code, slope, on)
            most = np.abs(slope).max()
            if width(linear[i], slope, code, size[i], l1, most) <= 0.5 * tolerance * size[i]:
                break
            enter = max(l1, SHARE * most)
            for j in range(len(code)):
                if code[j] == 0 and abs(slope[j]) > enter:
                    on[count] = j
                    count += 1
            some = on[:count]
            small = np.empty((count, count), gram.dtype)
            for a in range(count):
                for b in range(count):
                    small[a, b] = gram[some[a], some[b]]
            few, part = code[some], slope[some]
            descend(small, part, few, l1, 1e-3 * np.sqrt(tolerance * size[i]))
            code[some] = few
