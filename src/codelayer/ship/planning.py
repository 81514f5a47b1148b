"""What `ship fit` will take, before it starts: seconds of each candidate, minutes and memory of all.

Reads  candidates, train rows and labels.
Gives  `Plan`. Codes are forecast from a few steps (learn/forecast), forests and boosting from a few trees.
Skips  the machine's other work.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..bundle.onnxfile import library
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..learn.baselines import RawFeatures
from ..learn.forecast import Forecast, forecast, resident, shortfall
from .candidates import Candidate
from .fits import Target

EXPORTING = 2.0  # seconds of one graph, on one quiet core
STARTING = 8.0  # until torch's exporter made its first one, in each process
MEASURING = 2.5  # per candidate: latency in turns, a process of its own for memory, scores
COARSE = 1e-5  # of the mean: float32 then holds fewer than 200 values between the lowest and the highest
FEW_TREES = 2
STEPS_SECONDS = 0.5


@dataclass(frozen=True)
class Plan:
    """What will be done.

    candidates  the longest first, so that workers end together
    seconds     candidate -> of its fit and graph
    total       seconds of everything
    bytes       the most that all workers hold at once
    short       what to say where the machine will not hold that, or ""
    """

    candidates: list[Candidate]
    seconds: dict[str, float]
    total: float
    bytes: int
    workers: int
    short: str


def coarse_columns(rows: Any, schema: Schema) -> list[str]:
    """Names of numeric columns that vary by so little of their mean that float32, which graphs read, blurs them."""
    if schema.kind == "table":
        numeric = [column for column in schema.columns if column.kind == "numeric"]
        told = [(column.name, column.high - column.low, column.mean) for column in numeric]
    elif isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "iuf":
        told = list(zip(schema.names, np.ptp(rows, axis=0), rows.mean(axis=0), strict=True))
    else:
        return []
    return [str(name) for name, spread, mean in told if 0 < spread < COARSE * abs(mean)]


def planned(candidates: Sequence[Candidate], train_x: Any, target: Target, seed: int, workers: int) -> Plan:
    """Forecast every candidate on one thread, as the workers fit them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        told = {one.name: _forecast(one, train_x, target, seed) for one in candidates}
    finally:
        torch.set_num_threads(threads)
    seconds = {name: one.seconds + EXPORTING for name, one in told.items()}
    largest = max(told.values(), key=lambda one: one.bytes)
    fits = max(sum(seconds.values()) / workers, *seconds.values()) + STARTING
    total = fits + MEASURING * len(candidates)
    order = sorted(candidates, key=lambda one: -seconds[one.name])
    return Plan(order, seconds, total, largest.bytes * workers, workers, shortfall(largest, workers))


def _forecast(one: Candidate, train_x: Any, target: Target, seed: int) -> Forecast:
    if one.kind == "code":
        return forecast(one.coder(seed), train_x, target.told, seconds=STEPS_SECONDS)
    return Forecast(_trees_seconds(one, train_x, target) if one.trees else 0.5, resident(), 0, 0.0)


def _trees_seconds(one: Candidate, train_x: Any, target: Target) -> float:
    """A few trees take their share of all; classes multiply the trees of boosting, in both alike."""
    started = time.perf_counter()
    rows = target.known
    x = RawFeatures().fit(take(train_x, np.arange(min(rows_of(train_x), 2000)))).transform(take(train_x, rows))
    encoding = time.perf_counter() - started
    estimator = _few(one, target)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(x, target.learned)
    return 2 * encoding + (time.perf_counter() - started) * one.trees / FEW_TREES


def _few(one: Candidate, target: Target) -> Any:
    if one.kind == "boosting":
        lightgbm = library("lightgbm", "ship")
        kind = lightgbm.LGBMClassifier if target.task == "class" else lightgbm.LGBMRegressor
        return kind(n_estimators=FEW_TREES, num_leaves=one.limit or 31, n_jobs=1, verbose=-1)
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    maker = RandomForestClassifier if target.task == "class" else RandomForestRegressor
    return maker(FEW_TREES, max_depth=one.limit, random_state=0)
