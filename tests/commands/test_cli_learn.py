"""`learn`: a run that is made, continued, complete, or refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import codelayer
from codelayer import RunError, commands

LINE = {"net": "mlp(32)", "code_size": 4, "epochs": 12}


def weights(run: Path) -> bytes:
    return (run / "weights.safetensors").read_bytes()


def test_what_was_learned_is_told_with_the_next_line(tmp_path, capsys):
    out = tmp_path / "my run"
    commands.learn("iris", out=str(out), net="mlp(8)", code_size=2, epochs=3)
    told = capsys.readouterr().out
    assert "iris: 150 rows; squared(); code of 2 units" in told
    assert "learned: squared() on mlp(8), 3 epochs in " in told
    assert "of the variance of 15 held-out rows" in told
    assert "dead:    none of the 2 units" in told
    assert told.splitlines()[-1] == f"next:    codelayer encode '{out}' iris --out codes.npy"
    parts = ["bundle.json", "golden.safetensors", "reference.safetensors", "weights.safetensors"]
    assert sorted(one.name for one in out.iterdir()) == parts
    assert codelayer.load(out).score(codelayer.data.load_data("iris").x) < 1


def test_dead_units_come_with_a_remedy_and_a_wide_code_with_a_note(tmp_path, capsys):
    from codelayer.cli import main

    words = ["learn", "iris", "--net", "mlp(8)", "--epochs", "1"]
    assert main([*words, "--code-size", "30", "--objective", "topk(1)", "--out", str(tmp_path / "a")]) == 0
    out = capsys.readouterr().out
    assert "of the 30 units; add transposed(), or ask for more units at a time" in out and "UserWarning" not in out
    assert main([*words, "--code-size", "30", "--out", str(tmp_path / "b")]) == 0
    assert "note: code_size=30 is more than the 4 encoded features" in capsys.readouterr().out


def test_left_out_columns_are_told(people_csv, tmp_path, capsys):
    commands.learn(str(people_csv), out=str(tmp_path / "a"), net="mlp(8)", code_size=2, epochs=1, drop=["income"])
    told = capsys.readouterr().out
    assert "note: column 'id' is an id and was left out" in told
    assert "note: column 'planet' never changes and was left out" in told
    assert "note: column 'age': 1 cell" in told and "('old')" in told
    assert [c.name for c in codelayer.load(tmp_path / "a").schema_.columns] == ["id", "city", "age", "planet"]


def test_a_finished_run_says_so_and_another_is_refused(digits_run, capsys):
    before = weights(digits_run)
    line = {"out": str(digits_run), "net": "mlp(16)", "code_size": 4, "epochs": "2"}
    commands.learn("digits", **line)
    assert f"{digits_run} is complete: there was nothing left to do" in capsys.readouterr().out
    with pytest.raises(RunError, match="holds a run with epochs=2, now epochs=3 was asked"):
        commands.learn("digits", **line | {"epochs": 3})
    with pytest.raises(RunError, match="holds a run on other data"):
        commands.learn("iris", **line)
    assert weights(digits_run) == before


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX matter")
def test_two_runs_never_share_a_folder_and_a_killed_one_continues_to_the_same_bits(environment, tmp_path, capsys):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    words = ["learn", "digits", "--out", str(killed), "--net", "mlp(32)", "--code-size", "4", "--epochs", "12"]
    words += ["--checkpoint-seconds", "0.001"]
    # every step is followed by a synced checkpoint: there is time to come in between
    with subprocess.Popen([sys.executable, "-m", "codelayer", *words], env=environment) as one:
        while not any((killed / "checkpoints").glob("training*")) and one.poll() is None:
            time.sleep(0.002)
        one.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(RunError, match=rf"{killed} is in use by another codelayer run \(process {one.pid}\)"):
                commands.learn("digits", out=str(killed), **LINE)
        finally:
            one.kill()
    assert not (killed / "bundle.json").exists(), "it was over before it could be killed"
    capsys.readouterr()
    commands.learn("digits", out=str(killed), **LINE)
    assert f"continuing the run in {killed} after epoch" in capsys.readouterr().out
    commands.learn("digits", out=str(whole), **LINE)
    assert weights(killed) == weights(whole)
    assert "12 epochs" in capsys.readouterr().out


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        commands.learn("iris", out=str(tmp_path), epochs=1)
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_scale_of_rows_is_an_option(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 4)) * [1, 10, 100, 1000])
    for scale, spread in (("columns", 1), ("block", 10)):
        commands.learn(str(tmp_path / "x.npy"), out=str(tmp_path / scale), code_size=2, epochs=1, scale=scale)
        encoded = codelayer.load(tmp_path / scale).schema_.encode(np.load(tmp_path / "x.npy"))
        assert np.ptp(encoded.std(0)) < 0.5 if spread == 1 else encoded.std(0)[3] > spread * encoded.std(0)[0]
