"""What `ship fit` will take, before it starts: seconds of each candidate, minutes and memory of all.

Reads  candidates, train rows and labels.
Gives  `Plan`. Codes are forecast from a few steps (learn/forecast), forests and boosting from a few trees.
Skips  the machine's other work.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..bundle.onnxfile import library
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..learn.baselines import RawFeatures
from ..learn.forecast import Forecast, forecast, resident, shortfall
from ..measure.fresh import fresh_start
from .candidates import Candidate
from .fits import Target
from .weighing import MOST_SMALLER

EXPORTING = 3.0  # seconds of one graph, on one quiet core; these are multiplied by the pace of this machine now
STARTING = 16.0  # until torch's exporter made its first one, in each process
STARTED = 0.17  # a fresh interpreter with ONNX Runtime, which tells that pace
OPENING = 0.7  # per candidate: a process of its own for memory, scores
TIMING = 1.1  # per candidate: latency in turns, which is so many seconds on any machine
SMALLER = 3.0  # per code that is tried as int8 and float16
LEAST, SHARE = 2.0, 0.05  # seconds that trials may take: at least, and of what was found so far
COARSE = 1e-5  # of the mean: float32 then holds fewer than 200 values between the lowest and the highest
FEW_TREES = 2
CELLS = 2_000_000  # rows times columns that trees are tried on
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
    """Forecast every candidate on one thread, as the workers fit them.

    The largest of each kind is tried; the others as long as trials took less than LEAST seconds, or a SHARE of what was
    found so far, and are reckoned from those of their kind after that.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        told = _trials(candidates, train_x, target, seed)
    finally:
        torch.set_num_threads(threads)
    pace = fresh_start("import onnxruntime\n", "", repeats=1).seconds / STARTED
    seconds = {name: one.seconds + EXPORTING * pace for name, one in told.items()}
    largest = max(told.values(), key=lambda one: one.bytes)
    fits = max(sum(seconds.values()) / workers, *seconds.values()) + STARTING * pace
    codes = min(MOST_SMALLER, sum(one.kind == "code" for one in candidates))
    total = fits + (OPENING * pace + TIMING) * len(candidates) + SMALLER * pace * codes
    order = sorted(candidates, key=lambda one: -seconds[one.name])
    return Plan(order, seconds, total, largest.bytes * workers, workers, shortfall(largest, workers))


def _trials(candidates: Sequence[Candidate], train_x: Any, target: Target, seed: int) -> dict[str, Forecast]:
    told: dict[str, Forecast] = {}
    tried: dict[str, Candidate] = {}  # kind -> the last one of it
    started = time.perf_counter()
    for one in sorted(candidates, key=lambda one: (-one.trees, -one.code_size)):
        found = sum(each.seconds for each in told.values())
        enough = time.perf_counter() - started > max(LEAST, SHARE * found)
        if enough and one.kind in tried:
            like = tried[one.kind]
            told[one.name] = _reckoned(one, like, told[like.name], rows_of(train_x))
        else:
            told[one.name], tried[one.kind] = _forecast(one, train_x, target, seed), one
    return {one.name: told[one.name] for one in candidates}


def _reckoned(one: Candidate, like: Candidate, known: Forecast, rows: int) -> Forecast:
    """What a candidate takes by one of its kind: in proportion to trees, or passes over the rows."""
    if one.kind == "code":
        coder = one.coder(0)
        epochs = coder.settings(rows - int(rows * coder.validation))["epochs"]
        return replace(known, seconds=known.seconds * epochs / known.epochs, epochs=epochs)
    return replace(known, seconds=known.seconds * one.trees / like.trees) if one.trees else known


def _forecast(one: Candidate, train_x: Any, target: Target, seed: int) -> Forecast:
    if one.kind == "code":
        return forecast(one.coder(seed), train_x, target.told, seconds=STEPS_SECONDS)
    return Forecast(_trees_seconds(one, train_x, target) if one.trees else 0.5, resident(), 0, 0.0)


def _trees_seconds(one: Candidate, train_x: Any, target: Target) -> float:
    """A few trees take their share of all; classes multiply the trees of boosting, in both alike.

    Of wide rows some are taken, and half of these: seconds grow with the rows as they did between the two.
    """
    started = time.perf_counter()
    coder = RawFeatures().fit(take(train_x, np.arange(min(rows_of(train_x), 2000))))
    count = len(target.known)
    some = np.unique(np.linspace(0, count - 1, max(200, CELLS // coder.schema_.features)).astype(int))
    x, y = coder.transform(take(train_x, target.known[some])), target.learned[some]
    encoding = (time.perf_counter() - started) * count / len(some)
    taken = np.array(_few_trees(one, target, x, y))
    if count > len(some):
        half = np.array(_few_trees(one, target, x[::2], y[::2]))
        taken = taken + np.maximum(taken - half, 0.0) * (count - len(some)) / (len(some) // 2)
    return 2 * encoding + float(taken[0] + taken[1] * one.trees)


def _few_trees(one: Candidate, target: Target, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Seconds before the trees, and of each; boosting sorts values into bins once, and says when a round is done."""
    estimator, ends = _few(one, target), []
    words = {"callbacks": [lambda _: ends.append(time.perf_counter())]} if one.kind == "boosting" else {}
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(x, y, **words)
    if len(ends) < 2:
        return 0.0, (time.perf_counter() - started) / FEW_TREES
    each = (ends[-1] - ends[0]) / (len(ends) - 1)
    return max(0.0, ends[0] - started - each), each


def _few(one: Candidate, target: Target) -> Any:
    if one.kind == "boosting":
        lightgbm = library("lightgbm", "ship")
        kind = lightgbm.LGBMClassifier if target.task == "class" else lightgbm.LGBMRegressor
        return kind(n_estimators=FEW_TREES, num_leaves=one.limit or 31, n_jobs=1, verbose=-1)
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    maker = RandomForestClassifier if target.task == "class" else RandomForestRegressor
    return maker(FEW_TREES, max_depth=one.limit, random_state=0)
