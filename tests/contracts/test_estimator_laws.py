"""Laws of every coder: scikit-learn's own checks, cloning, searching, saving, stages, errors."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from coder_cases import (
    CODERS,
    QUICK,
    ROW_RECIPES,
    data_for,
    every_coder,
    every_solver,
    frame,
    grey,
    name_of,
    options_of,
    rows,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import codelayer
from codelayer.data.tables import Table
from codelayer.errors import DataError, SentenceError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.baselines import BASELINES, KMeansFeatures, Pca, RandomProjection, RawFeatures
from codelayer.learn.manifold import Isomap
from codelayer.learn.saved import load
from codelayer.learn.sparse_coding import Dictionary, Lista
from codelayer.objective import PICTURE_RECIPES, RECIPES

# --- scikit-learn ---------------------------------------------------------------------------------------------------


@parametrize_with_checks(
    [
        *(Autoencoder(objective=name, **QUICK) for name in ROW_RECIPES),
        Autoencoder(objective="views(noise(0.3)) + invariance() + variance() + covariance()", **QUICK),
        RawFeatures(),
        Pca(),
        RandomProjection(),
        KMeansFeatures(),
        *every_solver(),
        Dictionary(solver="ista", iterations=10),
        Lista(epochs=5),
        Isomap(),
    ]
)
def test_scikit_learns_checks_pass_with_nothing_expected_to_fail(estimator, check):
    check(estimator)


def test_the_laws_hold_for_every_recipe_and_baseline_there_is():
    others = {*(cls.__name__ for cls in BASELINES.values()), "Dictionary", "Lista", "Isomap"}
    assert {name_of(coder) for coder in every_coder()} == {*RECIPES, *others}


def test_an_autoencoder_has_at_most_twelve_options():
    assert len(Autoencoder().get_params()) <= 12


@CODERS
def test_clone_forgets_what_was_learned_and_keeps_the_options(coder):
    fitted = clone(coder).fit(data_for(coder))
    twin = clone(fitted)
    assert options_of(twin) == options_of(coder)
    with pytest.raises(NotFittedError):
        twin.transform(data_for(coder))


@CODERS
def test_equal_fits_give_equal_bits_and_codes_are_float32(coder):
    x = data_for(coder)
    first, second = clone(coder).fit(x).transform(x), clone(coder).fit_transform(x)
    assert first.dtype == np.float32 and first.shape[0] == len(x) and np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


@CODERS
def test_permuted_rows_get_the_same_bits_and_other_batches_nearly_so(coder):
    if isinstance(coder, KMeansFeatures):
        coder = clone(coder).set_params(code_size=9)
    x = np.repeat(data_for(coder), 8, axis=0)[:300]  # more than one block of pictures
    fitted = clone(coder).fit(x[::8])
    codes, order = fitted.transform(x), np.random.default_rng(0).permutation(len(x))
    np.testing.assert_array_equal(fitted.transform(x[order]), codes[order])
    for size in (1, 7, 64, 150):
        some = np.concatenate(
            [fitted.transform(x[i : i + size]) for i in range(0, len(x), size)][: 40 if size == 1 else None]
        )
        assert np.abs(some - codes[: len(some)]).max() <= 1e-5 * np.abs(codes).max()


@pytest.mark.parametrize("units", [1, 2, 5, 11])
@pytest.mark.parametrize("features", [5, 7, 13, 30])
def test_permuted_rows_get_the_same_bits_in_narrow_nets(features, units):
    x = np.random.default_rng(0).normal(size=(100, features))
    for coder in (Autoencoder(units, net="mlp(9, 3)", epochs=1, random_state=0), Pca(units), KMeansFeatures(units)):
        fitted = coder.fit(x)
        np.testing.assert_array_equal(fitted.transform(x)[::-1], fitted.transform(x[::-1]))


def test_permuted_rows_get_the_same_bits_across_blocks():
    x = np.random.default_rng(0).normal(size=(5000, 13))
    for coder in (Autoencoder(5, epochs=1, random_state=0), Pca(5), RandomProjection(5), KMeansFeatures(5)):
        fitted = coder.fit(x[:100])
        order = np.random.default_rng(1).permutation(len(x))
        np.testing.assert_array_equal(fitted.transform(x)[order], fitted.transform(x[order]))


@CODERS
def test_codes_saved_and_loaded_are_bit_equal(coder, tmp_path):
    x = data_for(coder)
    fitted = clone(coder).fit(x)
    fitted.save(tmp_path / "folder"), fitted.save(tmp_path / "one.zip")
    for path in (tmp_path / "folder", tmp_path / "one.zip"):
        back = load(path)
        assert type(back) is type(fitted)
        np.testing.assert_array_equal(back.transform(x), fitted.transform(x))
        np.testing.assert_array_equal(
            back.inverse_transform(back.transform(x)), fitted.inverse_transform(fitted.transform(x))
        )
        assert back.score(x) == fitted.score(x)
        assert back.check_golden(codelayer.bundle.read(path).golden) == 0.0
    fitted.save(tmp_path / "again"), load(tmp_path / "folder").save(tmp_path / "twice")
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("folder", "again", "twice")]
    assert files[0] == files[1] == files[2]


@CODERS
def test_fitted_coders_pickle(coder):
    x = data_for(coder)
    fitted = clone(coder).fit(x)
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.transform(x), fitted.transform(x))
    assert options_of(back) == options_of(fitted)


@CODERS
def test_score_is_the_share_of_variance_that_codes_keep(coder):
    x = data_for(coder)
    fitted = clone(coder).fit(x)
    rebuilt = fitted.schema_.encode(fitted.inverse_transform(fitted.transform(x)))
    encoded = fitted.schema_.encode(x)
    if encoded.ndim == 2:  # grey levels are rounded on the way
        mean = fitted._mean_row()
        expected = 1 - ((encoded - rebuilt) ** 2).sum() / ((encoded - mean) ** 2).sum()
        assert fitted.score(x) == pytest.approx(expected, abs=1e-4)
    assert -5 < fitted.score(x) <= 1


@CODERS
def test_features_out_are_named_after_the_coder(coder):
    x = data_for(coder)
    fitted = clone(coder).set_output(transform="pandas").fit(x)
    codes = fitted.transform(x)
    assert isinstance(codes, pd.DataFrame) and list(codes) == list(fitted.get_feature_names_out())
    assert codes.columns[0] == f"{type(coder).__name__.lower()}0"
    assert isinstance(clone(coder).set_output(transform="polars").fit_transform(x), pl.DataFrame)


def test_a_grid_is_searched_and_a_pipeline_trains():
    x = rows()
    y = (x[:, 0] > np.median(x[:, 0])).astype(int)
    grid = {"code_size": [1, 3], "objective": ["undercomplete", "mask(0.2) + relu()"]}
    search = GridSearchCV(Autoencoder(net="mlp()", epochs=30, learning_rate=0.02, random_state=0), grid, cv=2).fit(x)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["code_size"] == 3
    pipeline = make_pipeline(Autoencoder(3, epochs=20, learning_rate=0.01, random_state=0), LogisticRegression()).fit(
        x, y
    )
    assert pipeline.score(x, y) > 0.8
    inner = GridSearchCV(pipeline, {"autoencoder__code_size": [1, 3]}, cv=2).fit(x, y)
    assert inner.best_score_ > 0.6


def test_tags_follow_from_the_sentence():
    assert get_tags(Autoencoder()).input_tags.sparse and get_tags(Autoencoder()).input_tags.two_d_array
    for text in (*PICTURE_RECIPES, "views( flip(0.5) ) + variance(25)"):
        tags = get_tags(Autoencoder(objective=text)).input_tags
        assert not tags.two_d_array and not tags.sparse
    for text in ("views(noise(0.1)) + variance(25)", "no such thing", None):
        assert get_tags(Autoencoder(objective=text)).input_tags.two_d_array
    assert get_tags(Autoencoder()).transformer_tags.preserves_dtype == ["float32"]


# --- stages, errors, other processes --------------------------------------------------------------------------------


@pytest.mark.parametrize("x, net", [(rows(), "mlp(16, 9)"), (grey(), "conv(4, 6)")])
def test_layers_gives_the_named_stages_and_transform_stays_plain(x, net):
    coder = Autoencoder(3, "sigmoid()", net, random_state=0, **QUICK).fit(x)
    found = coder.layers(x)
    first, second = ("hidden1", "hidden2") if net.startswith("mlp") else ("conv1", "conv2")
    assert list(found) == [first, second, "encoded", "code"]
    assert all(len(h) == len(x) and h.dtype == np.float32 for h in found.values())
    np.testing.assert_array_equal(found["code"], coder.transform(x))
    np.testing.assert_allclose(1 / (1 + np.exp(-found["encoded"])), found["code"], rtol=1e-5)
    assert list(coder.layers(x, ["code", second])) == ["code", second]
    with pytest.raises(SentenceError, match="no stage is called 'conv9'\n  stages in order"):
        coder.layers(x, ["conv9"])
    with pytest.raises(NotFittedError):
        clone(coder).layers(x)


def test_a_sequence_of_fits_refuses_what_does_not_fit():
    coder = Autoencoder(3, random_state=0, **QUICK).fit(rows())
    with pytest.raises(ValueError, match="features"):
        coder.transform(rows(features=6)[:, :5])
    with pytest.raises(ValueError, match="NaN"):
        coder.transform(np.full((3, 6), np.nan))
    with pytest.raises(DataError, match="codes have 2 units, this Autoencoder makes 3"):
        coder.inverse_transform(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="minimum of 2"):
        Autoencoder(**QUICK).fit(rows()[:1])
    with pytest.raises(DataError, match="1 row"):
        Autoencoder(**QUICK).fit(grey()[:1])
    with pytest.raises(DataError, match="1 row"):
        Autoencoder(**QUICK).fit(Table.from_frame(frame()).take(np.arange(1)))


def test_a_failed_fit_leaves_the_coder_unfitted():
    coder = Autoencoder(4, "topk(9)")
    with pytest.raises(SentenceError):
        coder.fit(rows())
    with pytest.raises(NotFittedError):
        coder.transform(rows())


def test_a_bundle_gives_bit_equal_codes_in_a_new_process(tmp_path):
    x = rows()
    np.save(tmp_path / "x.npy", x)
    table = Table.from_frame(frame())
    saved = {}
    for name, coder, data in (
        ("rows", Autoencoder(3, "contractive", **QUICK), x),
        ("table", Pca(3), table),
        ("grey", None, grey()),
        *((f"sparse-{one.solver}", one, x) for one in every_solver(4)),
        ("lista", Lista(4, epochs=2), x),
    ):
        coder = coder or Autoencoder(5, "invariant", **QUICK)
        saved[name] = coder.set_params(random_state=0).fit(data).transform(data)
        coder.save(tmp_path / f"{name}.zip")
    frame().to_parquet(tmp_path / "table.parquet"), np.save(tmp_path / "grey.npy", grey())
    code = f"""
import sys, numpy as np, pandas as pd
from codelayer import load
from codelayer.data.tables import Table
folder = {str(tmp_path)!r}
data = {{"rows": np.load(folder + "/x.npy"), "grey": np.load(folder + "/grey.npy"),
        "table": Table.from_frame(pd.read_parquet(folder + "/table.parquet"))}}
for name in {list(saved)!r}:
    codes = load(f"{{folder}}/{{name}}.zip").transform(data.get(name, data["rows"]))
    np.save(f"{{folder}}/{{name}}-codes.npy", codes)
"""
    env = {"PYTHONPATH": str(Path(codelayer.__file__).parents[1]), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, timeout=120)
    for name, codes in saved.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}-codes.npy"), codes)


def test_more_units_than_features_warn_only_where_they_are_useless():
    for text, told in (
        ("undercomplete", True),
        ("huber(0.5)", True),
        ("mask(0.3)", False),
        ("relu() + l1(0.01)", False),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Autoencoder(20, text, random_state=0, **QUICK).fit(rows())
        assert any("more than the 6 encoded features" in str(one.message) for one in caught) == told, text
