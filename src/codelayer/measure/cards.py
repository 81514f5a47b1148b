"""The card: every metric whose needs are met, in one dict, beside chance, raw features and PCA of equal width.

Reads  codes; labels, factors, nuisances, x, layers, callables where there are any (see `arrays`).
Gives  `Card`, a JSON-ready dict with what paired tests need beside it; tables from it; the list of all metrics.
Skips  rendering: the rows feed the report, the command writes the page.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, did_you_mean
from . import METRICS
from .given import Given, given, rivals, shuffled
from .opened import edits_of, rebuilt_of, units_of
from .properties import PROPERTIES
from .readings import Job, Taken, processes_for, read_all
from .record import Metric, closest_of
from .unfinished import Unfinished, content_of

FORMAT = 2
RIVALS = ("raw", "pca")
Encode = Callable[[np.ndarray], np.ndarray]
Told = Callable[[int, int, str], None]


class Card(dict[str, Any]):
    """A card as a dict of plain values.

    points      (name of the row) -> (rows,) or (rows, draws) numbers whose mean is the value, for paired tests
    replicates  (name of the row) -> values on random parts of the rows, the same parts for every code of them
    """

    points: dict[str, np.ndarray]
    replicates: dict[str, np.ndarray]


def card(
    codes: Any,
    labels: Any = None,
    x: Any = None,
    task: str | None = None,
    encode: Encode | None = None,
    seed: int = 0,
    rebuilt: Any = None,
    only: Sequence[str] = (),
    *,
    factors: Any = None,
    nuisance: Any = None,
    decode: Encode | None = None,
    layers: Any = None,
    groups: Any = None,
    seeds: Any = None,
    coarse: Any = None,
    seen: Sequence[Any] = (),
    processes: int | None = None,
    columns: Sequence[str] = (),
    progress: Told | None = None,
    keep: str | Path | None = None,
) -> Card:
    """Measure a code by everything that can be measured on it.

    codes      (n, units); labels (n,), None or NaN where unknown; x (n, *shape), what was encoded
    task       "class" or "number"; default: by the labels
    encode     x -> codes, decode  codes -> x, for smoothness, robustness and time
    seed       of all that is drawn
    rebuilt    the decoder's answer to x
    only       names of metrics or of properties, default all
    factors    (n, factors) ground truth, or name -> column
    nuisance   (n,) what the code should not tell (speaker, device), or name -> column
    layers     stage -> (n, units), in order; coarse (n,) a coarser level of the labels
    groups     (n,) rows of one group never stand on both sides of a split
    seeds      codes of the same rows from fits with other seeds
    seen       classes that the code was trained with, for new_concepts
    processes  how many at once; default: 1 for small data, else one per core; the bits are the same
    columns    names of the features of x, for the table of units; by default those of a frame
    progress   called with (done, of, what)
    keep       a folder for finished readings: a card that was stopped and is asked for again does not repeat them.
               A changed encode or decode needs a new folder (64 of its answers are looked at). Delete it when the
               card is saved
    returns    {"format", "n", "units", "features", "task", "seed", "factors", "rows", "metrics": [...],
               "unit_table", "edits", "pictures", "not_measured": [...], "notes", "seconds"}; each metric with value,
               low, high, n, chance, raw, pca, settings, seconds, property and its record. What does not fit is left
               out with a sentence, and the rest is measured
    errors     DataError: codes that cannot be measured at all, an unknown name in `only`; RunError: `keep` is no
               folder to write in
    """
    begun = time.perf_counter()
    others = {"labels": labels, "x": x, "encode": encode, "decode": decode, "rebuilt": rebuilt, "factors": factors}
    others |= {"nuisance": nuisance, "layers": layers, "groups": groups, "seeds": seeds, "coarse": coarse}
    names = chosen(only)
    slow = [name for name in names if METRICS[name].by_name and name not in only]
    names = [name for name in names if name not in slow]
    if task not in (None, "class", "number"):
        raise DataError(f"task={task!r} is not known", "it is 'class' or 'number'")
    found = given(codes, task, others)
    variants = {"code": found, **rivals(found)}
    jobs, skipped = _jobs(names, found)
    skipped += [{"name": name, "needs": [], "why": "it takes minutes: name it in only"} for name in slow]
    known = {"seed": seed, "task": found.task, "seen": tuple(seen) or None}
    options = {name: _options(METRICS[name], known) for name in names}
    unfinished = None if keep is None else Unfinished(Path(keep), content_of(found, seed)).opened()
    measured = _measured(jobs, variants, options, processes_for(found, processes), progress, unfinished)
    rows, points, replicates = [], {}, {}
    for job in jobs:
        taken = measured[job]
        if taken.reading is None:
            skipped.append({"name": row_name(job), "needs": [], "why": taken.why})
            continue
        rows.append(_row(job, measured, options[job.metric]))
        for store, kept in ((points, taken.reading.points), (replicates, taken.reading.replicates)):
            if kept is not None:
                store[row_name(job)] = np.asarray(kept, np.float32)
    notes = [*found.notes, *(f"{row['name']}: {row['note']}" for row in rows if row["note"])]
    arrays = found.arrays
    made = Card(
        format=FORMAT,
        n=len(arrays["codes"]),
        units=int(arrays["codes"].shape[1]),
        features=int(np.prod(arrays["x"].shape[1:])) if "x" in arrays else None,
        task=found.task,
        seed=seed,
        factors=found.factors,
        rows=_rows_told(found),
        unit_table=units_of(found, [str(one) for one in (columns or getattr(x, "columns", ()))]),
        edits=edits_of(found),
        pictures=rebuilt_of(found),
        metrics=rows,
        not_measured=skipped,
        notes=notes,
        seconds=round(time.perf_counter() - begun, 3),
    )
    made.points, made.replicates = points, replicates
    return made


def row_name(job: Job) -> str:
    """The name of a card's row: the metric, with the nuisance it is about."""
    return f"{job.metric} ({job.nuisance})" if job.nuisance else job.metric


