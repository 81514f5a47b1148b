"""The card: every metric whose needs are met, in one dict, beside chance, raw features and PCA of equal width.

Reads  codes; labels, x, rebuilt and encode where there are any.
Gives  a JSON-ready dict, rows of a table from it, and the list of all metrics.
Skips  rendering: `card_rows` feeds the report, the command writes the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import DataError
from . import METRICS
from .arrays import floats, plain
from .draws import labelled, scored_classes, task_of
from .record import Metric, Reading, one_thread

FORMAT = 1
Encode = Callable[[np.ndarray], np.ndarray]


def card(
    codes: Any,
    labels: Any = None,
    x: Any = None,
    task: str | None = None,
    encode: Encode | None = None,
    seed: int = 0,
    rebuilt: Any = None,
    only: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Measure a code by everything that can be measured on it.

    codes    (n, units); labels (n,), None or NaN where unknown; x (n, *shape), what was encoded
    task     "class" or "number"; default: by the labels
    encode   x -> codes, for smoothness and time
    rebuilt  the decoder's answer to x
    only     names of metrics, default all
    returns  {"format", "n", "units", "features", "task", "seed", "metrics": [...], "not_measured": [...], "notes",
             "seconds"}; each metric with value, low, high, n, chance, raw, pca, settings, seconds and its record
    errors   DataError: codes that cannot be measured at all, an unknown name in `only`
    """
    begun = time.perf_counter()
    arrays = _arrays(codes, labels, x, encode, rebuilt)
    notes: list[str] = []
    if labels is not None:
        task = _task(arrays, task, notes)
    unknown = set(only) - set(METRICS)
    if unknown:
        raise DataError(f"no metric is called {min(unknown)!r}", f"known: {', '.join(sorted(METRICS))}")
    rivals = _rivals(arrays) if "x" in arrays else {}
    rows, skipped = [], []
    for name in only or sorted(METRICS, key=list(METRICS).index):
        record = METRICS[name]
        missing = [need for need in record.needs if need not in arrays]
        if missing:
            skipped.append({"name": name, "needs": missing, "why": f"{' and '.join(missing)} not given"})
            continue
        try:
            rows.append(_row(record, arrays, rivals, _options(record, seed, task)))
        except DataError as error:
            skipped.append({"name": name, "needs": [], "why": str(error)})
    notes += [f"{row['name']}: {row['note']}" for row in rows if row["note"]]
    features = int(np.prod(arrays["x"].shape[1:])) if "x" in arrays else None
    return {
        "format": FORMAT,
        "n": len(arrays["codes"]),
        "units": int(arrays["codes"].shape[1]),
        "features": features,
        "task": task,
        "seed": seed,
        "metrics": rows,
        "not_measured": skipped,
        "notes": notes,
        "seconds": round(time.perf_counter() - begun, 3),
    }


