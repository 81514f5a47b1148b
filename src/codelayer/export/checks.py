"""An exported model against its original, on real rows: the largest difference, and whether labels agree.

Reads  a fitted model, the bytes of its export, rows (or the golden rows that a bundle keeps).
Gives  `Exported`, or ExportError where the two differ by more than is allowed.
Skips  speed and size: measure/cost.

A difference is told as a share of the code's scale: the deviation of its units about their means, or the largest
value of the row where that is larger. To the rows of a table two are added: all missing, and all unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.onnxfile import session
from ..data.rows import rows_of, take
from ..data.schema import Column, Columns
from ..data.schema.cells import objects
from ..errors import DataError, ExportError
from ..learn.coder import Coder
from ..learn.headed_forest import HeadedForest
from ..learn.heads import Headed
from .core import coder_of, task_of, turns_at_steps
from .inputs import feeds, used_columns

UNSEEN_TEXT, UNSEEN_NUMBER = "a text that was never seen", 123456789.5
DAY = np.timedelta64(1, "D")
TOLERANCE = 1e-4
"""Of the code's scale: what an export may differ by."""
TURNED_TREES = 2.5
MOST_TURNED = 0.1  # of a small forest's answer
FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")


@dataclass(frozen=True)
class Exported:
    """What was exported, and how far it is from the original.

    path        of the file; None for bytes
    bytes       of the model
    rows        on which it was compared
    difference  the largest, of codes, probabilities and numbers, as a share of their scale
    tolerance   what was allowed
    ties        rows with another label whose two likeliest classes are equal but for the tolerance
    turned      rows left out of the comparison: a unit stands at its threshold, and rounding turned it
    """

    path: Path | None
    bytes: int
    rows: int
    difference: float
    tolerance: float
    ties: int = 0
    turned: int = 0

    def at(self, path: Path) -> Exported:
        """The same, written to a file."""
        return replace(self, path=path)


def allowed(model: Any) -> float:
    """What the export of a model may differ by where nothing else is said.

    Of a forest it is a tree or two in all: a number that is rounded to single precision may turn in them.
    """
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if isinstance(model, HeadedForest):
        trees = len(model.forest.roots)
    else:  # forests take the mean of their trees; boosted trees, which are added up, are held to the common tolerance
        trees = len(last.estimators_) if type(last).__name__ in FORESTS else 0
    return min(TURNED_TREES / trees, MOST_TURNED) if trees else TOLERANCE


def compared(model: Any, data: bytes, rows: Any, tolerance: float) -> Exported:
    """Run an export beside its original on rows, or on the golden rows where they are None.

    errors  DataError: no rows, or of another kind; ExportError: the two differ by more than the tolerance, or in labels
    """
    coder = coder_of(model)
    x = checking_rows(coder, rows)
    given, made = _original(model, x), _exported(model, data, x)
    lacking = [name for name in given if name not in made]
    if lacking:
        raise ExportError(f"the export does not give {lacking[0]!r}, which the model does", "it is of another model")
    count = len(given["code"])
    turned = np.zeros(count, bool)
    if turns_at_steps(model):
        turned = ((given["code"] != 0) != (made["code"] != 0)).any(1)
        if turned.sum() > count // 1000:
            turned[:] = False
    kept = ~turned
    names = [name for name in ("code", "probabilities", "number") if name in given]
    largest = max(difference(given[name][kept], made[name][kept]) for name in names)
    if not largest <= tolerance:
        raise ExportError(
            f"the export differs from the model by {largest:.2g} of the code's scale on {count:,} rows",
            f"{tolerance:g} is allowed: nothing was written; allow more only if your use does",
        )
    even = ties(given, made, kept, tolerance) if "label" in given else 0
    return Exported(None, len(data), count, largest, tolerance, even, int(turned.sum()))


def difference(given: np.ndarray, made: np.ndarray) -> float:
    """The largest difference of two arrays (rows, ...) as a share of the first one's scale; NaN beside numbers is inf.

    errors  ExportError when their shapes differ
    """
    if given.shape != made.shape:
        raise ExportError(f"the export gives the shape {made.shape}, the model {given.shape}", "nothing was written")
    if not given.size:
        return 0.0
    first, second = (one.reshape(len(one), -1).astype(np.float64) for one in (given, made))
    if not np.isfinite(second[np.isfinite(first)]).all():
        return float("inf")
    scale = float(np.sqrt(np.mean((first - first.mean(0)) ** 2)))
    apart = np.abs(first - second).max(1)
    beside = np.maximum(np.abs(first).max(1), scale)
    return float((apart / np.where(beside > 0, beside, 1.0)).max())


