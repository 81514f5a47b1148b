"""Usefulness: what can be learned from a code with few labels?

Reads  codes and labels of one set of rows; half of them give labels to probes, the other half is scored.
Gives  the area under the label curve by a linear and a kNN probe, labels saved against raw features, silhouette.
Skips  the study's three parts: it calls curves.py and intervals.py on its own rows.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .curves import Curve, curve_area, label_curve, label_efficiency
from .draws import class_index, label_counts, scored_classes, task_of
from .far_rows import far_note
from .folds import halves
from .intervals import area_interval, area_points, curve_replicates, interval_of
from .neighbors import EXACT_ROWS, Distances, anchor_rows, blocks
from .record import Reading, metric
from .spread import student95

NULL = "closed form: 1 / classes; for numbers shuffled rows"
INTERVAL = "draws of labels and resampled scored rows, at once"
COST = "20 draws x 5 counts of probe fits"
DISTRUST = (
    "few scored rows of a class (classes under 4 rows are left out); "
    "copies of one sample under different rows leak between the halves, unless groups= tells them"
)


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=INTERVAL,
    cost=COST,
    distrust=DISTRUST,
    source="label curves, Locatello et al. 2019, section 5.4; area over log labels",
    uncalibrated="balanced accuracy: a random code scores 1 / classes, which stands beside it as chance",
)
def linear_area(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    draws: int = 20,
    largest: int = 100,
    seed: int = 0,
) -> Reading:
    """How well does a linear probe do with few labels?

    Mean height of the label curve over log10 labels (1, 5, 10, 50, 100 per class; for numbers 10, 50, 100 rows).
    returns  balanced accuracy, 0 to 1, or R2. more: {"counts", "scores": mean score at each count}
    errors   DataError: fewer than two classes with two members, numbers that are all equal
    """
    return area_reading(codes, labels, groups, "linear", task, draws, largest, seed)


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=INTERVAL,
    cost=COST,
    distrust=DISTRUST,
    source="label curves, Locatello et al. 2019, section 5.4; area over log labels",
    uncalibrated="balanced accuracy: a random code scores 1 / classes, which stands beside it as chance",
)
def knn_area(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    draws: int = 20,
    largest: int = 100,
    seed: int = 0,
) -> Reading:
    """How well do the nearest labelled rows (k = 5, or 1 with one label) tell the label?

    Mean height of the label curve over log10 labels (1, 5, 10, 50, 100 per class; for numbers 10, 50, 100 rows).
    returns  balanced accuracy, 0 to 1, or R2. more: {"counts", "scores": mean score at each count}
    errors   DataError: fewer than two classes with two members, numbers that are all equal
    """
    return area_reading(codes, labels, groups, "knn", task, draws, largest, seed)


@metric(
    needs=("codes", "labels", "x"),
    also=("groups",),
    worst=None,
    best=None,
    null="closed form: 1, the code needs as many labels as raw features",
    interval=INTERVAL + ", the same for both",
    cost="10 draws x 5 counts of probe fits, on raw features as well",
    distrust="a censored value is a bound; curves that cross hide behind one ratio: see by_count",
    source="geometric mean over label counts of labels raw needs / labels the code needs, for one score",
)
def labels_saved(
    codes: np.ndarray,
    labels: np.ndarray,
    x: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    draws: int = 10,
    largest: int = 100,
    seed: int = 0,
) -> Reading:
    """How many labels do raw features need for one label on the code?

    returns  above 1 the code saves labels, below 1 it costs some. more: {"censored", "by_count"}, see label_efficiency
    errors   DataError: as linear_area
    """
    (raw, scored), (code, _) = (
        split_curve(rows, labels, groups, "linear", task, draws, largest, seed) for rows in (x, codes)
    )
    found = label_efficiency(raw.mean, code.mean, raw.counts)
    sides = [curve_replicates(one, None if groups is None else groups[scored], 400, seed) for one in (raw, code)]
    tries = [label_efficiency(a, b, raw.counts)["ratio"] for a, b in zip(*sides, strict=True)]
    _, low, high = interval_of(found["ratio"], np.array(tries))
    note = {"": "", "both": "partly a bound"}.get(found["censored"], f"{found['censored']} this")
    more = {"censored": found["censored"], "by_count": found["by_count"]}
    return Reading(found["ratio"], low, high, int(raw.scored.sum()), 1.0, note, more, None, np.array(tries))


@metric(
    needs=("codes", "labels"),
    worst=-1.0,
    best=1.0,
    null="shuffled rows",
    interval="per-point values (what each row adds as itself and to the mean distances of others)",
    cost="n^2 d time, n memory; above 10,000 rows 1,000 anchors",
    distrust="classes of several clumps score low although a probe tells them apart; it falls with the number of units",
    source="Rousseeuw 1987",
)
def silhouette(codes: np.ndarray, labels: np.ndarray, anchors: int = 1000, seed: int = 0) -> Reading:
    """Are codes nearer to their own class than to the next?

    Mean over rows of (b - a) / max(a, b): a the mean distance to the own class, b to the nearest other class.
    returns  -1 to 1, about 0 for a random code
    errors   DataError: labels are numbers, or fewer than two classes with two members
    """
    if task_of(labels) != "class":
        raise DataError("silhouette needs classes, the labels are numbers", "use linear_area or knn_area")
    index = class_index(labels, scored_classes(labels))
    codes, index = codes[index >= 0], index[index >= 0]
    members, n = np.eye(index.max() + 1)[index], len(codes)
    sizes, distances, points, pull = members.sum(0), Distances(codes), [], np.zeros(n)
    chosen = anchor_rows(n, anchors, EXACT_ROWS, seed)
    for part in blocks(chosen, n):
        far = distances.block(part)
        far[np.arange(len(part)), part] = 0
        sums = np.sqrt(far, out=far) @ members
        places, own = np.arange(len(part)), index[part]
        a = sums[places, own] / (sizes[own] - 1)
        means = sums / sizes
        means[places, own] = np.inf
        nearest, b = means.argmin(1), means.min(1)
        top = np.maximum(np.maximum(a, b), 1e-300)
        points.append(np.where(np.maximum(a, b) > 0, (b - a) / top, 0.0))
        # a row also moves the mean distances a and b of others, in which it is one of many
        weight, level = np.zeros_like(means), np.zeros_like(means)
        weight[places, nearest] = np.where(b > a, a / np.maximum(b, 1e-300), 1) / top / sizes[nearest]
        weight[places, own] = -np.where(b > a, 1, b / np.maximum(a, 1e-300)) / top / (sizes[own] - 1)
        level[places, nearest], level[places, own] = b, a
        pull += np.einsum("ij,ij->j", far, weight[:, index]) - (weight * level).sum(0)[index]
        pull[part] += weight[places, own] * a
    mine, m = np.concatenate(points), len(chosen)
    moved = pull[chosen] * (n / m)
    error = float((mine + moved).var(ddof=1)) / n + float(mine.var(ddof=1)) * (1 / m - 1 / n)
    value, half = float(mine.mean()), student95(m) * error**0.5
    points, note = mine + moved - moved.mean(), far_note("codes", codes)
    return Reading(value, max(value - half, -1.0), value + half, m, note=note, points=points)


def split_curve(
    rows: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    probe: str,
    task: str | None,
    draws: int,
    largest: int,
    seed: int,
) -> tuple[Curve, np.ndarray]:
    """The label curve of one set of rows: half of them (whole groups) give labels, the other half is scored.

    returns  the curve, and which rows it scores
    """
    task = task or task_of(labels)
    train, scored = halves(labels, seed, task, groups)
    y, truth = labels[train], labels[scored]
    sides = (None, None) if groups is None else (groups[train], groups[scored])
    curve = label_curve(
        rows[train],
        y,
        rows[scored],
        truth,
        probe=probe,
        counts=label_counts(y, largest, task),
        draws=draws,
        seed=seed,
        task=task,
        groups_train=sides[0],
        groups_eval=sides[1],
    )
    return curve, scored


def area_reading(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    probe: str,
    task: str | None,
    draws: int,
    largest: int,
    seed: int,
) -> Reading:
    """The area of `split_curve` with its interval: rows are resampled within their class, or by whole groups."""
    curve, scored = split_curve(codes, labels, groups, probe, task, draws, largest, seed)
    value, low, high = area_interval(curve, None if groups is None else groups[scored], seed=seed)
    chance = 1.0 / len(np.unique(curve.truth[curve.scored])) if curve.task == "class" else None
    more = {"counts": list(curve.counts), "scores": [float(v) for v in curve.mean]}
    if curve.aucs is not None:
        more["auc"] = float(np.mean(curve_area(curve.aucs, curve.counts)))
    return Reading(value, low, high, int(curve.scored.sum()), chance, more=more, points=area_points(curve))
