"""The outcome of `ship fit`: the files of its folder, and the object that holds what they say.

Reads  `Found`.
Gives  model.onnx, bundle/ (where the model has one), report.html and, last of all, ship.json; `Shipped`.
Skips  nothing halfway: a file is there only when it is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import plain, write_atomic
from ..errors import BundleError
from ..study.verdict import machine
from .found import Found, needs
from .whole import answers, opened

GRAPH, BUNDLE, REPORT, RECORD = "model.onnx", "bundle", "report.html", "ship.json"


@dataclass(frozen=True)
class Shipped:
    """A finished choice.

    folder  that holds its files
    facts   ship.json: "chosen", "sentences", "candidates" (the bill of each), "front", "budget", "needs", ...
    """

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, folder: str | Path) -> Shipped:
        """The choice that a folder holds.

        errors  BundleError: there is none, or it is damaged
        """
        file = Path(folder) / RECORD
        try:
            return cls(Path(folder), json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise BundleError(f"{folder} holds no choice ({error})", "run `codelayer ship fit` again") from None

    @property
    def chosen(self) -> str:
        """The name of the candidate that was chosen."""
        return str(self.facts["chosen"])

    @property
    def sentences(self) -> list[str]:
        """The answer, and why."""
        return list(self.facts["sentences"])

    @property
    def candidates(self) -> dict[str, dict[str, Any]]:
        """Candidate -> its bill: score with interval, milliseconds, megabytes, training seconds."""
        return {one["name"]: one for one in self.facts["candidates"]}

    @property
    def graph(self) -> Path:
        """model.onnx."""
        return self.folder / GRAPH

    def answers(self, rows: Any, threads: int = 1) -> np.ndarray:
        """Probabilities (rows, classes), in the order of facts["classes"], or numbers (rows,), of raw rows.

        rows    a Table or array of the kind that was learned from
        errors  DataError: rows of another kind
        """
        return answers(opened(self.graph.read_bytes(), GRAPH, threads), rows)


def conclude(found: Found) -> Shipped:
    """Write every file of the folder."""
    from .choosepage import write_choice

    folder, winner = found.folder, found.decision.winner
    weighing = found.weighing
    write_atomic(folder / GRAPH, weighing.models[winner].original)
    place = weighing.job(weighing.candidate(winner)).place
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    if place.is_dir():  # int8 and float16 forms, and LightGBM, are graphs alone
        shutil.copytree(place, folder / BUNDLE)
    facts = facts_of(found)
    write_choice(found, facts)
    write_atomic(folder / RECORD, json.dumps(plain(facts), indent=2, ensure_ascii=False).encode())
    return Shipped(folder, json.loads((folder / RECORD).read_text(encoding="utf-8")))


def facts_of(found: Found) -> dict[str, Any]:
    """ship.json as plain JSON."""
    asked, winner = found.asked, found.decision.winner
    files = {"model": GRAPH, "report": REPORT}
    if (found.folder / BUNDLE).is_dir():
        files["bundle"] = BUNDLE
    return {
        "chosen": winner,
        "title": found.weighing.titles[winner],
        "sentences": found.sentences,
        "task": found.parts.task,
        "classes": list(found.weighing.target.classes),
        "score": found.score_name,
        "chance": found.chance,
        "target": asked.target,
        "threads": asked.threads,
        "limits": found.limits_told,
        "budget": found.budget.limits(),
        "best_on_choose": found.decision.best,
        "ties": list(found.decision.ties),
        "behind": {name: list(gap) for name, gap in found.decision.behind.items()},
        "front": found.front,
        "candidates": [found.record(name) for name in found.order],
        "not_measured": [{"what": what, "why": why} for what, why in found.missing],
        "warnings": asked.warnings_,
        "rows": {name: len(getattr(found.parts, name)) for name in ("train", "choose", "report")},
        "data": found.parts.data.name,
        "seed": asked.seed,
        "needs": needs(),
        "files": files,
        "seconds": round(found.seconds, 1),
        "forecast_seconds": round(found.plan.total, 1),
        "workers": found.plan.workers,
        "machine": machine(),
    }
