"""Cells: one column of anything becomes numbers, times or texts, and is read again as what it was in training.

Reads  lists and arrays of Python or numpy values.
Gives  float64 (NaN missing), datetime64[us] in UTC (NaT missing) or objects (str, None missing).
Skips  judging a whole column by its texts (tables): here a text is a number only where one is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from ...errors import DataError

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "#N/A", "<NA>", "NaT"})
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
LARGEST = 1e150  # squares of larger numbers leave float64


def typed(values: Sequence[Any] | np.ndarray) -> np.ndarray:
    """One column as float64 (NaN missing), datetime64[us] (NaT missing) or objects (str, None missing).

    Decided by the Python types, never by what a text says. Numbers or times mixed with texts become texts.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
        return np.where(np.abs(numbers) < LARGEST, numbers, np.nan)
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    cells = [cell_of(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {float}:
        return typed(np.array([math.nan if cell is None else cell for cell in cells]))
    if kinds == {np.datetime64}:
        return np.array([np.datetime64("NaT") if cell is None else cell for cell in cells], "datetime64[us]")
    return objects([cell if cell is None or isinstance(cell, str) else text_of(cell) for cell in cells])


def cell_of(value: Any) -> str | float | np.datetime64 | None:
    """One cell as a stripped text, a number, a UTC time, or None when it is missing; truth is "true" or "false"."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, str):
        text = value.strip()
        return None if text in MISSING else _TRUTH.get(text, text)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return np.datetime64(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value, "us")
    if isinstance(value, date | np.datetime64):
        moment = np.datetime64(value, "us")
        return None if np.isnat(moment) else moment
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)
    return number if abs(number) < LARGEST else None


def text_of(value: Any) -> str:
    """A cell as a text; 1.0 is "1"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def objects(cells: Sequence[Any]) -> np.ndarray:
    """The cells as an object array."""
    out = np.empty(len(cells), dtype=object)
    out[:] = cells
    return out


def another_type(name: str, want: str, example: Any) -> DataError:
    """The error for a column that is not what it was in training."""
    return DataError(
        f"column {name!r} holds {str(example)[:40]!r}, but held {want} when this was fitted",
        "give the column its old type, or leave it out: a column that is not there counts as missing",
    )


def as_numbers(values: np.ndarray, name: str) -> np.ndarray:
    """A typed column as float64. Odd texts become NaN; when most are odd it is another column: DataError."""
    if values.dtype.kind == "f":
        return values
    if values.dtype.kind == "M":
        if np.isnat(values).all():
            return np.full(len(values), np.nan)
        raise another_type(name, "numbers", values[~np.isnat(values)][0])
    truth = {None: math.nan, "true": 1.0, "false": 0.0}
    out = typed(np.array([truth[cell] if cell in truth else number_of(cell) for cell in values.tolist()], np.float64))
    odd = [cell for cell, number in zip(values.tolist(), out, strict=True) if cell is not None and number != number]
    if len(odd) * 2 > sum(cell is not None for cell in values.tolist()):
        raise another_type(name, "numbers", odd[0])
    return out


def number_of(text: str) -> float:
    """The number a text spells, NaN when it spells none."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def as_texts(values: np.ndarray, name: str, vocabulary: Sequence[str]) -> list[str | None]:
    """A typed column as texts. Numbers where no known text is one are another column: DataError."""
    if values.dtype.kind == "O":
        return values.tolist()
    present = values[values == values]
    if len(present) and (
        values.dtype.kind == "M" or not any(number_of(text) == number_of(text) for text in vocabulary)
    ):
        raise another_type(name, "texts", present[0])
    alias = {number_of(text): text for text in vocabulary}  # "01" and 1 are one category
    return [None if value is None or value != value else alias.get(value, text_of(value)) for value in values.tolist()]


def as_seconds(values: np.ndarray, name: str) -> np.ndarray:
    """A typed column as seconds since 1970 (UTC), NaN where missing. ISO texts are read."""
    if values.dtype.kind == "f" and not np.isnan(values).all():
        raise another_type(name, "times", values[~np.isnan(values)][0])
    if values.dtype.kind == "O":
        odd, cells = None, []
        for cell in values.tolist():
            try:
                cells.append(None if cell is None else cell_of(datetime.fromisoformat(cell)))
            except ValueError:
                cells.append(None)
                odd = cell
        if odd is not None and all(cell is None for cell in cells):
            raise another_type(name, "times", odd)
        values = np.array([np.datetime64("NaT") if cell is None else cell for cell in cells], "datetime64[us]")
    if values.dtype.kind == "f":
        return values
    return np.where(np.isnat(values), np.nan, values.astype(np.int64) / 1e6)
