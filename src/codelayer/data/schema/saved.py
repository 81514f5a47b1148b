"""A schema as plain JSON, and back with every value checked, because a bundle may come from anyone.

Reads  what `json.loads` gives.
Gives  the fields of a Schema; BundleError for anything that `schema_json` would not have written.
Skips  the layout, the names and the feature count: they follow from the rest.
"""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BundleError
from .column import WAVES, Column

if TYPE_CHECKING:
    from . import Schema

FEATURES = 10**8
_AXES = {"array": 1, "table": 1, "sequence": 2, "image": 3}
_KINDS = ("numeric", "category", "time", "text", "id", "constant")
_KEYS = ("kind", "shape", "scale", "center", "spread", "dtype", "flat", "unit_range", "columns", "notes")


def schema_json(schema: Schema) -> dict[str, Any]:
    """Plain JSON types; floats keep all their bits."""
    data = {key: getattr(schema, key) for key in _KEYS}
    columns = [{**asdict(column), "vocabulary": list(column.vocabulary)} for column in schema.columns]
    center, spread = schema.center.tolist(), schema.spread.tolist()
    whole = {"shape": list(schema.shape), "columns": columns, "notes": list(schema.notes)}
    return data | whole | {"center": center, "spread": spread}


def schema_fields(data: Any) -> dict[str, Any]:
    """The fields of a Schema, checked.

    errors  BundleError naming the first field that is wrong
    """
    _must(isinstance(data, dict) and set(data) == set(_KEYS), "its fields")
    _must(isinstance(data["kind"], str) and data["kind"] in _AXES, "kind")
    _must(data["scale"] in ("block", "columns", "none"), "scale")
    _must(data["dtype"] in ("uint8", "float32", "float64"), "dtype")
    _must(isinstance(data["flat"], bool) and isinstance(data["unit_range"], bool), "flat or unit_range")
    _must(_texts(data["notes"]), "notes")
    table = data["kind"] == "table"
    shape = data["shape"]
    _must(isinstance(shape, list) and len(shape) == _AXES[data["kind"]], "shape")
    _must(all(type(n) is int and 0 < n <= FEATURES for n in shape) and math.prod(shape) <= FEATURES, "shape")
    _must(not data["flat"] or shape[-1] == 1, "flat")
    _must(isinstance(data["columns"], list) and bool(data["columns"]) == table, "columns")
    columns = tuple(_column(one) for one in data["columns"])
    _must(len({column.name for column in columns}) == len(columns), "columns: a name twice")
    _must(not table or sum(len(column.labels()) for column in columns) == shape[0], "shape")
    for key in ("center", "spread"):
        _must(isinstance(data[key], list) and all(_number(value) for value in data[key]), key)
        _must(len(data[key]) in ((0,) if table else (1, shape[-1])), key)
    _must(all(value > 0 for value in data["spread"]), "spread")
    arrays = {key: np.array(data[key], np.float64) for key in ("center", "spread")}
    return data | arrays | {"shape": tuple(shape), "columns": columns, "notes": tuple(data["notes"])}


def _column(data: Any) -> Column:
    _must(isinstance(data, dict) and set(data) == {field.name for field in fields(Column)}, "a column's fields")
    _must(isinstance(data["name"], str), "a column's name")
    _must(data["kind"] in _KINDS, f"the kind of {data['name']!r}")
    _must(isinstance(data["has_missing"], bool), f"has_missing of {data['name']!r}")
    _must(all(_number(data[key]) for key in ("mean", "scale", "low", "high")), f"the numbers of {data['name']!r}")
    words = data["vocabulary"]
    _must(data["scale"] > 0 and _texts(words) and len(set(words)) == len(words), f"the constants of {data['name']!r}")
    if data["kind"] == "time":
        _must(words[:1] == ["age"] and set(words[1:]) <= set(WAVES), f"the parts of {data['name']!r}")
    numbers = {key: float(data[key]) for key in ("mean", "scale", "low", "high")}
    return Column(**(data | numbers | {"vocabulary": tuple(words)}))


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _must(good: bool, what: str) -> None:
    if not good:
        raise BundleError(f"the saved schema is not valid: {what}", "the file was altered or damaged; save it again")
