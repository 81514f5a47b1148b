"""Hierarchy: do later stages tell more abstract things?

Reads  layers (stage name -> rows, in order), labels, a coarser second label, groups.
Gives  the probe curve over stages with paired steps, where it is gained, whether it rises, coarse against fine labels,
       and along how many directions each stage varies.
Skips  training: a stage is probed as it is.

Every row is answered at every stage by a probe fitted on the other folds, the same folds at all stages; rows (or
groups) are resampled for all stages at once, so that steps between stages are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DataError
from .all_labels import answered, chance_score, cross_curve, some_rows
from .curves import Curve
from .dimension import dimension_mle
from .intervals import curve_replicates, interval_of
from .record import Reading, metric
from .spread import values_half

INTERVAL = "resampled scored rows, or groups, the same at all stages"
COST = "stages x 5 probe fits on at most 2,000 rows"
DISTRUST = "stages of very different width: a wide one gives a probe more to go by; under 100 rows"
ENOUGH = 0.9


@metric(
    needs=("layers", "labels"),
    also=("groups",),
    worst=None,
    best=None,
    null="closed form: 0, a last stage that tells what the first told",
    interval=INTERVAL,
    cost=COST,
    distrust=DISTRUST,
    source="linear probes, Alain and Bengio 2017",
)
def layer_gain(
    layers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Reading:
    """How much better can the label be read from the last stage than from the first?

    returns  difference of a linear probe's balanced accuracy or R2.
             more: {"stages", "scores", "low", "high", "chance", "steps": gain over the stage before with its ends}
    errors   DataError: fewer than two stages; as linear_score
    """
    curve, found, note = stage_curve(layers, labels, groups, task, rows, seed)
    gains = found[:, -1] - found[:, 0]
    gain = interval_of(float(curve.mean[-1] - curve.mean[0]), gains)
    steps = [
        interval_of(float(curve.mean[j] - curve.mean[j - 1]), found[:, j] - found[:, j - 1])
        for j in range(1, len(curve.counts))
    ]
    more = {**_told(layers, curve, found), "steps": [list(one) for one in steps]}
    return Reading(*gain, int(curve.scored.sum()), 0.0, note, more, None, gains)


@metric(
    needs=("layers", "labels"),
    also=("groups",),
    worst=-1.0,
    best=1.0,
    null="closed form: 0, stages in no order",
    interval=INTERVAL,
    cost=COST,
    distrust="few stages: three put in order by luck one time in six; differences of no size count as order",
    source="Spearman's rank correlation of place and score",
)
def layer_order(
    layers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Reading:
    """Does the label become easier to read from stage to stage?

    returns  rank correlation of a stage's place and its probe score: 1 it rises at every step, -1 it falls
    errors   DataError: as layer_gain
    """
    curve, found, note = stage_curve(layers, labels, groups, task, rows, seed)
    value, flat = _order(curve.mean[None]), np.ptp(curve.mean) == 0
    told = "all stages score the same: no order" if flat else note
    orders = _order(found)
    return Reading(*interval_of(float(value[0]), orders), int(curve.scored.sum()), 0.0, told, replicates=orders)


@metric(
    needs=("layers", "labels"),
    also=("groups",),
    worst=None,
    best=None,
    null="closed form: stages / 2, gains at every stage alike",
    interval=INTERVAL,
    cost=COST,
    distrust="small gains: read it beside layer_gain; falls between stages count as no gain",
    source="Tenney, Das and Pavlick 2019, with falls cut at 0",
)
def center_of_gravity(
    layers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Reading:
    """At which stage is the label gained, on average over what is gained?

    Sum of l max(0, a_l - a_(l-1)) over the sum of the gains; a_l the score of stage l, the first stage is 0.
    returns  1 to stages - 1; 0 with a note where no stage gains. more: {"gains": of each stage}
    errors   DataError: as layer_gain
    """
    curve, found, note = stage_curve(layers, labels, groups, task, rows, seed)
    gains = np.maximum(np.diff(curve.mean), 0)
    places = _gravity(found)
    value = interval_of(float(_gravity(curve.mean[None])[0]), places)
    told = note if gains.sum() > 0 else "no stage gains on the one before"
    more = {"gains": gains.tolist()}
    return Reading(*value, int(curve.scored.sum()), len(layers) / 2, told, more, None, places)


@metric(
    needs=("layers", "labels", "coarse"),
    also=("groups",),
    worst=None,
    best=None,
    null="closed form: 0, both levels are read at the same stage",
    interval=INTERVAL,
    cost=f"twice: {COST}",
    distrust=f"{DISTRUST}; a stage that is enough for either level at once gives 0",
    source="levels of one label tree, probed stage by stage",
)
def coarse_lead(
    layers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    coarse: np.ndarray,
    groups: np.ndarray | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Reading:
    """How many stages earlier is the coarse label read than the fine one?

    Each is read where its score above chance first reaches 90 % of its largest, between stages on a straight line.
    (90 % of the score itself, beside it in more, flatters coarse labels: their chance is higher.)
    returns  above 0 coarse first, below 0 fine first.
             more: {"coarse", "fine": each with stages, scores, low, high, chance, reached, reached_of_score}
    errors   DataError: as layer_gain
    """
    more, values, tries = {}, [], []
    for name, column in (("coarse", coarse), ("fine", labels)):
        curve, found, note = stage_curve(layers, column, groups, None, rows, seed)
        chance = chance_score(curve)
        values.append(_reached(curve.mean[None], chance)[0])
        tries.append(_reached(found, chance))
        more[name] = {**_told(layers, curve, found), "reached": float(values[-1])}
        more[name]["reached_of_score"] = float(_reached(curve.mean[None], 0.0)[0])
        scored = int(curve.scored.sum())
    # rows are resampled within classes of their own level: the two levels' errors are taken as independent
    leads = tries[1] - np.random.default_rng(seed).permutation(tries[0])
    lead = interval_of(float(values[1] - values[0]), leads)
    return Reading(*lead, scored, 0.0, note, more, None, leads)


@metric(
    needs=("layers",),
    worst=None,
    best=None,
    null="closed form: 1, the last stage fills as many dimensions as the first",
    interval="half-subsamples of the rows (of at most 400), the same for both stages",
    cost="stages x n^2 d; above 2,000 rows 2,000 are drawn",
    distrust="above 10 dimensions either is too low; compare at equal n; the profile often rises first",
    source="Ansuini et al. 2019; estimate of each stage: dimension_mle",
)
def layer_dimension(
    layers: Mapping[str, np.ndarray], n_neighbors: int = 20, rows: int = 2000, seed: int = 0
) -> Reading:
    """How many dimensions does the last stage fill, relative to the first?

    returns  above 0; below 1 the stages fold the data onto less. more: {"stages", "dimensions", "low", "high"}
    errors   DataError: fewer than two stages, a stage of too few different rows
    """
    names = _names(layers)
    some, note = some_rows(rows, seed, *layers.values())
    found = []
    for name, one in zip(names, some, strict=True):
        try:
            found.append(dimension_mle.function(one, n_neighbors=n_neighbors, seed=seed))
        except DataError as error:
            raise DataError(f"stage {name}: {error}") from None
    first, last = found[0], found[-1]
    value = last.value / first.value
    half, parts = value * float(np.hypot(_share(first), _share(last))), None
    if first.n == last.n and first.replicates is not None and last.replicates is not None:
        # dense places of the data are dense at both stages: their estimates move together
        parts = value + (last.replicates / last.value - first.replicates / first.value) * value
        half = values_half(parts)
    more: dict[str, Any] = {"stages": names, "dimensions": [one.value for one in found]}
    more |= {"low": [one.low for one in found], "high": [one.high for one in found]}
    return Reading(value, value - half, value + half, last.n, 1.0, note, more, None, parts)


def stage_curve(
    layers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> tuple[Curve, np.ndarray, str]:
    """The linear probe's score at every stage.

    returns  a Curve whose counts are the stages 1, 2, ...; its scores on resampled rows (resamples, stages); a note
    errors   DataError: fewer than two stages; as linear_score
    """
    _names(layers)
    (labels, groups, *stages), note = some_rows(rows, seed, labels, groups, *layers.values())
    each = [cross_curve(stage, labels, seed=seed, task=task, groups=groups) for stage in stages]
    curve = answered(each[0].task, each[0].classes, np.concatenate([c.predictions[0] for c in each]), each[0].truth)
    return curve, curve_replicates(curve, groups, seed=seed), note


def _share(one: Reading) -> float:
    return ((one.high or 0.0) - (one.low or 0.0)) / (2 * one.value)


def _names(layers: Mapping[str, np.ndarray]) -> list[str]:
    if len(layers) < 2:
        raise DataError(f"there is one stage only ({next(iter(layers))})", "layers= needs two stages or more, in order")
    return list(layers)


def _told(layers: Mapping[str, np.ndarray], curve: Curve, found: np.ndarray) -> dict[str, Any]:
    ends = [interval_of(float(value), found[:, j]) for j, value in enumerate(curve.mean)]
    return {
        "stages": list(layers),
        "scores": [one.value for one in ends],
        "low": [one.low for one in ends],
        "high": [one.high for one in ends],
        "chance": chance_score(curve),
    }


def _order(scores: np.ndarray) -> np.ndarray:
    # Spearman's correlation of stage and score for each line (lines, stages); 0 where a line is flat
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=1) - (scores.shape[1] + 1) / 2
    places = np.arange(scores.shape[1]) - (scores.shape[1] - 1) / 2
    spread = np.sqrt((ranks**2).sum(1) * (places**2).sum())
    return np.where(spread > 0, ranks @ places / np.where(spread > 0, spread, 1), 0.0)


def _gravity(scores: np.ndarray) -> np.ndarray:
    gains = np.maximum(np.diff(scores, axis=1), 0)
    total = gains.sum(1)
    return np.where(total > 0, gains @ np.arange(1, scores.shape[1]) / np.where(total > 0, total, 1), 0.0)


def _reached(scores: np.ndarray, chance: float) -> np.ndarray:
    # the place, between stages on a straight line, where each line first reaches ENOUGH of its largest gain over chance
    gains = scores - chance
    goal = ENOUGH * gains.max(1)
    first = (gains >= goal[:, None]).argmax(1)
    rows, before = np.arange(len(scores)), np.maximum(first - 1, 0)
    rise = gains[rows, first] - gains[rows, before]
    share = np.where(rise > 0, (gains[rows, first] - goal) / np.where(rise > 0, rise, 1), 0.0)
    return first - np.where(first > 0, share, 0.0)
