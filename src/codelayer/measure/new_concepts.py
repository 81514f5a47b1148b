"""New concepts: how well does the code name classes that it, and the probe, have not seen?

Reads  codes and labels; which classes the code was trained with is the caller's word (`seen`).
Gives  few-shot accuracy over episodes: a few classes, a few labelled rows of each, other rows to tell apart.
Skips  tuning of the code to the new classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from .draws import class_index, labelled, scored_classes, task_of
from .folds import group_ids
from .probes import linear_probe
from .record import Z95, Reading, metric

QUERIES = 15
LINEAR = 40


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null="closed form: 1 / ways",
    interval="per-point values of the queried rows, and the spread over episodes",
    cost="episodes x probe fits on ways x shots rows",
    distrust="without seen= the classes are new to the probe alone; few new classes: the interval is for these only",
    source="prototypes: Snell, Swersky and Zemel 2017; episodes: Vinyals et al. 2016",
    uncalibrated="accuracy: a random code scores 1 / ways, which stands beside it as chance",
)
def new_concepts(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    seen: Sequence[Any] | None = None,
    shots: int = 5,
    ways: int = 5,
    episodes: int = 200,
    seed: int = 0,
) -> Reading:
    """How well are classes told apart that are new, from a few labelled rows of each?

    An episode draws `ways` of the classes that are not in `seen`, `shots` rows of each, and up to 15 other rows of each
    (of other groups) to name by the nearest class mean.
    returns  accuracy, 0 to 1. more: {"linear": that of a linear probe (40 episodes), "ways", "classes": new ones}
    errors   DataError: labels are numbers, fewer than two new classes with more rows (or groups) than shots
    """
    if task_of(labels) != "class":
        raise DataError("new_concepts needs classes, the labels are numbers", "use linear_score")
    seen = () if seen is None else seen
    pools = _new_pools(labels, groups, seen, shots)
    ways, rng = min(ways, len(pools)), np.random.default_rng([seed, 53])
    codes = codes.astype(np.float64)
    codes = (codes - codes.mean(0)) / (float(np.sqrt(codes.var(0).mean())) or 1.0)
    right, asked = np.zeros(len(codes)), np.zeros(len(codes))
    scores, linear = np.empty(episodes), []
    for i in range(episodes):
        drawn = [_draw(pools[place], shots, rng) for place in rng.choice(len(pools), ways, replace=False)]
        query = np.concatenate([one.query for one in drawn])
        truth = np.repeat(np.arange(ways), [len(one.query) for one in drawn])
        support = [one.support for one in drawn]
        hits = _by_mean(codes, support, query, truth)
        right[query] += hits
        asked[query] += 1
        scores[i] = hits.mean()
        if i < LINEAR:
            linear.append(float(_by_probe(codes, support, query, truth).mean()))
    points, replicates = _varied(scores, right[asked > 0] / asked[asked > 0])
    half = Z95 * float(points.var(ddof=1) / len(points) + replicates.var(ddof=1)) ** 0.5 if episodes > 1 else 0.0
    note = "" if len(seen) else "every class is taken as new: seen= (--seen) tells which ones the code was trained with"
    more = {"linear": float(np.mean(linear)), "ways": ways, "classes": len(pools)}
    value = float(scores.mean())
    return Reading(value, value - half, value + half, len(points), 1.0 / ways, note, more, points, replicates)


class _Drawn(NamedTuple):
    support: np.ndarray
    query: np.ndarray


def _new_pools(
    labels: np.ndarray, groups: np.ndarray | None, seen: Sequence[Any], shots: int
) -> list[list[np.ndarray]]:
    # for each new class its rows, in one array per group
    old = {str(one) for one in seen}
    classes = np.array([one for one in scored_classes(labels).tolist() if str(one) not in old], dtype=object)
    known = {str(one) for one in np.unique(labels[labelled(labels)].astype(str))}
    if old - known:
        raise DataError(f"no row has the seen class {min(old - known)!r}", f"classes: {', '.join(sorted(known)[:8])}")
    index, ids = class_index(labels, classes), np.arange(len(labels)) if groups is None else group_ids(groups)
    pools = []
    for place in range(len(classes)):
        rows = np.flatnonzero(index == place)
        members = np.unique(ids[rows], return_inverse=True)[1].reshape(-1)
        if members.max() + 1 > shots:
            order = np.argsort(members, kind="stable")
            pools.append(np.split(rows[order], np.flatnonzero(np.diff(members[order])) + 1))
    if len(pools) < 2:
        raise DataError(
            f"{len(pools)} of {len(classes)} classes not in seen= have over {shots} rows (or groups)",
            "leave more classes out of the code's training, or ask for fewer shots",
        )
    return pools


def _draw(pool: list[np.ndarray], shots: int, rng: np.random.Generator) -> _Drawn:
    # each labelled row is of a group of its own, and no queried row is of one of these
    order = rng.permutation(len(pool))
    support = np.array([rng.choice(pool[i]) for i in order[:shots]])
    rest = np.concatenate([pool[i] for i in order[shots : shots + QUERIES]])
    return _Drawn(support, rng.permutation(rest)[:QUERIES])


def _by_mean(codes: np.ndarray, support: list[np.ndarray], query: np.ndarray, truth: np.ndarray) -> np.ndarray:
    # whether the nearest class mean is right, (queries,); means that tie share
    means = np.stack([codes[rows].mean(0) for rows in support])
    far = ((codes[query][:, None] - means) ** 2).sum(2)
    nearest = far <= far.min(1, keepdims=True)
    return nearest[np.arange(len(query)), truth] / nearest.sum(1)


def _by_probe(codes: np.ndarray, support: list[np.ndarray], query: np.ndarray, truth: np.ndarray) -> np.ndarray:
    told = np.repeat(np.arange(len(support)), [len(rows) for rows in support])
    probe = linear_probe(codes).fit(codes[np.concatenate(support)], told)
    return probe.predict(codes[query]) == truth


def _varied(scores: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # rows of the data and draws of episodes both vary: numbers per queried row, and means of as many other episodes
    value = scores.mean()
    return rates - rates.mean() + value, value + (scores - value) / len(scores) ** 0.5
