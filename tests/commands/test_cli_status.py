"""What goes wrong becomes one message on stderr and an exit status; a traceback is shown only with --debug."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from codelayer import DataError, cli
from codelayer.errors import RunError

WRONG = {
    "no such command": (["lern"], "Did you mean 'learn'?"),
    "a missing argument": (["learn", "--out", "run"], "Missing argument 'DATA'"),
    "a missing option": (["learn", "digits"], "Missing option '--out'"),
    "no such option": (["learn", "digits", "--out", "run", "--epoch", "3"], "--epochs"),
    "a word for a number": (["learn", "digits", "--out", "run", "--seed", "one"], "--seed"),
    "no such file": (["learn", "nothing.csv", "--out", "run"], "'nothing.csv' is not there"),
    "a name nearly right": (["learn", "digit", "--out", "run"], "did you mean 'digits'?"),
    "an unknown recipe": (["learn", "digits", "--out", "run", "--objective", "sparze"], "did you mean 'sparse'?"),
    "an unknown term": (["learn", "digits", "--out", "run", "--objective", "l11(0.1)"], "did you mean 'l1'?"),
    "negative epochs": (["learn", "digits", "--out", "run", "--epochs", "-3"], "epochs=-3 is not possible"),
    "epochs in words": (["learn", "digits", "--out", "run", "--epochs", "many"], "epochs='many' is not possible"),
    "no units": (["learn", "digits", "--out", "run", "--code-size", "0"], "code_size=0 is not possible"),
    "a negative seed": (["learn", "digits", "--out", "run", "--seed", "-1"], "seed=-1 is not possible"),
    "no time": (["learn", "digits", "--out", "run", "--checkpoint-seconds", "0"], "checkpoint_seconds=0"),
    "a zip as a run": (["learn", "digits", "--out", "run.zip"], "a run is a folder"),
    "an unknown column": (["learn", "iris", "--out", "run", "--drop", "petals"], "no column is called 'petals'"),
    "no bundle": (["info", "nothing"], "there is no bundle at nothing"),
    "no codes": (["measure", "nothing.npy", "--out", "card"], "there is no file of codes at nothing.npy"),
    "no folder for the card": (["measure", "nothing.npy"], "--out FOLDER"),
    "an unknown task": (["study", "digits", "--task", "sort"], "task='sort'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_one_message_and_status_2(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, told = WRONG[name]
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert told in err and err.startswith("error: ") and err.count("error:") == 1
    assert len(err.splitlines()) <= 2 and "Traceback" not in err and "note:" not in out
    assert not any(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_anywhere_shows_the_traceback_and_keeps_the_status(place, capsys):
    words = ["info", "nothing"]
    words.insert(place, "--debug")
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and err.splitlines()[-2].startswith("error: there is no bundle")


def test_words_behind_two_dashes_are_no_options(capsys):
    assert cli.main(["info", "--", "--debug"]) == 2
    assert "there is no bundle at --debug" in capsys.readouterr().err


def full_disk() -> RunError:
    error = RunError("the disk is full: x could not be written", "free some space")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


STATUS = {
    "bad data": (DataError("bad", "mend it"), 2, "error: bad\n  mend it"),
    "a full disk, told by codelayer": (full_disk(), 1, "error: the disk is full"),
    "a full disk": (OSError(errno.ENOSPC, "No space left"), 1, "error: the disk is full"),
    "a file too large": (OSError(errno.EFBIG, "File too large"), 1, "error: the disk is full"),
    "no permission": (PermissionError(errno.EACCES, "Permission denied", "x.npy"), 2, "x.npy: Permission denied"),
    "no memory": (MemoryError(), 1, "there is not enough memory"),
    "no memory in torch": (RuntimeError("[enforce fail] not enough memory: you tried"), 1, "not enough memory"),
    "Ctrl-C": (KeyboardInterrupt(), 130, "stopped"),
    "Ctrl-C with something kept": (KeyboardInterrupt("it is kept in run"), 130, "stopped: it is kept in run"),
    "a bug": (
        ZeroDivisionError("division by zero\nmore"),
        1,
        "error: ZeroDivisionError: division by zero\n  run again",
    ),
}


@pytest.mark.parametrize("name", STATUS)
def test_errors_have_a_status_and_one_message(name):
    error, status, told = STATUS[name]
    found, message = cli._told(error)
    assert found == status and told in message and len(message.splitlines()) <= 2


def test_a_reader_that_goes_away_is_no_error(environment):
    line = [sys.executable, "-m", "codelayer", "measure", "--list"]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        assert one.stdout is not None and one.stderr is not None
        one.stdout.close()
        assert one.stderr.read() == b""
        assert one.wait(60) in (0, 1)


@pytest.mark.skipif(os.name != "posix", reason="a limit on file sizes is a POSIX matter")
def test_a_disk_that_fills_up_is_told_and_the_old_file_stays(digits_run, environment, tmp_path):
    out = tmp_path / "codes.npy"
    np.save(out, np.zeros(3))
    before = out.read_bytes()
    code = (
        "import resource, sys; from codelayer.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["encode", str(digits_run), "digits", "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: the disk is full\n  free some space and give the same command again\n"
    assert out.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["codes.npy"]


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to another process is a POSIX matter")
def test_ctrl_c_says_what_is_kept_and_ends_with_130(environment, tmp_path):
    out = tmp_path / "run"
    words = ["learn", "digits", "--out", str(out), "--epochs", "4000", "--checkpoint-seconds", "0.01"]
    with subprocess.Popen(
        [sys.executable, "-m", "codelayer", *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        wait_for(out / "checkpoints", one)
        one.send_signal(signal.SIGINT)
        _, err = one.communicate(timeout=60)
    assert one.returncode == 130
    assert err.decode() == f"stopped: what was learned is kept in {out}; give the same command again to continue\n"


def wait_for(state: Path, process: subprocess.Popen[bytes]) -> None:
    while not any(state.glob("training*")):
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        time.sleep(0.02)
