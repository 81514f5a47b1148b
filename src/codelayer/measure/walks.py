"""A walk along the manifold: one sample changed step by step, and whether a code puts the steps in order.

Reads  codes of the steps in their true order, and codes of other samples to compare distances with.
Gives  Walk: the order found by going to the nearest step each time, its rank correlation, how far the walk leads.
Skips  making the steps: translations, delays and pitch shifts are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import floats
from .neighbors import Distances


@dataclass(frozen=True)
class Walk:
    """What a code makes of a walk of n steps.

    order      (n,) the steps as they were found: from the first one always on to the nearest not yet visited
    in_order   Spearman's correlation of `order` with the true one, -1 to 1; 1 is the true order
    growth     Spearman's correlation, over all pairs of steps, of their distance with the number of steps between
    step       median distance from one step to the next, over the median distance of two other samples
    ends       distance from the first step to the last, over the same
    """

    order: np.ndarray
    in_order: float
    growth: float
    step: float
    ends: float


def walk(codes: Any, others: Any) -> Walk:
    """How a code sees one sample that changes step by step.

    codes    (n, units) the code of step 1 ... n, in true order
    others   (m, units) codes of other samples: their median distance is the unit of `step` and `ends`
    errors   DataError: fewer than 4 steps or 3 others, widths that differ, steps or others that are all equal
    """
    steps, rest = floats("codes", codes).astype(np.float64), floats("others", others).astype(np.float64)
    if len(steps) < 4 or len(rest) < 3 or steps.shape[1] != rest.shape[1]:
        shapes = f"{steps.shape} and {rest.shape}"
        raise DataError(f"codes and others have shapes {shapes}", "give at least 4 steps and 3 others, equally wide")
    rest = rest[np.random.default_rng([0, 31]).permutation(len(rest))[:1000]]
    unit = float(np.median(_between(rest)[np.triu_indices(len(rest), 1)]))
    far = _between(steps)
    pairs = np.triu_indices(len(steps), 1)
    if unit == 0 or np.ptp(far[pairs]) == 0:
        raise DataError("all steps, or all other samples, are equally far apart", "such a code has no order of steps")
    from scipy.stats import spearmanr

    order = _visited(far)
    return Walk(
        order,
        float(spearmanr(order, np.arange(len(order))).statistic),
        float(spearmanr(far[pairs], pairs[1] - pairs[0]).statistic),
        float(np.median(np.diagonal(far, 1)) / unit),
        float(far[0, -1] / unit),
    )


def _between(rows: np.ndarray) -> np.ndarray:
    distances = Distances(rows)
    far = np.sqrt(distances.block(np.arange(len(rows)))) / distances.scale
    np.fill_diagonal(far, 0)
    return far


def _visited(far: np.ndarray) -> np.ndarray:
    order, left = [0], list(range(1, len(far)))
    # steps equally far (pictures that do not overlap) are visited at random: a lower number is no merit
    lot = np.random.default_rng([0, 43]).permutation(len(far))
    while left:
        near = min(far[order[-1], one] for one in left)
        nearest = min((one for one in left if far[order[-1], one] <= near * (1 + 1e-6)), key=lambda one: lot[one])
        left.remove(nearest)
        order.append(nearest)
    return np.array(order)
