"""scikit-learn models as ONNX: forests, boosted trees, linear models, and pipelines that scale before them.

Reads  a fitted classifier, regressor or transformer of rows (n, features).
Gives  a file with one float32 input "x" (rows, features) and the outputs probabilities and label, or number, or code.
Skips  tables with texts: see frames.py, or export a bundle.

skl2onnx translates; histogram boosting and LightGBM, which it does not read here, are written by trees.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..bundle import write_atomic
from ..bundle.onnxfile import library, session
from ..errors import DataError, ExportError
from ..learn.heads import plain_label
from .checks import TOLERANCE, Exported, difference, run, ties
from .graphs import ML_OPSET, OPSET, label_output, model_of, packed
from .inputs import BLOCK
from .preparing import FLOAT, ML, ROWS, Graph
from .trees import Trees, add_trees, of_model

AT_ONCE = 1024


def sklearn_to_onnx(
    estimator: Any, path: str | Path, features: int, rows: Any, tolerance: float = TOLERANCE
) -> Exported:
    """Write a fitted scikit-learn (or LightGBM) model as an ONNX file.

    estimator  a classifier, regressor or transformer, or a pipeline that ends in one
    path       of the file; an old one stays until the new one is whole
    features   of a row
    rows       (n, features) on which it is compared with the model, both in single precision
    tolerance  how far probabilities may differ, and numbers as a share of their scale
    errors     ExportError: what cannot be translated, or the two differ, in labels or by more: nothing is written;
               DataError: rows of another shape; CodelayerError: the extra `export` is not installed
    """
    data, found = sklearn_exported(estimator, features, rows, tolerance)
    write_atomic(path, data)
    return found.at(Path(path))


def sklearn_exported(estimator: Any, features: int, rows: Any, tolerance: float = TOLERANCE) -> tuple[bytes, Exported]:
    """What `sklearn_to_onnx` writes, as bytes, and how far it is from the model.

    estimator, features, rows, tolerance  as there, and so are the errors
    """
    x = np.asarray(rows, np.float32)
    if x.ndim != 2 or x.shape[1] != features or not len(x):
        raise DataError(f"rows of shape {x.shape} do not fit", f"give at least one row of {features} numbers")
    trees = of_model(estimator)
    if trees is None:
        made = translated(estimator, lambda kinds: [(BLOCK, kinds.FloatTensorType([None, features]))])
    else:
        made = _of_trees(trees, estimator, features)
    data = packed(made, {"codelayer": __version__, "kind": _name(estimator)})
    return data, held_against(estimator, data, x, lambda some: {BLOCK: some}, tolerance)


def _name(estimator: Any) -> str:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return type(last).__name__


def _of_trees(trees: Trees, estimator: Any, features: int) -> Any:
    info = library("onnx.helper").make_tensor_value_info
    graph = Graph("codelayer/")
    summed = add_trees(trees, BLOCK, graph)
    if not hasattr(estimator, "classes_"):
        graph.node("Reshape", summed, graph.constant([-1], np.int64), output="number")
        outputs = [info("number", FLOAT, [ROWS])]
    else:
        graph.node("Identity", summed, output="probabilities")
        places = graph.node("ArgMax", summed, attributes={"axis": 1, "keepdims": 0})
        classes = tuple(plain_label(one) for one in estimator.classes_)
        outputs = [info("probabilities", FLOAT, [ROWS, len(classes)]), label_output(classes, graph, places)]
    return model_of(graph, [info(BLOCK, FLOAT, [ROWS, features])], outputs)


def translated(estimator: Any, inputs: Callable[[Any], list[tuple[str, Any]]]) -> Any:
    """A scikit-learn model as skl2onnx writes it, with outputs by our names.

    inputs  skl2onnx's types -> (name, type) of each input
    errors  ExportError: what has no translation
    """
    skl2onnx = library("skl2onnx")
    kinds = library("skl2onnx.common.data_types")
    classifies = hasattr(estimator, "classes_")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = skl2onnx.convert_sklearn(
                estimator,
                initial_types=inputs(kinds),
                options={id(_last(estimator)): {"zipmap": False}} if classifies else None,
                target_opset={"": OPSET, ML: ML_OPSET},
            )
    except Exception as error:  # converters raise errors of many kinds
        first = (str(error).splitlines() or [""])[0][:200]
        raise ExportError(
            f"{_name(estimator)} cannot be exported: {first}",
            "forests, boosted trees, linear models and scalers before them can be",
        ) from None
    return _renamed(made, classifies, hasattr(estimator, "predict"))


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _renamed(made: Any, classifies: bool, predicts: bool) -> Any:
    """Outputs in our order and by our names, rows as the one free dimension, every set of operators named once."""
    graph, helper = made.graph, library("onnx.helper")
    for one in [*graph.input, *graph.output]:
        one.type.tensor_type.shape.dim[0].dim_param = ROWS
    if classifies:
        outputs = {one.name: one for one in graph.output}
        if set(outputs) != {"label", "probabilities"}:
            raise ExportError(f"the outputs {', '.join(outputs)} are not expected", "give a classifier of one label")
        label, chances = outputs["label"], outputs["probabilities"]
        del graph.output[:]
        graph.output.extend([chances, label])
    elif len(graph.output) != 1:
        raise ExportError(f"it has {len(graph.output)} outputs", "give a classifier, a regressor or a transformer")
    else:
        (one,) = graph.output
        name, shape, width = ("number", [-1], []) if predicts else ("code", [0, -1], [None])
        constant = library("onnx.numpy_helper").from_array(np.array(shape, np.int64), "codelayer/shape")
        graph.initializer.append(constant)
        graph.node.append(helper.make_node("Reshape", [one.name, constant.name], [name], name=f"codelayer/{name}"))
        del graph.output[:]
        graph.output.append(helper.make_tensor_value_info(name, FLOAT, [ROWS, *width]))
    versions = {one.domain: one.version for one in made.opset_import}
    del made.opset_import[:]
    made.opset_import.extend([helper.make_opsetid(domain, version) for domain, version in sorted(versions.items())])
    made.producer_name, made.doc_string = "codelayer", ""
    return made


def held_against(
    estimator: Any, data: bytes, x: Any, feeds: Callable[[Any], dict[str, np.ndarray]], tolerance: float
) -> Exported:
    """Run an export beside its model on the rows x, an array or a frame.

    feeds   some of the rows -> what the export is fed with
    errors  ExportError: the two differ by more than the tolerance, or in labels
    """
    some = x.iloc if hasattr(x, "iloc") else x
    starts = [0, *range(1, len(x), AT_ONCE)]
    blocks = [some[a:b] for a, b in zip(starts, [*starts[1:], len(x)], strict=True)]
    made = run(session(data), (feeds(block) for block in blocks))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that a frame had in training
        if "number" in made or "code" in made:
            (name,) = made
            answer = np.asarray(estimator.predict(x) if name == "number" else estimator.transform(x), np.float64)
            if name == "number" and answer.size != len(x):
                raise ExportError(f"it answers {answer.size // len(x)} numbers per row", "give a model of one number")
            largest, odd = difference(answer.reshape(made[name].shape), made[name]), 0
        else:
            given, largest = {"label": estimator.predict(x)}, 0.0
            if hasattr(estimator, "predict_proba"):
                given["probabilities"] = estimator.predict_proba(x)
                largest = difference(given["probabilities"], made["probabilities"])
            odd = ties(given, made, np.ones(len(x), bool), tolerance)
    if not largest <= tolerance:
        raise ExportError(
            f"the export differs from {_name(estimator)} by {largest:.2g} on {len(x):,} rows",
            f"{tolerance:g} is allowed: nothing was written; allow more only if your use does",
        )
    return Exported(None, len(data), len(x), largest, tolerance, odd)