def checking_rows(coder: Coder, rows: Any) -> Any:
    """Rows as the coder reads them, or its golden rows as they came in; of a table also a missing and an unseen one.

    errors  DataError without any
    """
    if rows is None:
        golden = getattr(coder, "golden_rows_", None)
        if golden is None:
            raise DataError("this bundle keeps no golden rows", "give rows to compare the export on")
        rows = coder.schema_.inverse(golden)
    rows = coder._rows(rows, reset=False)
    if not rows_of(rows):
        raise DataError("there are no rows to compare the export on", "give at least one")
    return _with_odd_ones(rows, used_columns(coder.schema_)) if isinstance(rows, Columns) else rows


def _original(model: Any, rows: Any) -> dict[str, np.ndarray]:
    codes = coder_of(model).transform(rows)
    found = {"code": np.asarray(codes)}
    if isinstance(model, Headed):
        said = model.head.predict(found["code"])
        if model.head.task == "class":
            found |= {"probabilities": model.head.predict_proba(found["code"]), "label": said}
        else:
            found["number"] = said
    return found


def _exported(model: Any, data: bytes, rows: Any) -> dict[str, np.ndarray]:
    coder, task = coder_of(model), task_of(model)

    def some() -> Iterator[dict[str, np.ndarray]]:
        first = np.array([0])  # alone: an export must not depend on how many rows there are
        yield feeds(coder.schema_, take(rows, first), task)
        for start in range(1, rows_of(rows), coder.block_rows):
            block = np.arange(start, min(start + coder.block_rows, rows_of(rows)))
            yield feeds(coder.schema_, take(rows, block), task)

    return run(session(data), some())


def run(opened: Any, blocks: Iterator[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All outputs of a session by their names, over blocks of feeds.

    errors  ExportError when its inputs are others
    """
    names = [one.name for one in opened.get_outputs()]
    try:
        parts = [opened.run(names, block) for block in blocks]
    except Exception as error:  # whatever ONNX Runtime says of inputs that do not fit
        reason = " ".join(str(error).split())[:200]
        raise ExportError(f"the export reads other rows than the model: {reason}", "it is of another model") from None
    return {name: np.concatenate(some) for name, some in zip(names, zip(*parts, strict=True), strict=True)}


def ties(given: dict[str, np.ndarray], made: dict[str, np.ndarray], kept: np.ndarray, tolerance: float) -> int:
    """How many of the kept labels differ because two classes are equally likely but for the tolerance.

    errors  ExportError when one differs for another reason
    """
    same = np.array([a == b or str(a) == b for a, b in zip(given["label"], made["label"].tolist(), strict=True)])
    odd = np.flatnonzero(kept & ~same)
    clear = odd
    if "probabilities" in given:
        best = np.sort(given["probabilities"][odd], axis=1)
        clear = odd[best[:, -1] - best[:, -2] > tolerance]
    if len(clear):
        row = int(clear[0])
        raise ExportError(
            f"{len(clear):,} of {len(same):,} labels differ, first in row {row}: {made['label'][row]!r} in place of "
            f"{given['label'][row]!r}",
            "nothing was written",
        )
    return len(odd)


# --- rows that a table should be asked about ----------------------------------------------------------------------


def _with_odd_ones(rows: Columns, used: list[Column]) -> Columns:
    there = [column for column in used if column.name in rows.names]
    columns = {column.name: _longer(rows.column(column.name), column) for column in there}
    return type(rows)(columns, {column.name: rows.kinds[column.name] for column in there})


def _longer(values: np.ndarray, column: Column) -> np.ndarray:
    """A column with one missing and one unseen value behind it."""
    far = column.high + 3 * column.scale
    if values.dtype.kind == "f":
        return np.append(values, [np.nan, UNSEEN_NUMBER if column.kind == "category" else far])
    if values.dtype.kind == "M":
        last = values[~np.isnat(values)]
        return np.append(values, [np.datetime64("NaT"), (last.max() if len(last) else np.datetime64("2000")) + DAY])
    text = {"category": UNSEEN_TEXT, "numeric": str(far), "time": "2030-01-02T03:04:05"}[column.kind]
    return objects([*values.tolist(), None, text])
