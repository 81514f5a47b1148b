"""`transfer advise` that is stopped says what is kept, and the same command goes on to the same answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from transfer_cases import net_file, pictures

from codelayer import RunError
from codelayer.transfer import advise, commands


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="signals to another process are a POSIX matter")
def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(environment, tmp_path, capsys):
    x, y = pictures(18)
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    net, out = net_file(tmp_path), tmp_path / "advice"
    words = ["transfer", "advise", str(tmp_path / "rows.npz"), "--backbone", f"file:{net}", "--label", "y"]
    line = [sys.executable, "-m", "codelayer", *words, "--minutes", "0", "--out", str(out)]
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, preexec_fn=_heed_ctrl_c) as one:
        while len(list(out.glob("checkpoints/scores/*.score"))) < 3:
            assert one.poll() is None, one.stderr.read().decode() if one.stderr else ""
            time.sleep(0.01)
        one.send_signal(signal.SIGINT)
        _, err = one.communicate(timeout=60)
    told = "stopped: what was scored is kept; give the same command again to continue\n"
    assert one.returncode == 130 and err.decode() == told
    first = {path: path.stat().st_mtime_ns for path in out.glob("checkpoints/scores/*.score")}
    commands.advise(words[2], backbone=words[4], label="y", out=str(out), minutes=0.0)
    assert "report:" in capsys.readouterr().out
    assert first and not any(path.exists() for path in first)
    whole = advise(f"file:{net}", x, y, 0, cache=None).record()
    found = json.loads((out / "advice.json").read_text(encoding="utf-8"))
    assert found["diagnosis"] == json.loads(json.dumps(whole["diagnosis"]))
    assert found["chosen"] == whole["chosen"]
    assert sorted(path.name for path in out.iterdir()) == ["advice.json", "bundle", "checkpoints", "report.html"]


def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_scored(tmp_path):
    x, y = pictures(18)
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    net = f"file:{net_file(tmp_path)}"
    with pytest.raises(RunError, match="is a file, not a folder"):
        commands.advise(str(tmp_path / "rows.npz"), backbone=net, label="y", out=str(tmp_path / "out"))
