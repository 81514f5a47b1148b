"""A study's folder: what is in it, how it continues, what it refuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from study_cases import clusters, study

import codelayer
from codelayer.errors import DataError, RunError


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, np.ndarray, np.ndarray]:
    x, y = clusters()
    folder = tmp_path_factory.mktemp("study") / "out"
    return folder, study(folder, x, label=y), x, y


def test_the_folder_holds_what_it_promises(finished):
    folder, verdict, x, _ = finished
    codes = pq.read_table(folder / "codes.parquet")
    assert codes.num_rows == len(x) and codes.column_names[0] == "key"
    coder = codelayer.load(folder / "bundle")
    stored = np.stack([codes[name].to_numpy() for name in codes.column_names[1:]], axis=1)
    np.testing.assert_array_equal(coder.transform(x), stored)
    assert set(coder.predict(x)) <= {"class 0", "class 1", "class 2"}
    np.testing.assert_allclose(coder.predict_proba(x).sum(1), 1.0, atol=1e-9)
    assert verdict["command"].startswith("codelayer ")


def test_the_report_is_one_self_contained_page(finished):
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    assert "http://" not in re.sub(r'xmlns="[^"]+"', "", page).replace("http://www.w3.org", "")
    assert "https://" not in page
    for title in (
        "The table",
        "Label curves",
        "Score against cost",
        "Reconstructions",
        "A map",
        "Nearest neighbours",
        "not measured",
    ):
        assert title in page
    assert len(page) < 1_500_000


def test_a_complete_study_says_so_and_does_nothing(finished):
    folder, verdict, x, y = finished
    before = (folder / "report.html").stat().st_mtime_ns
    again = study(folder, x, label=y)
    assert again["winner"] == verdict["winner"]
    assert any("complete" in line for line in again["said"])
    assert (folder / "report.html").stat().st_mtime_ns == before


def test_other_options_or_data_in_the_same_folder_are_refused(finished):
    folder, _, x, y = finished
    with pytest.raises(RunError, match="seed"):
        study(folder, x, label=y, seed=5)
    with pytest.raises(RunError):
        study(folder, x + 1, label=y)


def test_a_number_is_predicted_with_r2(tmp_path: Path):
    x, _ = clusters()
    y = x[:, 0] * 2 + np.random.default_rng(0).normal(size=len(x)) * 0.1
    verdict = study(tmp_path / "out", x, label=y)
    assert verdict["task"] == "number" and verdict["score"] == "R2"
    assert verdict["area"]["raw"]["value"] > 0.6
    assert np.isfinite(codelayer.load(tmp_path / "out" / "bundle").predict(x).astype(float)).all()


def test_a_test_set_replaces_the_report_part(tmp_path: Path):
    x, y = clusters()
    fresh, truth = clusters(n=90, seed=0)
    fresh += 0.01  # rows that are equal would be left out of learning
    np.savez(tmp_path / "train.npz", x=x, y=y.astype(str))
    np.savez(tmp_path / "test.npz", x=fresh, y=truth.astype(str))
    verdict = study(tmp_path / "out", str(tmp_path / "train.npz"), test=str(tmp_path / "test.npz"))
    assert verdict["rows"]["report"] == 90
    assert verdict["rows"]["train"] + verdict["rows"]["choose"] == len(x)


def test_what_a_time_limit_drops_is_stated(tmp_path: Path):
    x, y = clusters()
    said: list[str] = []
    verdict = study(tmp_path / "out", x, label=y, time_limit=0.001, say=said.append)
    assert any("but the budget is 0.001 min: it is too short even for" in line for line in said)
    assert {"what": "undercomplete", "why": verdict["not_measured"][0]["why"]} in verdict["not_measured"]
    assert "raw" in verdict["area"]


def test_a_class_with_one_member_is_not_scored_and_the_work_goes_on(tmp_path: Path):
    x, y = clusters()
    y[0] = "alone"
    verdict = study(tmp_path / "out", x, label=y, rivals=("pca",))
    assert verdict["chance"] == pytest.approx(1 / 3)


def test_an_unknown_rival_or_task_is_refused(tmp_path: Path):
    x, y = clusters()
    with pytest.raises(DataError, match="did you mean 'pca'"):
        study(tmp_path / "a", x, label=y, rivals=("pcaa",))
    with pytest.raises(DataError, match="class or number"):
        study(tmp_path / "b", x, label=y, task="ranking")


KILLED = """
import sys
import numpy as np
from codelayer import Study
rng = np.random.default_rng(0)
y = np.arange(300) % 3
x = rng.normal(size=(3, 8))[y] * 1.5 + rng.normal(size=(300, 8))
names = np.array([f"class {i}" for i in y], dtype=object)
rivals = ("pca", "undercomplete", "denoising", "sparse")
verdict = Study(x, label=names, out=sys.argv[1], rivals=rivals, workers=1, quick=True).run()
print(verdict["area"])
"""


def _heed_ctrl_c() -> None:
    # a job in the background may have been started with SIGINT ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_study_continues_and_ends_with_the_same_figures(tmp_path: Path, number: int):
    command = [sys.executable, "-c", KILLED]
    whole = subprocess.run([*command, str(tmp_path / "whole")], capture_output=True, text=True, check=True)
    running = subprocess.Popen(
        [*command, str(tmp_path / "cut")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_heed_ctrl_c
    )
    state = tmp_path / "cut" / "checkpoints"
    for _ in range(600):
        if len(list(state.glob("*/bundle.json"))) >= 2 or running.poll() is not None:
            break
        time.sleep(0.05)
    running.send_signal(number)
    running.wait()
    assert not (tmp_path / "cut" / "verdict.json").exists()
    again = subprocess.run([*command, str(tmp_path / "cut")], capture_output=True, text=True, check=True)
    assert "continuing" in again.stdout
    assert again.stdout.splitlines()[-1] == whole.stdout.splitlines()[-1]
