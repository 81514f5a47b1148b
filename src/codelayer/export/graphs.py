"""One ONNX model of a schema, a core and a head: torch's exporter makes the core, the rest is put around it.

Reads  a fitted coder, or one with its head.
Gives  the bytes of a model whose first output is "code"; a torch.export program.
Skips  checking it against the original: checks.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import __version__
from ..bundle.onnxfile import MOST_BYTES, library
from ..errors import ExportError
from ..learn.forest import Forest
from ..learn.headed_forest import HeadedForest
from ..learn.heads import Headed, plain_label
from .core import Core, coder_of, core_of, task_of
from .inputs import inputs_of
from .preparing import FLOAT, ML, ROWS, Graph, input_infos, prepare
from .trees import add_trees, of_forest

OPSET, ML_OPSET, IR = 20, 3, 10
TRACED_ROWS = 2  # neither 0 nor 1, which the exporter takes for constants


def program(model: Any) -> Any:
    """The core of a model as a torch.export program: encoded samples (rows, *shape) -> code, and what a head says.

    errors  ExportError naming the part that cannot be exported
    """
    core = core_of(model)
    return _told(core, _example(model), _traced)


def onnx_model(model: Any, facts: Mapping[str, str]) -> bytes:
    """A model as ONNX: inputs as `inputs_of(schema)`, outputs code, probabilities and label, or number.

    facts   further metadata, name -> text
    errors  ExportError naming the part that cannot be exported; CodelayerError without the extra `export`
    """
    schema = coder_of(model).schema_
    core = core_of(model)
    library("onnx")  # whether it is installed is told before the exporter runs
    traced = _told(core, _example(model), _translated)
    task = task_of(model)
    inputs = inputs_of(schema, task)
    prefix = "codelayer/"
    while any(one.name.startswith(prefix) for one in inputs):
        prefix = f"_{prefix}"
    graph = Graph(prefix)
    encoded = prepare(schema, inputs, graph, exact=isinstance(model, HeadedForest))
    # "place" is inside: a column may be called so
    names = [f"{prefix}{name}" if name == "place" else name for name in core.outputs]
    outputs = _join(graph, traced, encoded, names)
    if isinstance(model, HeadedForest):
        outputs += forest_outputs(model.forest, graph, "code")
    elif task == "class":
        outputs[2] = label_output(model.head.classes, graph, outputs[2].name)
    return packed(model_of(graph, input_infos(inputs), outputs), {**described(model), **facts})


def model_of(graph: Graph, inputs: list[Any], outputs: list[Any]) -> Any:
    """A graph with its inputs and outputs as an ONNX model."""
    helper = library("onnx.helper")
    whole = helper.make_graph(graph.nodes, "codelayer", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
    return helper.make_model(whole, producer_name="codelayer", ir_version=IR, opset_imports=opsets)


def packed(made: Any, facts: Mapping[str, str]) -> bytes:
    """The bytes of an ONNX model with its metadata, checked to be well formed.

    errors  ExportError: larger than ONNX can be
    """
    onnx = library("onnx")
    onnx.helper.set_model_props(made, dict(facts))
    if made.ByteSize() > MOST_BYTES:
        raise ExportError(f"the model would have {made.ByteSize():,} bytes", f"one ONNX file holds {MOST_BYTES:,}")
    onnx.checker.check_model(made)
    return made.SerializeToString()


def described(model: Any) -> dict[str, str]:
    """What the metadata of an exported model say: everything as text, lists and records as JSON."""
    coder = coder_of(model)
    inputs = inputs_of(coder.schema_, task_of(model))
    told = {
        "codelayer": __version__,
        "kind": coder.kind_name,
        "schema": json.dumps(coder.schema_.to_json()),
        "inputs": json.dumps([one.to_json() for one in inputs]),
    }
    if hasattr(coder, "objective_"):
        told["objective"] = str(coder.objective_)
    if isinstance(model, Headed):
        told |= {"task": model.head.task, "classes": json.dumps(list(model.head.classes))}
    return told


# --- torch --------------------------------------------------------------------------------------------------------


def _example(model: Any) -> torch.Tensor:
    return torch.zeros(TRACED_ROWS, *coder_of(model).schema_.shape)


def _traced(module: nn.Module, example: torch.Tensor) -> Any:
    return torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim(ROWS)},))


def _translated(module: nn.Module, example: torch.Tensor) -> Any:
    library("onnxscript")
    made: Any = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim(ROWS)},),
        external_data=False,
        verbose=False,
    )
    return made.model_proto


def _told(core: Core, example: torch.Tensor, export: Any) -> Any:
    """An export of the core; where it fails, each part is exported alone to find which one cannot be."""
    with _quiet(), torch.no_grad():
        try:
            return export(core, example)
        except Exception as error:  # the exporters raise errors of many kinds, also of their own making
            part, reason = _culprit(core, example, export) or ("the model", error)
    first = next((line for line in str(reason).splitlines() if line.strip()), type(reason).__name__)
    raise ExportError(f"{part} cannot be exported: {first.strip()[:200]}", "change that part, and learn again")


def _culprit(core: Core, example: torch.Tensor, export: Any) -> tuple[str, Exception] | None:
    for name, part in zip(core.names, core.parts, strict=True):
        try:
            export(part, example)
        except Exception as error:
            return name, error
        example = part(example)
    return None


@contextlib.contextmanager
def _quiet() -> Generator[None, None, None]:
    """Nothing of what the exporters print, log and warn of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)


