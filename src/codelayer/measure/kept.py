"""The last few results of a costly pass, kept by the content of the arrays they were made from.

Reads  arrays.
Gives  Kept: what was made, or what makes it; `digest`, the content of an array in a few bytes.
Skips  files: nothing outlives the process.

Metrics of one card ask for the same neighbours, once each: a pass over all pairs of rows is made once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")


def digest(rows: np.ndarray) -> tuple[Any, ...]:
    """Shape, type and a hash of the values."""
    return rows.shape, rows.dtype.str, hashlib.blake2b(np.ascontiguousarray(rows).data, digest_size=16).digest()


class Kept(Generic[T]):
    """At most `size` results, the oldest forgotten first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.found: OrderedDict[tuple[Any, ...], T] = OrderedDict()

    def get(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What is kept under the key, made where nothing is."""
        if key not in self.found:
            self.found[key] = make()
            while len(self.found) > self.size:
                self.found.popitem(last=False)
        return self.found[key]
