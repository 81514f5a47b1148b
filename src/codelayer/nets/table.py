"""Nets for tables with categories: table(), table(128, 64)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data.schema import Block
from ..errors import SentenceError
from ..registry import part
from .mlp import Mlp
from .net import MAX_WIDTH, Affine, Net, activation, chain, geometric, home
from .plan import Plan

WIDEST = 50


@part("net")
@dataclass(frozen=True)
class Table:
    """A fully connected net that reads each category as a small learned vector, numbers and indicators as they are.

    widths      hidden widths of the encoder behind the embeddings; none means that depth decides
    depth       affine layers behind the embeddings; hidden widths lie between their joint width and the code's
    activation  relu, gelu, tanh, sigmoid or softplus, after every hidden layer
    A column of n categories, unknown and missing among them, gets min(50, round(1.6 n^0.56)) numbers (the rule of
    Howard and Gugger 2020, fastai). The decoder is a mirrored mlp that gives all encoded columns. On data without
    categories this net is an mlp. Source: Guo and Berkhahn 2016, section 3.
    """

    widths: tuple[int, ...] = ()
    depth: int = 2
    activation: str = "relu"

    def __post_init__(self) -> None:
        if any(not 1 <= width <= MAX_WIDTH for width in self.widths) or not 1 <= self.depth <= 50:
            raise SentenceError(
                f"table(widths={self.widths}, depth={self.depth}) is no net",
                f"widths are 1 to {MAX_WIDTH}, depth is 1 to 50",
            )

    def build(self, plan: Plan, outputs: int, decoder: bool) -> Net:
        """The net, its weights not drawn yet; `outputs` is what the bottleneck reads."""
        if not any(block.kind == "category" for block in plan.layout):
            depth = 1 if self.widths else self.depth
            net = Mlp(self.widths, depth=depth, activation=self.activation).build(plan, outputs, decoder)
            net.note = "table(): no column is a category, so this is an mlp"
            return net
        embedded = Embedded(plan)
        hidden = list(self.widths) or geometric(embedded.width, plan.code_size, self.depth)
        stages: dict[str, nn.Module] = {"embedded": embedded}
        layers = chain([embedded.width, *hidden, outputs], self.activation)
        for i, layer in enumerate(layers[:-1]):
            stages[f"hidden{i + 1}"] = nn.Sequential(layer, activation(self.activation))
        stages["encoded"] = layers[-1]
        back = self._decoder([plan.code_size, *reversed(hidden), plan.features]) if decoder else None
        return Net(stages, back, torch.from_numpy(plan.mean))

    def _decoder(self, widths: list[int]) -> nn.Module:
        layers = chain(widths, self.activation)
        parts: list[nn.Module] = []
        for layer in layers[:-1]:
            parts += [layer, activation(self.activation)]
        return nn.Sequential(*parts, layers[-1])


def embedding_width(categories: int) -> int:
    """Numbers for a column of so many categories, unknown and missing among them."""
    return min(WIDEST, round(1.6 * categories**0.56))


class Embedded(nn.Module):
    """The encoded table with each one-hot block multiplied into its embedding; the columns keep their order.

    width  numbers it gives
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.pieces = _pieces(plan.layout)
        seen = torch.from_numpy(plan.mean) > 0
        self.columns = nn.ModuleDict(
            {str(start): _embedding(seen[start:stop]) for kind, start, stop in self.pieces if kind == "category"}
        )
        self.width = sum(
            embedding_width(stop - start) if kind == "category" else stop - start for kind, start, stop in self.pieces
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) -> (batch, width)."""
        read = [
            self.columns[str(start)](x[:, start:stop]) if kind == "category" else x[:, start:stop]
            for kind, start, stop in self.pieces
        ]
        return torch.cat(read, 1)


class Embedding(Affine):
    """One vector per category, drawn from N(0, I); one never seen in training counts as zero, and stays so.

    The net's mean has been taken off its input, so it gives a category's vector less the column's mean vector.
    """

    fan_in = 1  # of a one-hot block one number is 1

    def see(self, seen: Tensor) -> None:
        """Note which categories the training rows hold, (categories,) bool."""
        self.register_buffer("seen", seen.float(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """(batch, categories) -> (batch, width)."""
        return super().forward(input * self.get_buffer("seen"))


def _embedding(seen: Tensor) -> Embedding:
    made = nn.utils.skip_init(Embedding, len(seen), embedding_width(len(seen)), bias=False, device=home())
    made.see(seen)
    return made


def _pieces(layout: tuple[Block, ...]) -> list[tuple[str, int, int]]:
    """The layout with neighbouring numbers and indicators joined: (kind, start, stop), left to right."""
    found: list[tuple[str, int, int]] = []
    for block in layout:
        kind = block.kind if block.kind == "category" else "plain"
        if found and kind == "plain" and found[-1][0] == "plain":
            found[-1] = (kind, found[-1][1], block.stop)
        else:
            found.append((kind, block.start, block.stop))
    return found
