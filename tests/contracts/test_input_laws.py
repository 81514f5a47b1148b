"""Laws of what a coder takes: pictures, sparse rows, frames."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pytest
import torch
from coder_cases import QUICK, every_coder, frame, grey, name_of, rows
from scipy import sparse
from sklearn.base import clone

from codelayer.data.tables import Table
from codelayer.errors import CodelayerError, DataError, SentenceError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.baselines import KMeansFeatures, Pca
from codelayer.learn.saved import load
from codelayer.objective import PICTURE_RECIPES

# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURE_RECIPES)
def test_picture_recipes_refuse_rows_in_one_sentence(name):
    for x in (rows(), sparse.csr_array(rows()), frame()):
        with pytest.raises(SentenceError, match="needs pictures, but a sample here has the shape") as error:
            Autoencoder(4, name, **QUICK).fit(x)
        assert len(str(error.value).splitlines()) == 2


PICTURES = {
    "grey levels": grey(),
    "grey levels without channels": grey(channels=None),
    "colours": grey(channels=3),
    "floats": grey().astype(np.float32) / 255,
    "floats of another range": grey().astype(np.float64) / 10 - 4,
    "a tensor": torch.from_numpy(grey()),
    "odd sides": grey()[:, :5, :7],
}


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("name", ["invariant", "denoising", "squared() + topk(2)"])
def test_pictures_of_every_kind_are_coded_rebuilt_and_scored(name, kind):
    x = PICTURES[kind]
    coder = Autoencoder(4, name, net="auto", random_state=0, **QUICK).fit(x)
    codes = coder.transform(x)
    assert codes.shape == (len(x), 4) and np.isfinite(codes).all()
    back = coder.inverse_transform(codes)
    assert back.shape == tuple(x.shape) and back.dtype == np.asarray(x).dtype
    assert np.isfinite(coder.score(x))
    assert (coder.net_.startswith("conv")) == (name != "denoising")


def test_grey_levels_and_the_same_pictures_as_floats_give_the_same_codes():
    x = grey()
    one = Autoencoder(4, "invariant", random_state=0, **QUICK).fit(x).transform(x)
    two = Autoencoder(4, "invariant", random_state=0, **QUICK).fit(x / 255).transform(x / 255)
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_a_code_without_decoder_is_scored_by_a_ridge_decoder():
    side = np.arange(8)
    place = np.random.default_rng(0).uniform(2, 5, (120, 2))
    spots = np.exp(-((side[None, :, None] - place[:, :1, None]) ** 2 + (side - place[:, 1:, None]) ** 2) / 4)[..., None]
    coder = Autoencoder(8, "views(affine(0.05), noise(0.05)) + invariance(1) + variance(25) + covariance(1)", epochs=20)
    coder.set_params(random_state=0, batch_size=32, learning_rate=0.01).fit(spots)
    assert coder.model_.net.decoder is None
    assert 0.3 < coder.score(spots) <= 1
    assert coder.inverse_transform(coder.transform(spots)).shape == spots.shape


def test_another_shape_of_picture_is_refused():
    coder = Autoencoder(4, "invariant", random_state=0, **QUICK).fit(grey())
    with pytest.raises(DataError, match="the array has shape"):
        coder.transform(grey(side=9))
    with pytest.raises(ValueError, match="6 features"):
        coder.transform(rows())


def test_series_are_coded_by_a_flat_net():
    x = np.random.default_rng(0).normal(size=(30, 5, 2)).astype(np.float32)
    coder = Autoencoder(3, "mask(0.2)", random_state=0, **QUICK).fit(x)
    assert coder.inverse_transform(coder.transform(x)).shape == x.shape


# --- CSR ------------------------------------------------------------------------------------------------------------


def counts() -> np.ndarray:
    x = np.random.default_rng(3).poisson(0.4, (80, 12)).astype(np.float64)
    x[0], x[1, 0] = 4, 0
    return x


@pytest.mark.parametrize("coder", [one for one in every_coder() if name_of(one) not in PICTURE_RECIPES], ids=name_of)
def test_sparse_rows_give_the_codes_of_dense_ones(coder):
    given = getattr(coder, "dictionary", None)
    x = counts() if given is None else counts()[:, : len(given)]
    dense = clone(coder).set_params(scale="none").fit(x)
    for form in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix, sparse.dok_matrix):
        thin = clone(coder).set_params(scale="none").fit(form(x))
        np.testing.assert_array_equal(thin.transform(form(x)), dense.transform(x))
        np.testing.assert_array_equal(thin.transform(x), dense.transform(form(x)))
    assert isinstance(dense.inverse_transform(dense.transform(x)), np.ndarray)


def test_sparse_codes_are_decoded_like_dense_ones():
    coder = Autoencoder(6, "relu() + topk(2)", random_state=0, **QUICK).fit(rows())
    codes = coder.transform(rows())
    np.testing.assert_array_equal(coder.inverse_transform(sparse.csr_array(codes)), coder.inverse_transform(codes))


# --- frames ---------------------------------------------------------------------------------------------------------


FRAMES = {
    "pandas": frame,
    "polars": lambda: pl.from_pandas(frame()),
    "pyarrow": lambda: pl.from_pandas(frame()).to_arrow(),
    "Table": lambda: Table.from_frame(frame()),
    "a dict of columns": lambda: {name: list(column) for name, column in frame().items()},
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize(
    "coder", [Autoencoder(4, "mask(0.2)", random_state=0, **QUICK), Pca(4), KMeansFeatures(4)], ids=name_of
)
def test_mixed_frames_with_gaps_are_coded_saved_and_rebuilt(coder, kind, tmp_path):
    x = FRAMES[kind]()
    fitted = clone(coder).set_params(random_state=0).fit(x)
    codes = fitted.transform(x)
    assert codes.shape == (60, 4) and np.isfinite(codes).all()
    np.testing.assert_array_equal(codes, clone(coder).set_params(random_state=0).fit(frame()).transform(frame()))
    back = fitted.inverse_transform(codes)
    assert isinstance(back, Table) and back.names == ["number", "colour", "whole", "when"]
    assert set(back.column("colour")) <= {"red", "green", "blue", None}
    assert np.isfinite(fitted.score(x))
    fitted.save(tmp_path / "b")
    np.testing.assert_array_equal(load(tmp_path / "b").transform(x), codes)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(x), codes)


def test_new_missing_and_unseen_at_encode_time_go_on_and_another_type_is_refused():
    coder = Autoencoder(4, "undercomplete", random_state=0, **QUICK).fit(Table.from_frame(frame()))
    fresh = frame().assign(colour="violet", extra=1.0).drop(columns="whole")
    assert np.isfinite(coder.transform(Table.from_frame(fresh))).all()
    with pytest.raises(DataError, match="number"):
        coder.transform(Table.from_frame(frame().assign(number=[f"word {i % 3}" for i in range(60)])))
    with pytest.raises(ValueError, match="6 features"):
        coder.transform(rows())
    with pytest.raises(CodelayerError, match="fitted on an array"):
        Pca(2).fit(rows()).transform(Table.from_frame(frame()))


def test_frames_of_another_order_of_columns_are_refused_by_scikit_learn():
    coder = Autoencoder(4, random_state=0, **QUICK).fit(frame())
    with pytest.raises(ValueError, match="feature names"):
        coder.transform(frame()[["colour", "number", "whole", "when"]])


def test_a_refit_on_other_data_leaves_nothing_of_the_first(tmp_path):
    coder = Autoencoder(4, random_state=0, **QUICK).fit(frame()).fit(grey())
    assert not hasattr(coder, "feature_names_in_") and coder.n_features_in_ == 64
    coder.save(tmp_path / "b")
    np.testing.assert_array_equal(load(tmp_path / "b").transform(grey()), coder.transform(grey()))
