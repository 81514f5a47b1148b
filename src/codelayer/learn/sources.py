"""Rows as tensors: what a training step reads.

Reads  raw rows (array, CSR or table) through their schema, a batch at a time.
Gives  (batch, *shape) float32 and which targets are known.
Skips  copies of large data: encoded rows are kept only up to KEEP_BYTES; uint8 and larger data stay as they are.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.rows import rows_at_once, rows_of, take
from ..data.schema import Schema
from ..nets import Target
from ..objective.sampled import SparseRows
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

    def batch(self, rows: Tensor, sparse: bool = False) -> tuple[Any, Tensor | None]:
        """The encoded rows (batch, *shape) and known (batch, features) or None; rows is a LongTensor.

        sparse  rows of a CSR matrix as SparseRows, where their zeros are zeros when encoded
        """
        if sparse and self._sparse is not None:
            return _sparse_rows(self._sparse[rows.numpy()], self.device), None
        if self._kept is None:
            return self._encoded(take(self.x, rows.numpy()))
        (x, known), rows = self._kept, rows.to(self.device)
        return x.index_select(0, rows), None if known is None else known.index_select(0, rows)

    @cached_property
    def _sparse(self) -> Any:
        """The encoded rows as CSR float32, or None where they are not sparse."""
        if not hasattr(self.x, "tocsr") or self.schema.center.any():
            return None
        made, spread = self.x.astype(np.float64), self.schema.spread
        made.data /= spread if len(spread) == 1 else spread[made.indices]
        made.eliminate_zeros()
        made.sum_duplicates()
        made = made.astype(np.float32)
        return made if np.isfinite(made.data).all() else None

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

    def blocks(self, size: int | None = None) -> list[slice]:
        """Slices that cover all rows."""
        size = rows_at_once(self.schema.features) if size is None else size
        return [slice(i, min(i + size, self.length)) for i in range(0, self.length, size)]

    def block(self, where: slice) -> np.ndarray:
        """The encoded rows of one slice, as an array."""
        if self._kept is not None:
            return self._kept[0][where].cpu().numpy()
        return self.schema.encode(take(self.x, np.arange(where.start, where.stop)))


def _sparse_rows(part: Any, device: str) -> SparseRows:
    values, columns, starts = (torch.from_numpy(one) for one in (part.data, part.indices, part.indptr))
    return SparseRows(values.to(device), columns.to(device).long(), starts.to(device).long(), part.shape[1])
