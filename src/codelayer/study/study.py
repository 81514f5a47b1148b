"""The study: many codes on one data set, measured side by side; one table, one winner, one report.

Reads  any source `data.load` reads.
Gives  a folder: report.html, results.parquet, verdict.json, codes.parquet, bundle/.
Skips  the report part of the rows until the winner is chosen (see parts.py). What is done is kept: the same call
       again continues a stopped study.
"""

from __future__ import annotations

import hashlib
import math
import os
import time as clock
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.load import Data, load_data
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..data.tables import Table
from ..errors import DataError, SentenceError
from ..learn.forecast import Forecast, overtime, shortfall
from ..learn.run import RunFolder
from ..objective import expand, parse_objective
from ..report import Progress
from .findings import find
from .jobs import given_codes
from .look import WIDEST, leaks, looked_at, time_columns, time_gap
from .nets import Nets
from .parts import (
    DRAWS,
    MOST_LABELLED_ROWS,
    QUICK_LABELLED_ROWS,
    QUICK_ROWS,
    Parts,
    fingerprint_of,
    make_parts,
    shortened,
)
from .race import Race
from .rivals import Rival, default_code_size, foretold, keep_named, line_up, on_one_thread, quoted
from .verdict import conclude, read_verdict

QUICK_SHARE = 4
SCORING_SECONDS = 2.5


@dataclass
class Plan:
    """What a study will do, before it starts.

    rivals   with their forecast minutes
    dropped  (rival, why)
    minutes  forecast of the whole study
    workers  fits at once
    """

    rivals: list[Rival]
    dropped: list[tuple[str, str]]
    minutes: float
    workers: int

    @property
    def memory(self) -> Forecast:
        """Seconds of the study, and the most memory of the largest fit."""
        return Forecast(60 * self.minutes, max((one.bytes for one in self.rivals), default=0), 1, 0.0)


