"""`codelayer ship bench` and `codelayer ship quantise`, as they are typed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import skops.io
from ship_cases import mlp_graph
from sklearn.linear_model import LogisticRegression

from codelayer import Pca
from codelayer.cli import main
from codelayer.data import load_data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ship")
    np.savez(place / "rows.npz", x=X, y=(X[:, 0] > 0).astype(int))
    (place / "net.onnx").write_bytes(mlp_graph((6, 64, 8)))
    Pca(3).fit(X).save(place / "pca")
    skops.io.dump(LogisticRegression().fit(X, X[:, 0] > 0), place / "logistic.skops")
    return place


def test_a_bench_takes_any_mix_and_writes_figures_and_a_page(folder, tmp_path, capsys):
    words = [str(folder / name) for name in ("pca", "net.onnx", "logistic.skops")]
    given = ["--data", str(folder / "rows.npz"), "--label", "y", "--batch", "8", "--seconds", "0.005", "--no-start"]
    out = ["--json", str(tmp_path / "b.json"), "--html", str(tmp_path / "b.html")]
    assert main(["ship", "bench", *words, *given, *out]) == 0
    said = capsys.readouterr().out
    assert "logistic.skops, compiled" in said and "rows/s at 8" in said
    forms = [one["form"] for one in json.loads((tmp_path / "b.json").read_text())["models"]]
    assert forms == ["in Python", "compiled", "compiled", "in Python", "compiled"]
    assert "<svg" in (tmp_path / "b.html").read_text(encoding="utf-8")


def test_each_model_may_have_rows_of_its_own_and_one_that_does_not_read_them_is_named(folder, tmp_path, capsys):
    rows = ["size,kind,bought", *[f"{i % 7}.5,{'abc'[i % 3]},{i % 2}" for i in range(40)]]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    Pca(2).fit(load_data(tmp_path / "t.csv", "bought").x).save(tmp_path / "table")
    words = [f"{tmp_path / 'table'}@{tmp_path / 't.csv'}", str(folder / "logistic.skops"), str(folder / "net.onnx")]
    given = ["--batch", "8", "--seconds", "0.005", "--no-start", "--no-compile", "--json", str(tmp_path / "b.json")]
    given += ["--data", str(folder / "rows.npz"), "--drop", "bought"]
    assert main(["ship", "bench", *words, *given]) == 0
    assert [one["model"] for one in json.loads((tmp_path / "b.json").read_text())["models"]] == [
        "table",
        "logistic.skops",
        "net.onnx",
    ]
    capsys.readouterr()
    assert main(["ship", "bench", str(tmp_path / "table"), *words[1:], *given[:-2]]) == 2
    said = capsys.readouterr()
    assert "not measured: " in said.out and "logistic.skops" in said.out
    assert "1 of 3 models were not measured: " in said.err and "MODEL@ROWS" in said.err
    assert main(["ship", "bench", *words, *given[:-1], "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_a_graph_that_does_not_pay_is_not_written(folder, tmp_path, capsys):
    out = tmp_path / "small.onnx"
    words = ["ship", "quantise", str(folder / "net.onnx"), "--data", str(folder / "rows.npz"), "--label", "y"]
    status = main([*words, "--out", str(out), "--batch", "16", "--json", str(tmp_path / "q.json")])
    said, record = capsys.readouterr().err, json.loads((tmp_path / "q.json").read_text())
    assert out.exists() == (record["chosen"] is not None) == (status == 0)
    assert ("was not written" in said) == (record["chosen"] is None) == (status == 2)
    assert len(record["variants"]) == 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["bench", "model.joblib"], "runs code when it is loaded"),
        (["bench", "nowhere.onnx"], "there is no model"),
        (["bench", "{}/net.onnx", "--batch", "many"], "no number of rows"),
        (["quantise", "{}/net.onnx", "--data", "{}/rows.npz", "--out", "m.bin"], "no .onnx file"),
        (["quantise", "{}/net.onnx", "--data", "digits", "--out", "m.onnx"], "do not fit the input 'x'"),
    ],
)
def test_wrong_use_is_one_message_and_status_2(folder, words, told, capsys):
    assert main(["ship", *[word.format(folder) for word in words]]) == 2
    assert told in capsys.readouterr().err
