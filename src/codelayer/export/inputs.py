"""What an exported model is given: one input for a block of numbers or pictures, one per column of a mixed table.

Reads  a schema, and rows of its kind.
Gives  the inputs' names, types and shapes, and the arrays that a run is fed with; numpy alone is needed.
Skips  scaling and one-hot numbers: they are inside the graph (preparing.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..data.schema import Column, Columns, Schema
from ..data.schema.cells import as_numbers, as_seconds, as_texts, objects
from ..errors import DataError

BLOCK = "x"
OUTPUTS = {None: ("code",), "class": ("code", "probabilities", "label"), "number": ("code", "number")}
MISSING = ""


@dataclass(frozen=True)
class Input:
    """One input of an exported graph; rows come first in its shape.

    name     by which it is fed
    kind     "numbers" (NaN is missing in a table), "pixels", "texts" ("" is missing) or "times" (seconds since 1970,
             NaN is missing)
    dtype    "float32", "uint8", "string" or "float64"
    shape    of one row
    columns  of the table it holds, in order; none for arrays
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self) | {"shape": list(self.shape), "columns": list(self.columns)}


def inputs_of(schema: Schema, task: str | None = None) -> tuple[Input, ...]:
    """The inputs of a graph that reads what the schema reads.

    task  of the head: "class", "number", or None; no input is called as one of its outputs
    """
    if schema.kind != "table":
        shape = schema.shape[:-1] if schema.flat else schema.shape
        pixels = schema.dtype == "uint8"
        return (Input(BLOCK, "pixels" if pixels else "numbers", "uint8" if pixels else "float32", shape),)
    columns = used_columns(schema)
    if all(column.kind == "numeric" for column in columns):
        return (Input(BLOCK, "numbers", "float32", (len(columns),), tuple(column.name for column in columns)),)
    kinds = {"numeric": ("numbers", "float32"), "category": ("texts", "string"), "time": ("times", "float64")}
    names = _names(columns, OUTPUTS[task])
    return tuple(
        Input(name, *kinds[column.kind], (1,), (column.name,)) for name, column in zip(names, columns, strict=True)
    )


def used_columns(schema: Schema) -> list[Column]:
    """The columns of a table that are encoded, in order."""
    return [column for column in schema.columns if column.labels()]


def _names(columns: list[Column], outputs: tuple[str, ...]) -> list[str]:
    """One name per column: its own, but for an empty one and those that outputs have."""
    names: list[str] = []
    taken = {"", *outputs}
    others = {column.name for column in columns}
    for column in columns:
        name = column.name
        while name in taken or (name != column.name and name in others):
            name = f"column {name}".strip()
        names.append(name)
        taken.add(name)
    return names


def feeds(schema: Schema, rows: Any, task: str | None = None) -> dict[str, np.ndarray]:
    """The arrays by which a run of the exported graph is fed with rows.

    rows    an array or CSR, or named Columns, as the coder reads them
    task    of the head, as in `inputs_of`
    errors  DataError: another shape, none of the columns, a column of another type, numbers in the place of grey levels
    """
    if schema.kind != "table":
        return {BLOCK: _block(schema, rows)}
    if not isinstance(rows, Columns):
        raise DataError("this reads a table, not an array", "give a frame or Table with its columns")
    inputs, columns = inputs_of(schema, task), used_columns(schema)
    if not any(column.name in rows.names for column in columns):
        wanted = ", ".join(repr(column.name) for column in columns[:4])
        raise DataError("none of the columns that it reads is there", f"it reads {wanted}")
    made = [_cells(column, rows) for column in columns]
    if inputs[0].kind == "numbers" and len(inputs[0].columns) == len(columns):
        return {inputs[0].name: np.stack(made, axis=1)}
    return {one.name: cells[:, None] for one, cells in zip(inputs, made, strict=True)}


def _block(schema: Schema, rows: Any) -> np.ndarray:
    if isinstance(rows, Columns):
        raise DataError("this reads an array, not a table", "give an array of the shape it was fitted on")
    dense = rows.toarray() if hasattr(rows, "tocsr") else np.asarray(rows)
    (one,) = inputs_of(schema)
    if dense.shape[1:] not in (schema.shape, one.shape):
        raise DataError(f"rows of shape {dense.shape[1:]} do not fit", f"they have shape {one.shape}")
    if one.kind == "pixels" and dense.dtype != np.uint8:
        levels = dense.astype(np.uint8)
        if not np.array_equal(levels, dense):
            raise DataError(f"pictures of type {dense.dtype} hold more than grey levels", "give uint8, 0 to 255")
        dense = levels
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(dense.reshape(len(dense), *one.shape), one.dtype)


def _cells(column: Column, rows: Columns) -> np.ndarray:
    there = column.name in rows.names
    values = rows.column(column.name) if there else objects([None] * len(rows))
    if column.kind == "category":
        texts = as_texts(values, column.name, column.vocabulary)
        return objects([MISSING if text is None else text for text in texts])
    if column.kind == "time":
        return np.asarray(as_seconds(values, column.name), np.float64)
    with np.errstate(over="ignore"):
        return as_numbers(values, column.name).astype(np.float32)
