"""What every net is: an encoder of named stages, and a decoder.

Reads  encoded samples (batch, *shape) float32.
Gives  the encoder's output before the bottleneck (batch, outputs); decoder outputs (batch, features).
Skips  bottlenecks, losses and corruptions: they belong to `objective`.

Modules are made without touching the global random state; `initialise` draws their weights from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import SentenceError, did_you_mean

MAX_WIDTH = 65536
NARROW = 16

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}


class Net(nn.Module):
    """An encoder/decoder pair.

    stages   the encoder's parts, in order; the last one gives the encoder's output
    decoder  None when no term of the objective needs one
    mean     what is subtracted from the encoder's input, shaped to broadcast over it
    note     a choice that was made while it was built, in words, or ""
    """

    mean: Tensor
    note = ""

    def __init__(self, stages: dict[str, nn.Module], decoder: nn.Module | None, mean: Tensor) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self.decoder = decoder
        self.register_buffer("mean", mean)

    def encode(self, x: Tensor) -> Tensor:
        """(batch, *shape) -> (batch, outputs), before the bottleneck."""
        h = x - self.mean
        for stage in self.stages.values():
            h = stage(h)
        return h

    def walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each stage's name and activations (batch, ...), in order."""
        h = x - self.mean
        for name, stage in self.stages.items():
            h = stage(h)
            yield name, h

    def decode(self, code: Tensor) -> Tensor:
        """(batch, code_size) -> (batch, features), on the loss's own scale."""
        if self.decoder is None:
            raise SentenceError("this net has no decoder", "its objective has no reconstruction loss")
        return self.decoder(code)

    def widest(self) -> int:
        """Outputs of the encoder's widest affine layer; 0 without one."""
        layers = [one for one in self.stages.modules() if isinstance(one, nn.Linear)]
        return max((one.out_features for one in layers), default=0)

    def affine_weight(self) -> Tensor | None:
        """The (outputs, features) weight when the whole encoder is one affine layer, else None."""
        layers = [m for stage in self.stages.values() for m in stage.modules() if not list(m.children())]
        layers = [m for m in layers if not isinstance(m, nn.Flatten)]
        return layers[0].weight if len(layers) == 1 and isinstance(layers[0], nn.Linear) else None

    def atoms(self) -> tuple[nn.Parameter, int] | None:
        """The weight by which the decoder reads the code, and the dimension along which one unit's atom lies."""
        if self.decoder is None:
            return None
        for module in self.decoder.modules():
            if isinstance(module, Tied):
                return cast(nn.Parameter, module.layer.weight), 1
            if isinstance(module, nn.Linear):
                return cast(nn.Parameter, module.weight), 0
        return None

    def dictionary(self) -> tuple[Any, Tensor] | None:
        """(atoms (features, units), bias (features,)) when the whole decoder is one linear layer, else None.

        The atoms of a convolutional dictionary come as `Maps`.
        """
        if self.decoder is not None and hasattr(self.decoder, "dictionary"):
            return cast(Any, self.decoder).dictionary()
        layers = [] if self.decoder is None else [m for m in self.decoder.modules() if not list(m.children())]
        found = self.atoms() if len(layers) == 1 and isinstance(layers[0], nn.Linear | Tied) else None
        if found is None:
            return None
        atoms, along = found
        return (atoms if along == 0 else atoms.t()), cast(Tensor, layers[0].bias)

    def set_output_bias(self, bias: Tensor) -> None:
        """Let the decoder start at `bias`, (features,)."""
        layers = [] if self.decoder is None else [m for m in self.decoder.modules() if hasattr(m, "bias")]
        last = layers[-1] if layers else None
        if last is not None and isinstance(last.bias, Tensor):
            values = bias if last.bias.shape == bias.shape else bias.reshape(-1, last.bias.numel()).mean(0)
            with torch.no_grad():
                last.bias.copy_(values)


class Tied(nn.Module):
    """A linear layer that uses the transposed weight of another one, with its own bias."""

    layer: nn.Linear

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        # outside the module tree: the weight belongs to the encoder and is saved once
        object.__setattr__(self, "layer", layer)
        self.bias = nn.Parameter(torch.zeros(layer.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, out) -> (batch, in) of the tied layer."""
        return nn.functional.linear(x, self.layer.weight.t(), self.bias)


class Affine(nn.Linear):
    """A linear layer that, after training, gives a row the same bits wherever it stands in a batch.

    Products with fewer than `NARROW` outputs go to special kernels, which round by the row's place; there the weight
    is widened with zeros. A single row is left as it is.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(batch, inputs) -> (batch, outputs)."""
        short = NARROW - self.out_features
        if self.training or short <= 0 or len(input) == 1:
            return super().forward(input)
        weight = nn.functional.pad(self.weight, (0, 0, 0, short))
        bias = None if self.bias is None else nn.functional.pad(self.bias, (0, short))
        return nn.functional.linear(input, weight, bias)[:, : self.out_features].contiguous()


def home() -> torch.device:
    """Where layers are made: on the CPU, or nowhere inside `with torch.device("meta")`, which asks for shapes alone."""
    default = torch.get_default_device()
    return default if default.type == "meta" else torch.device("cpu")


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer whose weights are not drawn yet."""
    return nn.utils.skip_init(Affine, inputs, outputs, device=home())


def conv3(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A 3 x 3 convolution whose weights are not drawn yet."""
    return nn.utils.skip_init(
        nn.Conv2d, inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=bias, device=home()
    )


def activation(name: str) -> nn.Module:
    """The activation called `name`.

    errors  SentenceError with the closest known name
    """
    if name not in ACTIVATIONS:
        raise SentenceError(
            f"no activation is called {name!r}{did_you_mean(name, ACTIVATIONS)}", f"known: {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]()


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight from `generator`: normal with variance 1 / inputs, zero biases (LeCun et al. 1998, 4.6)."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            fan_in = getattr(layer, "fan_in", layer.weight[0].numel())
            with torch.no_grad():
                layer.weight.normal_(0.0, math.sqrt(1.0 / fan_in), generator=generator)
                if layer.bias is not None:
                    layer.bias.zero_()
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_parameters()


def geometric(first: int, last: int, depth: int) -> list[int]:
    """The depth - 1 hidden widths between first and last, in equal ratios."""
    ratio = (last / first) ** (1 / depth)
    return [max(1, round(first * ratio**i)) for i in range(1, depth)]


def chain(widths: Sequence[int], act: str) -> list[nn.Linear]:
    """Linear layers through the widths; the activation's name is checked here, once."""
    activation(act)
    return [linear(a, b) for a, b in pairwise(widths)]
