"""Penalties of sparse codes: l0, nested and revive.

Reads  a Trace, with the decoder and what the terms learned.
Gives  one number per sample, shape (batch,), before weighting.
Skips  what makes a code sparse: the bottlenecks.
Order  by year of the paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ..errors import SentenceError
from ..nets import Plan
from ..registry import part
from .corruptions import check_positive
from .sparse_bottlenecks import learned
from .sparse_pass import first_layer, sum_atoms
from .trace import Context, Trace

if TYPE_CHECKING:
    from .objective import Objective

SHARES = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
PASSING = ("relu", "topk", "batch_topk", "jumprelu")
RESIDUAL = ("squared", "huber")
LONGEST = 10_000
LEAST_LEFT = 0.001
TINY = 1e-12


def _check_decoder(term: str, objective: Objective) -> None:
    if objective.compares_views and objective.loss is None:
        raise SentenceError(
            f"{term}() needs a decoder, but {objective.text} has none", "leave it out, or add squared()"
        )


@part("penalty")
@dataclass(frozen=True)
class L0:
    """sum_j [encoded_j > threshold_j], the number of active units of a sample.

    weight  of the penalty
    Its mean over the batch has the gradient -[|encoded - threshold| < e / 2] / e with respect to a unit's threshold,
    e the bandwidth of jumprelu(), which it needs; the encoder gets none.
    Source: Rajamanoharan et al. 2024 (Jumping ahead).
    """

    weight: float = 0.01
    over = "sample"
    when_zero = "no unit was ever on; lower the threshold of jumprelu()"

    def __post_init__(self) -> None:
        check_positive("l0", "weight", self.weight)

    def check_beside(self, objective: Objective) -> None:
        """Refuse a code without thresholds to learn."""
        names = [term.name for term in objective.bottlenecks]
        if "jumprelu" not in names:
            raise SentenceError("l0() moves the thresholds of jumprelu(), which is missing", "put jumprelu() before it")
        if names[0] != "jumprelu":
            raise SentenceError(
                f"l0() counts what the encoder gives to jumprelu(), but {names[0]}() stands between them",
                "write jumprelu() before every other bottleneck",
            )

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) counts of active units."""
        thresholds = learned("jumprelu", trace.context)
        if trace.encoded is None or thresholds is None:
            raise SentenceError("l0() needs jumprelu() and what it reads", "this trace was made without them")
        return thresholds.active(trace.encoded).sum(1)


@part("penalty")
@dataclass(frozen=True)
class Nested:
    """sum_w loss(x, decoder(first w units of the code, the others 0)): a code that can be cut short.

    weight  of the penalty
    widths  counts of units, or shares in (0, 1) of the code, rounded up; by default 1/2, 1/4, 1/8 and 1/16 of it
    The sentence's own loss is charged, the whole code by the loss itself. Early units carry what matters most.
    Source: Kusupati et al. 2022, eq. 1; Bussmann, Nabeshima, Karvonen and Nanda 2025 (Matryoshka).
    """

    weight: float = 1.0
    widths: tuple[float, ...] = ()
    over = "sample"

    def __post_init__(self) -> None:
        check_positive("nested", "weight", self.weight)
        for width in self.widths:
            if width < 1 if isinstance(width, int) else not 0 < width < 1:
                problem = f"nested(widths={self.widths}) is not possible: {width}"
                raise SentenceError(problem, "a width is a count >= 1 or a share in (0, 1), for example (16, 64)")

    def count(self, code_size: int) -> list[int]:
        """The widths as counts, ascending, without the whole code.

        errors  SentenceError for a width that is not below the code's
        """
        for width in self.widths:
            if isinstance(width, int) and width >= code_size:
                raise SentenceError(
                    f"nested() charges the first {width} units of a code of {code_size}",
                    f"choose widths below code_size={code_size}; the whole code is charged by the loss",
                )
        chosen = self.widths or SHARES
        counts = {w if isinstance(w, int) else math.ceil(w * code_size) for w in chosen}
        return sorted(counts - {code_size})

    def check_beside(self, objective: Objective) -> None:
        """Refuse a sentence without a decoder."""
        _check_decoder("nested", objective)

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) sums of the loss over the widths."""
        if trace.decoder is None or trace.loss is None:
            raise SentenceError("nested() needs a decoder and a loss", "this trace was made without them")
        total = trace.code.new_zeros(len(trace.code))
        module = learned(trace.loss.name, trace.context)
        for width in self.count(trace.code.shape[1]):
            rebuilt = decode_first(trace.decoder, trace.code, width)
            total = total + trace.loss(replace(trace, rebuilt=rebuilt, module=module))
        return total


def decode_first(decoder: nn.Module, code: Tensor, width: int) -> Tensor:
    """The decoder's output for a code whose units from `width` on are 0; they are not computed with where it can be."""
    found = first_layer(decoder)
    if found is None:
        return decoder(F.pad(code[:, :width], (0, code.shape[1] - width)))
    atoms, bias, rest = found
    return rest(torch.addmm(bias, code[:, :width], atoms[:width]))


