"""Which rows teach a probe and which score it: halves and folds, with every group on one side.

Reads  labels, and groups (speaker, patient, recording, the sample a row is a copy of) where there are any.
Gives  index arrays; classes are spread evenly over the sides as far as groups let them.
Skips  the study's three parts, which data/splits makes.

A row whose group is None, NaN or "" is a group of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import plain
from .draws import class_index, labelled, numbers, scored_classes, task_of


def group_ids(groups: Any, n: int | None = None) -> np.ndarray:
    """Groups as numbers, int (n,): equal for rows of one group.

    errors  DataError: not one group per row
    """
    values = plain(groups)
    if values.ndim != 1 or (n is not None and len(values) != n):
        raise DataError(f"groups have shape {values.shape}", f"give one group for each of the {n} rows")
    known = _known(values)
    ids = np.empty(len(values), dtype=np.intp)
    named = np.unique(values[known].astype(str), return_inverse=True)[1].reshape(-1)
    ids[known] = named
    ids[~known] = (named.max() + 1 if len(named) else 0) + np.arange((~known).sum())
    return ids


def refuse_shared(train: Any, scored: Any) -> None:
    """Raise DataError if a group stands on both sides of a split.

    train, scored  the groups of the rows on each side
    """
    sides = [np.asarray(plain(one))[_known(plain(one))].astype(str) for one in (train, scored)]
    shared = np.intersect1d(*sides)
    if len(shared):
        raise DataError(
            f"{len(shared)} groups stand on both sides of the split, for example {str(shared[0])!r}",
            "keep the rows of a group on one side: codelayer.measure.halves(labels, groups=groups)",
        )


def halves(y: Any, seed: int = 0, task: str | None = None, groups: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of the labelled rows, (train, scored), stratified by class; for a metric given one set of rows.

    groups  (n,): rows of one group stand on one side; classes that are then missing on a side are left out
    errors  DataError: fewer than two classes stand on both sides
    """
    task = task or task_of(y)
    if groups is None:
        rng = np.random.default_rng([seed, 2**31])
        mixed = [rng.permutation(pool) for pool in _pools(y, task)]
        parts = [(one[: len(one) // 2], one[len(one) // 2 :]) for one in mixed]
        train, scored = (np.sort(np.concatenate(side)) for side in zip(*parts, strict=True))
        return train, scored
    train, scored = folds(y, 2, seed, task, groups)
    if task == "class":
        index = class_index(y, scored_classes(y))
        sizes = [np.bincount(index[side], minlength=index.max() + 1) for side in (train, scored)]
        kept = np.flatnonzero((sizes[0] >= 2) & (sizes[1] >= 1))
        if len(kept) < 2:
            raise DataError(
                f"with groups kept together only {len(kept)} classes stand on both sides of a split",
                "each class needs rows of at least two groups",
            )
        train, scored = (side[np.isin(index[side], kept)] for side in (train, scored))
    return train, scored


def folds(y: Any, count: int = 5, seed: int = 0, task: str | None = None, groups: Any = None) -> list[np.ndarray]:
    """The labelled rows in `count` disjoint parts, stratified by class; rows of one group in one part.

    errors  DataError: fewer than two parts can be made
    """
    task = task or task_of(y)
    rng = np.random.default_rng([seed, 2**31])
    pools = _pools(y, task)
    if groups is None:
        mixed = np.concatenate([rng.permutation(pool) for pool in pools])
        count = min(count, len(mixed))
        return [np.sort(mixed[i::count]) for i in range(count)]
    ids, rows = group_ids(groups, len(plain(y))), np.concatenate(pools)
    kinds = np.concatenate([np.full(len(pool), i) for i, pool in enumerate(pools)])
    names, member = np.unique(ids[rows], return_inverse=True)
    count = min(count, len(names))
    if count < 2:
        raise DataError("all labelled rows are of one group", "rows of at least two groups are needed")
    side = _spread(member.reshape(-1), kinds, count, rng)[member.reshape(-1)]
    return [np.sort(rows[side == i]) for i in range(count)]


def _pools(y: Any, task: str) -> list[np.ndarray]:
    if task != "class":
        return [np.flatnonzero(np.isfinite(numbers(y)))]
    index = class_index(y, scored_classes(y))
    return [np.flatnonzero(index == place) for place in range(index.max() + 1)]


def _known(values: np.ndarray) -> np.ndarray:
    return np.ones(len(values), dtype=bool) if values.dtype.kind in "iub" else labelled(values)


def _spread(member: np.ndarray, kinds: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    # the side of each group: large ones first, each to the side that holds least of its classes
    shares = np.zeros((member.max() + 1, kinds.max() + 1))
    np.add.at(shares, (member, kinds), 1.0)
    shares /= shares.sum(0)
    order = rng.permutation(len(shares))
    order = order[np.argsort(-shares[order].sum(1), kind="stable")]
    load, side = np.zeros((count, shares.shape[1])), np.empty(len(shares), dtype=np.intp)
    for group in order:
        # the second term decides between sides that hold none of its classes
        side[group] = np.argmin(load @ shares[group] + 1e-9 * load.sum(1))
        load[side[group]] += shares[group]
    return side
