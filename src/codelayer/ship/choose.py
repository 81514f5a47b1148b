"""The choice under a budget: among those that are as good as the best, the smallest; raw features first.

Reads  one score per candidate with its single answers (a `Curve` of one count), what each costs, a `Budget`.
Gives  `Decision` with its reasons in sentences; the Pareto front; the nearest where nothing meets the budget.
Skips  fitting and measuring. The rule is the study's (study/choose.py), applied to the choose part alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..errors import DataError
from ..measure.curves import Curve, scores_of
from ..measure.intervals import Interval
from ..measure.probes import auc
from ..report.text import number
from ..study.choose import Choice
from ..study.choose import choose as smallest_of_the_best

EDGE_MEMORY_MB = 256.0
FIRST = "raw"
UNITS = {"latency_ms": "ms", "size_mb": "MB on disk", "memory_mb": "MB resident"}


@dataclass(frozen=True)
class Budget:
    """What the chosen model may cost at most; None: anything.

    latency_ms  for one row, from the raw row to the answer, the median
    size_mb     of model.onnx
    memory_mb   resident in a process that answers, the interpreter and ONNX Runtime included
    """

    latency_ms: float | None = None
    size_mb: float | None = None
    memory_mb: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.limits().items():
            if not value > 0:
                raise DataError(f"a budget of {value:g} {UNITS[name]} is not possible", "give a number above 0")

    def limits(self) -> dict[str, float]:
        """Those that are given, name -> value."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in given.items() if value is not None}

    def over(self, cost: Mapping[str, float | None]) -> list[str]:
        """What of a cost exceeds the budget, in words; empty where it meets it."""
        return [
            f"{number(cost[name])} {UNITS[name]}, over the {limit:g} allowed"
            for name, limit in self.limits().items()
            if _beyond(cost[name], limit) > 1
        ]

    def told(self) -> str:
        """In words: at most 2 ms, 1 MB on disk."""
        return "at most " + ", ".join(f"{value:g} {UNITS[name]}" for name, value in self.limits().items())


@dataclass(frozen=True)
class Decision:
    """What was chosen, and why.

    winner   name
    best     of the highest score on the choose part within the budget
    ties     those whose 95 % interval of (best - candidate) includes 0, the winner among them
    behind   candidate -> (best - candidate) with its interval
    barred   candidate -> what of its cost exceeds the budget
    reasons  in sentences
    """

    winner: str
    best: str
    ties: tuple[str, ...]
    behind: dict[str, Interval]
    barred: dict[str, str]
    reasons: tuple[str, ...]


def answered(task: str, classes: np.ndarray | None, answers: np.ndarray, truth: np.ndarray) -> Curve:
    """One candidate's answers as a curve of one count, so that candidates are compared row by row.

    answers  (rows, classes) probabilities, or (rows,) numbers
    truth    (rows,) places in classes, -1 where not scored; or numbers
    """
    given = answers.argmax(1).astype(np.int32) if task == "class" else answers.astype(np.float64)
    predictions = given[None, None]
    chances = None
    if task == "class" and answers.shape[1] == 2 and len(np.unique(truth[truth >= 0])) == 2:
        scored = truth >= 0
        chances = np.array([[auc(truth[scored], answers[scored, 1])]])
    return Curve(task, classes, (1,), predictions, truth, scores_of(predictions, truth, task), chances)


def decide(
    curves: Mapping[str, Curve],
    costs: Mapping[str, Mapping[str, float | None]],
    budget: Budget,
    titles: Mapping[str, str],
    groups: np.ndarray | None = None,
) -> Decision:
    """Choose among candidates by their curves on the choose part.

    costs   candidate -> {"latency_ms", "size_mb", "memory_mb"}; None: not known, which no budget is held against,
            as the reasons say
    groups  of the rows: rows of one group are resampled together
    errors  DataError: none meets the budget; it names the nearest, and by how much
    """
    barred = {name: "; ".join(over) for name in curves if (over := budget.over(costs[name]))}
    if len(barred) == len(curves):
        raise _nothing_meets(curves, costs, budget, titles)
    sizes = {name: int(1e6 * (costs[name]["size_mb"] or 0.0)) for name in curves}
    choice = smallest_of_the_best(curves, sizes, barred, groups, FIRST)
    told = tuple(one[:1].upper() + one[1:] for one in _reasons(choice, curves, costs, budget, titles))
    return Decision(choice.winner, choice.best, choice.ties, choice.behind, choice.barred, told)


