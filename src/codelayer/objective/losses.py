"""Losses: how a reconstruction is charged against the clean input.

Reads  a Trace: x, rebuilt and charge, each (batch, features).
Gives  one number per sample, summed over features, shape (batch,); `read` turns the decoder's output into a
       reconstruction, `link` is its inverse (where the decoder's bias starts); a loss that is a likelihood of what it
       charges says in `drawn` how a row is drawn around its reconstruction.
Skips  the mean over the batch: objective.py takes it, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import SentenceError
from ..nets import Plan
from ..registry import part
from .corruptions import check_positive
from .trace import Trace


def _charged(trace: Trace, error: Tensor) -> Tensor:
    return (error if trace.charge is None else error * trace.charge).sum(1)


def _rebuilt(trace: Trace) -> Tensor:
    if trace.rebuilt is None:
        raise SentenceError("a reconstruction loss needs a decoder", "this trace was made without one")
    return trace.rebuilt


@part("loss")
@dataclass(frozen=True)
class Squared:
    """sum_j (x_j - rebuilt_j)^2, in squared units of the encoded input."""

    over = "sample"

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) squared errors."""
        # one kernel each way, where a difference and its square take two and four
        return _charged(trace, F.mse_loss(_rebuilt(trace), trace.x, reduction="none"))

    def read(self, output: Tensor, plan: Plan) -> Tensor:
        """The reconstruction is the decoder's output."""
        return output

    def link(self, mean: Tensor, plan: Plan) -> Tensor:
        """The decoder's bias starts at the mean."""
        return mean


@part("loss")
@dataclass(frozen=True)
class Huber:
    """sum_j h(x_j - rebuilt_j), h(e) = e^2/2 up to |e| = delta, then delta (|e| - delta/2).

    delta  where the square turns into a line, in units of the encoded input. Source: Huber 1964.
    """

    delta: float = 1.0
    over = "sample"

    def __post_init__(self) -> None:
        check_positive("huber", "delta", self.delta)

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) Huber errors."""
        return _charged(trace, F.huber_loss(_rebuilt(trace), trace.x, reduction="none", delta=self.delta))

    def read(self, output: Tensor, plan: Plan) -> Tensor:
        """The reconstruction is the decoder's output."""
        return output

    def link(self, mean: Tensor, plan: Plan) -> Tensor:
        """The decoder's bias starts at the mean."""
        return mean


@part("loss")
@dataclass(frozen=True)
class Bernoulli:
    """sum_j -[x_j ln p_j + (1 - x_j) ln(1 - p_j)], p = sigmoid(decoder output), in nats; x lies in [0, 1].

    For grey values between 0 and 1 it is a cross-entropy, no likelihood, and its least value is above 0.
    Source: Vincent et al. 2010.
    """

    over = "sample"

    def check(self, plan: Plan) -> None:
        """Refuse inputs outside [0, 1]."""
        if not plan.unit_range:
            low, high = float(plan.low.min()), float(plan.high.max())
            raise SentenceError(
                f"bernoulli() needs inputs in [0, 1], but these, as they are encoded, lie in [{low:.3g}, {high:.3g}]",
                "use squared(), or bring the data to [0, 1] with scale='block'",
            )

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) cross-entropies in nats."""
        return _charged(trace, F.binary_cross_entropy_with_logits(_rebuilt(trace), trace.x, reduction="none"))

    def read(self, output: Tensor, plan: Plan) -> Tensor:
        """The reconstruction is the probability."""
        return output.sigmoid()

    def link(self, mean: Tensor, plan: Plan) -> Tensor:
        """The decoder's bias starts at the log odds of the mean."""
        return mean.clamp(0.01, 0.99).logit()


@part("loss")
@dataclass(frozen=True)
class Normal:
    """sum_j [(x_j - rebuilt_j)^2 / (2 s^2) + ln s + ln(2 pi) / 2], in nats: Gaussian noise of a learned deviation s.

    One s for all features, at least exp(-6), so that loss and prior() are weighed against each other by the data.
    Source: Rybkin, Daniilidis and Levine 2021 (sigma-VAE, one shared sigma).
    """

    over = "sample"

    def module(self, plan: Plan) -> torch.nn.Module:
        """The noise's scale; it starts at 1."""
        return NoiseScale()

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) negative log-likelihoods in nats."""
        error = (_rebuilt(trace) - trace.x).square()
        log_scale = trace.module.log_scale() if isinstance(trace.module, NoiseScale) else error.new_zeros(1)
        nats = error * (-2 * log_scale).exp() / 2 + log_scale + math.log(2 * math.pi) / 2
        return _charged(trace, nats)

    def drawn(self, rebuilt: Tensor, plan: Plan, module: torch.nn.Module | None, stream: torch.Generator) -> Tensor:
        """Rows (n, features) drawn around their reconstructions: noise of the learned scale."""
        scale = module.log_scale().detach().cpu().exp() if isinstance(module, NoiseScale) else 1.0
        return rebuilt + scale * torch.randn(rebuilt.shape, generator=stream)

    def read(self, output: Tensor, plan: Plan) -> Tensor:
        """The reconstruction is the mean, the decoder's output."""
        return output

    def link(self, mean: Tensor, plan: Plan) -> Tensor:
        """The decoder's bias starts at the mean."""
        return mean


