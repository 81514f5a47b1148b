"""Every source loads whole, and bad input gets one clear sentence."""

from __future__ import annotations

import gzip
import os
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from PIL import Image

from codelayer.data import Data, Schema, Table, load_data
from codelayer.errors import DataError

rng = np.random.default_rng(0)
stored = pytest.mark.skipif("CODELAYER_DATA" not in os.environ, reason="needs real data: CODELAYER_DATA is not set")


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_the_embedded_sets_load_by_name():
    digits = load_data("digits")
    assert digits.x.shape == (1797, 8, 8, 1)
    assert digits.x.dtype == np.float32
    assert (digits.x.min(), digits.x.max()) == (0, 1)
    assert set(digits.labels) == set(range(10))
    assert load_data("iris").labels[0] == "setosa"
    assert load_data("diabetes").labels.dtype == np.float64
    assert len(load_data("wine").x.names) == 13
    assert load_data("breast_cancer", drop=["mean radius"]).x.names[0] == "mean texture"


@stored
def test_mnist_is_its_training_part_with_labels():
    data = load_data("mnist")
    assert data.x.shape == (60000, 28, 28)
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]


@stored
@pytest.mark.parametrize(
    ("name", "label", "rows"),
    [("tab_electricity.parquet", "class", 45312), ("coupon.csv.gz", "Y", 12684), ("hillstrom.csv.gz", "visit", 64000)],
)
def test_real_tables_load(name, label, rows):
    data = load_data(os.path.join(os.environ["CODELAYER_DATA"], name), label=label)
    assert len(data) == len(data.labels) == len(data.keys) == rows
    assert label not in data.x.names
    assert np.isfinite(Schema.fit(data.x).encode(data.x)).all()


def test_a_csv_with_all_its_oddities_loads(tmp_path):
    lines = '\ufeff"size, cm",Größe,ok,when,y\r\n' + "".join(
        f'{i}.5,"ro""t, {i % 3}\nzwei",{i % 2 == 0},2024-05-{1 + i % 28:02d},{"" if i < 3 else i % 2}\r\n'
        for i in range(40)
    )
    data = load_data(write(tmp_path, "a.csv", lines), label="y")
    assert data.x.names == ["size, cm", "Größe", "ok", "when"]
    assert data.x.kinds == {"size, cm": "numeric", "Größe": "category", "ok": "category", "when": "time"}
    assert data.x.column("Größe")[1] == 'ro"t, 1\nzwei'
    assert np.isnan(data.labels[:3]).all()
    assert set(data.labels[3:]) == {0, 1}
    assert "3 of 40 rows are unlabelled" in data.notes


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz"])
def test_text_tables_in_all_packings_are_equal(tmp_path, ending):
    text = "a,b\n" + "".join(f"{i},{'xyz'[i % 3]}\n" for i in range(30))
    text = text.replace(",", "\t") if ending == "tsv" else text
    data = load_data(write(tmp_path, f"t.{ending}", gzip.compress(text.encode()) if ending.endswith("gz") else text))
    assert data.name == "t"
    assert data.x.column("a").tolist() == list(range(30))
    assert data.x.column("b").tolist() == list("xyz") * 10


def test_other_encodings_and_semicolons_are_read(tmp_path):
    text = "a;süß\n" + "".join(f"{i},5;é\n" for i in range(30))
    latin = load_data(write(tmp_path, "l.csv", text.encode("latin-1")))
    assert latin.x.names == ["a", "süß"]
    assert "not UTF-8" in latin.notes[0]
    wide = load_data(write(tmp_path, "w.csv", text.replace(",5", "").encode("utf-16")))
    assert wide.x.names == ["a", "süß"]
    assert wide.x.column("a").tolist() == list(range(30))


def test_a_csv_without_header_keeps_its_first_row(tmp_path):
    data = load_data(write(tmp_path, "n.csv", "5.1,3.5\n4.9,3.0\n4.7,3.2\n"))
    assert len(data) == 3
    assert data.x.names == ["column 1", "column 2"]
    assert "no header" in data.notes[0]


def test_a_broken_line_is_left_out_named_and_the_keys_keep_their_numbers(tmp_path):
    data = load_data(write(tmp_path, "b.csv", "a,b\n1,2\n3\n4,5\n6,7,8\n9,1\n"))
    assert data.x.column("a").tolist() == [1, 4, 9]
    assert data.keys.tolist() == [0, 2, 4]
    assert [key for key, _ in data.skipped] == [1, 3]
    assert "2 lines were left out" in data.notes[0]