@dataclass
class Study:
    """Which representation should I use? Answered on the user's own rows and labels.

    Parameters
    ----------
    data : a name, path, frame, array or Data
    label, task, group, time, drop, test
        The label (column, .npz array, file or values); "class" or "number" (default: by the labels); columns whose rows
        stay together, or that order the rows; columns to leave out; a source that replaces the report part.
    out : folder for the results, default ./study-NAME
    seeds : number of fits and label draws per rival
    quick : at most 10,000 rows, 500 labels, one seed, a quarter of the steps
    code_size : units of every code, default half the encoded columns, within 2 to 64
    objectives, codes : the user's own sentences, and files of codes, as further rivals
    backbone : pre-trained nets whose features race as well, "file:NET.npz" for the last stage, "NAME::STAGE" or
        "NAME::all" for others
    rivals : names of the built-in rivals to keep (raw always stays), default all but isomap, umap and the recipes
        k_sparse, deep and invariant_mild, which race only when they are named
    max_latency_ms, max_size_mb : budgets for the winner, head included
    time_limit : minutes; what it drops is stated
    seed : of the split and everything else
    workers : processes, default one per core
    say : where lines of text go
    """

    data: Any
    label: Any = None
    task: str | None = None
    group: str | None = None
    time: str | None = None
    drop: Sequence[str] = ()
    test: Any = None
    out: str | Path | None = None
    seeds: int = 3
    quick: bool = False
    code_size: int | None = None
    objectives: Sequence[str] = ()
    codes: Sequence[str] = ()
    backbone: Sequence[str] = ()
    rivals: Sequence[str] = ()
    max_latency_ms: float | None = None
    max_size_mb: float | None = None
    time_limit: float | None = None
    seed: int = 0
    workers: int | None = None
    say: Callable[[str], None] = print
    warnings_: list[str] = field(default_factory=list)
    missing_: list[tuple[str, str]] = field(default_factory=list)
    nets_: Nets = field(default_factory=lambda: Nets(()))

    def run(self) -> dict[str, Any]:
        """Do the study (or continue it) and return the verdict, as verdict.json holds it.

        errors  DataError, SentenceError, RunError (another run in `out`)
        """
        self._check_options()
        self.nets_ = Nets((self.backbone,) if isinstance(self.backbone, str) else self.backbone)
        data = self._load(self.data, self.label)
        folder = Path(self.out) if self.out is not None else Path(f"study-{data.name}")
        test = None if self.test is None else self._load(self.test, self.label if isinstance(self.label, str) else None)
        with RunFolder(folder, self._options(data), self._fingerprint(data, test)) as run:
            if run.done and (folder / "verdict.json").exists():
                self.say(f"{folder} holds this study, complete; see {folder / 'report.html'}")
                return read_verdict(folder)
            return self._run(data, test, folder, run)

    def _run(self, data: Data, test: Data | None, folder: Path, run: RunFolder) -> dict[str, Any]:
        started = clock.monotonic()
        self._look_at_columns(data, test)
        most = QUICK_LABELLED_ROWS if self.quick else MOST_LABELLED_ROWS
        parts = make_parts(self._shortened(data), test, self.task, self.seed, most)
        train_x = parts.rows("train")
        schema = Schema.fit(train_x)
        width = self.code_size or default_code_size(schema.features)
        for one in (data, *([] if test is None else [test])):
            self.nets_.refuse(one.x)
        self._look(parts, train_x, schema)
        self.warnings_ += self.nets_.notes(train_x)
        plan = self._plan(parts, train_x, schema, width)
        self._announce(parts, schema, plan, width, run.resumed)
        race = Race(parts, plan.rivals, run.state, self.seeds_used, self.draws, self.seed, plan.workers)
        limit = None if self.time_limit is None else started + 60 * self.time_limit
        with Progress("study", total=race.steps, unit="fits") as progress:
            race.fit(train_x, progress, limit)
            self.missing_ += race.dropped
            choice = race.choose(self.max_size_mb, self.max_latency_ms)
            parts.open_report()
            race.report(progress)
        found = find(self, parts, race, choice, schema, width, folder, clock.monotonic() - started)
        verdict = conclude(found)
        run.finish()
        race.clean()
        return verdict

    # --- before the start ---------------------------------------------------------------------------------------

    @property
    def seeds_used(self) -> int:
        """Fits per rival: one when quick."""
        return 1 if self.quick else self.seeds

    @property
    def draws(self) -> int:
        """Label draws per seed: at least 21 in all."""
        return math.ceil(DRAWS / self.seeds_used)

    def _check_options(self) -> None:
        if self.seeds < 1:
            raise DataError(f"seeds={self.seeds} is not possible", "give 1 or more, usually 3")
        if self.task not in (None, "class", "number"):
            raise DataError(f"task={self.task!r} is not known", "it is class or number")
        self._check_objectives()
        if self.test is not None and self.codes:
            raise DataError("--codes cannot be joined with --test", "the codes file has no rows for the test file")
        if self.seed < 0:
            raise DataError(f"seed={self.seed} is not possible", "it is a whole number, at least 0")
        for name in ("max_latency_ms", "max_size_mb", "time_limit", "code_size", "workers"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DataError(f"{name}={value} is not possible", "give a number above 0, or leave it out")

    def _check_objectives(self) -> None:
        for text in self.objectives:
            if parse_objective(expand(text)).needs("labels"):
                raise SentenceError(
                    f"{text!r} learns from labels, but a study learns every code without them: its label curve counts "
                    "all labels that a code was given",
                    "leave labels() out here; `codelayer learn DATA --label NAME` learns such a code",
                )
            if parse_objective(expand(text)).needs("pairs") and self.group is None and self.time is None:
                self.warnings_.append(
                    f"{text}: rows that follow each other in the train part are taken for neighbours in time, though "
                    "rows between them are in other parts; name the recordings with --group"
                )

    def _load(self, source: Any, label: Any) -> Data:
        # labels given as values belong to the data: a test set brings its own
        return load_data(source, label=label, group=self.group, time=self.time, drop=tuple(self.drop))

    def _options(self, data: Data) -> dict[str, Any]:
        label = self.label if isinstance(self.label, str | None) else "given"
        nets = {"backbone": self.nets_.record()} if self.nets_.names else {}
        return {
            "command": "study",
            "data": data.name,
            "label": label,
            "task": self.task,
            "group": self.group,
            "time": self.time,
            "drop": list(self.drop),
            "test": None if self.test is None else str(self.test) if isinstance(self.test, str | Path) else "given",
            "seeds": self.seeds,
            "quick": self.quick,
            "code_size": self.code_size,
            "objectives": list(self.objectives),
            "rivals": list(self.rivals),
            "codes": [str(path) for path in self.codes],
            **nets,
            "max_latency_ms": self.max_latency_ms,
            "max_size_mb": self.max_size_mb,
            "time_limit": self.time_limit,
            "seed": self.seed,
        }

    def _fingerprint(self, data: Data, test: Data | None) -> str:
        digest = hashlib.blake2b(fingerprint_of(data, test).encode(), digest_size=16)
        for path in self.codes:
            digest.update(hashlib.blake2b(Path(path).read_bytes()).digest() if Path(path).is_file() else b"")
        return digest.hexdigest()

    def _shortened(self, data: Data) -> Data:
        short = shortened(data, self.seed, QUICK_ROWS) if self.quick else data
        if short is not data:
            self.warnings_.append(
                f"--quick: {QUICK_ROWS:,} of {rows_of(data.x):,} rows were used, one seed, a quarter of the steps"
            )
        return short

    def _look_at_columns(self, data: Data, test: Data | None) -> None:
        self.warnings_ += data.notes
        self.warnings_ += [f"left out, unreadable: {key} ({reason})" for key, reason in data.skipped[:20]]
        if test is not None:
            differs = Schema.fit(data.x).check(test.x)
            self.warnings_ += [f"test: {note}" for note in (*test.notes, *differs)]

    def _look(self, parts: Parts, train_x: Any, schema: Schema) -> None:
        self.warnings_ += [*schema.notes, *parts.notes]
        if parts.duplicates:
            kept = "they are kept in one part, so that none is scored that was learned from"
            repeat = "row repeats" if parts.duplicates == 1 else "rows repeat"
            self.warnings_.append(f"{parts.duplicates:,} {repeat} another row exactly; {kept}")
        if parts.task is None:
            if self.label is None:
                self.warnings_.append(_label_hint(train_x))
            return
        y = parts.known_labels("train")
        if not looked_at(train_x):
            self.missing_.append(
                ("leaks", f"single columns are looked at in tables and arrays of up to {WIDEST} columns")
            )
        for name, value in leaks(train_x, y, parts.task, self.seed):
            score = "balanced accuracy" if parts.task == "class" else "R2"
            way = f"leave it out with --drop {quoted(name)}" if isinstance(train_x, Table) else "leave it out"
            self.warnings_.append(
                f"{name!r} alone predicts the label ({score} {value:.3f}): if it is known only afterwards, "
                f"it leaks the answer; {way}"
            )
        self._look_at_time(parts, schema, parts.task)

    def _look_at_time(self, parts: Parts, schema: Schema, task: str) -> None:
        train = parts.train
        times, name = parts.data.times, self.time
        if times is None:
            found = time_columns(schema)
            if not found:
                return
            name, times = found[0], parts.data.x.column(found[0])
        gap = time_gap(
            take(parts.data.x, train), parts.known_labels("train"), np.asarray(times)[train], task, self.seed
        )
        told = f"the rows carry times ({name})"
        if gap is not None:
            told += f": raw features score {gap[0]:.3f} after a random split and {gap[1]:.3f} after a split by time"
        if self.time is None:
            told += f"; if new rows come later than these, use --time {quoted(name)}"
        self.warnings_.append(told)

    def _plan(self, parts: Parts, train_x: Any, schema: Schema, width: int) -> Plan:
        names = tuple(self.rivals)
        given, nets = tuple(str(path) for path in self.codes), self.nets_.rivals()
        rivals = line_up(schema, width, tuple(self.objectives), given, parts.task, names, nets)
        rivals = keep_named(rivals, names, tuple(self.objectives))
        workers = self.workers or max(1, min(os.cpu_count() or 1, 8))
        planned: list[Rival] = []
        dropped: list[tuple[str, str]] = []
        spent = 0.5
        budget = math.inf if self.time_limit is None else self.time_limit
        for rival in rivals:
            rival = self._settled(rival, train_x, parts, schema, width)
            fits = self.seeds_used if rival.varies else 1
            minutes = (rival.minutes or 0.0) * fits / workers
            asked = rival.sentence in self.objectives or rival.role != "code" or not rival.learned
            if spent + minutes > budget and not asked:
                over = f"{spent + minutes:.1f} minutes with it, and the limit is {budget:g}"
                dropped.append((rival.title, f"the study would take {over}"))
                continue
            spent += minutes
            planned.append(replace(rival, minutes=minutes))
        self.missing_ += dropped
        return Plan(planned, dropped, spent, workers)

    def _settled(self, rival: Rival, train_x: Any, parts: Parts, schema: Schema, width: int) -> Rival:
        scoring = SCORING_SECONDS * self.draws / DRAWS
        if rival.role == "given":
            given_codes(rival.path, parts)
            self.missing_.append((rival.title, "its size and latency are not known: no budget is held against it"))
        if rival.backbone:
            self.missing_.append((f"local_smoothness of {rival.title}", "thousands of passes through a large net"))
        if self.quick and rival.learned:
            coder = rival.build(0)
            held = int(rows_of(train_x) * coder.validation)
            epochs = max(3, coder.settings(rows_of(train_x) - held)["epochs"] // QUICK_SHARE)
            rival = replace(rival, epochs=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an untrained net has dead units, half the rows a torn graph
            told = foretold(rival, train_x) if not rival.backbone else self._foretold(rival, train_x, parts)
        return replace(rival, minutes=(told.seconds + scoring) / 60, bytes=told.bytes)

    def _foretold(self, rival: Rival, train_x: Any, parts: Parts) -> Forecast:
        data = parts.data
        coded = rows_of(data.x) if data.total is None else data.total  # codes.parquet holds every row
        test = 0 if parts.test is None else len(parts.report)
        return on_one_thread(lambda: self.nets_.foretold(rival, train_x, coded + test))

    def _announce(self, parts: Parts, schema: Schema, plan: Plan, width: int, resumed: bool) -> None:
        shape = " x ".join(str(size) for size in schema.shape)
        sizes = [f"{len(rows):,}" for rows in (parts.train, parts.choose, parts.report)]
        rows = f"{sizes[0]} rows to learn from, {sizes[1]} to choose by, {sizes[2]} to report"
        scale = f", scale: {schema.scale}" if schema.kind == "array" else ""
        self.say(f"{parts.data.name}: {rows}; encoded sample {shape}{scale}; code of {width} units")
        names = ", ".join(f"{r.title} ({60 * (r.minutes or 0):.0f} s)" for r in plan.rivals)
        self.say(f"rivals: {names}")
        self.say(
            f"estimated: {plan.minutes:.1f} minutes{_memory_told(plan)} on {counted(plan.workers, 'worker')}; "
            f"{counted(self.seeds_used, 'seed')}, {self.draws} label draws each"
        )
        if over := overtime(60 * plan.minutes, self.time_limit):
            self.say(f"warning: {over}: it is too short even for the rivals that are always raced")
        if short := shortfall(plan.memory, plan.workers):
            self.say(f"warning: {short}; give fewer --workers, a smaller --code-size or fewer rows")
        for name, why in plan.dropped:
            self.say(f"dropped: {name}: {why}")
        if resumed:
            self.say("continuing a stopped study: what is done is kept")
        for line in self.warnings_:
            self.say(f"note: {line}")


def _memory_told(plan: Plan) -> str:
    largest = plan.memory.bytes
    return f" and {plan.workers * largest / 1e9:.1f} GB" if largest else ""


def counted(count: int, what: str) -> str:
    """A count and its noun: 1 seed, 3 seeds."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _label_hint(rows: Any) -> str:
    told = "no --label was given, so codes are ranked by fidelity, which is not usefulness"
    if not isinstance(rows, Table):
        return told
    few = [name for name in rows.names if 2 <= len({str(cell) for cell in rows.column(name)[:2000].tolist()}) <= 20]
    return f"{told}; if a column is to be predicted, name it, such as --label {quoted(few[-1])}" if few else told
