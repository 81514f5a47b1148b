"""One forward pass, as the terms see it; and the draws they share.

Gives  `Trace` (what a loss or penalty reads), `Context` (what a corruption, bottleneck or view reads)
       and `generator`, a random stream that is a pure function of (seed, term, step).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class Trace:
    """One forward pass over a batch.

    x         (batch, features) the clean input, flattened: the target
    seen      (batch, *shape) what the encoder read
    encoded   (batch, outputs) the encoder's output, before the bottlenecks
    code      (batch, units)
    rebuilt   (batch, features) the decoder's output on the loss's own scale, or None without a decoder
    charge    (batch, features) 1, 0 where the target is unknown, the emphasis on corrupted entries
    encode    maps (batch, *shape) to codes, with the bottlenecks settled, every sample by itself
    encoded_by_affine  the weight (units, features) when the encoder is one affine layer, else None
    slope     (batch, units) derivative of the bottlenecks at `encoded`, or None when it is not elementwise
    slope_at  the same derivative anywhere, (batch, outputs) -> (batch, units)
    decoder   the decoder itself, for terms that rebuild from other codes than this one; None without a decoder
    loss      the sentence's loss, for terms that charge such reconstructions, or None
    views     the projections of two views of each sample, each (batch, width), or None
    settled   (batch, units) the code that the encoder alone will give afterwards, where a term reads it
    context   the draws and the progress of this step
    module    what the term itself learned or remembers, or None
    """

    x: Tensor
    code: Tensor
    seen: Tensor | None = None
    encoded: Tensor | None = None
    rebuilt: Tensor | None = None
    charge: Tensor | None = None
    encode: Callable[[Tensor], Tensor] | None = None
    encoded_by_affine: Tensor | None = None
    slope: Tensor | None = None
    slope_at: Callable[[Tensor], Tensor | None] | None = None
    decoder: nn.Module | None = None
    loss: Any = None
    views: tuple[Tensor, Tensor] | None = None
    settled: Tensor | None = None
    context: Context | None = None
    module: nn.Module | None = None

    def halves(self) -> tuple[Trace, Trace]:
        """The first and the second half of the batch, as two traces."""
        per_sample = ("x", "code", "seen", "encoded", "rebuilt", "charge", "slope", "settled")
        whole = {name: value for name in per_sample if (value := getattr(self, name)) is not None}
        pairs = {name: value.chunk(2) for name, value in whole.items()}
        first, second = ({name: pair[i] for name, pair in pairs.items()} for i in (0, 1))
        return replace(self, **first), replace(self, **second)


@dataclass(frozen=True)
class Context:
    """Where in the training a pass stands: draws come from (seed, term, step) alone.

    progress  0 at the start of training, 1 at its end
    modules   what terms learned or remember, by term name
    rows      among which the batch was drawn, 0 where that is not known
    x         (batch, features) the clean input, where a bottleneck infers the code from it
    dictionary  the linear decoder, atoms (features, units) or Maps, and bias (features,), for such a bottleneck
    labels    (batch,) what labels() learns: the class's place or the standardised number, NaN where there is none
    groups    (batch,) whole numbers: rows of one recording have one; None where all rows are one
    """

    seed: int = 0
    step: int = 0
    progress: float = 0.0
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    rows: int = 0
    x: Tensor | None = None
    dictionary: tuple[Any, Tensor] | None = None
    labels: Tensor | None = None
    groups: Tensor | None = None

    def torch(self, term: str) -> Generator:
        """The torch stream of a term at this step."""
        return generator(self.seed, term, self.step)

    def numpy(self, term: str) -> np.random.Generator:
        """The numpy stream of a term at this step."""
        return np.random.default_rng(stream_number(self.seed, term, self.step))


def stream_number(seed: int, term: str, step: int) -> int:
    """63 bits that depend on (seed, term, step) and on nothing else."""
    text = f"{seed}/{term}/{step}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def generator(seed: int, term: str, step: int) -> torch.Generator:
    """A torch generator seeded by (seed, term, step)."""
    return torch.Generator().manual_seed(stream_number(seed, term, step))
