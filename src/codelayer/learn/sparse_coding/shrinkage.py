"""Proximal gradient: ISTA and FISTA, with the Gram matrix folded into the step.

    z <- shrink(z (I - G / L) + x D / L, l1 / L)          L the largest eigenvalue of G = D' D

Reads  rows (n, features), dense or CSR, and a dictionary (features, units).
Gives  codes (n, units). Rows go in blocks that fit the cache; a row whose duality gap is small leaves its block.
Source: Daubechies, Defrise and De Mol 2004; Beck and Teboulle 2009, section 4; O'Donoghue and Candes 2015 (restart).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .problem import Open, Problem, problem

CHECK_EVERY = 10


def shrink(v: np.ndarray, threshold: Any) -> np.ndarray:
    """sign(v) max(0, |v| - threshold)."""
    return v - np.clip(v, -threshold, threshold)


def ista(
    x: Any,
    dictionary: Any,
    l1: float = 0.1,
    *,
    iterations: int = 10_000,
    tolerance: float = 1e-6,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Codes by plain proximal gradient steps, (n, units).

    x, dictionary  (n, features) and (features, units)
    l1          weight of sum |z|, in units of x
    iterations  at most so many steps
    tolerance   a row is solved when its duality gap is at most this share of |x|^2 / 2; 0 takes all steps
    start       (n, units) codes to begin with, zeros otherwise
    errors      DataError when the arrays do not fit together
    """
    return _descend(problem(x, dictionary, l1, tolerance), iterations, start, tolerance > 0, fast=False)


def fista(
    x: Any,
    dictionary: Any,
    l1: float = 0.1,
    *,
    iterations: int = 10_000,
    tolerance: float = 1e-6,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Codes by accelerated steps; each row starts its momentum anew when it points uphill. (n, units)

    x, dictionary  (n, features) and (features, units)
    l1          weight of sum |z|, in units of x
    iterations  at most so many steps
    tolerance   a row is solved when its duality gap is at most this share of |x|^2 / 2; 0 takes all steps
    start       (n, units) codes to begin with, zeros otherwise
    errors      DataError when the arrays do not fit together
    """
    return _descend(problem(x, dictionary, l1, tolerance), iterations, start, tolerance > 0, fast=True)


def _step(whole: Problem, most: float) -> Callable[[np.ndarray], np.ndarray]:
    """Maps z to z (I - G / most): one product, or two thin ones where features are few beside units."""
    number = whole.x.dtype.type
    if 2 * len(whole.dictionary) <= whole.units:
        down, up = np.ascontiguousarray(whole.dictionary.T), whole.dictionary / number(-most)

        def advance(codes: np.ndarray) -> np.ndarray:
            moved = (codes @ down) @ up
            moved += codes
            return moved

        return advance
    keep = np.eye(whole.units, dtype=number) - whole.gram / number(most)
    return lambda codes: codes @ keep


def lipschitz(gram: np.ndarray) -> float:
    """The largest eigenvalue of the Gram matrix, never 0."""
    return max(float(np.linalg.eigvalsh(gram.astype(np.float64))[-1]), 1e-12)


def _descend(whole: Problem, iterations: int, start: np.ndarray | None, stops: bool, fast: bool) -> np.ndarray:
    most = lipschitz(whole.gram)
    answer = whole.empty()
    for block in whole.blocks():
        rows = Open(whole, block, start, answer)
        descend(rows, most, iterations, stops=stops, fast=fast)
        rows.close()
    return answer


def descend(rows: Open, most: float, iterations: int, stops: bool, fast: bool) -> None:
    """Take steps of length 1 / most on one block of rows, in place; with `stops`, solved rows leave it."""
    number = rows.linear.dtype.type
    threshold, push = number(rows.whole.l1 / most), rows.linear / number(most)
    advance = _step(rows.whole, most)
    ahead, pace = rows.codes, np.ones((len(rows), 1), number)
    for i in range(iterations):
        if stops and i % CHECK_EVERY == 0:
            stay = rows.leave(rows.solved(rows.slope()))
            if not len(rows):
                return
            if not stay.all():
                push, ahead, pace = push[stay], ahead[stay], pace[stay]
        moved = advance(ahead)
        moved += push
        moved -= np.clip(moved, -threshold, threshold)
        if fast:
            step = moved - rows.codes
            uphill = np.einsum("ij,ij->i", ahead - moved, step) > 0
            after = (1 + np.sqrt(1 + 4 * pace**2)) / 2
            share = np.where(uphill[:, None], 0, (pace - 1) / after).astype(number)
            pace = np.where(uphill[:, None], 1, after).astype(number)
            step *= share
            ahead = step
            ahead += moved
        else:
            ahead = moved
        rows.codes = moved
