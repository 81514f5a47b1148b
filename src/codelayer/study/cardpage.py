"""The card of one code: from files of codes, labels and data to card.json and a page.

Reads  a file of codes; labels and the data they were made from, where there are any.
Gives  the dict of `measure.cards.card`, its table for a terminal, card.json and the self-contained card.html.
Skips  the metrics themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import plain, write_atomic
from ..data import Schema, load_data, rows_of
from ..data.codefiles import read_codes
from ..data.labels import as_labels, read_labels
from ..errors import DataError, RunError
from ..measure import card
from ..report import Report, Series, curves, interval, number

CURVES = {"linear_area": "linear probe", "knn_area": "nearest neighbours"}
MOST_ROWS = 10_000
ORDER = ("linear_area", "knn_area", "labels_saved", "trustworthiness", "continuity", "explained_share")


def card_of_files(
    codes: str, labels: str | None = None, x: str | None = None, task: str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Measure a file of codes. Rows whose code is NaN are left out, and of many rows MOST_ROWS are drawn; notes say so.

    codes   see `data.codefiles`
    labels  a file, row for row; or a column (in an .npz an array) of x
    x       any source, encoded by its own schema; labels that are part of it are used by default
    errors  DataError: files that cannot be read, or do not fit each other
    """
    if task not in (None, "class", "number"):
        raise DataError(f"task={task!r} is not known", "it is class or number")
    values = read_codes(codes)[1]
    good = ~np.isnan(values).any(axis=1)
    notes = [f"{(~good).sum():,} rows have no code (NaN) and are left out"] if not good.all() else []
    coded = kept = np.flatnonzero(good)
    if len(coded) > MOST_ROWS:
        kept = np.sort(np.random.default_rng([seed, 41]).permutation(coded)[:MOST_ROWS])
        notes.append(f"{MOST_ROWS:,} of {len(coded):,} rows are measured, drawn at random")
    given: dict[str, Any] = {}
    if x is not None:
        data = load_data(x, label=labels)
        rows = rows_of(data.x)
        if rows not in (len(values), len(coded)):
            raise DataError(f"{codes} has {len(values)} rows, {x} has {rows}", "row i of each must be the same sample")
        schema = Schema.fit(data.x)
        notes += [*data.notes, *schema.notes]
        data = data.take(kept if rows == len(values) else np.searchsorted(coded, kept))
        given = {"x": schema.encode(data.x), "labels": data.labels}
    elif labels is not None:
        known, told = as_labels(read_labels(Path(labels), len(values)), len(values))
        notes += told
        given = {"labels": None if known is None else known[kept]}
    found = card(values[kept], task=task, seed=seed, **given)
    return found | {"codes": codes, "notes": [*notes, *found["notes"]]}


def save_card(found: Mapping[str, Any], folder: str | Path) -> Path:
    """Write card.json and card.html into a folder; returns the page.

    errors  RunError: the folder is a file, or cannot be written
    """
    folder = Path(folder)
    if folder.is_file():
        raise RunError(f"{folder} is a file, not a folder", "choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "card.json", json.dumps(plain(found), indent=2, ensure_ascii=False).encode())
    return write_card(found, folder / "card.html")


def write_card(found: Mapping[str, Any], path: str | Path) -> Path:
    """Write the page of a card."""
    page = Report(f"The card of {Path(found['codes']).name}", "measured by Codelayer")
    page.lead(_lead(found))
    features = "not given" if found["features"] is None else found["features"]
    labels = {"class": "classes", "number": "numbers"}.get(found["task"], "not given")
    page.facts([("rows", found["n"]), ("units", found["units"]), ("raw features", features), ("labels", labels)])
    for note in found["notes"]:
        page.warn(note)
    page.section("What was measured")
    columns, rows = card_cells(found)
    page.table(
        columns,
        rows,
        "Beside every value stand its 95 % interval, what luck gives, and the same of the raw features and of a PCA "
        "with as many units; a dash where there is none.",
    )
    _label_curves(page, found)
    page.section("What could not be measured")
    missing = [[one["name"], ", ".join(one["needs"]), one["why"]] for one in found["not_measured"]]
    page.table(["metric", "would need", "why"], missing, "" if missing else "Everything was measured.")
    page.section("When not to trust a value", closed=True)
    page.table(
        ["metric", "asks", "do not trust it with", "chance is", "interval from", "source"],
        [[m["name"], m["question"], m["distrust"], m["null"], m["interval"], m["source"]] for m in found["metrics"]],
        "",
    )
    return page.write(path)


def card_cells(found: Mapping[str, Any]) -> tuple[list[Any], list[list[Any]]]:
    """Columns and rows of a card's table, also for a terminal: one line per metric, value and interval in one cell."""
    columns = [
        "metric",
        ("value", "with its 95 % interval, where it has one"),
        ("chance", "what luck gives"),
        ("raw features", "the same metric on the raw features"),
        ("PCA", "the same metric on a PCA of equal width"),
        ("worst", "a code that knows nothing"),
        ("best", "a perfect code"),
        ("rows", "rows, or units, the value is taken from"),
    ]
    rows = []
    for one in _sorted(found):
        value = one["value"]
        shown = value if one["low"] is None else (interval(value, one["low"], one["high"]), value)
        beside = [one[key] for key in ("chance", "raw", "pca", "worst", "best", "n")]
        rows.append([one["name"].replace("_", " "), shown, *beside])
    return columns, rows


def _sorted(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(found["metrics"], key=lambda one: places.get(one["name"], len(places)))


def _lead(found: Mapping[str, Any]) -> str:
    by_name = {one["name"]: one for one in found["metrics"]}
    told = []
    area = by_name.get("linear_area")
    if area is not None:
        told.append(f"A linear probe with few labels scores {_beside(area)}.")
    trust = by_name.get("trustworthiness")
    if trust is not None:
        told.append(f"Its neighbourhoods can be trusted to {_beside(trust)}.")
    if not told:
        told.append("Neither labels nor raw features were given, so that this card tells only what the code is like.")
    return f"{found['n']:,} rows, {found['units']} numbers each. {' '.join(told)}"


def _beside(one: Mapping[str, Any]) -> str:
    named = (("chance", "chance"), ("raw", "raw features"), ("pca", "PCA of equal width"))
    others = [f"{word} {number(one[key])}" for key, word in named if one[key] is not None]
    return f"{interval(one['value'], one['low'], one['high'])} ({', '.join(others)})"


def _label_curves(page: Report, found: Mapping[str, Any]) -> None:
    lines = [
        Series(CURVES[one["name"]], one["more"]["counts"], one["more"]["scores"])
        for one in found["metrics"]
        if one["name"] in CURVES and len(one["more"].get("counts", ())) > 1
    ]
    if not lines:
        return
    page.section("Label curves")
    unit, score = ("labels per class", "balanced accuracy") if found["task"] == "class" else ("labelled rows", "R2")
    chance = next(one["chance"] for one in found["metrics"] if one["name"] in CURVES)
    page.figure(curves(lines, unit, score, chance=chance), f"Mean {score} of each probe as labels grow.")
