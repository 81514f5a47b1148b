"""`ship fit`: many candidates on one data set, measured as they would be shipped, one chosen under a budget.

    done = Fit("coupon.csv.gz", label="Y", target="edge", max_latency_ms=2, max_size_mb=1, out="small").run()
    print(done.chosen, done.sentences)

Reads  any source `data.load` reads, with labels.
Gives  a folder: model.onnx (and bundle/, where the model has one), report.html, ship.json.
Skips  the report part of the rows until the choice is made. What was fitted is kept: the same call again continues,
       also with a wider budget where nothing met the first; once a choice is made and the report part opened, it
       stays.
"""

from __future__ import annotations

import json
import os
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import from_json, plain, write_atomic
from ..bundle.onnxfile import library
from ..data.load import Data, load_data
from ..data.rows import rows_of
from ..data.schema import Schema
from ..errors import DataError, RunError
from ..learn.run import RunFolder
from ..measure.draws import class_index, numbers, scored_classes
from ..report import Progress
from ..report.terminal import duration
from ..study.look import leaks
from ..study.parts import QUICK_ROWS, Parts, fingerprint_of, make_parts, shortened
from .candidates import Candidate, line_up, without_boosting
from .candidates import shortened as fewer_passes
from .choose import EDGE_MEMORY_MB, Budget, Decision
from .concluding import conclude
from .fits import Target
from .found import Found
from .outcome import Shipped
from .planning import COARSE, Plan, coarse_columns, planned
from .weighing import Weighing

TARGETS = ("server", "edge")
EVERY_LABEL = 1 << 62
OPENED = "report-opened.json"  # in the run's checkpoints


