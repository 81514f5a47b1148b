"""Sparsity: how few units speak for one sample, and which never speak at all?

Reads  codes; a score holds for the code as it is, so a shifted code is another code. x and rebuilt where given.
Gives  sparsity over the units of a sample (population), over the samples of a unit (lifetime), units that are dead or
       saturated; beside each, in `more`, the share of x that is brought back at that sparsity (see sparse_curve).
Skips  judging: a sparse code is good only beside its reconstruction or its probe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import floats
from .record import Z95, Reading, mean_reading, metric
from .sparse_curve import beside
from .spread import on_all_rows, pseudo_values, shares_ends

DEAD_RANGE = 1e-6
EDGES = (0, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1)
ALSO = ("x", "rebuilt")
DISTRUST = "read it beside reconstruction or usefulness; a dense code with an offset looks less sparse than it is"
UNCALIBRATED = "it asks how the code is used, not what it knows: the value of a dense code stands beside it as chance"
DENSE = "closed form: a dense code, Gaussian of equal width (simulated)"


@metric(
    needs=("codes",),
    worst=0.0,
    best=1.0,
    null=DENSE,
    interval="per-point values",
    cost="n d",
    distrust=DISTRUST,
    source="Hoyer 2004, section 3.1",
    also=ALSO,
    uncalibrated=UNCALIBRATED,
)
def hoyer(codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None) -> Reading:
    """How concentrated is a code on few units (Hoyer)?

    Mean over rows of (sqrt(d) - |h|_1 / |h|_2) / (sqrt(d) - 1).
    returns  0 all units equal, 1 one unit alone; Gaussian codes of 64 units .23. Rows of zeros are left out
    errors   DataError: fewer than two units, or only zeros
    """

    def points(size: np.ndarray) -> np.ndarray:
        root = size.shape[1] ** 0.5
        found = np.clip((root - size.sum(1) / np.sqrt((size**2).sum(1))) / (root - 1), 0, 1)
        return np.where(size.min(1) == size.max(1), 0, found)  # and not what rounding makes of 0

    return beside(_per_sample(codes, points), codes, x, rebuilt)


@metric(
    needs=("codes",),
    worst=0.0,
    best=1.0,
    null=DENSE,
    interval="per-point values",
    cost="n d log d",
    distrust=DISTRUST,
    source="Hurley and Rickard 2009, table I",
    also=ALSO,
    uncalibrated=UNCALIBRATED,
)
def gini(codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None) -> Reading:
    """How unequally do the units share a code (Gini index)?

    Mean over rows of 1 - 2 sum_k (|h|_(k) / |h|_1) ((d - k + 1/2) / d), |h| ascending.
    returns  0 all units equal, 1 - 1/d one unit alone; Gaussian codes .41. Rows of zeros are left out
    errors   DataError: fewer than two units, or only zeros
    """

    def points(size: np.ndarray) -> np.ndarray:
        d = size.shape[1]
        weights = (d - np.arange(1, d + 1) + 0.5) / d
        return 1 - 2 * (np.sort(size, axis=1) * weights).sum(1) / size.sum(1)

    return beside(_per_sample(codes, points), codes, x, rebuilt)


@metric(
    needs=("codes",),
    worst=1.0,
    best=0.0,
    null=DENSE,
    interval="per-point values",
    cost="n d",
    distrust=DISTRUST,
    source="Treves and Rolls 1991; Vinje and Gallant 2000",
    also=ALSO,
)
def treves_rolls(codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None) -> Reading:
    """How densely is a code used (Treves and Rolls; lower is sparser)?

    Mean over rows of (mean |h|)^2 / mean(h^2).
    returns  1/d one unit alone, 1 all units equal. Rows of zeros are left out
    errors   DataError: fewer than two units, or only zeros
    """

    def points(size: np.ndarray) -> np.ndarray:
        return _density(size, 1)

    return beside(_per_sample(codes, points), codes, x, rebuilt)


@metric(
    needs=("codes",),
    worst=1.0,
    best=0.0,
    null=DENSE,
    interval="per-point values (Wilson's interval of a share)",
    cost="n d",
    distrust=DISTRUST + "; small values above the threshold count in full",
    source="Olshausen and Field 2004",
    also=ALSO,
)
def l0_share(
    codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None, threshold: float = 1e-3
) -> Reading:
    """What share of the units is active for one sample?

    A unit is active where |h| is above `threshold` times the unit's largest |h|.
    returns  0 nothing is active, 1 everything is. more: {"density": of the units' shares of rows in which they are
             active, "min", "median", "max" and "histogram", counts between "edges"}
    """
    active = active_units(codes, threshold)
    density = active.mean(0)
    ends = {"min": density.min(), "median": np.median(density), "max": density.max()}
    told: dict[str, Any] = {name: float(one) for name, one in ends.items()}
    told |= {"edges": list(EDGES), "histogram": np.histogram(density, EDGES)[0].tolist()}
    chance = float(active_units(_dense(codes.shape[1]), threshold).mean())
    return beside(replace(_shares(active.mean(1)), chance=chance, more={"density": told}), codes, x, rebuilt)


@metric(
    needs=("codes",),
    worst=1.0,
    best=0.0,
    null="closed form: 0, a dense code: every unit varies",
    interval="units that hang on one row, each row left out in turn (jackknife)",
    cost="n d",
    distrust="fewer than 10,000 rows: a rare unit looks dead",
    source="Glorot, Bordes and Bengio 2011",
    also=ALSO,
    counts="units",
)
def dead_share(codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None) -> Reading:
    """What share of the units never varies?

    A unit is dead when its range over the rows is at most 1e-6 of the largest unit's range.
    returns  0 to 1; n counts units. more: {"dead": how many, "by_one_row": units that vary on one row alone}; note:
             the remedy
    """
    found, units, hanging = dead_units(codes), codes.shape[1], _by_one_row(codes)
    once = int(hanging.sum())
    # other rows miss a rare unit, or show another: the variance is at most the number of units that one row shows
    # (Efron and Stein 1981)
    value, half = found["share"], Z95 * once**0.5 / units
    more = {"dead": found["count"], "by_one_row": once}
    points = pseudo_values(value, value + hanging / units)
    reading = Reading(value, max(value - half, 0.0), value + half, units, 0.0, found["note"], more, points)
    return beside(reading, codes, x, rebuilt)


@metric(
    needs=("codes",),
    worst=0.0,
    best=1.0,
    null=DENSE,
    interval="per-point values",
    cost="n d",
    distrust=DISTRUST,
    source="Vinje and Gallant 2000, over the units of a sample",
    also=ALSO,
    uncalibrated=UNCALIBRATED,
)
def population_sparsity(codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None) -> Reading:
    """How few units speak for one sample (Vinje and Gallant)?

    Mean over rows of (1 - a) / (1 - 1/d), a the measure of Treves and Rolls over the d units.
    returns  0 all units equal, 1 one unit alone; Gaussian codes of 64 units .36. Rows of zeros are left out
    errors   DataError: fewer than two units, or only zeros
    """

    def points(size: np.ndarray) -> np.ndarray:
        return (1 - _density(size, 1)) / (1 - 1 / size.shape[1])

    return beside(_per_sample(codes, points), codes, x, rebuilt)


@metric(
    needs=("codes",),
    worst=0.0,
    best=1.0,
    null="closed form: .363, a Gaussian unit: (1 - 2 / pi) / (1 - 1/n)",
    interval="per-point values (delta method)",
    cost="n d",
    distrust=DISTRUST + "; rare units need many rows",
    source="Vinje and Gallant 2000, over the samples of a unit",
    also=ALSO,
    uncalibrated=UNCALIBRATED,
)
def lifetime_sparsity(codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None) -> Reading:
    """How rarely does a unit speak, over all samples (Vinje and Gallant)?

    Mean over units of (1 - a) / (1 - 1/n), a = (mean |h|)^2 / mean(h^2) over the n rows.
    returns  0 always equally loud, 1 for one sample alone. Units that are always 0 are left out.
             more: {"treves_rolls": mean a over units}
    errors   DataError: only zeros
    """
    size, gone = _live(np.abs(codes, dtype=np.float64))
    n, first = len(size), size.mean(0)
    second = (size**2).mean(0)
    a = _density(size, 0)
    # what each row adds to the mean of a, by its first derivatives
    pull = 2 * first / second * (size - first) - a / second * (size**2 - second)
    moved = pull.mean(1) / (1 - 1 / n)
    half = Z95 * float(moved.std()) / n**0.5
    value = float((1 - a.mean()) / (1 - 1 / n))
    note = f"{gone} units that are always 0 left out" if gone else ""
    chance = float((1 - 2 / np.pi) / (1 - 1 / n))
    more = {"treves_rolls": float(a.mean())}
    reading = Reading(value, value - half, value + half, n, chance, note, more, value + moved.mean() - moved)
    return beside(reading, codes, x, rebuilt)


@metric(
    needs=("codes",),
    worst=None,
    best=None,
    null="closed form: twice the margin, values spread evenly over the range",
    interval="per-point values (Wilson's interval of a share)",
    cost="n d",
    distrust="outside (0, 1) the range is that of the rows: one outlier stretches it; relu units saturate at 0 alone",
    source="SAT of Rifai et al. 2011, table 1",
    also=ALSO,
)
def saturation(
    codes: np.ndarray, x: np.ndarray | None = None, rebuilt: np.ndarray | None = None, margin: float = 0.05
) -> Reading:
    """What share of the units stands at an end of its range, for one sample (SAT)?

    At an end is below `margin` or above 1 - margin: of the value itself where all codes lie in [0, 1] (sigmoid), else
    of the unit's range over the rows, smallest to largest.
    returns  0 to 1. Units that never vary are left out where their range counts. more: {"low", "high": the two
             shares, "range": "values" or "units"}
    errors   DataError: no unit varies, margin outside (0, 0.5)
    """
    if not 0 < margin < 0.5:
        raise DataError(f"margin={margin} is not possible", "it lies in (0, 0.5), usually 0.05")
    given, note = codes.astype(np.float64), ""
    by = "values" if given.min() >= 0 and given.max() <= 1 and given.any() else "units"
    if by == "units":
        low, high = given.min(0), given.max(0)
        varies = high > low
        if not varies.any():
            raise DataError("no unit varies", "every unit is dead: see dead_share")
        note = f"{(~varies).sum()} units that never vary left out" if not varies.all() else ""
        given = (given[:, varies] - low[varies]) / (high - low)[varies]
    below, above = given < margin, given > 1 - margin
    reading = _shares((below | above).mean(1), note)
    more = {"low": float(below.mean()), "high": float(above.mean()), "range": by}
    return beside(replace(reading, chance=2 * margin, more=more), codes, x, rebuilt)


def active_units(codes: np.ndarray, threshold: float = 1e-3) -> np.ndarray:
    """Where a unit is active, bool (n, units): |h| above `threshold` times the unit's largest |h|."""
    size = np.abs(codes)
    return size > threshold * size.max(0)


