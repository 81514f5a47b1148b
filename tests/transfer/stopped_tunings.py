"""Tunings that are interrupted or killed at a given step and continued, each in a forked process.

    python stopped_tunings.py FOLDER      prints one JSON object

A module of the net sends its own process a signal in its n-th forward pass in training: so every stop is at a known
step, with nothing left to chance.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tuning_cases import pictures, small

from codelayer.transfer.finetune import FineTunedClassifier

CASES = {
    "unfreeze": {"unfreeze": True, "rates": 2.6, "start": "random", "augment": "flip + shift"},
    "cached": {"tune": "last", "start": "probe", "anchor": 0.1},
    "gradient": {"rates": "gradient", "schedule": "cosine"},
}
STOPS = [(2, signal.SIGINT), (5, signal.SIGKILL), (4, signal.SIGINT), (7, signal.SIGKILL)]  # 4 steps per pass


class Stopper(nn.Module):
    """Sends a signal in its n-th forward pass with gradients."""

    def __init__(self, at: int, number: int) -> None:
        super().__init__()
        self.left, self.number = at, number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), self.number)
        return x


def fit(case: str, run: Path | None, stop: tuple[int, int] = (0, 0)) -> FineTunedClassifier:
    net = small(drop=0.2)
    net.net.b3.add_module("stopper", Stopper(*stop))
    model = FineTunedClassifier(net, epochs=5, batch_size=12, random_state=3, run=run, **CASES[case])
    for _ in model.fit_epochs(*pictures(48), checkpoint_seconds=0.0):
        pass
    return model


def digest(model: FineTunedClassifier) -> str:
    found = hashlib.sha256(model.backbone_.weights_hash().encode())
    found.update(model.head_weight_.tobytes() + model.head_bias_.tobytes())
    history = [{name: one for name, one in epoch.items() if name != "seconds"} for epoch in model.history_]
    return found.hexdigest() + json.dumps(history, sort_keys=True)


def forked(work: Callable[[], object]) -> int:
    """Do the work in a child process; its exit code, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 0
    try:
        work()
    except KeyboardInterrupt:
        status = 130
    except BaseException as error:  # a child must never go on as the parent
        print(repr(error), file=sys.stderr)
        status = 1
    os._exit(status)


def main(folder: Path) -> dict[str, object]:
    found = {}
    for case in CASES:
        run = folder / case
        ends = [forked(lambda stop=stop, case=case, run=run: fit(case, run, stop)) for stop in STOPS]
        whole, resumed = digest(fit(case, None)), fit(case, run)
        again = fit(case, run)
        found[case] = {
            "ends": ends,
            "equal": digest(resumed) == whole,
            "again": digest(again) == whole,
            "moved": digest(resumed) != digest(fit(case, None, (0, 0)).fit(*pictures(48, seed=1))),
        }
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UserWarning)
    print(json.dumps(main(Path(sys.argv[1]))))
