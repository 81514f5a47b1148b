"""The record of a metric: what it needs, where its zero is, when not to trust it.

Reads  what `arrays.checked` lets through: plain arrays and, for a few metrics, callables.
Gives  `METRICS`, name -> Metric. Calling one returns a float; `read` adds interval, n, chance and details.
Skips  torch, files, figures; and NaN: a metric gives a finite value or a DataError that names the cause.

Before a metric runs, its rows are brought into one order that depends on their content alone, and BLAS is held to
one thread: permuted rows, or a second run, give the same bits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import DataError, did_you_mean
from .arrays import checked, parts_of
from .properties import property_of
from .spread import Z95 as Z95
from .spread import mean_half

FEW_ROWS, CLOSEST = 30, 12
ROUNDED = 1e-12


@dataclass(frozen=True)
class Reading:
    """One value with what must stand beside it.

    low, high  ends of the 95 % interval; None where the metric has none
    n          rows (or, for units, columns) the value was taken from
    chance     the closed form, where there is one; else the card makes chance by the metric's `null`
    more       further numbers, JSON-ready
    points     (rows,) or (rows, draws) numbers whose mean is the value, for paired tests; None where there are none
    replicates  values on random parts of the rows, the same for every code of them, spread as the value varies about
               the truth; for paired tests of what is no mean of rows. With points, both sources of spread add up
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    chance: float | None = None
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    points: np.ndarray | None = field(default=None, repr=False, compare=False)
    replicates: np.ndarray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Metric:
    """A registered metric: a function of arrays with its meaning beside it.

    needs      names of the arrays (see `arrays`), in the order of positional arguments
    worst      the value of a code that knows nothing, best that of a perfect one; None where neither exists
    null       how chance is made: "shuffled rows", "shuffled columns", "closed form: ..." or "none: ..."
    interval   from what the 95 % interval is made
    cost       how time grows, n rows, d units
    distrust   when not to believe the value
    exact      False where the value is a measured time: the same bits are then not promised
    also       arrays that are used where they are given (their argument's default is None)
    uncalibrated  why a score in [0, 1] is not about 0 for a random code or 1 for the identity; "" where it is
    by_name    True where a card measures it only when it is named, because it takes minutes
    counts     what the n of its readings counts: "rows" or "units"
    untested   why cards are not tested against each other by it; "" where they are
    """

    name: str
    function: Callable[..., Reading]
    needs: tuple[str, ...]
    worst: float | None
    best: float | None
    null: str
    interval: str
    cost: str
    distrust: str
    source: str
    exact: bool = True
    also: tuple[str, ...] = ()
    uncalibrated: str = ""
    by_name: bool = False
    counts: str = "rows"
    untested: str = ""

    def __call__(self, *values: Any, **options: Any) -> float:
        """The value alone; arrays by position in the order of `needs`, or by name."""
        if len(values) > len(self.needs):
            raise TypeError(
                f"{self.name}() takes {len(self.needs)} arrays ({', '.join(self.needs)}), got {len(values)}"
            )
        arrays = dict(zip(self.needs, values, strict=False))
        arrays |= {name: options.pop(name) for name in (*self.needs, *self.also) if name in options}
        return self.read(arrays, options).value

    def read(
        self, arrays: Mapping[str, Any], options: Mapping[str, Any] | None = None, as_given: bool = False
    ) -> Reading:
        """The value with interval, n and details.

        arrays    name -> array (or callable, for encode); names the metric does not need are passed over
        as_given  keep the order of the rows: what is drawn at random is then the same rows for every code of them
        errors   DataError: arrays that do not fit one another, are not finite, or leave the score undefined
        """
        options = dict(options or {})
        unknown = set(options) - set(self.settings)
        if unknown:
            raise TypeError(
                f"{self.name}() has no option {min(unknown)!r}; it takes {', '.join(self.settings) or 'none'}"
            )
        given = checked(self.name, self.needs, arrays, self.also, as_given)
        with one_thread(), np.errstate(all="ignore"):
            reading = self.function(**given, **options)
        if not np.isfinite(reading.value):
            raise DataError(
                f"{self.name} is not a finite number on these arrays",
                "the values are too large or too small: rescale them",
            )
        rows = max((len(part) for need in self.needs for part in parts_of(need, given[need])), default=0)
        if self.counts == "rows" and reading.n:  # rows that were left out tell nothing
            rows = min(rows, reading.n)
        scale = 0.0 if self.worst is None or self.best is None else abs(self.best - self.worst)
        return self._within(_if_it_varies(reading, rows, scale))

    def _within(self, reading: Reading) -> Reading:
        # a normal interval may reach past a perfect score
        if self.best is None or reading.low is None or reading.high is None:
            return reading
        if self.worst is None:
            return replace(reading, low=max(reading.low, self.best))
        if self.worst > self.best:
            return replace(
                reading, low=max(reading.low, self.best), high=min(reading.high, max(self.worst, reading.value))
            )
        return replace(reading, high=min(reading.high, self.best))

    @property
    def settings(self) -> dict[str, Any]:
        """The options with their defaults."""
        parameters = inspect.signature(self.function).parameters
        return {name: one.default for name, one in parameters.items() if name not in (*self.needs, *self.also)}

    @property
    def measures(self) -> str:
        """The property of a good representation that it measures, a name in PROPERTIES or "other"."""
        return property_of(self.function.__module__.rpartition(".")[2])

    @property
    def question(self) -> str:
        """The first line of the docstring: what the metric asks."""
        return (inspect.getdoc(self.function) or "").split("\n")[0].split(": ", 1)[-1]

    @property
    def shuffle(self) -> str:
        """What chance shuffles: "rows", "columns" or "" (closed form, or no chance)."""
        return next((what for what in ("rows", "columns") if f"shuffled {what}" in self.null), "")


