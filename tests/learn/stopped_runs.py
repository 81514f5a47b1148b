"""Fits that are killed or interrupted and continued, each in a forked process: run by test_learn_resume.py.

    python stopped_runs.py mlp|conv FOLDER      prints one JSON object
    python stopped_runs.py digest               prints the hash of the weights of small fits

Reads  nothing.
Gives  how the continued fits compare with the fit that was never stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch._dynamo  # noqa: F401  (the first step of every child would import it)

from codelayer import bundle
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.saved import load

KINDS = {
    "mlp": ("mask(0.3, emphasis=2.0) + relu() + l1(0.001) + unit_norm()", "mlp(16)"),
    "conv": ("views(affine(0.2), noise(0.1)) + invariance(25) + variance(25) + covariance(1)", "conv(4, 6)"),
}
KILLS = 5


def data(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "conv":
        return rng.integers(0, 256, (90, 8, 8, 1), dtype=np.uint8)
    return rng.normal(size=(200, 3)) @ rng.normal(size=(3, 12)) + 0.1 * rng.normal(size=(200, 12))


def coder(kind: str, run: Path | None = None) -> Autoencoder:
    objective, net = KINDS[kind]
    return Autoencoder(5, objective, net, epochs=8, batch_size=16, patience=6, random_state=3, run=run)


def fit(kind: str, run: Path | None, told: int | None = None, checkpoint_seconds: float = 0.01) -> None:
    for epoch in coder(kind, run).fit_epochs(data(kind), checkpoint_seconds=checkpoint_seconds):
        if told is not None:
            os.write(told, bytes([epoch.number]))


def forked(work: Callable[[], object]) -> int:
    """Do the work in a child process; its id."""
    child = os.fork()
    if child:
        return child
    status = 0
    try:
        work()
    except KeyboardInterrupt:
        status = 130
    except BaseException as error:  # a child must never go on as the parent
        print(repr(error), file=sys.stderr)
        status = 1
    os._exit(status)


def killed(kind: str, folder: Path, pause: float) -> bool:
    """Fit in `folder` and SIGKILL it `pause` seconds after its first new checkpoint; whether it was still running."""
    file = folder / "checkpoints" / "training.zip"
    before = file.stat().st_mtime_ns if file.exists() else 0
    child = forked(lambda: fit(kind, folder))
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        try:
            if file.stat().st_mtime_ns > before:
                break
        except FileNotFoundError:
            pass
        time.sleep(0.001)
    else:
        return False
    time.sleep(pause)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def interrupted(kind: str, folder: Path) -> dict[str, object]:
    """Fit in `folder` without checkpoints of its own accord, and press Ctrl-C after the second epoch."""
    reading, writing = os.pipe()
    child = forked(lambda: fit(kind, folder, writing, checkpoint_seconds=1e9))
    os.read(reading, 1), os.read(reading, 1)
    os.kill(child, signal.SIGINT)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = (folder / "checkpoints" / "training.zip").exists() and not (folder / "bundle.json").exists()
    while os.set_blocking(reading, False) is None:
        try:
            os.read(reading, 64)
        except BlockingIOError:
            break
    child = forked(lambda: fit(kind, folder, writing))
    finished = os.waitpid(child, 0)[1] == 0
    return {"status": status, "left": left, "finished": finished, "first": os.read(reading, 1)[0]}


def finished(folder: Path, whole: Path) -> dict[str, object]:
    """How the finished run compares with the fit that was never stopped."""
    run, reference = bundle.read(folder), bundle.read(whole)
    names = {*run.tensors, *reference.tensors}
    apart = [n for n in sorted(names) if not np.array_equal(run.tensors.get(n), reference.tensors.get(n))]
    records = [found.plan["record"] for found in (run, reference)]
    for record in records:
        record.pop("seconds")
    return {
        "tensors": len(names),
        "apart": apart,
        "same_record": records[0] == records[1],
        "entries": sorted(one.name for one in folder.iterdir()),
    }


def digest() -> list[str]:
    """Of the weights of one fit of each kind."""
    found = []
    for kind in KINDS:
        weights = coder(kind).fit(data(kind))._state()[1]
        whole = b"".join(name.encode() + value.tobytes() for name, value in sorted(weights.items()))
        found.append(hashlib.sha256(whole).hexdigest())
    return found


def main(kind: str, folder: Path) -> dict[str, object]:
    rng = random.Random(kind)
    whole = folder / "whole"
    os.waitpid(forked(lambda: coder(kind).fit(data(kind)).save(whole)), 0)
    run = folder / "killed"
    kills = [killed(kind, run, rng.choice([0, rng.uniform(0, 0.05)])) for _ in range(KILLS)]
    ended = os.waitpid(forked(lambda: fit(kind, run)), 0)[1] == 0
    stopped = interrupted(kind, folder / "interrupted")
    found = {
        "kills": sum(kills),
        "ended": ended,
        "killed": finished(run, whole),
        "stopped": stopped,
        "interrupted": finished(folder / "interrupted", whole),
    }
    before = (run / "weights.safetensors").stat().st_mtime_ns
    again = coder(kind, run).fit(data(kind))
    x = data(kind)
    found["again"] = bool(np.array_equal(again.transform(x), load(whole).transform(x)))
    found["untouched"] = before == (run / "weights.safetensors").stat().st_mtime_ns
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    print(json.dumps(digest() if sys.argv[1] == "digest" else main(sys.argv[1], Path(sys.argv[2]))))