@dataclass
class Fit:
    """Which model should I ship? Answered on the user's own rows, labels and budget.

    Parameters
    ----------
    data : a name, path, frame, array or Data
    label, task, group, time, drop, test : as in `Study`; the label is needed
    out : folder for the results, default ./ship-NAME
    target : "server" (all cores) or "edge" (one thread, at most 256 MB resident unless max_memory_mb says otherwise)
    max_latency_ms, max_size_mb, max_memory_mb : see `Budget`
    candidates : names or families to keep, such as raw, forest, lightgbm, labelled; default all
    quick : at most 10,000 rows, fewer candidates, a quarter of the passes
    seed : of the split and every fit
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
    target: str = "server"
    max_latency_ms: float | None = None
    max_size_mb: float | None = None
    max_memory_mb: float | None = None
    candidates: Sequence[str] = ()
    quick: bool = False
    seed: int = 0
    workers: int | None = None
    say: Callable[[str], None] = print
    warnings_: list[str] = field(default_factory=list)
    missing_: list[tuple[str, str]] = field(default_factory=list)
    hint_: str = ""

    def run(self) -> Shipped:
        """Do the work (or continue it).

        errors  DataError: data, labels or options that cannot be used; a budget that nothing meets (the nearest is
                named); RunError: another run in `out`; CodelayerError: the extra `export` is not installed
        """
        budget = self._checked()
        data = self._load(self.data, self.label)
        folder = Path(self.out) if self.out is not None else Path(f"ship-{data.name}")
        test = None if self.test is None else self._load(self.test, self.label if isinstance(self.label, str) else None)
        with RunFolder(folder, self._options(data), fingerprint_of(data, test)) as run:
            if run.done and (folder / "ship.json").exists():
                return self._again(folder, budget)
            self._check_opened(run.state, budget)
            return self._run(data, test, folder, run, budget)

    @property
    def threads(self) -> int:
        """What a model may use."""
        return 1 if self.target == "edge" else os.cpu_count() or 1

    @property
    def _aside(self) -> tuple[str, ...]:
        names = (self.label, self.group, self.time, *self.drop)
        return tuple(name for name in names if isinstance(name, str))

    def _run(self, data: Data, test: Data | None, folder: Path, run: RunFolder, budget: Budget) -> Shipped:
        started = clock.monotonic()
        self.warnings_ += [*data.notes, *[f"left out, unreadable: {k} ({why})" for k, why in data.skipped[:20]]]
        parts = make_parts(self._shortened(data), test, self.task, self.seed, EVERY_LABEL)
        if parts.task is None:
            raise DataError("there are no labels to choose by", "name the column to predict with --label")
        target, truth = _target(parts), {"choose": _truth(parts, "choose")}
        plan = self._plan(parts, target)
        self._announce(parts, plan, budget, run.resumed)
        weighing = Weighing(
            parts, target, plan.candidates, run.state, self.seed, plan.workers, self.threads, self._aside, self.hint_
        )
        with Progress("ship fit", total=weighing.steps, unit="steps") as progress:
            weighing.fit(progress)
            weighing.answer("choose", truth["choose"])
            weighing.make_smaller(truth["choose"], progress)
            weighing.weigh(progress)
            decision = weighing.decide(budget)
            decision = _noted(run.state, decision, budget)  # on the disk before the rows that report are read
            parts.open_report()
            weighing.answer("report", _truth(parts, "report"))
            progress.update(weighing.steps, "reported")
        seconds = clock.monotonic() - started
        done = conclude(Found(self, parts, weighing, decision, budget, plan, folder, seconds))
        run.finish()
        weighing.clean()
        return done

    # --- before the start ---------------------------------------------------------------------------------------

    def _checked(self) -> Budget:
        if self.target not in TARGETS:
            raise DataError(f"target={self.target!r} is not known", f"it is {' or '.join(TARGETS)}")
        if self.task not in (None, "class", "number"):
            raise DataError(f"task={self.task!r} is not known", "it is class or number")
        if self.seed < 0:
            raise DataError(f"seed={self.seed} is not possible", "it is a whole number, at least 0")
        if self.workers is not None and self.workers < 1:
            raise DataError(f"workers={self.workers} is not possible", "give 1 or more, or leave it out")
        for name in ("onnx", "onnxscript", "onnxruntime"):
            library(name)  # before an hour's work, not after it
        memory = self.max_memory_mb
        if memory is None and self.target == "edge":
            memory = EDGE_MEMORY_MB
        return Budget(self.max_latency_ms, self.max_size_mb, memory)

    def _load(self, source: Any, label: Any) -> Data:
        return load_data(source, label=label, group=self.group, time=self.time, drop=tuple(self.drop))

    def _options(self, data: Data) -> dict[str, Any]:
        """What a run is compared by; budgets are not among it, they change no fit."""
        return {
            "command": "ship fit",
            "data": data.name,
            "label": self.label if isinstance(self.label, str | None) else "given",
            "task": self.task,
            "group": self.group,
            "time": self.time,
            "drop": list(self.drop),
            "test": None if self.test is None else str(self.test) if isinstance(self.test, str | Path) else "given",
            "target": self.target,
            "candidates": list(self.candidates),
            "quick": self.quick,
            "seed": self.seed,
        }

    def _again(self, folder: Path, budget: Budget) -> Shipped:
        done = Shipped.read(folder)
        if done.facts["budget"] != budget.limits():
            raise _another_budget(folder)
        self.say(f"{folder} holds this choice, complete; see {folder / 'report.html'}")
        return done

    def _check_opened(self, state: Path, budget: Budget) -> None:
        """Refuse another budget once the rows that report were read, though the run was stopped after that."""
        opened = _opened(state)
        if opened is not None and opened["budget"] != budget.limits():
            raise _another_budget(state.parent)

    def _shortened(self, data: Data) -> Data:
        short = shortened(data, self.seed) if self.quick else data
        if short is not data:
            self.warnings_.append(f"--quick: {QUICK_ROWS:,} of {rows_of(data.x):,} rows were used")
        return short

    def _plan(self, parts: Parts, target: Target) -> Plan:
        train_x = parts.rows("train")
        schema = Schema.fit(train_x)
        self.warnings_ += [*schema.notes, *parts.notes]
        for name, value in leaks(train_x, parts.known_labels("train"), target.task, self.seed):
            self.warnings_.append(
                f"{name!r} alone predicts the label ({value:.3f}): if it is known only afterwards, --drop it"
            )
        if coarse := coarse_columns(train_x, schema):
            self.hint_ = (
                f"column {coarse[0]!r} varies by less than {COARSE:g} of its mean, which float32 blurs: subtract a "
                "constant from it first"
            )
            self.warnings_.append(self.hint_)
        if not self.candidates and (why := without_boosting()):
            self.missing_.append(("LightGBM", why))
        chosen: list[Candidate] = line_up(schema, target.task, tuple(self.candidates), self.quick)
        if self.quick:
            chosen = [fewer_passes(one, rows_of(train_x)) for one in chosen]
        workers = self.workers or max(1, min(os.cpu_count() or 1, 8, len(chosen)))
        return planned(chosen, train_x, target, self.seed, workers)

    def _announce(self, parts: Parts, plan: Plan, budget: Budget, resumed: bool) -> None:
        sizes = [f"{len(rows):,}" for rows in (parts.train, parts.choose, parts.report)]
        self.say(
            f"{parts.data.name}: {sizes[0]} rows to learn from, {sizes[1]} to choose by, {sizes[2]} to report; "
            f"target {self.target}: {self.threads} thread{'s' * (self.threads > 1)}, "
            f"{budget.told() if budget.limits() else 'no budget'}"
        )
        self.say("candidates: " + ", ".join(f"{one.title} ({plan.seconds[one.name]:.0f} s)" for one in plan.candidates))
        self.say(f"estimated: {duration(plan.total)}, {plan.bytes / 1e9:.1f} GB on {plan.workers} worker(s)")
        if plan.short:
            self.say(f"warning: {plan.short}; give fewer --workers or --quick")
        if resumed:
            self.say("continuing a stopped run: what is done is kept")
        for line in self.warnings_:
            self.say(f"note: {line}")


def _another_budget(folder: Path) -> RunError:
    return RunError(
        f"{folder} holds a choice that was made under another budget",
        "choose another --out: the rows that report are read once per choice",
    )


def _opened(state: Path) -> dict[str, Any] | None:
    """What was chosen, and under which budget, before the rows that report were read; None before that."""
    file = state / OPENED
    return from_json(file.read_bytes()) if file.exists() else None


def _noted(state: Path, decision: Decision, budget: Budget) -> Decision:
    """The decision, noted; where one was noted before a stop its winner stays, whatever the latencies are now."""
    opened = _opened(state)
    if opened is None:
        noted = {"budget": budget.limits(), "winner": decision.winner}
        write_atomic(state / OPENED, json.dumps(plain(noted)).encode())
        return decision
    if opened["winner"] == decision.winner:
        return decision
    why = "it was chosen before the run was stopped, and the rows that report were read: the choice stays"
    return replace(decision, winner=opened["winner"], reasons=(*decision.reasons, why))


def _target(parts: Parts) -> Target:
    """The train labels as candidates learn them."""
    y = parts.known_labels("train")
    if parts.task == "number":
        return Target("number", (), numbers(y))
    classes = scored_classes(y)
    places = class_index(y, classes).astype(np.float64)
    places[places < 0] = np.nan
    return Target("class", tuple(classes.tolist()), places)


def _truth(parts: Parts, part: str) -> np.ndarray:
    """The labels of a scored part: places among the classes that were learned, or numbers."""
    y = parts.known_labels(part)
    return numbers(y) if parts.task == "number" else class_index(y, scored_classes(parts.known_labels("train")))
