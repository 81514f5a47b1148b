"""What a net in tuning is fed with: prepared rows, or what frozen first stages made of them.

Reads  a backbone, rows, the last stage that is frozen.
Gives  `Feed`: batches by row number, and the last stage's vectors of such a batch.
Skips  learning. What is kept stays below KEPT_BYTES; above it everything is made anew for each batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import augment
from ..data.rows import rows_of, take
from ..errors import SentenceError, did_you_mean
from ..nets.backbone import Backbone
from ..objective.trace import stream_number
from .entering import Entry
from .parts import Parts

KEPT_BYTES = 10**9
BLOCK = 64  # rows that are walked at once
CHANCE, SHARE = 0.5, 0.1  # of a flip; of the side, for a shift
CHANGES = ("flip", "shift")


class Feed:
    """Rows as a net in tuning takes them.

    backbone  whose stages up to `after` stay as they are
    rows      what `backbone.prepare` takes
    after     the last frozen stage, or None
    changes   "flip", "shift": done to pictures anew at every step
    seed      of the changes
    form      "made anew", "prepared", "stage" or "vectors": what is kept in memory
    """

    def __init__(
        self, backbone: Backbone, rows: Any, after: str | None = None, changes: tuple[str, ...] = (), seed: int = 0
    ) -> None:
        self.backbone, self.rows, self.changes, self.seed = backbone, rows, changes, seed
        self.after = None if changes else after
        self.kept: Tensor | None = None
        self.form, self.parts = "made anew", Parts()
        self._entry: Entry | None = None
        if not changes:
            self._keep()

    def __len__(self) -> int:
        return rows_of(self.rows)

    def batch(self, places: Tensor, step: int = 0, part: slice | None = None) -> Tensor:
        """The rows at `places`, or a part of them, in the form that is kept; a part changes as it does in the whole."""
        mine = places if part is None else places[part]
        if self.kept is not None:
            return self.kept[mine]
        some, among = take(self.rows, mine.numpy()), (0 if part is None else int(part.start or 0), len(places))
        return self.backbone.prepare(changed(some, self.changes, stream_number(self.seed, "changes", step), among))

    def vectors(self, batch: Tensor) -> Tensor:
        """Pooled last stage (rows, width) of a batch; gradients flow where they are on."""
        if self.form == "vectors":
            return batch
        if self._entry is not None:
            return self.backbone.pooled(self._entry(batch))
        return self.backbone.pooled(self.backbone.walk(batch)[self.backbone.last])

    def _keep(self) -> None:
        first = self.backbone.prepare(take(self.rows, slice(0, 2)))
        if self.after == self.backbone.last:
            self.kept, self.form = self._walked(lambda x: self.backbone.pooled(self._stage(x))), "vectors"
            return
        if self.after is not None:
            with torch.no_grad():
                sample = self._stage(first)
            if _bytes(sample, len(self)) <= KEPT_BYTES:
                entry = Entry(self.backbone, self.after, first)
                if entry.fits(first):
                    self.kept, self.form, self._entry = self._walked(self._stage), "stage", entry
                    return
        if _bytes(first, len(self)) <= KEPT_BYTES:
            self.kept, self.form = self._walked(lambda x: x), "prepared"

    def _stage(self, prepared: Tensor) -> Tensor:
        name = str(self.after)
        return self.backbone.walk(prepared, name)[name]

    def _walked(self, work: Any) -> Tensor:
        """What `work` makes of all prepared rows; the net is in eval mode meanwhile."""
        self.backbone.net.eval()
        made: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(self), BLOCK):
                prepared = self.backbone.prepare(take(self.rows, slice(start, start + BLOCK)))
                made += self.parts.run(len(prepared), lambda part, prepared=prepared: work(prepared[part]))
        return torch.cat(made)


def _bytes(sample: Tensor, rows: int) -> int:
    return rows * sample[:1].numel() * sample.element_size()


def changes_of(text: str | None) -> tuple[str, ...]:
    """The changes that a text names: None, "flip", "shift", "flip + shift".

    errors  SentenceError
    """
    found = () if text is None else tuple(one.strip() for one in str(text).split("+"))
    for one in found:
        if one not in CHANGES:
            raise SentenceError(
                f"augment={text!r} is not possible{did_you_mean(one, CHANGES)}",
                "known: 'flip', 'shift', 'flip + shift', or None",
            )
    return found


def changed(pictures: Any, changes: tuple[str, ...], number: int, among: tuple[int, int] | None = None) -> Any:
    """Pictures (n, H, W, C) flipped by a fair coin and shifted by up to a tenth of their sides, in [0, 1] float32.

    among  (first, rows) where they are a part of a batch of so many rows
    """
    if not changes:
        return pictures
    if np.ndim(pictures) != 4:
        raise SentenceError(f"augment={' + '.join(changes)!r} needs pictures", "leave augment out")
    found = np.asarray(pictures)
    found = found.astype(np.float32) / 255 if found.dtype == np.uint8 else found.astype(np.float32)
    rng = np.random.default_rng(number)
    if "flip" in changes:
        found = augment.flip(found, CHANCE, rng, among)
    return augment.shift(found, SHARE, rng, among) if "shift" in changes else found