class Silence(nn.Module):
    """For how many samples each unit has not been on; and the mean of the training rows, by the plan."""

    samples: Tensor
    mean: Tensor

    def __init__(self, units: int, mean: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("samples", torch.zeros(units, dtype=torch.int64))
        self.register_buffer("mean", torch.from_numpy(mean).flatten(), persistent=False)

    @torch.no_grad()
    def note(self, code: Tensor) -> None:
        """Count one more batch."""
        self.samples += len(code)
        self.samples[(code != 0).any(0)] = 0


@part("penalty")
@dataclass(frozen=True)
class Revive:
    """|x - mean|^2 |e - s W a|^2 / |e|^2, e = x - rebuilt held fixed: dead units rebuild what the others leave over.

    weight  of the penalty: what of |x - mean|^2 is charged while dead units rebuild nothing of e
    k       dead units used per sample, those with the largest encoder outputs a; by default half the features
    after   samples without being on after which a unit counts as dead; by default two passes over the training rows (a
            unit of one row may wait that long), at most 10,000
    W is the decoder without its biases (of a deep decoder: biases held fixed, its answer to a zero code subtracted):
    they belong to x - rebuilt already. s = min(1, |e| / |W a|): many dead units together answer with more than is left
    over, and without s they would learn to be less on still. |e|^2 is taken as at least |x - mean|^2 / 1000. 0 while
    nothing is dead, and on held-out rows.
    Source: Gao et al. 2024, appendix A.2; divided by |e|^2 as in the authors' program; s is ours.
    """

    weight: float = 1 / 32
    k: int | None = None
    after: int | None = None
    over = "sample"
    when_zero = ""  # nothing has died yet

    def __post_init__(self) -> None:
        check_positive("revive", "weight", self.weight)
        for name, value in (("k", self.k), ("after", self.after)):
            if value is not None and value < 1:
                raise SentenceError(f"revive({name}={value}) is not possible", f"{name} is a whole number >= 1")

    def module(self, plan: Plan) -> nn.Module:
        """The counters."""
        return Silence(plan.code_size, plan.mean)

    def check_beside(self, objective: Objective) -> None:
        """Refuse codes whose units are never off, and losses whose residual is not x - rebuilt."""
        _check_decoder("revive", objective)
        names = [term.name for term in objective.bottlenecks]
        if not names or any(name not in PASSING for name in names):
            wrong = next((f"{name}()" for name in names if name not in PASSING), "a code without a bottleneck")
            problem = f"revive() wakes units that are off, but {wrong} never turns one off"
            raise SentenceError(problem, f"use it with {', '.join(f'{name}()' for name in PASSING)}")
        if objective.loss is not None and objective.loss.name not in RESIDUAL:
            problem = f"revive() rebuilds x - rebuilt, but {objective.loss.name}() has no such residual"
            raise SentenceError(problem, f"use it with {' or '.join(f'{name}()' for name in RESIDUAL)}")

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) squared errors of the rebuilt residual."""
        silence = learned("revive", trace.context)
        if silence is None or trace.decoder is None or trace.encoded is None or trace.rebuilt is None:
            raise SentenceError("revive() needs a decoder and its counters", "this trace was made without them")
        if not silence.training:
            return trace.code.new_zeros(len(trace.code))
        silence.note(trace.code)
        dead = silence.samples >= self.patience(trace.context)
        count = min(int(dead.sum()), self.k or max(1, trace.x.shape[1] // 2))
        if not count:
            return trace.code.new_zeros(len(trace.code))
        values, used = trace.encoded.masked_fill(~dead, float("-inf")).topk(count, dim=1)
        left = (trace.x - trace.rebuilt).detach()
        answer = _answer(trace.decoder, values, used, trace.code.shape[1])
        whole = _energy(trace.x - silence.mean, trace.charge)
        most = torch.maximum(_energy(left, trace.charge), LEAST_LEFT * whole).clamp_min(TINY)
        longer = (_energy(answer, trace.charge) / most).clamp_min(1).sqrt()  # through which the gradient goes
        return _energy(left - answer / longer.unsqueeze(1), trace.charge) * whole / most

    def patience(self, context: Context | None) -> int:
        """Samples without being on after which a unit counts as dead."""
        rows = context.rows if context is not None and context.rows else LONGEST
        return self.after or min(2 * rows, LONGEST)


def _energy(x: Tensor, charge: Tensor | None) -> Tensor:
    return (x.square() if charge is None else x.square() * charge).sum(1)


def _answer(decoder: nn.Module, values: Tensor, used: Tensor, units: int) -> Tensor:
    """What the decoder adds for these units, without any of its biases' gradients."""
    found = first_layer(decoder)
    if found is not None and not len(list(found[2].children())):
        return sum_atoms(values, used, found[0])
    code = values.new_zeros(len(values), units).scatter(1, used, values)
    fixed = {name: one.detach() for name, one in decoder.named_parameters() if name.endswith("bias")}
    both = [functional_call(decoder, fixed, (one,)) for one in (code, torch.zeros_like(code[:1]))]
    return both[0] - both[1]