def test_duplicate_column_names_are_told_apart(tmp_path):
    data = load_data(write(tmp_path, "d.csv", "a,a,b\n" + "1,2.5,x\n2,3.5,y\n" * 10))
    assert data.x.names == ["a", "a.1", "b"]
    assert any("a.1" in note for note in data.notes)


def test_groups_times_drops_and_ids_are_set_aside(tmp_path):
    text = "sample_id,who,when,v,w,y\n" + "".join(
        f"k{i},{'pq'[i % 2]},2024-01-{i + 1:02d},{i * 1.5},7.{i},{i % 3}\n" for i in range(20)
    )
    data = load_data(write(tmp_path, "g.csv", text), label="y", group="who", time="when", drop=["w"])
    assert data.x.names == ["sample_id", "v"]
    assert data.keys[:2].tolist() == ["k0", "k1"]
    assert data.groups[:2].tolist() == ["p", "q"]
    assert data.times[0] == np.datetime64("2024-01-01")
    assert Schema.fit(data.x).notes == ("column 'sample_id' is an id and was left out",)
    some = data.take(np.array([3, 1]))
    assert (some.keys.tolist(), some.labels.tolist(), len(some)) == (["k3", "k1"], [0, 1], 2)


def test_arrays_files_and_sparse_rows_load(tmp_path):
    x, y = rng.normal(size=(10, 3)).astype(np.float32), np.arange(10) % 2
    np.save(tmp_path / "x.npy", x)
    np.savez_compressed(tmp_path / "xy.npz", x=x, y=y, other=y)
    sp.save_npz(tmp_path / "s.npz", sp.csr_matrix(x))
    assert (load_data(str(tmp_path / "x.npy")).x == x).all()
    dense = load_data(tmp_path / "xy.npz")
    assert (dense.x == x).all()
    assert dense.labels.tolist() == y.tolist()
    assert load_data(tmp_path / "xy.npz", label="other", group="y").groups.tolist() == y.tolist()
    sparse = load_data(tmp_path / "s.npz")
    assert sp.issparse(sparse.x)
    assert (sparse.x.toarray() == x).all()
    np.save(tmp_path / "f.npy", np.asfortranarray(x))
    assert (load_data(tmp_path / "f.npy").x == x).all()


def test_arrays_tensors_frames_and_data_pass_through():
    x = rng.normal(size=(5, 2))
    assert load_data(x).x is x
    assert load_data(x.tolist()).x.shape == (5, 2)
    assert load_data(x, label=["a", "b", None, "", "a"]).labels.tolist() == ["a", "b", None, None, "a"]
    assert isinstance(load_data(pa.table({"a": [1.0, 2.0]})).x, Table)
    data = Data(x)
    assert load_data(data) is data


@pytest.mark.parametrize("ending", ["csv", "txt", "npy", "npz", "parquet", "headless"])
def test_a_file_of_labels_is_read_row_for_row(tmp_path, ending):
    x, labels = rng.normal(size=(6, 2)), ["b", "a", "b", "a", "a", "b"]
    path = tmp_path / f"labels.{ending}"
    if ending == "npy":
        np.save(path, np.array(labels))
    elif ending == "npz":
        np.savez(path, y=np.array(labels))
    elif ending == "parquet":
        pq.write_table(pa.table({"key": range(6), "label": labels}), path)
    else:
        path.write_text(("" if ending == "headless" else "label\n") + "\n".join(labels) + "\n")
    assert load_data(x, label=str(path)).labels.tolist() == labels


def test_minus_one_is_unlabelled_only_among_whole_numbers_of_zero_and_more():
    x = rng.normal(size=(4, 2))
    data = load_data(x, label=np.array([-1, 0, 1, -1]))
    assert np.isnan(data.labels).tolist() == [True, False, False, True]
    assert "2 labels are -1" in data.notes[0]
    for kept in ([-1, 1, -1, 1], [-1, -2, 0, 1], [-1, 0.5, 1, 2]):
        assert load_data(x, label=np.array(kept)).labels.tolist() == kept
    none = load_data(x, label=[None] * 4)
    assert none.labels is None
    assert "no row has a label" in none.notes


