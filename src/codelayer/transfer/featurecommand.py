"""Features as a file of codes.

Reads  codes and the data they are of.
Gives  .npy, or .csv and .parquet with a key column first.
Skips  making them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..data.codefiles import ArrayFile, TableFile, code_table
from ..data.load import Data


def write_features(out: str, codes: np.ndarray, read: Data) -> None:
    """Write codes (rows, units) with the keys of their rows."""
    if Path(out).suffix.lower() == ".npy":
        with ArrayFile(out) as array:
            array.write(np.asarray(codes, np.float32))
        return
    keys = np.arange(len(codes)) if read.keys is None else read.keys
    with TableFile(out) as table:
        table.write(
            code_table(keys, {f"unit{i}": unit for i, unit in enumerate(codes.T)}, out.lower().endswith(".csv"))
        )
