"""ONNX graphs that say nothing about their rows: what their inputs take, made of rows or at random.

Reads  an open session; rows as arrays, CSR or tables.
Gives  the feeds that its inputs ask for.
Skips  opening (`export.session`), and graphs with a schema in their metadata: those are fed by `export.feeds`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.schema.cells import objects, text_of
from ..errors import DataError

KINDS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


def feeds(opened: Any, rows: Any) -> dict[str, np.ndarray]:
    """What a session's inputs take, made of rows.

    rows    an array or CSR for a graph with one input; a table's columns go to the inputs of their names, or, where
            the only input is one block of numbers, are put side by side
    errors  DataError: rows of another shape, or without a column that the graph reads
    """
    inputs = opened.get_inputs()
    names = getattr(rows, "names", None)
    if names is not None and not (len(inputs) == 1 and inputs[0].name not in names):
        missing = [one.name for one in inputs if one.name not in names]
        if missing:
            raise DataError(f"the rows have no column {missing[0]!r}, which the graph reads", _reads(opened))
        return {one.name: _fitted(one, np.asarray(rows.column(one.name)), opened) for one in inputs}
    if len(inputs) != 1:
        raise DataError(f"an array has no names, and the graph reads {len(inputs)} inputs", _reads(opened))
    return {inputs[0].name: _fitted(inputs[0], _block(rows), opened)}


def random_rows(opened: Any, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Feeds of random numbers, where there are no rows: fit for timing, not for scores."""
    rng, made = np.random.default_rng(seed), {}
    for one in opened.get_inputs():
        kind, shape = KINDS.get(one.type, np.float32), (count, *(_size(size) for size in one.shape[1:]))
        if kind is np.object_:
            made[one.name] = np.full(shape, "a", dtype=object)
        elif issubclass(kind, np.floating):
            made[one.name] = rng.random(shape).astype(kind)
        else:
            made[one.name] = rng.integers(0, 2, shape).astype(kind)
    return made


def some_feeds(given: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
    """The feeds of some of the rows."""
    return {name: np.ascontiguousarray(one[rows]) for name, one in given.items()}


def main_output(opened: Any) -> str:
    """The output that answers: "probabilities" or "number" where there is one, else the first."""
    names = [one.name for one in opened.get_outputs()]
    return next((name for name in ("probabilities", "number") if name in names), names[0])


def _block(rows: Any) -> np.ndarray:
    names = getattr(rows, "names", None)
    if names is None:
        return rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
    try:
        return np.stack([np.asarray(rows.column(name), dtype=np.float64) for name in names], axis=1)
    except (TypeError, ValueError):
        raise DataError("a column holds text, and the graph reads one block of numbers", "encode it first") from None


def _fitted(one: Any, values: np.ndarray, opened: Any) -> np.ndarray:
    wanted = list(one.shape)
    if len(wanted) == 2 and values.ndim != 2:
        values = values.reshape(len(values), -1)  # pictures for a graph that reads flat rows; a column of a table
    fits = len(wanted) == values.ndim and all(
        not isinstance(size, int) or size == found for size, found in zip(wanted[1:], values.shape[1:], strict=True)
    )
    if not fits:
        raise DataError(f"rows of shape {values.shape[1:]} do not fit the input {one.name!r}", _reads(opened))
    kind: Any = KINDS.get(one.type, np.float32)
    if kind is np.object_:
        return _texts(values)
    try:
        numbers = values.astype(np.float64) if values.dtype.kind == "O" else values
        if issubclass(kind, np.integer) and numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            raise DataError(
                f"the column {one.name!r} has missing numbers where the graph reads whole ones", "fill them"
            )
        return np.ascontiguousarray(numbers, dtype=kind)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"the column {one.name!r} holds text where the graph reads numbers", _reads(opened)) from None


def _texts(values: np.ndarray) -> np.ndarray:
    """Cells as texts: what is missing is "", and 3.0 is "3"."""
    cells = ["" if cell is None or cell != cell else text_of(cell) for cell in values.ravel().tolist()]
    return np.ascontiguousarray(objects(cells).reshape(values.shape))


def _reads(opened: Any) -> str:
    told = [f"{one.name} {one.type.removeprefix('tensor')[1:-1]} {_shape(one.shape)}" for one in opened.get_inputs()]
    more = f" and {len(told) - 6} more" if len(told) > 6 else ""
    return f"it reads {', '.join(told[:6])}{more}"


def _shape(shape: Any) -> str:
    return f"({', '.join(str(size) if isinstance(size, int) else 'n' for size in shape)})"


def _size(size: Any) -> int:
    return size if isinstance(size, int) else 1
