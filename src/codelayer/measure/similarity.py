"""Similarity: do two sets of units place the same rows alike, up to rotation and one scale?

Reads  two arrays of the same rows: codes and x, or two stages of a net.
Gives  linear CKA without its bias in few rows, the biased form under its own name, the matrix between stages.
Skips  kernels other than the linear one; an n x n matrix, where the units are fewer than the rows.

HSIC_1 of Song et al. 2007 leaves the diagonal out of both Gram matrices, so independent codes score 0 at any width.
Its interval is an exact jackknife: what every sum becomes without one row is known in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError
from .far_rows import far_note
from .neighbors import anchor_rows
from .record import Reading, metric
from .spread import jackknife_half, mean_half, pseudo_values

COST = "n d^2 time, d^2 memory"


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, corrected for chance",
    interval="per-point values (exact jackknife)",
    cost=COST,
    distrust="it follows the directions of largest variance: small directions that hold the label are not seen",
    source="linear CKA, Kornblith et al. 2019; HSIC_1: Song et al. 2007, debiased",
)
def cka(codes: np.ndarray, x: np.ndarray) -> Reading:
    """Do codes and data place rows alike, up to rotation and scale (debiased linear CKA)?

    HSIC_1(codes, x) / sqrt(HSIC_1(codes, codes) HSIC_1(x, x)).
    returns  1 alike, 0 independent; it can fall a little below 0
    errors   DataError: fewer than 5 rows, constant codes or x
    """
    left, right = _ready("codes", codes), _ready("x", x)
    value, without = _jackknife(left, right)
    half = jackknife_half(without)
    ends = max(value - half, -1.0), min(value + half, 1.0)
    told = (far_note(name, rows) for name, rows in (("codes", codes), ("x", x)))
    note = "; ".join(one for one in told if one)
    return Reading(value, *ends, len(left.rows), 0.0, note, points=pseudo_values(value, without))


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null="shuffled rows",
    interval="per-point values (delta method)",
    cost=COST,
    distrust="few rows for the units: independent codes of 1,000 units score .5 on 1,000 rows; use cka",
    source="linear CKA, Kornblith et al. 2019, the form most libraries print",
    uncalibrated="it grows with units per row: a random code scores what chance says beside it",
)
def cka_biased(codes: np.ndarray, x: np.ndarray) -> Reading:
    """Do codes and data place rows alike, by the biased linear CKA that other libraries print?

    ||A'B||^2 / (||A'A|| ||B'B||), Frobenius norms, columns centred.
    returns  0 to 1
    errors   DataError: constant codes or x
    """
    left, right = _ready("codes", codes).rows, _ready("x", x).rows
    sums = [_row_cross(left, right), _row_cross(left, left), _row_cross(right, right)]
    value = min(float(sums[0].mean() / (sums[1].mean() * sums[2].mean()) ** 0.5), 1.0)  # but for rounding
    # what each row adds: every sum is of squares, so a row weighs twice
    both, one, other = (rows / rows.mean() if rows.any() else np.ones_like(rows) for rows in sums)
    points = value * (1 + 2 * both - one - other)
    half = mean_half(points)
    return Reading(value, max(value - half, 0.0), value + half, len(left), points=points)


@metric(
    needs=("layers",),
    worst=None,
    best=None,
    null="closed form: 0, stages that have nothing to do with each other",
    interval="per-point values (exact jackknife)",
    cost="stages^2 n d^2; above 4,000 rows 4,000 are drawn",
    distrust="one value hides the matrix: see `matrix`; it follows the directions of largest variance",
    source="linear CKA, Kornblith et al. 2019; HSIC_1: Song et al. 2007, debiased",
)
def layer_similarity(layers: Mapping[str, np.ndarray], rows: int = 4000, seed: int = 0) -> Reading:
    """How alike are neighbouring stages (mean debiased CKA)?

    returns  1 every stage repeats the one before, 0 none has to do with it.
             more: {"stages", "matrix": of all pairs, "halves": half a 95 % interval of each}
    errors   DataError: fewer than two stages, fewer than 5 rows, a constant stage
    """
    names = list(layers)
    if len(names) < 2:
        raise DataError("there is one stage only", "layers= needs at least two stages")
    n = len(layers[names[0]])
    chosen = anchor_rows(n, rows, rows, seed)
    ready = [_ready(f"stage {name}", layers[name][chosen]) for name in names]
    matrix, halves = np.eye(len(names)), np.zeros((len(names), len(names)))
    points = []
    for i in range(len(names)):
        for j in range(i):
            value, without = _jackknife(ready[i], ready[j])
            matrix[i, j] = matrix[j, i] = value
            halves[i, j] = halves[j, i] = jackknife_half(without)
            if j == i - 1:
                points.append(without)
    value, without = float(np.diagonal(matrix, 1).mean()), np.mean(points, axis=0)
    half = jackknife_half(without)
    more = {"stages": names, "matrix": matrix.tolist(), "halves": halves.tolist()}
    note = f"{rows} of {n} rows" if len(chosen) < n else ""
    ends = max(value - half, -1.0), min(value + half, 1.0)
    return Reading(value, *ends, len(chosen), 0.0, note, more, pseudo_values(value, without))


@dataclass(frozen=True, eq=False)
class Rows:
    """Centred rows of one scale with the sums that HSIC_1 needs: squared lengths, and products with all other rows."""

    rows: np.ndarray
    squares: np.ndarray
    sums: np.ndarray
    name: str = "rows"

    @cached_property
    def own(self) -> tuple[Any, Any]:
        """HSIC_1 with itself, and without each row."""
        return hsic(self, self)


def hsic(left: Rows, right: Rows) -> tuple[Any, Any]:
    """HSIC_1 of two linear kernels, and its value without each row, (n,); in the feature form.

    With diagonals out, K 1 = `sums`; the sums of K L, 1'K 1'L and 1'K L 1 are corrected for the row left out.
    """
    n = len(left.rows)
    shared = _row_cross(left.rows, right.rows) - left.squares * right.squares
    r, s = left.sums, right.sums
    swapped = _times(left, s), _times(right, r)
    both, single, joint = shared.sum(), (r.sum(), s.sum()), r @ s
    value = _combined(n, both, *single, joint)
    less = joint - r * s - swapped[0] - swapped[1] + shared
    return value, _combined(n - 1, both - 2 * shared, single[0] - 2 * r, single[1] - 2 * s, less)


def _combined(n: int, both: Any, left: Any, right: Any, joint: Any) -> Any:
    return (both + left * right / ((n - 1) * (n - 2)) - 2 / (n - 2) * joint) / (n * (n - 3))


def _jackknife(left: Rows, right: Rows) -> tuple[float, np.ndarray]:
    cross, own, other = hsic(left, right), left.own, right.own
    for one, found in ((left, own), (right, other)):
        if not found[0] > 0:
            raise DataError(f"{one.name} does not vary enough to be compared", "give codes that differ by row")
    with np.errstate(all="ignore"):
        without = cross[1] / np.sqrt(own[1] * other[1])
    value = float(cross[0] / (own[0] * other[0]) ** 0.5)
    return value, np.where(np.isfinite(without), without, value)


def _ready(name: str, rows: np.ndarray) -> Rows:
    if len(rows) < 5:
        raise DataError(f"{name} has {len(rows)} rows", "CKA needs at least 5")
    rows = rows.astype(np.float64)
    rows = rows - rows[0]
    size = float(np.abs(rows).max())
    if not 0 < size < np.inf:
        raise DataError(f"{name} is constant or too large to be squared", "CKA needs rows that vary")
    rows = rows / size
    rows -= rows.mean(0)
    rows /= float(np.sqrt((rows**2).sum(1).mean()))
    squares = (rows**2).sum(1)
    return Rows(rows, squares, rows @ rows.sum(0) - squares, name)


def _times(one: Rows, weights: np.ndarray) -> np.ndarray:
    # the Gram matrix without its diagonal, times weights (n,)
    return one.rows @ (one.rows.T @ weights) - one.squares * weights


def _row_cross(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    # sum over j of (l_i . l_j) (r_i . r_j), for each row i
    if left.shape[1] * right.shape[1] <= len(left) * (left.shape[1] + right.shape[1]):
        return ((left @ (left.T @ right)) * right).sum(1)
    return np.concatenate(
        [((left[i : i + 256] @ left.T) * (right[i : i + 256] @ right.T)).sum(1) for i in range(0, len(left), 256)]
    )
