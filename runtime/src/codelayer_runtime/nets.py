"""Fully connected nets in numpy, with everything that may stand between their output and the code.

Reads  the texts of objective and net, and the arrays of a bundle.
Gives  a function from encoded samples to codes; None for a net that is not fully connected.
Skips  losses, penalties and corruptions, which coding does not need; the decoder.

Each bottleneck's formula is that of `codelayer.objective` (`settle`), where its source stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .registry import names, part, read, split

Arrays = Mapping[str, np.ndarray]
Coder = Callable[[np.ndarray], np.ndarray]


def flat(encoded: np.ndarray) -> np.ndarray:
    """(rows, *shape) -> (rows, features), of no rows too."""
    return encoded.reshape(len(encoded), math.prod(encoded.shape[1:]))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function to 1.5e-7, which numpy lacks. Abramowitz and Stegun 1964, 7.1.26."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.copysign(1 - series * np.exp(-np.square(x)), x)


def relu(x: np.ndarray) -> np.ndarray:
    """max(0, x)."""
    return np.maximum(x, 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def softplus(x: np.ndarray) -> np.ndarray:
    """ln(1 + exp(x)), without overflow."""
    return np.logaddexp(0, x).astype(x.dtype)


def gelu(x: np.ndarray) -> np.ndarray:
    """x Phi(x), Phi the normal distribution function."""
    wide = x.astype(np.float64)
    return (0.5 * wide * (1 + erf(wide / math.sqrt(2)))).astype(x.dtype)


ACTIVATIONS = {"relu": relu, "gelu": gelu, "tanh": np.tanh, "sigmoid": sigmoid, "softplus": softplus}


@part("net")
@dataclass(frozen=True)
class Mlp:
    """A fully connected net; its widths are those of its arrays."""

    widths: tuple[int, ...] = ()
    depth: int = 1
    activation: str = "relu"
    tied: bool = False


class _Elementwise:
    """A bottleneck that is one of the activations."""

    name: str

    def settle(self, encoded: np.ndarray, learned: Arrays) -> np.ndarray:
        """(rows, outputs) -> (rows, units)."""
        return ACTIVATIONS[self.name](encoded)


@part("bottleneck")
@dataclass(frozen=True)
class Relu(_Elementwise):
    """max(0, encoded)."""


@part("bottleneck")
@dataclass(frozen=True)
class Sigmoid(_Elementwise):
    """1 / (1 + exp(-encoded))."""


@part("bottleneck")
@dataclass(frozen=True)
class Tanh(_Elementwise):
    """tanh(encoded)."""


@part("bottleneck")
@dataclass(frozen=True)
class Softplus(_Elementwise):
    """ln(1 + exp(encoded))."""


@part("bottleneck")
@dataclass(frozen=True)
class Gelu(_Elementwise):
    """encoded * Phi(encoded)."""


@part("bottleneck")
@dataclass(frozen=True)
class Topk:
    """The k largest units of each sample."""

    k: int | float = 0.1

    def settle(self, encoded: np.ndarray, learned: Arrays) -> np.ndarray:
        """(rows, units) -> (rows, units)."""
        units = encoded.shape[1]
        count = min(units, self.k if isinstance(self.k, int) else math.ceil(self.k * units))
        kept = np.argpartition(encoded, units - count, axis=1)[:, units - count :]
        code = np.zeros_like(encoded)
        np.put_along_axis(code, kept, np.take_along_axis(encoded, kept, 1), 1)
        return code


@part("bottleneck")
@dataclass(frozen=True)
class BatchTopk:
    """Units from a learned threshold on; before any training the k largest."""

    k: int | float = 0.1

    def settle(self, encoded: np.ndarray, learned: Arrays) -> np.ndarray:
        """(rows, units) -> (rows, units)."""
        if not learned["batches"]:
            return Topk(self.k).settle(encoded, learned)
        return encoded * (encoded >= learned["value"])


@part("bottleneck", "jumprelu")
@dataclass(frozen=True)
class JumpRelu:
    """Units above a learned threshold each."""

    threshold: float = 0.001
    bandwidth: float = 0.001

    def settle(self, encoded: np.ndarray, learned: Arrays) -> np.ndarray:
        """(rows, units) -> (rows, units)."""
        return encoded * (encoded > np.maximum(learned["threshold"], 0))


@part("bottleneck")
@dataclass(frozen=True)
class Shrink:
    """What of each output exceeds a learned threshold."""

    threshold: float = 0.1

    def settle(self, encoded: np.ndarray, learned: Arrays) -> np.ndarray:
        """(rows, units) -> (rows, units)."""
        size = np.exp(learned["log"])
        return encoded - np.clip(encoded, -size, size)


@part("bottleneck")
@dataclass(frozen=True)
class Infer:
    """In training an inferred code; afterwards the encoder's prediction."""

    l1: float = 0.1
    pull: float = 1.0
    steps: int = 10

    def settle(self, encoded: np.ndarray, learned: Arrays) -> np.ndarray:
        """(rows, units) -> (rows, units)."""
        return encoded


@part("bottleneck")
@dataclass(frozen=True)
class Gaussian:
    """The mean: the first half of the outputs."""

    def settle(self, encoded: np.ndarray, learned: Arrays) -> np.ndarray:
        """(rows, 2 units) -> (rows, units)."""
        return encoded[:, : encoded.shape[1] // 2]


def net_coder(objective: str, net: str, tensors: Arrays) -> Coder | None:
    """The function (rows, *shape) float32 -> (rows, units) float32 of an autoencoder; None for another net than mlp.

    objective, net  texts of the plan
    tensors         "model.*" of the bundle
    errors          SentenceError, KeyError, ValueError: texts or arrays that do not fit together
    """
    if split(net)[0][0] not in names("net"):
        return None
    act = ACTIVATIONS[read(net, "net")[0].activation]
    layers = _layers(tensors)
    mean = np.asarray(tensors["model.net.mean"], np.float32).reshape(-1)
    terms = [read(text, "bottleneck")[0] for name, text in split(objective) if name in names("bottleneck")]
    settling = [(term, _learned(tensors, term.name)) for term in terms]

    def code(encoded: np.ndarray) -> np.ndarray:
        h = flat(encoded) - mean
        for place, (weight, bias) in enumerate(layers):
            h = h @ weight
            h += bias
            h = h if place == len(layers) - 1 else act(h)
        for term, learned in settling:
            h = term.settle(h, learned)
        return np.ascontiguousarray(h, np.float32)

    return code


def _layers(tensors: Arrays) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight (inputs, outputs), bias) of each affine layer of the encoder, in order."""
    found = {}
    for name in tensors:
        told = re.fullmatch(r"model\.net\.stages\.(hidden(\d+)|encoded)\.\d+\.weight", name)
        if told:
            weight, bias = tensors[name], tensors[name.removesuffix("weight") + "bias"]
            found[int(told[2] or 10**9)] = weight.astype(np.float32).T, bias.astype(np.float32)
    layers = [found[place] for place in sorted(found)]
    if not layers or any(a[0].shape[1] != b[0].shape[0] for a, b in pairwise(layers)):
        raise ValueError("its layers do not follow on one another")
    return layers


def _learned(tensors: Arrays, term: str) -> dict[str, np.ndarray]:
    start = f"model.terms.{term}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
