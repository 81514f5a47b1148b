"""Labels and times: what stands beside the samples, brought to one form.

Reads  arrays, lists, label files (one column of .csv .tsv .txt .npy .npz .parquet, row for row).
Gives  float64 with NaN or objects with None where a row is unlabelled; times as float64 or datetime64.
Skips  deciding between classes and numbers: that is the study's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import DataError
from .arrayfiles import Npz, read_npy
from .schema.cells import as_seconds, text_of
from .tables import Table
from .textfiles import Lines, parquet_batches


def as_labels(given: Any, n: int) -> tuple[np.ndarray | None, list[str]]:
    """Labels as float64 (NaN unlabelled) or objects (None unlabelled), and notes; None when no row has one.

    -1 means unlabelled among whole numbers whose others are all 0 or more; beside one other value it is a class.
    errors  DataError: another length, all labels equal
    """
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    if hasattr(given, "to_numpy"):
        given = given.to_numpy()
    values = np.asarray(given) if not isinstance(given, list | tuple) else _cells(given)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) != n:
        raise DataError(f"labels of shape {values.shape} do not fit {n} samples", "give one per sample, row for row")
    endless = next((i for i, one in enumerate(values.tolist()) if isinstance(one, float) and math.isinf(one)), None)
    if endless is not None:
        raise DataError(f"the label of row {endless} is infinite", "give a finite number, or NaN where it is unknown")
    values = Table({"label": values}).column("label")
    if values.dtype.kind == "M":
        raise DataError("the labels are times", "give classes or numbers")
    notes = []
    if values.dtype.kind == "f":
        known = values[~np.isnan(values)]
        others = np.unique(known[known != -1])
        whole = (known == np.floor(known)).all() and (others >= 0).all()
        if (known == -1).any() and whole and len(others) == 1:
            notes.append(f"the labels are -1 and {text_of(float(others[0]))}: both are read as classes")
        elif (known == -1).any() and whole:
            notes.append(f"{int((known == -1).sum())} labels are -1, which is read as unlabelled")
            values = np.where(values == -1, np.nan, values)
        known = values[~np.isnan(values)]
    else:
        known = np.array([value for value in values.tolist() if value is not None], object)
    if not len(known):
        return None, [*notes, "no row has a label"]
    if len(set(known.tolist())) == 1:
        raise DataError(
            f"all labels are equal ({text_of(known.tolist()[0])!r})", "nothing can be predicted: name another, or none"
        )
    if len(known) < n:
        notes.append(f"{n - len(known)} of {n} rows are unlabelled")
    return values, notes


def _cells(given: Sequence[Any]) -> np.ndarray:
    out = np.empty(len(given), object)
    out[:] = given
    return out


def as_times(values: np.ndarray, name: str) -> np.ndarray:
    """A typed column as times: numbers stay, texts are read as ISO times.

    errors  DataError when most are neither
    """
    if values.dtype.kind in "fM":
        return values
    try:
        seconds = as_seconds(values, name)
    except DataError:
        raise DataError(f"column {name!r} holds no times", "give numbers or times like 2024-05-01 12:30") from None
    return (seconds * 1e6).astype("datetime64[us]")


def read_labels(path: Path, n: int) -> Any:
    """The labels in a file: one column, or the one called "label" or "y"; a header is told by one row too many.

    errors  DataError: not found, not one column, another number of rows than n
    """
    if not path.is_file():
        raise DataError(f"{str(path)!r} is neither a column nor a file of labels", "name a column, or give a path")
    suffix = path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix == ".npy":
        return read_npy(path)
    if suffix == ".npz":
        npz = Npz(path)
        name = next((one for one in ("y", "label", "labels", "y_train") if one in npz.entries), next(iter(npz.entries)))
        return npz.read(name)
    if suffix == ".parquet":
        return _one_column(Table.from_arrow(pa.concat_tables(parquet_batches(path, 2**16))), path.name)
    lines = Lines(path)
    parts = pa.concat_tables(list(lines))
    if lines.skipped:
        raise DataError(f"line {lines.skipped[0][0] + 2} of {path.name} has {lines.skipped[0][1]}", "mend that line")
    if parts.num_rows == n - 1 and parts.num_columns == 1:  # there was no header
        first = pa.table({"label": pa.array([lines.names[0]])})
        parts = pa.concat_tables([first, parts.rename_columns(["label"])])
    return _one_column(Table.from_arrow(parts), path.name)


def _one_column(table: Table, file: str) -> np.ndarray:
    name = next((one for one in ("label", "y", "labels") if one in table.names), None)
    if name is None and len(table.names) > 1:
        raise DataError(f"{file} has {len(table.names)} columns", "a file of labels has one, or one called label")
    return table.column(name or table.names[0])
