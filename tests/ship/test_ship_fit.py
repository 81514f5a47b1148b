"""`ship fit` end to end on small data: who wins and why, what is written, what is kept, what is apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import codelayer
from codelayer import bundle, cli
from codelayer.data import load_data
from codelayer.data.load import Data
from codelayer.errors import DataError, RunError
from codelayer.ship import Fit, Shipped, fitting, weighing
from codelayer.ship.verify import verified
from codelayer.study.parts import make_parts

FOREST = "forest_20x8"


@pytest.fixture(autouse=True)
def quick_timing(monkeypatch):
    monkeypatch.setattr(weighing, "SECONDS", 0.01)


def fit(folder: Path, data: Any, **options: Any) -> Shipped:
    """A run in this process, silent."""
    return Fit(data, **{"workers": 1, "say": lambda text: None, "out": folder, **options}).run()


def linear(n: int = 300, seed: int = 0) -> Data:
    """Rows whose class is the sign of a sum of ten features: a small forest is far behind."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    return load_data(x, np.where(x.sum(1) > 0, "up", "down"))


@pytest.fixture
def mixed(tmp_path) -> Path:
    """A table with numbers, a category, missing cells and a class that both tell."""
    rng = np.random.default_rng(1)
    n = 200
    kind = rng.choice(["red", "green", "blue"], n)
    width = rng.normal(size=n) + 3 * (kind == "red")
    y = np.where(width + 2 * (kind == "blue") > 1.5, "yes", "no")
    frame = pd.DataFrame({"kind": kind, "width": width, "other": rng.normal(size=n), "y": y})
    frame.loc[rng.permutation(n)[:20], "width"] = np.nan
    frame.loc[rng.permutation(n)[:20], "kind"] = None
    path = tmp_path / "mixed.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_refused_budget_writes_nothing_and_a_wider_one_continues_to_what_one_run_gives(mixed, tmp_path, capsys):
    names = ["raw", "undercomplete"]
    out = tmp_path / "out"
    words = ["ship", "fit", str(mixed), "--label", "y", "--quick", "--workers", "1", "--out", str(out)]
    words += [word for name in names for word in ("--candidates", name)]
    assert cli.main([*words, "--max-size-mb", "0.000001"]) == cli.WRONG_USE
    told = capsys.readouterr().err
    assert "none of 2 candidates meets the budget" in told and "the nearest is raw features" in told
    assert {place.name for place in out.iterdir()} == {"checkpoints"}
    kept = {place: place.stat().st_mtime_ns for place in (out / "checkpoints").glob("*.onnx")}
    assert len(kept) == 2

    said: list[str] = []
    options = {"label": "y", "candidates": names, "quick": True, "max_size_mb": 50.0}
    done = fit(out, str(mixed), say=said.append, **options)
    assert any("what is done is kept" in line for line in said)
    whole = fit(tmp_path / "whole", str(mixed), **options)
    assert done.chosen == whole.chosen
    for name, one in done.candidates.items():
        other = whole.candidates[name]
        assert one["score"] == other["score"] and one["choose_score"] == other["choose_score"]
        assert one["size_mb"] == pytest.approx(other["size_mb"], rel=0.01)
    assert not [*(out / "checkpoints").glob("*.onnx")]

    _files_say_what_was_chosen(done)
    _answers_are_those_of_the_bundle(done, mixed)
    assert fit(out, str(mixed), **options).facts == done.facts
    with pytest.raises(RunError, match="another budget"):
        fit(out, str(mixed), **{**options, "max_size_mb": 40.0})


def test_a_run_stopped_after_the_report_was_opened_keeps_its_budget_and_its_choice(mixed, tmp_path, monkeypatch):
    options = {"label": "y", "candidates": ["raw", FOREST], "quick": True}
    with monkeypatch.context() as patched:

        def stop(found):
            raise KeyboardInterrupt

        patched.setattr(fitting, "conclude", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "out", str(mixed), **options)
    noted = tmp_path / "out" / "checkpoints" / fitting.OPENED
    about = json.loads(noted.read_text())
    assert about["budget"] == {} and about["winner"] in ("raw", FOREST)
    with pytest.raises(RunError, match="another budget"):
        fit(tmp_path / "out", str(mixed), max_size_mb=50.0, **options)
    other = {"raw": FOREST, FOREST: "raw"}[about["winner"]]
    noted.write_text(json.dumps(about | {"winner": other}))  # as if the latencies had been others then
    done = fit(tmp_path / "out", str(mixed), **options)
    assert done.chosen == other and not noted.exists()


@pytest.mark.parametrize("frame", [True, False])
def test_a_column_that_float32_blurs_is_named_before_the_fits_and_where_nothing_can_be_exported(tmp_path, frame):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) + [0, 0, 1e8]
    y = np.where(x[:, 2] > 1e8, "up", "down")
    name = "c" if frame else "x2"
    data = pd.DataFrame(x, columns=["a", "b", "c"]) if frame else load_data(x, y)
    said: list[str] = []
    with pytest.raises(DataError, match=f"column '{name}' varies by less.*subtract a constant"):
        fit(tmp_path / "out", data.assign(y=y) if frame else data, candidates=["raw"], say=said.append,
            **({"label": "y"} if frame else {}))  # fmt: skip
    assert any(f"note: column '{name}'" in line for line in said)


