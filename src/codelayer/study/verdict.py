"""The verdict: what the numbers of the report part say, in sentences, and every file of the result folder.

Reads  the finished race and its choice.
Gives  verdict.json, results.parquet, codes.parquet, bundle/, and the facts from which page.py draws report.html.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..bundle import plain, write_atomic
from ..data.schema import Schema
from ..learn.coder import Coder
from ..learn.heads import Head, Headed
from ..measure.curves import Curve, label_efficiency
from ..measure.draws import labelled
from ..measure.probes import linear_probe
from ..measure.intervals import Interval, area_interval, chance_area, curve_bands, paired_interval
from ..report import interval, number
from .choose import Choice
from .parts import Parts
from .rivals import Rival

if TYPE_CHECKING:
    from .race import Race
    from .study import Plan, Study


@dataclass
class Findings:
    """Everything the page and the verdict are written from."""

    study: Study
    parts: Parts
    race: Race
    choice: Choice
    schema: Schema
    width: int
    plan: Plan
    folder: Path
    seconds: float
    areas: dict[str, Interval]
    bands: dict[str, list[Interval]]
    knn_areas: dict[str, Interval]
    gain: Interval | None
    saved: dict[str, Any] | None
    chance: float | None
    head_line: str = ""
    rows: list[dict[str, Any]] | None = None

    @property
    def score_name(self) -> str:
        """What is scored."""
        return "balanced accuracy" if self.parts.task == "class" else "R2"

    @property
    def unit(self) -> str:
        """What a label count counts."""
        return "labels per class" if self.parts.task == "class" else "labelled rows"

    def title(self, name: str) -> str:
        """A rival's printed name."""
        return self.race.rival(name).title


def conclude(
    study: Study,
    parts: Parts,
    race: Race,
    choice: Choice,
    schema: Schema,
    width: int,
    plan: Plan,
    folder: Path,
    seconds: float,
) -> dict[str, Any]:
    """Write every file of the result folder; returns the verdict."""
    from .page import write_page

    found = _findings(study, parts, race, choice, schema, width, plan, folder, seconds)
    coder = race.coder(race.best_code)
    save_bundle(found, coder)
    save_codes(found, coder)
    found.rows = result_rows(found)
    save_results(found)
    verdict = verdict_of(found)
    write_page(found, verdict, coder)
    write_atomic(folder / "verdict.json", json.dumps(plain(verdict), indent=2, ensure_ascii=False).encode())
    return verdict


def _findings(
    study: Study,
    parts: Parts,
    race: Race,
    choice: Choice,
    schema: Schema,
    width: int,
    plan: Plan,
    folder: Path,
    seconds: float,
) -> Findings:
    linear, knn = race.reported["linear"], race.reported["knn"]
    groups = parts.groups("report")
    areas = {name: area_interval(curve, groups) for name, curve in linear.items()}
    bands = {name: curve_bands(curve, groups) for name, curve in linear.items()}
    knn_areas = {name: area_interval(curve, groups) for name, curve in knn.items()}
    gain = saved = chance = None
    if linear:
        other = choice.winner if choice.winner != "raw" else race.best_code
        gain = paired_interval(linear[other], linear["raw"], groups)
        saved = label_efficiency(linear["raw"].mean, linear[other].mean, linear["raw"].counts)
        chance = _chance(parts, linear["raw"])
    return Findings(
        study, parts, race, choice, schema, width, plan, folder, seconds, areas, bands, knn_areas, gain, saved, chance
    )


def _chance(parts: Parts, raw: Curve) -> float:
    if parts.task == "class":
        return 1.0 / len(np.unique(raw.truth[raw.scored]))
    rng = np.random.default_rng(0)
    small = rng.standard_normal((len(parts.train), 1)), rng.standard_normal((len(parts.report), 1))
    return chance_area(small[0], parts.labels("train"), small[1], parts.labels("report"), counts=raw.counts, task="number")


# --- sentences ------------------------------------------------------------------------------------------------------


