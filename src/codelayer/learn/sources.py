"""Rows as tensors: what a training step reads.

Reads  raw rows (array, CSR or table) through their schema, a batch at a time.
Gives  (batch, *shape) float32 and which targets are known.
Skips  copies of large data: encoded rows are kept only up to KEEP_BYTES; uint8 and larger data stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..nets import Target
from .rowlabels import Beside

KEEP_BYTES = 256 << 20
NOTHING = Beside()


class Rows:
    """Raw rows with their schema, served as encoded batches.

    x       ndarray, CSR matrix or Table
    length  rows
    device  where batches are put
    beside  labels and groups, row for row, where the sentence uses them
    """

    def __init__(self, x: Any, schema: Schema, device: str = "cpu", beside: Beside = NOTHING) -> None:
        self.x, self.schema, self.device, self.labels = x, schema, device, beside.labels
        self._groups = None if beside.groups is None else torch.from_numpy(beside.groups).to(device)
        self._answers = None if self.labels is None else torch.from_numpy(self.labels.values).to(device)
        self.length = int(x.shape[0]) if hasattr(x, "shape") else len(x)
        self._kept: tuple[Tensor, Tensor | None] | None = None
        small = self.length * schema.features * 4 <= KEEP_BYTES
        if small and getattr(x, "dtype", None) != np.uint8:
            self._kept = self._encoded(x)

    def _encoded(self, x: Any) -> tuple[Tensor, Tensor | None]:
        known = self.schema.known(x)
        tensors = torch.from_numpy(self.schema.encode(x)), None if known is None else torch.from_numpy(known)
        return tensors[0].to(self.device), None if tensors[1] is None else tensors[1].to(self.device)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """The encoded rows (batch, *shape) and known (batch, features) or None; rows is a LongTensor."""
        if self._kept is None:
            return self._encoded(take(self.x, rows.numpy()))
        x, known = self._kept
        return x[rows], None if known is None else known[rows]

    @classmethod
    def some(cls, x: Any, where: np.ndarray, schema: Schema, device: str, beside: Beside = NOTHING) -> Rows:
        """Of raw rows x and what is beside them those at `where`; all of them are not copied."""
        if len(where) == rows_of(x):
            return cls(x, schema, device, beside)
        return cls(take(x, where), schema, device, beside.some(where))

    @property
    def target(self) -> Target | None:
        """What labels() learns, or None."""
        return None if self.labels is None else self.labels.target

    def answers(self, rows: Tensor) -> Tensor | None:
        """The labels of those rows, (batch,) float32 with NaN where there is none, or None."""
        return None if self._answers is None else self._answers[rows]

    def groups(self, rows: Tensor) -> Tensor | None:
        """The groups of those rows, (batch,) whole numbers, or None."""
        return None if self._groups is None else self._groups[rows]

    def blocks(self, size: int = 4096) -> list[slice]:
        """Slices that cover all rows."""
        return [slice(i, min(i + size, self.length)) for i in range(0, self.length, size)]

    def block(self, where: slice) -> np.ndarray:
        """The encoded rows of one slice, as an array."""
        if self._kept is not None:
            return self._kept[0][where].cpu().numpy()
        return self.schema.encode(take(self.x, np.arange(where.start, where.stop)))
