"""Graphs: how many parameters does a model have, and how many multiply-adds does one row take?

Reads  an ONNX graph (the package onnx must be there), or arrays by name.
Gives  `Work`: counts for one row.
Skips  comparisons of trees (their numbers are parameters, they multiply nothing) and activations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# which input of an operator holds its weights, for products of matrices and for convolutions
PRODUCTS = {"MatMul": 1, "Gemm": 1, "MatMulInteger": 1, "QLinearMatMul": 3, "DynamicQuantizeMatMul": 1}
PRODUCTS |= {"MatMulIntegerToFloat": 1, "FusedMatMul": 1, "FusedGemm": 1, "QGemm": 3}
CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "FusedConv": 1}
COEFFICIENTS = ("LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor")
TREE_NUMBERS = ("nodes_values", "nodes_splits", "class_weights", "target_weights", "leaf_weights")


@dataclass(frozen=True)
class Work:
    """Counts of one model.

    parameters     numbers it keeps: weights, thresholds and leaves; shapes and other whole constants are none
    multiply_adds  for one row; None where a shape is not known
    """

    parameters: int
    multiply_adds: int | None


def array_work(arrays: Mapping[str, np.ndarray]) -> Work:
    """Of a model that is its arrays: every matrix is multiplied with once per row."""
    sizes = {name: np.asarray(one) for name, one in arrays.items()}
    return Work(sum(one.size for one in sizes.values()), sum(one.size for one in sizes.values() if one.ndim == 2))


def graph_work(model: Any, inferred: Any) -> Work:
    """Of an ONNX graph.

    model     a ModelProto
    inferred  the same with the shapes of what flows between nodes (onnx.shape_inference.infer_shapes)
    """
    shapes = _shapes(inferred.graph)
    total: int | None = sum(math.prod(one.dims) for one in model.graph.initializer if _is_weight(one))
    parameters, adds = int(total or 0), 0
    known = True
    for node in model.graph.node:
        for one in node.attribute:
            if one.name == "value" and node.op_type == "Constant" and _is_weight(one.t):
                parameters += math.prod(one.t.dims)
            if one.name in TREE_NUMBERS or (one.name == "coefficients" and node.op_type in COEFFICIENTS):
                count = len(one.floats) or math.prod(one.t.dims)
                parameters += count
                adds += count if one.name == "coefficients" else 0
        found = _adds(node, shapes)
        known, adds = known and found is not None, adds + (found or 0)
    return Work(parameters, adds if known else None)


def _adds(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    kind = node.op_type
    if kind not in PRODUCTS and kind not in CONVOLUTIONS:
        return 0
    weights = shapes.get(node.input[{**PRODUCTS, **CONVOLUTIONS}[kind]])
    made = shapes.get(node.output[0])
    if not weights or made is None:
        return None
    if kind in CONVOLUTIONS:
        return math.prod(made) * math.prod(weights[1:])
    turned = any(one.name == "transB" and one.i for one in node.attribute)
    return math.prod(made) * (weights[-1] if turned else weights[-2] if len(weights) > 1 else weights[0])


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    """What flows between nodes, for one row: a size that is not fixed is that of the batch."""
    found = {one.name: tuple(one.dims) for one in graph.initializer}
    for one in _values(graph):
        if one.type.tensor_type.HasField("shape"):
            found[one.name] = tuple(dim.dim_value or 1 for dim in one.type.tensor_type.shape.dim)
    return found


def _values(graph: Any) -> Iterator[Any]:
    yield from graph.input
    yield from graph.value_info
    yield from graph.output


def _is_weight(tensor: Any) -> bool:
    # ONNX numbers its types: 1 float32, 2 uint8, 3 int8, 6 int32 (biases of int8 nets), 10 float16, 11 float64
    return tensor.data_type in (1, 2, 3, 6, 10, 11)
