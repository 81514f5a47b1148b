"""The files of a study's folder: results.parquet, codes.parquet, bundle/; forest/ and forest.onnx where it won.

Reads  findings.
Gives  files, each written whole or not at all.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..bundle import write_atomic
from ..data.rows import rows_of, take
from ..errors import ExportError
from ..export import to_onnx
from ..learn.baselines import RawFeatures
from ..learn.coder import Coder
from ..learn.files import encode_file
from ..learn.headed_forest import ForestHead, HeadedForest
from ..learn.heads import Head, Headed
from ..measure.curves import label_efficiency
from ..measure.draws import labelled
from ..measure.intervals import curve_bands
from ..measure.probes import linear_probe
from .controls import ForestControl
from .findings import Findings
from .rivals import seed_of

FOREST = "forest"


def save_bundle(found: Findings, coder: Coder) -> None:
    """The best code with its linear head, fitted on all labelled train rows."""
    parts = found.parts
    study, race = found.study, found.race
    names = (study.label, study.group, study.time, *study.drop)
    aside = [name for name in names if isinstance(name, str)]
    told = {"winner": found.choice.winner, "best_code": race.best_code, "data": parts.data.name}
    facts = {"study": told, "set_aside": aside}
    path = found.folder / "bundle"
    if parts.task is None:
        coder.save(path, facts)
        return
    codes, known, truth = _labelled_codes(coder, found)
    probe = linear_probe(codes, parts.task).fit(codes[known], truth)
    Headed(coder, Head.from_probe(probe, parts.task)).save(path, facts)
    if found.choice.winner == FOREST:
        _save_forest(found, facts)


def _labelled_codes(coder: Coder, found: Findings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The codes of the train rows, which of them are labelled, and the labels of those."""
    y = found.parts.known_labels("train")
    known = labelled(y)
    truth = y[known].astype(float) if found.parts.task == "number" else y[known]
    return coder.transform(found.parts.rows("train")), known, truth


def _save_forest(found: Findings, facts: dict[str, Any]) -> None:
    """forest/, grown on all labelled train rows; and forest.onnx beside it where the extra `export` is installed."""
    raw = found.race.coder("raw")
    if not isinstance(raw, RawFeatures):
        return
    codes, known, truth = _labelled_codes(raw, found)
    grown = ForestControl(str(found.parts.task), seed_of(found.study.seed, 0)).fit(codes[known], truth)
    model = HeadedForest(raw, ForestHead.of(grown.forest.centred(codes)))
    model.save(found.folder / FOREST, facts)
    if all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
        try:
            to_onnx(found.folder / FOREST, found.folder / f"{FOREST}.onnx", found.parts.rows("train"))
        except ExportError as error:  # the study is none the worse for it
            found.study.warnings_.append(f"the forest was not written as ONNX: {str(error).splitlines()[0]}")


def save_codes(found: Findings, coder: Coder) -> None:
    """codes.parquet: key and one column per unit, one row per row of the data; NaN where one could not be read."""
    data, source = found.study._load(found.study.data, found.study.label), found.study.data
    if data.skipped and isinstance(source, str | Path):
        encode_file(coder, str(source), found.folder / "codes.parquet")
        return
    codes = _all_codes(found, coder, data.x)
    columns = {"key": pa.array([str(key) for key in data.keys])}
    columns |= {f"unit{i}": pa.array(codes[:, i]) for i in range(codes.shape[1])}
    _write(pa.table(columns), found.folder / "codes.parquet")


def _all_codes(found: Findings, coder: Coder, rows: Any) -> np.ndarray:
    """The codes of all rows; those of the parts a net has coded already are read from its cache."""
    parts, total = found.parts, rows_of(rows)
    if not found.race.rival(found.race.best_code).backbone:
        return coder.transform(rows)
    at = np.arange(rows_of(parts.data.x)) if parts.data.origin is None else parts.data.origin
    codes, left = np.empty((total, coder.units), np.float32), np.ones(total, bool)
    for part in ("train", "choose", *(("report",) if parts.test is None else ())):
        where = at[parts.index(part)]
        codes[where], left[where] = coder.transform(parts.rows(part)), False
    if left.any():
        codes[left] = coder.transform(take(rows, np.flatnonzero(left)))
    return codes


def result_rows(found: Findings) -> list[dict[str, Any]]:
    """The long table: rival, metric, value, low, high, n, chance, seconds."""
    race = found.race
    n = len(found.parts.report)
    rows: list[dict[str, Any]] = []

    def add(
        rival: str,
        metric: str,
        value: Any,
        low: Any = None,
        high: Any = None,
        size: int = n,
        chance: Any = None,
        seconds: Any = None,
    ) -> None:
        rows.append(
            {
                "rival": rival,
                "metric": metric,
                "value": value,
                "low": low,
                "high": high,
                "n": size,
                "chance": chance,
                "seconds": seconds,
            }
        )

    for probe, curves in race.reported.items():
        for name, curve in curves.items():
            area = (found.areas if probe == "linear" else found.knn_areas)[name]
            add(name, f"{probe}_area", area.value, area.low, area.high, chance=found.chance)
            bands = found.bands[name] if probe == "linear" else curve_bands(curve, found.parts.groups("report"))
            for count, band in zip(curve.counts, bands, strict=True):
                add(name, f"{probe}@{count}", *band, chance=found.chance)
            if curve.aucs is not None:
                for count, drawn in zip(curve.counts, curve.aucs.T, strict=True):
                    low, high = np.quantile(drawn, (0.025, 0.975))  # over the draws of labels
                    add(name, f"{probe}_auc@{count}", float(drawn.mean()), low, high, chance=0.5)
            if probe == "linear" and name != "raw":
                saved = label_efficiency(race.reported["linear"]["raw"].mean, curve.mean, curve.counts)
                # a bound has one end only: "at least" no upper one, "at most" no lower one
                ratio, bound = saved["ratio"], saved["censored"]
                low, high = ratio if bound == "at least" else None, ratio if bound == "at most" else None
                add(name, "labels_saved", ratio, low, high, chance=1.0)
    for name, values in race.fidelity.items():
        mean, error = float(values.mean()), 1.96 * float(values.std(ddof=1))
        chosen = len(found.parts.choose)
        add(name, "fidelity", mean, mean - error, mean + error, chosen, race.fidelity_chance)
    for name, metrics in race.metrics.items():
        for one in metrics:
            add(name, one["metric"], one["value"], one["low"], one["high"], one["n"], one["chance"], one["seconds"])
    for name, cost in race.latency.items():
        add(name, "latency_ms", cost["latency_ms"], None, cost["latency_ms_p90"], cost["calls"])
        add(name, "batch_ms_per_row", cost["batch_ms_per_row"], None, cost["batch_ms_per_row_p90"], cost["calls"])
    for name, size in race.size.items():
        add(name, "size_mb", size / 1e6)
    for name, seconds in race.seconds.items():
        add(name, "train_seconds", seconds, seconds=seconds)
    return rows


def save_results(found: Findings) -> None:
    """results.parquet."""
    kinds = {"rival": pa.string(), "metric": pa.string(), "n": pa.int64()}
    schema = pa.schema(
        [
            (name, kinds.get(name, pa.float64()))
            for name in ("rival", "metric", "value", "low", "high", "n", "chance", "seconds")
        ]
    )
    _write(pa.Table.from_pylist(found.rows, schema), found.folder / "results.parquet")


def _write(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_atomic(path, sink.getvalue().to_pybytes())
