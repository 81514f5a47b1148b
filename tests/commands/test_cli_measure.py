"""`measure` writes a card as JSON and as a page; `info` tells what is inside a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import codelayer
from codelayer import DataError, RunError, commands
from codelayer.learn.facts import bundle_facts
from codelayer.measure import METRICS
from codelayer.study import cardpage
from codelayer.study.cardpage import card_of_files


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with x, labels and two-dimensional codes of 90 rows in three clusters."""
    folder = tmp_path_factory.mktemp("few")
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.normal(size=(3, 5))[y] * 3 + rng.normal(size=(90, 5))
    np.savez(folder / "xy.npz", x=x, y=y, other=y % 2)
    np.save(folder / "codes.npy", x[:, :2].astype(np.float32))
    (folder / "labels.csv").write_text("\n".join(["label", *map(str, y)]) + "\n", encoding="utf-8")
    return folder


def test_a_card_is_written_as_json_and_as_one_page(few, tmp_path, capsys):
    out = tmp_path / "a" / "card"
    commands.measure(str(few / "codes.npy"), x=str(few / "xy.npz"), out=str(out))
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    by_name = {one["name"]: one for one in card["metrics"]}
    assert card["n"] == 90 and card["units"] == 2 and card["task"] == "class"
    area = by_name["linear_area"]
    assert area["low"] <= area["value"] <= area["high"] and area["chance"] == pytest.approx(1 / 3)
    assert 0 < area["raw"] <= 1 and 0 < area["pca"] <= 1
    assert {one["name"]: one["needs"] for one in card["not_measured"]}["latency_ms"] == ["encode"]
    page = (out / "card.html").read_text(encoding="utf-8")
    assert "The card of codes.npy" in page and "trustworthiness" in page and "encode not given" in page
    assert "<script src" not in page and "http://" not in page.replace("http://www.w3.org", "")
    told = capsys.readouterr().out
    assert "linear area" in told and "raw features" in told and "not measured: latency_ms: encode not given" in told
    assert f"card: {out / 'card.html'}" in told


def test_labels_are_a_file_or_an_array_of_x(few):
    codes = str(few / "codes.npy")
    by_file = card_of_files(codes, labels=str(few / "labels.csv"))
    by_array = card_of_files(codes, labels="other", x=str(few / "xy.npz"))
    assert by_file["task"] == by_array["task"] == "class"
    chance = [{one["name"]: one["chance"] for one in card["metrics"]}["linear_area"] for card in (by_file, by_array)]
    assert chance == [pytest.approx(1 / 3), pytest.approx(1 / 2)]
    with pytest.raises(DataError, match="neither a column nor a file"):
        card_of_files(codes, labels="nothing")


def test_rows_without_a_code_are_left_out_everywhere(few, tmp_path):
    codes = np.load(few / "codes.npy")
    codes[[4, 7]] = np.nan
    np.save(tmp_path / "codes.npy", codes)
    for given in ({"labels": str(few / "labels.csv")}, {"x": str(few / "xy.npz")}):
        card = card_of_files(str(tmp_path / "codes.npy"), **given)
        assert card["n"] == 88 and "2 rows have no code (NaN) and are left out" in card["notes"]


def test_of_many_rows_some_are_drawn_together_with_their_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(cardpage, "MOST_ROWS", 200)
    y = np.arange(300) % 2
    codes = np.random.default_rng(0).normal(size=(len(y), 1)) * 0.01 + y[:, None]
    codes[:30] = np.nan
    np.save(tmp_path / "codes.npy", codes)
    np.save(tmp_path / "y.npy", y)
    card = card_of_files(str(tmp_path / "codes.npy"), labels=str(tmp_path / "y.npy"))
    assert card["n"] == 200 and "200 of 270 rows are measured, drawn at random" in card["notes"]
    area = {one["name"]: one["value"] for one in card["metrics"]}["linear_area"]
    assert area > 0.99, "every row kept its own label"


def test_codes_of_a_folder_with_a_broken_picture_are_measured_with_it(pictures, tmp_path):
    run, codes = tmp_path / "run", tmp_path / "codes.parquet"
    commands.learn(str(pictures), out=str(run), net="mlp(8)", code_size=2, epochs=1)
    commands.encode(str(run), str(pictures), out=str(codes))
    card = card_of_files(str(codes), x=str(pictures))
    assert card["n"] == 11 and card["task"] == "class" and card["features"] == 192


def test_what_does_not_fit_is_refused(few, tmp_path):
    codes = str(few / "codes.npy")
    np.save(tmp_path / "short.npy", np.random.default_rng(0).normal(size=(40, 5)))
    with pytest.raises(DataError, match=r"codes.npy has 90 rows, .*short.npy has 40"):
        commands.measure(codes, x=str(tmp_path / "short.npy"), out=str(tmp_path / "card"))
    with pytest.raises(DataError, match="measure needs a file of codes"):
        commands.measure(out=str(tmp_path / "card"))
    with pytest.raises(RunError, match="is a file, not a folder"):
        commands.measure(codes, out=str(tmp_path / "short.npy"))
    assert [one.name for one in tmp_path.iterdir()] == ["short.npy"]


def test_the_list_names_every_metric_with_its_needs(capsys):
    commands.measure(list_=True)
    told = capsys.readouterr().out
    assert all(name in told and METRICS[name].question in told for name in METRICS)
    assert "do not trust" in told and "codes, labels" in told


def test_info_tells_what_is_inside(digits_run, people_run, classifier, capsys):
    commands.info(str(digits_run))
    told = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert told["kind"].strip() == "autoencoder" and told["objective"].strip() == "squared()"
    facts = dict(bundle_facts(digits_run))
    assert facts["net"] == "mlp(16)" and facts["code size"] == "4" and "8 x 8 x 1" in facts["reads"]
    assert facts["learned from"].startswith("1,618 rows, 2 epochs") and facts["size"].endswith("MB")
    assert "codelayer" in facts["written by"] and facts["dead units"] == "0"
    facts = dict(bundle_facts(people_run))
    assert facts["reads"].startswith("a table of 3 columns (1 category, 2 numeric)")
    assert facts["left out"] == "id (id), planet (constant)"
    facts = dict(bundle_facts(classifier))
    assert facts["kind"] == "a code (pca) with its head"
    assert facts["predicts"] == "3 classes: setosa, versicolor, virginica"


def test_info_reads_a_zip_and_refuses_what_is_no_bundle(digits_run, tmp_path):
    codelayer.load(digits_run).save(tmp_path / "one.zip")
    assert dict(bundle_facts(tmp_path / "one.zip"))["objective"] == "squared()"
    (tmp_path / "two.zip").write_bytes((tmp_path / "one.zip").read_bytes()[:2000])
    for path, told in ((tmp_path / "two.zip", "two.zip"), (tmp_path, "holds no bundle.json")):
        with pytest.raises(codelayer.BundleError, match=told):
            bundle_facts(path)
