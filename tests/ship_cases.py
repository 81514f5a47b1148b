"""Graphs and estimators that the tests of shipping share: small, made here, without torch's exporter."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def mlp_graph(widths: tuple[int, ...], seed: int = 0) -> bytes:
    """Affine layers with relu between them; input "x", output "code"."""
    rng, nodes, kept, flowing = np.random.default_rng(seed), [], [], "x"
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        kept.append(numpy_helper.from_array(rng.normal(0, before**-0.5, (before, after)).astype(np.float32), f"w{i}"))
        kept.append(numpy_helper.from_array(rng.normal(0, 0.1, after).astype(np.float32), f"b{i}"))
        made = "code" if i == len(widths) - 2 else f"h{i}"
        nodes.append(helper.make_node("Gemm", [flowing, f"w{i}", f"b{i}"], [made]))
        if made != "code":
            nodes.append(helper.make_node("Relu", [made], [f"r{i}"]))
        flowing = f"r{i}"
    return packed(nodes, kept, [("x", ["n", widths[0]])], [("code", ["n", widths[-1]])])


def conv_graph(size: int = 16, channels: int = 16) -> bytes:
    """A convolution, relu, the mean of all places, an affine layer."""
    rng = np.random.default_rng(0)
    kept = [
        numpy_helper.from_array(rng.normal(0, 0.3, (channels, 1, 3, 3)).astype(np.float32), "w"),
        numpy_helper.from_array(rng.normal(0, 0.3, (channels, 4)).astype(np.float32), "v"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["code"]),
    ]
    return packed(nodes, kept, [("x", ["n", 1, size, size])], [("code", ["n", 4])])


def packed(nodes, kept, inputs, outputs, kind: int = TensorProto.FLOAT) -> bytes:
    """The bytes of a graph."""
    ends = [[helper.make_tensor_value_info(name, kind, shape) for name, shape in some] for some in (inputs, outputs)]
    graph = helper.make_graph(nodes, "made", *ends, initializer=kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()
