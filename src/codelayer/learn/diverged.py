"""Divergence: stop at the first loss that is no number, before it reaches the weights.

Reads  the terms of one step, or of one epoch.
Gives  `Diverged`, which names the term and the step.

On a CPU the loss is read at every step, which costs about a microsecond; elsewhere reading it would make the device
wait, and the sums of the epoch tell. The weights that gave that loss are not kept, though they be finite: the coder
goes back to those of the last epoch's end from which a step had a finite loss (or to the best on held-out rows), at
worst to the first weights. No checkpoint is written whose weights are not finite. Of a run with a folder that coder is
left there as a bundle, RUN/checkpoints/last_good.zip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import SentenceError
from ..objective import Objective
from .checkpoint import Position
from .coder import Coder

LAST_GOOD = "last_good.zip"
REMEDY = "choose a smaller learning_rate or weight"
KEPT = 0.02  # share of the variance, below which a code says nothing of use
FAR = 10.0  # times the error of the mean row, which a code that learned nothing has


class Diverged(SentenceError):
    """A term of the loss is no longer finite."""

    gives_up = True  # a run folder may begin anew with other options


def reads_every_step(device: torch.device) -> bool:
    """Whether looking at the loss of every step costs next to nothing there."""
    return device.type == "cpu"


def check_step(loss: Tensor, terms: Mapping[str, Tensor], position: Position) -> None:
    """Refuse a step whose loss is not finite, where every step is read.

    errors  Diverged naming the first such term (or "the loss", when only the sum is too large) and the step
    """
    if not reads_every_step(loss.device) or math.isfinite(loss.item()):
        return
    bad = next((f"{name}()" for name, value in terms.items() if not math.isfinite(value.item())), "the loss")
    raise Diverged(f"{bad} is no longer finite at step {position.step + 1}, in epoch {position.epoch + 1}", REMEDY)


def check_epoch(position: Position) -> None:
    """Refuse an epoch with a term that was not finite, before it is counted.

    errors  Diverged naming the terms and the epoch; one bad term soon makes all of them so
    """
    bad = [f"{name}()" for name, value in position.sums.items() if not math.isfinite(float(value))]
    if bad:
        told = f"{' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} no longer finite in epoch {position.epoch + 1}"
        raise Diverged(told, REMEDY)


def keep_last_good(coder: Coder, end: BaseException, checkpoint: Path | None) -> None:
    """Of a run that diverged, write the coder as it was before that as a bundle beside the checkpoint.

    end     what ended the run; anything but Diverged is left alone
    errors  Diverged, which says where the bundle is
    """
    path = None if checkpoint is None else checkpoint.with_name(LAST_GOOD)
    if path is None or not isinstance(end, Diverged) or not np.isfinite(coder.encode_samples(coder.golden_rows_)).all():
        return
    coder.save(path)
    raise Diverged(
        str(end).splitlines()[0], f"{REMEDY} (with the same folder, too); the last good code is kept in {path}"
    ) from None


def is_finite(model: nn.Module) -> bool:
    """Whether every weight is a finite number."""
    # a sum of what is not finite is not finite; one of finite numbers may only be too large, and is looked at again
    weights = [one.detach() for one in model.parameters()]
    return all(math.isfinite(one.sum().item()) or bool(one.isfinite().all()) for one in weights)


def finite_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights; nothing if they are not finite."""
    if not is_finite(model):
        return {}
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def astray(rows: np.ndarray, rebuilt: np.ndarray, objective: Objective | None = None) -> list[str]:
    """A sentence when a training that stayed finite went nowhere: rows are rebuilt no better than by their mean.

    rows, rebuilt  (n, features), encoded
    objective      whose penalties may weigh too much; None where only what is far worse than the mean is told
    """
    if len(rows) < 2 or not np.isfinite(rebuilt).all():  # what is not finite is told by Diverged
        return []
    error = float(np.square(rows - rebuilt.reshape(rows.shape), dtype=np.float64).mean())
    spread = float(np.square(rows - rows.mean(0)).mean())
    if error <= FAR * max(spread, 1e-12):
        if objective is None or error < (1 - KEPT) * spread or spread <= 1e-12:
            return []
        named = " and ".join(f"{term.name}()" for term in objective.penalties)
        lighter = f", or a smaller weight of {named}" if named else ""
        kept = f"it keeps {1 - error / spread:.2g} of the variance"
        return [f"the code is no better than the mean row ({kept}): more epochs{lighter}"]
    times = error / spread if spread > 0 else math.inf
    return [f"rows are rebuilt with {times:.3g} times the error of their mean: the training went astray; {REMEDY}"]