def verdict_of(found: Findings) -> dict[str, Any]:
    """The verdict as plain JSON."""
    race, choice, study = found.race, found.choice, found.study
    winner = race.rival(choice.winner)
    lines = sentences(found)
    return {
        "verdict": lines[0],
        "sentences": lines,
        "winner": winner.name,
        "winner_title": winner.title,
        "winner_role": winner.role,
        "best_code": race.best_code,
        "task": found.parts.task,
        "heading": None if found.parts.task else "fidelity, not usefulness",
        "score": found.score_name if found.parts.task else "mean of trustworthiness and continuity",
        "counts": list(found.parts.counts),
        "area": {name: area._asdict() for name, area in found.areas.items()},
        "gain_over_raw": None if found.gain is None else found.gain._asdict(),
        "labels_saved": found.saved,
        "chance": found.chance,
        "ties": list(choice.ties),
        "barred": choice.barred,
        "command": command(found),
        "files": {
            "report": "report.html",
            "results": "results.parquet",
            "codes": "codes.parquet",
            "bundle": "bundle",
        },
        "warnings": study.warnings_,
        "not_measured": [{"what": what, "why": why} for what, why in study.missing_],
        "rows": {name: len(getattr(found.parts, name)) for name in ("train", "choose", "report")},
        "code_size": found.width,
        "seeds": study.seeds_used,
        "draws": study.draws * study.seeds_used,
        "seed": study.seed,
        "seconds": round(found.seconds, 1),
        "machine": machine(),
        "objectives": {r.name: r.sentence for r in race.rivals if r.learned},
    }


def sentences(found: Findings) -> list[str]:
    """The answer first; then by how much, at which number of labels, and what more labels would bring."""
    if found.parts.task is None:
        return _fidelity_sentences(found)
    race, choice = found.race, found.choice
    name, title = choice.winner, found.title(choice.winner)
    counts = found.parts.counts
    at = _at(found, name, len(counts) - 1)
    role = race.rival(name).role
    if name == "raw":
        code = race.best_code
        lines = [
            f"Use the raw features: no code was better on the rows that chose. The best code, {found.title(code)}, "
            f"changes the area under the label curve by {_signed(found.gain)} on fresh rows."
        ]
    elif role == "control":
        lines = [f"Use the {title} on the raw features: {_than_raw(found)} No code did better for its size."]
    else:
        lines = [f"Use {_code_words(race.rival(name), title, found.width)}: {_than_raw(found)}"]
    lines.append(f"With {_count(counts[-1], found)} it reaches {at} {found.score_name} (chance {number(found.chance)}){_raw_beside(found, name)}.")
    others = [found.title(one) for one in choice.ties if one != name]
    if others:
        lines.append(f"As good within the interval, but larger: {', '.join(others)}." if name != "raw" else f"Within the interval of the best: {', '.join(others)}.")
    lines += _label_lines(found, name)
    return lines


def _code_words(rival: Rival, title: str, width: int) -> str:
    kind = f"the code {title}" if rival.learned or rival.role == "given" else f"{title}"
    return f"{kind} ({width} numbers per row)" if rival.role == "code" else kind


def _than_raw(found: Findings) -> str:
    gain = found.gain
    word = "above" if gain.value >= 0 else "below"
    sure = "" if gain.low > 0 or gain.high < 0 else " (the interval includes no difference)"
    return f"its label curve lies {_signed(gain)} {word} that of the raw features{sure}."


def _signed(gain: Interval | None) -> str:
    if gain is None:
        return ""
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _at(found: Findings, name: str, place: int) -> str:
    band = found.bands[name][place]
    return interval(band.value, band.low, band.high)


def _raw_beside(found: Findings, name: str) -> str:
    if name == "raw":
        return ""
    return f"; raw features reach {_at(found, 'raw', len(found.parts.counts) - 1)}"


def _count(count: int, found: Findings) -> str:
    if found.parts.task == "class":
        return f"{count:,} label{'s' if count > 1 else ''} per class"
    return f"{count:,} labelled rows"


def _label_lines(found: Findings, name: str) -> list[str]:
    counts, bands = found.parts.counts, found.bands[name]
    lines = []
    saved = found.saved
    if saved is not None and name != "raw" and saved.get("ratio"):
        least = "at least " if saved.get("censored") else ""
        ratio = saved["ratio"]
        if ratio > 1.05:
            lines.append(f"For the same score raw features need {least}{number(ratio)} times as many labels.")
        elif ratio < 0.95:
            lines.append(f"It needs {number(1 / ratio)} times as many labels as raw features for the same score.")
    if len(counts) > 1:
        step = bands[-1].value - bands[-2].value
        lines.append(
            f"More labels: from {counts[-2]:,} to {counts[-1]:,} {found.unit} it rose by {step:+.3f}; "
            f"{_further(counts, bands)}"
        )
    total = int(labelled(found.parts.data.labels).sum())
    lines.append(f"You have {total:,} labelled rows in all; the curve's scores come from the {len(found.parts.report):,} rows of the report part.")
    return lines


def _further(counts: tuple[int, ...], bands: list[Interval]) -> str:
    slope = (bands[-1].value - bands[-2].value) / (np.log10(counts[-1]) - np.log10(counts[-2]))
    ceiling = 1.0
    reach = min(ceiling, bands[-1].value + slope)
    if slope <= 0.002:
        return "further labels are not likely to add much."
    return f"if the curve went on like that, {10 * counts[-1]:,} would reach about {reach:.2f} (a guess, not a measurement)."


