"""Ablation: how much does a probe still tell when units fall silent at random?

Reads  codes and labels.
Gives  the area under the curve of the probe's gain against the share of units dropped.
Skips  fitting again: the probe learned on all units, as a reader of the code would have.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .draws import class_index, numbers, scored_classes, task_of
from .folds import halves
from .probes import linear_probe
from .record import Z95, Reading, metric

STEPS = 8
MOST_ROWS = 8000


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null="closed form: 0, a probe that tells nothing",
    interval="per-point values and draws of the order, at once",
    cost="one probe fit, 8 draws predictions on at most 4,000 rows",
    distrust="it is high for copies of one unit: read it beside mean_correlation; compare codes of equal width",
    source="ablation curves, Morcos et al. 2018, section 3.1",
    uncalibrated="the last units dropped are all of them, so no code keeps its score: about .5 for a one-hot code",
)
def ablation_area(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    draws: int = 20,
    seed: int = 0,
) -> Reading:
    """How much does a linear probe still tell when units are dropped at random?

    The probe learns on one half of the rows; on the other, 0, 1/8, ... 7/8 and all of the units are put to their mean,
    in a random order. The value is the area of (balanced accuracy - chance) / (1 - chance), or of R2, over the share.
    returns  0 nothing, up to 1. more: {"dropped": shares, "scores": mean score at each, "kept": the area divided by the
             score with all units: 1/2 where each unit takes its own part away, more where others stand in}
    errors   DataError: fewer than two classes with two members, numbers that are all equal
    """
    if draws < 2:
        raise DataError(f"draws={draws} is not possible", "at least 2 are needed for an interval")
    task = task or task_of(labels)
    train, rest = halves(labels, seed, task, groups)
    rng = np.random.default_rng([seed, 89])
    train, rest = (np.sort(rng.permutation(one)[: MOST_ROWS // 2]) for one in (train, rest))
    if task == "class":
        classes = scored_classes(labels)
        y, truth = class_index(labels, classes)[train], class_index(labels, classes)[rest]
    else:
        y, truth = numbers(labels)[train], numbers(labels)[rest]
        if (truth == truth[0]).all() or (y == y[0]).all():
            raise DataError("the labels are all equal", "R2 needs labels that vary")
    scale = float(np.abs(codes).max()) or 1.0
    known = codes[train].astype(np.float64) / scale
    probe = linear_probe(known, task).fit(known, y)
    center = known.mean(0)
    rows = codes[rest].astype(np.float64) / scale - center
    base = probe.coef @ center + probe.intercept
    dropped = np.arange(STEPS + 1) / STEPS
    points = np.empty((draws, STEPS + 1, len(rest)))
    for draw in range(draws):
        order = rng.permutation(codes.shape[1])
        for step, share in enumerate(dropped):
            kept = order[round(share * len(order)) :]
            points[draw, step] = _gains(rows[:, kept] @ probe.coef[:, kept].T + base, truth, probe.classes)
    weights = np.full(STEPS + 1, 1 / STEPS)
    weights[[0, -1]] /= 2
    scores, area = points.mean((0, 2)), np.einsum("s,dsn->dn", weights, points)
    value = float(area.mean())
    half = Z95 * float(np.sqrt(area.mean(0).var(ddof=1) / len(rest) + area.mean(1).var(ddof=1) / draws))
    more = {"dropped": dropped.tolist(), "scores": [float(one) for one in scores]}
    if scores[0] > 0.02:
        more["kept"] = value / float(scores[0])
    return Reading(value, value - half, value + half, len(rest), 0.0, more=more)


def _gains(outputs: np.ndarray, truth: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    # what each row adds to the score; the mean over rows is (balanced accuracy - chance) / (1 - chance), or R2
    if classes is None:
        return 1 - (outputs[:, 0] - truth) ** 2 / truth.var()
    places, members = np.unique(truth, return_inverse=True)
    sizes = np.bincount(members)
    right = (classes[outputs.argmax(1)] == truth) * (len(truth) / (len(places) * sizes))[members]
    return (right - 1 / len(places)) / (1 - 1 / len(places))
