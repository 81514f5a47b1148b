"""Convolutional nets for pictures: conv(32, 64)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import SentenceError
from ..registry import part
from .net import MAX_WIDTH, Net, activation, conv3, linear
from .plan import Plan


@part("net")
@dataclass(frozen=True)
class Conv:
    """A small convolutional encoder with a mirrored decoder, for pictures (H, W, C).

    widths      channels of each stage: convolution 3 x 3, batch normalisation, activation, and a 2 x 2 mean pool
                while the picture is at least 4 wide; then one affine layer to the code
    activation  relu, gelu, tanh, sigmoid or softplus
    strided     halve the picture by a convolution of stride 2 instead of the pool: a quarter of the work
    """

    widths: tuple[int, ...] = (32, 64)
    activation: str = "relu"
    strided: bool = False

    def __post_init__(self) -> None:
        if not self.widths or any(not 1 <= width <= MAX_WIDTH for width in self.widths):
            raise SentenceError(
                f"conv{self.widths} is no net", f"give channels in 1 to {MAX_WIDTH}, for example conv(32, 64)"
            )

    def sizes(self, shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """The picture's height and width before and after each stage."""
        sizes = [(shape[0], shape[1])]
        for _ in self.widths:
            high, wide = sizes[-1]
            sizes.append((-(-high // 2), -(-wide // 2)) if min(high, wide) >= 4 else (high, wide))
        return sizes

    def multiply_adds(self, shape: tuple[int, ...], code_size: int) -> int:
        """Multiply-adds of encoding one sample."""
        if len(shape) != 3:
            return 0
        sizes, channels, total = self.sizes(shape), shape[2], 0
        for (high, wide), width in zip(sizes[1:] if self.strided else sizes, self.widths, strict=False):
            total += 9 * channels * width * high * wide
            channels = width
        return total + channels * sizes[-1][0] * sizes[-1][1] * code_size

    def build(self, plan: Plan, outputs: int, decoder: bool) -> Net:
        """The net, its weights not drawn yet; `outputs` is what the bottleneck reads."""
        if not plan.is_image:
            raise SentenceError(
                f"conv() needs pictures, but a sample has the shape {plan.shape}",
                "use mlp(), or pass an array of shape (samples, height, width, channels)",
            )
        sizes, channels = self.sizes(plan.shape), plan.shape[2]
        stages: dict[str, nn.Module] = {}
        for i, width in enumerate(self.widths):
            parts: list[nn.Module] = [_ChannelsFirst()] if i == 0 else []
            halved = sizes[i] != sizes[i + 1]
            stride = 2 if halved and self.strided else 1
            parts += [conv3(channels, width, stride, bias=False), nn.BatchNorm2d(width), activation(self.activation)]
            if halved and not self.strided:
                parts.append(nn.AvgPool2d(2, ceil_mode=True))
            stages[f"conv{i + 1}"] = nn.Sequential(*parts)
            channels = width
        flat = channels * sizes[-1][0] * sizes[-1][1]
        stages["encoded"] = nn.Sequential(nn.Flatten(), linear(flat, outputs))
        mean = torch.from_numpy(plan.mean).reshape(-1, plan.shape[2]).mean(0)
        return Net(stages, self._decoder(plan, sizes) if decoder else None, mean)

    def _decoder(self, plan: Plan, sizes: list[tuple[int, int]]) -> nn.Module:
        widths = list(self.widths)
        high, wide = sizes[-1]
        parts: list[nn.Module] = [
            linear(plan.code_size, widths[-1] * high * wide),
            nn.Unflatten(1, (widths[-1], high, wide)),
            activation(self.activation),
        ]
        for i in reversed(range(len(widths))):
            if sizes[i] != sizes[i + 1]:
                parts.append(nn.Upsample(size=sizes[i], mode="nearest"))
            last = i == 0
            parts.append(conv3(widths[i], plan.shape[2] if last else widths[i - 1]))
            if not last:
                parts.append(activation(self.activation))
        return nn.Sequential(*parts, _ChannelsLast())


class _ChannelsFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, C) -> (batch, C, H, W)."""
        return x.permute(0, 3, 1, 2)


class _ChannelsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, H, W) -> (batch, H * W * C), the order in which samples are flattened."""
        return x.permute(0, 2, 3, 1).flatten(1)
