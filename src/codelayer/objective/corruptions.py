"""Corruptions: what the encoder is shown instead of the clean input.

Reads  the encoded samples (batch, *shape), in the order written.
Gives  the corrupted samples and where they were changed (bool, same shape).
Skips  the target: it stays clean. `emphasis` weighs the loss on the corrupted entries (Vincent et al. 2010, eq. 7,
       with weight 1 on the others).
"""

from __future__ import annotations

from dataclasses import dataclass

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

    share     of entries, in (0, 1]
    emphasis  weight of the loss on the changed entries, the others have 1
    Source: Vincent et al. 2008, section 2.3.
    """

    share: float = 0.3
    emphasis: float = 1.0

    def __post_init__(self) -> None:
        check_share("mask", "share", self.share)
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
    Source: Vincent et al. 2010, section 3.3.
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
    Smallest and largest are 0 and 1 for pictures, else those of the training rows. Source: Vincent et al. 2010, 3.3.
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
