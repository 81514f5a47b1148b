"""Rows of any kind of samples: how many there are, and some of them.

Reads  arrays, CSR, tensors and tables.
Gives  the same kind, fewer or reordered rows.
Skips  frames: `load_data` makes them tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .schema import Columns

AT_ONCE = 32 << 20  # numbers


def rows_of(x: Any) -> int:
    """The number of samples."""
    return len(x) if isinstance(x, Columns) else int(x.shape[0])


def rows_at_once(features: int, most: int = 4096) -> int:
    """How many dense rows are looked at together: a multiple of 64, at most `most` and 128 MB unless 64 are more."""
    return max(64, min(most, AT_ONCE // max(1, features) // 64 * 64))


def take(x: Any, rows: np.ndarray | slice) -> Any:
    """The samples at `rows` (whole numbers, a mask or a slice), in the order asked for."""
    return x.take(rows) if isinstance(x, Columns) else x[rows]
