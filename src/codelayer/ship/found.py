"""What a `ship fit` found: every figure that is printed, from the report part.

Reads  the finished weighing, its decision, the budget and the plan.
Gives  `Found`: scores with intervals, gains of the choice, the bill of each candidate, sentences.
Skips  writing (outcome.py, choosepage.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..measure.intervals import Interval, area_interval, paired_interval
from ..report.text import number
from ..study.parts import Parts
from .bench import FLATTERS
from .choose import EDGE_MEMORY_MB, Budget, Decision, front
from .planning import Plan
from .weighing import BATCH, Weighing

if TYPE_CHECKING:
    from .fitting import Fit

RUNTIME = ("numpy", "onnxruntime")  # what model.onnx needs to answer
NAME = re.compile(r"^[A-Za-z0-9._-]+")


@dataclass
class Found:
    """Everything the page, the text and ship.json are made of."""

    asked: Fit
    parts: Parts
    weighing: Weighing
    decision: Decision
    budget: Budget
    plan: Plan
    folder: Path
    seconds: float

    @property
    def score_name(self) -> str:
        """What is scored."""
        return "balanced accuracy" if self.parts.task == "class" else "R2"

    @cached_property
    def chance(self) -> float:
        """The score of a guess: one of the classes, or the mean."""
        if self.parts.task == "number":
            return 0.0
        curve = next(iter(self.weighing.curves["report"].values()))
        return 1.0 / len(np.unique(curve.truth[curve.scored]))

    @cached_property
    def scores(self) -> dict[str, Interval]:
        """Candidate -> its score on the report part, with its 95 % interval over rows."""
        groups = self.parts.groups("report")
        return {name: area_interval(curve, groups) for name, curve in self.weighing.curves["report"].items()}

    @cached_property
    def front(self) -> list[str]:
        """The candidates that no other beats in score, latency and size at once."""
        limits = {name: cost.limits() for name, cost in self.weighing.costs.items()}
        return front({name: score.value for name, score in self.scores.items()}, limits)

    def gain(self, other: str) -> Interval:
        """The choice's score less that of another, on the report part."""
        curves = self.weighing.curves["report"]
        return paired_interval(curves[self.decision.winner], curves[other], self.parts.groups("report"))

    @cached_property
    def order(self) -> list[str]:
        """Candidates, best score first."""
        return sorted(self.scores, key=lambda name: -self.scores[name].value)

    def record(self, name: str) -> dict[str, Any]:
        """The bill of one candidate as plain JSON."""
        weighing, one = self.weighing, self.weighing.candidate(name)
        cost, model, facts = weighing.costs[name], weighing.models[name], weighing.facts[name]
        aucs = weighing.curves["report"][name].aucs
        memory = cost.memory_bytes
        return {
            "name": name,
            "title": one.title,
            "kind": one.kind,
            "objective": one.sentence or None,
            "score": list(self.scores[name]),
            "auc": None if aucs is None else float(aucs[0, 0]),
            "choose_score": weighing.curves["choose"][name].area,
            "engine_ms": _quantiles(cost.engine),
            "end_to_end_ms": _quantiles(cost.whole),
            "rows_per_second": cost.batch.rows_per_second,
            "batch_size": cost.batch.batch_size,
            "size_mb": cost.size_bytes / 1e6,
            "memory_mb": None if memory is None else memory / 1e6,
            "training_seconds": facts["seconds"],
            "python_ms": facts["python_ms"],
            "parameters": model.parameters,
            "multiply_adds": model.multiply_adds,
            "on_front": name in self.front,
            "over_budget": self.decision.barred.get(name),
            "as_good_as_the_best": name in self.decision.ties,
        }

    @cached_property
    def sentences(self) -> list[str]:
        """The answer first, then why, then what must be said beside it."""
        winner, titles = self.decision.winner, self.weighing.titles
        score, cost = self.scores[winner], self.weighing.costs[winner]
        memory = "" if cost.memory_bytes is None else f", {cost.memory_bytes / 1e6:.0f} MB resident"
        told = [
            f"Ship {titles[winner]}: {self.score_name} {score.value:.3f} [{score.low:.3f}, {score.high:.3f}] "
            f"(chance {self.chance:.3f}) on rows that chose nothing, {number(cost.whole.p50_ms)} ms for one row, "
            f"{number(cost.size_bytes / 1e6)} MB{memory}.",
            *self.decision.reasons,
            *self._gains(),
        ]
        if winner not in self.front:
            told.append("It is not on the front below, which is drawn on other rows than those that chose.")
        return [one[:1].upper() + one[1:] for one in [*told, *self._compiled()]]

    def _gains(self) -> list[str]:
        """The choice against raw features, the best forest, and the best within the budget."""
        winner, told = self.decision.winner, []
        forests = [one.name for one in self.weighing.candidates if one.kind == "forest"]
        best_forest = max(forests, key=lambda n: self.weighing.curves["choose"][n].area, default=None)
        for other in dict.fromkeys(("raw", best_forest, self.decision.best)):
            if other is None or other == winner or other not in self.scores:
                continue
            gain = self.gain(other)
            word = "ahead of" if gain.low > 0 else "behind" if gain.high < 0 else "not told apart from"
            told.append(
                f"On the report rows it is {word} {self.weighing.titles[other]}: {gain.value:+.3f} "
                f"[{gain.low:+.3f}, {gain.high:+.3f}]."
            )
        return told

    def _compiled(self) -> list[str]:
        """Where the time in Python is Python's."""
        told = []
        for one in self.weighing.candidates:
            slow, quick = self.weighing.facts[one.name]["python_ms"], self.weighing.costs[one.name].engine.p50_ms
            if slow is not None and slow >= FLATTERS * quick:
                told.append(f"{one.title} {number(slow)} ms in Python, {number(quick)} compiled")
        if not told:
            return []
        return [
            f"Trees are compared compiled, so that the cost of calling a library flatters no code; one row takes: "
            f"{'; '.join(told)}."
        ]

    @property
    def limits_told(self) -> str:
        """How the target was taken."""
        threads = self.asked.threads
        if self.asked.target == "edge":
            default = " (the default of edge)" if self.budget.memory_mb == EDGE_MEMORY_MB else ""
            return f"edge: one thread, at most {self.budget.memory_mb:g} MB resident{default}"
        return f"server: {threads} thread{'s' * (threads > 1)}, batches of {BATCH}"

    @property
    def missing(self) -> list[tuple[str, str]]:
        """(what, why) of what is not among the candidates."""
        return [*self.asked.missing_, *self.weighing.refused.items()]


def needs() -> dict[str, Any]:
    """What must be installed to answer with model.onnx: packages with versions, and their megabytes here."""
    found: dict[str, str] = {}
    waiting, size = list(RUNTIME), 0
    while waiting:
        name = waiting.pop()
        try:
            one = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if name.lower() in found:
            continue
        found[name.lower()] = one.version
        size += sum(file.size or 0 for file in one.files or [])
        required = [line for line in one.requires or [] if ";" not in line]
        waiting += [match[0] for line in required if (match := NAME.match(line))]
    return {"packages": dict(sorted(found.items())), "installed_mb": size / 1e6}


def _quantiles(pace: Any) -> dict[str, float]:
    return {"p50": pace.p50_ms, "p90": pace.p90_ms, "p99": pace.p99_ms, "low": pace.low_ms, "high": pace.high_ms}
