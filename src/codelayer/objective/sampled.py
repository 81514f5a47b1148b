"""Reconstruction sampling: wide rows that are mostly 0 are charged on some of their columns.

Reads  the clean input, dense or as `SparseRows`, and a decoder that ends in one linear layer.
Gives  the `sampled` loss; a training pass whose work and memory grow with the columns that are looked at.
Skips  what needs whole rows: coding after training, and penalties that rebuild from other codes than this one.
Source: Dauphin, Glorot and Bengio 2011.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SentenceError
from ..nets import Net, Plan
from ..nets.net import Tied
from ..registry import part
from .corruptions import check_share
from .losses import Bernoulli, Squared
from .trace import Context, Trace

if TYPE_CHECKING:
    from .model import Model
    from .objective import Objective

RAREST = 1e-6
INSIDE = ("squared", "huber", "bernoulli")
READ_CODE = ("l1", "kl", "l0", "prior", "dip", "total_correlation", "labels")  # penalties that read no rows


@dataclass(frozen=True)
class SparseRows:
    """Encoded rows by their numbers that are not 0: row r holds those from starts[r] to starts[r + 1].

    values   (count,) float
    columns  (count,) int64, ascending in a row
    starts   (rows + 1,) int64
    features of a row
    """

    values: Tensor
    columns: Tensor
    starts: Tensor
    features: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def used(self) -> tuple[Tensor, Tensor]:
        """The columns that are not 0 in every row, ascending, and the place of each value among them."""
        return torch.unique(self.columns, return_inverse=True)

    def masked(self, share: float, stream: torch.Generator) -> SparseRows:
        """These rows with a share of the entries put to 0: of those that are 0 already nothing is seen."""
        kept = torch.rand(len(self.values), generator=stream) >= share
        made = replace(self, values=self.values * kept.to(self.values))
        made.__dict__["used"] = self.used
        return made

    def dense(self, extra: int) -> Tensor:
        """(rows, used + extra): the used columns, and so many columns of zeros behind them."""
        used, place = self.used
        rows = torch.arange(len(self), device=self.values.device).repeat_interleave(self.starts.diff())
        made = self.values.new_zeros(len(self), len(used) + extra)
        made[rows, place] = self.values
        return made


@dataclass(frozen=True)
class Picked:
    """Columns that are looked at, and what each counts.

    columns  (count,) int64: those in use, then those drawn
    weight   (1, count)
    drawn    how many of them are drawn
    """

    columns: Tensor
    weight: Tensor
    drawn: int

    def rebuild(self, decoder: nn.Module | None, code: Tensor) -> Tensor:
        """(batch, count) the decoder's output at these columns; of its last layer nothing else is multiplied."""
        before, weight, bias = _last_layer(decoder)
        return F.linear(before(code), weight.index_select(0, self.columns), bias.index_select(0, self.columns))

    def narrowed(self, trace: Trace) -> Trace:
        """A trace of whole rows, at these columns."""
        charge = self.weight if trace.charge is None else self.weight * trace.charge.index_select(1, self.columns)
        return replace(trace, x=trace.x.index_select(1, self.columns), charge=charge)


