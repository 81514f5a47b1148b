"""Intervals of label curves: 95 %, over resampled draws of labels and resampled scored rows at once.

Reads  Curves that hold every prediction.
Gives  the interval of one area, of the difference of two (paired: both rivals see each resample), bands per count.
Skips  neighbour, dimension and information metrics: a bootstrap with replacement is wrong for those.

Rows are resampled within their class (so each class keeps its size), or by whole groups where groups are given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from .arrays import plain
from .curves import Curve, area_weights, curve_area, label_curve, same_rows
from .draws import class_index, labelled, scored_classes, task_of
from .record import one_thread
from .spread import share_ends

RESAMPLES = 1000


class Interval(NamedTuple):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def paired_interval(a: Curve, b: Curve, groups: Any = None, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The area of a minus the area of b, paired over draws and over resampled scored rows.

    a, b    curves over the same counts, rows and draws
    groups  (rows,) of the scored part: rows of one group are resampled together
    """
    same_rows(a, b)
    if len(a.predictions) != len(b.predictions):
        raise DataError(
            f"curves of {len(a.predictions)} and {len(b.predictions)} draws are not paired", "use equal draws"
        )
    weights = area_weights(a.counts)[:, None]
    with one_thread():
        points = _points(a, weights) - _points(b, weights)
        found = _replicates(a, points, groups, resamples, seed, 0.0)[:, 0]
    return interval_of(a.area - b.area, found)


def area_interval(curve: Curve, groups: Any = None, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The normalised area of one curve with its interval."""
    with one_thread():
        points = _points(curve, area_weights(curve.counts)[:, None])
        found = _replicates(curve, points, groups, resamples, seed, _top(curve))[:, 0]
    return _widened(interval_of(curve.area, found), curve, groups)


def area_points(curve: Curve) -> np.ndarray:
    """(scored rows, draws) numbers whose mean is the area: what each row adds under each draw of labels."""
    gains = _points(curve, area_weights(curve.counts)[:, None])[..., 0].T
    truth = curve.truth[curve.scored]
    if curve.task == "class":
        _, places, sizes = np.unique(truth, return_inverse=True, return_counts=True)
        return gains * (len(truth) / (len(sizes) * sizes))[places][:, None]
    return 1 + gains / truth.var()


def curve_bands(curve: Curve, groups: Any = None, resamples: int = RESAMPLES, seed: int = 0) -> list[Interval]:
    """The mean score with its interval at each count: the band of a drawn curve."""
    found = curve_replicates(curve, groups, resamples, seed)
    return [_widened(interval_of(float(value), found[:, j]), curve, groups) for j, value in enumerate(curve.mean)]


def curve_replicates(curve: Curve, groups: Any = None, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Mean scores on resampled draws and rows, (resamples, counts): for statistics of a whole curve."""
    with one_thread():
        points = _points(curve, np.eye(len(curve.counts)))
        return _replicates(curve, points, groups, resamples, seed, _top(curve))


def interval_of(value: float, found: np.ndarray) -> Interval:
    """A value with the middle 95 % of its replicates (resamples,); those that are not finite are passed over."""
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, (0.025, 0.975)) if len(found) else (value, value)
    return Interval(float(value), min(float(low), float(value)), max(float(high), float(value)))


def share_interval(share: float, n: float) -> Interval:
    """A share of n rows with Wilson's 95 % interval, which has a width at 0 and 1 too."""
    return Interval(share, *share_ends(share, n))


def _widened(found: Interval, curve: Curve, groups: Any) -> Interval:
    # every row right (or wrong) in every draw: resampling cannot tell how many others are
    if found.low != found.high or curve.task != "class":
        return found
    scored = curve.scored if groups is None else np.unique(plain(groups).astype(str)[curve.scored])
    return share_interval(found.value, float(scored.sum() if groups is None else len(scored)))


