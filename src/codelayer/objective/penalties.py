"""Penalties: what a code is charged for, beyond rebuilding its input.

Reads  a Trace (one forward pass).
Gives  one number per sample, shape (batch,), before weighting. Averaging over the batch happens once,
       in objective.py, never here. `over` is "sample" (each sample alone) or "batch" (population statistics, 1/n).
       `reads_code_alone` says that nothing else of the trace is read: fits that learn together are then charged at
       once.
Skips  weight decay: that belongs to the optimizer.
Order  by year of the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ..errors import SentenceError
from ..registry import part
from .corruptions import check_positive
from .trace import Trace


@part("penalty")
@dataclass(frozen=True)
class L1:
    """sum_j |code_j|: few units active at a time.

    weight  of the penalty. It can be escaped by a growing decoder: put unit_norm() beside it.
    Source: Olshausen and Field 1996, eq. 2; Tibshirani 1996.
    """

    weight: float = 0.001
    over = "sample"
    reads_code_alone = True

    def __post_init__(self) -> None:
        check_positive("l1", "weight", self.weight)

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) sums of absolute values."""
        return trace.code.abs().sum(1)


@part("penalty")
@dataclass(frozen=True)
class Kl:
    """Hold each unit's average activity near a small target.

    sum_j KL(Bernoulli(target) || Bernoulli(batch mean of code_j)), in nats.
    Needs a code inside (0, 1): put sigmoid() before it. A batch statistic, so every sample is charged the same.
    Source: Ng, CS294A notes 2011, section 3.
    """

    weight: float = 0.1
    target: float = 0.05
    over = "batch"
    reads_code_alone = True

    def __post_init__(self) -> None:
        check_positive("kl", "weight", self.weight)
        if not 0 < self.target < 1:
            raise SentenceError(f"kl(target={self.target}) is not possible", "target lies in (0, 1), usually 0.05")

    def check_range(self, low: float, high: float) -> None:
        """Refuse a code that is not in (0, 1)."""
        if low < 0 or high > 1:
            problem = f"kl() needs a code in (0, 1), this one lies in ({low:g}, {high:g})"
            raise SentenceError(problem, "put sigmoid() before it")

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) the same number of nats for every sample."""
        p, q = self.target, trace.code.mean(0).clamp(1e-6, 1 - 1e-6)
        nats = p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))
        return nats.sum().expand(len(trace.code))


class _SquaredRows(torch.autograd.Function):
    """The squared length of every row of a matrix, (units, features) -> (units,); its gradient takes one pass."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(matrix)
        return torch.linalg.vector_norm(matrix, dim=1).square()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (matrix,) = ctx.saved_tensors
        return matrix * (2 * grads[0]).unsqueeze(1)


