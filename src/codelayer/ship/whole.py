"""A shipped graph with its schema: from raw rows to answers, and what it costs in a process of its own.

Reads  the bytes of an ONNX graph that `export` wrote: its metadata say how rows become inputs.
Gives  a `Servable` whose `prepare` and `whole` take raw rows; answers; resident memory; one graph behind another.
Skips  torch and scikit-learn: what is scored and timed here is what is shipped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.onnxfile import library
from ..data.rows import rows_at_once, rows_of, take
from ..errors import BundleError
from ..export.graphs import packed
from ..measure.fresh import fresh_start
from .bench import ANSWER_GRAPH, OPEN_GRAPH
from .models import Servable, open_model


def opened(data: bytes, name: str, threads: int = 1) -> Servable:
    """A graph, ready to answer raw rows of its schema's kind.

    errors  BundleError: its metadata hold no schema
    """
    made = open_model(data, threads, name=name)
    if made.schema is None:
        raise BundleError(f"{name} does not say what rows it reads", "export it again")
    return made


def answers(model: Servable, rows: Any) -> np.ndarray:
    """Probabilities (rows, classes) or numbers (rows,) of all rows, some thousand at a time."""
    step = rows_at_once(1024)
    count = rows_of(rows)
    parts = [model.whole(take(rows, np.arange(i, min(i + step, count)))) for i in range(0, count, step)]
    return np.concatenate(parts).astype(np.float64)


def resident_bytes(data: bytes, threads: int) -> int | None:
    """The most that is resident in a process that opens the graph and answers one row: interpreter, numpy and ONNX
    Runtime included. None where the system does not tell.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(data)
        imports, loads = OPEN_GRAPH
        return fresh_start(imports, loads + ANSWER_GRAPH, [str(file), str(threads)], 1, threads).peak_bytes


def behind(features: bytes, model: bytes, facts: Mapping[str, str]) -> bytes:
    """One graph out of two: `features` makes "code" of raw rows, `model` reads it as "x" and answers.

    facts  further metadata, beside those of `features`
    """
    onnx = library("onnx")
    first, second = (onnx.load_model_from_string(one) for one in (features, model))
    told = {one.key: one.value for one in first.metadata_props}
    outputs = [one.name for one in second.graph.output]
    for one in (first, second):
        del one.metadata_props[:]
    second.ir_version = first.ir_version
    second = onnx.compose.add_prefix(second, "model/", rename_outputs=False, rename_inputs=False)
    joined = onnx.compose.merge_models(first, second, io_map=[("code", "x")], outputs=outputs)
    return packed(joined, {**told, **facts})