def card_rows(card: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """A card as a table: columns and rows, None where there is no value."""
    columns = ["metric", "value", "low", "high", "chance", "raw features", "PCA", "worst", "best", "n", "seconds"]
    keys = ["name", "value", "low", "high", "chance", "raw", "pca", "worst", "best", "n", "seconds"]
    return columns, [[row[key] for key in keys] for row in card["metrics"]]


def table_of_metrics() -> tuple[list[str], list[list[Any]]]:
    """Every registered metric: columns and rows for `codelayer measure --list`."""
    columns = ["metric", "asks", "needs", "worst", "best", "chance", "interval", "cost", "do not trust", "source"]
    rows: list[list[Any]] = []
    for one in METRICS.values():
        asks = [one.name, one.question, ", ".join(one.needs), one.worst, one.best, one.null]
        rows.append([*asks, one.interval, one.cost, one.distrust, one.source])
    return columns, rows


def chance_of(record: Metric, arrays: Mapping[str, Any], options: Mapping[str, Any], reading: Reading) -> float | None:
    """What the metric gives by luck: its closed form, or its value on codes with shuffled rows or columns.

    returns  None where luck has no meaning (counts, times) or its score is undefined
    """
    if reading.chance is not None:
        return reading.chance
    if record.null.startswith("closed form") and record.shuffle == "":
        return record.worst
    if record.shuffle == "" or "codes" not in arrays:
        return None
    rng = np.random.default_rng([int(options.get("seed", 0)), 37])
    codes = floats("codes", arrays["codes"])
    mixed = codes[rng.permutation(len(codes))] if record.shuffle == "rows" else rng.permuted(codes, axis=0)
    return _value(record, {**arrays, "codes": mixed}, options)


def _arrays(codes: Any, labels: Any, x: Any, encode: Encode | None, rebuilt: Any) -> dict[str, Any]:
    arrays: dict[str, Any] = {"codes": floats("codes", codes)}
    if labels is not None:
        arrays["labels"] = plain(labels)
    if x is not None:
        arrays["x"] = floats("x", x, flat=False)
    if rebuilt is not None:
        arrays["rebuilt"] = floats("rebuilt", rebuilt)
    if encode is not None:
        arrays["encode"] = encode
    lengths = {name: len(array) for name, array in arrays.items() if name != "encode"}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise DataError(f"the arrays differ in rows: {told}", "row i of each must be the same sample")
    return arrays


def _task(arrays: dict[str, Any], task: str | None, notes: list[str]) -> str | None:
    known = labelled(arrays["labels"])
    if known.sum() < len(known):
        notes.append(f"{len(known) - known.sum()} rows without a label are left out where labels are needed")
    if not known.any():
        del arrays["labels"]
        return None
    task = task or task_of(arrays["labels"])
    if task == "class":
        kept = np.isin(arrays["labels"][known].astype(str), scored_classes(arrays["labels"]).astype(str))
        if not kept.all():
            notes.append(f"{(~kept).sum()} rows of classes with one member are not scored")
    return task


def _rivals(arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    # the same arrays with raw features, or PCA of equal width, in the place of the code
    from sklearn.decomposition import PCA

    x = arrays["x"]
    flat = x.reshape(len(x), -1)
    with one_thread():
        solver = "covariance_eigh" if len(flat) >= flat.shape[1] else "full"
        pca = PCA(min(arrays["codes"].shape[1], *flat.shape), svd_solver=solver).fit(flat)
        reduced = pca.transform(flat)
        rebuilt = pca.inverse_transform(reduced)

    def project(rows: np.ndarray) -> np.ndarray:
        return pca.transform(np.asarray(rows).reshape(len(rows), -1))

    def keep(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows).reshape(len(rows), -1)

    shared = {name: arrays[name] for name in ("x", "labels") if name in arrays}
    return {
        "raw": shared | {"codes": flat, "rebuilt": flat, "encode": keep},
        "pca": shared | {"codes": reduced, "rebuilt": rebuilt, "encode": project},
    }


def _options(record: Metric, seed: int, task: str | None) -> dict[str, Any]:
    given = {"seed": seed, "task": task}
    return {name: given.get(name, default) for name, default in record.settings.items()}


def _row(
    record: Metric, arrays: Mapping[str, Any], rivals: Mapping[str, dict[str, Any]], options: dict[str, Any]
) -> dict[str, Any]:
    begun = time.perf_counter()
    reading = record.read(arrays, options)
    seconds = time.perf_counter() - begun
    # raw features need no encoding: there is no time to compare with
    beside = {name: _value(record, other, options) for name, other in rivals.items() if record.exact or name != "raw"}
    return {
        "name": record.name,
        "question": record.question,
        "value": reading.value,
        "low": reading.low,
        "high": reading.high,
        "n": reading.n,
        "chance": chance_of(record, arrays, options, reading),
        "raw": beside.get("raw"),
        "pca": beside.get("pca"),
        "worst": record.worst,
        "best": record.best,
        "settings": options,
        "more": reading.more,
        "note": reading.note,
        "null": record.null,
        "interval": record.interval,
        "cost": record.cost,
        "distrust": record.distrust,
        "source": record.source,
        "seconds": round(seconds, 4),
    }


def _value(record: Metric, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> float | None:
    # a rival or a shuffle may leave a score undefined; that is no reason to lose the code's own
    try:
        return record.read(arrays, options).value
    except DataError:
        return None