def picture(path, size=(6, 4), mode="RGB", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8), mode=None).save(path)


def test_a_folder_of_pictures_is_labelled_by_its_folders_and_a_corrupt_one_is_named(tmp_path):
    for i in range(3):
        picture(tmp_path / "cats" / f"{i}.png", seed=i)
        picture(tmp_path / "dogs" / "deep" / f"{i}.bmp", seed=i + 9)
    picture(tmp_path / "dogs" / "large.png", size=(12, 8))
    (tmp_path / "dogs" / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "dogs" / ".hidden.png").write_bytes(b"")
    (tmp_path / "dogs" / "cut.png").write_bytes((tmp_path / "cats" / "0.png").read_bytes()[:60])
    data = load_data(tmp_path)
    assert data.x.shape == (7, 4, 6, 3)
    assert data.x.dtype == np.uint8
    assert data.keys.tolist()[0] == "cats/0.png"
    assert data.labels.tolist() == ["cats"] * 3 + ["dogs"] * 4
    assert sorted(key for key, _ in data.skipped) == ["dogs/bad.jpg", "dogs/cut.png"]
    assert all(reason and str(tmp_path) not in reason for _, reason in data.skipped)
    assert any("1 of" in note and "6 x 4" in note for note in data.notes)


def test_grey_pictures_have_one_channel(tmp_path):
    for i in range(3):
        picture(tmp_path / f"{i}.png", mode="L", seed=i)
    Image.fromarray(np.full((4, 6), 65535, np.uint16)).save(tmp_path / "deep.png")
    data = load_data(tmp_path)
    assert data.x.shape == (4, 4, 6, 1)
    assert (data.x[3] == 255).all()
    assert data.labels is None


def test_a_picture_of_absurd_size_is_skipped_before_it_is_unpacked(tmp_path):
    for i in range(3):
        picture(tmp_path / f"{i}.png", seed=i)
    header = (tmp_path / "0.png").read_bytes()
    import struct
    import zlib

    size = struct.pack(">II", 40000, 40000) + header[24:29]
    bomb = header[:16] + size + struct.pack(">I", zlib.crc32(b"IHDR" + size)) + header[33:]
    (tmp_path / "z.png").write_bytes(bomb)
    data = load_data(tmp_path)
    assert len(data) == 3
    assert data.skipped[0][0] == "z.png"


def _truncated_parquet(folder):
    pq.write_table(pa.table({"a": range(1000)}), folder / "t.parquet")
    (folder / "t.parquet").write_bytes((folder / "t.parquet").read_bytes()[:-40])
    return folder / "t.parquet"


def _npy(folder, x, **options):
    np.save(folder / "x.npy", x, **options)
    return folder / "x.npy"


def _npz(folder, **arrays):
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


def _short_npy(folder):
    _npy(folder, np.zeros((100, 10)))
    (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:-8])
    return folder / "x.npy"