@part("penalty")
@dataclass(frozen=True)
class Contractive:
    """sum_ij (d code_j / d x_i)^2, the squared Frobenius norm |J|^2 of the encoder's Jacobian: local invariance.

    weight   of the penalty
    probes   for encoders that are not one affine layer: 0 computes the Jacobian exactly (one backward pass per unit),
             n >= 1 estimates it without bias from n random directions u ~ N(0, I) as |u' J|^2 (Hutchinson 1990)
    hessian  how much of E |J(x) - J(x + e)|^2, e ~ N(0, epsilon^2 I), is added, from one draw of e per step and
             sample: the Jacobian itself should change little (higher order); 0 leaves it out
    epsilon  standard deviation of e, in units of the encoded input
    One affine layer and an elementwise bottleneck has a closed form, sum_j slope_j^2 |W_j|^2, always used there.
    Use tied weights: an untied decoder escapes by growing. Source: Rifai et al. 2011; of the higher
    order Rifai et al. 2011b (whose gamma is weight * hessian).
    """

    weight: float = 0.1
    probes: int = 1
    hessian: float = 0.0
    epsilon: float = 0.1
    over = "sample"

    def __post_init__(self) -> None:
        check_positive("contractive", "weight", self.weight)
        if self.probes < 0:
            raise SentenceError(f"contractive(probes={self.probes}) is not possible", "probes is 0 (exact) or more")
        if not 0 <= self.hessian < float("inf"):
            raise SentenceError(f"contractive(hessian={self.hessian}) is not possible", "hessian is 0 or more")
        check_positive("contractive", "epsilon", self.epsilon)

    def choice(self, closed_form: bool) -> str:
        """How the Jacobian is computed, in words for the fit's record."""
        how = (
            f"{self.probes} random probe{'s' if self.probes > 1 else ''} per step" if self.probes else "exact Jacobian"
        )
        twice = "; its change from one shifted copy of the batch per step" if self.hessian else ""
        return f"contractive: {'closed form' if closed_form else how}{twice}"

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) squared Frobenius norms."""
        if trace.encoded_by_affine is not None and trace.slope is not None:
            return self._closed(trace, trace.encoded_by_affine, trace.slope)
        if trace.encode is None or trace.seen is None:
            raise SentenceError("contractive() needs the encoder", "this trace was made without one")
        return self._squared_norm(trace.encode, trace.seen, trace)

    def _closed(self, trace: Trace, weight: Tensor, slope: Tensor) -> Tensor:
        lengths = cast(Tensor, _SquaredRows.apply(weight))
        if not self.hessian:
            return slope.square() @ lengths
        there = None
        if trace.seen is not None and trace.encoded is not None and trace.slope_at is not None:
            there = trace.slope_at(trace.encoded + self._shift(trace, trace.seen).flatten(1) @ weight.t())
        if there is None:
            raise SentenceError("contractive(hessian=...) needs the encoder", "this trace was made without one")
        return (slope.square() + self.hessian * (slope - there).square()) @ lengths

    def _shift(self, trace: Trace, seen: Tensor) -> Tensor:
        stream = trace.context.torch("contractive/hessian") if trace.context else None
        return self.epsilon * torch.randn(seen.shape, generator=stream, dtype=seen.dtype).to(seen.device)

    def _squared_norm(self, encode: Callable[[Tensor], Tensor], seen: Tensor, trace: Trace) -> Tensor:
        with torch.enable_grad():
            x = seen.detach().requires_grad_(True)
            code = encode(x)
            if self.probes:
                stream = trace.context.torch("contractive") if trace.context else None
                shape = (self.probes, *code.shape)
                directions = list(torch.randn(shape, generator=stream, dtype=code.dtype).to(code.device))
            else:
                units = torch.eye(code.shape[1], dtype=code.dtype, device=code.device)
                directions = [unit.expand_as(code) for unit in units]
            pulls = _pulls(code, x, directions)
            if not self.hessian:
                total = sum((back.square().sum(1) for back in pulls), code.new_zeros(len(code)))
            else:
                moved = (seen.detach() + self._shift(trace, seen)).requires_grad_(True)
                both = zip(pulls, _pulls(encode(moved), moved, directions), strict=True)
                charged = (a.square() + self.hessian * (a - b).square() for a, b in both)
                total = sum((one.sum(1) for one in charged), code.new_zeros(len(code)))
        return total / max(1, self.probes)


def _pulls(code: Tensor, x: Tensor, directions: list[Tensor]) -> Iterator[Tensor]:
    """u' J for every direction u, each (batch, features)."""
    for u in directions:
        (back,) = torch.autograd.grad(code, x, u, create_graph=True, retain_graph=True)
        yield back.flatten(1)


def _both(trace: Trace, term: str) -> tuple[Tensor, Tensor]:
    if trace.views is None:
        raise SentenceError(f"{term}() compares two views of a sample", "put views(affine(0.2), noise(0.1)) before it")
    return trace.views


@part("penalty")
@dataclass(frozen=True)
class Invariance:
    """mean_j (a_j - b_j)^2 between the projections of two views of a sample.

    weight  of the penalty. The mean over the projector's units is the authors' code (the paper's eq. 5 sums).
    Source: Bardes, Ponce and LeCun 2022, eq. 5.
    """

    weight: float = 25.0
    over = "sample"
    needs_views = True

    def __post_init__(self) -> None:
        check_positive("invariance", "weight", self.weight)

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) mean squared distances."""
        a, b = _both(trace, "invariance")
        return (a - b).square().mean(1)


@part("penalty")
@dataclass(frozen=True)
class Variance:
    """mean_j max(0, 1 - sqrt(Var(a_j) + 1e-4)), averaged over both views: no unit may collapse to a constant.

    A batch statistic (1/n). Source: Bardes, Ponce and LeCun 2022, eq. 1 and 2.
    """

    weight: float = 25.0
    over = "batch"
    needs_views = True
    prevents_collapse = True
    when_zero = ""  # every unit varies enough: there is nothing to mend

    def __post_init__(self) -> None:
        check_positive("variance", "weight", self.weight)

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) the same number for every sample."""
        both = _both(trace, "variance")
        hinge = [(1 - (v.var(0, correction=0) + 1e-4).sqrt()).relu().mean() for v in both]
        return ((hinge[0] + hinge[1]) / 2).expand(len(both[0]))


@part("penalty")
@dataclass(frozen=True)
class Covariance:
    """sum_(i != j) Cov(a)_ij^2 / units, summed over both views: no unit may repeat another.

    A batch statistic (1/n). Source: Bardes, Ponce and LeCun 2022, eq. 3 and 4.
    """

    weight: float = 1.0
    over = "batch"
    needs_views = True

    def __post_init__(self) -> None:
        check_positive("covariance", "weight", self.weight)

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) the same number for every sample."""
        both = _both(trace, "covariance")
        total = both[0].new_zeros(())
        for view in both:
            centred = view - view.mean(0)
            matrix = centred.t() @ centred / len(view)
            total = total + (matrix.square().sum() - matrix.diagonal().square().sum()) / view.shape[1]
        return total.expand(len(both[0]))
