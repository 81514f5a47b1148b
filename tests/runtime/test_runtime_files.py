"""The runtime's commands: files of rows in, files of codes and answers out, or one message and nothing written."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from codelayer import bundle
from codelayer.data.tables import Table
from codelayer.learn.baselines import Pca
from codelayer.learn.heads import Head, Headed

X = np.random.default_rng(2).normal(size=(50, 4))
CELLS = {"size": [1.5, None, 3.0, 4.0, 2.5], "colour": ["red", "blue", None, "red", "new, one"],
         "day": ["2026-01-02T03:04", "2026-02-03", None, "2026-03-04", "2026-05-06T07:08"]}  # fmt: skip
RECORDS = [dict(zip(CELLS, row, strict=True)) for row in zip(*CELLS.values(), strict=True)]


@pytest.fixture
def made(tmp_path):
    """An array's code with a head for classes, and a table's with a head for numbers."""
    head = Head("class", ("a", "b"), np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    array = Headed(Pca(2).fit(X), head)
    days = np.array(["2026-01-02", "2026-02-03", "2026-03-09", "2026-04-01"] * 5, "datetime64[us]")
    sizes = [None if i == 3 else float(i) for i in range(20)]
    frame = Table({"size": sizes, "colour": ["red", "blue"] * 10, "day": days})
    number = Headed(Pca(2).fit(frame), Head("number", (), np.ones((2, 1), np.float32), np.ones(1, np.float32)))
    array.save(tmp_path / "array")
    number.save(tmp_path / "table.zip")
    return array, number


@pytest.fixture
def run(runtime):
    from codelayer_runtime.cli import main

    return lambda *words: main([str(word) for word in words])


def write_rows(folder, kind):
    """The table's rows as a file of a kind."""
    path = folder / f"rows.{kind}"
    if kind == "json":
        path.write_text(json.dumps(RECORDS))
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in RECORDS) + "\n\n")
    else:
        with open(path, "w", newline="", encoding="utf-8-sig") as file:
            lines = csv.writer(file, delimiter="\t" if kind == "tsv" else ",")
            lines.writerow(["extra", *CELLS])
            lines.writerows([i, *["" if one is None else one for one in row.values()]] for i, row in enumerate(RECORDS))
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl"])
def test_tables_are_read_from_text_and_json_as_codelayer_reads_them(made, run, tmp_path, kind):
    out = tmp_path / "codes.npy"
    assert run("encode", tmp_path / "table.zip", write_rows(tmp_path, kind), "--out", out) == 0
    days = np.array([one or "NaT" for one in CELLS["day"]], "datetime64[us]")
    wanted = made[1].transform(Table(CELLS | {"day": days}))
    np.testing.assert_allclose(np.load(out, allow_pickle=False), wanted, atol=1e-5)
    assert run("predict", tmp_path / "table.zip", tmp_path / f"rows.{kind}", "--out", tmp_path / "n.csv") == 0
    lines = list(csv.DictReader((tmp_path / "n.csv").read_text().splitlines()))
    np.testing.assert_allclose([float(one["number"]) for one in lines], wanted.sum(1) + 1, rtol=1e-5)
    assert [one["key"] for one in lines] == list("01234")


def test_columns_that_are_not_there_are_told(made, run, tmp_path, capsys):
    rows = tmp_path / "short.jsonl"
    rows.write_text('{"colour": "red"}\n{"colour": "blue"}\n')
    assert run("encode", tmp_path / "table.zip", rows, "--out", tmp_path / "codes.npy") == 0
    assert "has no size, day: counted as missing" in capsys.readouterr().err
    assert run("encode", tmp_path / "table.zip", write_rows(tmp_path, "csv"), "--out", tmp_path / "codes.npy") == 0
    assert capsys.readouterr().err == "note: column 'colour' holds an unseen category in 1 of 5 rows\n"


