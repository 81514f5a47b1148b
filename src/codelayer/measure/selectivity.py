"""Selectivity: does a unit speak for one class, and how few units tell the classes?

Reads  codes and labels.
Gives  the class selectivity of units, and k90: how many units a linear probe needs for nine tenths of its gain.
Skips  units that stand for something no label names.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import DataError
from .draws import class_index, numbers, scored_classes, task_of
from .folds import halves
from .probes import score
from .record import Reading, metric
from .spread import split_values, values_half

SPLITS, SIMULATED, DRAWN = 8, 200, 2_000_000
MOST_ROWS = 4000
MOST_UNITS = 1024
RIDGE = 1e-2


@metric(
    needs=("codes", "labels"),
    worst=None,
    best=None,
    null="shuffled rows",
    interval="simulated class means, drawn together by what noise spreads them",
    cost="200 n d",
    distrust="few rows of a class: the largest of many noisy means looks selective, see chance; it follows the offset",
    source="Morcos et al. 2018, equation 1",
    counts="units",
)
def class_selectivity(codes: np.ndarray, labels: np.ndarray, seed: int = 0) -> Reading:
    """Does a unit speak for one class only?

    Mean over units of (m1 - m0) / (m1 + m0): m1 the largest mean of a class, m0 the mean of the other classes' means.
    Units with negative values are shifted to start at 0.
    returns  0 no class differs, 1 each unit is silent for all classes but one. n counts units that vary
             more: {"above_half": share of units above .5}
    errors   DataError: labels are numbers, fewer than two classes with two members, no unit varies
    """
    if task_of(labels) != "class":
        raise DataError("class_selectivity needs classes, the labels are numbers", "use k90 or ablation_area")
    index = class_index(labels, scored_classes(labels))
    rows, index = codes[index >= 0].astype(np.float64), index[index >= 0]
    low, high = rows.min(0), rows.max(0)
    varies = high > low
    if not varies.any():
        raise DataError("no unit varies", "every unit is dead: see dead_share")
    shifted = int((low[varies] < 0).sum())
    start = np.minimum(low[varies], 0)
    rows = (rows[:, varies] - start) / (high[varies] - start)
    member = np.eye(int(index.max()) + 1)[index]
    means = (member.T @ rows) / member.sum(0)[:, None]
    found = _selectivity(means)
    lowest = np.where(start < 0, _lowest(rows), 0.0)
    value, values = float(found.mean()), _simulated(rows, member, means, lowest, seed)
    half = values_half(values)
    note = f"{shifted} units with negative values were shifted to start at 0" if shifted else ""
    more = {"above_half": float((found > 0.5).mean())}
    return Reading(value, max(0.0, value - half), min(1.0, value + half), len(found), None, note, more, None, values)


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=None,
    best=None,
    null="none: a code at chance has no gain to share out",
    interval="half-subsamples of the rows, less what one split of them varies",
    cost="18 (n d^2 + k d^2), n <= 4,000 rows",
    distrust="greedy choice finds a small set, not the smallest; correlated units stand in for one another",
    source="smallest set of units by forward selection; 90 % as in Dalvi et al. 2019 on salient neurons",
)
def k90(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    share: float = 0.9,
    seed: int = 0,
) -> Reading:
    """How many units does a linear probe need for nine tenths of its gain over chance?

    Units are added one at a time, each the one that lowers the squared error most (ridge on classes of equal weight,
    or on the number), fitted on one half of the rows; the count is the first at which the score on the other half
    (balanced accuracy, R2) reaches chance + 0.9 (score with all units - chance). The value is the mean over splits.
    returns  1 to the number of units: few where few units hold what the label asks, many where it is spread
             more: {"share": of the units, "full": score with all units, "chance": score by luck}
    errors   DataError: the probe with all units does not beat chance; fewer than two classes with two members
    """
    task = task or task_of(labels)
    found = [_needed(_split(codes, labels, groups, task, seed + split), share) for split in range(SPLITS)]
    needed, full, chances, scored = (np.array(column) for column in zip(*found, strict=True))
    value, units = float(needed.mean()), codes.shape[1]
    more = {"share": value / units, "full": float(full.mean()), "chance": float(chances[-1])}

    def halved(rows: np.ndarray, split: int) -> float:
        sides = None if groups is None else groups[rows]
        return _needed(_split(codes[rows], labels[rows], sides, task, seed + split), share)[0]

    values = split_values(halved, needed, len(codes), seed)
    if values is None:
        note = "no interval: the probe does not beat chance on halves of the rows"
        return Reading(value, n=int(scored[-1]), note=note, more=more)
    half = values_half(values)
    low, high = max(1.0, value - half), min(float(units), value + half)
    return Reading(value, low, high, int(scored[-1]), more=more, replicates=values)


def _needed(work: _Work, share: float) -> tuple[int, float, float, int]:
    """Units needed, the score with all of them, chance, and how many rows were scored."""
    full = work.score(np.arange(len(work.center)))
    if full <= work.chance + 0.02:
        raise DataError(
            f"the probe with all units scores {full:.3f}, chance is {work.chance:.3f}",
            "k90 needs a code that tells the labels",
        )
    return _first(work, work.chance + share * (full - work.chance)), full, work.chance, len(work.scored)


class _Work(NamedTuple):
    """A ridge probe of one split, ready to be solved on any set of units."""

    gram: np.ndarray
    cross: np.ndarray
    center: np.ndarray
    offset: np.ndarray
    rows: np.ndarray
    scored: np.ndarray
    task: str
    chance: float

    def score(self, units: np.ndarray) -> float:
        from scipy.linalg import solve

        weight = solve(self.gram[np.ix_(units, units)], self.cross[units], assume_a="pos")
        said = (self.rows[:, units] - self.center[units]) @ weight + self.offset
        return score(self.scored, said.argmax(1) if self.task == "class" else said[:, 0], self.task)


def _split(codes: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, task: str, seed: int) -> _Work:
    train, rest = halves(labels, seed, task, groups)
    rng = np.random.default_rng([seed, 83])
    train, rest = (np.sort(rng.permutation(one)[: MOST_ROWS // 2]) for one in (train, rest))
    x = codes[train].astype(np.float64)
    scale = float(np.abs(codes).max()) or 1.0
    x, rows = x / scale, codes[rest].astype(np.float64) / scale
    if task == "class":
        classes = scored_classes(labels)
        places, scored = class_index(labels, classes)[train], class_index(labels, classes)[rest]
        y = np.eye(len(classes))[places]
        weight = 1 / (np.bincount(places, minlength=len(classes)) * len(classes))[places]
        chance = 1 / len(np.unique(scored))
    else:
        y, scored = numbers(labels)[train][:, None], numbers(labels)[rest]
        y = y / (float(np.abs(y).max()) or 1.0)
        scored = scored / (float(np.abs(numbers(labels)[train]).max()) or 1.0)
        weight, chance = np.full(len(train), 1 / len(train)), 0.0
    center, offset = weight @ x, weight @ y
    x, y = x - center, y - offset
    gram = (x * weight[:, None]).T @ x
    gram[np.diag_indices_from(gram)] += RIDGE * (np.trace(gram) / len(gram) or 1.0)
    return _Work(gram, (x * weight[:, None]).T @ y, center, offset, rows, scored, task, chance)


def _first(work: _Work, target: float) -> int:
    # Gaussian elimination: after each choice `gram` and `cross` are what the chosen units leave unexplained
    diagonal = np.diag(work.gram)
    open_units = np.argsort(-(work.cross**2).sum(1) / diagonal, kind="stable")[:MOST_UNITS]
    gram, cross = work.gram[np.ix_(open_units, open_units)], work.cross[open_units]
    chosen: list[int] = []
    for _ in range(len(open_units)):
        gain = (cross**2).sum(1) / np.diag(gram)
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        if work.score(open_units[chosen]) >= target:
            return len(chosen)
        line = gram[best] / gram[best, best]
        cross = cross - np.outer(line, cross[best])
        gram = gram - np.outer(line, gram[best])
        gram[np.diag_indices_from(gram)] = np.maximum(np.diag(gram), 1e-300)
    return len(work.center)


def _selectivity(means: np.ndarray) -> np.ndarray:
    """Selectivity of each unit, (..., units), from means of the classes, (..., classes, units), at least 0."""
    largest = means.max(-2)
    others = (means.sum(-2) - largest) / (means.shape[-2] - 1)
    total = largest + others
    return np.where(total > 0, (largest - others) / np.where(total > 0, total, 1), 0.0)


def _lowest(rows: np.ndarray) -> np.ndarray:
    """How far the lowest of so many rows varies, one deviation of each unit, from the gap to the next.

    Of many rows that gap follows an exponential law (Renyi 1953), whose square has the mean 2, and the lowest row has
    the variance pi^2 / 6 (Gumbel 1935), on one scale.
    """
    ordered = np.partition(rows, 1, axis=0)
    return np.pi / 12**0.5 * (ordered[1] - ordered[0])


def _simulated(rows: np.ndarray, member: np.ndarray, means: np.ndarray, lowest: np.ndarray, seed: int) -> np.ndarray:
    """What the mean over units would be on other rows, (SIMULATED,), centred at its value.

    The largest of several means that noise alone sets apart varies less than one of them. So means are drawn together
    by what noise spreads them (James and Stein 1961, of each unit), and noise of the rows, with random weights that are
    the same for every code of them, is put on top. A unit that was shifted to start at 0 moves with its lowest row.
    """
    sizes, away = member.sum(0), rows - member @ means
    noise = (member.T @ away**2) / (sizes * np.maximum(sizes - 1, 1))[:, None]
    centre, classes = means.mean(0), len(means)
    spread = ((means - centre) ** 2).sum(0)
    kept = 1 - noise.sum(0) * (1 - 1 / classes) / np.where(spread > 0, spread, 1)
    drawn = centre + np.sqrt(np.maximum(kept, 0)) * (means - centre)
    rng, step, values = np.random.default_rng([seed, 101]), max(1, DRAWN // len(rows)), []
    per_mean = np.sqrt(sizes * np.maximum(sizes - 1, 1))[:, None]
    for start in range(0, SIMULATED, step):
        weights = rng.standard_normal((min(step, SIMULATED - start), len(rows)))
        moved = np.stack([weights[:, mine] @ away[mine] for mine in member.T > 0], axis=1) / per_mean
        shift = (weights[:, rows.argmin(0)] * lowest)[:, None]
        values.append(_selectivity(np.maximum(drawn + moved - shift, 0)).mean(-1))
    found = np.concatenate(values)
    return float(_selectivity(means).mean()) + found - found.mean()
