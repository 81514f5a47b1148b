"""A comparison of cards as files: comparison.json and one self-contained page.

Reads  what `comparison.compare` gives.
Gives  `save_comparison`, and the table of a comparison for a terminal and for a page.
Skips  the tests themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bundle import plain, write_atomic
from ..errors import RunError
from ..report import Report, bars, interval, number
from .cardpage import value_cell
from .properties import PROPERTIES


def save_comparison(found: Mapping[str, Any], folder: str | Path) -> Path:
    """Write comparison.json and comparison.html into a folder; returns the page.

    errors  RunError: the folder is a file, or cannot be written
    """
    folder = Path(folder)
    if folder.is_file():
        raise RunError(f"{folder} is a file, not a folder", "choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "comparison.json", json.dumps(plain(found), indent=2, ensure_ascii=False).encode())
    return comparison_page(found).write(folder / "comparison.html")


def comparison_cells(found: Mapping[str, Any]) -> tuple[list[Any], list[list[Any]]]:
    """Columns and rows: every metric on every card, and who is better after all tests are counted."""
    names = [one["name"] for one in found["cards"]]
    rows = []
    for one in found["metrics"]:
        cells = [_value(one["values"].get(name)) for name in names]
        rows.append([one["property"], one["name"].replace("_", " "), *cells, _sure(found, one["name"])])
    return ["property", "metric", *names, ("better", "surely, after Holm's adjustment")], rows


def comparison_page(found: Mapping[str, Any]) -> Report:
    """The page of a comparison."""
    names = [one["name"] for one in found["cards"]]
    page = Report(" and ".join(names), "cards compared by Codelayer", warned="note")
    tests, sure = len(found["pairs"]), [pair for pair in found["pairs"] if pair["better"]]
    page.lead(
        f"{tests} paired tests on the same {found['cards'][0]['n']:,} rows; after Holm's adjustment {len(sure)} "
        f"differences are sure. {_won(found, names)}"
    )
    page.facts([(one["name"], f"{one['units']} units") for one in found["cards"]])
    for note in found["notes"]:
        page.warn(note)
    page.section("Side by side")
    columns, rows = comparison_cells(found)
    page.table(columns, rows, "Values with 95 % intervals. Empty where nobody is surely better.")
    for name, one in PROPERTIES.items():
        pairs = [pair for pair in found["pairs"] if _property(found, pair["metric"]) == name]
        if pairs:
            page.section(one.title)
            shown = [f"{pair['metric'].replace('_', ' ')}: {pair['a']} - {pair['b']}" for pair in pairs]
            ends = ([pair[key] for pair in pairs] for key in ("difference", "low", "high"))
            drawn = bars(shown, *ends, chance=0.0, x_label="difference", named="no difference")
            page.figure(drawn, f"{one.title}: paired differences.")
    page.section("Every test", closed=True)
    cells = [
        [pair["metric"], pair["a"], pair["b"], _difference(pair), pair["p"], pair["p_holm"], pair["better"]]
        for pair in found["pairs"]
    ]
    page.table(["metric", "a", "b", "a - b", "p", "p after Holm", "better"], cells, "Paired over rows and draws.")
    page.section("What was not tested")
    page.table(["metric", "why"], [[one["metric"], one["why"]] for one in found["untested"]], "")
    return page


def _property(found: Mapping[str, Any], metric: str) -> str:
    return next((one["property"] for one in found["metrics"] if one["name"] == metric), "")


def _won(found: Mapping[str, Any], names: list[str]) -> str:
    counts = {name: sum(pair["better"] == name for pair in found["pairs"]) for name in names}
    return ", ".join(f"{name} is better in {number(count)}" for name, count in counts.items()) + "."


def _sure(found: Mapping[str, Any], metric: str) -> str:
    told = [pair for pair in found["pairs"] if pair["metric"] == metric and pair["better"]]
    return ", ".join(f"{one['better']} than {one['b'] if one['better'] == one['a'] else one['a']}" for one in told)


def _difference(pair: Mapping[str, Any]) -> Any:
    return interval(pair["difference"], pair["low"], pair["high"]), pair["difference"]


def _value(one: Mapping[str, Any] | None) -> Any:
    return None if one is None else value_cell(one, one["bound"])
