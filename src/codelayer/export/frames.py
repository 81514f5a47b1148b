"""scikit-learn pipelines that pick columns of a mixed table by name, as ONNX: one input per column.

Reads  a fitted ColumnTransformer, or a pipeline that begins with one; named columns of numbers and texts.
Gives  bytes of a graph whose inputs are called as the columns, checked against the pipeline on rows.
Skips  times; bundles, whose schema says more of a table (writing.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import __version__
from ..bundle.onnxfile import library
from ..data.schema import Columns
from ..data.schema.cells import objects
from ..errors import DataError, ExportError
from .checks import TOLERANCE, Exported
from .estimators import held_against, translated
from .graphs import packed
from .inputs import MISSING


def picks_by_name(estimator: Any) -> bool:
    """Whether it was fitted on a frame and hands its columns to several transformers."""
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    return hasattr(first, "transformers") and hasattr(first, "feature_names_in_")


def frame_of(estimator: Any, rows: Columns) -> Any:
    """The columns that an estimator was fitted on as a pandas frame, in its order; a missing text is NaN as in pandas.

    errors  DataError: a column that is not there
    """
    asked = [str(one) for one in estimator.feature_names_in_]
    missing = [one for one in asked if one not in rows.names]
    if missing:
        raise DataError(f"the rows have no column {missing[0]!r}, which the model was fitted on", "give its own rows")
    return library("pandas", "frames").DataFrame({name: _cells(rows.column(name)) for name in asked})


def frame_exported(estimator: Any, rows: Any, tolerance: float = TOLERANCE) -> tuple[bytes, Exported]:
    """The graph of such a pipeline, and how far it is from it on the rows, both with numbers in single precision.

    rows    named columns: what they hold says what the graph reads
    errors  DataError: an array, no rows, a column that is not there; ExportError: a column of times, a part that has no
            translation, or answers that differ
    """
    if not isinstance(rows, Columns) or not len(rows):
        raise DataError("a pipeline that picks columns by name reads a table", "give at least one row of a table")
    frame = frame_of(estimator, rows)
    kinds = {name: frame[name].to_numpy().dtype.kind for name in frame}
    times = [name for name, kind in kinds.items() if kind == "M"]
    if times:
        raise ExportError(f"the column {times[0]!r} holds times, which have no export here", "make numbers of it first")
    for name in (name for name, kind in kinds.items() if kind == "f"):
        frame[name] = frame[name].astype(np.float32).astype(np.float64)
    made = translated(
        estimator,
        lambda types: [
            (name, (types.StringTensorType if kind == "O" else types.FloatTensorType)([None, 1]))
            for name, kind in kinds.items()
        ],
    )
    read = [one.name for one in made.graph.input]
    data = packed(made, {"codelayer": __version__, "kind": type(estimator).__name__})
    return data, held_against(estimator, data, frame, lambda some: _feeds(some, read), tolerance)


def _feeds(frame: Any, read: list[str]) -> dict[str, np.ndarray]:
    made = {}
    for name in read:
        values = frame[name].to_numpy()
        texts = values.dtype.kind == "O"
        cells = objects([MISSING if one != one else one for one in values.tolist()]) if texts else values
        made[name] = np.ascontiguousarray(cells.reshape(-1, 1), object if texts else np.float32)
    return made


def _cells(values: np.ndarray) -> np.ndarray:
    return objects([np.nan if one is None else one for one in values.tolist()]) if values.dtype.kind == "O" else values
