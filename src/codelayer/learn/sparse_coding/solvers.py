"""The solvers by name, with one way to limit them.

Reads  a name, rows, a dictionary.
Gives  codes; which of the solvers are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...errors import SentenceError
from .compiled import active_set
from .descent import coordinate_descent
from .shrinkage import fista, ista
from .support import feature_sign

# the function, and what its iterations are called
SOLVERS: Mapping[str, tuple[Callable[..., np.ndarray], str]] = {
    "feature_sign": (feature_sign, "rounds"),
    "active_set": (active_set, "rounds"),
    "coordinate_descent": (coordinate_descent, "sweeps"),
    "fista": (fista, "iterations"),
    "ista": (ista, "iterations"),
}


def check_solver(solver: Any, iterations: Any, tolerance: Any) -> None:
    """Refuse settings that no solver can work with.

    errors  SentenceError that names the value and what is allowed
    """
    if solver not in SOLVERS:
        raise SentenceError(f"solver={solver!r} is not known", f"it is one of {', '.join(SOLVERS)}")
    whole = isinstance(iterations, int | np.integer) and not isinstance(iterations, bool)
    if iterations is not None and (not whole or iterations < 1):
        raise SentenceError(f"iterations={iterations!r} is not possible", "it is a whole number, at least 1, or None")
    if not isinstance(tolerance, int | float | np.number) or not 0 <= tolerance < 1:
        raise SentenceError(f"tolerance={tolerance!r} is not possible", "it is at least 0 and below 1, such as 1e-6")


def solve(
    solver: str, x: np.ndarray, dictionary: np.ndarray, l1: float, iterations: int | None, tolerance: float
) -> np.ndarray:
    """Codes (n, units) of rows (n, features) by the solver of that name; iterations=None leaves it its own limit."""
    function, limit = SOLVERS[solver]
    return function(x, dictionary, l1, tolerance=tolerance, **({} if iterations is None else {limit: iterations}))
