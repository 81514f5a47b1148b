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
                    setting(row),
                    str(one["labels"]),
                    shown(one["back_minus_front"], sign=True),
                    ", ".join(f"{value:+.3f}" for value in one["per_seed"]),
                    one["verdict"],
                    judged,
                ]
            )
    columns = ["data", "shift", "pictures, steps", "labels per class", "back minus front", "by seed or split", "better"]
    return table([*columns, "the claim"], lines)


def setting(row: dict[str, Any]) -> str:
    """How large pictures were, and how many steps."""
    return f"{row['size']} size, {row['steps']}"


def verdict(result: dict[str, Any]) -> str:
    """Whether the kind of shift decides, in words, by setting, data and labels."""
    found = {
        (setting(row), row["data"], one["labels"], row["shift"]): one["verdict"]
        for row in result["rows"]
        for one in row["better"]
    }
    told = []
    for size, data, labels in dict.fromkeys(key[:3] for key in found):
        pair = tuple(found[size, data, labels, shift] for shift in CLAIM)
        wrong = any(one not in (claimed, "open") for one, claimed in zip(pair, CLAIM.values(), strict=True))
        what = "holds" if pair == tuple(CLAIM.values()) else "fails" if wrong else "stays open"
        told.append(f"- {data}, {labels} labels per class, {size} steps: {what} ({pair[0]} under a new input, "
                    f"{pair[1]} under new classes)")  # fmt: skip
    held = sum(": holds" in one for one in told)
    return (
        "The claim is that back minus front is above 0 under a new input and below 0 under new classes, each with a "
        f"95 % interval that excludes 0, in speech and in pictures. It holds in {held} of {len(told)} pairs of "
        "cells:\n\n" + "\n".join(told)
    )


def treatments(result: dict[str, Any], labels: int, how: str) -> str:
    """Accuracy of every treatment in every cell of a setting."""
    rows = [row for row in result["rows"] if setting(row) == how]
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


def settings(result: dict[str, Any]) -> list[tuple[str, int]]:
    """Every setting with every label count."""
    return list(dict.fromkeys((setting(row), one["labels"]) for row in result["rows"] for one in row["rows"]))


def draw() -> None:
    """docs/pictures/layers.svg: front and back copies over the number of blocks, whole pictures, 5 labels."""
    result = load("layer_transfer")
    if result is None:
        return
    how, labels = settings(result)[0]
    panels = []
    for row in result["rows"]:
        mine = [one for one in row["rows"] if one["labels"] == labels]
        if setting(row) == how and mine:
            lines = []
            for kind in ("front", "back"):
                some = [one for one in mine if one["kind"] == kind]
                k, value, low, high = ([one[key] for one in some] for key in ("k", "accuracy", "low", "high"))
                lines.append(Line(kind, k, value, low, high))
            panels.append((f"{row['data']}, {row['shift']}", lines))
    curves("layers", panels, "copied blocks", f"accuracy, {labels} labels per class")


def figures() -> str:
    """What stands on docs/layers.md."""
    result = load("layer_transfer")
    if result is None:
        return ""
    how, labels = settings(result)[0]
    return "\n\n".join(
        [
            verdict(result),
            contests(result),
            "![Accuracy over copied blocks in the four cells](pictures/layers.svg)",
            f"Every treatment at {labels} labels per class, {how} steps (all others are in [figures.md](figures.md)):",
            treatments(result, labels, how),
            "What a linear probe with 10 labels per class reads off every block (pictures of half size, maps pooled to "
            "2 x 2; mean and range of three seeds) of a net that was trained on spoken digits of four speakers, and "
            "of a random net:",
            probes(result),
            about(result),
        ]
    )


def sections() -> list[str]:
    """The sections for docs/figures.md."""
    result = load("layer_transfer")
    if result is None:
        return []
    parts = [
        "## Which layers to copy",
        "Accuracy on test rows, 95 % intervals over splits or seeds and test rows at once; what came out is told in "
        "[layers.md](layers.md).",
        contests(result),
    ]
    for how, labels in settings(result):
        parts += [f"{labels} labels per class; pictures of {how} steps:", treatments(result, labels, how)]
    return ["\n\n".join([*parts, about(result)])]


def page() -> str:
    """docs/layers.md with its figures made anew."""
    text = PAGE.read_text(encoding="utf-8")
    return PLACE.sub(lambda found: f"{found[1]}\n{figures()}\n\n{found[2]}", text)


if __name__ == "__main__":
    draw()
    PAGE.write_text(page(), encoding="utf-8")