def dead_units(codes: Any) -> dict[str, Any]:
    """Count the units that never vary, with what to do about it.

    returns  {"count", "share", "units": their places, "note": "" or one sentence with the remedy}
    """
    rows = floats("codes", codes)
    spread = _range(rows)
    dead = np.flatnonzero(spread <= DEAD_RANGE * spread.max())
    total = len(spread)
    note = ""
    if len(dead):
        note = (
            f"{len(dead)} of {total} units never vary on {len(rows)} rows: lower the penalty or the learning rate, "
            f"raise k in topk(), or choose code_size={max(1, total - len(dead))}"
        )
    return {"count": len(dead), "share": len(dead) / total, "units": dead.tolist(), "note": note}


def _range(rows: np.ndarray) -> np.ndarray:
    return rows.max(0).astype(np.float64) - rows.min(0)


def _by_one_row(codes: np.ndarray) -> np.ndarray:
    """How many units would never vary without each row, (n,)."""
    spread = _range(codes)
    least = DEAD_RANGE * spread.max()
    n = len(codes)
    ordered = np.partition(codes, sorted({0, 1, n - 2, n - 1}), axis=0).astype(np.float64)
    lowest, highest = ordered[n - 1] - ordered[1] <= least, ordered[n - 2] - ordered[0] <= least
    varies, counts = spread > least, np.zeros(n)
    np.add.at(counts, codes[:, varies & lowest].argmin(0), 1)
    np.add.at(counts, codes[:, varies & highest & ~lowest].argmax(0), 1)
    return counts


