"""The weights of several nets of one shape, laid on one another: a step of all is a few products of stacks.

Reads  models whose nets have one shape, made of affine layers and elementwise activations.
Gives  `Stack`: encode and decode (nets, batch, ...), gradients and atoms; the nets' own weights are views of it.
Skips  terms and steps: they are in together.py and many.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..nets.net import Tied
from ..objective import Model
from ..objective.sampled import Sampled
from ..objective.sparse_pass import FEWEST_UNITS

KNOWN = (nn.Sequential, nn.ModuleDict, nn.Flatten, nn.Linear, Tied)


def stackable(model: Model) -> bool:
    """Whether a model's net can stand in a stack; wide codes have a sparse pass of their own."""
    if model.net.decoder is None or model.objective.infers or model.plan.code_size >= FEWEST_UNITS:
        return False
    if isinstance(model.objective.loss, Sampled):  # it does not ask its net as a whole
        return False
    return all(isinstance(one, KNOWN) or type(one) in _BACKWARD for one in model.net.modules() if one is not model.net)


class Stack:
    """Nets of one shape as one stack of matrices."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.nets = [model.net for model in models]
        named = [dict(net.named_parameters()) for net in self.nets]
        self.weights = {name: nn.Parameter(torch.stack([one[name].detach() for one in named])) for name in named[0]}
        self.own = [[(one[name], self.weights[name]) for name in self.weights] for one in named]
        for place, pairs in enumerate(self.own):
            for mine, whole in pairs:
                mine.data = whole.data[place]
        self.mean = torch.stack([net.mean for net in self.nets]).unsqueeze(1)
        first = self.nets[0]
        names = {id(module): name for name, module in first.named_modules()}
        self.encoder = self._layers(list(first.stages.values()), names)
        self.decoder = self._layers([first.decoder], names)
        self.atoms_name = _atoms_name(first)

    def _layers(self, modules: Sequence[Any], names: dict[int, str]) -> list[Any]:
        """What a pass does, in order: (weight, bias, transposed) of an affine layer, or the module itself."""
        found: list[Any] = []
        for module in modules:
            if isinstance(module, nn.Sequential):
                found += self._layers(list(module), names)
            elif isinstance(module, Tied):
                bias = self.weights[f"{names[id(module)]}.bias"]
                found.append((self.weights[f"{names[id(module.layer)]}.weight"], bias, False))
            elif isinstance(module, nn.Linear):
                name = names[id(module)]
                found.append((self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"), True))
            elif not isinstance(module, nn.Flatten):
                found.append(module)
        return found

    def encode(self, seen: Tensor) -> Tensor:
        """(nets, batch, *shape) -> (nets, batch, outputs)."""
        return _walk(self.encoder, (seen - self.mean).flatten(2))

    def decode(self, code: Tensor) -> Tensor:
        """(nets, batch, units) -> (nets, batch, features)."""
        return _walk(self.decoder, code)

    def join_gradients(self, places: Sequence[int], show: Sequence[int]) -> None:
        """Add what nets' own weights were charged (a contractive penalty reads them) to the stack's gradients.

        places  the nets whose own weights a term reads
        show    those whose own weights shall hold the sum, for a constraint to change
        """
        for place in {*places, *show}:
            for mine, whole in self.own[place]:
                if mine.grad is not None and whole.grad is not None:
                    whole.grad[place] += mine.grad
                mine.grad = whole.grad[place] if place in show and whole.grad is not None else None

    def forget(self, places: Iterable[int]) -> None:
        """Forget what the nets' own weights hold as gradients."""
        for place in places:
            for mine, _ in self.own[place]:
                mine.grad = None

    def let_go(self) -> None:
        """Give every net weights of its own again."""
        for pairs in self.own:
            for mine, _ in pairs:
                mine.data, mine.grad = mine.data.clone(), None


class Atoms:
    """Neighbouring nets of a stack as a constraint of atoms sees them: as one net with a stack of atoms."""

    def __init__(self, stack: Stack, start: int, stop: int) -> None:
        self.stack, self.where = stack, slice(start, stop)

    def atoms(self) -> tuple[Tensor, int] | None:
        """As `Net.atoms`, with the nets as first dimension."""
        if self.stack.atoms_name is None:
            return None
        name, along = self.stack.atoms_name
        whole = self.stack.weights[name]
        part = whole.data[self.where]
        part.grad = None if whole.grad is None else whole.grad[self.where]
        return part, along + 1


def _atoms_name(net: Any) -> tuple[str, int] | None:
    found = net.atoms()
    if found is None:
        return None
    return next(name for name, one in net.named_parameters() if one is found[0]), found[1]


def _walk(layers: Sequence[Any], h: Tensor) -> Tensor:
    weights = [one for layer in layers if isinstance(layer, tuple) for one in layer[:2]]
    return cast(Tensor, _Chain.apply(h, layers, *weights))


class _Chain(torch.autograd.Function):
    """Affine layers and activations in a row. One node instead of a dozen: small stacks spend most of their time
    between operations, and the weights' gradients come out in the weights' own layout."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, layers: Sequence[Any], *weights: Tensor | None) -> Tensor:
        kept: list[Tensor] = []
        for layer in layers:
            kept.append(h)
            if isinstance(layer, tuple):
                weight, bias, transposed = layer
                weight = weight.transpose(1, 2) if transposed else weight
                h = torch.bmm(h, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), h, weight)
            else:
                h = layer(h)
        ctx.save_for_backward(*kept, h)
        ctx.layers = layers
        return h

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        (grad,), kept = grads, ctx.saved_tensors
        found: list[Tensor | None] = []
        for place in reversed(range(len(ctx.layers))):
            layer, h = ctx.layers[place], kept[place]
            if not isinstance(layer, tuple):
                grad = _BACKWARD[type(layer)](grad, h, kept[place + 1])
                continue
            weight, bias, transposed = layer
            to_weight = torch.bmm(grad.transpose(1, 2), h) if transposed else torch.bmm(h.transpose(1, 2), grad)
            found = [to_weight, None if bias is None else grad.sum(1), *found]
            if place or ctx.needs_input_grad[0]:
                grad = torch.bmm(grad, weight if transposed else weight.transpose(1, 2))
        return grad if ctx.needs_input_grad[0] else None, None, *found


_BACKWARD: dict[type[nn.Module], Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    nn.ReLU: lambda grad, h, out: torch.ops.aten.threshold_backward(grad, out, 0),
    nn.GELU: lambda grad, h, out: torch.ops.aten.gelu_backward(grad, h),
    nn.Tanh: lambda grad, h, out: torch.ops.aten.tanh_backward(grad, out),
    nn.Sigmoid: lambda grad, h, out: torch.ops.aten.sigmoid_backward(grad, out),
    nn.Softplus: lambda grad, h, out: torch.ops.aten.softplus_backward(grad, h, 1.0, 20.0),
}
