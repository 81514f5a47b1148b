"""A Keras graph as a torch module whose layers are modules of their own, in the order in which they run.

Reads  a functional model of Keras on its torch backend.
Gives  `KerasNet`: parameters and buffers by layer, so that stages can be read, frozen and paced; its cuts.
Skips  layers that are called twice, graphs with several inputs or outputs, and devices other than the CPU.

Keras registers all parameters of a model in one flat place, statistics of batch normalisation among them. Here each
layer holds its own: what trains is a parameter, statistics are buffers, and they move only in training mode.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import DataError
from ...nets.backbone.twin import SMALL
from ...objective.trace import stream_number

AFFINE = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")  # what a twin scales
NORM = "BatchNormalization"
NORMS = (NORM, "LayerNormalization", "GroupNormalization", "RMSNormalization")
NUMBER = re.compile(r"_(\d+)$")
COLOURS = 3  # maps as narrow as pictures are pictures still
RESIZING = ("ZeroPadding2D", "Cropping2D")


class Step(nn.Module):
    """One layer; its weights are Keras's own tensors."""

    layer: Any

    def __init__(self, layer: Any) -> None:
        super().__init__()
        object.__setattr__(self, "layer", layer)  # outside the module tree: Keras would list its weights again
        self.kind = type(layer).__name__
        self.normalises = self.kind in NORMS
        self.settling = False
        moves = getattr(layer, "_call_has_training_arg", False)
        self.moves = bool(moves)
        told = [weight.name for weight in layer.weights]
        for at, weight in enumerate(layer.weights):
            # names that Keras counted on from model to model would not be the same the next time
            plain = told.count(weight.name) == 1 and not weight.name.startswith("variable")
            name = weight.name if plain else f"weight{at}"
            if weight.trainable:
                self.register_parameter(name, weight.value)
            else:
                self.register_buffer(name, weight.value.detach())

    def forward(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """What the layer gives for its arguments."""
        if not self.settling:
            return self.layer(*inputs, **(named | {"training": self.training} if self.moves else named))
        if self.kind == NORM:
            self._settle_statistics(inputs[0])
        output = self.layer(*inputs, **named)
        return self._scaled(output) if self.kind in AFFINE and isinstance(output, Tensor) else output

    def draw(self, generator: torch.Generator) -> None:
        """Draw the weights anew; a normalisation starts as it does before training."""
        for name, one in self.named_parameters(recurse=False):
            if name in ("gamma", "beta", "bias"):
                one.fill_(float(name == "gamma"))
            elif self.kind in AFFINE:
                apart = name == "depthwise_kernel" or self.kind == "DepthwiseConv2D"
                outputs = one.shape[-1] * (one.shape[-2] if apart else 1)
                one.normal_(0.0, math.sqrt(outputs / one.numel()), generator=generator)
            else:
                one.normal_(0.0, SMALL, generator=generator)
        for name, one in self.named_buffers(recurse=False):
            if name in ("moving_mean", "moving_variance") and self.kind == NORM:
                one.fill_(float(name == "moving_variance"))

    def _settle_statistics(self, x: Tensor) -> None:
        variance, mean = torch.var_mean(x, list(range(x.ndim - 1)), correction=0)
        self.get_buffer("moving_mean").copy_(mean)
        self.get_buffer("moving_variance").copy_(variance)

    def _scaled(self, output: Tensor) -> Tensor:
        """Scale the weights so that this output has mean 0 and variance 1 per unit, and give it so."""
        deviation, mean = torch.std_mean(output, list(range(output.ndim - 1)), correction=0)
        deviation = torch.where(deviation > 1e-6 * deviation.max().clamp(min=1e-12), deviation, 1.0)
        weights = [one for name, one in self.named_parameters(recurse=False) if name != "bias"]
        last = weights[-1]
        last.div_(deviation.view(last.shape[-2:]) if self.kind == "DepthwiseConv2D" else deviation)
        if "bias" not in dict(self.named_parameters(recurse=False)):
            return output / deviation
        bias = self.get_parameter("bias")
        bias.copy_((bias - mean) / deviation)
        return (output - mean) / deviation


class DrawingStep(Step):
    """A layer that draws from generators of Keras's (dropout of whole maps, for one), which count on from call to call.

    They are no weights: what they draw has to follow from where they are set before a step.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.states = [one.state.value.detach() for one in generators(layer)]

    def reseed(self, number: int) -> None:
        """Set every generator to a place that follows from these 63 bits."""
        for at, state in enumerate(self.states):
            state.copy_(torch.tensor([stream_number(number, str(at), 0) & 0x7FFFFFFF, 0]))  # a seed, and a count

    def has_drawn(self) -> bool:
        """Whether a generator counted on since."""
        return any(int(state[1]) for state in self.states)


def generators(layer: Any) -> list[Any]:
    """The generators of a layer and of the layers in it."""
    return [one for part in layer._flatten_layers() for one in part._seed_generators]


class KerasNet(nn.Module):
    """The layers of a model, run in Keras's own order.

    flipped  whether the model was trained on blue, green, red
    again    builds the same model without its weights
    """

    model: Any

    def __init__(self, model: Any, flipped: bool, again: Callable[[], Any]) -> None:
        super().__init__()
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise DataError(f"{model.name} has several inputs or outputs", "choose another net")
        self.flipped, self.again = flipped, again
        object.__setattr__(self, "model", model)
        self.names = lasting(model)
        self.steps = nn.ModuleDict()
        for node in ordered(model):
            layer = node.operation
            name = self.names[layer.name]
            if name in self.steps:
                raise DataError(f"{model.name} runs its layer {name} twice", "choose another net")
            self.steps[name] = _stepped(layer)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, height, width) -> what the model gives, channels last."""
        x = x.permute(0, 2, 3, 1)
        with on_cpu():
            return self.model._run_through_graph(x.flip(3) if self.flipped else x, operation_fn=self._running)

    def _running(self, layer: Any) -> Callable[..., Any]:
        step = self.steps[self.names[layer.name]]
        return lambda *inputs, **named: step(inputs, named)

    def __deepcopy__(self, memo: Any) -> KerasNet:
        """The same net with weights of its own; Keras's graphs cannot be copied."""
        other = KerasNet(self.again(), self.flipped, self.again)
        other.load_state_dict(self.state_dict())
        mine: dict[str, nn.Parameter] = dict(self.named_parameters())
        for name, one in other.named_parameters():
            one.requires_grad_(mine[name].requires_grad)
        return other.train(self.training)


def _stepped(layer: Any) -> Step | Operation:
    if not hasattr(layer, "weights"):
        return Operation(layer)
    return DrawingStep(layer) if generators(layer) else Step(layer)


class Operation(nn.Module):
    """An operation without weights that is no layer."""

    operation: Any

    def __init__(self, operation: Any) -> None:
        super().__init__()
        object.__setattr__(self, "operation", operation)

    def forward(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """What the operation gives for its arguments."""
        return self.operation(*inputs, **named)


def on_cpu() -> Any:
    """A context in which Keras makes and keeps tensors on the CPU; by itself it takes an accelerator where one is."""
    return importlib.import_module("keras").device("cpu")


def lasting(model: Any) -> dict[str, str]:
    """Keras's name of a layer -> its name where this model is the first that a process builds.

    Layers that were given no name carry the name of their kind and a number that goes on from model to model.
    """
    names = [node.operation.name for node in ordered(model)]
    kinds = {node.operation.name: _snake(type(node.operation).__name__) for node in ordered(model)}
    found: dict[str, str] = {}
    counted: dict[str, int] = {}
    for name in sorted(names, key=_number):
        stem = re.sub(r"_\d+$", "", name)
        if stem != kinds[name]:
            found[name] = name
            continue
        at = counted[stem] = counted.get(stem, -1) + 1
        found[name] = f"{stem}_{at}" if at else stem
    return found


def _number(name: str) -> int:
    told = NUMBER.search(name)
    return int(told[1]) if told else 0


def _snake(name: str) -> str:
    """The name that Keras gives to layers of a class."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def ordered(model: Any) -> list[Any]:
    """The nodes of a graph in the order in which Keras runs them, inputs left out."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in model._nodes_by_depth[depth] if node.operation and not node.is_input]


def cuts(model: Any) -> list[tuple[str, tuple[int, ...]]]:
    """(layer, shape of its map) wherever one map is all that the rest of a graph reads.

    Maps of padding and cropping are left out.
    """
    nodes = ordered(model)
    until: dict[int, int] = {}
    for at, node in enumerate(nodes):
        for one in node.input_tensors:
            until[id(one)] = at
    found, open_until = [], -1
    for at, node in enumerate(nodes):
        output = node.output_tensors[0]
        wide = len(output.shape) == 4 and output.shape[3] > COLOURS
        if open_until <= at and wide and type(node.operation).__name__ not in RESIZING:
            found.append((node.operation.name, tuple(output.shape)))
        open_until = max(open_until, until.get(id(output), at))
    return found