@part("loss")
@dataclass(frozen=True)
class Sampled:
    """sum_(j in B) loss_j + |Z|/|S| sum_(j in S) loss_j: its mean over the draws of S is the loss inside, exactly.

    zeros  share of Z that is drawn at every step, rounded up, in (0, 1]; 1 is the loss itself
    loss   squared(), huber() or bernoulli(), whose unit this has
    B are the columns where some row of the batch is not 0, Z the others, S those of Z that are drawn, evenly and
    without repetition. The decoder's last layer is multiplied for B and S alone; where X is CSR, the rows stay sparse
    and the encoder's first layer reads their non-zeros, unless a corruption other than mask() or a penalty on the
    input stands beside it. For rows of many thousand columns, of which few are not 0 (words of a text); with columns
    that are mostly used there is nothing to gain. Held-out CSR rows are charged with one draw for all epochs.
    Source: Dauphin, Glorot and Bengio 2011, section 3 (there every row draws its own zeros, here the batch does).
    """

    zeros: float = 0.05
    loss: Any = field(default_factory=Squared)
    over = "sample"

    def __post_init__(self) -> None:
        check_share("sampled", "zeros", self.zeros)
        if getattr(self.loss, "name", "") not in INSIDE:
            given = f"{self.loss.name}()" if hasattr(self.loss, "name") else repr(self.loss)
            allowed = ", ".join(f"{name}()" for name in INSIDE)
            raise SentenceError(f"sampled() cannot hold {given}", f"it charges every column by itself: {allowed}")

    def check(self, plan: Plan) -> None:
        """Refuse what the loss inside refuses."""
        if hasattr(self.loss, "check"):
            self.loss.check(plan)

    def check_beside(self, objective: Objective) -> None:
        """Refuse terms that rebuild whole rows again."""
        if objective.compares_views:
            raise SentenceError("sampled() stands beside views(), whose rows differ twice", "use squared()")
        if any(term.name == "nested" for term in objective.penalties):
            raise SentenceError("sampled() charges some columns, but nested() all of them", "use squared()")

    def check_net(self, net: Net) -> None:
        """Refuse a decoder whose last layer cannot be multiplied in part."""
        parts = list(net.decoder.children()) if net.decoder is not None else []
        if not parts or not isinstance(parts[-1], nn.Linear | Tied):
            raise SentenceError("sampled() needs a decoder that ends in a linear layer", "use net='mlp(depth=2)'")

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) the loss inside, over the columns of the trace."""
        return self.loss(trace)

    def read(self, output: Tensor, plan: Plan) -> Tensor:
        """As the loss inside."""
        return self.loss.read(output, plan)

    def link(self, mean: Tensor, plan: Plan) -> Tensor:
        """As the loss inside, but that probabilities start as small as rare words are.

        From 0.01 most of the loss of wide rows would be on columns that have yet to learn that they are rare.
        """
        if isinstance(self.loss, Bernoulli):
            return mean.clamp(RAREST, 1 - RAREST).logit()
        return self.loss.link(mean, plan)

    def pick(self, used: Tensor, features: int, context: Context) -> Picked:
        """The columns of this step.

        used      (count,) int64, the columns that are not 0 everywhere in the batch
        features  columns in all
        """
        free = torch.ones(features, dtype=torch.bool)
        free[used.cpu()] = False
        rest = free.nonzero().flatten()
        drawn = math.ceil(self.zeros * len(rest))
        if drawn < len(rest):
            rest = rest[torch.randperm(len(rest), generator=context.torch("sampled"))[:drawn]]
        weight = torch.ones(1, len(used) + drawn)
        weight[:, len(used) :] = (features - len(used)) / max(1, drawn)
        return Picked(torch.cat((used, rest.to(used))), weight.to(used.device), drawn)


def picked(objective: Objective, model: Model, x: Tensor, context: Context) -> Picked | None:
    """The columns of a batch of dense rows, or None where whole rows are charged."""
    if not isinstance(objective.loss, Sampled) or not model.training:
        return None
    flat = x.flatten(1)
    return objective.loss.pick((flat != 0).any(0).nonzero().flatten(), flat.shape[1], context)


def reads_sparse(model: Model) -> bool:
    """Whether a training pass can take `SparseRows`: nothing in the sentence or the net reads whole rows."""
    objective = model.objective
    return (
        isinstance(objective.loss, Sampled)
        and all(term.name == "mask" and term.emphasis == 1 for term in objective.corruptions)
        and all(term.name in READ_CODE for term in objective.penalties)
        and len(model.plan.shape) == 1
        and _first_layer(model.net) is not None
    )


def sparse_trace(objective: Objective, model: Model, x: SparseRows, context: Context) -> Trace:
    """One forward pass over sparse rows; x and rebuilt are those of the picked columns."""
    seen = x
    for term in objective.corruptions:
        seen = seen.masked(term.share, context.torch(term.name))
    encoded = encode_sparse(model.net, seen)
    code = objective.draw(encoded, context)
    chosen = cast(Sampled, objective.loss).pick(x.used[0], x.features, context)
    return Trace(
        x=x.dense(chosen.drawn),
        code=code,
        encoded=encoded,
        rebuilt=chosen.rebuild(model.net.decoder, code),
        charge=chosen.weight.to(code),
        decoder=model.net.decoder,
        loss=objective.loss,
        context=context,
    )


def encode_sparse(net: Net, x: SparseRows) -> Tensor:
    """(batch, outputs) what `net.encode` gives, by the non-zeros: (x - mean) W' = x W' - mean W'."""
    found = _first_layer(net)
    if found is None:
        raise SentenceError("this net does not begin with a linear layer", "use net='mlp(depth=2)'")
    first, rest = found
    h = _ReadSparse.apply(first.weight, net.mean, x)
    h = h if first.bias is None else h + first.bias
    for layer in rest:
        h = layer(h)
    return h


class _ReadSparse(torch.autograd.Function):
    """(x - mean) W' by the non-zeros of x; its gradient writes the large weight once, where autograd's would thrice."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, mean: Tensor, x: SparseRows) -> Tensor:
        used, place = x.used
        ctx.x, ctx.mean = x, mean
        columns = weight.index_select(1, used).t().contiguous()
        h = F.embedding_bag(place, columns, x.starts[:-1], mode="sum", per_sample_weights=x.values)
        return h - weight @ mean

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (used, place), x = ctx.x.used, ctx.x
        rows = torch.arange(len(x), device=grad.device).repeat_interleave(x.starts.diff())
        order = place.argsort(stable=True)
        counts = torch.bincount(place, minlength=len(used))
        starts, values = counts.cumsum(0) - counts, x.values[order]
        to_used = F.embedding_bag(rows[order], grad.contiguous(), starts, mode="sum", per_sample_weights=values)
        to_weight = torch.outer(-grad.sum(0), ctx.mean)
        return to_weight.index_add_(1, used, to_used.t()), None, None


def _first_layer(net: Net) -> tuple[nn.Linear, list[nn.Module]] | None:
    """The layer that reads the rows, and what follows it in the encoder."""
    parts: list[nn.Module] = list(net.stages.values())
    while parts and isinstance(parts[0], nn.Sequential):
        parts = [*parts[0], *parts[1:]]
    return (parts[0], parts[1:]) if parts and isinstance(parts[0], nn.Linear) else None


def _last_layer(decoder: nn.Module | None) -> tuple[nn.Module, Tensor, Tensor]:
    """What comes before the decoder's last layer, and its weight (features, width) and bias (features,)."""
    whole = cast(nn.Sequential, decoder)
    last = whole[-1]
    weight = last.layer.weight.t() if isinstance(last, Tied) else last.weight
    return whole[:-1], cast(Tensor, weight), cast(Tensor, last.bias)
