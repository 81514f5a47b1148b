"""Intrinsic dimension: along how many directions do the rows vary, near any one of them?

Reads  codes alone.
Gives  two estimates from nearest neighbours, with the value at half the rows beside them (they grow with n).
Skips  duplicated rows: one copy is kept, because a distance of 0 silently ruins either estimate.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .arrays import canonical_order
from .neighbors import EXACT_ROWS, anchor_rows, nearest
from .record import Z95, Reading, metric

NULL = "shuffled columns"
DISTRUST = "it shrinks with fewer rows: compare at equal n, and see `half`; above 10 it is too low; noise raises it"


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval="per-point values (delta method)",
    cost="n^2 d time, n memory; above 10,000 rows 2,000 anchors",
    distrust=DISTRUST,
    source="Levina and Bickel 2004, equation 8; harmonic mean: MacKay and Ghahramani 2005",
)
def dimension_mle(codes: np.ndarray, n_neighbors: int = 20, anchors: int = 2000, seed: int = 0) -> Reading:
    """How many dimensions do the codes fill locally (maximum likelihood over k neighbours)?

    Per row 1/m = mean over j < k of log(T_k / T_j), T_j the distance to the j-th neighbour; the estimate is the
    inverse of the mean of 1/m over rows.
    returns  above 0; there is no best value. more: {"half": the estimate on half the rows}
    errors   DataError: too few different rows, or all neighbours equally far
    """
    rows = _distinct(codes, n_neighbors + 2)
    inverse = _mle_points(rows, n_neighbors, anchors, seed)
    value = 1 / inverse.mean()
    half = Z95 * value**2 * inverse.std(ddof=1) / len(inverse) ** 0.5
    more = {}
    if len(rows) >= 4 * n_neighbors:
        more["half"] = float(1 / _mle_points(_half(rows, seed), n_neighbors, anchors, seed).mean())
    return Reading(
        float(value), float(value - half), float(value + half), len(inverse), note=_note(codes, rows), more=more
    )


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval="half-subsamples of the per-point ratios",
    cost="n^2 d time, n memory; above 10,000 rows 2,000 anchors",
    distrust=DISTRUST,
    source="Facco et al. 2017",
)
def dimension_twonn(codes: np.ndarray, discard: float = 0.1, anchors: int = 2000, seed: int = 0) -> Reading:
    """How many dimensions do the codes fill at the smallest scale (two nearest neighbours)?

    The slope through 0 of -log(1 - F(mu)) on log mu, mu = distance to the second over that to the first neighbour;
    the largest `discard` share is left out.
    returns  above 0; there is no best value. more: {"half": the estimate on half the rows}
    errors   DataError: too few different rows, or all neighbours equally far
    """
    rows = _distinct(codes, 10)
    ratios = _ratios(rows, anchors, seed)
    value = _slope(ratios, discard)
    rng = np.random.default_rng([seed, 17])
    halves = [_slope(rng.choice(ratios, len(ratios) // 2, replace=False), discard) for _ in range(100)]
    half = Z95 * float(np.std(halves))
    more = {"half": _slope(_ratios(_half(rows, seed), anchors, seed), discard)} if len(rows) >= 40 else {}
    return Reading(value, value - half, value + half, len(ratios), note=_note(codes, rows), more=more)


def _distinct(codes: np.ndarray, least: int) -> np.ndarray:
    rows = codes[canonical_order([codes])]
    rows = rows[np.concatenate([[True], (rows[1:] != rows[:-1]).any(1)])]
    if len(rows) < least:
        raise DataError(f"only {len(rows)} different rows", f"the dimension needs at least {least}")
    return rows


def _half(rows: np.ndarray, seed: int) -> np.ndarray:
    return rows[np.sort(np.random.default_rng([seed, 19]).choice(len(rows), len(rows) // 2, replace=False))]


def _note(codes: np.ndarray, rows: np.ndarray) -> str:
    return f"{len(codes) - len(rows)} duplicated rows left out" if len(rows) < len(codes) else ""


def _mle_points(rows: np.ndarray, k: int, anchors: int, seed: int) -> np.ndarray:
    far, _ = nearest(rows, k, anchor_rows(len(rows), anchors, EXACT_ROWS, seed))
    far = far[far[:, 0] > 0]
    inverse = np.log(far[:, -1:] / far[:, :-1]).mean(1)
    if not len(inverse) or inverse.mean() < 1e-6:
        raise DataError("all neighbours are equally far", "such codes (corners of a simplex) have no local dimension")
    return inverse


def _ratios(rows: np.ndarray, anchors: int, seed: int) -> np.ndarray:
    far, _ = nearest(rows, 2, anchor_rows(len(rows), anchors, EXACT_ROWS, seed))
    far = far[far[:, 0] > 0]
    return far[:, 1] / far[:, 0]


def _slope(ratios: np.ndarray, discard: float) -> float:
    n = len(ratios)
    logs = np.log(np.sort(ratios)[: min(int(n * (1 - discard)), n - 1)])
    heights = -np.log(1 - np.arange(1, len(logs) + 1) / n)
    if not len(logs) or logs[-1] < 1e-6:
        raise DataError("all neighbours are equally far", "such codes (corners of a simplex) have no local dimension")
    return float((logs @ heights) / (logs @ logs))
