"""A dictionary of small filters for pictures: conv_dictionary(5), conv_dictionary(9, stride=3).

Reads  pictures (H, W, C).
Gives  an encoder of one convolution and a linear decoder, whose operators `infer` takes in place of a matrix.
Source: Kavukcuoglu, Sermanet, Boureau, Gregor, Mathieu and LeCun 2010.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SentenceError
from ..registry import part
from .net import Net
from .plan import Plan

POWER_STEPS = 20
MARGIN = 1.1  # of power iteration, which comes to the largest eigenvalue from below


@part("net")
@dataclass(frozen=True)
class ConvDictionary:
    """A picture is a sum of small filters, each times a map of where it stands: x = b + sum_k d_k * z_k.

    size    side of the filters in pixels
    stride  pixels between the places where a filter may stand; the larger, the smaller the code
    gain    the encoder ends in g tanh(.), with one gain g per filter, as in the paper; else it is affine, for shrink()
    The code is all maps, one after the other: code.reshape(n, filters, high, wide), with high = ceil((H - size) /
    stride) + 1 and wide alike. So code_size is a multiple of high * wide, and says how many filters there are. With
    the sentence of psd this is convolutional predictive sparse decomposition. Source: Kavukcuoglu et al. 2010, eq. 2
    and 4.
    """

    size: int = 5
    stride: int = 1
    gain: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.size:
            raise SentenceError(
                f"conv_dictionary({self.size}, stride={self.stride}) is no net",
                "size is at least 1, stride is 1 to size, so that filters reach every pixel",
            )

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """How many places a filter has, down and across."""
        if len(shape) != 3:
            raise SentenceError(
                f"conv_dictionary() needs pictures, but a sample has the shape {shape}",
                "use mlp(), or pass an array of shape (samples, height, width, channels)",
            )
        if min(shape[:2]) < self.size:
            raise SentenceError(
                f"filters of {self.size} x {self.size} do not fit into a {shape[0]} x {shape[1]} picture",
                "choose a smaller size",
            )
        high, wide = (-(-(side - self.size) // self.stride) + 1 for side in shape[:2])
        return high, wide

    def build(self, plan: Plan, outputs: int, decoder: bool) -> Net:
        """The net, its weights not drawn yet; `outputs` is what the bottleneck reads."""
        high, wide = self.grid(plan.shape)
        if plan.code_size % (high * wide):
            filters = max(1, round(plan.code_size / (high * wide)))
            raise SentenceError(
                f"code_size={plan.code_size} is no multiple of the {high} x {wide} places of a filter",
                f"choose code_size={filters * high * wide} for {filters} filters; a larger stride makes codes smaller",
            )
        if outputs != plan.code_size:
            raise SentenceError("conv_dictionary() gives one number per unit, gaussian() reads two", "use conv()")
        maps = plan.code_size // (high * wide)
        stages: dict[str, nn.Module] = {"encoded": _Analysis(self, plan.shape, maps)}
        mean = torch.from_numpy(plan.mean).reshape(-1, plan.shape[2]).mean(0)
        return Net(stages, Synthesis(self, plan.shape, maps) if decoder else None, mean)


class _Analysis(nn.Module):
    """One convolution: (batch, H, W, C) -> (batch, maps * high * wide)."""

    def __init__(self, net: ConvDictionary, shape: tuple[int, ...], maps: int) -> None:
        super().__init__()
        high, wide = net.grid(shape)
        self.below = (high - 1) * net.stride + net.size - shape[0]
        self.right = (wide - 1) * net.stride + net.size - shape[1]
        self.filters = nn.utils.skip_init(nn.Conv2d, shape[2], maps, kernel_size=net.size, stride=net.stride)
        if net.gain:
            self.log_gain = nn.Parameter(torch.zeros(maps, 1, 1))
        self.gain = net.gain

    def forward(self, x: Tensor) -> Tensor:
        """All maps, flattened one after the other."""
        maps = self.filters(F.pad(x.permute(0, 3, 1, 2), (0, self.right, 0, self.below)))
        return (self.log_gain.exp() * maps.tanh() if self.gain else maps).flatten(1)


class Synthesis(nn.Linear):
    """The sum of filters times maps, (batch, maps * high * wide) -> (batch, H * W * C).

    weight  (C * size * size, maps), a filter in every column, so that constraints find atoms as in any linear decoder
    bias    (C,)
    """

    def __init__(self, net: ConvDictionary, shape: tuple[int, ...], maps: int) -> None:
        width = shape[2] * net.size**2
        super().__init__(maps, width, bias=False, device="meta")
        self.to_empty(device="cpu")
        self.bias = nn.Parameter(torch.zeros(shape[2]))
        self.fan_in = width  # first filters have a length near 1
        self.shape, self.size, self.stride, self.grid = shape, net.size, net.stride, net.grid(shape)

    def forward(self, input: Tensor) -> Tensor:
        """The picture, flattened."""
        return self.dictionary()[0].down(input) + self.dictionary()[1]

    def dictionary(self) -> tuple[Maps, Tensor]:
        """The filters as operators, and the bias of every flattened pixel, (features,)."""
        filters = self.weight.t().reshape(-1, self.shape[2], self.size, self.size)
        return Maps(filters, self.shape, self.grid, self.stride), self.bias.repeat(self.shape[0] * self.shape[1])


@dataclass(frozen=True)
class Maps:
    """A convolutional dictionary D by what it does.

    filters  (maps, C, size, size)
    shape    (H, W, C) of a picture
    grid     (high, wide) places of a filter
    stride   pixels between them
    """

    filters: Tensor
    shape: tuple[int, ...]
    grid: tuple[int, int]
    stride: int

    def down(self, code: Tensor) -> Tensor:
        """D z: (batch, units) -> (batch, features)."""
        maps = code.reshape(len(code), -1, *self.grid)
        whole = F.conv_transpose2d(maps, self.filters, stride=self.stride)
        return whole[:, :, : self.shape[0], : self.shape[1]].permute(0, 2, 3, 1).flatten(1)

    def up(self, x: Tensor) -> Tensor:
        """D' x: (batch, features) -> (batch, units)."""
        pictures = x.reshape(len(x), *self.shape).permute(0, 3, 1, 2)
        size = self.filters.shape[-1]
        high, wide = ((n - 1) * self.stride + size for n in self.grid)
        padded = F.pad(pictures, (0, wide - self.shape[1], 0, high - self.shape[0]))
        return F.conv2d(padded, self.filters, stride=self.stride).flatten(1)

    def curvature(self) -> Tensor:
        """The largest eigenvalue of D'D by power iteration, times a margin: at least the true one in practice."""
        units = len(self.filters) * math.prod(self.grid)
        code = torch.randn(1, units, generator=torch.Generator().manual_seed(0)).to(self.filters)
        for _ in range(POWER_STEPS):
            code = self.up(self.down(code))
            code = code / code.norm().clamp_min(1e-12)
        return MARGIN * self.down(code).square().sum().clamp_min(1e-12)
