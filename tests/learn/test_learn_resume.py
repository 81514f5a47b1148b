"""Killed at any moment and continued: the bits of the run that was never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import codelayer
from codelayer import bundle
from codelayer.errors import BundleError, RunError
from codelayer.learn.autoencoder import Autoencoder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="stopped fits are made in forked processes")


def script(hash_seed: int, *arguments: str) -> subprocess.Popen:
    """stopped_runs.py, begun in a process of its own."""
    env = os.environ | {
        "PYTHONPATH": str(Path(codelayer.__file__).parents[1]),
        "PYTHONHASHSEED": str(hash_seed),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(Path(__file__).with_name("stopped_runs.py")), *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen) -> dict:
    """What it found."""
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return json.loads(out)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_a_stopped_fit_ends_in_the_bits_of_the_unbroken_one(kind, tmp_path):
    found = told(script(0, kind, str(tmp_path)))
    assert found["kills"] >= 3 and found["ended"]
    # Ctrl-C: status 130, a checkpoint and no bundle; the next fit begins with the third epoch
    assert found["stopped"] == {"status": 130, "left": True, "finished": True, "first": 3}
    for run in (found["killed"], found["interrupted"]):
        assert run["tensors"] > 5 and run["apart"] == []
        assert run["same_record"]  # history, epochs, dead units, whatever the number of stretches
        kept = ["bundle.json", "golden.safetensors", "reference.safetensors", "weights.safetensors"]
        assert run["entries"] == kept
    # asked for once more, a finished run is read and not touched
    assert found["again"] and found["untouched"]


def test_the_same_seed_gives_the_same_bits_in_two_processes():
    processes = [script(hash_seed, "digest") for hash_seed in (0, 1)]
    assert told(processes[0]) == told(processes[1])


# --- in this process ------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(80, 6))


def coder(run=None, **options) -> Autoencoder:
    return Autoencoder(3, "mask(0.2)", **({"epochs": 6, "batch_size": 16, "random_state": 1, "run": run} | options))


def break_after(made: Autoencoder, epochs: int) -> list[int]:
    seen = []
    for epoch in made.fit_epochs(X, checkpoint_seconds=1e9):
        seen.append(epoch.number)
        if epoch.number == epochs:
            break
    return seen


def test_a_break_leaves_a_checkpoint_too(tmp_path):
    run = tmp_path / "run"
    assert break_after(coder(run), 2) == [1, 2]
    with pytest.raises(BundleError, match="its run was stopped: give the same command again"):
        codelayer.load(run)
    assert break_after(coder(run), 4) == [3, 4]
    continued = coder(run).fit(X)
    whole = coder().fit(X)
    np.testing.assert_array_equal(continued.transform(X), whole.transform(X))
    assert continued.history_ == whole.history_ and continued.record_["epochs_run"] == 6
    np.testing.assert_array_equal(codelayer.load(run).transform(X), whole.transform(X))


def test_seconds_are_summed_over_the_stretches(tmp_path):
    first = coder(tmp_path / "run")
    break_after(first, 3)
    second = coder(tmp_path / "run").fit(X)
    assert second.train_seconds_ > first.train_seconds_ > 0
    assert codelayer.load(tmp_path / "run").train_seconds_ == second.train_seconds_


def test_other_options_and_other_data_are_refused(tmp_path):
    break_after(coder(tmp_path / "run"), 1)
    with pytest.raises(RunError, match="a run with epochs=6, now epochs=7 was asked"):
        coder(tmp_path / "run", epochs=7).fit(X)
    with pytest.raises(RunError, match="a run with random_state=1, now random_state=2"):
        coder(tmp_path / "run", random_state=2).fit(X)
    with pytest.raises(RunError, match="a run on other data"):
        coder(tmp_path / "run").fit(X + 1)
    assert break_after(coder(tmp_path / "run"), 2) == [2]


def test_one_sentence_in_two_spellings_is_one_run(tmp_path):
    break_after(coder(tmp_path / "run"), 1)
    again = coder(tmp_path / "run").set_params(objective=" mask( share=1/5 )")
    assert break_after(again, 2) == [2]


def test_a_run_without_a_seed_continues_all_the_same(tmp_path):
    assert break_after(coder(tmp_path / "run", random_state=None), 2) == [1, 2]
    continued = coder(tmp_path / "run", random_state=None).fit(X)
    assert continued.record_["epochs_run"] == 6 and continued.history_[0]["epoch"] == 1


def test_a_damaged_checkpoint_is_refused_with_a_remedy(tmp_path):
    break_after(coder(tmp_path / "run"), 2)
    file = tmp_path / "run" / "checkpoints" / "training.zip"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError):
        coder(tmp_path / "run").fit(X)
    other = bundle.read(_written(tmp_path / "other.zip", whole))
    bundle.write(file, "pca", other.plan, other.tensors)
    with pytest.raises(BundleError, match="holds a pca, not a checkpoint\n  remove it to start the run again"):
        coder(tmp_path / "run").fit(X)
    few = {name: value for name, value in other.tensors.items() if not name.endswith("bias")}
    bundle.write(file, "checkpoint", other.plan, few)
    with pytest.raises(BundleError, match="belongs to another model\n  remove it"):
        coder(tmp_path / "run").fit(X)
    file.unlink()
    assert break_after(coder(tmp_path / "run"), 1) == [1]


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_ctrl_c_while_the_caller_draws_a_plot_leaves_a_checkpoint(tmp_path):
    # a job in the background may have been started with SIGINT ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            for _ in coder(tmp_path / "run").fit_epochs(X, checkpoint_seconds=1e9):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert break_after(coder(tmp_path / "run"), 2) == [2]


def test_the_handler_of_ctrl_c_is_put_back_and_an_ignored_one_stays_ignored():
    before = signal.getsignal(signal.SIGINT)
    coder().fit(X)
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        made = coder()
        for _ in made.fit_epochs(X):
            signal.raise_signal(signal.SIGINT)
        assert made.record_["epochs_run"] == 6
    finally:
        signal.signal(signal.SIGINT, before)
