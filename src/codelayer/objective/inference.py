"""Predictive sparse decomposition: codes inferred in training, predicted afterwards.

Reads  the encoder's output, the clean input and the decoder's atoms.
Gives  `infer` (the code in training is the least of an energy), `predict` (the encoder learns to guess that code),
       `shrink` (an encoder whose output is sparse).
Source: Kavukcuoglu, Ranzato and LeCun 2008; for convolutional dictionaries Kavukcuoglu et al. 2010.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import SentenceError
from ..nets import Maps, Net, Plan
from ..registry import part
from .corruptions import check_positive
from .trace import Context, Trace

if TYPE_CHECKING:
    from .objective import Objective


@part("bottleneck")
@dataclass(frozen=True)
class Shrink:
    """code_j = sign(e_j) max(0, |e_j| - t_j): small outputs are off; the thresholds t are learned, one per unit.

    threshold  where they start, in units of the code. Source: Gregor and LeCun 2010, with one layer.
    """

    threshold: float = 0.1

    def __post_init__(self) -> None:
        check_positive("shrink", "threshold", self.threshold)

    def module(self, plan: Plan) -> nn.Module:
        """The logarithms of the thresholds, so that they stay above 0."""
        made = nn.Module()
        made.register_parameter("log", nn.Parameter(torch.full((plan.code_size,), math.log(self.threshold))))
        return made

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range: that before, and 0."""
        return min(0.0, low), max(0.0, high)

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code in training."""
        if context is None or "shrink" not in context.modules:
            raise SentenceError("shrink() needs its thresholds", "call it through a model")
        return _shrunk(encoded, context.modules["shrink"].get_parameter("log").exp())

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards; the same."""
        return self.draw(encoded, context)


@part("bottleneck")
@dataclass(frozen=True)
class Infer:
    """In training the code is min over z of |x - D z - b|^2 / 2 + l1 |z|_1 + pull |z - prediction|^2 / 2.

    l1     weight of the sum of absolute codes, in units of the encoded input
    pull   how strongly the code is drawn to the encoder's prediction; 1 fits predict(1) beside squared()
    steps  of FISTA, beginning at the prediction
    x is the clean input, D and b the decoder's; no gradient flows through the code: the decoder learns from it, the
    encoder by predict(). Afterwards the code is the prediction. Source: Kavukcuoglu et al. 2008.
    """

    l1: float = 0.1
    pull: float = 1.0
    steps: int = 10

    needs_linear_decoder = True

    def __post_init__(self) -> None:
        check_positive("infer", "l1", self.l1)
        if not 0 <= self.pull < math.inf:
            raise SentenceError(f"infer(pull={self.pull}) is not possible", "pull is finite and at least 0")
        if not 1 <= self.steps <= 10_000:
            raise SentenceError(f"infer(steps={self.steps}) is not possible", "steps is 1 to 10000, usually 10")

    def check_beside(self, objective: Objective) -> None:
        """Refuse a sentence in which the energy is not what the decoder is charged for, or nothing predicts."""
        names = [term.name for term in objective.bottlenecks]
        if names[-1] != "infer":
            raise SentenceError(f"infer() stands before {names[-1]}()", f"write {names[-1]}() first")
        if not any(term.name == "predict" for term in objective.penalties):
            raise SentenceError("infer() alone leaves the encoder untrained", "add predict(1)")
        if objective.loss is None and objective.compares_views:
            raise SentenceError("infer() needs a decoder, but this sentence has none", "add squared()")
        if objective.loss is not None and objective.loss.name != "squared":
            raise SentenceError(f"infer() finds the least squared error, not {objective.loss.name}()", "use squared()")

    def check_net(self, net: Net) -> None:
        """Refuse a decoder that is not one linear layer."""
        if net.dictionary() is None:
            raise SentenceError(
                "infer() needs a decoder of one linear layer", "use net='mlp()', or conv_dictionary() for pictures"
            )

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """The code's range: any number, in training."""
        return -math.inf, math.inf

    def draw(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The inferred code, without gradient."""
        if context is None or context.x is None or context.dictionary is None:
            raise SentenceError("infer() needs the input and the decoder", "this pass was made without them")
        atoms, bias = context.dictionary
        with torch.no_grad():
            return infer(context.x - bias, atoms, encoded.detach(), self.l1, self.pull, self.steps)

    def settle(self, encoded: Tensor, context: Context | None) -> Tensor:
        """The code afterwards: the prediction."""
        return encoded

    def slope(self, encoded: Tensor) -> Tensor | None:
        """1: of the code afterwards."""
        return torch.ones_like(encoded)


@part("penalty")
@dataclass(frozen=True)
class Predict:
    """sum_j (code_j - settled_j)^2: the code in training beside the one the encoder will give afterwards.

    weight  of the penalty. Source: Kavukcuoglu, Ranzato and LeCun 2008, the prediction term.
    """

    weight: float = 1.0
    over = "sample"
    needs_settled = True

    def __post_init__(self) -> None:
        check_positive("predict", "weight", self.weight)

    def check_beside(self, objective: Objective) -> None:
        """Refuse a sentence whose code in training is the prediction."""
        if not any(term.name == "infer" for term in objective.bottlenecks):
            raise SentenceError("predict() has no inferred code to predict", "put infer(0.1) before it")

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) squared distances."""
        if trace.settled is None:
            raise SentenceError("predict() needs the settled code", "this trace was made without one")
        return (trace.code - trace.settled).square().sum(1)


def infer(x: Tensor, atoms: Tensor | Maps, prediction: Tensor, l1: float, pull: float, steps: int) -> Tensor:
    """The least of |x - D z|^2 / 2 + l1 |z|_1 + pull |z - prediction|^2 / 2 by FISTA, (batch, units).

    x           (batch, features)
    atoms       (features, units), D, or the operators of a convolutional dictionary
    prediction  (batch, units), where the steps begin
    l1, pull, steps  weights, and how many steps
    """
    if isinstance(atoms, Maps):
        most, down, up = atoms.curvature() + pull, atoms.down, atoms.up
    else:
        most, down, up = curvature(atoms) + pull, atoms.t().__rmatmul__, atoms.__rmatmul__
    drive = up(x) + pull * prediction
    code, ahead, pace = prediction, prediction, 1.0
    for _ in range(steps):
        slope = up(down(ahead)) + pull * ahead - drive
        moved = _shrunk(ahead - slope / most, l1 / most)
        after = (1 + math.sqrt(1 + 4 * pace * pace)) / 2
        ahead = moved + (pace - 1) / after * (moved - code)
        code, pace = moved, after
    return code


def curvature(atoms: Tensor) -> Tensor:
    """A number at least as large as the largest eigenvalue of D'D, and at most 1.5 times it up to 600 features.

    trace(G^16)^(1/16) of the smaller Gram matrix: four products, where an eigenvalue solver would take longer.
    """
    gram = atoms.t() @ atoms if atoms.shape[1] < atoms.shape[0] else atoms @ atoms.t()
    size = gram.norm().clamp_min(1e-12)
    power = gram / size
    for _ in range(3):
        power = power @ power
    # |G^8|_F^2 = trace(G^16)
    return size * power.square().sum().pow(1 / 16)


def _shrunk(v: Tensor, threshold: Tensor | float) -> Tensor:
    return v.sign() * (v.abs() - threshold).relu()
