"""The card as a page: what was measured of one code, beside chance, raw features and PCA of equal width.

Reads  the dict that `measure.cards.card` gives.
Gives  one self-contained HTML file.
Skips  measuring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..report import Report, Series, curves, interval, number

CURVES = {"linear_area": "linear probe", "knn_area": "nearest neighbours"}
ORDER = ("linear_area", "knn_area", "labels_saved", "trustworthiness", "continuity", "explained_share")


def write_card(card: Mapping[str, Any], path: str | Path, name: str, notes: Sequence[str] = ()) -> Path:
    """Write the page of a card.

    name   what was measured, such as the file's name
    notes  what was left out before measuring
    """
    page = Report(f"The card of {name}", "measured by Codelayer")
    page.lead(_lead(card))
    features = "not given" if card["features"] is None else card["features"]
    labels = {"class": "classes", "number": "numbers"}.get(card["task"], "not given")
    page.facts([("rows", card["n"]), ("units", card["units"]), ("raw features", features), ("labels", labels)])
    for note in (*notes, *card["notes"]):
        page.warn(note)
    page.section("What was measured")
    columns, rows = card_cells(card)
    page.table(
        columns,
        rows,
        "Beside every value stand its 95 % interval, what luck gives, and the same of the raw features and of a PCA "
        "with as many units; a dash where there is none.",
    )
    _label_curves(page, card)
    page.section("What could not be measured")
    missing = [[one["name"], ", ".join(one["needs"]), one["why"]] for one in card["not_measured"]]
    page.table(["metric", "would need", "why"], missing, "" if missing else "Everything was measured.")
    page.section("When not to trust a value", closed=True)
    page.table(
        ["metric", "asks", "do not trust it with", "chance is", "interval from", "source"],
        [[m["name"], m["question"], m["distrust"], m["null"], m["interval"], m["source"]] for m in card["metrics"]],
        "",
    )
    return page.write(path)


def card_cells(card: Mapping[str, Any]) -> tuple[list[Any], list[list[Any]]]:
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
    for one in _sorted(card):
        value = one["value"]
        shown = value if one["low"] is None else (interval(value, one["low"], one["high"]), value)
        beside = [one[key] for key in ("chance", "raw", "pca", "worst", "best", "n")]
        rows.append([one["name"].replace("_", " "), shown, *beside])
    return columns, rows


def _sorted(card: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(card["metrics"], key=lambda one: places.get(one["name"], len(places)))


def _lead(card: Mapping[str, Any]) -> str:
    by_name = {one["name"]: one for one in card["metrics"]}
    told = []
    area = by_name.get("linear_area")
    if area is not None:
        told.append(f"A linear probe with few labels scores {_beside(area)}.")
    trust = by_name.get("trustworthiness")
    if trust is not None:
        told.append(f"Its neighbourhoods can be trusted to {_beside(trust)}.")
    if not told:
        told.append("Neither labels nor raw features were given, so that this card tells only what the code is like.")
    return f"{card['n']:,} rows, {card['units']} numbers each. {' '.join(told)}"


def _beside(one: Mapping[str, Any]) -> str:
    named = (("chance", "chance"), ("raw", "raw features"), ("pca", "PCA of equal width"))
    others = [f"{word} {number(one[key])}" for key, word in named if one[key] is not None]
    return f"{interval(one['value'], one['low'], one['high'])} ({', '.join(others)})"


def _label_curves(page: Report, card: Mapping[str, Any]) -> None:
    lines = [
        Series(CURVES[one["name"]], one["more"]["counts"], one["more"]["scores"])
        for one in card["metrics"]
        if one["name"] in CURVES and len(one["more"].get("counts", ())) > 1
    ]
    if not lines:
        return
    page.section("Label curves")
    unit, score = ("labels per class", "balanced accuracy") if card["task"] == "class" else ("labelled rows", "R2")
    chance = next(one["chance"] for one in card["metrics"] if one["name"] in CURVES)
    page.figure(curves(lines, unit, score, chance=chance), f"Mean {score} of each probe as labels grow.")
