"""Neighbourhoods: are rows that are near each other in the data near each other in the code, and back?

Reads  codes and x of the same rows.
Gives  trustworthiness, continuity, mean relative rank errors, overlap, LCMC, R_NX and its area: all from one pass,
       exact up to 5,000 rows, from anchors above.
Skips  global measures (stress, correlation of distances): they punish a correct unrolling.

Ties are broken at random, the same way in codes and x, and a row tied in the other space has the middle place. What
ties alone make two spaces share counts as luck: overlap above luck is 0 for a constant code and 1 for x itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DataError
from .neighbors import STUDENT95, half_width, replicates_of
from .ranks import Near, area_weights, coranking, near_ranks
from .record import Z95, Reading, metric

COST = "n^2 (d + log n) time, n memory, once for all metrics of neighbours; above 5,000 rows 1,000 anchors"
HALVES = "half-subsamples of the rows (of at most 400); anchors: and per-point values"
FEW = "fewer than 100 rows, or k near half the rows"
TRUSTED = "Venna and Kaski 2001; Kaski et al. 2003, equations 1 and 2"
TIES = f"{FEW}; data of few different values: tied rows share a place, so even x itself scores below 1"
NO_LUCK = "closed form: 0, what shuffled rows (and ties) share is taken off"
Points = Callable[[Any, int], np.ndarray]


# first, because a card measures in this order: the pass that gives the area gives all the rest
@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null=NO_LUCK,
    interval=HALVES,
    cost=COST,
    distrust="small neighbourhoods weigh most: noise in x lowers it for any code; compare at equal n",
    source="Lee, Peluffo-Ordonez and Verleysen 2015, area under R_NX over log k",
)
def rnx_area(codes: np.ndarray, x: np.ndarray, anchors: int = 1000, seed: int = 0) -> Reading:
    """How well are neighbourhoods of every size kept, small ones first?

    Sum of R_NX(k) / k over sum of 1 / k, k = 1 ... n - 2.
    codes    (n, units); x (n, features)
    returns  0 for a random code, 1 for one that keeps every order. more: {"k": [...], "rnx": [...]}, the curve
    errors   DataError: all rows tied in codes and in x
    """
    found = coranking(codes, x, anchors=anchors, seed=seed)
    weights, curve = area_weights(found.n), found.rnx
    known = np.isfinite(curve)
    if not known.any():
        _agreed(found, 1)
    value = min(1.0, float((weights * np.where(known, curve, 0)).sum() / weights[known].sum()))
    reading = _reading(found, lambda one, _: one.areas, 1)
    wide = (reading.high or 0.0) - reading.value
    shown = np.unique(np.geomspace(1, len(curve), 40).round().astype(int))
    shown = shown[known[shown - 1]]
    more = {"k": shown.tolist(), "rnx": [round(float(one), 6) for one in curve[shown - 1]]}
    return replace(reading, value=value, low=value - wide, high=value + wide, more=more)


@metric(
    needs=("codes", "x"),
    worst=0.5,
    best=1.0,
    null="shuffled rows",
    interval=HALVES,
    cost=COST,
    distrust=TIES,
    source=TRUSTED,
)
def trustworthiness(
    codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0
) -> Reading:
    """Are the neighbours in the code true neighbours in the data?

    1 - 2 / (n k (2n - 3k - 1)) * sum over rows i and their k nearest codes j of max(0, rank_x(i, j) - k).
    codes    (n, units); x (n, features); Euclidean distances in both
    returns  1 best, about 0.5 for a random code; n is the number of rows (or anchors) averaged
    errors   DataError: n_neighbors not below half the rows
    """
    found = _ranked(codes, x, n_neighbors, anchors, seed)
    return _reading(found, lambda one, k: _misplaced(one, one.in_x, k), n_neighbors, shortfall=True)


@metric(
    needs=("codes", "x"),
    worst=0.5,
    best=1.0,
    null="shuffled rows",
    interval=HALVES,
    cost=COST,
    distrust=TIES,
    source=TRUSTED,
)
def continuity(codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0) -> Reading:
    """Are the neighbours in the data still neighbours in the code?

    Trustworthiness with codes and x exchanged.
    codes    (n, units); x (n, features)
    returns  1 best, about 0.5 for a random code
    errors   DataError: n_neighbors not below half the rows
    """
    found = _ranked(codes, x, n_neighbors, anchors, seed)
    return _reading(found, lambda one, k: _misplaced(one, one.in_codes, k), n_neighbors, shortfall=True)


@metric(
    needs=("codes", "x"),
    worst=0.5,
    best=1.0,
    null="shuffled rows",
    interval=HALVES,
    cost=COST,
    distrust=FEW,
    source="Lee and Verleysen 2007, mean relative rank errors; 1 is best here, as in zadu",
)
def mrre_false(codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0) -> Reading:
    """How far down in the data's order are the neighbours in the code, relative to their place in the code?

    1 - 1 / (n c_k) * sum over rows and their k nearest codes of |rank_x - rank_code| / rank_code,
    c_k = sum over i <= k of |n - 2i + 1| / i.
    codes    (n, units); x (n, features)
    returns  1 best, about 0.5 for a random code
    errors   DataError: n_neighbors not below half the rows
    """
    found = _ranked(codes, x, n_neighbors, anchors, seed)
    return _reading(found, lambda one, k: _rank_errors(one, one.in_x, k), n_neighbors, shortfall=True)


@metric(
    needs=("codes", "x"),
    worst=0.5,
    best=1.0,
    null="shuffled rows",
    interval=HALVES,
    cost=COST,
    distrust=FEW,
    source="Lee and Verleysen 2007, mean relative rank errors; 1 is best here, as in zadu",
)
def mrre_missing(
    codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0
) -> Reading:
    """How far down in the code's order are the neighbours in the data, relative to their place in the data?

    mrre_false with codes and x exchanged.
    codes    (n, units); x (n, features)
    returns  1 best, about 0.5 for a random code
    errors   DataError: n_neighbors not below half the rows
    """
    found = _ranked(codes, x, n_neighbors, anchors, seed)
    return _reading(found, lambda one, k: _rank_errors(one, one.in_codes, k), n_neighbors, shortfall=True)


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null="closed form: k / (n - 1), and what ties alone share",
    interval=HALVES,
    cost=COST,
    distrust="it has no common zero: chance is k / (n - 1); compare at equal n and k only, or read rnx",
    source="Lee and Verleysen 2009, Q_NX",
)
def neighbor_overlap(
    codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0
) -> Reading:
    """What share of the k nearest rows is the same in the code and in the data?

    codes    (n, units); x (n, features)
    returns  0 to 1; overlap / k, not Jaccard's index
    errors   DataError: n_neighbors not below half the rows
    """
    found = _ranked(codes, x, n_neighbors, anchors, seed)
    reading = _reading(found, lambda one, k: one.shared(k) / k, n_neighbors)
    return replace(reading, chance=float(found.lucky(n_neighbors).mean() / n_neighbors))


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null=NO_LUCK,
    interval=HALVES,
    cost=COST,
    distrust=f"{FEW}: it cannot be above 1 - k / (n - 1)",
    source="Chen and Buja 2009, local continuity meta-criterion",
    uncalibrated="the best is 1 - k / (n - 1), 0.98 at 600 rows and 10 neighbours; chance is 0. rnx reaches 1",
)
def lcmc(codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0) -> Reading:
    """How much larger is the overlap of the k nearest rows than by luck?

    Overlap / k - k / (n - 1); where both spaces tie, less what the ties share.
    codes    (n, units); x (n, features)
    returns  0 for a random code, at most 1 - k / (n - 1)
    errors   DataError: n_neighbors not below half the rows
    """
    found = _ranked(codes, x, n_neighbors, anchors, seed)
    return _reading(found, lambda one, k: (one.shared(k) - one.lucky(k)) / k, n_neighbors)


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null=NO_LUCK,
    interval=HALVES,
    cost=COST,
    distrust=f"{FEW}; one k sees one scale: read the area with it",
    source="Lee, Renard, Bernard, Dupont and Verleysen 2013, R_NX",
)
def rnx(codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0) -> Reading:
    """What share of the overlap that is possible above luck is there?

    ((n - 1) Q_NX(k) - k) / (n - 1 - k), Q_NX the overlap / k.
    codes    (n, units); x (n, features)
    returns  0 for a random code, 1 for one that keeps the k nearest of every row
    errors   DataError: n_neighbors not below half the rows; all rows tied in codes and in x
    """
    found = _ranked(codes, x, n_neighbors, anchors, seed)
    return _reading(found, _agreed, n_neighbors)


def _ranked(codes: np.ndarray, x: np.ndarray, k: int, anchors: int, seed: int) -> Near:
    n = len(x)
    if not 1 <= k < n / 2:
        raise DataError(f"n_neighbors={k} is not below half of {n} rows", "use fewer neighbours, or more rows")
    return near_ranks(codes, x, k, anchors, seed)


def _reading(found: Near, points: Points, k: int, shortfall: bool = False) -> Reading:
    """The mean of a metric's per-point values, its interval, and what was left to anchors.

    shortfall  parts have fewer rows, so that their k nearest lie further out and more is missing to 1: their spread
               counts as a share of that, and Student's quantile for what so few parts do not know. Overlaps need
               neither: their parts spread enough. Coverage: benchmarks/interval_coverage_manifold.py
    """
    mine, m = points(found, k), len(found.later)  # sums of shares may round to a hair above 1
    value, error, times = min(1.0, float(mine.mean())), float(mine.std()) / m**0.5, Z95
    size, replicates = len(found.parts[0].later) if found.parts else 0, None
    if 2 * k < size:
        anchored = float(mine.var()) * (1 / m - 1 / found.n)
        parts = np.array([points(one, k).mean() for one in found.parts])
        missing = 1 - float(parts.mean())
        if shortfall and missing > 0:
            parts, times = parts * (1 - value) / missing, STUDENT95
        error, replicates = half_width(found.n, size, parts, anchored) / Z95, replicates_of(found.n, size, parts)
    note = f"{m} anchors of {found.n} rows, standard error {error:.2g}" if m < found.n else ""
    some, wide = mine if m < found.n or replicates is None else None, times * error
    return Reading(value, value - wide, value + wide, m, note=note, points=some, replicates=replicates)


def _misplaced(found: Near, places: np.ndarray, k: int) -> np.ndarray:
    # 1 - the scaled excess of the places, in the other space, of each row's k nearest
    n = found.n
    excess = np.maximum(0, places[:, :k] - np.float64(k)).sum(1)
    return 1 - excess * (2 / (k * (2 * n - 3 * k - 1)))


def _rank_errors(found: Near, places: np.ndarray, k: int) -> np.ndarray:
    own = np.arange(1.0, k + 1)
    scale = (np.abs(found.n - 2 * own + 1) / own).sum()
    return 1 - (np.abs(places[:, :k] - own) / own).sum(1) / scale


def _agreed(found: Near, k: int) -> np.ndarray:
    lucky = found.lucky(k)
    room = k - lucky.mean()
    if room < 1e-9:
        raise DataError("all rows are equally far from one another, in codes and in x", "such rows have no neighbours")
    return (found.shared(k) - lucky) / room
