"""The learning-rate range test: how the loss runs while the rate climbs from next to nothing to far too much.

Reads  an estimator of fine-tuning with its options, rows, labels.
Gives  `rate_range`: rates, losses, a suggestion, a picture.
Skips  choosing by itself: learning_rate="auto" follows written rules.

Source: Smith 2017 (range test); the smoothing and the stop at four times the best loss are those of fastai's lr_find.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SentenceError
from ..learn.batches import batches_of
from ..learn.settings import seed_of
from ..objective.trace import generator

if TYPE_CHECKING:
    from ..report import Figure
    from .finetune import FineTunedClassifier, FineTunedRegressor

KEPT = 0.98  # of the smoothed loss at every step
STOP = 4.0  # times the best smoothed loss


@dataclass(frozen=True)
class RateRange:
    """What a range test saw.

    rates      (steps,) of a group of rate 1
    losses     (steps,) of the batch before the step at that rate
    smoothed   (steps,) the same, exponentially, without the bias of the start
    suggested  a tenth of the rate with the smallest smoothed loss; None where the loss never fell, or fell so early
               that this lies below the rates that were tried: then the fall was luck
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggested: float | None

    def figure(self) -> Figure:
        """The smoothed loss over the rate, SVG."""
        from ..report import Series, curves

        lines = [Series("loss", self.rates, self.smoothed, emphasis=True)]
        if self.suggested is not None:
            ends = [float(self.smoothed.min()), float(self.smoothed.max())]
            lines.append(Series(f"suggested {self.suggested:.2g}", [self.suggested] * 2, ends, dashed=True))
        return curves(lines, "learning rate", "loss (smoothed)", title="Loss while the learning rate climbs")


def rate_range(
    estimator: FineTunedClassifier | FineTunedRegressor,
    X: Any,
    y: Any,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
) -> RateRange:
    """Climb from the lowest to the highest rate, in equal factors, with the estimator's other options.

    The estimator and its backbone stay as they are, to the last bit: a copy is moved. All groups are open.
    errors  SentenceError, DataError: as `fit`; rates that do not climb, fewer than two steps
    """
    if not (0 < lowest < highest < math.inf and isinstance(steps, int) and steps >= 2):
        raise SentenceError(
            f"{steps} steps from {lowest!r} to {highest!r} are not possible", "climb from above 0, in two or more steps"
        )
    trial = copy.copy(estimator)
    trial.unfreeze = False
    seed = seed_of(trial.random_state)
    tuning = trial.tuning(*trial.checked(X, y), seed)
    rates, losses = np.geomspace(lowest, highest, steps), []
    smoothed: list[float] = []
    mean, epoch, batches = 0.0, 0, []
    tuning.paces.at(0)
    for step, rate in enumerate(rates.tolist()):
        if not batches:
            order = batches_of(len(tuning.feed), tuning.steps_per_epoch, False, generator(seed, "order", epoch))
            batches, epoch = list(order), epoch + 1
        loss = float(tuning.gradient(batches.pop(0), step)["loss"])
        if not math.isfinite(loss):
            break
        mean = KEPT * mean + (1 - KEPT) * loss
        losses.append(loss)
        smoothed.append(mean / (1 - KEPT ** (step + 1)))
        if smoothed[-1] > STOP * min(smoothed):
            break
        tuning.optimizer.move([rate * group.rate for group in tuning.paces.groups])
    if not losses:
        raise SentenceError("the first loss is no finite number", "look at the rows: some may be far too large")
    best = int(np.argmin(smoothed))
    suggested = float(rates[best]) / 10 if rates[best] / 10 >= lowest else None
    return RateRange(rates[: len(losses)], np.array(losses), np.array(smoothed), suggested)