def test_cells_that_mean_nothing_are_counted_over_all_blocks(made, run, runtime, tmp_path, capsys, monkeypatch):
    lines = ["size,colour,day", "1,red,2026-01-02", "many,green,2026-01-02", "3,green,2026-01-02", ",,2026-01-02"]
    (tmp_path / "odd.csv").write_text("\n".join([*lines, *["2,blue,2026-01-02"] * 3]) + "\n")
    monkeypatch.setattr(runtime.model.Model, "block_rows", 4)
    assert run("encode", tmp_path / "table.zip", tmp_path / "odd.csv", "--out", tmp_path / "codes.npy") == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "note: column 'colour' holds an unseen category in 2 of 7 rows",
        "note: column 'size' holds no number in 1 of 7 rows: counted as missing",
    ]


def test_the_folder_of_a_study_stands_for_what_is_in_it(made, run, tmp_path):
    made[1].save(tmp_path / "study" / "bundle")
    rows = write_rows(tmp_path, "csv")
    for place in ("study", "study/bundle"):
        assert run("predict", tmp_path / place, rows, "--out", tmp_path / f"{Path(place).name}.csv") == 0
    assert (tmp_path / "study.csv").read_bytes() == (tmp_path / "bundle.csv").read_bytes()


@pytest.mark.parametrize("header", [True, False])
def test_arrays_are_read_from_npy_csv_and_json(made, run, tmp_path, header):
    np.save(tmp_path / "x.npy", X)
    text = "\n".join(",".join(map(repr, row)) for row in X.tolist())
    (tmp_path / "x.csv").write_text(("a,b,c,d\n" if header else "") + text)
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in X.tolist()))
    (tmp_path / "x.json").write_text(json.dumps([{f"x{i}": one for i, one in enumerate(row)} for row in X.tolist()]))
    for data in ("x.npy", "x.csv", "x.jsonl", "x.json"):
        assert run("encode", tmp_path / "array", tmp_path / data, "--out", tmp_path / "z.csv") == 0
        lines = list(csv.reader((tmp_path / "z.csv").read_text().splitlines()))
        assert lines[0] == ["key", "unit0", "unit1"]
        codes = np.array(lines[1:], float)[:, 1:]
        np.testing.assert_allclose(codes, made[0].transform(X), rtol=1e-5, atol=1e-6)
    if header:  # by name, whatever stands beside them
        mixed = [["x3", "other", "x0", "x2", "x1"], *[[d, "text", a, c, b] for a, b, c, d in X.tolist()]]
        (tmp_path / "m.csv").write_text("\n".join(",".join(map(str, row)) for row in mixed))
        assert run("encode", tmp_path / "array", tmp_path / "m.csv", "--out", tmp_path / "m.npy") == 0
        np.testing.assert_allclose(np.load(tmp_path / "m.npy"), made[0].transform(X), rtol=1e-5, atol=1e-6)
    assert run("predict", tmp_path / "array", tmp_path / "x.npy", "--out", tmp_path / "p.csv") == 0
    lines = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert [one["label"] for one in lines] == made[0].predict(X).tolist() and list(lines[0])[2:] == ["p_a", "p_b"]
    assert run("predict", tmp_path / "array", tmp_path / "x.npy", "--out", tmp_path / "p.npy") == 0
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), made[0].predict_proba(X), atol=1e-6)


def test_files_larger_than_a_block_come_out_row_for_row(made, run, runtime, tmp_path, monkeypatch):
    from codelayer_runtime.model import Model

    monkeypatch.setattr(Model, "block_rows", 7)
    np.save(tmp_path / "x.npy", X)
    assert run("encode", tmp_path / "array", tmp_path / "x.npy", "--out", tmp_path / "z.npy") == 0
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), made[0].transform(X), atol=1e-6)