def _shares(points: np.ndarray, note: str = "") -> Reading:
    low, high = shares_ends(points)
    return replace(mean_reading(points, note), low=low, high=high)


def _dense(units: int) -> np.ndarray:
    return np.abs(np.random.default_rng(41).standard_normal((1000, units)))


def _density(size: np.ndarray, axis: int) -> np.ndarray:
    return size.mean(axis) ** 2 / (size**2).mean(axis)


def _live(size: np.ndarray) -> tuple[np.ndarray, int]:
    # each unit divided by its largest value, those that are always 0 left out
    top = size.max(0)
    if not top.any():
        raise DataError("all codes are zero", "every unit is dead: see dead_share")
    return size[:, top > 0] / top[top > 0], int((top == 0).sum())


def _per_sample(codes: np.ndarray, points: Callable[[np.ndarray], np.ndarray]) -> Reading:
    size = _sizes(codes)
    gone = len(codes) - len(size)
    dense = _dense(size.shape[1])
    found = points(size)
    reading = mean_reading(found, f"{gone} rows of zeros left out" if gone else "")
    return replace(reading, chance=float(points(dense).mean()), points=on_all_rows(found, np.asarray(codes.any(1))))


def _sizes(codes: np.ndarray) -> np.ndarray:
    if codes.shape[1] < 2:
        raise DataError("a code of one unit has no sparsity", "measure a code of at least two units")
    size = np.abs(codes, dtype=np.float64)
    top = size.max(1)
    if not top.any():
        raise DataError("all codes are zero", "every unit is dead: see dead_share")
    # each row divided by its largest value: the scores do not change, and squares cannot overflow
    return size[top > 0] / top[top > 0, None]
