"""The models of a bench: each is opened and asked once, on rows of its own where it has any.

Reads  paths and objects with or without rows of their own; rows for the others.
Gives  `Field`: models that answer, the rows each of them answers, and why the others were left out.
Skips  timing (bench).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..data.rows import rows_of, take
from ..errors import CodelayerError, DataError
from .models import IN_PYTHON, Servable, as_rows, compiled, open_model

TO_COMPILE = 256  # rows that a compiled form is held against


@dataclass(frozen=True)
class Entrant:
    """One model of a bench.

    source  a path or an object, see `models.open_model`
    rows    raw rows that it reads; None: those of the whole bench
    name    for tables; by default the file's name or the class
    """

    source: Any
    rows: Any = None
    name: str | None = None

    @classmethod
    def of(cls, given: Any) -> Entrant:
        """An Entrant as it is, a (name, object) pair, or a path or object."""
        if isinstance(given, Entrant):
            return given
        return cls(given[1], name=given[0]) if isinstance(given, tuple) else cls(given)

    @property
    def called(self) -> str:
        """What it is called before it is opened."""
        if self.name is not None:
            return self.name
        plain = isinstance(self.source, str) or hasattr(self.source, "__fspath__")
        return str(self.source) if plain else type(self.source).__name__


@dataclass
class Field:
    """Who takes part.

    models     in order; a compiled form stands behind its model
    rows       name -> the rows it answers
    sentences  what a reader should know
    left_out   name -> why it is not measured
    """

    models: list[Servable] = field(default_factory=list)
    rows: dict[str, Any] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def lined_up(
    entrants: Sequence[Entrant],
    rows: Any,
    count: int,
    threads: int = 1,
    compile_too: bool = True,
    trust: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Field:
    """Open every model, and see that it answers.

    rows     of those that have none of their own; None: each its own samples, or random ones where it keeps none
    count    rows that it must answer
    errors   the model's own error where there is one model, DataError with every reason where none of several answers
    """
    found, sampled = Field(), []
    for one in entrants:
        say(f"opening {one.called}")
        given = as_rows(rows if one.rows is None else one.rows)
        try:
            model = open_model(one.source, threads, trust=trust, name=one.name)
            model = replace(model, name=_unlike(model.name, {*found.rows, *found.left_out}))
            answered = model.samples(count) if given is None else given
            ask(model, answered, count)
        except CodelayerError as error:
            if len(entrants) == 1:
                raise
            found.left_out[_unlike(one.called, {*found.rows, *found.left_out})] = " ".join(str(error).split())
            continue
        found.models.append(model)
        found.rows[model.name] = answered
        if given is None:
            sampled.append(model.name)
        if compile_too and model.form == IN_PYTHON:
            _compile(model, given, answered, count, found)
    if not found.models:
        told = "; ".join(f"{name}: {why}" for name, why in found.left_out.items())
        raise DataError(f"none of the {len(entrants)} models can be measured: {told}", "mend the paths or the rows")
    if sampled:
        whose = "models" if len(sampled) == len(found.rows) or rows is None else ", ".join(sampled)
        found.sentences.append(
            f"no data were given: {whose} answered their own sample rows or random ones, which trees may feel"
        )
    return found


def ask(model: Servable, rows: Any, count: int) -> None:
    """Let a model answer once, from raw rows and in its two steps.

    errors  DataError with what the model says of the rows
    """
    some = rows_again(rows, 0, count)
    try:
        model.whole(some)
        model.engine(model.prepare(some))
    except CodelayerError:
        raise
    except Exception as error:  # scikit-learn and ONNX Runtime say what they like of rows that do not fit
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{model.name} does not read these rows: {reason}", "give it rows of its own") from None


def rows_again(rows: Any, number: int, size: int) -> Any:
    """Batch `number` of `size` rows, or feeds of a graph, starting again from the first row where they end."""
    if isinstance(rows, dict):
        where = np.arange(number * size, (number + 1) * size) % count_of(rows)
        return {name: np.ascontiguousarray(one[where]) for name, one in rows.items()}
    return take(rows, np.arange(number * size, (number + 1) * size) % rows_of(rows))


def count_of(rows: Any) -> int:
    """How many rows there are, also in the feeds of a graph."""
    return len(next(iter(rows.values()))) if isinstance(rows, dict) else rows_of(rows)


def _compile(model: Servable, given: Any, answered: Any, count: int, found: Field) -> None:
    try:
        some = None if given is None else take(given, np.arange(min(TO_COMPILE, rows_of(given))))
        made = compiled(model, some)
        rows = made.samples(count) if given is None else answered
        ask(made, rows, count)
    except CodelayerError as error:
        found.sentences.append(f"{model.name} is measured in Python alone: {str(error).splitlines()[0]}")
        return
    found.models.append(made)
    found.rows[made.name] = rows


def _unlike(name: str, taken: set[str]) -> str:
    made, count = name, 2
    while made in taken:
        made, count = f"{name} ({count})", count + 1
    return made
