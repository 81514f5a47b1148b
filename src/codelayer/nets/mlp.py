"""Fully connected nets: mlp(512, 256), mlp(depth=3), mlp(tied=True)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from ..errors import SentenceError
from ..registry import part
from .net import MAX_WIDTH, Net, Tied, activation, chain, geometric
from .plan import Plan


@part("net")
@dataclass(frozen=True)
class Mlp:
    """A fully connected encoder with a mirrored decoder.

    widths      hidden widths of the encoder, for example mlp(512, 256); none means that depth decides
    depth       affine layers of the encoder; hidden widths then lie between features and code in equal ratios
    activation  relu, gelu, tanh, sigmoid or softplus, after every hidden layer
    tied        the decoder uses the encoder's weights, transposed (Vincent et al. 2010, section 2.2)
    """

    widths: tuple[int, ...] = ()
    depth: int = 1
    activation: str = "relu"
    tied: bool = False

    def __post_init__(self) -> None:
        if any(not 1 <= width <= MAX_WIDTH for width in self.widths) or not 1 <= self.depth <= 50:
            raise SentenceError(
                f"mlp(widths={self.widths}, depth={self.depth}) is no net",
                f"widths are 1 to {MAX_WIDTH}, depth is 1 to 50",
            )
        if self.widths and self.depth != 1:
            raise SentenceError(f"mlp has widths {self.widths} and depth {self.depth}", "give widths or depth")

    def hidden(self, features: int, code_size: int) -> list[int]:
        """The encoder's hidden widths."""
        return list(self.widths) or geometric(features, code_size, self.depth)

    def multiply_adds(self, shape: tuple[int, ...], code_size: int) -> int:
        """Multiply-adds of encoding one sample."""
        features = int(torch.Size(shape).numel())
        widths = [features, *self.hidden(features, code_size), code_size]
        return sum(a * b for a, b in pairwise(widths))

    def build(self, plan: Plan, outputs: int, decoder: bool) -> Net:
        """The net, its weights not drawn yet; `outputs` is what the bottleneck reads."""
        hidden = self.hidden(plan.features, plan.code_size)
        layers = chain([plan.features, *hidden, outputs], self.activation)
        stages: dict[str, nn.Module] = {}
        for i, layer in enumerate(layers):
            parts: list[nn.Module] = [nn.Flatten()] if i == 0 and len(plan.shape) > 1 else []
            parts += [layer] if i == len(layers) - 1 else [layer, activation(self.activation)]
            stages["encoded" if i == len(layers) - 1 else f"hidden{i + 1}"] = nn.Sequential(*parts)
        mean = torch.from_numpy(plan.mean).reshape(plan.shape)
        return Net(stages, self._decoder(plan, layers, hidden) if decoder else None, mean)

    def _decoder(self, plan: Plan, layers: list[nn.Linear], hidden: list[int]) -> nn.Module:
        if self.tied and layers[-1].out_features != plan.code_size:
            raise SentenceError("a tied net cannot mirror two outputs per unit", "leave tied=True out")
        back: list[nn.Module] = (
            [Tied(layer) for layer in reversed(layers)]
            if self.tied
            else list(chain([plan.code_size, *reversed(hidden), plan.features], self.activation))
        )
        parts: list[nn.Module] = []
        for i, layer in enumerate(back):
            parts += [layer] if i == len(back) - 1 else [layer, activation(self.activation)]
        return nn.Sequential(*parts)
