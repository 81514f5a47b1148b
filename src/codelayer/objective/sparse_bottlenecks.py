"""Bottlenecks that learn or remember from which value on a unit is on: batch_topk and jumprelu.

Reads  the encoder's output (batch, units), and in the context what the term learned.
Gives  the code. After training every sample is coded by itself: a unit is kept from its threshold on.
Skips  the price of active units: l0() is in sparse_penalties.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..nets import Plan
from ..registry import part
from .bottlenecks import Topk, check_kept, kept_units
from .corruptions import check_positive
from .trace import Context

SLOWEST = 0.01


def learned(name: str, context: Context | None) -> Any:
    """The module of a term in this context, or None."""
    return None if context is None else context.modules.get(name)


class RunningThreshold(nn.Module):
    """The running mean of the smallest kept value: a plain mean over the first batches, then exponential."""

    value: Tensor
    batches: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def note(self, smallest: Tensor) -> None:
        """Take in the smallest kept value of one more batch."""
        self.batches += 1
        rate = (1 / self.batches.to(self.value.dtype)).clamp_min(SLOWEST)
        self.value += rate * (smallest - self.value)


@part("bottleneck")
@dataclass(frozen=True)
class BatchTopk:
    """Keep the batch * k largest outputs of a whole batch, so that a rich sample may use more units than a plain one.

    k  units per sample on average: a number, or a share in (0, 1] of the code, rounded up
    The mean of the smallest kept values is remembered; afterwards a unit is on where it reaches that threshold, which
    codes every sample by itself. Before any training the k largest of each sample are kept.
    Source: Bussmann, Leask and Nanda 2024 (BatchTopK); mean taken over the last 100 batches or so.
    """

    k: int | float = 0.1

    def __post_init__(self) -> None:
        check_kept("batch_topk", self.k)

    def count(self, code_size: int) -> int:
        """How many units stay per sample, on average.

        errors  SentenceError when more are asked for than the code has
        """
        return kept_units("batch_topk", self.k, code_size)

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range: that before, and 0."""
        return min(0.0, low), max(0.0, high)

    def module(self, plan: Plan) -> nn.Module:
        """The running threshold."""
        return RunningThreshold()

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training; a model that is not in training codes as afterwards."""
        module = learned("batch_topk", context)
        if module is not None and not module.training:
            return self.settle(encoded, context)
        kept = encoded.flatten().topk(self.count(encoded.shape[1]) * len(encoded))
        if module is not None and len(encoded):
            module.note(kept.values[-1])
        return torch.zeros_like(encoded).flatten().scatter(0, kept.indices, kept.values).view_as(encoded)

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards, by the learned threshold."""
        module = learned("batch_topk", context)
        if module is None or not module.batches:
            return Topk(self.k).settle(encoded, context)
        return encoded * (encoded >= module.value)


class Thresholds(nn.Module):
    """One threshold per unit, and the width of the window through which they learn."""

    def __init__(self, units: int, start: float, bandwidth: float) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.full((units,), start))
        self.bandwidth = bandwidth

    def jump(self, encoded: Tensor) -> Tensor:
        """(batch, units) what exceeds its threshold, unchanged; 0 else."""
        return cast(Tensor, _Jump.apply(encoded, self.threshold, self.bandwidth))

    def active(self, encoded: Tensor) -> Tensor:
        """(batch, units) 1 where a unit is on, else 0; the gradient reaches the thresholds alone."""
        return cast(Tensor, _Step.apply(encoded, self.threshold, self.bandwidth))


@part("bottleneck", "jumprelu")
@dataclass(frozen=True)
class JumpRelu:
    """code = encoded where encoded > threshold_j, else 0, with one learned threshold (never below 0) per unit.

    threshold  where every unit's threshold starts, in units of the encoder's output
    bandwidth  width e of the window through which thresholds learn: d code / d threshold is taken as
               -(threshold / e) [|encoded - threshold| < e / 2], the rectangle kernel
    Units become sparse through l0() only. With the defaults few samples fall into the window; short trainings learn
    faster with 0.1 and 0.1. Source: Rajamanoharan et al. 2024 (Jumping ahead).
    """

    threshold: float = 0.001
    bandwidth: float = 0.001

    def __post_init__(self) -> None:
        check_positive("jumprelu", "threshold", self.threshold)
        check_positive("jumprelu", "bandwidth", self.bandwidth)

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range: 0 and above."""
        return max(0.0, low), max(0.0, high)

    def module(self, plan: Plan) -> nn.Module:
        """The thresholds."""
        return Thresholds(plan.code_size, self.threshold, self.bandwidth)

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        module = learned("jumprelu", context)
        return encoded * (encoded > self.threshold) if module is None else module.jump(encoded)

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return self.draw(encoded, context)


def _window(encoded: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    return ((encoded - threshold).abs() < bandwidth / 2).to(encoded.dtype) / bandwidth


class _Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, encoded: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        threshold = threshold.clamp_min(0)
        ctx.save_for_backward(encoded, threshold)
        ctx.bandwidth = bandwidth
        return encoded * (encoded > threshold)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (grad,) = grads
        encoded, threshold = ctx.saved_tensors
        to_threshold = -threshold * (_window(encoded, threshold, ctx.bandwidth) * grad).sum(0)
        return grad * (encoded > threshold), to_threshold, None


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, encoded: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        threshold = threshold.clamp_min(0)
        ctx.save_for_backward(encoded, threshold)
        ctx.bandwidth = bandwidth
        return (encoded > threshold).to(encoded.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        (grad,) = grads
        encoded, threshold = ctx.saved_tensors
        return None, -(_window(encoded, threshold, ctx.bandwidth) * grad).sum(0), None
