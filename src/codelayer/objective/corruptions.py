"""Corruptions: what the encoder is shown instead of the clean input.

Reads  the encoded samples (batch, *shape), in the order written.
Gives  the corrupted samples and where they were changed (bool, same shape).
Skips  the target: it stays clean. `emphasis` weighs the loss on the corrupted entries (Vincent et al. 2010,
       on emphasis; the weight of the others is 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import SentenceError
from ..nets import Plan
from ..registry import part
from .trace import Context


def check_share(term: str, option: str, value: float) -> None:
    """Refuse a share outside (0, 1]."""
    if not 0 < value <= 1:
        raise SentenceError(f"{term}({option}={value}) is not a share", f"{option} lies in (0, 1], for example 0.3")


def check_positive(term: str, option: str, value: float) -> None:
    """Refuse a number that is not finite and above 0."""
    if not 0 < value < float("inf"):
        raise SentenceError(f"{term}({option}={value}) is not possible", f"{option} must be finite and above 0")


def _share(x: Tensor, share: float, stream: torch.Generator) -> Tensor:
    return torch.rand(x.shape, generator=stream).to(x.device) < share


@part("corruption")
@dataclass(frozen=True)
class Mask:
    """Put a share of the entries to 0: black, or the mean of a standardised column.

    share     of entries, in (0, 1)
    emphasis  weight of the loss on the changed entries, the others have 1
    Source: Vincent et al. 2008, section 2.3.
    """

    share: float = 0.3
    emphasis: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SentenceError(f"mask(share={self.share}) is not possible", "share lies in (0, 1), for example 0.3")
        if self.share == 1:
            raise SentenceError("mask(1) hides every entry, so that nothing is left to learn from", "use mask(0.3)")
        check_positive("mask", "emphasis", self.emphasis)

    def corrupt(self, x: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """The masked samples, and where they were masked."""
        changed = _share(x, self.share, context.torch("mask"))
        return x.masked_fill(changed, 0.0), changed


@part("corruption")
@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise.

    scale     standard deviation, in units of the encoded input (1 for a standardised column, 1 = white for pictures)
    share     of entries that get noise, in (0, 1]
    emphasis  weight of the loss on the changed entries, the others have 1
    Source: Vincent et al. 2010, on types of corruption.
    """

    scale: float = 0.2
    share: float = 1.0
    emphasis: float = 1.0

    def __post_init__(self) -> None:
        check_positive("noise", "scale", self.scale)
        check_share("noise", "share", self.share)
        check_positive("noise", "emphasis", self.emphasis)

    def corrupt(self, x: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """The noisy samples, and where noise was added."""
        stream = context.torch("noise")
        noise = torch.randn(x.shape, generator=stream).to(x.device) * self.scale
        if self.share == 1:
            return x + noise, torch.ones_like(x, dtype=torch.bool)
        changed = _share(x, self.share, stream)
        return x + noise * changed, changed


@part("corruption")
@dataclass(frozen=True)
class Salt:
    """Salt and pepper: put a share of the entries to the feature's smallest or largest value, by a fair coin.

    share     of entries, in (0, 1]
    emphasis  weight of the loss on the changed entries, the others have 1
    Smallest and largest are 0 and 1 for pictures, else those of the training rows. Source: Vincent et al. 2010.
    """

    share: float = 0.1
    emphasis: float = 1.0

    def __post_init__(self) -> None:
        check_share("salt", "share", self.share)
        check_positive("salt", "emphasis", self.emphasis)

    def module(self, plan: Plan) -> nn.Module:
        """The smallest and largest value of each feature."""
        limits = nn.Module()
        zero_one = plan.unit_range and plan.is_image
        low = torch.zeros(plan.shape) if zero_one else torch.from_numpy(plan.low.copy()).reshape(plan.shape)
        high = torch.ones(plan.shape) if zero_one else torch.from_numpy(plan.high.copy()).reshape(plan.shape)
        limits.register_buffer("low", low)
        limits.register_buffer("high", high)
        return limits

    def corrupt(self, x: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """The samples with salt and pepper, and where it fell."""
        stream, limits = context.torch("salt"), context.modules["salt"]
        changed = _share(x, self.share, stream)
        white = _share(x, 0.5, stream)
        ends = torch.where(white, limits.get_buffer("high"), limits.get_buffer("low"))
        return torch.where(changed, ends, x), changed


class _Columns(nn.Module):
    """Which column each feature belongs to: the parts of one table column go together."""

    column_of: Tensor

    def __init__(self, column_of: Tensor) -> None:
        super().__init__()
        self.count = int(column_of.max()) + 1
        self.register_buffer("column_of", column_of, persistent=False)  # the plan gives it again


@part("corruption")
@dataclass(frozen=True)
class Swap:
    """Swap noise for tables: each changed entry takes the value of the same column from another row of the batch.

    share     of entries, in (0, 1]
    emphasis  weight of the loss on the changed entries, the others have 1
    A column of a table (the one-hot of a category, a number with its indicator, the parts of a time) moves as a
    whole; in an array every feature is a column. The other row is drawn evenly, so values keep their distribution.
    Source: Bahri et al. 2022, section 3 (where one of the two views stays clean).
    """

    share: float = 0.15
    emphasis: float = 1.0
    reads_others = True

    def __post_init__(self) -> None:
        check_share("swap", "share", self.share)
        check_positive("swap", "emphasis", self.emphasis)

    def module(self, plan: Plan) -> nn.Module:
        """Which column each feature belongs to; it has no weights."""
        columns, names = torch.arange(plan.features), [block.name for block in plan.layout]
        for block, name in zip(plan.layout, names, strict=True):
            if name:
                columns[block.start : block.stop] = plan.layout[names.index(name)].start
        return _Columns(columns.unique(return_inverse=True)[1])

    def corrupt(self, x: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """The samples with foreign values, and where those stand; a single row has none to take them from."""
        if len(x) < 2:
            return x, torch.zeros_like(x, dtype=torch.bool)
        stream, columns = context.torch("swap"), cast(_Columns, context.modules["swap"])
        shape, column_of = (len(x), columns.count), columns.column_of
        changed = torch.rand(shape, generator=stream) < self.share
        donor = (torch.randint(1, len(x), shape, generator=stream) + torch.arange(len(x))[:, None]) % len(x)
        changed, donor = changed.to(x.device)[:, column_of], donor.to(x.device)[:, column_of]
        flat = x.flatten(1)
        return torch.where(changed, flat.gather(0, donor), flat).reshape(x.shape), changed.reshape(x.shape)


@part("corruption")
@dataclass(frozen=True)
class Patches:
    """Put whole square patches of a picture to 0, so that what is hidden cannot be filled in from its neighbours.

    share     of patches, rounded to a count that is the same for every picture
    size      side of a patch in pixels; at the right and lower edge patches may be cut
    emphasis  weight of the loss on the hidden entries, the others have 1; the larger, the more only they count
    Source: He et al. 2022, section 3 (which charges hidden patches only).
    """

    share: float = 0.75
    size: int = 4
    emphasis: float = 1.0
    needs_pictures = True

    def __post_init__(self) -> None:
        check_share("patches", "share", self.share)
        check_positive("patches", "size", self.size)
        check_positive("patches", "emphasis", self.emphasis)

    def check(self, plan: Plan) -> None:
        """Refuse rows, and patches that would hide whole pictures."""
        if not plan.is_image:
            raise SentenceError(
                f"patches() needs pictures, but a sample here has the shape {plan.shape}",
                "use mask(0.3) for rows, or pass pictures (n, height, width, channels)",
            )
        height, width = plan.shape[:2]
        hidden, of = self._hidden(height, width)
        if hidden == of:
            raise SentenceError(
                f"patches({self.share}, size={self.size}) hides all of a {height} x {width} picture",
                "choose a smaller size or share",
            )

    def _hidden(self, height: int, width: int) -> tuple[int, int]:
        of = -(-height // self.size) * -(-width // self.size)
        return max(1, round(self.share * of)), of

    def corrupt(self, x: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """The pictures with holes, and where those are."""
        height, width = x.shape[1:3]
        hidden, of = self._hidden(height, width)
        chosen = torch.rand(len(x), of, generator=context.torch("patches")).topk(hidden, dim=1).indices
        holes = torch.zeros(len(x), of, dtype=torch.bool).scatter(1, chosen, True)
        holes = holes.reshape(len(x), -1, -(-width // self.size))
        whole = holes.repeat_interleave(self.size, 1).repeat_interleave(self.size, 2)[:, :height, :width, None]
        changed = whole.to(x.device).expand_as(x)
        return x.masked_fill(changed, 0.0), changed
