"""`study --rivals`: who races is chosen by name; Isomap and UMAP race only so."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import codelayer
from codelayer import CodelayerError, DataError, cli, commands
from codelayer.data import load_data
from codelayer.study.rivals import BASELINE_ORDER, keep_named, line_up

SMALL = {"quick": True, "workers": 1}


def titles(folder: Path) -> set[str]:
    return set(json.loads((folder / "verdict.json").read_text())["area"])


def test_named_rivals_race_beside_raw_features_with_commas_or_several_times(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["study", "wine", "--rivals", "pca, isomap", "--rivals", "logistic", "--quick", "--out", str(out)]
    assert cli.main([*words, "--workers", "1"]) == 0
    assert titles(out) == {"raw", "pca", "isomap", "logistic"}
    told = capsys.readouterr().out
    assert "Isomap (at most 2,000 landmarks)" in told
    commands.study("wine", rivals=["pca", "isomap,logistic"], out=str(out), **SMALL)
    assert "holds this study, complete" in capsys.readouterr().out


def test_an_isomap_that_wins_among_codes_is_saved_with_its_head(tmp_path):
    out = tmp_path / "out"
    commands.study("wine", rivals=["isomap"], out=str(out), **SMALL)
    found = codelayer.load(out / "bundle")
    assert type(found.code) is codelayer.Isomap
    data = load_data("wine")
    assert (found.predict(data.x) == data.labels).mean() > 0.8


def test_an_unknown_rival_is_answered_with_the_closest_and_leaves_nothing(tmp_path):
    for name, said in (
        ("izomap", "no rival is called 'izomap'; did you mean 'isomap'.\n  known here: raw, pca, .*isomap, umap"),
        ("denoise", "did you mean 'denoising'"),
    ):
        with pytest.raises(DataError, match=said):
            commands.study("wine", rivals=[name], out=str(tmp_path / "out"), **SMALL)
    assert not (tmp_path / "out").exists()


def test_umap_without_umap_learn_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    plain = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "umap" else plain(name, *more))
    with pytest.raises(CodelayerError, match=r"UMAP needs umap-learn.*\n  pip install codelayer\[umap\]"):
        commands.study("wine", rivals=["pca,umap"], out=str(tmp_path / "out"), **SMALL)
    assert not (tmp_path / "out").exists()
    assert cli.main(["study", "wine", "--rivals", "umap", "--out", str(tmp_path / "out")]) == 2
    assert "pip install codelayer[umap]" in capsys.readouterr().err


def test_by_default_neither_races():
    schema = codelayer.Schema.fit([[0.0, 1.0], [1.0, 0.5], [2.0, 3.0]])
    names = [rival.name for rival in keep_named(line_up(schema, 2, (), (), "class"), (), ())]
    assert names[:4] == list(BASELINE_ORDER) and not {"isomap", "umap", "deep"} & set(names) and "psd" in names


def test_umap_races_where_it_is_installed(tmp_path):
    pytest.importorskip("umap")
    commands.study("wine", rivals=["umap"], out=str(tmp_path / "out"), **SMALL)
    found = codelayer.load(tmp_path / "out" / "bundle")
    assert type(found.code) is codelayer.Umap
