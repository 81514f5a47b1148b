"""Sparse codes travel as CSR: written batch by batch, read by `measure`, `load_data` and scipy."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import codelayer
from codelayer import Autoencoder, commands
from codelayer.data import load_data
from codelayer.data.codefiles import code_batches, read_codes
from codelayer.learn.files import encode_file
from codelayer.study.cardfiles import card_of_files


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows, labels and the bundle of a code of 256 units, two of them on."""
    folder = tmp_path_factory.mktemp("wide")
    rng = np.random.default_rng(0)
    y = np.arange(32_768) % 3
    x = (rng.normal(size=(3, 6))[y] * 3 + rng.normal(size=(len(y), 6))).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.savez(folder / "few.npz", x=x[:90], y=y[:90])
    made = Autoencoder(256, "topk(2) + transposed()", "mlp()", epochs=1, random_state=0, validation=0)
    made.fit(x[:400]).save(folder / "bundle")
    return folder


def peak_of(coder: Autoencoder, source: Path, out: Path) -> int:
    """The most memory that Python and numpy hold while a source is coded into a file."""
    tracemalloc.start()
    try:
        encode_file(coder, str(source), out)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("ignore:.*units are dead")
def test_the_memory_of_csr_codes_grows_with_the_batch_not_with_the_rows(wide, tmp_path):
    coder, x = codelayer.load(wide / "bundle"), np.load(wide / "x.npy")
    np.save(tmp_path / "quarter.npy", x[:8192])
    peaks = [peak_of(coder, source, tmp_path / "c.npz") for source in (tmp_path / "quarter.npy", wide / "x.npy")]
    codes = sparse.load_npz(tmp_path / "c.npz")
    assert codes.shape == (len(x), 256) and codes.nnz == 2 * len(x)
    assert peaks[1] < 1.2 * peaks[0] < 4 * codes.shape[0] * codes.shape[1]
    found = coder.transform_sparse(x)
    assert (codes != found).nnz == 0
    batches = [batch for _, batch in code_batches(tmp_path / "c.npz")]
    assert sum(map(len, batches)) == len(x)
    assert np.concatenate(batches).tobytes() == found.toarray().tobytes()


def test_measure_and_the_loader_read_csr_codes_as_they_read_dense_ones(wide, tmp_path):
    for suffix in (".npz", ".npy"):
        commands.encode(str(wide / "bundle"), str(wide / "few.npz"), out=str(tmp_path / f"codes{suffix}"))
    assert read_codes(tmp_path / "codes.npz")[1].tobytes() == np.load(tmp_path / "codes.npy").tobytes()
    loaded = load_data(tmp_path / "codes.npz").x
    assert sparse.issparse(loaded) and loaded.toarray().tobytes() == np.load(tmp_path / "codes.npy").tobytes()
    cards = [card_of_files(str(tmp_path / f"codes{end}"), x=str(wide / "few.npz")) for end in (".npz", ".npy")]
    values = [{one["name"]: one["value"] for one in card["metrics"]} for card in cards]
    assert values[0] == pytest.approx(values[1], nan_ok=True) and values[0]["linear_area"] > 0.5