def _files_say_what_was_chosen(done: Shipped) -> None:
    facts = json.loads((done.folder / "ship.json").read_text(encoding="utf-8"))
    assert facts == done.facts and facts["chosen"] in done.candidates
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert facts["title"] in page and "The bill" in page and "budget" in page
    assert "onnxruntime" in facts["needs"]["packages"] and facts["needs"]["installed_mb"] > 1
    for one in facts["candidates"]:
        value, low, high = one["score"]
        assert low <= value <= high
        assert one["end_to_end_ms"]["p50"] > 0 and one["engine_ms"]["p50"] > 0 and one["training_seconds"] > 0
    assert {*facts["front"]} == {name for name, one in done.candidates.items() if one["on_front"]}


def _answers_are_those_of_the_bundle(done: Shipped, path: Path) -> None:
    rows = load_data(str(path), label="y").x
    model = codelayer.load(done.folder / "bundle")
    assert bundle.read(done.folder / "bundle").part(bundle.ONNX) == done.graph.read_bytes()
    assert verified(done.folder / "bundle").onnx < 1e-4
    np.testing.assert_allclose(done.answers(rows), model.predict_proba(rows), atol=1e-4)


def test_where_two_columns_must_be_read_together_the_forest_wins(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (500, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x[:, 0] * x[:, 1] > 0, "same", "other")})
    done = fit(tmp_path / "out", frame, label="y", candidates=["raw", FOREST], target="edge")
    assert done.chosen == FOREST
    scores = {name: one["score"] for name, one in done.candidates.items()}
    assert scores[FOREST][1] > scores["raw"][2]
    assert done.facts["threads"] == 1 and done.facts["budget"] == {"memory_mb": 256.0}
    assert done.candidates[FOREST]["python_ms"] > done.candidates[FOREST]["engine_ms"]["p50"]
    assert any("compared compiled" in sentence for sentence in done.sentences)


def test_where_a_sum_decides_raw_features_win_and_the_choice_does_not_see_what_reports(tmp_path):
    test = linear(200, seed=5)
    shuffled = Data(test.x, np.random.default_rng(2).permutation(np.asarray(test.labels)), test.keys, name="shuffled")
    found = [
        fit(tmp_path / name, linear(), test=one, candidates=["raw", FOREST])
        for name, one in (("right", test), ("wrong", shuffled))
    ]
    assert [done.chosen for done in found] == ["raw", "raw"]
    right, wrong = (done.candidates["raw"] for done in found)
    assert right["choose_score"] == wrong["choose_score"]
    assert found[0].facts["behind"] == found[1].facts["behind"]
    assert right["score"][0] > 0.9 and abs(wrong["score"][0] - 0.5) < 0.2


def test_numbers_are_predicted_and_boosting_reads_raw_rows(tmp_path):
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    frame["y"] = np.abs(x[:, 0]) + 0.1 * rng.normal(size=300)
    done = fit(tmp_path / "out", frame, label="y", candidates=["raw", "lightgbm_40x8"])
    assert done.facts["score"] == "R2" and done.facts["chance"] == 0.0
    assert done.chosen == "lightgbm_40x8" and "bundle" not in done.facts["files"]
    said = done.answers(load_data(frame, label="y").x)
    assert np.corrcoef(said, frame["y"])[0, 1] > 0.8


def test_the_report_part_is_closed_until_the_choice_is_made():
    parts = make_parts(linear(), None, None, 0)
    with pytest.raises(RuntimeError, match="read once"):
        parts.rows("report")
    assert not {*parts.train.tolist()} & {*parts.choose.tolist()}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": "phone"}, "target='phone' is not known"),
        ({"task": "words"}, "task='words' is not known"),
        ({"workers": 0}, "workers=0 is not possible"),
        ({"max_latency_ms": -1.0}, "is not possible"),
        ({"candidates": ["forrest"]}, "did you mean 'forest'"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_leaves_no_folder(options, told, tmp_path):
    with pytest.raises(DataError, match=told):
        fit(tmp_path / "out", linear(), **options)
    assert not (tmp_path / "out").exists()


def test_without_labels_there_is_nothing_to_choose_by(tmp_path):
    with pytest.raises(DataError, match="no labels to choose by"):
        fit(tmp_path / "out", np.random.default_rng(0).normal(size=(60, 3)))


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
def test_a_request_to_end_is_one_line_and_what_was_fitted_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 12))
    np.savez(tmp_path / "rows.npz", x=x, y=(x[:, 0] > 0).astype(int))
    words = ["ship", "fit", "rows.npz", "--label", "y", "--candidates", "raw,labelled"]
    words += ["--workers", "2", "--out", "out"]
    env = os.environ | {"PYTHONPATH": str(Path(codelayer.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "codelayer", *words]
    with subprocess.Popen(line, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as one:
        while not any((tmp_path / "out").glob("checkpoints/labelled*-run/*")):
            assert one.poll() is None, one.stderr.read().decode() if one.stderr else ""
            time.sleep(0.05)
        one.send_signal(signal.SIGTERM)
        _, said = one.communicate(timeout=120)
    assert one.returncode == 130
    assert said.decode() == "stopped: what was fitted is kept; give the same command again to continue\n"
    assert not (tmp_path / "out" / "ship.json").exists() and (tmp_path / "out" / "checkpoints" / "run.json").exists()