def card_rows(card: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """A card as a table: columns and rows, None where there is no value."""
    columns = ["metric", "value", "low", "high", "chance", "raw features", "PCA", "worst", "best", "n", "seconds"]
    keys = ["name", "value", "low", "high", "chance", "raw", "pca", "worst", "best", "n", "seconds"]
    return columns, [[row[key] for key in keys] for row in card["metrics"]]


def table_of_metrics() -> tuple[list[str], list[list[Any]]]:
    """Every registered metric: columns and rows for `codelayer measure --list`."""
    columns = ["property", "metric", "asks", "needs", "worst", "best", "chance", "interval", "cost", "do not trust"]
    rows: list[list[Any]] = []
    for name in in_order(METRICS):
        one = METRICS[name]
        needs = ", ".join(one.needs) + "".join(f" ({more})" for more in one.also)
        asks = [one.measures, one.name, one.question, needs, one.worst, one.best, one.null]
        rows.append([*asks, one.interval, one.cost, one.distrust, one.source])
    return [*columns, "source"], rows


def chosen(only: Sequence[str]) -> list[str]:
    """Names of metrics in the order of a card: those named, those of a property that is named, or all.

    errors  DataError: an unknown name
    """
    only = (only,) if isinstance(only, str) else only
    unknown = set(only) - set(METRICS) - set(PROPERTIES)
    if unknown:
        known = [*PROPERTIES, *METRICS]
        wrong = min(unknown)
        raise DataError(f"no metric is called {wrong!r}{did_you_mean(wrong, known)}", closest_of(wrong, known))
    wanted = [name for name in METRICS if not only or name in only or METRICS[name].measures in only]
    return in_order(wanted)


def in_order(names: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Names of metrics by property, as a card shows them."""
    # whatever was imported first: by property, its files, and the place in the file
    files = [file for one in PROPERTIES.values() for file in one.modules]
    places = {file: place for place, file in enumerate(files)}
    return sorted(names, key=lambda name: places.get(METRICS[name].function.__module__.rpartition(".")[2], len(files)))


def _jobs(names: Sequence[str], found: Given) -> tuple[list[Job], list[dict[str, Any]]]:
    jobs, skipped = [], []
    for name in names:
        lacking, why = found.why_not(METRICS[name].needs)
        if lacking:
            skipped.append({"name": name, "needs": lacking, "why": why})
        else:
            nuisances = found.nuisances if "nuisance" in METRICS[name].needs else ("",)
            jobs += [Job("code", name, nuisance) for nuisance in nuisances]
    return jobs, skipped


def _options(record: Metric, known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known.get(name, default) for name, default in record.settings.items()}


def _measured(
    jobs: list[Job],
    variants: dict[str, Given],
    options: Mapping[str, Mapping[str, Any]],
    processes: int,
    progress: Told | None,
    unfinished: Unfinished | None,
) -> dict[Job, Taken]:
    """The code and its rivals first, then chance: some metrics know theirs in closed form."""
    beside = [
        Job(rival, job.metric, job.nuisance) for job in jobs for rival in RIVALS if _rivalled(job, rival, variants)
    ]
    expected, done = len(jobs) + len(beside), 0

    def told(job: Job) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, max(expected, done), row_name(job))

    measured = read_all([*jobs, *beside], variants, options, processes, told, unfinished)
    lucky = [(job, METRICS[job.metric].shuffle) for job in jobs if _shuffles(job, measured[job])]
    for what in {what for _, what in lucky}:
        seeds = {int(options[job.metric].get("seed", 0)) for job, how in lucky if how == what}
        variants[what] = shuffled(variants["code"], what, max(seeds))
    expected += len(lucky)
    chance = [Job(what, job.metric, job.nuisance) for job, what in lucky]
    return measured | read_all(chance, variants, options, processes, told, unfinished)


def _rivalled(job: Job, rival: str, variants: Mapping[str, Given]) -> bool:
    record = METRICS[job.metric]
    # raw features need no encoding: there is no time to compare with
    if rival not in variants or (not record.exact and rival == "raw"):
        return False
    lacking, _ = variants[rival].why_not(record.needs)
    return not lacking and bool({"codes", "rebuilt", "encode"} & set(record.needs))


def _shuffles(job: Job, taken: Taken) -> bool:
    return (
        taken.reading is not None
        and taken.reading.chance is None
        and METRICS[job.metric].shuffle != ""
        and "codes" in METRICS[job.metric].needs
    )


def _row(job: Job, measured: Mapping[Job, Taken], options: Mapping[str, Any]) -> dict[str, Any]:
    record, taken = METRICS[job.metric], measured[job]
    reading = taken.reading
    if reading is None:
        raise ValueError(f"{job} was not measured")

    def beside(variant: str) -> float | None:
        # a rival or a shuffle may leave a score undefined; that is no reason to lose the code's own
        other = measured.get(Job(variant, job.metric, job.nuisance))
        return None if other is None or other.reading is None else other.reading.value

    chance = reading.chance
    if chance is None:
        chance = beside(record.shuffle) if record.shuffle else None
        if chance is None and record.null.startswith("closed form") and not record.shuffle:
            chance = record.worst
    return {
        "name": row_name(job),
        "metric": job.metric,
        "of": job.nuisance,
        "property": record.measures,
        "question": record.question,
        "value": reading.value,
        "low": reading.low,
        "high": reading.high,
        "n": reading.n,
        "chance": chance,
        "raw": beside("raw"),
        "pca": beside("pca"),
        "worst": record.worst,
        "best": record.best,
        "settings": dict(options),
        "more": reading.more,
        "note": reading.note,
        "null": record.null,
        "interval": record.interval,
        "cost": record.cost,
        "distrust": record.distrust,
        "source": record.source,
        "seconds": round(taken.seconds, 4),
    }


def _rows_told(found: Given) -> dict[str, str]:
    """A hash of what tells which rows these are: cards with an equal one can be compared row by row."""
    told = {}
    for name in ("x", "labels", "factors"):
        if name in found.arrays:
            value = found.arrays[name]
            raw = np.ascontiguousarray(value if value.dtype.kind in "fiub" else value.astype(str)).tobytes()
            told[name] = hashlib.blake2b(raw, digest_size=12).hexdigest()
    return told
