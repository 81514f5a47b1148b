"""Bottlenecks: what stands between the encoder's output and the code.

Reads  the encoder's output (batch, units), in the order written.
Gives  the code: `draw` in training (may be random), `settle` afterwards (deterministic); the range of its values;
       `slope`, its derivative where it is elementwise (for the closed form of a contractive penalty).
Skips  penalties on the code: they are in penalties.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import SentenceError
from ..registry import part
from .trace import Context

LOG_VARIANCE = (-20.0, 10.0)


def moments(encoded: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance, each (batch, units), of an encoder's output (batch, 2 units) that gaussian() reads.

    The log variance is held within -20 to 10, so that a row far from all others cannot make the loss infinite.
    """
    mean, log_variance = encoded.chunk(2, dim=1)
    return mean, log_variance.clamp(*LOG_VARIANCE)


@part("bottleneck")
@dataclass(frozen=True)
class Relu:
    """code = max(0, encoded): units are off or active, never negative. Glorot, Bordes and Bengio 2011."""

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range from the range before."""
        return max(0.0, low), max(0.0, high)

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        return encoded.relu()

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return encoded.relu()

    def slope(self, encoded: Tensor) -> Tensor | None:
        """The derivative, elementwise."""
        return (encoded > 0).to(encoded.dtype)


@part("bottleneck")
@dataclass(frozen=True)
class Sigmoid:
    """code = 1 / (1 + exp(-encoded)), in (0, 1)."""

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range."""
        return 0.0, 1.0

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        return encoded.sigmoid()

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return encoded.sigmoid()

    def slope(self, encoded: Tensor) -> Tensor | None:
        """The derivative, elementwise."""
        s = encoded.sigmoid()
        return s * (1 - s)


def check_kept(term: str, k: int | float) -> None:
    """Refuse a k that is neither a count of units nor a share of the code."""
    if k < 1 if isinstance(k, int) else not 0 < k <= 1:
        raise SentenceError(f"{term}(k={k}) is not possible", "k is a count >= 1 or a share in (0, 1]")


def kept_units(term: str, k: int | float, code_size: int) -> int:
    """How many units of a code stay: k, or the share k rounded up.

    errors  SentenceError when more are asked for than the code has
    """
    if isinstance(k, int) and k > code_size:
        raise SentenceError(
            f"{term}(k={k}) asks for more units than the code has ({code_size})",
            f"choose k below code_size={code_size}, usually 5% to 20% of it",
        )
    return k if isinstance(k, int) else math.ceil(k * code_size)


@part("bottleneck")
@dataclass(frozen=True)
class Tanh:
    """code = tanh(encoded), in (-1, 1)."""

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range from the range before."""
        return math.tanh(low), math.tanh(high)

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        return encoded.tanh()

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return encoded.tanh()

    def slope(self, encoded: Tensor) -> Tensor | None:
        """The derivative, elementwise."""
        return 1 - encoded.tanh().square()


@part("bottleneck")
@dataclass(frozen=True)
class Softplus:
    """code = ln(1 + exp(encoded)), above 0: a relu without a corner. Dugas et al. 2001."""

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range from the range before."""
        return _softplus(low), _softplus(high)

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        return F.softplus(encoded)

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return F.softplus(encoded)

    def slope(self, encoded: Tensor) -> Tensor | None:
        """The derivative, elementwise."""
        return encoded.sigmoid()


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@part("bottleneck")
@dataclass(frozen=True)
class Gelu:
    """code = encoded * Phi(encoded), Phi the normal distribution function; above -0.17. Hendrycks and Gimpel 2016."""

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range from the range before."""
        return (0.0 if low >= 0 else -0.17), max(0.0, high)

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        return F.gelu(encoded)

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return F.gelu(encoded)

    def slope(self, encoded: Tensor) -> Tensor | None:
        """The derivative, elementwise."""
        density = (-encoded.square() / 2).exp() / math.sqrt(2 * math.pi)
        return torch.special.ndtr(encoded) + encoded * density


@part("bottleneck")
@dataclass(frozen=True)
class Topk:
    """Keep the k largest units of each sample, put the others to 0.

    k  a number of units, or a share in (0, 1) of the code, rounded up: topk(16), topk(0.1)
    Ties are cut so that never more than k units stay. Source: Makhzani and Frey 2013, section 2; with relu()
    before it this is the TopK of Gao et al. 2024.
    """

    k: int | float = 0.1

    def __post_init__(self) -> None:
        check_kept("topk", self.k)

    def count(self, code_size: int) -> int:
        """How many units stay.

        errors  SentenceError when more are asked for than the code has
        """
        return kept_units("topk", self.k, code_size)

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range: that before, and 0."""
        return min(0.0, low), max(0.0, high)

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        kept = encoded.topk(self.count(encoded.shape[1]), dim=1)
        return torch.zeros_like(encoded).scatter(1, kept.indices, kept.values)

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return self.draw(encoded, context)

    def slope(self, encoded: Tensor) -> Tensor | None:
        """1 on the kept units."""
        kept = encoded.topk(self.count(encoded.shape[1]), dim=1)
        return torch.zeros_like(encoded).scatter(1, kept.indices, 1.0)


@part("bottleneck")
@dataclass(frozen=True)
class Gaussian:
    """code ~ N(mean(x), variance(x)), unit by unit; afterwards the code is the mean.

    The encoder gives two numbers per unit, first all means, then all log variances. A draw is
    mean + exp(log variance / 2) * e, e ~ N(0, 1), so that gradients pass. Put prior(1) beside it.
    Source: Kingma and Welling 2014, section 2.4; Rezende, Mohamed and Wierstra 2014.
    """

    def outputs(self, code_size: int) -> int:
        """How many numbers the encoder gives."""
        return 2 * code_size

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range: unbounded."""
        return -math.inf, math.inf

    def draw(self, encoded: Tensor, context: Context) -> Tensor:
        """The code in training: a draw."""
        mean, log_variance = moments(encoded)
        noise = torch.randn(mean.shape, generator=context.torch("gaussian"), dtype=mean.dtype).to(mean.device)
        return mean + (log_variance / 2).exp() * noise

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards: the mean."""
        return moments(encoded)[0]
