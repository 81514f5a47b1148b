"""Features as a file of codes.

Reads  codes and the data they are of.
Gives  .npy, or .csv and .parquet with a key column first; one row per input row, NaN where a picture could not be read.
Skips  making them.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..data.codefiles import ArrayFile, TableFile, code_table, write_skipped
from ..data.load import Data


def write_features(out: str, codes: np.ndarray, read: Data) -> list[str]:
    """Write codes (rows, units) with the keys of their rows; how many, and notes."""
    keys, codes = _every_row(np.asarray(codes, np.float32), read)
    if Path(out).suffix.lower() == ".npy":
        with ArrayFile(out) as array:
            array.write(codes)
    else:
        with TableFile(out) as table:
            units = {f"unit{i}": unit for i, unit in enumerate(codes.T)}
            table.write(code_table(keys, units, out.lower().endswith(".csv")))
    listed = write_skipped(out, read.skipped)
    notes = [note for note in read.notes if not (listed and "were left out" in note)]
    if listed is not None:
        key, why = read.skipped[0]
        notes.append(f"{len(read.skipped)} without a result, first {key} ({why}): see {listed}")
    return [f"{len(codes)} rows", *notes]


def _every_row(codes: np.ndarray, read: Data) -> tuple[list[Any], np.ndarray]:
    """Keys and codes with a row of NaN for each picture that could not be read, in the order of the source."""
    keys = list(range(len(codes)) if read.keys is None else np.asarray(read.keys).tolist())
    if not read.skipped:
        return keys, codes
    lost = [key for key, _ in read.skipped]
    if all(isinstance(key, str) for key in [*keys, *lost]):  # files, in the order of their paths
        order = sorted([*keys, *lost], key=lambda key: PurePosixPath(str(key)).parts)
        gone = [order.index(key) for key in lost]
    else:  # row numbers of the source, whatever the key of the others is
        gone = [int(key) for key in lost]
    total = len(keys) + len(lost)
    rows = np.setdiff1d(np.arange(total), gone)
    every: list[Any] = [None] * total
    for row, key in [*zip(rows.tolist(), keys, strict=True), *zip(gone, lost, strict=True)]:
        every[row] = key
    found = np.full((total, codes.shape[1]), np.nan, np.float32)
    found[rows] = codes
    return every, found
