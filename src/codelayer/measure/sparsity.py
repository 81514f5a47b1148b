"""Sparsity: how few units speak for one sample, and which never speak at all?

Reads  codes alone; a score holds for the code as it is, so a shifted code is another code.
Gives  per-sample (population) sparsity, and the units that are dead.
Skips  judging: a sparse code is good only beside its reconstruction or its probe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import floats
from .record import Reading, mean_reading, metric

DEAD_RANGE = 1e-6
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
    uncalibrated=UNCALIBRATED,
)
def hoyer(codes: np.ndarray) -> Reading:
    """How concentrated is a code on few units (Hoyer)?

    Mean over rows of (sqrt(d) - |h|_1 / |h|_2) / (sqrt(d) - 1).
    returns  0 all units equal, 1 one unit alone; Gaussian codes of 64 units .23. Rows of zeros are left out
    errors   DataError: fewer than two units, or only zeros
    """

    def points(size: np.ndarray) -> np.ndarray:
        root = size.shape[1] ** 0.5
        return (root - size.sum(1) / np.sqrt((size**2).sum(1))) / (root - 1)

    return _per_sample(codes, points)


@metric(
    needs=("codes",),
    worst=0.0,
    best=1.0,
    null=DENSE,
    interval="per-point values",
    cost="n d log d",
    distrust=DISTRUST,
    source="Hurley and Rickard 2009, table I",
    uncalibrated=UNCALIBRATED,
)
def gini(codes: np.ndarray) -> Reading:
    """How unequally do the units share a code (Gini index)?

    Mean over rows of 1 - 2 sum_k (|h|_(k) / |h|_1) ((d - k + 1/2) / d), |h| ascending.
    returns  0 all units equal, 1 - 1/d one unit alone; Gaussian codes .41. Rows of zeros are left out
    errors   DataError: fewer than two units, or only zeros
    """

    def points(size: np.ndarray) -> np.ndarray:
        d = size.shape[1]
        weights = (d - np.arange(1, d + 1) + 0.5) / d
        return 1 - 2 * (np.sort(size, axis=1) * weights).sum(1) / size.sum(1)

    return _per_sample(codes, points)


@metric(
    needs=("codes",),
    worst=1.0,
    best=0.0,
    null=DENSE,
    interval="per-point values",
    cost="n d",
    distrust=DISTRUST,
    source="Treves and Rolls 1991; Vinje and Gallant 2000",
)
def treves_rolls(codes: np.ndarray) -> Reading:
    """How densely is a code used (Treves and Rolls; lower is sparser)?

    Mean over rows of (mean |h|)^2 / mean(h^2).
    returns  1/d one unit alone, 1 all units equal. Rows of zeros are left out
    errors   DataError: fewer than two units, or only zeros
    """

    def points(size: np.ndarray) -> np.ndarray:
        return size.mean(1) ** 2 / (size**2).mean(1)

    return _per_sample(codes, points)


@metric(
    needs=("codes",),
    worst=1.0,
    best=0.0,
    null="none: a share of values; any code has it by construction",
    interval="per-point values",
    cost="n d",
    distrust=DISTRUST + "; small values above the threshold count in full",
    source="Olshausen and Field 2004",
)
def l0_share(codes: np.ndarray, threshold: float = 1e-3) -> Reading:
    """What share of the units is active for one sample?

    A unit is active where |h| is above `threshold` times the unit's largest |h|.
    returns  0 nothing is active, 1 everything is
    """
    top = np.abs(codes).max(0)
    active = np.abs(codes) > threshold * top
    return mean_reading(active.mean(1))


@metric(
    needs=("codes",),
    worst=1.0,
    best=0.0,
    null="none: a count of units",
    interval="none: a count on these rows",
    cost="n d",
    distrust="fewer than 10,000 rows: a rare unit looks dead",
    source="Glorot, Bordes and Bengio 2011",
)
def dead_share(codes: np.ndarray) -> Reading:
    """What share of the units never varies?

    A unit is dead when its range over the rows is at most 1e-6 of the largest unit's range.
    returns  0 to 1; n counts units. more: {"dead": how many}; note: the remedy
    """
    found = dead_units(codes)
    return Reading(found["share"], n=codes.shape[1], note=found["note"], more={"dead": found["count"]})


def dead_units(codes: Any) -> dict[str, Any]:
    """Count the units that never vary, with what to do about it.

    returns  {"count", "share", "units": their places, "note": "" or one sentence with the remedy}
    """
    rows = floats("codes", codes)
    spread = rows.max(0).astype(np.float64) - rows.min(0)
    dead = np.flatnonzero(spread <= DEAD_RANGE * spread.max())
    total = len(spread)
    note = ""
    if len(dead):
        note = (
            f"{len(dead)} of {total} units never vary on {len(rows)} rows: lower the penalty or the learning rate, "
            f"raise k in topk(), or choose code_size={max(1, total - len(dead))}"
        )
    return {"count": len(dead), "share": len(dead) / total, "units": dead.tolist(), "note": note}


def _per_sample(codes: np.ndarray, points: Callable[[np.ndarray], np.ndarray]) -> Reading:
    size = _sizes(codes)
    gone = len(codes) - len(size)
    dense = np.abs(np.random.default_rng(41).standard_normal((1000, size.shape[1])))
    reading = mean_reading(points(size), f"{gone} rows of zeros left out" if gone else "")
    return replace(reading, chance=float(points(dense).mean()))


def _sizes(codes: np.ndarray) -> np.ndarray:
    if codes.shape[1] < 2:
        raise DataError("a code of one unit has no sparsity", "measure a code of at least two units")
    size = np.abs(codes, dtype=np.float64)
    top = size.max(1)
    if not top.any():
        raise DataError("all codes are zero", "every unit is dead: see dead_share")
    # each row divided by its largest value: the scores do not change, and squares cannot overflow
    return size[top > 0] / top[top > 0, None]
