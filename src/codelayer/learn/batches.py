"""Which rows go into which step: plain batches, or batches of neighbours in time.

Reads  the number of rows, a random stream.
Gives  row numbers, as LongTensors.
Skips  groups: a pair may reach from the end of one recording to the start of the next; slowness() leaves it out.

A batch of pairs holds rows t, t + 1, s, s + 1, ...: every row stands in at most one pair of an epoch, and by a fair
coin the pairs begin at even or at odd rows, so that all neighbours meet.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor


def steps_of(rows: int, batch_size: int, in_pairs: bool = False) -> int:
    """Steps of one epoch, the same for every epoch."""
    if in_pairs:
        return math.ceil(max(1, (rows - 1) // 2) / max(1, batch_size // 2))
    return math.ceil(rows / batch_size)


def batches_of(rows: int, steps: int, in_pairs: bool, stream: Generator) -> tuple[Tensor, ...]:
    """The rows of every step of one epoch, in an order drawn from the stream; sizes differ by one row or pair."""
    if not in_pairs or rows < 2:
        return torch.tensor_split(torch.randperm(rows, generator=stream), steps)
    first = int(torch.randint(2, (), generator=stream)) if rows > 2 else 0
    pairs = (rows - first) // 2
    starts = first + 2 * torch.randperm(pairs, generator=stream)
    return tuple(neighbours(some) for some in torch.tensor_split(starts, steps))


def even_sample(rows: int, most: int, in_pairs: bool = False) -> Tensor:
    """At most `most` rows, evenly spread over all; in pairs (or the one row there is) where pairs are asked for."""
    if not in_pairs or rows < 2:
        used = min(rows, most)
        return torch.arange(used) * rows // used
    pairs = rows // 2
    used = max(1, min(pairs, most // 2))
    return neighbours(2 * (torch.arange(used) * pairs // used))


def neighbours(starts: Tensor) -> Tensor:
    """t, t + 1 for every t, one after the other."""
    return torch.stack((starts, starts + 1), dim=1).flatten()
