"""Feature-sign search on many rows at once: exact codes from a few small linear systems.

For a support with signs s the minimum is closed: G_SS z_S = x D_S - l1 s. Each round adds the atoms that correlate
most with what is not explained, solves, and walks to the solution: the atoms that would change their sign leave.

Reads  rows (n, features), dense or CSR, and a dictionary (features, units).
Gives  codes (n, units), exact up to rounding.
Source: Lee, Battle, Raina and Ng 2007, algorithm 1 (there one row and one atom at a time).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .problem import Open, Problem, problem
from .shrinkage import descend, lipschitz

GROUP = 64  # rows of similar support that are solved together
MOST_WALKS = 60


def feature_sign(
    x: Any,
    dictionary: Any,
    l1: float = 0.1,
    *,
    rounds: int = 500,
    tolerance: float = 1e-6,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Exact codes, (n, units): the fastest of the solvers where few units are active.

    x, dictionary  (n, features) and (features, units)
    l1         weight of sum |z|, in units of x
    rounds     at most so many times atoms are added
    tolerance  a row is solved when its duality gap is at most this share of |x|^2 / 2
    start      (n, units) codes to begin with; otherwise zeros, or a few FISTA steps where these go far
    errors     DataError when the arrays do not fit together
    """
    whole = problem(x, dictionary, l1, tolerance)
    answer = whole.empty()
    most = lipschitz(whole.gram)
    # a step of FISTA is 1 / most: it finds the support soon where the atoms are spread evenly (most ~ units/features)
    warm = 20 if start is None and most <= 2 * max(1.0, whole.units / len(whole.dictionary)) else 0
    for block in whole.blocks():
        rows = Open(whole, block, start, answer)
        if warm:
            descend(rows, most, warm, stops=False, fast=True)
        _search(rows, rounds, begun=bool(warm) or start is not None)
        rows.close()
    return answer


def _search(rows: Open, rounds: int, begun: bool) -> None:
    signs = np.sign(rows.codes)
    add = max(1, min(len(rows.whole.dictionary) // 4, rows.whole.units))
    if begun:
        settle(rows, signs)
    for i in range(rounds):
        slope = rows.slope() if begun or i else rows.linear
        done = rows.solved(slope)
        stay = rows.leave(done)
        if not len(rows):
            return
        signs, slope = signs[stay], slope[stay]
        if i > 40:
            add = 1  # one atom at a time descends for certain
        _add(signs, slope, rows.whole.l1, add)
        settle(rows, signs)


def _add(signs: np.ndarray, slope: np.ndarray, l1: float, add: int) -> None:
    """Put the atoms off the support that correlate most, and by more than l1, onto it."""
    size = np.where(signs == 0, np.abs(slope), 0)
    best = np.argpartition(size, size.shape[1] - add, axis=1)[:, size.shape[1] - add :]
    at = np.arange(len(signs))[:, None]
    enter = size[at, best] > l1
    signs[at, best] = np.where(enter, np.sign(slope[at, best]), signs[at, best])


def settle(rows: Open, signs: np.ndarray) -> None:
    """Walk until every row is at the minimum of its own support, in place; a row without signs stays as it is."""
    todo = np.flatnonzero(signs.any(1))
    for _ in range(MOST_WALKS):
        if not len(todo):
            return
        codes, here = rows.codes[todo], signs[todo]
        active = np.count_nonzero(here, axis=1)
        again = np.zeros(len(todo), bool)
        for part in np.array_split(np.argsort(active, kind="stable"), -(-len(todo) // GROUP)):
            again[part] = _walk(rows.whole, codes, here, rows.linear[todo[part]], part)
        rows.codes[todo], signs[todo] = codes, here
        todo = todo[again]


def _walk(whole: Problem, codes: np.ndarray, signs: np.ndarray, linear: np.ndarray, part: np.ndarray) -> np.ndarray:
    """One exact solve for the rows in `part`, and the way there; gives which rows have not arrived."""
    on = signs[part] != 0
    active = np.count_nonzero(on, axis=1)
    wide = int(active.max())
    if not wide:
        return np.zeros(len(part), bool)
    places = np.zeros((len(part), wide), np.intp)
    row, unit = np.nonzero(on)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(active) - active, active)
    places[row, nth] = unit
    live = np.arange(wide) < active[:, None]
    at = part[:, None]
    before, sign = codes[at, places] * live, signs[at, places] * live
    right = np.take_along_axis(linear, places, 1) * live
    gram = whole.gram.ravel().take(places[:, :, None] * whole.units + places[:, None, :])
    gram *= live[:, :, None] & live[:, None, :]
    diagonal = np.arange(wide)
    # what is not there solves to 0; a trace of ridge lets repeated atoms be solved for
    ridge = 8 * np.finfo(gram.dtype).eps
    gram[:, diagonal, diagonal] += np.where(live, ridge, 1).astype(gram.dtype)
    target = np.linalg.solve(gram, (right - gram.dtype.type(whole.l1) * sign)[..., None])[..., 0]
    after, back = _on_the_way(gram, right, whole.l1, before, sign, target)
    sign = np.where(back, 0, sign)
    codes[part[row], unit] = after[row, nth]
    signs[part[row], unit] = sign[row, nth]
    return np.any(back, axis=1)


def _on_the_way(
    gram: np.ndarray, right: np.ndarray, l1: float, before: np.ndarray, sign: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each row goes, and which of its atoms leave: those that would change their sign.

    All of them at once where that is a descent; else the walk ends where the first one crosses 0.
    """
    flips = (target * sign <= 0) & (sign != 0)
    if not flips.any():
        return target, flips
    bold = np.where(flips, 0, target)
    better = _value(gram, right, l1, bold) < _value(gram, right, l1, before)
    fresh = flips & (before == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = np.where(flips & (before != 0), before / (before - target), np.inf)
    share = np.where(fresh.any(1), 0.0, np.minimum(cross.min(1), 1))[:, None].astype(before.dtype)
    careful = before + share * (target - before)
    leave = np.where(fresh.any(1)[:, None], fresh, flips & (cross <= share))
    leave = np.where(better[:, None], flips, leave)
    return np.where(leave, 0, np.where(better[:, None], bold, careful)), leave


def _value(gram: np.ndarray, right: np.ndarray, l1: float, codes: np.ndarray) -> np.ndarray:
    """The objective up to |x|^2 / 2."""
    bent = 0.5 * np.matmul(gram, codes[..., None])[..., 0] - right
    return np.einsum("ij,ij->i", bent, codes) + l1 * np.abs(codes).sum(1)
