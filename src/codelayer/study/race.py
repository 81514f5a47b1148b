"""The race: fit every rival at every seed, score on `choose`, and after the choice measure on `report`.

Reads  parts, rivals, the state folder.
Gives  curves per rival (joined over seeds), bytes, latency, metrics, seconds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from .. import bundle
from ..data.rows import take
from ..data.schema import Schema
from ..errors import CodelayerError
from ..learn.coder import Coder
from ..learn.saved import load
from ..measure.cost import timings
from ..measure.curves import Curve, join_curves
from ..report import Progress
from .choose import Choice, choose, over_budget
from .controls import control
from .fidelity import choose_without_labels
from .jobs import Task, curves_of, fit_codes, given_codes, keep_features, score_code, score_control
from .metrics import measure_code, merge_seeds
from .parts import Parts
from .rivals import Rival
from .together import fit_lists


@dataclass
class Race:
    """All fits and scores of one study.

    chosen_on, reported  probe -> rival -> Curve, on the two scored parts
    size                 rival -> bytes with its head
    latency              rival -> what `measure.cost.timings` says, head included
    seconds              rival -> training seconds of one fit
    fidelity             rival -> its fidelity over half-samples of the choose part, beside that of shuffled rows
    metrics              rival -> rows of label-free metrics on the report part
    told                 rival -> warnings of its fits
    """

    parts: Parts
    rivals: list[Rival]
    state: Path
    seeds: int
    draws: int
    seed: int
    workers: int
    chosen_on: dict[str, dict[str, Curve]] = field(default_factory=lambda: {"linear": {}, "knn": {}})
    reported: dict[str, dict[str, Curve]] = field(default_factory=lambda: {"linear": {}, "knn": {}})
    size: dict[str, int] = field(default_factory=dict)
    latency: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=dict)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    fidelity: dict[str, np.ndarray] = field(default_factory=dict)
    fidelity_chance: float = 0.5
    units: dict[str, int] = field(default_factory=dict)
    choice: Choice | None = None
    best_code: str = ""

    @property
    def width(self) -> int:
        """Units that codes were asked to have."""
        return max((rival.code_size for rival in self.rivals), default=0)

    @property
    def steps(self) -> int:
        """Fits and scorings to do."""
        fits = sum(self.fits_of(rival) for rival in self.rivals if rival.role == "code")
        scores = 0 if self.parts.task is None else 2 * self.seeds * len(self.rivals)
        return fits + scores

    def fits_of(self, rival: Rival) -> int:
        """How many fits a rival needs."""
        return self.seeds if rival.varies else 1

    def task(self, rival: Rival, seed: int) -> Task:
        """The record of one rival at one seed."""
        return Task(rival, seed, self.seed, self.state, self.parts.task)

    def rival(self, name: str) -> Rival:
        """The rival of that name."""
        return next(rival for rival in self.rivals if rival.name == name)

    # --- fitting and choosing -----------------------------------------------------------------------------------

    def fit(self, train_x: Any, progress: Progress, limit: float | None) -> None:
        """Fit all coders, then score every rival on `choose`. Past the time limit the rest is dropped, and stated."""
        coders = [rival for rival in self.rivals if rival.role == "code"]
        tasks = [self.task(rival, s) for rival in coders for s in range(self.fits_of(rival))]
        lists = fit_lists(tasks, train_x, self.workers)
        found = self._parallel(
            (fit_codes, (some, train_x, self.parts.groups("train")), some)
            for some in lists
            if not self._late(some[0].rival, limit)
        )
        diverged: dict[str, str] = {}
        for some, facts_of in found:
            for rival, facts in zip((task.rival for task in some), facts_of, strict=True):
                self.seconds[rival.name] = self.seconds.get(rival.name, 0.0) + facts["seconds"] / self.fits_of(rival)
                self.told[rival.name] = sorted({*self.told.get(rival.name, []), *facts["warnings"]})
                if "diverged" in facts:
                    diverged[rival.name] = facts["diverged"]
                progress.update(progress.done + 1, rival.title)
        done = {rival.name for rival in self.rivals if rival.role != "code" or self._complete(rival)}
        late = [rival for rival in self.rivals if rival.name not in done]
        for rival in late:
            self.dropped.append(
                (rival.title, diverged.get(rival.name, "the time limit was reached before it was fitted"))
            )
        self.rivals = [rival for rival in self.rivals if rival.name in done]
        self._keep_features("train", "choose")
        if self.parts.task is not None:
            self.chosen_on = self._score("choose", progress)

    def _keep_features(self, *parts: str) -> None:
        """Make the features of nets before they are scored: every seed and probe then reads them from the cache."""
        alike: dict[tuple[str, int], list[Task]] = {}
        for rival in self.rivals:
            for s in range(self.fits_of(rival)) if rival.backbone else ():
                alike.setdefault((rival.backbone, s), []).append(self.task(rival, s))
        jobs = [(keep_features, (tasks, self.parts.rows(part)), "") for tasks in alike.values() for part in parts]
        for _ in self._parallel(jobs):
            pass

    def _late(self, rival: Rival, limit: float | None) -> bool:
        return limit is not None and rival.learned and time.monotonic() > limit

    def _complete(self, rival: Rival) -> bool:
        return all((self.task(rival, s).place / bundle.ABOUT).exists() for s in range(self.fits_of(rival)))

    def _score(self, part: str, progress: Progress) -> dict[str, dict[str, Curve]]:
        x, y = self.parts.rows(part), self.parts.known_labels(part)
        train_x, train_y = self.parts.rows("train"), self.parts.known_labels("train")
        picked = [self.parts.picked(s, self.draws) for s in range(self.seeds)]
        jobs = []
        for rival in self.rivals:
            for s in range(self.seeds):
                task = self.task(rival, s)
                if rival.role == "given":
                    codes = self.given(rival, "train"), train_y, self.given(rival, part), y
                    jobs.append((curves_of, (*codes, picked[s], self.parts.task), rival))
                else:
                    work = score_control if rival.role == "control" else score_code
                    jobs.append((work, (task, train_x, train_y, x, y, picked[s]), rival))
        by_rival: dict[str, list[dict[str, Any]]] = {}
        jobs.sort(key=lambda job: job[2].role != "control")  # the slowest first, so that the workers end together
        for rival, found in self._parallel(jobs, ordered=True):
            by_rival.setdefault(rival.name, []).append(found)
            progress.update(progress.done + 1, f"{rival.title} scored")
        curves: dict[str, dict[str, Curve]] = {"linear": {}, "knn": {}}
        for name, found in by_rival.items():
            for probe in curves:
                if probe in found[0]:
                    curves[probe][name] = join_curves([one[probe] for one in found])
            if "bytes" in found[0]:
                self.size[name], self.seconds[name] = found[0]["bytes"], found[0]["seconds"]
        return curves

    def _parallel(
        self, jobs: Iterable[tuple[Callable[..., Any], tuple[Any, ...], Any]], ordered: bool = False
    ) -> Iterable[tuple[Any, Any]]:
        kind = "generator" if ordered else "generator_unordered"
        runner = joblib.Parallel(n_jobs=self.workers, return_as=kind, max_nbytes="1M", mmap_mode="r")
        yield from runner(joblib.delayed(_labelled)(work, given, label) for work, given, label in jobs)

    def choose(self, max_size_mb: float | None, max_latency_ms: float | None) -> Choice:
        """Measure sizes and latency, then apply the winner's rule to the `choose` part; also name the best code."""
        self._measure_cost()
        latency = {name: found["latency_ms"] for name, found in self.latency.items()}
        barred = over_budget(self.size, latency, max_size_mb, max_latency_ms)
        groups = self.parts.groups("choose")
        if self.parts.task is None:
            self.choice = choose_without_labels(self, barred)
            self.best_code = self.choice.winner
            return self.choice
        curves = self.chosen_on["linear"]
        self.choice = choose(curves, self.size, barred, groups)
        saved = {rival.name for rival in self.rivals if rival.role == "code" and rival.name != "raw"}
        codes = {name: curve for name, curve in curves.items() if name in saved}
        kept = {name: why for name, why in barred.items() if name in codes}
        self.best_code = choose(codes, self.size, kept, groups, first="").winner
        return self.choice

    def title(self, name: str) -> str:
        """A rival's printed name; a code that could not have the width asked for says so."""
        rival = self.rival(name)
        short = 0 < self.units.get(name, 0) < rival.code_size
        return f"{rival.title} (capped at {self.units[name]} units)" if short else rival.title

    def given(self, rival: Rival, part: str) -> np.ndarray:
        """The user's codes of the rows of one part."""
        return given_codes(rival.path, self.parts)[self.parts.index(part)]

    def coder(self, name: str, seed: int = 0) -> Coder:
        """The fitted coder of a rival."""
        return load(self.task(self.rival(name), seed).place)

    def _measure_cost(self) -> None:
        sample = take(self.parts.rows("choose"), np.arange(min(512, len(self.parts.choose))))
        outputs = 1
        if self.parts.task == "class":
            outputs = len(np.unique(self.parts.known_labels("train").astype(str)))
        calls = {}
        for rival in self.rivals:
            if rival.role != "code":
                continue
            coder = self.coder(rival.name)
            self.units[rival.name] = coder.units
            head = np.zeros((coder.units, outputs), np.float32)
            calls[rival.name] = _caller(coder, head)
            saved = bundle.size_bytes(self.task(rival, 0).place)
            self.size[rival.name] = (
                saved + head.nbytes + 4 * outputs if rival.name != "raw" else head.nbytes + 4 * outputs
            )
        if self.parts.task is not None:
            calls |= self._control_calls(outputs)
        self.latency = timings(calls, sample, batch_size=256, calls=40, seconds=0.3)

    def _control_calls(self, outputs: int) -> dict[str, Callable[[Any], Any]]:
        calls: dict[str, Callable[[Any], Any]] = {}
        train_y = self.parts.known_labels("train")
        picked = self.parts.picked(0, 1)
        rows = picked[max(picked)][0]
        raw = self.coder("raw")
        codes = raw.transform(take(self.parts.rows("train"), rows))
        for rival in self.rivals:
            if rival.role == "control":
                y = train_y[rows].astype(str) if self.parts.task == "class" else train_y[rows].astype(float)
                fitted = control(rival.name, str(self.parts.task), 0).fit(codes, y)
                calls[rival.name] = lambda x, fitted=fitted: fitted.predict(_encoded(raw, x))
        return calls

    # --- reporting ----------------------------------------------------------------------------------------------

    def report(self, progress: Progress) -> None:
        """Read the report part, once: label curves and metrics of every rival."""
        self._keep_features("report")
        if self.parts.task is not None:
            self.reported = self._score("report", progress)
        rows = self.parts.rows("report")
        jobs = [
            (_metrics, (self.task(rival, s), rows, self.seed), rival)
            for rival in self.rivals
            if rival.role == "code"
            for s in range(self.fits_of(rival))
        ]
        found: dict[str, list[list[dict[str, Any]]]] = {}
        for rival, rows_found in self._parallel(jobs, ordered=True):
            found.setdefault(rival.name, []).append(rows_found)
        self.metrics = {name: merge_seeds(seeds) for name, seeds in found.items()}

    def clean(self) -> None:
        """Remove what a finished study no longer needs; the run's own record stays."""
        for place in self.state.iterdir():
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            elif place.suffix == ".npz":
                place.unlink()


def _labelled(work: Callable[..., Any], given: tuple[Any, ...], label: Any) -> tuple[Any, Any]:
    return label, work(*given)


def _encoded(coder: Coder, x: Any) -> np.ndarray:
    return coder.encode_samples(coder.schema_.encode(x))


def _caller(coder: Coder, head: np.ndarray) -> Callable[[Any], Any]:
    return lambda x: _encoded(coder, x) @ head


def _metrics(task: Task, rows: Any, seed: int) -> list[dict[str, Any]]:
    coder = load(task.place)
    schema: Schema = coder.schema_
    encoded = np.concatenate([schema.encode(block) for block in coder._blocks(rows)])
    codes = coder.transform(rows)
    try:
        rebuilt: np.ndarray | None = np.concatenate(
            [coder._decode_block(codes[i : i + 4096]) for i in range(0, len(codes), 4096)]
        )
    except CodelayerError:
        rebuilt = None

    def encode(flat: np.ndarray) -> np.ndarray:
        return coder.encode_samples(np.asarray(flat, np.float32).reshape(-1, *schema.shape))

    steps = None if task.rival.backbone else encode  # local_smoothness takes thousands of them
    return measure_code(codes, encoded.reshape(len(encoded), -1), steps, rebuilt, seed)
