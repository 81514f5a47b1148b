"""Write docs/figures.md from benchmarks/results/*.json:  python benchmarks/tables.py

Every figure of the documents comes from here. A test holds the committed page against the committed results.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tables_choose
import tables_distributed
import tables_export
import tables_factors
import tables_finetune
import tables_layers
import tables_learning
import tables_measure
import tables_pays
import tables_runtime
import tables_ship
import tables_sparse
import tables_speed
import tables_transfer
import tables_wide
from rendering import about, load, ratio, table

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "figures.md"
TOPICS = (
    tables_pays,
    tables_learning,
    tables_sparse,
    tables_wide,
    tables_factors,
    tables_distributed,
    tables_measure,
    tables_speed,
    tables_export,
    tables_ship,
    tables_choose,
    tables_runtime,
    tables_finetune,
    tables_transfer,
    tables_layers,
)
HEAD = """# Figures

Measured by the scripts in `benchmarks/`, on the machine each table names; written by `benchmarks/tables.py` from the
committed files in `benchmarks/results/`. Speed is given as ratios of contestants that took turns in one run, with the
lowest and highest of the rounds in brackets. Scores carry 95 % intervals.
"""


def labels_saved(data: str) -> str:
    """The label curves of the study of one data set."""
    result = load(f"labels_saved_{data}")
    if result is None:
        return ""
    counts = sorted({int(row["metric"].split("@")[1]) for row in result["rows"] if row["metric"].startswith("linear@")})
    values = {(row["rival"], row["metric"]): row for row in result["rows"]}
    rivals = {row["rival"] for row in result["rows"] if row["metric"] == "linear_area"}
    order = sorted(rivals, key=lambda name: -values[name, "linear_area"]["value"])
    rows = []
    for name in order:
        cells = [values[name, f"linear@{count}"] for count in counts]
        area = values[name, "linear_area"]
        rows.append([name, *[_interval(one) for one in cells], _interval(area)])
    made = (
        f"`{result['command']}`: {result['draws']} label draws, "
        f"{result['seeds']} seeds, code of {result['code_size']}; {result['seconds']:.0f} s, "
        f"{result['peak_memory_mb'] / 1000:.1f} GB at most. Verdict: {result['sentences'][0]}"
    )
    return "\n\n".join(
        [
            f"## Labels saved: {data}",
            "Balanced accuracy of a linear probe on the report part by labels per class, and the area under the curve.",
            table(["rival", *[str(count) for count in counts], "area"], rows),
            made,
            about(result),
        ]
    )


def quick() -> str:
    """Quick studies: what they take and say."""
    found = {data: result for data in ("digits", "mnist") if (result := load(f"labels_saved_{data}_quick")) is not None}
    if not found:
        return ""
    rows = [
        [f"`{one['command']}`", f"{one['seconds']:.0f}", f"{one['peak_memory_mb'] / 1000:.1f}", one["sentences"][0]]
        for one in found.values()
    ]
    parts = ["## Quick studies", table(["command", "seconds", "GB at most", "verdict"], rows)]
    return "\n\n".join([*parts, about(next(iter(found.values())))])


def _interval(row: dict[str, Any]) -> str:
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def training_speed() -> str:
    """The training loop beside a bare one and peers."""
    result = load("training_speed")
    if result is None:
        return ""
    rows = [
        [
            r["data"],
            r["loop"],
            ratio(r["seconds_per_epoch"], 3),
            ratio(r["speed_of_bare"]),
            ratio(r["codelayer_is_faster_by"]),
        ]
        for r in result["rows"]
    ]
    return "\n\n".join(
        [
            "## Training speed",
            f"Training steps alone, one thread, {result['rounds']} rounds; the bare loop reaches "
            f"{result['bare_share_of_peak']:.0%} of a large matrix product's speed.",
            table(["data and net", "loop", "seconds per epoch", "speed, bare = 1", "codelayer is faster by"], rows),
            about(result),
        ]
    )


def encode_speed() -> str:
    """Encoding a million rows."""
    result = load("encode_speed")
    if result is None:
        return ""
    one = result["rows"][0]
    row = [ratio(one["seconds"], 1), ratio(one["share_of_bare"]), ratio(one["extra_memory_mb"], 0)]
    return "\n\n".join(
        [
            "## Encoding a million rows",
            f"`codelayer encode` of {one['rows']:,} x {one['columns']} float32 rows from an .npy file, one thread.",
            table(["seconds", "speed, bare forward pass = 1", "MB above the import"], [row]),
            about(result),
        ]
    )


def startup() -> str:
    """Import and help."""
    result = load("startup")
    if result is None:
        return ""
    rows = [[f"`{row['run']}`", ratio(row["seconds"])] for row in result["rows"]]
    return "\n\n".join(
        [
            "## Start",
            f"Whole processes, {result['rounds']} rounds in turns, median and range.",
            table(["process", "seconds"], rows),
            about(result),
        ]
    )


def hinton() -> str:
    """The deep autoencoder of 2006."""
    result = load("hinton_2006")
    if result is None:
        return ""
    one = result["rows"][0]
    low, high = one["test_interval"]
    rows = [
        ["published (Hinton and Salakhutdinov 2006)", "", "3.00"],
        ["PCA-30", f"{one['pca_30_train']:.2f}", f"{one['pca_30_test']:.2f}"],
        ["ours", f"{one['train']:.2f}", f"{one['test']:.2f} [{low:.2f}, {high:.2f}]"],
    ]
    return "\n\n".join(
        [
            "## MNIST, 784-1000-500-250-30",
            f"Squared error per picture. {one['net']}, {one['passes']} passes over the training pictures and "
            f"{one['copies']} altered copies of each, {one['seconds'] / 60:.0f} minutes, seed {one['seed']}.",
            table(["", "train", "test"], rows),
            about(result),
        ]
    )


def recipe_weights() -> str:
    """The calibration of the recipes."""
    result = load("recipe_weights")
    if result is None:
        return ""
    sets = list(dict.fromkeys(row["data"] for row in result["rows"]))
    keys = list(dict.fromkeys((row["recipe"], row["value"], row["text"]) for row in result["rows"]))
    rows = []
    for recipe, _, text in keys:
        cells = []
        for data in sets:
            found = [row["area"] for row in result["rows"] if row["data"] == data and row["text"] == text]
            cells.append(f"{sum(found) / len(found):.3f}")
        rows.append([recipe, f"`{text}`", *cells])
    return "\n\n".join(
        [
            "## Weights of the recipes",
            f"Mean area under the label curve on the choosing part, {result['seeds']} seeds.",
            table(["recipe", "sentence", *sets], rows),
            about(result),
        ]
    )


def page() -> str:
    """The whole page."""
    parts = [
        HEAD.strip(),
        labels_saved("digits"),
        labels_saved("mnist"),
        quick(),
        training_speed(),
        encode_speed(),
        startup(),
        hinton(),
        recipe_weights(),
        *(part for one in TOPICS for part in one.sections()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