def _fidelity_sentences(found: Findings) -> list[str]:
    race, choice = found.race, found.choice
    values = {name: float(v.mean()) for name, v in race.fidelity.items()}
    name = choice.winner
    lines = [
        f"Fidelity, not usefulness: without labels nobody can say which code helps a later task. "
        f"Of the codes of {found.width} numbers, {found.title(name)} is the smallest of those that keep neighbourhoods best: "
        f"{values[name]:.3f} (mean of trustworthiness and continuity; 1 is raw features, about 0.5 chance)."
    ]
    others = [found.title(one) for one in choice.ties if one != name]
    if others:
        lines.append(f"As good within the spread: {', '.join(others)}.")
    lines.append("Label a few rows and study again with --label: some 20 labels per class already tell much.")
    return lines


def command(found: Findings) -> str:
    """The line to paste next."""
    from .study import quoted

    folder = found.folder.as_posix()
    source = found.study.data if isinstance(found.study.data, str | Path) else "DATA"
    bundle_path = quoted(f"{folder}/bundle")
    if found.parts.task is not None and found.race.rival(found.choice.winner).role == "code" and found.choice.winner != "raw":
        return f"codelayer predict {bundle_path} {quoted(str(source))} --out predictions.csv"
    return f"codelayer encode {bundle_path} {quoted(str(source))} --out codes.npy"


def machine() -> dict[str, Any]:
    """Where the figures were made."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "scikit-learn", "numpy")}
    return {"cores": os.cpu_count(), "system": platform.system(), "processor": platform.machine(),
            "python": platform.python_version(), **versions}


# --- files ----------------------------------------------------------------------------------------------------------


def save_bundle(found: Findings, coder: Coder) -> None:
    """The best code with its linear head, fitted on all labelled train rows."""
    parts = found.parts
    facts = {"study": {"winner": found.choice.winner, "best_code": found.race.best_code, "data": parts.data.name}}
    path = found.folder / "bundle"
    if parts.task is None:
        coder.save(path, facts)
        return
    y = np.asarray(parts.labels("train"))
    known = labelled(y)
    codes = coder.transform(parts.rows("train"))
    truth = y[known].astype(float) if parts.task == "number" else y[known]
    probe = linear_probe(codes, parts.task).fit(codes[known], truth)
    Headed(coder, Head.from_probe(probe, parts.task)).save(path, facts)


def save_codes(found: Findings, coder: Coder) -> None:
    """codes.parquet: key and one column per unit, one row per row of the data."""
    data = found.study._load(found.study.data)
    codes = coder.transform(data.x)
    columns = {"key": pa.array([str(key) for key in data.keys])}
    columns |= {f"unit{i}": pa.array(codes[:, i]) for i in range(codes.shape[1])}
    pq.write_table(pa.table(columns), found.folder / "codes.parquet")


def result_rows(found: Findings) -> list[dict[str, Any]]:
    """The long table: rival, metric, value, low, high, n, chance, seconds."""
    race = found.race
    n = len(found.parts.report)
    rows: list[dict[str, Any]] = []

    def add(rival: str, metric: str, value: Any, low: Any = None, high: Any = None, size: int = n, chance: Any = None, seconds: Any = None) -> None:
        rows.append({"rival": rival, "metric": metric, "value": value, "low": low, "high": high, "n": size,
                     "chance": chance, "seconds": seconds})

    for probe, curves in race.reported.items():
        for name, curve in curves.items():
            area = (found.areas if probe == "linear" else found.knn_areas)[name]
            add(name, f"{probe}_area", area.value, area.low, area.high, chance=found.chance)
            bands = found.bands[name] if probe == "linear" else [Interval(v, None, None) for v in curve.mean]
            for count, band in zip(curve.counts, bands, strict=True):
                add(name, f"{probe}@{count}", band.value, band.low, band.high, chance=found.chance)
            if curve.aucs is not None:
                for count, value in zip(curve.counts, curve.aucs.mean(0), strict=True):
                    add(name, f"{probe}_auc@{count}", float(value), chance=0.5)
            if probe == "linear" and name != "raw":
                saved = label_efficiency(race.reported["linear"]["raw"].mean, curve.mean, curve.counts)
                add(name, "labels_saved", saved.get("ratio"), chance=1.0)
    for name, values in race.fidelity.items():
        add(name, "fidelity", float(values.mean()), size=len(found.parts.choose), chance=0.5)
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
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in
                        ("rival", "metric", "value", "low", "high", "n", "chance", "seconds")])
    pq.write_table(pa.Table.from_pylist(found.rows or [], schema), found.folder / "results.parquet")


def read_verdict(folder: Path) -> dict[str, Any]:
    """The verdict of a finished study."""
    return json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
