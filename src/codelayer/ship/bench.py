"""What models cost, side by side: size, memory, work, latency, throughput, cold start.

    print(bench_text(bench(["study/bundle", "forest.skops"], trust=[TREE])))

Reads  paths and objects (see models.open_model); rows, where there are any.
Gives  one `Cost` per model and form, sentences on what the table alone would hide.
Skips  scores. A scikit-learn model and a learned code are measured in Python and compiled, on the same threads: a rival
       that only lacks a compiler is no rival.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data.schema import Columns
from ..errors import DataError
from ..measure.fresh import Start, fresh_start
from ..measure.turns import ROUNDS, Pace, paces, times_as_long
from ..report.text import number
from .entrants import Entrant, count_of, lined_up, rows_again
from .estimators import TREE as TREE
from .models import COMPILED, IN_PYTHON, Servable

MOST_SECONDS = 3600  # per model and size
INPUTS = 16  # different rows or batches that calls go through
FLATTERS = 3.0  # times as long in Python as compiled, from which a sentence says so
OPEN_GRAPH = (
    "from codelayer.bundle.onnxfile import session\nfrom codelayer.ship.onnxfiles import random_rows\n",
    "s = session(sys.argv[1], int(sys.argv[2]))\n",
)
OPEN_OTHER = (
    "from codelayer.ship.models import open_model\n",
    "m = open_model(sys.argv[1], int(sys.argv[2]), trust=sys.argv[4:])\n",
)
ANSWER_GRAPH = "s.run(None, random_rows(s, 1))\n"
ANSWER_OTHER = (
    "from codelayer.data.schema import Columns\n"
    "m.whole(Columns(json.loads(open(sys.argv[3]).read())) if sys.argv[3] else m.samples(1))\n"
)


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
    left_out   model -> why it is not among them
    """

    costs: list[Cost]
    sentences: list[str]
    threads: int
    left_out: dict[str, str] = field(default_factory=dict)

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
    most = max([*batches, INPUTS])
    entrants = [Entrant.of(one) for one in models]
    found = lined_up(entrants, rows, most, threads, compile_too, trust, lambda text: _say(say, text))
    opened, given = found.models, found.rows
    calls = {one.name: one.whole for one in opened}
    raw = {one.name: [rows_again(given[one.name], i, 1) for i in range(INPUTS)] for one in opened}
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
        costs = [replace(one, start=_start(one.model, given[one.model.name])) for one in costs]
    return Bench(costs, [*found.sentences, *_flattering(costs)], threads, found.left_out)


def _check(models: Sequence[Any], threads: int, batches: Sequence[int], seconds: float) -> None:
    if not models:
        raise DataError("there is no model to measure", "give one or more bundles, .onnx or .skops files")
    for what, values in (("threads", [threads]), ("batch", batches)):
        if any(value < 1 for value in values):
            raise DataError(f"{what}={min(values)} is not possible", "it is a whole number, at least 1")
    if not 0 < seconds <= MOST_SECONDS:
        raise DataError(f"seconds={seconds:g} is not possible", f"it is above 0 and at most {MOST_SECONDS:,}")


def _prepared(model: Servable, rows: Any, size: int) -> list[Any]:
    count = max(1, min(INPUTS, count_of(rows) // size))
    return [model.prepare(rows_again(rows, i, size)) for i in range(count)]


def _start(model: Servable, rows: Any) -> Start | None:
    """A fresh process that opens the model and answers one row; a graph needs a session and nothing else."""
    if model.form != COMPILED and model.path is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        if model.form == COMPILED:
            file = Path(folder) / "model.onnx"
            file.write_bytes(model.original)
            return _fresh(OPEN_GRAPH, ANSWER_GRAPH, [str(file), str(model.threads)], model.threads)
        words = [str(model.path), str(model.threads), "", *model.trust]
        if model.kind == "scikit-learn" and isinstance(rows, Columns):  # it cannot tell rows of its own kind
            words[2] = str(Path(folder) / "row.json")
            cells = {name: [_plain(rows.column(name)[:1].tolist()[0])] for name in rows.names}
            Path(words[2]).write_text(json.dumps(cells), encoding="utf-8")
        return _fresh(OPEN_OTHER, ANSWER_OTHER, words, model.threads)


def _plain(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, float | str) else str(cell)


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