def nearest(costs: Mapping[str, Mapping[str, float | None]], budget: Budget) -> str:
    """The candidate that exceeds the budget least: by the largest of its shares of the limits."""
    limits = budget.limits()
    return min(costs, key=lambda name: max(_beyond(costs[name][what], limit) for what, limit in limits.items()))


def front(scores: Mapping[str, float], costs: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Those that no other one beats in score, latency and size at once, best score first."""
    points = {n: (-score, costs[n]["latency_ms"] or 0.0, costs[n]["size_mb"] or 0.0) for n, score in scores.items()}

    def beaten(name: str) -> bool:
        mine = points[name]
        return any(
            all(a <= b for a, b in zip(one, mine, strict=True)) and one != mine
            for other, one in points.items()
            if other != name
        )

    return sorted((name for name in points if not beaten(name)), key=lambda name: points[name])


# --- in words -------------------------------------------------------------------------------------------------------


def _reasons(
    choice: Choice,
    curves: Mapping[str, Curve],
    costs: Mapping[str, Mapping[str, float | None]],
    budget: Budget,
    titles: Mapping[str, str],
) -> list[str]:
    best, winner = choice.best, choice.winner
    unknown = [what for what in budget.limits() if costs[winner][what] is None]
    limits = f" ({budget.told()})" if budget.limits() else ""
    told = [
        f"{len(curves) - len(choice.barred)} of {len(curves)} candidates meet the budget{limits}."
        if budget.limits()
        else f"No budget was given: all {len(curves)} candidates may be chosen."
    ]
    told += [
        f"What {titles[winner]} takes in {UNITS[what]} could not be measured on this system: the limit of "
        f"{budget.limits()[what]:g} was not held against it."
        for what in unknown
    ]
    ahead = max(curves, key=lambda name: curves[name].area)
    if ahead in choice.barred and curves[ahead].area > curves[best].area:
        told.append(
            f"{titles[ahead]} scores highest of all on the choosing rows ({curves[ahead].area:.3f}), "
            f"but takes {choice.barred[ahead]}."
        )
    within = "Within the budget " if budget.limits() else ""
    told.append(f"{within}{titles[best]} scores highest on the choosing rows ({curves[best].area:.3f}).")
    if winner == best:
        told.append(_alone(choice, titles))
        return told
    gap = choice.behind[winner]
    why = "raw features come first among equals" if winner == FIRST else "it is the smallest of those"
    times = (costs[best]["size_mb"] or 0.0) / max(costs[winner]["size_mb"] or 0.0, 1e-9)
    smaller = f", and {number(times)} times smaller" if times >= 1.1 else ""
    told.append(
        f"{titles[winner]} is not told apart from it (behind by {gap.value:.3f} [{gap.low:.3f}, {gap.high:.3f}]) and "
        f"{why}{smaller}: it is chosen."
    )
    return told


def _alone(choice: Choice, titles: Mapping[str, str]) -> str:
    winner, others = choice.winner, [name for name in choice.ties if name != choice.winner]
    if others:
        return (
            f"It is chosen: {'raw features come first' if winner == FIRST else 'it is the smallest'} among the "
            f"{len(others) + 1} that are not told apart."
        )
    second = min((name for name in choice.behind if name != winner), key=lambda n: choice.behind[n].value, default=None)
    if second is None:
        return "It is chosen: no other candidate meets the budget."
    gap = choice.behind[second]
    return (
        f"It is chosen: the next, {titles[second]}, is behind by {gap.value:.3f} "
        f"[{gap.low:.3f}, {gap.high:.3f}], and that interval does not include 0."
    )


def _nothing_meets(
    names: Mapping[str, Curve], costs: Mapping[str, Any], budget: Budget, titles: Mapping[str, str]
) -> DataError:
    near = nearest({name: costs[name] for name in names}, budget)
    over = "; ".join(budget.over(costs[near]))
    return DataError(
        f"none of {len(names)} candidates meets the budget ({budget.told()}); the nearest is {titles[near]}: {over}",
        "nothing was chosen; what was fitted is kept: give the same command with a wider budget",
    )


def _beyond(value: float | None, limit: float) -> float:
    return 0.0 if value is None else value / limit
