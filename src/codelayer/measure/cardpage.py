"""A card as files: card.json, card.safetensors (what paired tests need) and one self-contained page.

Reads  a `Card`.
Gives  `save_card`, `read_card`, the table of a card for a terminal and for a page.
Skips  the metrics themselves, and their figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..bundle import plain, write_atomic
from ..errors import DataError, RunError
from ..report import Report, gauge, interval, number
from .cardfigures import figures, rebuilt_pictures, unit_cells, unit_pictures
from .cards import FORMAT, Card
from .properties import PROPERTIES

BESIDE = (("chance", "chance"), ("raw", "raw features"), ("pca", "PCA of equal width"))
OTHER = ("Other", "Metrics of your own.")
BOUNDS = {"at least": "\u2265", "at most": "\u2264", "both": "~"}
MOST_BYTES = 1 << 28
POINTS, REPLICATES = "points.", "replicates."


def save_card(card: Card, folder: str | Path, name: str = "codes") -> Path:
    """Write card.json, card.safetensors and card.html into a folder; returns the page.

    name    of the code, for the title
    errors  RunError: the folder is a file, or cannot be written
    """
    folder = Path(folder)
    if folder.is_file():
        raise RunError(f"{folder} is a file, not a folder", "choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    card.setdefault("name", name)
    write_atomic(folder / "card.json", json.dumps(plain(card), indent=2, ensure_ascii=False).encode())
    kept = {f"{POINTS}{key}": np.ascontiguousarray(one) for key, one in card.points.items()}
    kept |= {f"{REPLICATES}{key}": np.ascontiguousarray(one) for key, one in card.replicates.items()}
    write_atomic(folder / "card.safetensors", save(kept))
    return card_page(card).write(folder / "card.html")


def read_card(path: str | Path) -> Card:
    """The card that `save_card` wrote: a folder, or its card.json.

    errors  DataError: not there, no card, or of another version
    """
    path = Path(path)
    path = path / "card.json" if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"there is no card at {path}", "give a folder that `codelayer measure` wrote")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path} is larger than a card can be", "measure the codes again")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not isinstance(found["metrics"], list):
            raise ValueError
        known = found["format"]
        if known == FORMAT:
            _check(found)
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise DataError(f"{path} is no card", "give a folder that `codelayer measure` wrote") from None
    if known != FORMAT:
        raise DataError(f"{path} is a card of format {known}, this version reads {FORMAT}", "measure the codes again")
    card = Card(found)
    kept = _read_arrays(path.with_suffix(".safetensors"))
    card.points = {key.removeprefix(POINTS): one for key, one in kept.items() if key.startswith(POINTS)}
    card.replicates = {key.removeprefix(REPLICATES): one for key, one in kept.items() if key.startswith(REPLICATES)}
    return card


def _check(found: dict[str, Any]) -> None:
    """ValueError, KeyError or TypeError where a card lacks what the page or a comparison reads."""
    for name, kind in (("n", int), ("units", int), ("seed", int), ("rows", dict), ("notes", list), ("seconds", float)):
        if not isinstance(found[name], kind | int if kind is float else kind):
            raise ValueError(name)
    for row in found["metrics"]:
        texts, numbers = (row["name"], row["metric"], row["property"], row["question"]), (row["value"],)
        if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, int | float) for one in numbers):
            raise ValueError(row["name"])
        if not {"low", "high", "chance", "raw", "pca", "worst", "best", "n", "more"} <= set(row):
            raise ValueError(row["name"])


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return {}
    try:
        return load(path.read_bytes())
    except (SafetensorError, ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error})", "measure the codes again") from None


def card_cells(card: Mapping[str, Any]) -> tuple[list[Any], list[list[Any]]]:
    """Columns and rows of a card's table for a terminal: one line per metric, value and interval in one cell."""
    columns = ["property", "metric", "value", "chance", "raw features", "PCA", "worst", "best", "rows"]
    rows = []
    for one in card["metrics"]:
        beside = [one[key] for key in ("chance", "raw", "pca", "worst", "best", "n")]
        rows.append([one["property"], one["name"].replace("_", " "), _value(one), *beside])
    return columns, rows


