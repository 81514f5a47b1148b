"""Intrinsic dimension: along how many directions do the rows vary, near any one of them?

Reads  codes alone.
Gives  estimates from nearest neighbours: maximum likelihood, two neighbours, and Gride over a profile of scales, with
       the value at half the rows beside them (they grow with n). `dimension_mle_mean` and `dimension_twonn_ml` are
       the variants that other packages print under the same names.
Skips  duplicated rows: one copy is kept, because a distance of 0 silently ruins any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .arrays import canonical_order
from .kept import Kept, digest
from .neighbors import EXACT_ROWS, PART_ROWS, anchor_rows, distances_at, half_width, part_rows, replicates_of
from .record import Z95, Reading, metric

NULL = "shuffled columns"
COST = "n^2 d time, n memory, once for all estimates; above 5,000 rows 2,000 anchors"
DISTRUST = "it shrinks with fewer rows: compare at equal n, and see `half`; above 10 it is too low; noise raises it"
HALVES = "half-subsamples of the rows (of at most 400); anchors: and per-point values"
MLE_SOURCE = "Levina and Bickel 2004, equation 8"
SCALES = 2 ** np.arange(8)
NEAR, DRAWS = 20, 20

_KEPT: Kept[np.ndarray] = Kept(64)
Estimate = Callable[[np.ndarray], float]


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
    distrust=DISTRUST,
    source=f"{MLE_SOURCE}; harmonic mean: MacKay and Ghahramani 2005",
)
def dimension_mle(
    codes: np.ndarray, n_neighbors: int = NEAR, unbiased: bool = False, anchors: int = 2000, seed: int = 0
) -> Reading:
    """How many dimensions do the codes fill locally (maximum likelihood over k neighbours)?

    Per row 1/m = mean over j < k of log(T_k / T_j), T_j the distance to the j-th neighbour; the estimate is the
    inverse of the mean of 1/m over rows.
    unbiased scikit-dimension's option: times (k - 2) / (k - 1), which belongs to the mean of m, not to this one
    returns  above 0; there is no best value. more: {"half": the estimate on half the rows}
    errors   DataError: too few different rows, or all neighbours equally far
    """
    scale = (n_neighbors - 2) / (n_neighbors - 1) if unbiased else 1.0
    return _read(codes, n_neighbors, 0, lambda far: scale / float(_inverse(far).mean()), anchors, seed)


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
    distrust=f"{DISTRUST}; it is above the harmonic mean, more so for few neighbours",
    source=f"{MLE_SOURCE} and the mean over rows, as in many packages (scikit-dimension: comb='mean')",
)
def dimension_mle_mean(codes: np.ndarray, n_neighbors: int = NEAR, anchors: int = 2000, seed: int = 0) -> Reading:
    """How many dimensions do the codes fill locally (arithmetic mean over rows, as Levina and Bickel took it)?

    Per row m as in dimension_mle; the estimate is the mean of m over rows.
    returns  above 0; there is no best value. more: {"half": the estimate on half the rows}
    errors   DataError: too few different rows, or all neighbours equally far
    """
    return _read(codes, n_neighbors, 0, lambda far: float(_pointwise(far).mean()), anchors, seed)


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
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
    return _read(codes, 2, 2, lambda far: _slope(_log_ratios(far), discard), anchors, seed)


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
    distrust=f"{DISTRUST}; a few far neighbours (outliers) pull it down",
    source="Facco et al. 2017; maximum likelihood without a discarded share, Denti et al. 2022, equation 8 at n1 = 1",
)
def dimension_twonn_ml(codes: np.ndarray, anchors: int = 2000, seed: int = 0) -> Reading:
    """How many dimensions do the codes fill at the smallest scale (two neighbours, maximum likelihood)?

    (rows - 1) / sum of log mu, mu as in dimension_twonn, nothing left out.
    returns  above 0; there is no best value. more: {"half": the estimate on half the rows}
    errors   DataError: too few different rows, or all neighbours equally far
    """
    return _read(codes, 2, 2, lambda far: _gride(_log_ratios(far), 1), anchors, seed)


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
    distrust=f"{DISTRUST}; one scale alone: look for the plateau of the profile, noise lies below it, the edge above",
    source="Denti, Doimo, Laio and Mira 2022, Gride, n2 = 2 n1; nothing is left out as an outlier",
)
def dimension_gride(codes: np.ndarray, scale: int = 16, anchors: int = 2000, seed: int = 0) -> Reading:
    """How many dimensions do the codes fill at a chosen scale, and at every other (generalised ratios)?

    Maximum likelihood of d for mu = distance to the neighbour 2 n1 over that to n1, whose density is proportional
    to d (mu^d - 1)^(n1 - 1) mu^(-d (2 n1 - 1) - 1).
    scale    n1 of the value: a power of 2 up to 128, or the largest with 2 n1 below half the rows
    returns  above 0; there is no best value.
             more: {"scale": n1, "profile": {n1: estimate}, "half": the value on half the rows}
    errors   DataError: a scale that is no power of 2, too few different rows, or all neighbours equally far
    """
    if scale not in SCALES:
        raise DataError(f"scale={scale} is not a power of 2 up to {SCALES[-1]}", "use 16")
    rows = _distinct(codes, 10)
    scales = [int(one) for one in SCALES if 2 * one <= (len(rows) - 1) // 2]
    scale = min(scale, scales[-1])
    reading = _read(codes, 2, 2 * scale, lambda far: _gride(_log_ratios(far), scale), anchors, seed)
    profile = {str(one): _gride(_log_ratios(_near(rows, 2, 2 * one, anchors, seed)), one) for one in scales}
    return replace(reading, more={"scale": scale, "profile": profile, **reading.more})


def _read(codes: np.ndarray, k: int, also: int, estimate: Estimate, anchors: int, seed: int) -> Reading:
    """An estimate from distances (see `_near`), with its interval and its value at half the rows."""
    rows = _distinct(codes, max(10, k + 2))
    far, n = _near(rows, k, also, anchors, seed), len(rows)
    value, rng = estimate(far), np.random.default_rng([seed, 17])
    halves = [estimate(far[rng.permutation(len(far))[: len(far) // 2]]) for _ in range(DRAWS)]
    wide, size, replicates = Z95 * float(np.std(halves)), min(n // 2, PART_ROWS), None
    if size >= 2 * max(k, also) + 2:
        parts = np.array([estimate(_near(rows[part], k, also, anchors, seed)) for part in part_rows(n, seed)])
        # parts are smaller, and their dimension with them: their spread counts as a share of it
        scaled = value * parts / parts.mean()
        wide = half_width(n, size, scaled, float(np.var(halves)) * (1 - len(far) / n))
        replicates = replicates_of(n, size, scaled)
    more = {}
    if n >= 4 * max(k, also, 10):
        more["half"] = estimate(_near(_half(rows, seed), k, also, anchors, seed))
    note = _note(codes, rows)
    return Reading(value, value - wide, value + wide, len(far), note=note, more=more, replicates=replicates)


def _distinct(codes: np.ndarray, least: int) -> np.ndarray:
    # the first of each, in the order given: random parts are then the same rows for every code of them
    order = canonical_order([codes])
    rows = codes[order]
    firsts = np.flatnonzero(np.concatenate([[True], (rows[1:] != rows[:-1]).any(1)]))
    rows = codes[np.sort(np.minimum.reduceat(order, firsts))]
    if len(rows) < least:
        raise DataError(f"only {len(rows)} different rows", f"the dimension needs at least {least}")
    return rows


def _half(rows: np.ndarray, seed: int) -> np.ndarray:
    return rows[np.sort(np.random.default_rng([seed, 19]).choice(len(rows), len(rows) // 2, replace=False))]


def _note(codes: np.ndarray, rows: np.ndarray) -> str:
    return f"{len(codes) - len(rows)} duplicated rows left out" if len(rows) < len(codes) else ""


def _near(rows: np.ndarray, k: int, also: int, anchors: int, seed: int) -> np.ndarray:
    """The distances to the k nearest, or to places `also` / 2 and `also`; (rows or anchors, k or 2), none of them 0.

    One pass gives the first 20 and the places of Gride, for all metrics of a card.
    """
    n = len(rows)
    chosen = anchor_rows(n, anchors, EXACT_ROWS, seed)
    near = np.arange(1, min(max(k, NEAR), n - 1) + 1)
    places = np.union1d(near, [2 * one for one in SCALES if 2 * one <= (n - 1) // 2])
    far = _KEPT.get((digest(rows), len(near), len(chosen), seed), lambda: distances_at(rows, places, chosen))
    far = far[far[:, 0] > 0]
    return far[:, np.searchsorted(places, [also // 2, also])] if also else far[:, :k]


def _inverse(far: np.ndarray) -> np.ndarray:
    inverse = np.log(far[:, -1:] / far[:, :-1]).mean(1)
    if not len(inverse) or inverse.mean() < 1e-6:
        raise _no_scale()
    return inverse


def _pointwise(far: np.ndarray) -> np.ndarray:
    inverse = _inverse(far)
    if (inverse <= 1e-9).any():
        raise DataError(
            f"all neighbours of {(inverse <= 1e-9).sum()} rows are equally far", "use dimension_mle, which can take it"
        )
    return 1 / inverse


def _log_ratios(far: np.ndarray) -> np.ndarray:
    if not len(far):
        raise _no_scale()
    return np.log(far[:, 1] / far[:, 0])


def _slope(logs: np.ndarray, discard: float) -> float:
    n = len(logs)
    logs = np.sort(logs)[: min(int(n * (1 - discard)), n - 1)]
    heights = -np.log(1 - np.arange(1, len(logs) + 1) / n)
    if not len(logs) or logs[-1] < 1e-6:
        raise _no_scale()
    return float((logs @ heights) / (logs @ logs))


def _gride(logs: np.ndarray, scale: int) -> float:
    """The root of the derivative of the log likelihood, which falls in d; N - 1 in place of N, as scikit-dimension."""
    n, total = len(logs), float(logs.sum())
    if total < 1e-6 * n:
        raise _no_scale()
    if scale == 1:
        return (n - 1) / total

    def score(d: float) -> float:
        # log mu / (1 - mu^-d) is 1 / d where mu is 1
        terms = np.where(logs > 0, logs / -np.expm1(-d * np.where(logs > 0, logs, 1)), 1 / d)
        return (n - 1) / d + (scale - 1) * float(terms.sum()) - (2 * scale - 1) * total

    from scipy.optimize import brentq

    high = 1.0
    while score(high) > 0:
        high *= 2
    return float(brentq(score, 1e-8, high, xtol=1e-12, rtol=1e-12))


def _no_scale() -> DataError:
    return DataError("all neighbours are equally far", "such codes (corners of a simplex) have no local dimension")
