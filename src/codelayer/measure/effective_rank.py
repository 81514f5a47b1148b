"""Effective rank: over how many directions does the whole code spread, and how fast does the rest fade?

Reads  codes alone.
Gives  RankMe, as published (not centred) and centred, and alpha-ReQ, the slope of the spectrum.
Skips  LiDAR, which needs several views of each sample.

Intervals come from half-subsamples: the rows fall into 20 parts at random, and halves of the parts are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .record import Reading, metric
from .spread import values_half

NULL = "shuffled columns"
COST = "n d^2"
HALVES = "half-subsamples"
DISTRUST = "it is at most min(n, d): not comparable across widths, or with fewer than 10 rows per unit"
PARTS, DRAWS, WIDEST = 20, 20, 1024
EPSILON = 1e-7


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
    distrust=f"{DISTRUST}; a common offset of all codes lowers it: read rankme_centred with it",
    source="Garrido, Balestriero, Najman and LeCun 2023, RankMe; epsilon 1e-7",
)
def rankme(codes: np.ndarray, seed: int = 0) -> Reading:
    """Over how many directions do the codes spread (RankMe, not centred)?

    exp(-sum of p log p), p = singular value / sum of all + 1e-7.
    codes    (n, units)
    returns  1 to min(n, units); there is no best value
    errors   DataError: all codes are 0
    """
    return _measured(codes, False, _entropy, seed)


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
    distrust=DISTRUST,
    source="Garrido, Balestriero, Najman and LeCun 2023, RankMe, of the centred codes",
)
def rankme_centred(codes: np.ndarray, seed: int = 0) -> Reading:
    """Over how many directions do the codes vary (RankMe of the centred codes)?

    rankme of codes less their mean.
    codes    (n, units)
    returns  1 to min(n - 1, units); there is no best value
    errors   DataError: the codes are constant
    """
    return _measured(codes, True, _entropy, seed)


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null=NULL,
    interval=HALVES,
    cost=COST,
    distrust="the range of the fit decides it (digits: 1.35 over 1-40, 1.67 over 5-40): compare at one range only",
    source="Agrawal, Mondal, Ghosh and Richards 2022, alpha-ReQ",
)
def alpha_req(codes: np.ndarray, first: int = 1, last: int = 40, seed: int = 0) -> Reading:
    """How fast does the spectrum of the codes fade (alpha-ReQ)?

    Minus the slope of log eigenvalue i of the covariance on log i, least squares over i = first ... last.
    first, last  places of the eigenvalues that are fitted, the largest first; last is at most the number of singular
                 values above 1e-6 of the largest (below, float32 holds rounding)
    returns  0 for a flat spectrum; about 1 was best in the source. more: {"first": first, "last": last used}
    errors   DataError: fewer than 3 eigenvalues to fit
    """
    used = min(last, int((_spectrum(_rows(codes, True)) > 1e-6).sum()))
    if first < 1 or used - first < 2:
        raise DataError(
            f"the spectrum has {max(0, used - first + 1)} places from {first} to {used}", "a slope needs at least 3"
        )

    def slope(values: np.ndarray) -> float:
        places = np.log(np.arange(first, used + 1))
        heights = 2 * np.log(np.maximum(values[first - 1 : used], 1e-300))
        places = places - places.mean()
        return -float(places @ heights) / float(places @ places)

    reading = _measured(codes, True, slope, seed)
    return replace(reading, more={"first": first, "last": used})


def _rows(codes: np.ndarray, centred: bool) -> np.ndarray:
    # of size about 1; what is left of a constant column is rounding
    rows = codes.astype(np.float64)
    rows /= float(np.abs(rows).max()) or 1.0
    if centred:
        rows -= rows.mean(0)
        rows[:, np.abs(rows).max(0) < 1e-13] = 0
    return rows


def _spectrum(rows: np.ndarray) -> np.ndarray:
    """Singular values over the largest, largest first.

    errors  DataError: they are all 0
    """
    from scipy.linalg import svdvals

    values = svdvals(rows, check_finite=False)
    if not values[0] > 0:
        raise DataError("the codes are constant", "a rank needs codes that vary")
    return values / values[0]


def _entropy(values: np.ndarray) -> float:
    share = values / values.sum() + EPSILON
    return float(np.exp(-(share * np.log(share)).sum()))


def _measured(codes: np.ndarray, centred: bool, of: Callable[[np.ndarray], float], seed: int) -> Reading:
    rows = _rows(codes, centred)
    value, n = of(_spectrum(rows)), len(rows)
    if n < 4 * PARTS or rows.shape[1] > WIDEST:
        return Reading(value, n=n, note=f"no interval: it needs {4 * PARTS} rows, and at most {WIDEST:,} units")
    values = np.array([of(one) for one in _halves(rows, centred, seed)])
    half = values_half(values)
    return Reading(value, value - half, value + half, n, replicates=values)


def _halves(rows: np.ndarray, centred: bool, seed: int) -> Iterator[np.ndarray]:
    # second moments add up over parts, so that a half costs one small eigenvalue problem
    rng = np.random.default_rng([seed, 29])
    parts = [rows[part] for part in np.array_split(rng.permutation(len(rows)), PARTS)]
    moments, sums = np.stack([one.T @ one for one in parts]), np.stack([one.sum(0) for one in parts])
    sizes = np.array([len(one) for one in parts])
    for _ in range(DRAWS):
        some = rng.permutation(PARTS)[: PARTS // 2]
        moment, mean = moments[some].sum(0), sums[some].sum(0)
        if centred:
            moment -= np.outer(mean, mean) / sizes[some].sum()
        values = np.sqrt(np.maximum(np.linalg.eigvalsh(moment)[::-1], 0))
        if values[0] > 0:
            yield values / values[0]
