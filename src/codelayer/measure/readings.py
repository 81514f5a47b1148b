"""Readings of many metrics on many variants of a code: the code itself, its rivals, and its shuffled selves.

Reads  `Given` variants and the names of metrics.
Gives  (variant, metric, nuisance) -> a reading with its seconds, or the sentence that says why there is none.
Skips  choosing what to measure: that is the card.

Metrics of one property run one after the other on one variant, because neighbouring ones share work. Several
processes take whole such pieces: the bits are those of one process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from . import METRICS
from .arrays import CALLABLES
from .given import Given
from .record import Metric, Reading
from .unfinished import Unfinished

PARALLEL_VALUES = 500_000  # codes and x together; below, starting processes takes longer than measuring


@dataclass(frozen=True)
class Taken:
    """A reading and what it took; `why` instead of a reading where there is none."""

    reading: Reading | None
    seconds: float
    why: str = ""


@dataclass(frozen=True)
class Job:
    """One metric to be read on one variant."""

    variant: str
    metric: str
    nuisance: str = ""

    @property
    def piece(self) -> tuple[str, str]:
        """Jobs of one piece run together, in order."""
        return self.variant, METRICS[self.metric].measures


Report = Callable[[Job], None]


def read_all(
    jobs: list[Job],
    variants: Mapping[str, Given],
    options: Mapping[str, Mapping[str, Any]],
    processes: int,
    report: Report | None = None,
    unfinished: Unfinished | None = None,
) -> dict[Job, Taken]:
    """Every job's reading.

    options     metric -> its settings
    processes   how many at once; 1 for large callables, few rows, or metrics that other modules registered
    unfinished  where readings are kept as soon as they are taken, and found again
    """
    found: dict[Job, Taken] = {}
    here, there = [], []
    for job in jobs:
        (there if processes > 1 and _travels(METRICS[job.metric], variants[job.variant]) else here).append(job)

    def keep(pieces: Iterable[list[tuple[Job, Taken]]]) -> None:
        for piece in pieces:
            for job, taken in piece:
                found[job] = taken
                if report is not None:
                    report(job)

    if there:
        from joblib import Parallel, delayed

        pool = Parallel(n_jobs=processes, return_as="generator_unordered", batch_size=1)
        pieces = _pieces(there)
        keep(pool(delayed(_read_piece)(piece, _arrays(piece, variants), options, unfinished) for piece in pieces))
    keep(_read_piece([job], _arrays([job], variants), options, unfinished) for job in here)
    return {job: found[job] for job in jobs}


def processes_for(found: Given, wanted: int | None) -> int:
    """How many processes pay: as many as asked, or one for small data and else one per core (at most 4)."""
    if wanted is not None:
        return wanted
    size = found.arrays["codes"].size + (found.arrays["x"].size if "x" in found.arrays else 0)
    return 1 if size < PARALLEL_VALUES else min(4, os.cpu_count() or 1)


def _travels(metric: Metric, found: Given) -> bool:
    called = [name for name in CALLABLES if name in (*metric.needs, *metric.also) and name in found.arrays]
    return not called and metric.exact and metric.function.__module__.startswith("codelayer.")


def _pieces(jobs: list[Job]) -> list[list[Job]]:
    pieces: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        pieces.setdefault(job.piece, []).append(job)
    return list(pieces.values())


def _arrays(piece: list[Job], variants: Mapping[str, Given]) -> dict[str, Any]:
    """What a piece reads, and nothing else: a process is sent no more than it needs."""
    needed = {need for job in piece for need in (*METRICS[job.metric].needs, *METRICS[job.metric].also)}
    found = variants[piece[0].variant]
    arrays = {name: one for name, one in found.arrays.items() if name in needed}
    return arrays | ({"nuisances": found.nuisances} if "nuisance" in needed else {})


def _read_piece(
    piece: list[Job],
    arrays: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]],
    unfinished: Unfinished | None,
) -> list[tuple[Job, Taken]]:
    nuisances = arrays.get("nuisances", {})
    taken = []
    for job in piece:
        given = {**arrays, "nuisance": nuisances[job.nuisance]} if job.nuisance in nuisances else arrays
        taken.append((job, _once(job, given, options[job.metric], unfinished)))
    return taken


def _once(job: Job, arrays: Mapping[str, Any], options: Mapping[str, Any], unfinished: Unfinished | None) -> Taken:
    if unfinished is None:
        return read_one(METRICS[job.metric], arrays, options)
    name = (job.variant, job.metric, job.nuisance)
    known = unfinished.known(name, options)
    if known is not None:
        return Taken(*known)
    taken = read_one(METRICS[job.metric], arrays, options)
    if taken.reading is not None:
        unfinished.keep(name, options, taken.reading, taken.seconds)
    return taken


def read_one(metric: Metric, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> Taken:
    """One reading; an error of ours is its sentence, one of a caller's `encode` names what was raised."""
    begun = time.perf_counter()
    try:
        return Taken(metric.read(arrays, options, as_given=True), time.perf_counter() - begun)
    except DataError as error:
        return Taken(None, time.perf_counter() - begun, str(error))
    except (ValueError, TypeError, RuntimeError, IndexError, ArithmeticError, MemoryError) as error:
        why = f"{metric.name} failed: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        return Taken(None, time.perf_counter() - begun, why)
