"""A layer transfer for people: printed lines, one HTML page, one JSON file.

Reads  `LayerTransfer`.
Gives  `layers_text`, `write_layers`.
Skips  anything that is not in the result.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..bundle import plain, write_atomic
from ..report import Report, Series, bars, curves, interval, table_text
from .outcomes import INPUT, LayerTransfer
from .treatments import ALL, BACK, BACK_TUNED, FRONT, FRONT_TUNED, HEAD, ONE, ZERO

ABOUT = {
    FRONT: "the first k blocks copied and held, the rest and the head trained anew",
    BACK: "the last k blocks copied and held, the rest trained anew",
    FRONT_TUNED: "the first k blocks copied, everything trained",
    BACK_TUNED: "the last k blocks copied, everything trained",
    ONE: "everything copied, one block trained",
    ALL: "everything copied, everything trained",
    HEAD: "everything copied, the head alone trained",
    ZERO: "the source net as it is",
}
SHIFTS = {
    INPUT: "The target has the source's classes: the input shifted. Back copies and full copies of which one block "
    "learns keep the source's classifier.",
    "task shift": "The target has other classes than the source: the task shifted. Every treatment has a new "
    "classifier, so that front 0 and back 0 are one (all anew), and so are the copies of all blocks.",
}


def layers_text(found: LayerTransfer) -> str:
    """The table and what follows from it, for a terminal."""
    lines = []
    for labels in found.counts:
        rows = [
            [row["treatment"], interval(row["accuracy"], row["low"], row["high"])]
            for row in found.rows
            if row["labels"] == labels
        ]
        lines += [f"{labels} labels per class", table_text(["treatment", "accuracy [95 %]"], rows), ""]
    return "\n".join([*lines, *found.sentences])


def write_layers(found: LayerTransfer, folder: str | Path, source: str, target: str) -> Path:
    """Write layers.json and report.html into a folder; the page's path."""
    place = Path(folder)
    record = {"source": source, "target": target, **found.record()}
    write_atomic(place / "layers.json", (json.dumps(plain(record), indent=1) + "\n").encode())
    page = Report(f"Which layers to copy: {source} to {target}", found.shift, warned="note")
    page.lead(found.sentences[0] if found.sentences else found.shift)
    page.facts(_facts(found))
    for note in found.notes:
        page.warn(note)
    for line in found.sentences[1:]:
        page.text(line)
    page.text(SHIFTS[found.shift])
    for labels in found.counts:
        _section(page, found, labels)
    _methods(page, found)
    page.write(place / "report.html")
    return place / "report.html"


def _facts(found: LayerTransfer) -> list[tuple[str, Any]]:
    seeds = len(found.source_accuracy)
    accuracy = sum(found.source_accuracy) / seeds
    return [
        ("shift", found.shift),
        ("blocks", found.blocks),
        ("seeds", seeds),
        ("source net on held-out source rows", accuracy),
        ("chance", found.chance),
    ]


def _section(page: Report, found: LayerTransfer, labels: int) -> None:
    page.section(f"{labels} labels per class")
    rows = [row for row in found.rows if row["labels"] == labels]
    page.figure(
        copies_figure(found, labels),
        "Accuracy on the target's test rows over the number of copied blocks, with 95 % intervals.",
    )
    page.figure(
        blocks_figure(found, labels),
        "Full copies: which part learns. The broken line is training from scratch.",
    )
    columns = ["treatment", "accuracy", "low", "high", "seconds", "what it is"]
    keys = ("treatment", "accuracy", "low", "high", "seconds")
    page.table(
        columns,
        [[*(row[name] for name in keys), ABOUT[row["kind"]]] for row in rows],
        f"Accuracy with {labels} labelled target rows per class, mean over seeds, 95 % interval; seconds to train.",
    )


def copies_figure(found: LayerTransfer, labels: int) -> Any:
    """Front and back copies over the number of blocks."""
    lines = []
    for kind in (FRONT, BACK, FRONT_TUNED, BACK_TUNED):
        mine = [row for row in found.rows if row["labels"] == labels and row["kind"] == kind]
        if mine:
            k, value, low, high = ([row[name] for row in mine] for name in ("k", "accuracy", "low", "high"))
            lines.append(Series(kind, k, value, low, high, dashed=kind in (FRONT_TUNED, BACK_TUNED)))
    return curves(lines, "copied blocks", "accuracy", log_x=False, chance=found.chance)


def blocks_figure(found: LayerTransfer, labels: int) -> Any:
    """Full copies by what learns, beside training from scratch."""
    rows = {row["treatment"]: row for row in found.rows if row["labels"] == labels}
    mine = [row for row in rows.values() if row["kind"] in (ONE, ALL, HEAD, ZERO)]
    columns = [[row[name] for row in mine] for name in ("treatment", "accuracy", "low", "high")]
    return bars(*columns, chance=rows["front 0"]["accuracy"], x_label="accuracy", named="from scratch")


def _methods(page: Report, found: LayerTransfer) -> None:
    page.section("How it was done", closed=True)
    page.text(
        "Per seed a source net was trained, and target rows were drawn to learn from. Everything that was copied and "
        "held kept its bits, running statistics too; everything else began as the same random net, saw the same rows "
        "in the same order and learned at the same rates. Nothing was chosen on the test rows."
    )
    page.text(
        "Back minus front: of copies of at least one and not all blocks, in every seed the number of blocks that was "
        "best on target rows that were neither learned from nor tested on. Intervals are 95 %, of a bootstrap over "
        "seeds and test rows at once, widened for few seeds."
    )
    page.table(["setting", "value"], [[name, str(one)] for name, one in found.settings.items()], "")
