"""Several cards side by side: differences with intervals, paired over the same rows, adjusted for how many there are.

Reads  cards of codes of the same rows, in the same order, made with equal settings.
Gives  `compare`: a JSON-ready table of every metric and every pair with the first card.
Skips  times, and agreement of seeds: nothing pairs them over the rows, they stand side by side and say so.

The difference of two means over the same rows is the mean of the differences; its standard error comes from the rows
(or whole groups), and, for label curves, from the draws of labels as well, the two added as for two crossed samples.
Where rows share neighbours or bins, the error comes from the same random parts of the rows on both cards.
Source: Holm 1979 for the adjustment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..errors import DataError
from . import METRICS
from .arrays import plain
from .cards import Card
from .record import Metric

FORMAT = 1
SURE = 0.05
ROUNDED = 1e-7  # of a value: what float32, in which cards keep values of rows and parts, rounds off
WIDTH_BOUND = ("sparsity", "distribution")  # shares and spreads of the units of one code


def compare(cards: Mapping[str, Card], groups: Any = None) -> dict[str, Any]:
    """Set cards side by side and test every pair of them, metric by metric.

    cards    name -> card, two or more of the same rows
    groups   (n,) rows of one group count as one observation, where the metric has a value for every row
    returns  {"format", "cards": [{"name", "n", "units", "seconds"}], "metrics": [{"name", "property", "worst", "best",
             "values": {card: {"value", "low", "high", "bound"}}}], "pairs": [{"metric", "a", "b", "difference" (a - b),
             "low", "high", "p", "p_holm", "better": name or ""}], "untested": [{"metric", "why"}], "notes"};
             bound is "at least", "at most" or "both" where the value is (in part) a bound, else ""
    errors   DataError: fewer than two cards, or cards of other rows
    """
    if len(cards) < 2:
        raise DataError(f"{len(cards)} card cannot be compared", "give at least two")
    notes = _check_rows(cards)
    names = list(dict.fromkeys(row["name"] for one in cards.values() for row in one["metrics"]))
    rows = {name: {card: _row(one, name) for card, one in cards.items()} for name in names}
    metrics, pairs, untested = [], [], []
    for name in names:
        known = {card: row for card, row in rows[name].items() if row is not None}
        first = next(iter(known.values()))
        values = {
            card: {key: row[key] for key in ("value", "low", "high")} | {"bound": row["more"].get("censored", "")}
            for card, row in known.items()
        }
        about = {key: first[key] for key in ("name", "property", "question", "worst", "best", "chance")}
        metrics.append({**about, "values": values})
        found, why = _tests(name, {card: cards[card] for card in known}, first, groups)
        pairs += found
        if why:
            untested.append({"metric": name, "why": why})
    _holm(pairs)
    about = [{"name": name, **{key: one[key] for key in ("n", "units", "seconds")}} for name, one in cards.items()]
    found = {"format": FORMAT, "cards": about, "metrics": metrics, "pairs": pairs}
    return {**found, "untested": untested, "notes": notes}


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values adjusted for how many there are, each at most 1, in the order given (Holm 1979)."""
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    out = np.empty(len(values))
    out[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(values) else steps
    return out


def _check_rows(cards: Mapping[str, Card]) -> list[str]:
    """Refuse cards of other rows; tell what could not be checked."""
    (first, one), *others = cards.items()
    notes = []
    for name, other in others:
        if other["n"] != one["n"]:
            raise DataError(
                f"card {first!r} has {one['n']} rows, {name!r} has {other['n']}", "compare codes of the same rows"
            )
        common = set(one["rows"]) & set(other["rows"])
        unlike = sorted(key for key in common if one["rows"][key] != other["rows"][key])
        if unlike:
            raise DataError(
                f"cards {first!r} and {name!r} were made with other {unlike[0]}",
                "compare codes of the same rows in the same order",
            )
        if not common:
            notes.append(
                f"whether {first} and {name} are of the same rows could not be checked: give labels or x to both"
            )
        if other["seed"] != one["seed"]:
            notes.append(f"{first} and {name} were made with other seeds: what was drawn for them differs")
    return notes


def _row(card: Card, name: str) -> dict[str, Any] | None:
    return next((row for row in card["metrics"] if row["name"] == name), None)


def _tests(
    name: str, cards: Mapping[str, Card], record: Mapping[str, Any], groups: Any
) -> tuple[list[dict[str, Any]], str]:
    if len(cards) < 2:
        return [], "only one card has it"
    if record["property"] in WIDTH_BOUND and len({one["units"] for one in cards.values()}) > 1:
        return [], "its range depends on the number of units, in which these codes differ"
    bound = [card for card, one in cards.items() if (_row(one, name) or record)["more"].get("censored")]
    if bound:
        return [], f"on {' and '.join(bound)} it is (in part) a bound: how far beyond lies the value is not known"
    kept = {card: (one.points.get(name), one.replicates.get(name)) for card, one in cards.items()}
    shapes = {tuple(None if one is None else one.shape for one in both) for both in kept.values()}
    if shapes == {(None, None)}:
        return [], _unpaired(METRICS[record["metric"]], [(_row(one, name) or record)["note"] for one in cards.values()])
    if len(shapes) > 1:
        return [], "its values are of other rows, or of another number of them, on each card"
    found, why = [], ""
    for a, b in combinations(kept, 2):
        rows, parts = (
            None if one is None or other is None else one.astype(np.float64) - other.astype(np.float64)
            for one, other in zip(kept[a], kept[b], strict=True)
        )
        values = [next(row["value"] for row in cards[card]["metrics"] if row["name"] == name) for card in (a, b)]
        difference, half, p = paired(*values, rows, parts, groups)
        if p is None:
            why = f"{a} and {b} differ by {difference:.4g} on all parts of the rows: how much is luck cannot be told"
            continue
        better = _better(difference, record["worst"], record["best"])
        found.append(
            {"metric": name, "a": a, "b": b, "difference": difference, "low": difference - half}
            | {"high": difference + half, "p": p, "better": {1: a, -1: b}.get(better, "")}
        )
    return found, why


def _unpaired(metric: Metric, notes: Sequence[str]) -> str:
    """Why no pair of cards can be tested by a metric."""
    if metric.untested:
        return metric.untested
    if not metric.exact:
        return "it is a time, measured anew for each card: nothing pairs it, the intervals stand side by side"
    if "seeds" in metric.needs:
        return "it varies with the seeds that each code was fitted with, which no two codes share"
    if metric.interval.startswith("none"):
        return f"it has no interval ({metric.interval.removeprefix('none: ')}), so how much is luck cannot be told"
    told = next((note for note in notes if note), "")
    return "its values on parts of the rows, which a paired test needs, are not there" + (f": {told}" if told else "")


def paired(
    a: float, b: float, rows: np.ndarray | None, parts: np.ndarray | None, groups: Any
) -> tuple[float, float, float | None]:
    """A difference, half the width of its 95 % interval, and a two-sided p; None where nothing tells it.

    rows   (rows,) or (rows, draws) differences whose mean is the difference; parts: differences on parts of the rows
    """
    from scipy.stats import t

    spread = (0.0 if rows is None else _of_rows(rows, groups)) + (0.0 if parts is None else float(parts.var(ddof=1)))
    mean, freedom = a - b, np.inf if parts is None else len(parts) - 1
    if spread <= (ROUNDED * max(abs(a), abs(b))) ** 2:
        return mean, 0.0, 1.0 if mean == 0 else None
    error = spread**0.5
    return mean, float(t.ppf(0.975, freedom)) * error, float(2 * t.sf(abs(mean) / error, freedom))


def _of_rows(gaps: np.ndarray, groups: Any) -> float:
    """The variance of a mean of differences per row: over rows or whole groups, and over draws."""
    gaps = gaps if gaps.ndim == 2 else gaps[:, None]
    by_row = gaps.mean(1)
    if groups is not None and len(plain(groups)) == len(by_row):
        places = np.unique(plain(groups).astype(str), return_inverse=True)[1].reshape(-1)
        sums, sizes = np.bincount(places, by_row - by_row.mean()), np.bincount(places)
        spread = float(np.square(sums).sum()) / len(by_row) ** 2 * len(sizes) / max(1, len(sizes) - 1)
    else:
        spread = float(by_row.var(ddof=1)) / len(by_row)
    return spread + (float(gaps.mean(0).var(ddof=1)) / gaps.shape[1] if gaps.shape[1] > 1 else 0.0)


def _better(difference: float, worst: float | None, best: float | None) -> int:
    """1 where the first is better, -1 where the second is, 0 where nobody can say."""
    if difference == 0 or best is None:
        return 0
    up = best > worst if worst is not None else best > 0
    return 1 if (difference > 0) == up else -1


def _holm(pairs: list[dict[str, Any]]) -> None:
    """Add the adjusted p of every test; where it is not below SURE nobody is called better."""
    for one, adjusted in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        one["p_holm"] = float(adjusted)
        if not adjusted < SURE:
            one["better"] = ""
