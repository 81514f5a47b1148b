"""Where a training run stands, and its saved form: weights, optimiser, position, best so far.

Reads and writes  a bundle of kind "checkpoint" (no pickle), one .zip: written to a sibling and renamed, so a kill
                  leaves the old one or the new one, never half of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import bundle
from ..errors import BundleError
from .adam import Adam


@dataclass
class Position:
    """Where the loop stands: counters, sums of the epoch under way, the best so far, seconds of all stretches.

    good_weights  those of the last epoch's end from which a step had a finite loss; at first the first weights
    parts, notes  how many parts a batch was split into for lack of memory, and what a reader should know of it
    """

    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    samples: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    best: float = math.inf
    stale: int = 0
    stopped: bool = False
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    good_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    parts: int = 1
    notes: list[str] = field(default_factory=list)

    def add(self, terms: dict[str, Tensor], samples: int) -> None:
        """Count one step."""
        for name, value in terms.items():
            part = value.detach() * samples
            self.sums[name] = self.sums[name] + part if name in self.sums else part
        self.samples += samples
        self.step += 1
        self.step_in_epoch += 1

    def end_epoch(self) -> dict[str, float]:
        """The mean of every term over the epoch; the counters are set for the next one."""
        terms = {name: float(value) / max(1, self.samples) for name, value in self.sums.items()}
        self.epoch, self.step_in_epoch, self.samples, self.sums = self.epoch + 1, 0, 0, {}
        return terms


def save_checkpoint(path: Path, model: nn.Module, optimizer: Adam, position: Position) -> None:
    """Write everything a resumed run needs to end in the same bits."""
    tensors = {f"model.{name}": array(value) for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": array(value) for name, value in position.best_weights.items()}
    tensors |= {f"good.{name}": array(value) for name, value in position.good_weights.items()}
    tensors |= {f"sums.{name}": array(value) for name, value in position.sums.items()}
    tensors |= {f"adam.{name}": array(value) for name, value in optimizer.state().items()}
    plan: dict[str, Any] = {
        "epoch": position.epoch,
        "step": position.step,
        "step_in_epoch": position.step_in_epoch,
        "samples": position.samples,
        "best": None if math.isinf(position.best) else position.best,
        "stale": position.stale,
        "stopped": position.stopped,
        "history": position.history,
        "seconds": position.seconds,
        "parts": position.parts,
        "notes": position.notes,
    }
    bundle.write(path, "checkpoint", plan, tensors)


def load_checkpoint(path: Path, model: nn.Module, optimizer: Adam, position: Position) -> None:
    """Put a checkpoint back into model, optimiser and position.

    errors  BundleError when it does not belong to this model
    """
    found = bundle.read(path)
    if found.kind != "checkpoint":
        raise BundleError(f"{path} holds a {found.kind}, not a checkpoint", "remove it to start the run again")
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "good": {}, "sums": {}, "adam": {}}
    for name, value in found.tensors.items():
        head, _, rest = name.partition(".")
        groups[head][rest] = torch.from_numpy(np.array(value))
    try:
        model.load_state_dict(groups["model"])
        optimizer.restore(groups["adam"])
    except (RuntimeError, KeyError):
        raise BundleError(f"{path} belongs to another model", "remove it to start the run again") from None
    for name in ("epoch", "step", "step_in_epoch", "samples", "stale", "stopped", "history", "seconds"):
        setattr(position, name, found.plan[name])
    position.parts, position.notes = found.plan.get("parts", 1), list(found.plan.get("notes", ()))
    position.best = math.inf if found.plan["best"] is None else found.plan["best"]
    position.sums, position.best_weights, position.good_weights = groups["sums"], groups["best"], groups["good"]


def array(value: Any) -> np.ndarray:
    """A tensor or number as an array of its own."""
    return value.detach().cpu().numpy().copy() if isinstance(value, Tensor) else np.asarray(value)
