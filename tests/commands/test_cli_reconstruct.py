"""codelayer reconstruct: cleaned rows and pictures, and how far each is from what came in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from PIL import Image

from codelayer import Autoencoder, Pca, commands
from codelayer.data.tables import Table
from codelayer.errors import DataError
from codelayer.learn.reconstruct import reconstruct_file

RNG = np.random.default_rng(0)
ROWS = (RNG.normal(size=(300, 2)) @ RNG.normal(size=(2, 8)) + 3).astype(np.float32)


def errors_of(path: Path) -> list[float]:
    return pyarrow.csv.read_csv(path).column("error").to_pylist()


def test_rows_come_back_with_their_errors(tmp_path: Path):
    Pca(2, random_state=0).fit(ROWS).save(tmp_path / "pca")
    noisy = ROWS.copy()
    noisy[7] += np.array([9, -9] * 4, np.float32)
    np.save(tmp_path / "rows.npy", noisy)
    commands.reconstruct(str(tmp_path / "pca"), str(tmp_path / "rows.npy"), out=str(tmp_path / "clean.npy"))
    clean = np.load(tmp_path / "clean.npy")
    coder = Pca(2, random_state=0).fit(ROWS)
    encoded = coder.schema_.encode(noisy)
    expected = ((coder._decode_block(coder.transform(noisy)) - encoded) ** 2).mean(1)
    np.testing.assert_allclose(errors_of(tmp_path / "clean-errors.csv"), expected, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(np.delete(clean, 7, 0), np.delete(ROWS, 7, 0), atol=1e-3)
    assert int(np.argmax(expected)) == 7


def test_a_table_keeps_its_columns_and_missing_cells_are_not_charged(tmp_path: Path):
    numbers = ROWS.astype(np.float64).copy()
    numbers[3, 0] = np.nan
    kinds = np.array(["a", "b"], object)[RNG.integers(0, 2, len(ROWS))]
    table = Table({f"n{i}": numbers[:, i] for i in range(4)} | {"kind": kinds})
    Autoencoder(3, "mask(0.1)", epochs=2, random_state=0).fit(table).save(tmp_path / "bundle")
    pyarrow.csv.write_csv(table.to_arrow(), tmp_path / "table.csv")
    done = reconstruct_file(_load(tmp_path / "bundle"), str(tmp_path / "table.csv"), tmp_path / "clean.csv")
    clean = pyarrow.csv.read_csv(tmp_path / "clean.csv")
    assert clean.column_names == ["key", "n0", "n1", "n2", "n3", "kind"]
    assert clean.num_rows == 300 and clean.column("n0").null_count == 0
    assert np.isfinite(errors_of(done.errors)).all() and done.largest >= done.median > 0


def test_pictures_go_into_a_folder_under_their_own_names(tmp_path: Path):
    for i in range(30):
        place = tmp_path / "in" / ("cats" if i % 2 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 255, (8, 8), dtype=np.uint8)).save(place / f"{i}.png")
    (tmp_path / "in" / "cats" / "broken.png").write_bytes(b"no picture")
    commands.learn(str(tmp_path / "in"), out=str(tmp_path / "run"), code_size=4, epochs="1")
    commands.reconstruct(str(tmp_path / "run"), str(tmp_path / "in"), out=str(tmp_path / "clean"))
    made = sorted(path.relative_to(tmp_path / "clean").as_posix() for path in (tmp_path / "clean").rglob("*.png"))
    assert len(made) == 30 and made[0] == "cats/1.png"
    assert Image.open(tmp_path / "clean" / made[0]).size == (8, 8)
    assert sum(value is None or np.isnan(value) for value in errors_of(tmp_path / "clean-errors.csv")) == 1
    with pytest.raises(DataError, match="not empty"):
        commands.reconstruct(str(tmp_path / "run"), str(tmp_path / "in"), out=str(tmp_path / "clean"))


def test_a_wrong_output_is_refused_before_anything_is_written(tmp_path: Path):
    Pca(2, random_state=0).fit(ROWS).save(tmp_path / "pca")
    np.save(tmp_path / "rows.npy", ROWS)
    before = sorted(tmp_path.iterdir())
    for out, said in (("clean.csv", "ends in .npy"), ("rows.npy", "very file"), ("clean", "ends in .npy")):
        with pytest.raises(DataError, match=said):
            commands.reconstruct(str(tmp_path / "pca"), str(tmp_path / "rows.npy"), out=str(tmp_path / out))
    assert sorted(tmp_path.iterdir()) == before


def _load(path: Path) -> Autoencoder:
    from codelayer import load

    return load(path)


def test_pictures_of_another_range_than_0_to_1_become_grey_levels(tmp_path):
    x = (RNG.integers(0, 2001, (40, 8, 8))).astype(np.int16)
    x[0, 0, 0], x[0, 0, 1] = 0, 2000
    np.savez(tmp_path / "x.npz", x=x)
    data, run = str(tmp_path / "x.npz"), str(tmp_path / "run")
    commands.learn(data, out=run, epochs=2, code_size=8)
    commands.reconstruct(run, data, out=str(tmp_path / "rows.npy"))
    commands.reconstruct(run, data, out=str(tmp_path / "shown"))
    rows = np.load(tmp_path / "rows.npy")
    shown = np.asarray(Image.open(tmp_path / "shown" / "000003.png"))
    np.testing.assert_array_equal(shown, np.rint(np.clip(rows[3] / 2000, 0, 1) * 255))
    assert 20 < shown.mean() < 235
