"""scikit-learn and LightGBM models as ONNX: their own answers, labels included."""

from __future__ import annotations

import warnings

import lightgbm
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from codelayer import DataError, ExportError
from codelayer.export import session, sklearn_to_onnx
from codelayer.learn.forest import rounded_down

X, TEN = load_digits(return_X_y=True)
X = X[:700] / 3  # thirds: thresholds that single precision does not hold
TEN = TEN[:700]
TWO, NUMBERS = np.where(TEN > 4, "high", "low"), X[:, 20] * 3 + X[:, 30] ** 2
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
QUIET = {"n_estimators": 8, "verbose": -1, "n_jobs": 1}
CASES = {
    "forest": (RandomForestClassifier(15, random_state=0), X, TEN),
    "forest, missing": (RandomForestClassifier(15, random_state=0), GAPS, TWO),
    "extra trees": (ExtraTreesClassifier(10, random_state=0), X, TWO),
    "forest, numbers": (RandomForestRegressor(10, random_state=0), X, NUMBERS),
    "boosting": (GradientBoostingClassifier(n_estimators=4), X, TEN),
    "boosting, numbers": (GradientBoostingRegressor(n_estimators=5), X, NUMBERS),
    "histograms": (HistGradientBoostingClassifier(max_iter=4), GAPS, TEN),
    "histograms, two classes": (HistGradientBoostingClassifier(max_iter=5), X, TWO),
    "histograms, numbers": (HistGradientBoostingRegressor(max_iter=5), GAPS, NUMBERS),
    "LightGBM": (lightgbm.LGBMClassifier(**QUIET), GAPS, TEN),
    "LightGBM, two classes": (lightgbm.LGBMClassifier(**QUIET), X, TWO),
    "LightGBM, numbers": (lightgbm.LGBMRegressor(**QUIET), GAPS, NUMBERS),
    "logistic": (make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)), X, TEN),
    "ridge": (make_pipeline(StandardScaler(), Ridge()), X, NUMBERS),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_an_export_answers_as_the_model_does(name, tmp_path):
    model, x, y = CASES[name]
    model.fit(x, y)
    several = np.concatenate([x, x + 0.01]).astype(np.float32)
    done = sklearn_to_onnx(model, tmp_path / "m.onnx", 64, several)
    assert done.rows == len(several) and done.difference < 1e-5
    opened = session(tmp_path / "m.onnx")
    (one,) = opened.get_inputs()
    assert (one.name, one.shape, one.type) == ("x", ["rows", 64], "tensor(float)")
    names = [output.name for output in opened.get_outputs()]
    found = dict(zip(names, opened.run(None, {"x": several}), strict=True))
    if y is NUMBERS:
        assert names == ["number"] and found["number"].shape == (len(several),)
        assert np.allclose(found["number"], model.predict(several), rtol=1e-4, atol=1e-4)
    else:
        assert names == ["probabilities", "label"]
        assert np.abs(found["probabilities"] - model.predict_proba(several)).max() < 1e-5
        assert (found["label"] == model.predict(several)).mean() > 0.999


def test_missing_numbers_go_where_lightgbm_sends_them_when_it_saw_none(tmp_path):
    model = lightgbm.LGBMRegressor(**QUIET).fit(X - 2, NUMBERS)
    sklearn_to_onnx(model, tmp_path / "m.onnx", 64, GAPS - 2)


def test_a_threshold_is_rounded_so_that_every_float32_stays_on_its_side():
    exact = np.random.default_rng(0).normal(size=10_000) * 10.0 ** np.random.default_rng(1).integers(-5, 6, 10_000)
    rounded = rounded_down(exact)
    assert rounded.dtype == np.float32
    nearest = exact.astype(np.float32)
    for x in (nearest, np.nextafter(nearest, np.float32(np.inf)), np.nextafter(nearest, np.float32(-np.inf))):
        assert np.array_equal(x <= rounded, x.astype(np.float64) <= exact)


@pytest.mark.parametrize(
    ("model", "x", "named"),
    [
        (lightgbm.LGBMClassifier(**QUIET, zero_as_missing=True), X, "zeros"),
        (lightgbm.LGBMRegressor(**QUIET, objective="poisson"), X, "poisson"),
        (HistGradientBoostingClassifier(max_iter=2, categorical_features=[20]), np.rint(X), "categories"),
        (make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=2)), X, "HistGradientBoosting"),
        (HistGradientBoostingRegressor(max_iter=2, loss="poisson"), X, "loss='poisson'"),
    ],
)
def test_what_cannot_be_exported_is_named_and_nothing_is_written(model, x, named, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, TEN)
    with pytest.raises(ExportError, match=named):
        sklearn_to_onnx(model, tmp_path / "m.onnx", 64, x)
    with pytest.raises(DataError, match="do not fit"):
        sklearn_to_onnx(model, tmp_path / "m.onnx", 64, x[:, :5])
    assert list(tmp_path.iterdir()) == []


def test_a_transformer_gives_a_code(tmp_path):
    scaler = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    done = sklearn_to_onnx(scaler, tmp_path / "m.onnx", 64, X)
    (one,) = session(tmp_path / "m.onnx").get_outputs()
    assert done.difference < 1e-4 and (one.name, len(one.shape)) == ("code", 2)


@pytest.mark.parametrize(
    ("model", "y", "told"),
    [(Ridge(), X[:, :2], "answers 2 numbers per row"), (KMeans(2, n_init=1, random_state=0), None, "has 2 outputs")],
)
def test_what_gives_several_answers_is_refused(model, y, told, tmp_path):
    with pytest.raises(ExportError, match=told):
        sklearn_to_onnx(model.fit(X, y), tmp_path / "m.onnx", 64, X)
