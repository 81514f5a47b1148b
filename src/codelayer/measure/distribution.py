"""Distributed or local: do many units share the work, or does each stand for one thing?

Reads  codes alone.
Gives  how many directions carry the variance, how many patterns of units occur, how alike units are.
Skips  what the units stand for: selectivity.py asks that with labels, concepts.py shows it on examples.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .reconstruction import unit_range
from .record import Z95, Reading, metric
from .spread import half_values

HALVES = 50


@metric(
    needs=("codes",),
    worst=1.0,
    best=None,
    null="closed form: units of the same variances that are uncorrelated, on n rows",
    interval="per-point values (delta method)",
    cost="n d min(n, d)",
    distrust="fewer than 10 rows per unit: it is bounded by the rows; units on different scales: the largest decide",
    source="participation ratio of the covariance, Gao et al. 2017",
)
def participation_ratio(codes: np.ndarray) -> Reading:
    """Over how many directions is the variance of the code spread?

    (sum of eigenvalues)^2 / sum of squared eigenvalues of the covariance.
    returns  1 to the number of units; one-hot codes of C equal classes give C - 1. more: {"share": of the units}
    errors   DataError: the codes are constant
    """
    n, units = codes.shape
    rows = unit_range(codes)
    rows -= rows.mean(0)
    variances = (rows**2).mean(0)
    if (codes == codes[0]).all() or not variances.any():
        raise DataError("the codes are constant", "there is no variance to spread")
    length = (rows**2).sum(1)
    if units <= n:
        pulled = np.einsum("ij,ij->i", rows @ (rows.T @ rows / n), rows)
    else:
        pulled = ((rows @ rows.T) ** 2).sum(1) / n
    trace, squares = float(length.mean()), float(pulled.mean())
    value = trace**2 / squares
    # what each row adds: first derivatives of trace^2 / squares
    points = 2 * trace / squares * (length - trace) - 2 * trace**2 / squares**2 * (pulled - squares)
    half = Z95 * float(points.std()) / n**0.5
    own = float((variances**2).sum())
    chance = trace**2 / (own + (trace**2 - own) / (n - 1))
    note = f"{n} rows for {units} units: too few, the value is bounded by the rows" if n < 10 * units else ""
    low, high = max(1.0, value - half), min(float(units), max(value, value + half))
    ends = min(low, value), max(high, value)
    return Reading(value, *ends, n, chance, note, {"share": value / units}, value + points)


@metric(
    needs=("codes",),
    worst=0.0,
    best=1.0,
    null="shuffled columns",
    interval="half-subsamples",
    cost="n d, n log n",
    distrust="near 1 more rows would show more patterns: see half; units that are noise make patterns of their own",
    source="entropy of binarised codes; Hinton, McClelland and Rumelhart 1986 on patterns that name concepts",
    uncalibrated="a random code uses every pattern: how many are used is not how much is known; see shuffled columns",
)
def pattern_entropy(codes: np.ndarray, seed: int = 0) -> Reading:
    """How many of the 2^d patterns of active units are used, and how evenly?

    A unit is on above its median over the rows (see pattern_numbers). The entropy of the patterns in bits, divided by
    the most it can be, min(d, log2 n).
    returns  0 one pattern, 1 every row (or every one of the 2^d patterns) its own. more: {"bits", "per_unit": bits / d,
             "patterns": different ones, "share": of min(n, 2^d), "half": the value on half the rows}
    errors   DataError: no unit varies
    """
    named, n, units = pattern_numbers(codes), *codes.shape
    if named.max() == 0:
        raise DataError("all rows have one pattern", "no unit is above its median anywhere: the units do not vary")

    def normed(part: np.ndarray) -> tuple[float, float]:
        share = np.bincount(part) / len(part)
        share = share[share > 0]
        bits = float(-(share * np.log2(share)).sum())
        return bits, bits / min(units, float(np.log2(len(part))))

    bits, value = normed(named)
    halves, half = half_values(lambda rows: normed(named[rows])[1], n, seed, HALVES)
    patterns = int(named.max()) + 1
    more = {"bits": bits, "per_unit": bits / units, "patterns": patterns}
    more |= {"share": patterns / min(n, 2.0 ** min(units, 60)), "half": float(np.mean(halves))}
    value = min(value, 1.0)
    return Reading(value, max(0.0, value - half), value + half, n, more=more, replicates=halves)


@metric(
    needs=("codes",),
    worst=1.0,
    best=0.0,
    null="closed form: sqrt(2 / (pi (n - 1))), units that are uncorrelated",
    interval="per-point values (delta method)",
    cost="n d^2",
    distrust="near its chance it is only the noise of n rows; it sees straight relations alone",
    source="mean absolute Pearson correlation of pairs of units",
)
def mean_correlation(codes: np.ndarray) -> Reading:
    """How alike are the units (mean absolute correlation of two of them)?

    returns  0 uncorrelated, 1 copies of one another (or mirrored). Units that never vary are left out
             more: {"largest": of all pairs}
    errors   DataError: fewer than two units vary
    """
    rows = unit_range(codes)
    rows -= rows.mean(0)
    deviation = np.sqrt((rows**2).mean(0))
    varies = (codes != codes[0]).any(0) & (deviation > 0)
    units, n = int(varies.sum()), len(rows)
    if units < 2:
        raise DataError(f"only {units} units vary", "a correlation needs two")
    rows = rows[:, varies] / deviation[varies]
    found = np.clip(rows.T @ rows / n, -1, 1)
    np.fill_diagonal(found, 0)
    pairs, size = units * (units - 1), np.abs(found)
    value = float(size.sum() / pairs)
    points = (np.einsum("ij,ij->i", rows @ np.sign(found), rows) - rows**2 @ size.sum(1)) / pairs
    points += value - points.mean()
    half = Z95 * float(points.std()) / n**0.5
    note = f"{codes.shape[1] - units} units that never vary left out" if units < codes.shape[1] else ""
    chance = float(np.sqrt(2 / (np.pi * (n - 1))))
    more = {"largest": float(size.max())}
    return Reading(value, value - half, min(1.0, value + half), n, chance, note, more, points)


def pattern_numbers(codes: np.ndarray) -> np.ndarray:
    """The pattern of each row, numbered: rows have one number where the same units are on, (n,).

    A unit is on above its median, or from its median on where that splits the rows more evenly (0 and 1, mostly 1).
    """
    middle = np.median(codes, axis=0)
    above, from_it = codes > middle, codes >= middle
    evener = np.abs(from_it.mean(0) - 0.5) < np.abs(above.mean(0) - 0.5)
    on = np.packbits(np.where(evener, from_it, above), axis=1)
    whole = np.ascontiguousarray(on).view(np.dtype((np.void, on.shape[1])))
    return np.unique(whole[:, 0], return_inverse=True)[1].reshape(-1)
