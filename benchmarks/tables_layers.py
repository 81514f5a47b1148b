"""Layer transfer for docs/figures.md and docs/layers.md:  python benchmarks/tables_layers.py

Reads  results/layer_transfer.json.
Gives  a section of figures.md, and what stands in layers.md between `<!-- figures -->` and `<!-- end of figures -->`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rendering import about, load, shown, table
from svg_plots import Line, curves

PAGE = Path(__file__).parent.parent / "docs" / "layers.md"
PLACE = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)
CLAIM = {"input shift": "back", "task shift": "front"}


def contests(result: dict[str, Any]) -> str:
    """Back minus front of every cell, label count and number of steps."""
    lines = []
    for row in result["rows"]:
        for one in row["better"]:
            claimed = CLAIM[row["shift"]]
            judged = "open" if one["verdict"] == "open" else "holds" if one["verdict"] == claimed else "fails"
            lines.append(
                [
                    row["data"],
                    row["shift"],
                    str(row["steps"]),
                    str(one["labels"]),
                    shown(one["back_minus_front"], sign=True),
                    ", ".join(f"{value:+.3f}" for value in one["per_seed"]),
                    one["verdict"],
                    judged,
                ]
            )
    columns = ["data", "shift", "steps", "labels per class", "back minus front", "by seed or split", "better"]
    return table([*columns, "the claim"], lines)


def verdict(result: dict[str, Any]) -> str:
    """Whether the kind of shift decides, in words, by data, labels and steps."""
    found = {(row["data"], row["shift"], row["steps"], one["labels"]): one["verdict"]
             for row in result["rows"] for one in row["better"]}  # fmt: skip
    told = []
    for data in dict.fromkeys(row["data"] for row in result["rows"]):
        for labels in sorted({key[3] for key in found}):
            key = (data, "input shift", result["rows"][0]["steps"], labels)
            pair = found[key], found[data, "task shift", *key[2:]]
            what = "holds" if pair == ("back", "front") else "does not hold" if pair[0] != "back" else "stays open"
            told.append(f"{data}, {labels} labels per class: {what} (input shift {pair[0]}, task shift {pair[1]})")
    return (
        "The claim is that the sign of back minus front differs between the two kinds of shift, each with a 95 % "
        f"interval that excludes 0, in speech and in pictures. It {_whole(told)}. {'; '.join(told)}."
    )


def _whole(told: list[str]) -> str:
    held = sum(": holds" in one for one in told)
    return f"held in {held} of {len(told)} pairs of cells"


def treatments(result: dict[str, Any], labels: int, steps: int) -> str:
    """Accuracy of every treatment in every cell."""
    rows = [row for row in result["rows"] if row["steps"] == steps]
    rows = [row for row in rows if any(one["labels"] == labels for one in row["rows"])]
    names = list(dict.fromkeys(one["treatment"] for row in rows for one in row["rows"]))
    lines = []
    for name in names:
        cells = []
        for row in rows:
            mine = [one for one in row["rows"] if (one["treatment"], one["labels"]) == (name, labels)]
            cells.append(shown([mine[0][key] for key in ("accuracy", "low", "high")]) if mine else "")
        lines.append([name, *cells])
    return table(["treatment", *[f"{row['data']}, {row['shift']}" for row in rows]], lines)


def probes(result: dict[str, Any]) -> str:
    """Probes of every block for digit and speaker."""
    found, lines = result["probes"], []
    blocks = sorted({one["block"] for one in found})
    for net in dict.fromkeys(one["net"] for one in found):
        for asked in ("digit", "speaker"):
            cells = []
            for block in blocks:
                some = [one["accuracy"] for one in found
                        if (one["net"], one["asked"], one["block"]) == (net, asked, block)]  # fmt: skip
                cells.append(f"{sum(some) / len(some):.3f} ({min(some):.3f} to {max(some):.3f})")
            lines.append([net, asked, *cells])
    return table(["net", "asked", *[f"block {one}" for one in blocks]], lines)


def draw() -> None:
    """docs/pictures/layers_*.svg: front and back copies over the number of blocks."""
    result = load("layer_transfer")
    if result is None:
        return
    for steps in dict.fromkeys(row["steps"] for row in result["rows"]):
        panels = []
        for row in (row for row in result["rows"] if row["steps"] == steps):
            lines = []
            for kind in ("front", "back"):
                mine = [one for one in row["rows"] if one["kind"] == kind and one["labels"] == 5]
                lines.append(Line(kind, *([one[key] for one in mine] for key in ("k", "accuracy", "low", "high"))))
            panels.append((f"{row['data']}, {row['shift']}", lines))
        curves(f"layers_{steps}", panels, "copied blocks", "accuracy, 5 labels per class")


def figures() -> str:
    """What stands on docs/layers.md."""
    result = load("layer_transfer")
    if result is None:
        return ""
    steps = list(dict.fromkeys(row["steps"] for row in result["rows"]))
    return "\n\n".join(
        [
            verdict(result),
            contests(result),
            *(f"![Accuracy over copied blocks, {one} steps](pictures/layers_{one}.svg)" for one in steps),
            "Every treatment at 5 labels per class:",
            treatments(result, 5, steps[0]),
            "What a linear probe with 10 labels per class reads off every block (maps pooled to 2 x 2; mean and range "
            "of three seeds) of a net that was trained on the spoken digits of four speakers, and of a random net:",
            probes(result),
            about(result),
        ]
    )


def sections() -> list[str]:
    """The sections for docs/figures.md."""
    result = load("layer_transfer")
    if result is None:
        return []
    steps = list(dict.fromkeys(row["steps"] for row in result["rows"]))
    parts = [
        "## Which layers to copy",
        "Accuracy on test rows, 95 % intervals over splits or seeds and test rows at once; what came out is told in "
        "[layers.md](layers.md).",
        contests(result),
    ]
    for some in steps:
        for labels in sorted({one["labels"] for row in result["rows"] if row["steps"] == some for one in row["rows"]}):
            parts += [f"{some} steps, {labels} labels per class:", treatments(result, labels, some)]
    return ["\n\n".join([*parts, about(result)])]


def page() -> str:
    """docs/layers.md with its figures made anew."""
    text = PAGE.read_text(encoding="utf-8")
    return PLACE.sub(lambda found: f"{found[1]}\n{figures()}\n\n{found[2]}", text)


if __name__ == "__main__":
    draw()
    PAGE.write_text(page(), encoding="utf-8")
