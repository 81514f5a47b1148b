"""Reference statistics: what a bundle tells about the inputs and codes it was learned on."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

import codelayer
from codelayer import Autoencoder, bundle
from codelayer.learn.baselines import Pca, RawFeatures
from codelayer.learn.reference import COLUMNS, LEVELS, RANK, described, sampled, sketch

RNG = np.random.default_rng(3)


def test_statistics_are_those_of_the_rows_and_their_codes(tmp_path):
    x = RNG.normal(size=(300, 5)) * np.arange(1, 6) + 7
    coder = Pca(2, scale="none").fit(x)
    coder.save(tmp_path / "b")
    kept = bundle.read(tmp_path / "b").reference()
    assert kept["rows"] == 300 and kept["levels"].tolist() == [np.float32(level) for level in LEVELS]
    for name, values in (("inputs", x.astype(np.float32)), ("codes", coder.transform(x))):
        np.testing.assert_array_equal(kept[f"{name}.index"], np.arange(values.shape[1]))
        np.testing.assert_allclose(kept[f"{name}.mean"], values.mean(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(kept[f"{name}.deviation"], values.std(0), rtol=1e-5)
        np.testing.assert_allclose(kept[f"{name}.quantiles"], np.quantile(values, LEVELS, axis=0), rtol=1e-4, atol=1e-5)
        found = kept[f"{name}.sketch"].T @ kept[f"{name}.sketch"]
        np.testing.assert_allclose(found, np.cov(values.T, bias=True), rtol=1e-4, atol=1e-3)


def test_a_sketch_of_many_columns_is_near_the_best_of_its_rank():
    x = RNG.normal(size=(400, 90)) * np.geomspace(1, 0.01, 90)
    x -= x.mean(0)
    covariance = x.T @ x / len(x)
    values, turned = np.linalg.eigh(covariance)
    best = (turned[:, -RANK:] * values[-RANK:]) @ turned[:, -RANK:].T
    found = sketch(x)
    assert found.shape == (RANK, 90)
    gap = [np.linalg.norm(covariance - one, 2) for one in (found.T @ found, best)]
    assert gap[0] <= 1.2 * gap[1]


def test_of_wide_rows_those_columns_that_vary_most_are_described():
    x = RNG.normal(size=(80, COLUMNS + 100)).astype(np.float32)
    x[:, 50:150] *= 1e-3
    found = described(lambda: iter([x[:50], x[50:]]))
    np.testing.assert_array_equal(found["index"], np.setdiff1d(np.arange(COLUMNS + 100), np.arange(50, 150)))
    np.testing.assert_allclose(found["mean"], x[:, found["index"]].mean(0), atol=1e-6)


def test_rows_without_a_finite_code_are_left_out():
    x = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]], np.float32)
    assert described(lambda: iter([x]))["mean"].tolist() == [3.0, 4.0]
    assert described(lambda: iter([x[:1]])) == {}
    constant = described(lambda: iter([np.ones((1, 2), np.float32)]))
    assert not constant["sketch"].any() and not constant["deviation"].any()


def test_at_most_a_thousand_rows_are_looked_at_and_csr_is_never_dense_as_a_whole():
    assert sampled(np.zeros((10_000, 3)), 3).shape == (1000, 3)
    assert sampled(np.zeros((64, 1)), 10**9).shape == (64, 1)
    x = sparse.random(3000, 40_000, density=1e-3, format="csr", random_state=0)
    tracemalloc.start()
    coder = RawFeatures().fit(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300e6 < 3000 * 40_000 * 4
    assert sum(one.nbytes for one in coder.reference_.values()) < 1e6


@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_equal_fits_give_equal_bytes_and_loading_keeps_the_statistics(tmp_path, name):
    x = RNG.normal(size=(60, 6))
    for folder in ("one", "two"):
        Autoencoder(2, epochs=2, random_state=0).fit(x).save(tmp_path / folder / name)
    codelayer.load(tmp_path / "one" / name).save(tmp_path / "three" / name)
    first, *rest = (bundle.read(tmp_path / folder / name) for folder in ("one", "two", "three"))
    for other in rest:
        assert other.part("reference.safetensors") == first.part("reference.safetensors") is not None
