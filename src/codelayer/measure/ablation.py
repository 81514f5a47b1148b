"""Ablation: how much does a probe still tell when units fall silent at random?

Reads  codes and labels.
Gives  the area under the curve of the probe's gain against the share of units dropped.
Skips  fitting again: the probe learned on all units, as a reader of the code would have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import DataError
from .draws import class_index, numbers, scored_classes, task_of
from .folds import folds, halves
from .probes import linear_probe
from .record import Z95, Reading, metric

STEPS, SPLITS, REFITTED = 8, 4, 5
MOST_ROWS = 8000
AREA = np.full(STEPS + 1, 1 / STEPS)
AREA[[0, -1]] /= 2


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null="closed form: 0, a probe that tells nothing",
    interval="rows within their class, draws of the order and probes of half the rows, at once",
    cost="9 probe fits, 18 draws predictions on at most 4,000 rows",
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
    known, rows = codes[train].astype(np.float64) / scale, codes[rest].astype(np.float64) / scale
    orders = [rng.permutation(codes.shape[1]) for _ in range(draws)]
    gains = _dropped(known, y, rows, truth, orders, task)
    scores, area = gains.mean((0, 2)), np.einsum("s,dsn->dn", AREA, gains)
    value = float(area.mean())
    more = {"dropped": (np.arange(STEPS + 1) / STEPS).tolist(), "scores": [float(one) for one in scores]}
    if scores[0] > 0.02:
        more["kept"] = value / float(scores[0])
    sides = None if groups is None else groups[train]
    try:
        refitted = _refitted(known, y, rows, truth, orders[:REFITTED], task, sides)
    except DataError:
        note = "no interval: the probe cannot learn from half of its rows"
        return Reading(value, n=len(rest), chance=0.0, note=note, more=more)
    points = _within(area, truth, task)
    spread = points.mean(0).var(ddof=1) / len(rest) + area.mean(1).var(ddof=1) / draws + refitted.var(ddof=1)
    half = Z95 * float(spread) ** 0.5
    found = Reading(value, value - half, value + half, len(rest), 0.0, more=more)
    return replace(found, points=points.T, replicates=value + refitted)


def _dropped(
    known: np.ndarray, y: np.ndarray, rows: np.ndarray, truth: np.ndarray, orders: list[np.ndarray], task: str
) -> np.ndarray:
    """What each row adds to the score of a probe with 0 to all units at their mean, (orders, STEPS + 1, rows)."""
    probe = linear_probe(known, task).fit(known, y)
    center = known.mean(0)
    base, away = probe.coef @ center + probe.intercept, rows - center
    gains = np.empty((len(orders), STEPS + 1, len(rows)))
    for draw, order in enumerate(orders):
        for step in range(STEPS + 1):
            kept = order[round(step / STEPS * len(order)) :]
            gains[draw, step] = _gains(away[:, kept] @ probe.coef[:, kept].T + base, truth, probe.classes)
    return gains


def _refitted(
    known: np.ndarray,
    y: np.ndarray,
    rows: np.ndarray,
    truth: np.ndarray,
    orders: list[np.ndarray],
    task: str,
    groups: np.ndarray | None,
) -> np.ndarray:
    """How a probe of other rows would move the area, (2 SPLITS,) with the mean 0, from the two halves of SPLITS splits.

    Halves learn from rows of their own: half of what they differ by varies as a probe of all rows does. (Leaving out
    fewer rows says more than is true: an answer jumps where two classes are nearly tied.)
    """
    found = []
    for split in range(SPLITS):
        a, b = (
            AREA @ _dropped(known[half], y[half], rows, truth, orders, task).mean((0, 2))
            for half in folds(y, 2, split, task, groups)
        )
        found.append((a - b) / 2)
    halves = np.array(found) * ((2 * SPLITS - 1) / (2 * SPLITS)) ** 0.5
    return np.concatenate([halves, -halves])


def _within(area: np.ndarray, truth: np.ndarray, task: str) -> np.ndarray:
    """Areas (draws, rows) less what is no luck of the rows, with the means they had.

    Of classes: how they differ among themselves, because each counts the same however many rows it has. Of numbers:
    the variance of the labels, which R2 divides by, is that of the same rows.
    """
    means = area.mean(1, keepdims=True)
    if task == "class":
        member = np.unique(truth, return_inverse=True)[1].reshape(-1)
        sizes = np.bincount(member)
        levels = np.stack([np.bincount(member, one) / sizes for one in area])
        return area - levels[:, member] + means
    square = (truth - truth.mean()) ** 2
    return area + (1 - means) * (square / square.mean() - 1)


def _gains(outputs: np.ndarray, truth: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    # what each row adds to the score; the mean over rows is (balanced accuracy - chance) / (1 - chance), or R2
    if classes is None:
        return 1 - (outputs[:, 0] - truth) ** 2 / truth.var()
    places, members = np.unique(truth, return_inverse=True)
    sizes = np.bincount(members)
    right = (classes[outputs.argmax(1)] == truth) * (len(truth) / (len(places) * sizes))[members]
    return (right - 1 / len(places)) / (1 - 1 / len(places))
