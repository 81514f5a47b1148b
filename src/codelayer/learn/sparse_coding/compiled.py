"""Sparse codes by the compiled kernel, where numba is installed (`pip install codelayer[fast]`).

Reads  rows (n, features), dense or CSR, and a dictionary (features, units).
Gives  codes (n, units). Without numba they come from `feature_sign`: the same optimum, found more slowly.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

import numpy as np

from .problem import Open, problem
from .support import feature_sign


def compiled() -> ModuleType | None:
    """The kernel, or None where numba is not installed; numba is imported no sooner than here."""
    if importlib.util.find_spec("numba") is None:
        return None
    kernel = importlib.import_module(".kernel", __package__)
    return None if kernel.NUMBA is None else kernel


def active_set(
    x: Any,
    dictionary: Any,
    l1: float = 0.1,
    *,
    rounds: int = 10_000,
    tolerance: float = 1e-6,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Codes by coordinate descent on the active units of every row, compiled, (n, units).

    The first call of a process compiles (some seconds) or reads what an earlier one compiled.

    x, dictionary  (n, features) and (features, units)
    l1         weight of sum |z|, in units of x
    rounds     at most so many times units join the active ones
    tolerance  a row is solved when its duality gap is at most this share of |x|^2 / 2
    start      (n, units) codes to begin with, zeros otherwise
    errors     DataError when the arrays do not fit together
    """
    kernel = compiled()
    if kernel is None:
        return feature_sign(x, dictionary, l1, rounds=rounds, tolerance=tolerance, start=start)
    whole = problem(x, dictionary, l1, tolerance)
    answer, number = whole.empty(), whole.x.dtype.type
    for block in whole.blocks():
        rows = Open(whole, block, start, answer)
        rows.codes = np.ascontiguousarray(rows.codes)
        linear, size = np.ascontiguousarray(rows.linear), rows.size.astype(number)
        kernel.search(whole.gram, linear, size, rows.codes, number(whole.l1), number(whole.tolerance), rounds)
        rows.close()
    return answer
