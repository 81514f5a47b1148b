"""Turns: rivals are called in rounds, block by block, and their times are compared round by round.

Reads  callables, and for each the inputs it is called with in turn.
Gives  `Pace` per rival: p50, p90, p99 of all calls, the spread of the rounds' medians; `times_as_long` of two of them.
Skips  what is called: `ship.bench` names models. Times hold for this machine and this moment.

A turn is a few calls of one rival in a row, as a server makes them, some milliseconds long; a round is several turns of
every rival, each begun by another one, so that a busy moment of the machine hits all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .record import _pools

ROUNDS = 9  # the true median lies between the lowest and highest of 9 medians 99.6 times of 100 (order statistics)
TURNS = 8  # in a round
MOST = 400  # calls in a turn


@dataclass(frozen=True)
class Pace:
    """How long calls of one size took.

    batch_size  rows per call
    p50_ms, p90_ms, p99_ms  quantiles of all calls, in milliseconds
    low_ms, high_ms  the lowest and the highest of the rounds' medians
    medians     of each round, in ms; the same round of two rivals lay side by side
    calls       in all rounds; with fewer than 100 the p99 is the longest call
    """

    batch_size: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    low_ms: float
    high_ms: float
    medians: tuple[float, ...]
    calls: int

    @property
    def rows_per_second(self) -> float:
        """Rows per second at the median."""
        return 1e3 * self.batch_size / max(self.p50_ms, 1e-9)


def paces(
    rivals: Mapping[str, Callable[[Any], Any]],
    inputs: Mapping[str, Sequence[Any]],
    batch_size: int,
    rounds: int = ROUNDS,
    seconds: float = 0.5,
    threads: int = 1,
) -> dict[str, Pace]:
    """Time rivals in turns, after a warm-up.

    rivals      name -> callable
    inputs      name -> what it is called with, one after the other; each of `batch_size` rows
    seconds     per rival over all rounds, but at least one call a round
    threads     what BLAS and OpenMP may use meanwhile
    errors      DataError: nothing to time, no rounds
    """
    if not rivals or any(not len(inputs[name]) for name in rivals) or rounds < 1:
        raise DataError("there is nothing to time", "give at least one callable, one row and one round")
    taken: dict[str, list[np.ndarray]] = {name: [] for name in rivals}
    with pinned(threads):
        calls = {name: _warm(call, inputs[name], seconds / rounds) for name, call in rivals.items()}
        for _ in range(rounds):
            for name, block in _round(rivals, inputs, calls).items():
                taken[name].append(block)
    return {name: _pace(blocks, batch_size) for name, blocks in taken.items()}


def times_as_long(one: Pace, other: Pace) -> tuple[float, float, float]:
    """How many times as long `one` takes as `other`: median, lowest and highest over the rounds both ran in."""
    ratios = np.array(one.medians) / np.maximum(np.array(other.medians), 1e-9)
    return float(np.median(ratios)), float(ratios.min()), float(ratios.max())


@contextmanager
def pinned(threads: int) -> Generator[None]:
    """Hold BLAS and OpenMP to that many threads."""
    with _pools().limit(limits=threads):
        yield


def _warm(call: Callable[[Any], Any], inputs: Sequence[Any], seconds: float) -> int:
    """Call it three times; how many calls fill `seconds`."""
    times = []
    for i in range(3):
        started = time.perf_counter()
        call(inputs[i % len(inputs)])
        times.append(time.perf_counter() - started)
    return max(1, int(seconds / max(min(times), 1e-7)))


def _round(
    rivals: Mapping[str, Callable[[Any], Any]], inputs: Mapping[str, Sequence[Any]], calls: Mapping[str, int]
) -> dict[str, np.ndarray]:
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    names, turns = list(rivals), max(1, min(TURNS, max(calls.values())))
    for turn in range(turns):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            if turn < calls[name]:
                _turn(rivals[name], inputs[name], min(MOST, -(-calls[name] // turns)), taken[name])
    return {name: 1e3 * np.array(times) for name, times in taken.items()}


def _turn(call: Callable[[Any], Any], inputs: Sequence[Any], calls: int, taken: list[float]) -> None:
    call(inputs[len(taken) % len(inputs)])  # another rival was here: its weights are in the cache
    for _ in range(calls):
        given = inputs[len(taken) % len(inputs)]
        started = time.perf_counter()
        call(given)
        taken.append(time.perf_counter() - started)


def _pace(blocks: Sequence[np.ndarray], batch_size: int) -> Pace:
    medians = tuple(float(np.median(block)) for block in blocks)
    p50, p90, p99 = (float(one) for one in np.quantile(np.concatenate(blocks), (0.5, 0.9, 0.99)))
    return Pace(batch_size, p50, p90, p99, min(medians), max(medians), medians, sum(map(len, blocks)))