def card_page(card: Mapping[str, Any]) -> Report:
    """The page of a card."""
    page = Report(f"The card of {card.get('name', 'a code')}", "measured by Codelayer", warned="note")
    page.lead(_lead(card))
    features = "not given" if card["features"] is None else card["features"]
    labels = {"class": "classes", "number": "numbers"}.get(str(card["task"]), "not given")
    facts = [("rows", card["n"]), ("units", card["units"]), ("raw features", features), ("labels", labels)]
    page.facts([*facts, ("seconds", card["seconds"])])
    for note in card["notes"]:
        page.warn(note)
    for name in [*PROPERTIES, "other"]:
        rows = [one for one in card["metrics"] if one["property"] == name]
        if rows:
            title, asks = PROPERTIES[name][:2] if name in PROPERTIES else OTHER
            page.section(title)
            page.text(asks)
            _table(page, title, rows)
            shown = figures(rows, card["task"]) + (rebuilt_pictures(card) if name == "reconstruction" else [])
            for drawn, caption in shown:
                page.figure(drawn, caption)
    _units(page, card)
    page.section("What could not be measured")
    missing = [[one["name"], ", ".join(one["needs"]), one["why"].splitlines()[0]] for one in card["not_measured"]]
    page.table(["metric", "would need", "why"], missing, "" if missing else "Everything was measured.")
    page.section("When not to trust a value", closed=True)
    told = [[m["name"], m["question"], m["distrust"], m["null"], m["interval"], m["source"]] for m in card["metrics"]]
    page.table(["metric", "asks", "do not trust it with", "chance is", "interval from", "source"], told, "")
    page.section("Settings and cost", closed=True)
    spent = [[m["name"], _settings(m["settings"]), m["seconds"], m["cost"]] for m in card["metrics"]]
    told = "Seconds of the code alone; metrics of one property share work, the first of them pays."
    page.table(["metric", "settings", "seconds", "grows with"], spent, told)
    return page


def _units(page: Report, card: Mapping[str, Any]) -> None:
    columns, rows = unit_cells(card)
    if not rows:
        return
    page.section("Unit by unit")
    page.table(columns, rows, "The units that vary most: what each tells, and the samples it is largest for.")
    for drawn, caption in unit_pictures(card):
        page.figure(drawn, caption)


def _table(page: Report, title: str, rows: list[dict[str, Any]]) -> None:
    columns = [
        "metric",
        ("value", "with its 95 % interval, where it has one"),
        ("on its range", "the dot is the code; dashed is chance, the ticks are raw features and PCA"),
        ("chance", "what luck gives"),
        ("raw features", "the same metric on the raw features"),
        ("PCA", "the same metric on a PCA of equal width"),
        ("worst to best", "of a code that knows nothing, and of a perfect one"),
        ("rows", "rows, or units, the value is taken from"),
    ]
    cells = []
    for one in rows:
        ends = (one["worst"], one["best"])
        marks = {word: one[key] for key, word in BESIDE}
        drawn = gauge(one["value"], one["low"], one["high"], ends, marks)
        beside = [one[key] for key in ("chance", "raw", "pca")]
        cells.append([one["name"].replace("_", " "), _value(one), drawn, *beside, _ends(*ends), one["n"]])
    page.table(columns, cells, f"{title}: every value beside chance, the raw features and a PCA with as many units.")


def _ends(worst: float | None, best: float | None) -> str:
    if worst is not None and best is not None:
        return f"{number(worst)} to {number(best)}"
    return f"worst {number(worst)}" if worst is not None else f"best {number(best)}" if best is not None else ""


def value_cell(one: Mapping[str, Any], bound: str = "") -> Any:
    """A value with its interval as a cell; a bound has a sign, and no interval, of which one end would be wrong.

    bound  "at least", "at most", "both" (partly either) or ""
    """
    value = one["value"]
    if bound in BOUNDS:
        return f"{BOUNDS[bound]} {number(value)}", value
    return value if one["low"] is None else (interval(value, one["low"], one["high"]), value)


def _value(row: Mapping[str, Any]) -> Any:
    return value_cell(row, row["more"].get("censored", ""))


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "none"


def _lead(card: Mapping[str, Any]) -> str:
    by_name = {one["name"]: one for one in card["metrics"]}
    told = []
    for name, sentence in (
        ("linear_area", "A linear probe with few labels scores {}."),
        ("trustworthiness", "Its neighbourhoods can be trusted to {}."),
    ):
        if name in by_name:
            told.append(sentence.format(_beside(by_name[name])))
    if not told:
        told.append("Neither labels nor raw features were given, so that this card tells only what the code is like.")
    return f"{card['n']:,} rows, {card['units']} numbers each. {' '.join(told)}"


def _beside(one: Mapping[str, Any]) -> str:
    others = [f"{word} {number(one[key])}" for key, word in BESIDE if one[key] is not None]
    return f"{interval(one['value'], one['low'], one['high'])} ({', '.join(others)})"
