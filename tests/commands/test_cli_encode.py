"""`encode`: one row of codes for every row that came in, whatever the source and the kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from scipy import sparse

import codelayer
from codelayer import DataError, Pca, commands
from codelayer.data import load_data
from codelayer.data.codefiles import read_codes
from codelayer.learn.streaming import Coding, batch_rows


def encoded(bundle: Path, data: object, out: Path) -> np.ndarray:
    commands.encode(str(bundle), str(data), out=str(out))
    return read_codes(out)[1]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".csv"])
def test_every_kind_of_file_holds_the_codes_of_transform(suffix, digits_run, tmp_path):
    codes = encoded(digits_run, "digits", tmp_path / f"codes{suffix}")
    wanted = codelayer.load(digits_run).transform(load_data("digits").x)
    assert codes.astype(np.float32).tobytes() == wanted.tobytes()
    assert [one.name for one in tmp_path.iterdir()] == [f"codes{suffix}"]


def test_npz_is_csr_as_scipy_reads_it_and_dense_codes_get_a_note(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(500, 6))
    np.save(tmp_path / "x.npy", x)
    run = tmp_path / "run"
    commands.learn(str(tmp_path / "x.npy"), out=str(run), objective="topk(1)", net="mlp(8)", code_size=6, epochs=1)
    capsys.readouterr()
    commands.encode(str(run), str(tmp_path / "x.npy"), out=str(tmp_path / "codes.npz"))
    codes = sparse.load_npz(tmp_path / "codes.npz")
    assert codes.format == "csr" and codes.shape == (500, 6) and codes.nnz <= 500
    assert codes.toarray().tobytes() == codelayer.load(run).transform(x).tobytes()
    assert "not sparse" not in capsys.readouterr().out
    Pca(2).fit(x).save(tmp_path / "pca")
    commands.encode(str(tmp_path / "pca"), str(tmp_path / "x.npy"), out=str(tmp_path / "dense.npz"))
    assert "100% of the entries are not zero" in capsys.readouterr().out


def test_keys_travel_with_the_codes(people_run, people_csv, pictures, tmp_path):
    encoded(people_run, people_csv, tmp_path / "a.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["key", "unit0", "unit1", "unit2"]
    assert table.column("key").to_pylist()[:2] == ["r000", "r001"]
    encoded(people_run, people_csv, tmp_path / "a.csv")
    assert pyarrow.csv.read_csv(tmp_path / "a.csv").column("key").to_pylist()[-1] == "r079"


def test_a_column_that_was_left_out_on_purpose_is_nothing_new(tmp_path, capsys):
    path, run = tmp_path / "rows.csv", tmp_path / "run"
    path.write_text("a,b,kind,who,late\n" + "".join(f"{i},{i % 7},{i % 2},{i % 3},{i}\n" for i in range(60)))
    options = {"label": "kind", "group": "who", "drop": ["late"], "epochs": 1, "code_size": 2}
    commands.learn(str(path), out=str(run), **options)
    capsys.readouterr()
    commands.encode(str(run), str(path), out=str(tmp_path / "codes.npy"))
    commands.reconstruct(str(run), str(path), out=str(tmp_path / "clean.csv"))
    assert "note:" not in capsys.readouterr().out


def test_what_differs_from_training_is_told_and_the_work_goes_on(people_run, tmp_path, capsys):
    path = tmp_path / "new.csv"
    path.write_text("age,city,shoe\n30,Paris,41\n40,Rome,42\n,Paris,43\n", encoding="utf-8")
    codes = encoded(people_run, path, tmp_path / "codes.npy")
    told = capsys.readouterr().out
    assert codes.shape == (3, 3) and np.isfinite(codes).all()
    assert "3 rows of 3 units" in told
    assert "note: column 'income' is not there and counts as missing" in told
    assert "note: column 'shoe' is new and was passed over" in told
    assert "note: column 'city' holds an unseen category in 2 of 3 rows" in told


def test_a_column_of_another_type_is_refused_and_leaves_nothing(people_run, tmp_path):
    path, out = tmp_path / "bad.csv", tmp_path / "out" / "codes.npy"
    path.write_text("age,city\n" + "\n".join(f"year {i},Rome" for i in range(5)) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="column 'age' holds 'year 0'"):
        commands.encode(str(people_run), str(path), out=str(out))
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".csv"])
def test_a_broken_line_is_nan_and_listed(suffix, people_run, people_csv, tmp_path, capsys):
    lines = people_csv.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "broken.csv"
    path.write_text("\n".join([*lines[:4], "only,two", *lines[4:]]) + "\n", encoding="utf-8")
    codes = encoded(people_run, path, tmp_path / f"codes{suffix}")
    assert np.flatnonzero(np.isnan(codes).all(axis=1)).tolist() == [3]
    good = np.delete(codes, 3, axis=0).astype(np.float32)
    np.testing.assert_allclose(good, encoded(people_run, people_csv, tmp_path / "whole.npy"), atol=1e-6)
    assert "note: 1 row without a result, first 3 (2 cells where 5 were expected): see" in capsys.readouterr().out


def test_an_unreadable_picture_is_nan_and_listed_until_it_is_mended(pictures, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "out" / "codes.parquet"
    commands.learn(str(pictures), out=str(run), net="mlp(8)", code_size=2, epochs=1)
    codes = encoded(run, pictures, out)
    keys = read_codes(out)[0]
    assert keys is not None and len(codes) == 12
    assert keys[np.isnan(codes).any(axis=1)].tolist() == ["cat/04.png"]
    listed = (out.parent / "skipped.csv").read_text(encoding="utf-8").splitlines()
    assert listed[0] == "key,reason,output" and listed[1].startswith("cat/04.png,") and len(listed) == 2
    encoded(run, pictures / "dog", out.parent / "other.npy")  # a good output leaves the list of another alone
    assert (out.parent / "skipped.csv").read_text(encoding="utf-8").splitlines() == listed
    encoded(run, pictures, out.parent / "other.npy")
    assert len((out.parent / "skipped.csv").read_text(encoding="utf-8").splitlines()) == 3
    encoded(run, pictures / "dog", out.parent / "other.npy")
    assert (out.parent / "skipped.csv").read_text(encoding="utf-8").splitlines() == listed
    encoded(run, pictures / "dog", out)
    assert not (out.parent / "skipped.csv").exists()
    (out.parent / "skipped.csv").write_text("mine\n", encoding="utf-8")
    encoded(run, pictures / "dog" / "01.png", out)
    assert (out.parent / "skipped.csv").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_sources_longer_than_a_batch_come_in_order(suffix, tmp_path):
    x = np.random.default_rng(3).normal(size=(9000, 3)).astype(np.float32)
    coder = Pca(2).fit(x)
    coder.save(tmp_path / "pca")
    source = tmp_path / f"x{suffix}"
    if suffix == ".csv":
        coder = Pca(2).fit(codelayer.Table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}))
        coder.save(tmp_path / "pca.zip")
        np.savetxt(source, x, delimiter=",", header="a,b,c", comments="", fmt="%.9g")
        got = encoded(tmp_path / "pca.zip", source, tmp_path / "codes.npy")
        x = load_data(str(source)).x
    else:
        if suffix == ".npy":
            np.save(source, x)
        else:
            sparse.save_npz(source, sparse.csr_matrix(x))
        got = encoded(tmp_path / "pca", source, tmp_path / "codes.npy")
    assert batch_rows(coder) < 9000
    assert got.tobytes() == coder.transform(x).tobytes()


def test_one_row_is_enough_to_code_but_none_is_refused(people_run, tmp_path):
    (tmp_path / "one.csv").write_text("age,city,income\n30,Rome,9\n", encoding="utf-8")
    assert encoded(people_run, tmp_path / "one.csv", tmp_path / "one.npy").shape == (1, 3)
    (tmp_path / "none.csv").write_text("age,city,income\n", encoding="utf-8")
    with pytest.raises(DataError, match="no rows below its header"):
        commands.encode(str(people_run), str(tmp_path / "none.csv"), out=str(tmp_path / "none.npy"))
    x = np.zeros((4, 2))
    Pca(1).fit(np.eye(4, 2)).save(tmp_path / "pca")
    np.save(tmp_path / "x.npy", x[:0])
    with pytest.raises(DataError, match="has no rows"):
        commands.encode(str(tmp_path / "pca"), str(tmp_path / "x.npy"), out=str(tmp_path / "none.npy"))
    assert not (tmp_path / "none.npy").exists()


def test_outputs_that_cannot_be_are_refused(digits_run, tmp_path):
    x = tmp_path / "x.npy"
    np.save(x, np.zeros((3, 8, 8, 1)))
    (tmp_path / "folder.npy").mkdir()
    for out, told in (
        ("codes.txt", "ends in .npy or .npz or .csv or .parquet"),
        ("x.npy", "is the very file that is read"),
        ("folder.npy", "is a folder"),
        ("x.npy/codes.npy", "cannot be written"),
    ):
        with pytest.raises(DataError, match=told):
            commands.encode(str(digits_run), str(x), out=str(tmp_path / out))
    assert np.load(x).shape == (3, 8, 8, 1)


def test_an_array_of_another_width_or_with_nan_is_refused(tmp_path):
    Pca(1).fit(np.eye(4, 2)).save(tmp_path / "pca")
    for name, x, told in (("wide", np.zeros((3, 5)), r"shape \(n, 5\)"), ("nan", np.full((3, 2), np.nan), "holds NaN")):
        np.save(tmp_path / f"{name}.npy", x)
        with pytest.raises(DataError, match=told):
            commands.encode(str(tmp_path / "pca"), str(tmp_path / f"{name}.npy"), out=str(tmp_path / "codes.npy"))
    assert not (tmp_path / "codes.npy").exists()


def test_a_source_is_never_held_whole(tmp_path):
    source = tmp_path / "x.npy"
    np.save(source, np.zeros((20_000, 4), np.float32))
    coding = Coding(Pca(2).fit(np.eye(8, 4)), str(source))
    sizes = [len(codes) for _, codes in coding]
    assert sum(sizes) == 20_000 and max(sizes) == batch_rows(coding.coder) == 4096
