"""Streaming gives the rows that loading gives, in order, one for one, in small memory."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from PIL import Image

from codelayer.data import Schema, Table, load_data, readable, stream
from codelayer.errors import DataError

rng = np.random.default_rng(0)


def encoded(source, schema, rows=7):
    keys, parts = [], []
    for key, x in stream(source, schema, rows):
        assert len(key) <= rows
        keys += key.tolist()
        parts.append(schema.encode(x))
    return keys, np.concatenate(parts)


def same(source, schema=None):
    data = load_data(source)
    schema = schema or Schema.fit(data.x)
    keys, codes = encoded(source, schema)
    assert keys == np.asarray(data.keys).tolist()
    assert (codes == schema.encode(data.x)).all()


def test_array_files_stream_as_they_load(tmp_path):
    x = rng.normal(size=(50, 4)).astype(np.float32)
    np.save(tmp_path / "c.npy", x)
    np.save(tmp_path / "f.npy", np.asfortranarray(x))
    np.save(tmp_path / "b.npy", x.astype(">f8"))
    np.savez_compressed(tmp_path / "x.npz", x=x, y=np.arange(50) % 2)
    np.savez(tmp_path / "p.npz", x=rng.integers(0, 256, (20, 3, 3), dtype=np.uint8))
    sp.save_npz(tmp_path / "s.npz", sp.csr_matrix(np.where(x > 0, x, 0)))
    for name in ("c.npy", "f.npy", "b.npy", "x.npz", "p.npz", "s.npz"):
        same(tmp_path / name)
    same(x)
    same(Table({"a": x[:, 0], "b": [str(v > 0) for v in x[:, 1]]}))


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "frame"])
def test_tables_stream_as_they_load(tmp_path, ending):
    columns = {
        "order_id": [f"k{i}" for i in range(40)],
        "n": [None if i % 7 == 0 else i / 3 for i in range(40)],
        "c": [["x", "y", None][i % 3] for i in range(40)],
        "t": [f"2024-03-{1 + i % 28:02d} 10:00:00" for i in range(40)],
        "flag": ["True", "False"] * 20,
        "code": [str(i % 4) for i in range(40)],
    }
    table = pa.table(columns)
    path = tmp_path / f"t.{ending}"
    if ending == "parquet":
        pq.write_table(table, path)
    elif ending != "frame":
        with pa.output_stream(path) as sink:
            pyarrow.csv.write_csv(table, sink)
    same(table if ending == "frame" else path)


def test_a_broken_line_stays_a_row_of_missing_cells(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i}\n" if i % 10 != 3 else f"{i}\n" for i in range(44)))
    schema = Schema.fit(Table({"a": range(44), "b": range(44)}))
    source = stream(path, schema, 16)
    x = np.concatenate([batch.column("a") for _, batch in source])
    assert len(x) == 44
    assert np.flatnonzero(np.isnan(x)).tolist() == [3, 13, 23, 33, 43]
    assert [key for key, _ in source.skipped] == [3, 13, 23, 33, 43]
    assert len(list(source)) == 3


def test_odd_cells_are_missing_and_a_column_of_another_type_is_refused(tmp_path):
    schema = Schema.fit(Table({"a": range(9), "b": range(9)}))
    (tmp_path / "a.csv").write_text("a,b\n1,2\noops,3\n4,5\n")
    assert encoded(tmp_path / "a.csv", schema)[1][1, 0] == 0
    (tmp_path / "b.csv").write_text("a,b\nx,2\ny,3\n")
    with pytest.raises(DataError, match="column 'a' holds 'x'"):
        encoded(tmp_path / "b.csv", schema)


def test_an_unreadable_picture_is_a_row_of_nan(tmp_path):
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    schema = Schema.fit(load_data(tmp_path).x)
    (tmp_path / "2.png").write_bytes(b"broken")
    source = stream(tmp_path, schema, 3)
    batches = list(source)
    assert [key for keys, _ in batches for key in keys] == [f"{i}.png" for i in range(5)]
    assert readable(batches[0][1]).tolist() == [True, True, False]
    assert readable(batches[1][1]).all()
    assert [key for key, _ in source.skipped] == ["2.png"]
    good = batches[0][1][:2]
    assert (schema.encode(good) == schema.encode(good.astype(np.uint8))).all()
    (keys, x), *_ = stream(tmp_path / "0.png", schema)
    assert (keys.tolist(), x.shape) == (["0.png"], (1, 4, 4, 3))


def test_nan_in_a_later_batch_is_refused_with_its_row(tmp_path):
    x = rng.normal(size=(30, 2))
    x[23, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(DataError, match="NaN, first in row 23, column 1"):
        encoded(tmp_path / "x.npy", Schema.fit(x[:20]))


def test_another_kind_of_source_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match="fitted on an array, not on a table"):
        encoded(tmp_path / "a.csv", Schema.fit(rng.normal(size=(5, 2))))
    with pytest.raises(DataError, match="is not there"):
        encoded(tmp_path / "none.csv", Schema.fit(rng.normal(size=(5, 2))))
    with pytest.raises(DataError, match="batch_rows"):
        stream(np.zeros((2, 2)), Schema.fit(np.eye(2)), 0)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_memory_is_bounded_by_the_batch(tmp_path, ending):
    x = rng.normal(size=(100_000, 40)).astype(np.float32)
    path = tmp_path / f"x.{ending}"
    np.save(path, x) if ending == "npy" else np.savez(path, x=x)
    schema = Schema.fit(x[:100])
    tracemalloc.start()
    rows = sum(len(schema.encode(batch)) for _, batch in stream(path, schema, 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 100_000
    assert peak < x.nbytes / 4


@pytest.mark.skipif("CODELAYER_DATA" not in os.environ, reason="needs real data: CODELAYER_DATA is not set")
@pytest.mark.parametrize("name", ["tab_ai4i2020.parquet", "open_bandit_random_all.csv.gz"])
def test_real_tables_stream_as_they_load(name):
    path = os.path.join(os.environ["CODELAYER_DATA"], name)
    data = load_data(path)
    schema = Schema.fit(data.x)
    keys, codes = encoded(path, schema, 1000)
    assert keys == np.asarray(data.keys).tolist()
    assert (codes == schema.encode(data.x)).all()
