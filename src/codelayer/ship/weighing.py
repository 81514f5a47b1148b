"""Weighing candidates: fit them, answer the scored rows with their graphs, measure what they cost, decide.

Reads  parts, labels, candidates, the state folder.
Gives  per candidate a curve on each scored part, a cost, facts of the fit; the decision.
Skips  the report part until the caller has opened it.

Everything is taken from the graphs that would be shipped: the scores are those of the compiled models.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from ..bundle import plain, write_atomic
from ..data.rows import rows_of, take
from ..errors import DataError
from ..measure.curves import Curve
from ..measure.intervals import paired_interval
from ..measure.turns import Pace, paces
from ..report import Progress
from ..study.parts import Parts
from .candidates import Candidate
from .choose import Budget, Decision, answered, decide
from .fits import Job, Target, fit_job
from .models import Servable
from .quantize import noted, quantise
from .whole import answers, opened, resident_bytes

BATCH = 256
SECONDS = 0.3  # per candidate and size of call
INPUTS = 16  # different rows that calls go through
MOST_SMALLER = 2  # codes whose int8 and float16 forms are tried
FEWEST, MOST_ROWS = 100, 3000  # train rows that calibrate and judge them


@dataclass(frozen=True)
class Cost:
    """What one candidate costs on these threads.

    engine, whole  one row: compute alone; from the raw row to the answer
    batch          compute alone, in batches
    memory_bytes   resident in a process of its own, everything included; None: the system does not tell
    """

    size_bytes: int
    engine: Pace
    whole: Pace
    batch: Pace
    memory_bytes: int | None

    def limits(self) -> dict[str, float | None]:
        """What budgets are held against."""
        memory = None if self.memory_bytes is None else self.memory_bytes / 1e6
        return {"latency_ms": self.whole.p50_ms, "size_mb": self.size_bytes / 1e6, "memory_mb": memory}


@dataclass
class Weighing:
    """All candidates of one `ship fit`.

    hint     what to do where nothing can be exported
    models   candidate -> its graph, ready to answer
    facts    candidate -> what `fit_job` says of it
    curves   part -> candidate -> Curve
    costs    candidate -> Cost
    refused  candidate or form -> why it is not among them
    """

    parts: Parts
    target: Target
    candidates: list[Candidate]
    state: Path
    seed: int
    workers: int
    threads: int
    aside: tuple[str, ...] = ()
    hint: str = ""
    models: dict[str, Servable] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: dict[str, dict[str, Curve]] = field(default_factory=lambda: {"choose": {}, "report": {}})
    costs: dict[str, Cost] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Fits, smaller forms, costs, and the report."""
        return len(self.candidates) + MOST_SMALLER + 1 + 1

    @property
    def titles(self) -> dict[str, str]:
        """Candidate -> its printed name."""
        return {one.name: one.title for one in self.candidates}

    def candidate(self, name: str) -> Candidate:
        """The candidate of that name."""
        return next(one for one in self.candidates if one.name == name)

    def job(self, one: Candidate) -> Job:
        """Where a candidate's fit lies."""
        return Job(one, self.seed, self.state, self.aside)

    def fit(self, progress: Progress) -> None:
        """Fit and compile what is not there yet; those that cannot be are refused, with the reason."""
        train_x, groups = self.parts.rows("train"), self.parts.groups("train")
        runner = joblib.Parallel(
            n_jobs=self.workers, return_as="generator_unordered", max_nbytes="1M", mmap_mode="r", pre_dispatch="all"
        )
        work = (joblib.delayed(_named)(self.job(one), train_x, self.target, groups) for one in self.candidates)
        for name, facts in runner(work):
            self.facts[name] = facts
            progress.update(progress.done + 1, self.titles[name])
        for one in self.candidates:
            if why := self.facts[one.name]["dropped"]:
                self.refused[one.title] = why
        self.candidates = [one for one in self.candidates if not self.facts[one.name]["dropped"]]
        if not self.candidates:
            raise DataError("no candidate could be fitted and exported", self.hint or "; ".join(self.refused.values()))
        for one in self.candidates:
            self._open(one, self.job(one).graph.read_bytes())

    def answer(self, part: str, truth: np.ndarray) -> None:
        """Score every candidate on the rows of a part by its graph."""
        rows = self.parts.rows(part)
        for name in self.models:
            if name not in self.curves[part]:
                self.curves[part][name] = self._curve(name, rows, truth)

    def make_smaller(self, truth: np.ndarray, progress: Progress) -> None:
        """Try int8 and float16 forms of the best codes; those that pay become candidates of their own.

        truth  the labels of the choose part
        """
        rows = self.parts.rows("choose")
        for one in self._worth_it():
            data, why = self._smaller(one)
            if data is None:
                self.refused[f"{one.title}, smaller"] = why
            else:
                made = replace(one, name=f"{one.name}_small", title=f"{one.title}, {why}")
                self.candidates.append(made)
                self.facts[made.name] = self.facts[one.name]
                self._open(made, data)
                self.curves["choose"][made.name] = self._curve(made.name, rows, truth)
            progress.update(progress.done + 1, f"{one.title}, smaller")

    def weigh(self, progress: Progress) -> None:
        """Measure all candidates in turns, on their threads."""
        x = self.parts.rows("choose")
        count = rows_of(x)
        singles = [take(x, np.array([i % count])) for i in range(INPUTS)]
        batch = take(x, np.arange(BATCH) % count)
        names = list(self.models)
        feeds = {name: [self.models[name].prepare(row) for row in singles] for name in names}
        many = {name: [self.models[name].prepare(batch)] for name in names}
        engines = {name: self.models[name].engine for name in names}
        wholes = {name: self.models[name].whole for name in names}
        engine = paces(engines, feeds, 1, seconds=SECONDS, threads=self.threads)
        whole = paces(wholes, dict.fromkeys(names, singles), 1, seconds=SECONDS, threads=self.threads)
        batched = paces(engines, many, BATCH, seconds=SECONDS, threads=self.threads)
        for name in names:
            data = self.models[name].original
            memory = resident_bytes(data, self.threads)
            self.costs[name] = Cost(len(data), engine[name], whole[name], batched[name], memory)
        progress.update(progress.done + 1, "measured")

    def decide(self, budget: Budget) -> Decision:
        """The choice on the choose part."""
        limits = {name: cost.limits() for name, cost in self.costs.items()}
        return decide(self.curves["choose"], limits, budget, self.titles, self.parts.groups("choose"))

    def clean(self) -> None:
        """Remove what a finished run no longer needs; its own record stays."""
        for place in self.state.iterdir():
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            elif place.name not in ("run.json", ".lock"):
                place.unlink()

    # --- parts --------------------------------------------------------------------------------------------------

    def _open(self, one: Candidate, data: bytes) -> None:
        self.models[one.name] = opened(data, one.title, self.threads)

    def _curve(self, name: str, rows: Any, truth: np.ndarray) -> Curve:
        classes = np.array(self.target.classes, dtype=object) if self.target.task == "class" else None
        return answered(self.target.task, classes, answers(self.models[name], rows), truth)

    def _worth_it(self) -> Iterator[Candidate]:
        """The codes that are not behind the best of all candidates, by rising score at most MOST_SMALLER of them; the
        best code where there is none.
        """
        curves = self.curves["choose"]
        codes = [one for one in self.candidates if one.kind == "code"]
        codes.sort(key=lambda one: -curves[one.name].area)
        best = curves[max(curves, key=lambda name: curves[name].area)]
        groups = self.parts.groups("choose")
        near = [one for one in codes if paired_interval(best, curves[one.name], groups).low <= 0]
        yield from (near or codes[:1])[:MOST_SMALLER]

    def _smaller(self, one: Candidate) -> tuple[bytes | None, str]:
        """The graph of the form that pays and its name; or None, and why none does. Done once, then kept."""
        file, about = (self.state / f"{one.name}_small.{end}" for end in ("onnx", "json"))
        if about.exists():
            told = json.loads(about.read_text(encoding="utf-8"))["told"]
            return (file.read_bytes() if file.exists() else None), told
        data, told = self._tried(one)
        if data is not None:
            write_atomic(file, data)
        write_atomic(about, json.dumps(plain({"told": told})).encode())
        return data, told

    def _tried(self, one: Candidate) -> tuple[bytes | None, str]:
        model, train_x = self.models[one.name], self.parts.rows("train")
        some = self.target.known
        if len(some) < FEWEST:
            return None, f"{len(some)} labelled rows are too few to calibrate and judge with ({FEWEST} are needed)"
        some = np.sort(np.random.default_rng([self.seed, 37]).permutation(some)[:MOST_ROWS])
        labels = np.asarray(self.target.told)[some]
        try:
            done = quantise(model, take(train_x, some), labels, threads=self.threads, batch_size=BATCH, seconds=0.2)
        except Exception as error:  # whatever a quantiser meets, the float graph is there
            return None, (str(error).splitlines() or [type(error).__name__])[0][:200]
        if done.chosen is not None:
            return noted(done.chosen, done.cpu), done.chosen.name
        return None, "; ".join(f"{variant.name}: {variant.reasons[0]}" for variant in done.variants)


def _named(job: Job, train_x: Any, target: Target, groups: Any) -> tuple[str, dict[str, Any]]:
    return job.candidate.name, fit_job(job, train_x, target, groups)
