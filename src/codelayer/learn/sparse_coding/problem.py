"""The problem all solvers share: its arrays, its value, and the duality gap that certifies a solution.

Reads  rows (n, features), dense or CSR (these stay sparse, only their products are dense), a dictionary (features,
       units), the weight l1.
Gives  arrays of one dtype (float32 stays, all else becomes float64); `Open`, the rows that are not solved yet.
Skips  solving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import DataError

BLOCK_ROWS = 256  # a block of codes and its Gram products stay in the cache


@dataclass(frozen=True)
class Problem:
    """Rows and a dictionary, checked, with what every step needs of them.

    x           (n, features), dense or CSR
    dictionary  (features, units)
    gram        (units, units), dictionary' dictionary
    l1          weight of sum |z|
    tolerance   a row is solved when its duality gap is at most this share of |x|^2 / 2
    """

    x: Any
    dictionary: np.ndarray
    gram: np.ndarray
    l1: float
    tolerance: float

    @property
    def units(self) -> int:
        """Columns of the code."""
        return self.gram.shape[0]

    @property
    def rows(self) -> int:
        """Rows to be solved for."""
        return int(self.x.shape[0])

    def empty(self) -> np.ndarray:
        """(rows, units) codes of zeros, for the answer."""
        return np.zeros((self.rows, self.units), self.x.dtype)

    def explained(self, codes: np.ndarray) -> np.ndarray:
        """(rows, units) z G: through the features where that is the shorter way."""
        if 2 * len(self.dictionary) <= self.units:
            return (codes @ self.dictionary.T) @ self.dictionary
        return codes @ self.gram

    def blocks(self) -> list[slice]:
        """Slices that cover the rows, each small enough for the cache."""
        return [slice(i, i + BLOCK_ROWS) for i in range(0, self.rows, BLOCK_ROWS)]


def problem(x: Any, dictionary: Any, l1: float, tolerance: float) -> Problem:
    """The checked problem.

    errors  DataError for arrays that do not fit together, and for a weight below 0
    """
    x, dictionary = x.tocsr() if hasattr(x, "tocsr") else np.asarray(x), np.asarray(dictionary)
    if x.ndim != 2 or dictionary.ndim != 2 or x.shape[1] != dictionary.shape[0]:
        raise DataError(
            f"rows of shape {x.shape} and a dictionary of shape {dictionary.shape} do not fit together",
            "rows are (n, features), the dictionary is (features, units)",
        )
    if not np.isfinite(x.data if hasattr(x, "tocsr") else x).all() or not np.isfinite(dictionary).all():
        raise DataError("rows or dictionary hold NaN or infinities", "leave those rows out, or fill them")
    if not 0 <= l1 < float("inf"):
        raise DataError(f"l1={l1} is not possible", "it is finite and at least 0")
    single = x.dtype == np.float32
    dtype = np.float32 if single else np.float64
    x = x.astype(dtype) if hasattr(x, "tocsr") else np.ascontiguousarray(x, dtype)
    dictionary = np.ascontiguousarray(dictionary, dtype)
    # below this the gap is the rounding of its own terms
    floor = 40 * float(np.finfo(dtype).eps)
    return Problem(x, dictionary, dictionary.T @ dictionary, float(l1), max(tolerance, floor))


def objective(x: Any, codes: np.ndarray, dictionary: np.ndarray, l1: float) -> np.ndarray:
    """(n,) 0.5 |x - D z|^2 + l1 |z|_1 of every row."""
    return 0.5 * ((dense(x) - codes @ dictionary.T) ** 2).sum(1) + l1 * np.abs(codes).sum(1)


def gap(x: Any, codes: np.ndarray, dictionary: np.ndarray, l1: float) -> np.ndarray:
    """(n,) duality gap: the objective is at most this far above its least value (Kim et al. 2007, section 3)."""
    x = dense(x)
    rest = x - codes @ dictionary.T
    return _gap((x * rest).sum(1), (rest**2).sum(1), codes, np.abs(rest @ dictionary).max(1), l1)


def _gap(x_rest: np.ndarray, rest: np.ndarray, codes: np.ndarray, most: np.ndarray, l1: float) -> np.ndarray:
    # the dual point is the residual, scaled down until no atom correlates with it by more than l1
    scale = np.minimum(1.0, l1 / np.maximum(most, 1e-30))
    return 0.5 * rest + l1 * np.abs(codes).sum(1) - scale * x_rest + 0.5 * scale**2 * rest


def _squares(x: Any) -> np.ndarray:
    """(rows,) sums of squares."""
    if hasattr(x, "tocsr"):
        return np.asarray(x.multiply(x).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", x, x)


def dense(x: Any) -> Any:
    """Sparse rows as an array; anything else as it is."""
    return x.toarray() if hasattr(x, "tocsr") else x


class Open:
    """The rows of one block that are not solved yet; solved ones leave it, so that no step is spent on them.

    where   (rows,) their places in the answer
    linear  (rows, units) x D
    codes   (rows, units), written by the solver
    """

    def __init__(self, whole: Problem, block: slice, start: np.ndarray | None, answer: np.ndarray) -> None:
        x = whole.x[block]
        self.whole, self.answer = whole, answer
        self.where = np.arange(block.start, block.start + x.shape[0])
        self.linear = np.asarray(x @ whole.dictionary)
        self.size = _squares(x)
        self.codes = np.zeros_like(self.linear) if start is None else start[block].astype(x.dtype)

    def __len__(self) -> int:
        return len(self.where)

    def slope(self) -> np.ndarray:
        """(rows, units) correlation of every atom with what is not explained: x D - z G."""
        return self.linear - self.whole.explained(self.codes)

    def solved(self, slope: np.ndarray) -> np.ndarray:
        """(rows,) whether the duality gap is small enough."""
        x_rest = self.size - np.einsum("ij,ij->i", self.codes, self.linear)
        rest = np.maximum(x_rest - np.einsum("ij,ij->i", self.codes, slope), 0)
        width = _gap(x_rest, rest, self.codes, np.abs(slope).max(1), self.whole.l1)
        return width <= 0.5 * self.whole.tolerance * self.size

    def leave(self, done: np.ndarray) -> np.ndarray:
        """Write the rows that are done into the answer and let go of them; gives which ones stay."""
        self.answer[self.where[done]] = self.codes[done]
        stay = ~done
        if done.any():
            self.where, self.linear = self.where[stay], self.linear[stay]
            self.size, self.codes = self.size[stay], self.codes[stay]
        return stay

    def close(self) -> None:
        """Write what is left."""
        self.answer[self.where] = self.codes
