"""`codelayer ship export`: a bundle becomes a file that ONNX Runtime reads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from codelayer import Pca, cli, load
from codelayer.export import session
from codelayer.learn.headed_forest import HeadedForest
from codelayer.learn.saved import coder_in


@pytest.fixture(scope="session")
def forest_study(tmp_path_factory):
    """A finished study that a forest wins: the label is a parity, which no linear head reads."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
    x["colour"] = np.array(["red", "green"])[rng.integers(0, 2, 400)]
    x["label"] = np.where((x["a"] > 0) ^ (x["b"] > 0), "odd", "even")
    x.loc[::9, "c"] = np.nan
    folder = tmp_path_factory.mktemp("forest")
    x.to_csv(folder / "parity.csv", index=False)
    line = ["study", str(folder / "parity.csv"), "--label", "label", "--rivals", "pca,forest", "--quick"]
    assert cli.main([*line, "--out", str(folder / "study")]) == 0
    return folder


def test_a_forest_that_wins_is_saved_and_predicts(forest_study, capsys):
    study, out = forest_study / "study", forest_study / "predictions.csv"
    data = pd.read_csv(forest_study / "parity.csv")
    assert {"forest", "forest.onnx", "bundle"} <= {one.name for one in study.iterdir()}
    assert cli.main(["predict", str(study), str(forest_study / "parity.csv"), "--out", str(out)]) == 0
    found = pd.read_csv(out)
    assert (found["label"] == data["label"]).mean() > 0.9
    forest = load(study / "forest")
    assert isinstance(forest, HeadedForest)
    fed = {name: data[[name]].to_numpy(np.float32) for name in "abc"}
    fed["colour"] = data[["colour"]].to_numpy(object)
    (label,) = session(study / "forest.onnx").run(["label"], fed)
    assert (label == found["label"].to_numpy()).mean() > 0.99
    assert isinstance(coder_in(study), Pca)  # codes are those of the best code, as before
    capsys.readouterr()
    assert cli.main(["info", str(study / "forest")]) == 0
    assert "a random forest on raw features" in capsys.readouterr().out


def test_a_study_is_exported_by_its_folder_and_told_on_rows(forest_study, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    words = ["ship", "export", str(forest_study / "study"), "--out", str(out)]
    assert cli.main([*words, "--data", str(forest_study / "parity.csv")]) == 0
    told = capsys.readouterr().out
    assert "on 402 rows the largest difference is" in told and str(out) in told
    assert out.read_bytes()[:-400] and session(out).get_modelmeta().custom_metadata_map["kind"] == "raw"


def test_wrong_words_are_told_and_leave_nothing(tmp_path, capsys):
    Pca(2).fit(np.random.default_rng(0).normal(size=(20, 3))).save(tmp_path / "b")
    assert cli.main(["ship", "export", str(tmp_path / "b"), "--out", str(tmp_path / "m.tflite")]) == 2
    assert "ends in .onnx or .pt2" in capsys.readouterr().err
    assert cli.main(["ship", "export", str(tmp_path / "absent"), "--out", str(tmp_path / "m.onnx")]) == 2
    assert cli.main(["ship"]) == 2
    assert "export" in capsys.readouterr().out
    assert cli.main(["ship", "export", str(tmp_path / "b"), "--out", str(tmp_path / "m.pt2")]) == 0
    assert {one.name for one in tmp_path.iterdir()} == {"b", "m.pt2"}
