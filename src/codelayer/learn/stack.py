"""The weights of several nets of one shape, laid on one another: a step of all is a few products of stacks.

Reads  models whose nets have one shape, made of affine layers and elementwise activations.
Gives  `Stack`: encode and decode (nets, batch, ...), gradients and atoms; the nets' own weights are views of it.
Skips  terms and steps: they are in together.py and many.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
        self.shapes = {name: (len(named), *one.shape) for name, one in named[0].items()}
        wholes = [torch.stack([one[name].detach() for one in named]).flatten() for name in self.shapes]
        self.flat = nn.Parameter(torch.cat(wholes))
        self.flat.grad = self.gradient = torch.zeros_like(self.flat)
        self.weights, self.gradients = self.views(self.flat.detach()), self.views(self.gradient)
        self.own = [[(one[name], name) for name in self.shapes] for one in named]
        for place, pairs in enumerate(self.own):
            for mine, name in pairs:
                mine.data = self.weights[name][place]
        self.mean = torch.stack([net.mean for net in self.nets]).unsqueeze(1)
        first = self.nets[0]
        names = {id(module): name for name, module in first.named_modules()}
        self.encoder = self._layers(list(first.stages.values()), names)
        self.decoder = self._layers([first.decoder], names)
        self.atoms_name = _atoms_name(first)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Of a vector of all weights (or of what belongs to each), every weight's part, (nets, *shape)."""
        parts = flat.split([math.prod(shape) for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def _layers(self, modules: Sequence[Any], names: dict[int, str]) -> list[Any]:
        """What a pass does, in order: an affine layer of stacks, or the module itself."""
        found: list[Any] = []
        for module in modules:
            if isinstance(module, nn.Sequential):
                found += self._layers(list(module), names)
            elif isinstance(module, Tied):
                found.append(self._affine(names[id(module.layer)], names[id(module)], False))
            elif isinstance(module, nn.Linear):
                found.append(self._affine(names[id(module)], names[id(module)], True))
            elif not isinstance(module, nn.Flatten):
                found.append(module)
        return found

    def _affine(self, weight: str, bias: str, turned: bool) -> _Affine:
        whole, added = self.weights[f"{weight}.weight"], self.weights.get(f"{bias}.bias")
        return _Affine(
            whole.transpose(1, 2) if turned else whole,
            None if added is None else added.unsqueeze(1),
            self.gradients[f"{weight}.weight"],
            self.gradients.get(f"{bias}.bias"),
            turned,
        )

    def encode(self, seen: Tensor) -> Tensor:
        """(nets, batch, *shape) -> (nets, batch, outputs)."""
        return cast(Tensor, _Chain.apply((seen - self.mean).flatten(2), self.flat, self.encoder))

    def decode(self, code: Tensor) -> Tensor:
        """(nets, batch, units) -> (nets, batch, features)."""
        return cast(Tensor, _Chain.apply(code, self.flat, self.decoder))

    def join_gradients(self, places: Sequence[int], show: Sequence[int]) -> None:
        """Add what nets' own weights were charged (a contractive penalty reads them) to the stack's gradients.

        places  the nets whose own weights a term reads
        show    those whose own weights shall hold the sum, for a constraint to change
        """
        for place in {*places, *show}:
            for mine, name in self.own[place]:
                if mine.grad is not None:
                    self.gradients[name][place] += mine.grad
                mine.grad = self.gradients[name][place] if place in show else None

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
        self.found: tuple[Tensor, int] | None = None
        if stack.atoms_name is not None:
            name, along = stack.atoms_name
            part = stack.weights[name][start:stop]
            part.grad = stack.gradients[name][start:stop]
            self.found = part, along + 1

    def atoms(self) -> tuple[Tensor, int] | None:
        """As `Net.atoms`, with the nets as first dimension."""
        return self.found


def _atoms_name(net: Any) -> tuple[str, int] | None:
    found = net.atoms()
    if found is None:
        return None
    return next(name for name, one in net.named_parameters() if one is found[0]), found[1]


@dataclass(frozen=True)
class _Affine:
    """An affine layer of a stack: weight (nets, inputs, outputs), bias (nets, 1, outputs), and where gradients go.

    turned  whether the layer's own weight, and so its gradient, lies (nets, outputs, inputs)
    """

    weight: Tensor
    bias: Tensor | None
    to_weight: Tensor
    to_bias: Tensor | None
    turned: bool


class _Chain(torch.autograd.Function):
    """Affine layers and activations in a row. One node instead of a dozen: small stacks spend most of their time
    between operations. The weights' gradients are added where they belong, and autograd carries none of them."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, flat: Tensor, layers: Sequence[Any]) -> Tensor:
        kept: list[Tensor] = []
        for layer in layers:
            kept.append(h)
            if not isinstance(layer, _Affine):
                h = layer(h)
            else:
                h = torch.bmm(h, layer.weight) if layer.bias is None else torch.baddbmm(layer.bias, h, layer.weight)
        ctx.save_for_backward(*kept, h)
        ctx.layers = layers
        return h

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        (grad,), kept = grads, ctx.saved_tensors
        for place in reversed(range(len(ctx.layers))):
            layer, h = ctx.layers[place], kept[place]
            if not isinstance(layer, _Affine):
                grad = _BACKWARD[type(layer)](grad, h, kept[place + 1])
                continue
            left, right = (grad, h) if layer.turned else (h, grad)
            layer.to_weight.baddbmm_(left.transpose(1, 2), right)
            if layer.to_bias is not None:
                layer.to_bias.add_(grad.sum(1))
            if place or ctx.needs_input_grad[0]:
                grad = torch.bmm(grad, layer.weight.transpose(1, 2))
        return grad if ctx.needs_input_grad[0] else None, None, None


_BACKWARD: dict[type[nn.Module], Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    nn.ReLU: lambda grad, h, out: torch.ops.aten.threshold_backward(grad, out, 0),
    nn.GELU: lambda grad, h, out: torch.ops.aten.gelu_backward(grad, h),
    nn.Tanh: lambda grad, h, out: torch.ops.aten.tanh_backward(grad, out),
    nn.Sigmoid: lambda grad, h, out: torch.ops.aten.sigmoid_backward(grad, out),
    nn.Softplus: lambda grad, h, out: torch.ops.aten.softplus_backward(grad, h, 1.0, 20.0),
}
