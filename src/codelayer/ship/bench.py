"""What models cost, side by side: size, memory, work, latency, throughput, cold start.

    print(bench_text(bench(["study/bundle", "forest.skops"], trust=[TREE])))

Reads  paths and objects (see models.open_model); rows, where there are any.
Gives  one `Cost` per model and form, sentences on what the table alone would hide.
Skips  scores. A scikit-learn model and a learned code are measured in Python and compiled, on the same threads: a rival
       that only lacks a compiler is no rival.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.rows import rows_of, take
from ..errors import CodelayerError, DataError
from ..measure.fresh import Start, fresh_start
from ..measure.turns import ROUNDS, Pace, paces, times_as_long
from ..report.text import number
from .estimators import TREE as TREE
from .models import COMPILED, IN_PYTHON, Servable, compiled, open_model

MOST_SECONDS = 3600  # per model and size
INPUTS = 16  # different rows or batches that calls go through
FLATTERS = 3.0  # times as long in Python as compiled, from which a sentence says so
OPEN_GRAPH = (
    "from codelayer.bundle.onnxfile import session\nfrom codelayer.ship.onnxfiles import random_rows\n",
    "s = session(sys.argv[1], int(sys.argv[2]))\n",
)
OPEN_OTHER = (
    "from codelayer.ship.models import open_model\n",
    "m = open_model(sys.argv[1], int(sys.argv[2]), trust=sys.argv[3:])\n",
)
ANSWER_GRAPH = "s.run(None, random_rows(s, 1))\n"
ANSWER_OTHER = "m.whole(m.samples(1))\n"


@dataclass(frozen=True)
class Cost:
    """What one model costs in one form.

    model   what was measured
    engine  rows per call -> compute alone
    whole   end to end: one raw row per call
    start   a fresh process, or None where it was not asked for or there is no file to start from
    """

    model: Servable
    engine: dict[int, Pace]
    whole: Pace
    start: Start | None = None

    def record(self) -> dict[str, Any]:
        """The figures as plain JSON: milliseconds, bytes, seconds, counts of one row."""
        one, start = self.model, self.start
        return {
            "model": one.name,
            "kind": one.kind,
            "form": one.form,
            "threads": one.threads,
            "size_bytes": one.size_bytes,
            "memory_bytes": None if start is None else start.memory_bytes,
            "peak_bytes": None if start is None else start.peak_bytes,
            "parameters": one.parameters,
            "multiply_adds": one.multiply_adds,
            "training_seconds": one.training_seconds,
            "cold_start_seconds": None if start is None else [start.seconds, start.low, start.high],
            "engine": {str(size): _pace_record(pace) for size, pace in self.engine.items()},
            "end_to_end": _pace_record(self.whole),
            "notes": list(one.notes),
        }


@dataclass(frozen=True)
class Bench:
    """All costs, and what must be said beside them.

    costs      in the order given; a compiled form stands below its original
    sentences  what would mislead without a word
    threads    of every model
    """

    costs: list[Cost]
    sentences: list[str]
    threads: int

    def cost(self, name: str) -> Cost:
        """The cost of the model of that name."""
        return next(one for one in self.costs if one.model.name == name)


def bench(
    models: Sequence[Any],
    rows: Any = None,
    *,
    threads: int = 1,
    batches: Sequence[int] = (256,),
    rounds: int = ROUNDS,
    seconds: float = 0.5,
    compile_too: bool = True,
    fresh: bool = True,
    trust: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> Bench:
    """Measure models in turns.

    models       paths or objects, or (name, path or object) pairs
    rows         raw rows that every model reads; None: each model's own samples, random ones where it keeps none
    batches      rows per call, beside one
    rounds, seconds  see `measure.turns.paces`; seconds are per model and size
    compile_too  also measure what is in Python as a graph in ONNX Runtime
    fresh        also start fresh processes, which takes some seconds per model
    trust        types to trust in .skops files
    say          told what is under way
    errors       BundleError, DataError: a model that cannot be opened, or does not read these rows
    """
    _check(models, threads, batches, seconds)
    opened, sentences = _opened(models, rows, threads, compile_too, trust, say)
    given = {one.name: one.samples(max([*batches, INPUTS])) if rows is None else rows for one in opened}
    if rows is None:
        sentences.append(
            "no data were given: models answered their own sample rows or random ones, which trees may feel"
        )
    calls = {one.name: one.whole for one in opened}
    raw = {one.name: [_some(given[one.name], i, 1) for i in range(INPUTS)] for one in opened}
    _say(say, "one row at a time")
    wholes = paces(calls, raw, 1, rounds, seconds, threads)
    engines: dict[str, dict[int, Pace]] = {one.name: {} for one in opened}
    for size in sorted({1, *batches}):
        _say(say, f"{size} rows at a time, compute alone")
        ready = {one.name: _prepared(one, given[one.name], size) for one in opened}
        for name, pace in paces({o.name: o.engine for o in opened}, ready, size, rounds, seconds, threads).items():
            engines[name][size] = pace
    costs = [Cost(one, engines[one.name], wholes[one.name]) for one in opened]
    if fresh:
        _say(say, "fresh processes")
        costs = [replace(one, start=_start(one.model)) for one in costs]
    return Bench(costs, [*sentences, *_flattering(costs)], threads)


def _check(models: Sequence[Any], threads: int, batches: Sequence[int], seconds: float) -> None:
    if not models:
        raise DataError("there is no model to measure", "give one or more bundles, .onnx or .skops files")
    for what, values in (("threads", [threads]), ("batch", batches)):
        if any(value < 1 for value in values):
            raise DataError(f"{what}={min(values)} is not possible", "it is a whole number, at least 1")
    if not 0 < seconds <= MOST_SECONDS:
        raise DataError(f"seconds={seconds:g} is not possible", f"it is above 0 and at most {MOST_SECONDS:,}")


def _opened(
    models: Sequence[Any], rows: Any, threads: int, compile_too: bool, trust: Sequence[str], say: Any
) -> tuple[list[Servable], list[str]]:
    found: list[Servable] = []
    sentences = []
    for one in models:
        name, source = one if isinstance(one, tuple) else (None, one)
        _say(say, f"opening {name or source if isinstance(source, str) else name or type(source).__name__}")
        model = open_model(source, threads, trust=trust, name=name)
        model = replace(model, name=_unlike(model.name, {other.name for other in found}))
        found.append(model)
        if compile_too and model.form == IN_PYTHON:
            try:
                found.append(compiled(model, None if rows is None else take(rows, np.arange(min(256, rows_of(rows))))))
            except CodelayerError as error:
                sentences.append(f"{model.name} is measured in Python alone: {str(error).splitlines()[0]}")
    return found, sentences


def _unlike(name: str, taken: set[str]) -> str:
    made, count = name, 2
    while made in taken:
        made, count = f"{name} ({count})", count + 1
    return made


def _some(rows: Any, number: int, size: int) -> Any:
    """Batch `number` of `size` rows, starting again from the first row where they end."""
    if isinstance(rows, dict):
        count = len(next(iter(rows.values())))
        where = np.arange(number * size, (number + 1) * size) % count
        return {name: np.ascontiguousarray(one[where]) for name, one in rows.items()}
    return take(rows, np.arange(number * size, (number + 1) * size) % rows_of(rows))


def _prepared(model: Servable, rows: Any, size: int) -> list[Any]:
    most = len(next(iter(rows.values()))) if isinstance(rows, dict) else rows_of(rows)
    count = max(1, min(INPUTS, most // size))
    return [model.prepare(_some(rows, i, size)) for i in range(count)]


def _start(model: Servable) -> Start | None:
    """A fresh process that opens the model and answers one row; a graph needs a session and nothing else."""
    if model.form == COMPILED:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            file.write_bytes(model.original)
            return _fresh(OPEN_GRAPH, ANSWER_GRAPH, [str(file), str(model.threads)], model.threads)
    if model.path is None:
        return None
    return _fresh(OPEN_OTHER, ANSWER_OTHER, [str(model.path), str(model.threads), *model.trust], model.threads)


def _fresh(opening: tuple[str, str], answering: str, arguments: list[str], threads: int) -> Start:
    imports, loads = opening
    return fresh_start(imports, loads + answering, arguments, threads=threads)


def _flattering(costs: Sequence[Cost]) -> list[str]:
    """Where the time in Python is Python's: the compiled form is the rival."""
    told = []
    for one, other in itertools.pairwise(costs):
        forms = one.model.form, other.model.form
        if forms != (IN_PYTHON, COMPILED) or not other.model.name.startswith(one.model.name):
            continue
        ratio = times_as_long(one.engine[1], other.engine[1])[0]
        if one.model.kind == "scikit-learn" and ratio >= FLATTERS:
            told.append(
                f"{one.model.name}: {number(one.engine[1].p50_ms)} ms in Python become "
                f"{number(other.engine[1].p50_ms)} ms compiled at one row; {1 - 1 / ratio:.1%} of the time is the cost "
                "of calling scikit-learn, so hold others against the compiled form"
            )
    return told


def _pace_record(pace: Pace) -> dict[str, Any]:
    return {
        "p50_ms": pace.p50_ms,
        "p90_ms": pace.p90_ms,
        "p99_ms": pace.p99_ms,
        "spread_ms": [pace.low_ms, pace.high_ms],
        "rows_per_second": pace.rows_per_second,
        "calls": pace.calls,
        "rounds_ms": list(pace.medians),
    }


def _say(say: Callable[[str], None] | None, text: str) -> None:
    if say is not None:
        say(text)
