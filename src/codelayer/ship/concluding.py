"""The end of `ship fit`: every file of its folder.

Reads  `Found`.
Gives  model.onnx, bundle/ (where the model has one; it holds model.onnx too), report.html and, last of all, ship.json;
       `Shipped`.
Skips  nothing halfway: a file is there only when it is whole.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

from ..bundle import ONNX, attach, plain, write_atomic
from ..study.verdict import machine
from .choosepage import write_choice
from .found import Found, needs
from .outcome import BUNDLE, GRAPH, RECORD, REPORT, Shipped


def conclude(found: Found) -> Shipped:
    """Write every file of the folder."""
    folder, winner = found.folder, found.decision.winner
    weighing = found.weighing
    write_atomic(folder / GRAPH, weighing.models[winner].original)
    place = weighing.job(weighing.candidate(winner)).place
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    if place.is_dir():  # int8 and float16 forms, and LightGBM, are graphs alone
        shutil.copytree(place, folder / BUNDLE)
        attach(folder / BUNDLE, ONNX, weighing.models[winner].original)
    facts = facts_of(found)
    write_choice(found, facts)
    write_atomic(folder / RECORD, json.dumps(plain(facts), indent=2, ensure_ascii=False).encode())
    return Shipped.read(folder)


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
