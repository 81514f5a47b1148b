"""Parameter groups that are made once, and learning rates that are a pure function of the step.

Reads  a net, names of parameters, how far each group's rate is from the peak and from which step on it learns.
Gives  `Group`, `Paces` (which sets what is open at a step and tells every group's rate there), `AdamW`, rates by
       layer or from gradients.
Skips  the loop: `transfer/tuning` and stacks have theirs.

Groups never change while a net is trained: a group that is still closed has its rate at 0, no gradients and modules
that are held. So a run that was stopped goes on with the same bits.
Sources: Howard and Ruder 2018 (ULMFiT: 2.6, gradual unfreezing); Smith 2018 (one cycle); Lee et al. 2023 (relative
gradient norm, "Auto-RGN"); Loshchilov and Hutter 2019 (AdamW, algorithm 2).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..errors import SentenceError
from .adam import BETAS, EPSILON, Adam
from .groups import hold
from .loop import schedule as cosine

WARM = 0.3  # share of the steps in which one cycle climbs
START, END = 1 / 25, 1e-4  # shares of the peak at both ends of one cycle


@dataclass(frozen=True)
class Group:
    """Parameters that learn at one rate.

    name        for people
    parameters  names in the net
    leaves      modules that are held while the group is closed
    rate        share of the peak learning rate
    opens       the step from which it learns, counted from 0
    """

    name: str
    parameters: tuple[str, ...]
    leaves: tuple[str, ...] = ()
    rate: float = 1.0
    opens: int = 0


def one_cycle(step: int, total: int) -> float:
    """The share of the peak rate at a step: a cosine up over 30 % of the steps, then a cosine down; one step: 1."""
    if total <= 1:
        return 1.0
    top = WARM * total
    if step < top:
        return START + (1 - START) * 0.5 * (1 - math.cos(math.pi * step / top))
    return END + (1 - END) * 0.5 * (1 + math.cos(math.pi * (step - top) / max(1.0, total - top)))


SCHEDULES = {"one_cycle": one_cycle, "cosine": cosine, "steady": lambda step, total: 1.0}


class Paces:
    """Groups of one net and their rates.

    groups     every trainable parameter stands in exactly one
    peak       learning rate of a group of rate 1 at the top of the schedule
    total      steps of the whole training
    schedule   "one_cycle", "cosine" (5 % warm-up, then down to 1 %) or "steady"
    closed     leaves that are held throughout
    errors     SentenceError: a parameter in two groups, in none, or unknown
    """

    def __init__(
        self,
        net: nn.Module,
        groups: Sequence[Group],
        peak: float,
        total: int,
        schedule: str = "one_cycle",
        closed: Sequence[str] = (),
    ) -> None:
        if schedule not in SCHEDULES:
            raise SentenceError(f"schedule={schedule!r} is not possible", f"known: {', '.join(SCHEDULES)}")
        self.net, self.groups, self.peak, self.total = net, tuple(groups), peak, max(1, total)
        self.schedule, self.closed = schedule, tuple(closed)
        known = dict(net.named_parameters())
        check_groups(net, groups)
        self.members = [[known[name] for name in group.parameters] for group in groups]
        self._open: tuple[bool, ...] | None = None

    def rates(self, step: int) -> list[float]:
        """The learning rate of every group at a step; 0 where it is closed. Nothing is changed."""
        share = SCHEDULES[self.schedule](step, self.total)
        return [self.peak * one.rate * share if step >= one.opens else 0.0 for one in self.groups]

    def at(self, step: int) -> list[float]:
        """Open and close what is open and closed at a step; the rates there. The net is left in training mode."""
        opened = tuple(step >= one.opens for one in self.groups)
        if opened != self._open:
            held = {name for one, there in zip(self.groups, opened, strict=True) if not there for name in one.leaves}
            for parameters, there in zip(self.members, opened, strict=True):
                for one in parameters:
                    one.requires_grad_(there)
            hold(self.net, held | set(self.closed))
            self._open = opened
            self.net.train()
        return self.rates(step)

    def release(self) -> None:
        """Let everything go, in eval mode; parameters of the groups can learn."""
        hold(self.net, ())
        self.net.eval()
        self._open = None
        for parameters in self.members:
            for one in parameters:
                one.requires_grad_(True)


def check_groups(net: nn.Module, groups: Sequence[Group]) -> None:
    """Refuse groups that do not hold every trainable parameter exactly once.

    errors  SentenceError with the name
    """
    known = dict(net.named_parameters())
    names = [name for group in groups for name in group.parameters]
    for name in names:
        if name not in known:
            raise SentenceError(f"a group names {name!r}, which the net does not have", "make the groups anew")
        if names.count(name) > 1:
            raise SentenceError(f"{name!r} stands in two groups", "each parameter learns at one rate")
    left = [name for name, one in known.items() if one.requires_grad and name not in set(names)]
    if left:
        raise SentenceError(f"{left[0]!r} can learn but stands in no group", "freeze it, or put it into a group")


def opened_in_turn(groups: Sequence[Group], total: int) -> list[Group]:
    """Groups, from the input on, that open one after the other: the last at once, the first after half the steps."""
    most = max(1, len(groups) - 1)
    return [replace(one, opens=(len(groups) - 1 - at) * total // (2 * most)) for at, one in enumerate(groups)]


def layer_rates(groups: Sequence[Group], decay: float) -> list[Group]:
    """Groups, from the input on, at rates decay^-k, k = 0 for the last one."""
    return [replace(one, rate=decay ** -(len(groups) - 1 - at)) for at, one in enumerate(groups)]


def gradient_rates(net: nn.Module, groups: Sequence[Group]) -> list[Group]:
    """Groups at rates in proportion to their relative gradient norm |g| / |w|, the largest 1; the last keeps its rate.

    The gradients are those the net holds. Where all are 0, all rates are 1.
    """
    known, found = dict(net.named_parameters()), []
    for group in groups[:-1]:
        parameters = [known[name] for name in group.parameters]
        slope = math.sqrt(sum(float(one.grad.double().square().sum()) for one in parameters if one.grad is not None))
        size = math.sqrt(sum(float(one.detach().double().square().sum()) for one in parameters))
        found.append(slope / size if size > 0 else 0.0)
    most = max(found, default=0.0)
    shares = [one / most if most > 0 else 1.0 for one in found]
    return [*(replace(one, rate=share) for one, share in zip(groups, shares, strict=False)), *groups[-1:]]


class AdamW(Adam):
    """Adam with decoupled weight decay, a rate per group."""

    def __init__(self, members: Sequence[Sequence[nn.Parameter]], decay: float = 0.01) -> None:
        super().__init__([one for group in members for one in group])
        self.decay = decay
        ends = [0]
        for group in members:
            ends.append(ends[-1] + sum(one.requires_grad for one in group))
        self.parts = [slice(a, b) for a, b in itertools.pairwise(ends)]

    @torch.no_grad()
    def move(self, rates: Sequence[float]) -> None:
        """One step; a group of rate 0, and a parameter without a gradient, stays as it is."""
        for part, rate in zip(self.parts, rates, strict=True):
            slots = zip(self.parameters[part], self.mean[part], self.square[part], self.steps[part], strict=True)
            moved = [(one, one.grad, mean, square, step) for one, mean, square, step in slots if one.grad is not None]
            if not moved or rate == 0:
                continue
            weights, grads, means, squares, steps = map(list, zip(*moved, strict=True))
            torch._foreach_add_(steps, 1.0)
            torch._fused_adamw_(
                weights,
                grads,
                means,
                squares,
                [],
                steps,
                lr=rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=self.decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )
