"""Neighbours and labels: do rows that lie close in the code share a label?

Reads  codes and labels of one set of rows; each row is judged by the others, or by those of other groups.
Gives  the leave-one-out score of k nearest neighbours, the share of neighbours with the own label.
Skips  approximate search; rows tied at the k-th place share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .all_labels import NULL, UNCALIBRATED, answered, curve_reading
from .draws import class_index, numbers, scored_classes, task_of
from .folds import group_ids
from .neighbors import EXACT_ROWS, PART_ROWS, PARTS, Distances, anchor_rows, blocks, quartiles, replicates_of
from .record import Z95, Reading, metric

COST = "n^2 d time, n memory; above 10,000 rows 1,000 anchors"
TWIN, LUCK = 0.1, 0.01


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval="resampled scored rows, or groups, widened to what random parts of the rows (of at most 400) vary",
    cost=COST,
    distrust="copies of one sample under different rows, unless groups= tells them (the note says when it looks so)",
    source="Cover and Hart 1967; leave-one-out",
    uncalibrated=UNCALIBRATED,
)
def knn_score(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    n_neighbors: int = 5,
    cosine: bool = False,
    task: str | None = None,
    anchors: int = 1000,
    seed: int = 0,
) -> Reading:
    """How well do the 5 nearest other rows tell the label?

    cosine   angles in place of Euclidean distances
    returns  balanced accuracy of the vote, 0 to 1, or R2 of the mean.
             more: {"accuracy"; "double": the score at twice the neighbours; "near_twins": share of rows with one}
    errors   DataError: fewer than two classes with two members, numbers that are all equal, all rows of one group,
             each class in one group alone
    """
    task = task or task_of(labels)
    classes = scored_classes(labels) if task == "class" else None
    y = numbers(labels) if classes is None else class_index(labels, classes)
    kept = np.isfinite(y) if classes is None else y >= 0
    codes, y, groups = codes[kept], y[kept], None if groups is None else groups[kept]
    values = y[:, None] if classes is None else np.eye(len(classes))[y]
    chosen = anchor_rows(len(codes), anchors, EXACT_ROWS, seed)
    votes, twins = neighbor_means(codes, values, (n_neighbors, 2 * n_neighbors), chosen, groups, cosine)
    # a row whose class stands in its own group alone can be told by nobody
    answers = np.zeros((2, len(y)))
    answers[:, chosen] = votes[:, :, 0] if classes is None else votes.argmax(2)
    truth = np.full(len(y), np.nan) if classes is None else np.full(len(y), -1)
    truth[chosen] = y[chosen]
    near, double = (answered(task, classes, one[None], truth) for one in answers)
    alone = "" if classes is None or groups is None else _alone_note(y, groups)
    reading = curve_reading(near, groups, seed, alone or _twin_note(twins, groups))
    reading.more.update({"double": double.area, "near_twins": twins})

    def part(rows: np.ndarray) -> float:
        some = None if groups is None else groups[rows]
        voted = neighbor_means(codes[rows], values[rows], (n_neighbors,), np.arange(len(rows)), some, cosine)[0][0]
        return answered(task, classes, (voted[:, 0] if classes is None else voted.argmax(1))[None], y[rows]).area

    return _widened(reading, part, groups, len(y), seed)


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null="closed form: the chance that two rows share a label",
    interval="per-point values (what each row adds as itself and as a neighbour)",
    cost=COST,
    distrust="unequal classes: the largest one makes chance and value alike",
    source="neighbourhood hit, Paulovich et al. 2008; 1 - it is the label Dirichlet energy of the graph",
    uncalibrated="a share of neighbours: a random code scores the chance that two rows share a label, beside it",
)
def neighborhood_hit(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    n_neighbors: int = 10,
    anchors: int = 1000,
    seed: int = 0,
) -> Reading:
    """What share of the 10 nearest rows has the row's own label?

    returns  0 to 1
    errors   DataError: labels are numbers, fewer than two classes with two members, each class in one group alone
    """
    if task_of(labels) != "class":
        raise DataError("neighborhood_hit needs classes, the labels are numbers", "use knn_score")
    y = class_index(labels, scored_classes(labels))
    codes, groups, y = codes[y >= 0], None if groups is None else groups[y >= 0], y[y >= 0]
    chosen = anchor_rows(len(codes), anchors, EXACT_ROWS, seed)
    note = "" if groups is None else _alone_note(y, groups)
    k, own, got = min(n_neighbors, _most(codes, groups)), [], np.zeros(len(y))
    for part, far, edges in _blocks(codes, (k,), chosen, groups):
        shares = _shares(far, edges[1], k) / k
        alike = shares * (y[part, None] == y)
        own.append(alike.sum(1))
        # without row j each of its takers would take another, as good as its own others
        got += alike.sum(0) - own[-1] @ shares
    points = np.concatenate(own)
    value = float(points.mean())
    if len(chosen) == len(y):
        # a row counts through its neighbours, and as a neighbour of others
        points = points + got
    half = Z95 * float(points.std(ddof=1)) / len(points) ** 0.5
    sizes, n = np.bincount(y), len(y)
    chance = float((sizes * (sizes - 1)).sum() / (n * (n - 1)))
    ends, points = (max(0.0, value - half), value + half), points - points.mean() + value
    return Reading(value, *ends, len(chosen), chance, note, points=points)


def neighbor_means(
    codes: np.ndarray,
    values: np.ndarray,
    counts: Sequence[int],
    chosen: np.ndarray,
    groups: np.ndarray | None = None,
    cosine: bool = False,
) -> tuple[np.ndarray, float]:
    """Mean of `values` (n, columns) over the k nearest rows of other groups, for each k of counts.

    returns  (counts, chosen, columns), and the share of chosen rows with a near twin, see `_twins`
    errors   DataError: fewer rows of other groups than one neighbour
    """
    most = _most(codes, groups)
    counts = [min(k, most) for k in counts]
    out, near, start = np.empty((len(counts), len(chosen), values.shape[1])), [], 0
    for _, far, edges in _blocks(codes, counts, chosen, groups, cosine):
        for place, k in enumerate(counts):
            out[place, start : start + len(far)] = _nearest_mean(far, edges[1 + place], values, k)
        near.append(np.sqrt([edges[0], edges[-1]]))
        start += len(far)
    return out, _twins(*np.concatenate(near, axis=1), counts[-1], _spread(_scaled(codes, cosine)))


def _widened(
    reading: Reading, part: Callable[[np.ndarray], float], groups: np.ndarray | None, n: int, seed: int
) -> Reading:
    """The interval widened to what the score varies by, where rows vote for one another.

    Resampled answers know nothing of the rows that voted. Random parts of the rows (or of the groups) do, and their
    spread is that of the score of all n rows; where only some rows were asked, what these vary by comes on top.
    part  row numbers -> the score of these rows among themselves
    """
    ids = np.arange(n) if groups is None else group_ids(groups, n)
    count = int(ids.max()) + 1
    rng = np.random.default_rng([seed, 41])
    size = min(count // 2, max(8, PART_ROWS * count // n))
    try:
        drawn = [np.isin(ids, rng.choice(count, size, replace=False)) for _ in range(PARTS)] if count >= 16 else []
        values = np.array([part(np.flatnonzero(one)) for one in drawn])
    except DataError:  # a part of too few rows or classes
        return reading
    if len(values) == 0 or reading.low is None or reading.high is None:
        return reading
    ends = reading.low, reading.high
    replicates, own = replicates_of(count, size, values), (ends[1] - ends[0]) / (2 * Z95)
    spread = (float(replicates.var(ddof=1)) + (own**2 if reading.n < n else 0.0)) ** 0.5
    # two cards are compared on the same parts; what the asked rows add is in the points
    reading = replace(reading, replicates=replicates, points=reading.points if reading.n < n else None)
    if spread <= own or own == 0:
        return reading
    low, high = (reading.value + (end - reading.value) * spread / own for end in ends)
    # chance is 0 for numbers alone, whose R2 has no lowest value
    return replace(reading, low=low if reading.chance == 0 else max(0.0, low), high=min(1.0, high))


def _twins(first: np.ndarray, last: np.ndarray, k: int, directions: float) -> float:
    """Share of rows whose nearest row is far nearer than rows mostly are at the k-th place: copies look so.

    first, last  (rows,) distances to the nearest and to the k-th nearest
    Ten times nearer where distances spread over many directions; over few, rows come so near by luck: there it is as
    near as luck brings LUCK of them, and k rows of one value are no twins.
    """
    # the nearest of k - 1 uniform places within the ball of the k-th; volumes grow as radius ** directions
    lucky = (1 - (1 - LUCK) ** (1 / max(k - 1, 1))) ** (1 / directions)
    found = first < min(TWIN, lucky) * float(np.median(last))
    return float((found if lucky >= TWIN else found & (last > 0)).mean())


def _spread(codes: np.ndarray) -> float:
    """Over how many directions distances spread, 1 to units: the participation ratio of the covariance."""
    centred = codes - codes.mean(0)
    gram = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    trace = float(np.trace(gram))
    return trace**2 / float(np.square(gram).sum()) if trace > 0 else 1.0


def _most(codes: np.ndarray, groups: np.ndarray | None) -> int:
    # the fewest neighbours that a row has
    most = len(codes) - (1 if groups is None else int(np.bincount(group_ids(groups, len(codes))).max()))
    if most < 1:
        raise DataError("all rows are of one group", "rows of at least two groups are needed")
    return most


def _blocks(
    codes: np.ndarray, counts: Sequence[int], chosen: np.ndarray, groups: np.ndarray | None, cosine: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray, list[np.ndarray]]]:
    # row numbers, their squared distances to all rows (infinite within a group), those to the nearest and k-th nearest
    rows = _scaled(codes, cosine)
    ids = None if groups is None else group_ids(groups, len(rows))
    distances = Distances(rows)
    for part in blocks(chosen, len(rows)):
        far = distances.block(part)
        if ids is not None:
            far[ids[part, None] == ids] = np.inf
        ordered = np.partition(far, sorted({0, *(k - 1 for k in counts)}), axis=1)
        yield part, far, [ordered[:, k - 1] for k in (1, *counts)]


def _nearest_mean(far: np.ndarray, edge: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    inside = far <= edge[:, None]
    out = np.empty((len(far), values.shape[1]))
    clear = inside.sum(1) == k
    columns = np.nonzero(inside[clear])[1].reshape(-1, k)
    out[clear] = values[columns].mean(1)
    for i in np.flatnonzero(~clear):
        nearer, tied = far[i] < edge[i], far[i] == edge[i]
        out[i] = (values[nearer].sum(0) + (k - nearer.sum()) * values[tied].mean(0)) / k
    return out


def _shares(far: np.ndarray, edge: np.ndarray, k: int) -> np.ndarray:
    # (rows, n): 1 for each of the k nearest, a share where the k-th place is tied
    nearer, tied = far < edge[:, None], far == edge[:, None]
    return nearer + tied * ((k - nearer.sum(1)) / tied.sum(1))[:, None]


def _scaled(codes: np.ndarray, cosine: bool) -> np.ndarray:
    # a power of two keeps every digit, so that rows that tie stay tied
    rows = codes.astype(np.float64)
    if cosine:
        lengths = np.linalg.norm(rows / (np.abs(rows).max() or 1.0), axis=1, keepdims=True)
        return rows / (np.abs(rows).max() or 1.0) / np.where(lengths > 0, lengths, 1.0)
    rows -= quartiles(rows)[1]
    return np.ldexp(rows, -int(np.frexp(np.abs(rows).max())[1]))


def _alone_note(y: np.ndarray, groups: np.ndarray) -> str:
    """What to say of rows whose class stands in their own group alone: no neighbour can tell it.

    errors  DataError: all rows are so, as where groups= repeats the labels
    """
    ids = group_ids(groups, len(y))
    pairs = np.unique(np.stack([y, ids], axis=1), axis=0)
    alone = int((np.bincount(pairs[:, 0].astype(int))[y.astype(int)] == 1).sum())
    if alone == len(y):
        raise DataError(
            f"each of the {len(np.unique(y))} classes stands in one group alone: no row has a like one elsewhere",
            "groups= names what rows are copies of (speaker, patient, recording), not their class",
        )
    return f"{alone} rows are of a class that stands in one group alone: nobody can tell them" if alone else ""


def _twin_note(twins: float, groups: np.ndarray | None) -> str:
    if twins < 0.2 or groups is not None:
        return ""
    return f"{twins:.0%} of the rows have a near twin: if they are copies of one sample, give groups="