def _bomb(folder):
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (300000000, 1), }"
    head = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    with zipfile.ZipFile(folder / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(head)
        for _ in range(300):
            member.write(bytes(10**6))
    return folder / "b.npz"


def _liar(folder):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000, 100), }"
    return write(folder, "l.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(64))


def _damaged_npz(folder):
    np.savez_compressed(folder / "d.npz", x=rng.normal(size=(200, 20)))
    data = bytearray((folder / "d.npz").read_bytes())
    data[3000:3100] = bytes(100)
    return write(folder, "d.npz", bytes(data))


def _bad_sparse(folder):
    np.savez(
        folder / "s.npz",
        data=np.ones(2),
        indices=np.array([0, 99]),
        indptr=np.array([0, 1, 2]),
        shape=np.array([2, 3]),
        format=np.array(b"csr"),
    )
    return folder / "s.npz"


REFUSED = {
    "an empty file": (lambda f: write(f, "a.csv", ""), {}, "is empty"),
    "an empty gz": (lambda f: write(f, "a.csv.gz", gzip.compress(b"")), {}, "is empty"),
    "a header alone": (lambda f: write(f, "a.csv", "a,b\n"), {}, "no rows below its header"),
    "one row": (lambda f: write(f, "a.csv", "a,b\n1,2\n"), {}, "has one row"),
    "an unknown label": (lambda f: write(f, "a.csv", "size,b\n1,2\n3,4\n"), {"label": "sise"}, "did you mean 'size'"),
    "an unknown drop": (lambda f: write(f, "a.csv", "a,b\n1,2\n3,4\n"), {"drop": ["c"]}, "no column is called 'c'"),
    "an unknown group": (lambda f: write(f, "a.csv", "a,b\n1,2\n3,4\n"), {"group": "c"}, "no column is called 'c'"),
    "equal labels": (lambda f: write(f, "a.csv", "a,b\n1,2\n3,2\n"), {"label": "b"}, "all labels are equal \\('2'\\)"),
    "no column left": (lambda f: write(f, "a.csv", "a\n1\n2\n"), {"label": "a"}, "no column is left"),
    "a time that is none": (lambda f: write(f, "a.csv", "a,b\n1,x\n2,y\n"), {"time": "b"}, "holds no times"),
    "no table at all": (lambda f: write(f, "a.csv", "title\n1,2\n3,4\n5,6\n"), {}, "is no table"),
    "a truncated gz": (
        lambda f: write(f, "a.csv.gz", gzip.compress(b"a,b\n" + os.urandom(999).hex().encode())[:300]),
        {},
        "cannot be",
    ),
    "a truncated parquet": (_truncated_parquet, {}, "cannot be read"),
    "an empty parquet": (
        lambda f: (pq.write_table(pa.table({"a": pa.array([], pa.int64())}), f / "e.parquet"), f / "e.parquet")[1],
        {},
        "no rows",
    ),
    "NaN in an array": (lambda f: _npy(f, np.array([[1.0], [np.nan]])), {}, "NaN, first in row 1"),
    "infinity in an array": (lambda f: _npz(f, x=np.array([[1.0], [np.inf]])), {}, "infinity, first in row 1"),
    "an array of objects": (lambda f: _npy(f, np.array([[1, "a"]], object), allow_pickle=True), {}, "array of objects"),
    "objects in an npz": (lambda f: _npz(f, x=np.array([[1, "a"]], object)), {}, "array of objects"),
    "a truncated npy": (_short_npy, {}, "truncated"),
    "a lying npy": (_liar, {}, "declares"),
    "a zip bomb": (_bomb, {}, "no real data"),
    "a damaged npz": (_damaged_npz, {}, "x.npy|'x' in"),
    "no zip": (lambda f: write(f, "a.npz", b"hello"), {}, "not a readable .npz"),
    "an empty npy": (lambda f: write(f, "a.npy", b""), {}, "not a NumPy array"),
    "many arrays": (lambda f: _npz(f, a=np.zeros((3, 2)), b=np.zeros((3, 2))), {}, "which are the samples"),
    "an unknown array": (
        lambda f: _npz(f, x=np.zeros((3, 2)), lab=np.arange(3)),
        {"label": "labs"},
        "did you mean 'lab'",
    ),
    "sparse parts that do not fit": (_bad_sparse, {}, "no valid sparse matrix"),
    "a wrong count of labels": (lambda f: _npz(f, x=np.zeros((3, 2)), y=np.arange(4)), {}, "do not fit 3 samples"),
    "a folder without pictures": (lambda f: f, {}, "holds no pictures"),
    "a missing file": (lambda f: f / "nothing.csv", {}, "is not there"),
    "a misspelt name": (lambda f: "digit", {}, "did you mean 'digits'"),
    "an unknown kind": (lambda f: write(f, "a.xyz", "hello"), {}, "no known kind"),
    "an array with one axis": (lambda f: np.zeros(5), {}, "one axis"),
    "a column of an array": (lambda f: np.zeros((5, 2)), {"group": "a"}, "has no column 'a'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_one_clear_sentence(case, tmp_path):
    make, options, words = REFUSED[case]
    with pytest.raises(DataError, match=words) as told:
        load_data(make(tmp_path), **options)
    assert len(str(told.value).splitlines()) <= 2


def test_nothing_in_a_file_is_ever_run(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (write, (tmp_path, "ran", "ran"))

    np.save(tmp_path / "e.npy", np.array([[Evil()]], object), allow_pickle=True)
    (tmp_path / "p.npy").write_bytes(pickle.dumps(Evil()))
    np.savez(tmp_path / "e.npz", x=np.zeros((2, 2)), y=np.array([Evil(), 1], object))
    for name in ("e.npy", "p.npy", "e.npz"):
        with pytest.raises(DataError):
            load_data(tmp_path / name)
    assert not (tmp_path / "ran").exists()
