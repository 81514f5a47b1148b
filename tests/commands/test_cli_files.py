"""Files that grow row by row hold what was written, whatever the batches, and appear only when they are whole."""

from __future__ import annotations

import itertools
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from codelayer import DataError
from codelayer.data.codefiles import ArrayFile, SparseFile, TableFile, code_batches, code_table, read_codes

VALUES = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, np.nan])
CODES = arrays.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=VALUES)


def write(path: Path, codes: np.ndarray, cuts: list[int]) -> None:
    places = sorted({0, len(codes), *(cut % len(codes) for cut in cuts)})
    kind = {".npy": ArrayFile, ".npz": SparseFile}.get(path.suffix, TableFile)
    with kind(path) as file:
        for start, stop in itertools.pairwise(places):
            part = codes[start:stop]
            if kind is TableFile:
                units = {f"unit{i}": unit for i, unit in enumerate(part.T)}
                file.write(code_table(range(start, stop), units, path.suffix == ".csv"))
            else:
                file.write(part)
    assert file.rows == len(codes)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".csv"])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(codes=CODES, cuts=st.lists(st.integers(0, 40), max_size=3), rows=st.integers(1, 50))
def test_what_was_written_is_read_back_in_any_batches(tmp_path_factory, suffix, codes, cuts, rows):
    path = tmp_path_factory.mktemp("files") / f"codes{suffix}"
    write(path, codes, cuts)
    keys, back = read_codes(path)
    np.testing.assert_array_equal(back.astype(np.float32), codes)
    np.testing.assert_array_equal(np.concatenate([part for _, part in code_batches(path, rows)]), back)
    assert max(len(part) for _, part in code_batches(path, rows)) <= rows
    assert (keys is None) == (suffix in (".npy", ".npz"))
    if suffix == ".npy":
        assert np.load(path, mmap_mode="r").dtype == np.float32
    if suffix == ".npz":
        np.testing.assert_array_equal(sparse.load_npz(path).toarray(), codes)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", [ArrayFile, SparseFile])
def test_an_error_on_the_way_leaves_the_old_file_and_nothing_else(kind, tmp_path):
    path = tmp_path / "codes.npy"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), kind(path) as file:
        file.write(np.ones((3, 2), np.float32))
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and [one.name for one in tmp_path.iterdir()] == ["codes.npy"]


def test_arrays_of_any_shape_and_type_grow(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (7, 4, 3, 2), np.uint8)
    with ArrayFile(tmp_path / "x.npy") as file:
        for part in (x[:3], x[3:3], x[3:]):
            file.write(part)
    back = np.load(tmp_path / "x.npy")
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, x)


def test_a_column_that_is_empty_in_the_first_batch_keeps_its_type(tmp_path):
    with TableFile(tmp_path / "x.parquet") as file:
        file.write(pa.table({"a": pa.array([None, None], pa.string())}))
        file.write(pa.table({"a": pa.array(["x"])}))
    assert pa.parquet.read_table(tmp_path / "x.parquet").column("a").to_pylist() == [None, None, "x"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "u,v\n1,2\n3\n", "row 1 of a.csv has 1 cells"),
        ("a.csv", "u,v\n1,word\n", "column 'v' of a.csv holds no numbers"),
        ("a.csv", "key\nx\n", "no columns of codes"),
        ("a.csv", "", "is empty"),
        ("a.npy", "not numpy", "is not a NumPy array"),
        ("a.txt", "1", "is no file of codes"),
        ("a.parquet", "PAR1", "cannot be read"),
    ],
)
def test_files_that_are_no_codes_are_refused(name, content, told, tmp_path):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_codes(tmp_path / name)


def test_a_csv_without_keys_and_with_gaps_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("u,v\n1,\n3,4.5\n", encoding="utf-8")
    keys, codes = read_codes(tmp_path / "a.csv")
    assert keys is None
    np.testing.assert_array_equal(codes, [[1, np.nan], [3, 4.5]])
