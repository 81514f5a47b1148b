"""`measure` writes a card as JSON and as a page; `info` tells what is inside a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import codelayer
from codelayer import DataError, RunError, commands
from codelayer.data.codefiles import read_codes
from codelayer.learn.facts import bundle_facts
from codelayer.measure import METRICS, read_card
from codelayer.study import cardfiles
from codelayer.study.cardfiles import Beside, card_of_files


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
    monkeypatch.setattr(cardfiles, "MOST_ROWS", 200)
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


def test_everything_known_of_the_rows_is_named_by_files_or_columns(few, tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(np.load(few / "xy.npz")["x"], columns=list("abcde"))
    frame["y"], frame["who"], frame["kind"] = np.arange(90) % 3, np.arange(90) % 7, np.arange(90) % 2
    frame.to_csv(tmp_path / "x.csv", index=False)
    pd.DataFrame({"one": np.arange(90) % 3, "two": np.arange(90) % 5}).to_csv(tmp_path / "factors.csv", index=False)
    np.savez(tmp_path / "layers.npz", first=rng.normal(size=(90, 4)), last=rng.normal(size=(90, 2)))
    np.save(tmp_path / "other.npy", rng.normal(size=(90, 2)))
    options = {"labels": "y", "groups": "who", "nuisance": ("who", "kind"), "coarse": "kind"}
    options |= {"layers": str(tmp_path / "layers.npz"), "seeds": (str(tmp_path / "other.npy"),)}
    for factors in ((str(tmp_path / "factors.csv"),), ("kind", "who")):
        beside = Beside(factors=factors, **options)
        card = card_of_files(str(few / "codes.npy"), x=str(tmp_path / "x.csv"), beside=beside)
        assert not [note for note in card["notes"] if "left out" in note]
        assert card["features"] == 5, "columns that are named are no features"
        assert card["factors"] == (["one", "two"] if factors[0].endswith("csv") else ["kind", "who"])


def test_a_bundle_makes_the_codes_and_moves_samples(digits_run, tmp_path, capsys):
    only = ("local_smoothness", "explained_share", "latency_ms")
    commands.measure(bundle=str(digits_run), x="digits", out=str(tmp_path / "card"), only=only)
    card = read_card(tmp_path / "card")
    assert {one["name"] for one in card["metrics"]} == set(only) and card["units"] == 4
    assert "card:" in capsys.readouterr().out
    with pytest.raises(DataError, match="measure needs a file of codes"):
        commands.measure(bundle=str(digits_run), out=str(tmp_path / "card"))


def test_several_codes_are_compared(few, tmp_path, capsys):
    np.save(tmp_path / "noise.npy", np.random.default_rng(3).normal(size=(90, 2)))
    sources, labels = (str(few / "codes.npy"), str(tmp_path / "noise.npy")), str(few / "labels.csv")
    commands.measure(sources, labels=labels, out=str(tmp_path / "both"), only=("silhouette",))
    told = capsys.readouterr().out
    assert "codes than noise" in told and (tmp_path / "both" / "noise" / "card.html").exists()
    commands.measure((str(tmp_path / "both" / "codes"), sources[1]), labels=labels, out=str(tmp_path / "again"))
    assert "codes than noise" in capsys.readouterr().out
    with pytest.raises(DataError, match="two cards would be called 'codes'"):
        commands.measure((sources[0], str(tmp_path / "both" / "codes")), labels=labels, out=str(tmp_path / "twice"))


def test_embeddings_may_be_a_column_of_lists_or_some_columns(tmp_path):
    z = np.random.default_rng(4).normal(size=(50, 3)).astype(np.float32)
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(50)], "z": list(z), "a": z[:, 0], "b": z[:, 1]})
    frame.to_parquet(tmp_path / "z.parquet")
    np.testing.assert_array_equal(read_codes(tmp_path / "z.parquet", ("z",))[1], z)
    np.testing.assert_array_equal(read_codes(tmp_path / "z.parquet", ("b", "a"))[1], z[:, [1, 0]])
    assert card_of_files(str(tmp_path / "z.parquet"), columns=("z",), only=("hoyer",))["units"] == 3
    with pytest.raises(DataError, match="has no column 'c'"):
        read_codes(tmp_path / "z.parquet", ("c",))
    frame["z"] = [one[: 2 + i % 2] for i, one in enumerate(z)]
    frame.to_parquet(tmp_path / "ragged.parquet")
    with pytest.raises(DataError, match="one code per row is needed"):
        read_codes(tmp_path / "ragged.parquet", ("z",))


def test_the_list_names_every_metric_with_its_needs(capsys):
    commands.measure(list_=True)
    lines = capsys.readouterr().out.splitlines()
    told = " ".join(" ".join(lines).split())
    assert all(name in lines and METRICS[name].question in told and METRICS[name].distrust in told for name in METRICS)
    assert "needs: codes, labels" in told and max(map(len, lines)) <= 80
    commands.measure(list_=True, only=("sparsity", "continuity"))
    lines = capsys.readouterr().out.splitlines()
    assert "hoyer" in lines and "continuity" in lines and "linear_area" not in lines


def test_info_tells_what_is_inside(digits_run, people_run, classifier, capsys):
    commands.info(str(digits_run))
    told = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert told["kind"].strip() == "autoencoder" and told["objective"].strip() == "squared()"
    facts = dict(bundle_facts(digits_run))
    assert facts["net"] == "mlp(16)" and facts["code size"] == "4" and "8 x 8 x 1" in facts["reads"]
    assert facts["learned from"].startswith("1,618 rows, 2 epochs") and facts["size"].endswith("MB to make codes")
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
