"""The schema as operators: what stands in the graph between its inputs and the core.

Reads  a schema.
Gives  nodes and constants that make "encoded" (rows, *shape) of the inputs, as `Schema.encode` does.
Skips  what ONNX has no operators for: texts are neither trimmed nor told to be another spelling of a number.

Columns of one kind are joined first, so that a table of thirty columns takes a dozen operators and a look-up per
category. Arrays are scaled in single precision where that rounds a code by less than a hundred thousandth; the few
numbers of a table in double, so that whole ones get the very bits that the schema gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from ..bundle.onnxfile import library
from ..data.schema import Column, Schema
from ..data.schema.cells import _TRUTH, MISSING
from ..data.schema.column import _MONDAY, DAY, WAVES
from .inputs import Input, used_columns

ROWS = "rows"
ENCODED = "encoded"
ML = "ai.onnx.ml"
LARGEST = float(np.finfo(np.float32).max)
FLOAT, UINT8, INT64, STRING, DOUBLE = 1, 2, 7, 8, 11  # TensorProto's numbers
TYPES = {"float32": FLOAT, "uint8": UINT8, "string": STRING, "float64": DOUBLE}
Place = tuple[int, int]  # column among those used, and which of its encoded numbers


@dataclass
class Graph:
    """Nodes and constants under way; `prefix` keeps their names apart from those of inputs and outputs."""

    prefix: str
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def node(
        self,
        operator: str,
        *inputs: str,
        domain: str = "",
        output: str = "",
        attributes: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        """Add a node; returns the name of what it gives."""
        output = output or f"{self.prefix}{operator}{len(self.nodes)}"
        made = library("onnx.helper").make_node(
            operator, list(inputs), [output], name=output, domain=domain, **attributes
        )
        self.nodes.append(made)
        return output

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """Add a constant; returns its name."""
        name = f"{self.prefix}constant{len(self.constants)}"
        self.constants.append(library("onnx.numpy_helper").from_array(np.asarray(values, dtype), name))
        return name

    def joined(self, names: Sequence[str]) -> str:
        """Several (rows, k) side by side."""
        return names[0] if len(names) == 1 else self.node("Concat", *names, attributes={"axis": 1})

    def picked(self, name: str, places: Sequence[int], of: int) -> str:
        """Columns of (rows, of) in another order."""
        if list(places) == list(range(of)):
            return name
        return self.node("Gather", name, self.constant(places, np.int64), attributes={"axis": 1})


def input_infos(inputs: Sequence[Input]) -> list[Any]:
    """The inputs as ONNX declares them, rows first and of any number."""
    made = library("onnx.helper").make_tensor_value_info
    return [made(one.name, TYPES[one.dtype], [ROWS, *one.shape]) for one in inputs]


def prepare(schema: Schema, inputs: Sequence[Input], graph: Graph, exact: bool = False) -> str:
    """Add the schema's operators to a graph; returns the name of the encoded samples.

    exact  scale arrays in double precision, as the schema does of float64, for what compares with thresholds
    """
    if schema.kind != "table":
        return _block(schema, inputs[0], graph, exact)
    return _table(used_columns(schema), inputs, graph)


def _block(schema: Schema, one: Input, graph: Graph, exact: bool) -> str:
    name = one.name
    if one.kind == "pixels":
        name = graph.node("Cast", name, attributes={"to": FLOAT})
    if schema.flat:
        name = graph.node("Unsqueeze", name, graph.constant([len(one.shape) + 1], np.int64))
    name = _scaled(name, schema.center, schema.spread, graph, exact)
    return graph.node("Identity", name) if name == one.name else name


def _scaled(name: str, center: np.ndarray, spread: np.ndarray, graph: Graph, exact: bool) -> str:
    """(value - center) / spread of float32, as float32."""
    dtype = np.float64 if exact or (np.abs(center) > 64 * np.abs(spread)).any() else np.float32
    if dtype == np.float64:
        name = graph.node("Cast", name, attributes={"to": DOUBLE})
    if center.any():
        name = graph.node("Sub", name, graph.constant(center, dtype))
    if (spread != 1).any():
        name = graph.node("Div", name, graph.constant(spread, dtype))
    return graph.node("Cast", name, attributes={"to": FLOAT}) if dtype == np.float64 else name


# --- tables -------------------------------------------------------------------------------------------------------


def _table(columns: list[Column], inputs: Sequence[Input], graph: Graph) -> str:
    names: list[str] = []
    places: list[Place] = []
    for kind, encode in (("numeric", _numbers), ("category", _categories), ("time", _times)):
        some = [i for i, column in enumerate(columns) if column.kind == kind]
        if not some:
            continue
        given = [inputs[0].name] if len(inputs) == 1 else [inputs[i].name for i in some]
        for name, which in encode([columns[i] for i in some], given, graph):
            names.append(name)
            places += [(some[i], j) for i, j in which]
    order = sorted(range(len(places)), key=places.__getitem__)
    return graph.picked(graph.joined(names), order, len(order))


Encoded = list[tuple[str, list[Place]]]


def _numbers(columns: list[Column], names: list[str], graph: Graph) -> Encoded:
    center, spread = (np.array([getattr(column, name) for column in columns]) for name in ("mean", "scale"))
    scaled = _scaled(graph.joined(names), center, spread, graph, exact=True)
    return _with_missing(scaled, columns, graph)[0]


def _with_missing(scaled: str, columns: list[Column], graph: Graph) -> tuple[Encoded, str]:
    """(rows, columns) with 0 where a number is missing, the indicators, and (rows, columns) bool: is it known."""
    size = graph.node("Abs", scaled)
    known = graph.node("LessOrEqual", size, graph.constant(LARGEST))  # false of NaN and infinity
    found = [(graph.node("Where", known, scaled, graph.constant(0)), [(i, 0) for i in range(len(columns))])]
    told = [i for i, column in enumerate(columns) if column.has_missing]
    if told:
        missing = graph.node("Cast", graph.node("Not", known), attributes={"to": FLOAT})
        last = [(i, len(columns[i].labels()) - 1) for i in told]
        found.append((graph.picked(missing, told, len(columns)), last))
    return found, known


def _categories(columns: list[Column], names: list[str], graph: Graph) -> Encoded:
    found = [_index(column, name, graph) for column, name in zip(columns, names, strict=True)]
    widths = [len(column.labels()) for column in columns]
    at = np.repeat(np.arange(len(columns)), widths)
    own = np.concatenate([np.arange(width) for width in widths])
    repeated = graph.picked(graph.joined(found), at.tolist(), len(columns))
    hot = graph.node("Cast", graph.node("Equal", repeated, graph.constant(own, np.int64)), attributes={"to": FLOAT})
    return [(hot, list(zip(at.tolist(), own.tolist(), strict=True)))]


def _index(column: Column, name: str, graph: Graph) -> str:
    """(rows, 1) int64: the place of a text in the vocabulary, behind it those of unknown and missing texts."""
    keys = {text: place for place, text in enumerate(column.vocabulary)}
    unknown = len(keys)
    for text in sorted(MISSING):
        keys.setdefault(text, unknown + 1)
    for text, read in _TRUTH.items():
        if read in keys:
            keys.setdefault(text, keys[read])
    return graph.node(
        "LabelEncoder",
        name,
        domain=ML,
        attributes={
            "keys_strings": list(keys),
            "values_int64s": list(keys.values()),
            "default_int64": unknown,
        },
    )


def _times(columns: list[Column], names: list[str], graph: Graph) -> Encoded:
    seconds = graph.joined(names)
    high, mean, scale = (np.array([getattr(c, name) for c in columns]) for name in ("high", "mean", "scale"))
    days = graph.node(
        "Div", graph.node("Sub", graph.constant(high, np.float64), seconds), graph.constant(DAY, np.float64)
    )
    centred = graph.node("Sub", days, graph.constant(mean, np.float64))
    age = graph.node("Cast", graph.node("Div", centred, graph.constant(scale, np.float64)), attributes={"to": FLOAT})
    found, known = _with_missing(age, columns, graph)
    waves = [(i, 1 + 2 * j, WAVES[part]) for i, c in enumerate(columns) for j, part in enumerate(c.vocabulary[1:])]
    if not waves:
        return found
    at, lengths = [i for i, _, _ in waves], np.array([length for _, _, length in waves])
    since = graph.node("Sub", seconds, graph.constant(_MONDAY, np.float64))
    turns = graph.node(
        "Mod", graph.picked(since, at, len(columns)), graph.constant(lengths, np.float64), attributes={"fmod": 1}
    )
    angle = graph.node("Mul", turns, graph.constant(2 * np.pi / lengths, np.float64))
    angle = graph.node("Cast", angle, attributes={"to": FLOAT})
    there = graph.picked(known, at, len(columns))
    for turn, step in (("Sin", 0), ("Cos", 1)):
        wave = graph.node("Where", there, graph.node(turn, angle), graph.constant(0))
        found.append((wave, [(i, place + step) for i, place, _ in waves]))
    return found