class Metrics(dict[str, Metric]):
    """The metrics by name; an unknown name is answered with the closest known one."""

    def __missing__(self, name: str) -> Metric:
        raise DataError(f"no metric is called {name!r}{did_you_mean(str(name), self)}", closest_of(str(name), self))


METRICS = Metrics()


def closest_of(name: str, known: Iterable[str]) -> str:
    """The dozen names nearest to one that is not known, and where all of them are."""
    near = get_close_matches(name, list(known), n=CLOSEST, cutoff=0.4)
    told = f"closest: {', '.join(near)}; " if near else ""
    return f"{told}all are listed by codelayer measure --list"


def metric(
    needs: tuple[str, ...],
    worst: float | None,
    best: float | None,
    null: str,
    interval: str,
    cost: str,
    distrust: str,
    source: str,
    exact: bool = True,
    also: tuple[str, ...] = (),
    uncalibrated: str = "",
    by_name: bool = False,
    counts: str = "rows",
    untested: str = "",
) -> Callable[[Callable[..., Reading]], Metric]:
    """Register the function below under its own name; the name then stands for the record."""

    def register(function: Callable[..., Reading]) -> Metric:
        name = getattr(function, "__name__", "")
        told = (null, interval, cost, distrust, source)
        record = Metric(name, function, needs, worst, best, *told, exact, also, uncalibrated, by_name, counts, untested)
        METRICS[name] = record
        return record

    return register


@lru_cache(maxsize=1)
def _pools() -> Any:
    # BLAS and OpenMP libraries are found by what is loaded, so load them before looking
    import scipy.linalg
    import sklearn.utils.extmath
    from threadpoolctl import ThreadpoolController

    del scipy, sklearn
    return ThreadpoolController()


@contextmanager
def one_thread() -> Generator[None]:
    """Hold BLAS and OpenMP to one thread, so that the bits do not depend on the machine's cores."""
    with _pools().limit(limits=1):
        yield


def _if_it_varies(reading: Reading, rows: int, scale: float) -> Reading:
    # few rows that happen to agree (but for rounding) do not tell how much other rows would
    if reading.low is None or reading.high is None or rows >= FEW_ROWS:
        return reading
    if reading.high - reading.low > ROUNDED * max(abs(reading.low), abs(reading.high), scale):
        return reading
    note = "; ".join(part for part in (reading.note, f"no interval: the {rows} rows do not differ in it") if part)
    return replace(reading, low=None, high=None, note=note)


def mean_reading(points: np.ndarray, note: str = "") -> Reading:
    """The mean of per-point values with Student's 95 % interval, points (n,)."""
    n = len(points)
    value, half = float(points.mean(dtype=np.float64)), mean_half(points)
    return Reading(value, value - half, value + half, n, note=note, points=points)
