"""The outcome of `ship fit` for a terminal: the bill as a table, the sentences, what to type next.

Reads  ship.json.
Gives  columns, rows and the chosen row, as `report.table_text` and `Report.table` take them; all of it as text.
Skips  the work itself: a run that was complete already prints the same.
"""

from __future__ import annotations

from typing import Any

from ..report import number, table_text
from .outcome import Shipped

SHORT = [
    ("candidate", ""),
    ("score", "with its 95 % interval over rows"),
    ("ms", "one row, from the raw row to the answer, median"),
    ("p99", "the slowest hundredth of such calls"),
    ("engine ms", "one row, compute alone, median"),
    ("rows/s", "compute alone, in batches"),
    ("MB", "of model.onnx"),
    ("MB resident", "a process that answers, interpreter and ONNX Runtime included"),
    ("fit s", "training, head included"),
    ("", "on the Pareto front of score, latency and size; over the budget"),
]


def choice_text(done: Shipped) -> str:
    """What `codelayer ship fit` prints."""
    facts = done.facts
    rows, chosen = bill(facts)
    needed = facts["needs"]
    packages = ", ".join(f"{name} {version}" for name, version in needed["packages"].items())
    missing = [f"not measured: {one['what']}: {one['why']}" for one in facts["not_measured"]]
    return "\n".join(
        [
            "",
            table_text([name for name, _ in SHORT], rows, highlight=chosen),
            "",
            f"{facts['score']} on {facts['rows']['report']:,} report rows; {facts['limits']}; * the choice",
            "",
            *facts["sentences"],
            *missing,
            "",
            f"needs:  {packages} ({needed['installed_mb']:.0f} MB installed)",
            f"model:  {done.graph}",
            f"bundle: {done.folder / facts['files']['bundle']}"
            if "bundle" in facts["files"]
            else "bundle: none, this choice is a graph alone: run it with ONNX Runtime",
            f"report: {done.folder / facts['files']['report']}",
        ]
    )


def bill(facts: Any) -> tuple[list[list[Any]], int]:
    """The rows of the table, best score first, and which is the choice."""
    rows: list[list[Any]] = []
    for one in facts["candidates"]:
        value, low, high = one["score"]
        whole, engine = one["end_to_end_ms"], one["engine_ms"]
        rate = round(one["rows_per_second"])
        marks = ["front"] if one["on_front"] else []
        marks += ["over budget"] if one["over_budget"] else []
        rows.append(
            [
                one["title"],
                (f"{value:.3f} [{low:.3f}, {high:.3f}]", value),
                whole["p50"],
                whole["p99"],
                engine["p50"],
                (number(rate), rate),
                one["size_mb"],
                None if one["memory_mb"] is None else (f"{one['memory_mb']:.0f}", one["memory_mb"]),
                one["training_seconds"],
                ", ".join(marks),
            ]
        )
    return rows, [one["name"] for one in facts["candidates"]].index(facts["chosen"])
