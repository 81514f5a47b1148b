"""`measure` that is stopped says what is kept, and the same command goes on to the same card."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from codelayer import RunError, commands

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals to another process are a POSIX matter")
TOLD = "stopped: what was measured is kept in {}; give the same command again to continue\n"


def _heed_ctrl_c() -> None:
    # a job in the background may have been started with SIGINT ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Codes and samples whose card takes a second or two, and that card."""
    folder, rng = tmp_path_factory.mktemp("stopped"), np.random.default_rng(0)
    x = rng.standard_normal((700, 12))
    np.save(folder / "x.npy", x)
    np.save(folder / "codes.npy", x[:, :4])
    commands.measure(str(folder / "codes.npy"), x=str(folder / "x.npy"), out=str(folder / "whole"), only=("manifold",))
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_card_goes_on_and_is_the_card_of_an_undisturbed_run(folder, environment, tmp_path, number):
    out, kept = tmp_path / "card", tmp_path / "card" / "unfinished"
    words = [str(folder / "codes.npy"), "--x", str(folder / "x.npy"), "--only", "manifold", "--out", str(out)]
    line = [sys.executable, "-m", "codelayer", "measure", *words]
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, preexec_fn=_heed_ctrl_c) as one:
        while not any(kept.glob("*.reading")):
            assert one.poll() is None, one.stderr.read().decode() if one.stderr else ""
            time.sleep(0.01)
        one.send_signal(number)
        _, err = one.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert one.returncode == -signal.SIGKILL
    else:
        assert one.returncode == 130 and err.decode() == TOLD.format(kept)
    assert any(kept.glob("*.reading")) and not (out / "card.json").exists()
    commands.measure(words[0], x=words[2], out=str(out), only=("manifold",))
    assert sorted(path.name for path in out.iterdir()) == ["card.html", "card.json", "card.safetensors"]
    assert (out / "card.safetensors").read_bytes() == (folder / "whole" / "card.safetensors").read_bytes()
    assert _without_seconds(out) == _without_seconds(folder / "whole")


def _without_seconds(folder: Path) -> dict:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return {**card, "seconds": 0, "metrics": [{**row, "seconds": 0} for row in card["metrics"]]}


def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_measured(folder, tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="is a file, not a folder"):
        commands.measure(str(folder / "codes.npy"), out=str(tmp_path / "out"))
