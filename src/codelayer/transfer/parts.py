"""A batch that does not fit into memory is done in parts.

Reads  a function of some rows, and how many rows there are.
Gives  `Parts`: the rows in as few equal parts as fit, and a note of it.
Skips  whatever is no lack of memory: such errors pass through.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..errors import SentenceError

SIGNS = ("not enough memory", "can't allocate memory", "out of memory", "cannot allocate memory")


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


class Parts:
    """How many parts a batch is split into; it grows when memory runs out and stays so.

    count  parts of a batch
    notes  what a reader should know
    """

    def __init__(self) -> None:
        self.count = 1
        self.notes: list[str] = []

    def run(self, rows: int, work: Callable[[slice], Any], again: Callable[[], None] | None = None) -> list[Any]:
        """What `work` gives for each part of the rows, in order; all of it anew, in more parts, where one did not fit.

        rows    of the batch
        again   undoes what was done before a part failed
        errors  SentenceError: not even one row fits
        """
        while True:
            failed = False
            try:
                return [work(part) for part in self._slices(rows)]
            except (MemoryError, RuntimeError) as error:
                if not lacks_memory(error):
                    raise
                if self.count >= rows:
                    raise SentenceError(
                        "not even one row fits into memory", "free memory, or take a smaller net or smaller pictures"
                    ) from error
                failed = True
            if failed:  # outside the handler, whose traceback keeps what filled the memory
                gc.collect()
                if again is not None:
                    again()
                self.count = min(2 * self.count, rows)

    def _slices(self, rows: int) -> Iterator[slice]:
        size = -(-rows // self.count)
        return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