def chance_area(
    codes_train: Any,
    y_train: Any,
    codes_eval: Any,
    y_eval: Any,
    *,
    counts: Any = None,
    draws: int = 5,
    seed: int = 0,
    task: str | None = None,
    probe: str = "linear",
) -> float:
    """The area a code gets by luck: 1 / classes in closed form, or, for numbers, with the labelled rows shuffled."""
    y_train = plain(y_train)
    task = task or task_of(y_train)
    if task == "class":
        index = class_index(y_eval, scored_classes(y_train))
        return 1.0 / len(np.unique(index[index >= 0]))
    known = np.flatnonzero(labelled(y_train))
    shuffled = y_train.copy()
    shuffled[known] = y_train[np.random.default_rng([seed, 7]).permutation(known)]
    curve = label_curve(
        codes_train, shuffled, codes_eval, y_eval, probe=probe, counts=counts, draws=draws, seed=seed, task=task
    )
    return float(np.mean(curve_area(curve.scores, curve.counts)))


def _top(curve: Curve) -> float:
    return 0.0 if curve.task == "class" else 1.0


def _points(curve: Curve, weights: np.ndarray) -> np.ndarray:
    # (draws, scored rows, columns): what each row adds, for the area (one column) or for each count
    rows = curve.scored
    right = curve.truth[rows]
    predictions = curve.predictions[..., rows]
    points = np.empty((len(predictions), rows.sum(), weights.shape[1]), dtype=np.float64)
    for i, draw in enumerate(predictions):
        gains = (draw == right).astype(np.float64) if curve.task == "class" else -((draw - right) ** 2)
        points[i] = gains.T @ weights
    return points


def _replicates(curve: Curve, points: np.ndarray, groups: Any, resamples: int, seed: int, top: float) -> np.ndarray:
    # (resamples, columns): the statistic on resampled draws and rows
    rng = np.random.default_rng([seed, 11])
    truth = curve.truth[curve.scored]
    draws, rows, columns = points.shape
    flat = points.transpose(1, 0, 2).reshape(rows, draws * columns)
    out = []
    for weights in _row_weights(truth, curve, groups, resamples, rng):
        b = len(weights)
        if curve.task == "class":
            sums = _class_means(weights, flat, truth)
        else:
            spread = weights @ truth**2 - (weights @ truth) ** 2 / weights.sum(1)
            sums = (weights @ flat) / np.where(spread > 0, spread, np.nan)[:, None]
        shares = _tally(rng, b, draws) / draws
        out.append(top + np.einsum("bd,bdc->bc", shares, sums.reshape(b, draws, columns)))
    return np.concatenate(out)


def _class_means(weights: np.ndarray, flat: np.ndarray, truth: np.ndarray) -> np.ndarray:
    total = np.zeros((len(weights), flat.shape[1]))
    seen = np.zeros((len(weights), 1))
    for place in np.unique(truth):
        rows = truth == place
        mass = weights[:, rows].sum(1, keepdims=True)
        total += np.where(mass > 0, weights[:, rows] @ flat[rows] / np.maximum(mass, 1), 0)
        seen += mass > 0
    return total / seen


def _row_weights(
    truth: np.ndarray, curve: Curve, groups: Any, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    # how often each scored row occurs in each resample, in blocks of at most 2**22 numbers
    if groups is None:
        strata = truth if curve.task == "class" else np.zeros(len(truth))
        parts = [np.flatnonzero(strata == one) for one in np.unique(strata)]
        member = None
    else:
        groups = np.unique(plain(groups).astype(str), return_inverse=True)[1].reshape(-1)
        if len(groups) != len(curve.truth):
            raise DataError(f"{len(groups)} groups for {len(curve.truth)} scored rows", "give one group per row")
        member = np.unique(groups[curve.scored], return_inverse=True)[1].reshape(-1)
        parts = [np.arange(member.max() + 1)]
    step = max(1, 2**22 // len(truth))
    for start in range(0, resamples, step):
        b = min(step, resamples - start)
        weights = np.empty((b, sum(len(part) for part in parts)))
        for part in parts:
            weights[:, part] = _tally(rng, b, len(part))
        yield weights if member is None else weights[:, member]


def _tally(rng: np.random.Generator, b: int, n: int) -> np.ndarray:
    # (b, n): how often each of n things is drawn in n draws with replacement
    drawn = rng.integers(n, size=(b, n)) + np.arange(b)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)