# --- onnx ---------------------------------------------------------------------------------------------------------


def _join(graph: Graph, traced: Any, encoded: str, outputs: list[str]) -> list[Any]:
    """Add the traced core behind `encoded`; returns its outputs, by their names."""
    onnx = library("onnx")
    if traced.functions:
        traced = onnx.inliner.inline_local_functions(traced)
    found = {one.domain: one.version for one in traced.opset_import if one.version}
    if found.get("", OPSET) != OPSET or set(found) - {"", "ai.onnx"}:
        raise ExportError(f"torch's exporter used the operators {found}", f"opset {OPSET} alone is expected")
    inner = traced.graph
    new = {inner.input[0].name: encoded}
    new |= {one.name: name for one, name in zip(inner.output, outputs, strict=True)}

    def renamed(name: str) -> str:
        return new.setdefault(name, f"{graph.prefix}core/{name}") if name else ""

    for tensor in inner.initializer:
        tensor.name = renamed(tensor.name)
        graph.constants.append(tensor)
    for number, node in enumerate(inner.node):
        if any(one.type in (5, 10) for one in node.attribute):
            raise ExportError(f"the operator {node.op_type} holds a graph of its own", "it is not read here")
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        node.name = f"{graph.prefix}core/{node.op_type}{number}"
        del node.metadata_props[:]
        node.doc_string = ""
        graph.nodes.append(node)
    for one, name in zip(inner.output, outputs, strict=True):
        one.name = name
        del one.metadata_props[:]
    return list(inner.output)


def forest_outputs(forest: Forest, graph: Graph, features: str) -> list[Any]:
    """Add a forest behind (rows, features); returns its outputs, probabilities and label, or number."""
    info = library("onnx.helper").make_tensor_value_info
    summed = add_trees(of_forest(forest), features, graph)
    if forest.classes is None:
        graph.node("Reshape", summed, graph.constant([-1], np.int64), output="number")
        return [info("number", FLOAT, [ROWS])]
    graph.node("Identity", summed, output="probabilities")
    places = graph.node("ArgMax", summed, attributes={"axis": 1, "keepdims": 0})
    classes = tuple(plain_label(one) for one in forest.classes)
    return [info("probabilities", FLOAT, [ROWS, len(classes)]), label_output(classes, graph, places)]


def label_output(classes: tuple[Any, ...], graph: Graph, places: str) -> Any:
    """Add the look-up of labels by their places (rows,); returns the output "label"."""
    onnx = library("onnx")
    table = label_table(classes)
    name = f"{graph.prefix}classes"
    tensor = onnx.numpy_helper.from_array(table, name)
    graph.constants.append(tensor)
    graph.node("Gather", name, places, output="label", attributes={"axis": 0})
    return onnx.helper.make_tensor_value_info("label", tensor.data_type, [ROWS])


def label_table(classes: tuple[Any, ...]) -> np.ndarray:
    """(classes,) labels as one type: whole numbers, truth, numbers, or texts where they are mixed."""
    if all(isinstance(one, bool) for one in classes):
        return np.array(classes, bool)
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in classes):
        numbers = np.array(classes, np.float64)
        whole = bool((numbers == np.rint(numbers)).all()) and bool((np.abs(numbers) < 2**53).all())
        return numbers.astype(np.int64) if whole else numbers
    return np.array([str(one) for one in classes], object)