BAD = {
    "gone.npy": (None, "there is no file"),
    "x.parquet": (b"", "is not read"),
    "cut.npy": (b"\x93NUMPY\x01\x00", "is not a NumPy array"),
    "empty.csv": (b"", "has no rows"),
    "header.csv": (b"a,b,c,d\n", "has no rows"),
    "short.csv": (b"1,2,3,4\n1,2,3\n", "line 2 of .* has 3 cells where 4"),
    "text.csv": (b"1,2,3,4\n1,2,3,x\n", "line 2 of .* something else than numbers"),
    "latin.csv": (b"\xff\xfe1,2\n", "cannot be read"),
    "wide.csv": (b"1,2,3,4,5\n", r"\(n, 5\)"),
    "nan.csv": (b"1,2,3,nan\n", "NaN"),
    "deep.json": (b"[" * 100_000, "cannot be read"),
    "object.json": (b"{}", "not an array of rows"),
    "cut.jsonl": (b'{"x0": 1', "cannot be read"),
    "number.jsonl": (b"3\n", "is no object"),
    "few.jsonl": (b'{"x0": 1}\n', "lacks 'x1'"),
    "odd.jsonl": (b'{"x": ["a", 1, 2, 3]}\n', "something else than the numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_rows_that_cannot_be_used_are_named_and_nothing_is_written(made, run, tmp_path, capsys, name):
    data, words = BAD[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    before = {one.name for one in tmp_path.iterdir()}
    for out in ("z.npy", "z.csv"):
        assert run("encode", tmp_path / "array", tmp_path / name, "--out", tmp_path / out) == 2
        assert re.search(f"(?s)error: .*{words}", capsys.readouterr().err)
    assert {one.name for one in tmp_path.iterdir()} == before


def test_objects_in_an_array_are_never_unpickled(made, run, tmp_path, capsys):
    np.save(tmp_path / "o.npy", np.array([[print, "unpickled"]], dtype=object), allow_pickle=True)
    assert run("encode", tmp_path / "array", tmp_path / "o.npy", "--out", tmp_path / "z.npy") == 2
    assert "array of objects" in capsys.readouterr().err


def test_a_wrong_output_a_missing_head_and_a_missing_bundle_are_told(made, run, tmp_path, capsys):
    np.save(tmp_path / "x.npy", X)
    made[0].code.save(tmp_path / "code")
    for words, told in (
        (("encode", tmp_path / "array", tmp_path / "x.npy", "--out", tmp_path / "z.txt"), "cannot be written"),
        (("encode", tmp_path / "array", tmp_path / "x.npy", "--out", tmp_path / "x.npy"), "the very file"),
        (("predict", tmp_path / "code", tmp_path / "x.npy", "--out", tmp_path / "z.csv"), "has no head"),
        (("encode", tmp_path / "nothing", tmp_path / "x.npy", "--out", tmp_path / "z.csv"), "no bundle at"),
    ):
        assert run(*words) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(SystemExit) as wrong:
        run("nonsense")
    assert wrong.value.code == 2


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("kind", ["array", "table.zip"])
def test_whole_numbers_of_very_many_digits_are_told(made, run, tmp_path, capsys, digits, kind):
    row = '{"x0": 1, "x1": 2, "x2": 3, "x3": N}' if kind == "array" else '{"size": N, "colour": "red", "day": null}'
    for end in ("json", "jsonl"):
        text = row.replace("N", "9" * digits)
        (tmp_path / f"rows.{end}").write_text(f"[{text}]" if end == "json" else text)
        done = run("encode", tmp_path / kind, tmp_path / f"rows.{end}", "--out", tmp_path / "z.npy")
        said = capsys.readouterr().err
        assert done == 2 and said.startswith("error: ") and not (tmp_path / "z.npy").exists()


def test_an_onnx_form_of_another_width_or_type_is_told(made, run, tmp_path, capsys):
    from onnx import TensorProto, helper

    np.save(tmp_path / "x.npy", X)
    made[0].code.save(tmp_path / "code")
    for width, kind in ((7, TensorProto.FLOAT), (4, TensorProto.DOUBLE), (4, TensorProto.STRING)):
        infos = [helper.make_tensor_value_info(name, kind, ["n", width]) for name in ("x", "code")]
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["code"])], "g", infos[:1], infos[1:])
        form = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        bundle.attach(tmp_path / "code", "model.onnx", form.SerializeToString())
        words = ("encode", tmp_path / "code", tmp_path / "x.npy", "--out", tmp_path / "z.npy", "--engine", "onnx")
        assert run(*words) == 2
        assert "model.onnx in" in capsys.readouterr().err