class NoiseScale(torch.nn.Module):
    """The log of one learned scale, held above `FLOOR` by a softplus."""

    FLOOR = -6.0
    PACE = 10.0  # Adam's steps have the size of its learning rate: a lone number would not get far in one fit

    def __init__(self) -> None:
        super().__init__()
        start = math.log(math.expm1(-self.FLOOR)) + self.FLOOR  # where the log of the scale is 0
        self.raw = torch.nn.Parameter(torch.full((1,), start / self.PACE))

    def log_scale(self) -> Tensor:
        """(1,) the log of the scale."""
        return self.FLOOR + F.softplus(self.PACE * self.raw - self.FLOOR)


@part("loss")
@dataclass(frozen=True)
class Columns:
    """Each column its own likelihood: numbers squared/2, a category the cross-entropy of its one-hot, in nats.

    A number is Gaussian with variance 1 in units of its deviation; indicators of missing numbers are Bernoulli.
    What is missing is not charged. A table of numbers alone is charged half the squared error.
    """

    over = "sample"

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) negative log-likelihoods, up to the Gaussian's constant."""
        output, layout = _rebuilt(trace), getattr(trace.module, "layout", ())
        if not layout:
            return _charged(trace, (output - trace.x).square() / 2)
        total = output.new_zeros(len(output))
        for kind, start, stop in layout:
            x, o = trace.x[:, start:stop], output[:, start:stop]
            if kind == "category":
                error = -x * o.log_softmax(1)
            elif kind == "indicator":
                error = F.binary_cross_entropy_with_logits(o, x, reduction="none")
            else:
                error = (o - x).square() / 2
            total = total + (error if trace.charge is None else error * trace.charge[:, start:stop]).sum(1)
        return total

    def module(self, plan: Plan) -> torch.nn.Module:
        """The table's layout: no weights, only where each block lies."""
        return _Layout(runs(plan))

    def drawn(self, rebuilt: Tensor, plan: Plan, module: torch.nn.Module | None, stream: torch.Generator) -> Tensor:
        """Rows (n, features) drawn around their reconstructions: numbers of variance 1, one category, 0 or 1."""
        pieces = []
        for kind, start, stop in runs(plan):
            piece = rebuilt[:, start:stop]
            if kind == "category":
                chosen = torch.multinomial(piece, 1, generator=stream)[:, 0]
                pieces.append(F.one_hot(chosen, stop - start).to(piece))
            elif kind == "indicator":
                pieces.append(torch.bernoulli(piece, generator=stream))
            else:
                pieces.append(piece + torch.randn(piece.shape, generator=stream))
        return torch.cat(pieces, dim=1)

    def read(self, output: Tensor, plan: Plan) -> Tensor:
        """Numbers as they are, categories and indicators as probabilities."""
        return _by_kind(plan, output, lambda o: o.softmax(1), lambda o: o.sigmoid())

    def link(self, mean: Tensor, plan: Plan) -> Tensor:
        """The decoder's bias starts at means and log shares."""
        return _by_kind(
            plan, mean[None], lambda m: m.clamp(1e-3, 1).log(), lambda m: m.clamp(0.01, 0.99).logit()
        ).squeeze(0)


class _Layout(torch.nn.Module):
    def __init__(self, layout: list[tuple[str, int, int]]) -> None:
        super().__init__()
        self.layout = layout


def runs(plan: Plan) -> list[tuple[str, int, int]]:
    """The layout with neighbouring blocks of numbers (or of indicators) joined, so that few slices are charged."""
    joined: list[tuple[str, int, int]] = []
    for block in plan.layout:
        if joined and block.kind != "category" and joined[-1][0] == block.kind and joined[-1][2] == block.start:
            joined[-1] = (block.kind, joined[-1][1], block.stop)
        else:
            joined.append((block.kind, block.start, block.stop))
    return joined


def _by_kind(
    plan: Plan, values: Tensor, category: Callable[[Tensor], Tensor], indicator: Callable[[Tensor], Tensor]
) -> Tensor:
    pieces = []
    for kind, start, stop in runs(plan):
        piece = values[:, start:stop]
        pieces.append(category(piece) if kind == "category" else indicator(piece) if kind == "indicator" else piece)
    return torch.cat(pieces, dim=1)
