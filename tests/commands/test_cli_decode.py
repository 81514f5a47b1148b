"""`decode` gives back the kind of the input; `predict` gives labels with probabilities, or numbers."""

from __future__ import annotations

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

import codelayer
from codelayer import BundleError, DataError, commands
from codelayer.data import load_data


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".csv"])
def test_pictures_come_back_as_an_array_from_every_kind_of_codes(suffix, digits_run, tmp_path):
    codes, out = tmp_path / f"codes{suffix}", tmp_path / "back.npy"
    commands.encode(str(digits_run), "digits", out=str(codes))
    commands.decode(str(digits_run), str(codes), out=str(out))
    coder = codelayer.load(digits_run)
    wanted = coder.inverse_transform(coder.transform(load_data("digits").x))
    back = np.load(out)
    assert back.shape == (1797, 8, 8, 1) and back.dtype == wanted.dtype
    np.testing.assert_array_equal(back, wanted)


def test_uint8_pictures_come_back_as_uint8_and_a_lost_one_is_black_and_listed(pictures, tmp_path, capsys):
    run, codes = tmp_path / "run", tmp_path / "codes.parquet"
    commands.learn(str(pictures), out=str(run), net="mlp(8)", code_size=2, epochs=1)
    commands.encode(str(run), str(pictures), out=str(codes))
    commands.decode(str(run), str(codes), out=str(tmp_path / "back.npy"))
    back = np.load(tmp_path / "back.npy")
    assert back.dtype == np.uint8 and back.shape == (12, 8, 8, 3)
    assert not back[2].any() and back[[0, 1, 3]].any()
    assert "first cat/04.png (its code is not finite)" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_comes_back_with_its_columns_and_keys(suffix, people_run, people_csv, tmp_path):
    codes, out = tmp_path / "codes.parquet", tmp_path / f"back{suffix}"
    commands.encode(str(people_run), str(people_csv), out=str(codes))
    commands.decode(str(people_run), str(codes), out=str(out))
    table = pyarrow.csv.read_csv(out) if suffix == ".csv" else pyarrow.parquet.read_table(out)
    assert table.column_names == ["key", "city", "age", "income"] and table.num_rows == 80
    assert table.column("key").to_pylist()[1] == "r001"
    assert set(table.column("city").to_pylist()) <= {"Rome", "Oslo", "Lima", None, ""}
    assert 10 < np.nanmean(np.array(table.column("age").to_pylist(), float)) < 70


def test_codes_that_do_not_fit_are_refused(digits_run, people_run, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((3, 9)))
    with pytest.raises(DataError, match="codes have 9 units"):
        commands.decode(str(digits_run), str(tmp_path / "wide.npy"), out=str(tmp_path / "back.npy"))
    with pytest.raises(DataError, match="was not learned on a table"):
        commands.decode(str(digits_run), str(tmp_path / "wide.npy"), out=str(tmp_path / "back.csv"))
    with pytest.raises(DataError, match="was learned on a table"):
        commands.decode(str(people_run), str(tmp_path / "wide.npy"), out=str(tmp_path / "back.npy"))
    (tmp_path / "words.csv").write_text("a,b\n1,x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"column 'b' of words.csv holds no numbers"):
        commands.decode(str(digits_run), str(tmp_path / "words.csv"), out=str(tmp_path / "back.npy"))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["wide.npy", "words.csv"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_classes_come_with_probabilities(suffix, classifier, tmp_path):
    out = tmp_path / f"labels{suffix}"
    commands.predict(str(classifier), "iris", out=str(out))
    table = pyarrow.csv.read_csv(out) if suffix == ".csv" else pyarrow.parquet.read_table(out)
    assert table.column_names == ["key", "label", "p_setosa", "p_versicolor", "p_virginica"]
    labels = np.array(table.column("label").to_pylist())
    assert (labels == load_data("iris").labels).mean() > 0.9
    chances = np.stack([table.column(name).to_numpy() for name in table.column_names[2:]], axis=1)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert (np.array(["setosa", "versicolor", "virginica"])[chances.argmax(axis=1)] == labels).all()
    assert [int(key) for key in table.column("key").to_pylist()] == list(range(150))


def test_numbers_are_predicted_and_an_unreadable_row_stays_empty(regressor, tmp_path):
    path, out = tmp_path / "rows.csv", tmp_path / "numbers.csv"
    path.write_text("a,b\n0.5,1\n1,2,3\n-1,0\n", encoding="utf-8")
    commands.predict(str(regressor), str(path), out=str(out))
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0] == '"key","number"' and lines[2] == "1,"
    np.testing.assert_allclose([float(lines[1].split(",")[1]), float(lines[3].split(",")[1])], [2.5, -2], atol=0.1)
    assert (tmp_path / "skipped.csv").read_text(encoding="utf-8").startswith("key,reason,output\n1,3 cells")


def test_whole_classes_are_printed_as_whole_numbers(tmp_path):
    from codelayer import Head, Headed, Pca

    x = np.random.default_rng(0).normal(size=(20, 3))
    head = Head("class", (0.0, 1.0), np.ones((2, 2), np.float32), np.zeros(2, np.float32))
    Headed(Pca(2).fit(x), head).save(tmp_path / "bundle")
    np.save(tmp_path / "x.npy", x)
    commands.predict(str(tmp_path / "bundle"), str(tmp_path / "x.npy"), out=str(tmp_path / "out.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["key", "label", "p_0", "p_1"] and set(table.column("label").to_pylist()) <= {"0", "1"}


def test_a_bundle_without_a_head_says_what_makes_one(digits_run, classifier, tmp_path):
    with pytest.raises(DataError, match=r"has no head.*\n  codelayer study --label makes one"):
        commands.predict(str(digits_run), "digits", out=str(tmp_path / "labels.csv"))
    with pytest.raises(BundleError, match="there is no bundle at"):
        commands.predict(str(tmp_path / "nothing"), "digits", out=str(tmp_path / "labels.csv"))
    with pytest.raises(DataError, match=r"ends in .csv or .parquet"):
        commands.predict(str(classifier), "iris", out=str(tmp_path / "labels.npy"))
