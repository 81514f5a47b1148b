"""The outcome of `ship fit` as one HTML file.

Reads  `Found` and ship.json.
Gives  report.html: the answer, why, score against latency and against size, the bill, what it needs, what is missing.
Skips  anything that is not in ship.json or in the bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..report import Point, Report, number, scatter
from ..report.terminal import duration
from .choosetext import SHORT, bill
from .found import Found


def write_choice(found: Found, facts: Mapping[str, Any]) -> None:
    """Write report.html."""
    page = Report(f"What to ship for {facts['data']}", facts["limits"], warned="note")
    first, *rest = facts["sentences"]
    page.lead(first)
    rows = facts["rows"]
    page.facts(
        [
            ("learned from", rows["train"]),
            ("chosen on", rows["choose"]),
            ("reported on", rows["report"]),
            ("candidates", len(facts["candidates"])),
            ("took", duration(facts["seconds"])),
        ]
    )
    for line in facts["warnings"]:
        page.warn(line)
    page.section("Why")
    for line in rest:
        page.text(line)
    _pictures(page, found, facts)
    page.section("The bill")
    table, chosen = bill(facts)
    page.table(SHORT, table, f"{facts['score']} on the report rows, and what each candidate costs.", highlight=chosen)
    _more(page, facts)
    _needs(page, facts)
    _methods(page, found, facts)
    page.write(found.folder / "report.html")


def _pictures(page: Report, found: Found, facts: Mapping[str, Any]) -> None:
    page.section("Score against cost")
    limits = found.budget.limits()
    for what, label, limit in (
        ("latency", "ms for one row, from the raw row to the answer", limits.get("latency_ms")),
        ("size", "MB of model.onnx", limits.get("size_mb")),
    ):
        points = [
            Point(
                one["title"],
                one["end_to_end_ms"]["p50"] if what == "latency" else one["size_mb"],
                *one["score"],
                emphasis=one["name"] == facts["chosen"],
            )
            for one in facts["candidates"]
        ]
        drawn = scatter(points, label, facts["score"], chance=None, limit=limit)
        budget = "" if limit is None else " The broken upright line is the budget."
        page.figure(
            drawn,
            f"Score with its 95 % interval against {what} (logarithmic). Nothing lies above and to the left of the "
            f"stepped line.{budget}",
        )


def _more(page: Report, facts: Mapping[str, Any]) -> None:
    columns = [
        "candidate",
        "AUC",
        "choosing score",
        "parameters",
        "multiply-adds",
        "ms in Python",
        "over the budget",
    ]
    rows = [
        [
            one["title"],
            one["auc"],
            one["choose_score"],
            one["parameters"],
            one["multiply_adds"],
            one["python_ms"],
            one["over_budget"] or "",
        ]
        for one in facts["candidates"]
    ]
    page.table(columns, rows, "Beside the bill. In Python: one row by the call of scikit-learn or LightGBM itself.")


def _needs(page: Report, facts: Mapping[str, Any]) -> None:
    page.section("What it needs")
    needed = facts["needs"]
    rows = [[name, version] for name, version in needed["packages"].items()]
    page.table(["package", "version"], rows, f"To answer with model.onnx: {needed['installed_mb']:.0f} MB installed.")
    if "bundle" in facts["files"]:
        page.text("The same model lies in `bundle`, for `codelayer predict` and for codelayer-runtime.")


def _methods(page: Report, found: Found, facts: Mapping[str, Any]) -> None:
    page.section("What was not measured, and why")
    missing = [[one["what"], one["why"]] for one in facts["not_measured"]]
    missing.append(["energy", "only time, size and memory are measured"])
    missing.append(["seeds", "every candidate was fitted once: the intervals are over scored rows alone"])
    page.table(["what", "why"], missing, "")
    page.section("How it was done", closed=True)
    learned = [[one.title, one.sentence] for one in found.weighing.candidates if one.sentence]
    if learned:
        page.table(["code", "objective"], learned, "The sentences of the learned codes; each has a linear head.")
    page.text(
        f"Rows fell into three parts with seed {facts['seed']}; groups and exact duplicates were kept together. Every "
        "candidate learned from the training part, was compiled to ONNX, and was scored and timed in that form by ONNX "
        "Runtime; the choice was made on the second part, every figure above is from the third. "
        f"Forecast: {duration(facts['forecast_seconds'])}; taken: {duration(facts['seconds'])} with "
        f"{number(facts['workers'])} worker(s) on {facts['machine']['cores']} cores."
    )
