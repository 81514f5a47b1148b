"""Reconstruction scores by hand, and the linear decoder on data where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from codelayer.errors import DataError
from codelayer.measure import METRICS

X = load_digits().data / 16


def test_share_and_error_by_hand():
    x, rebuilt = np.array([[0.0, 0], [2, 0], [4, 0]]), np.array([[1.0, 0], [2, 1], [4, 0]])
    assert METRICS["explained_share"](x, rebuilt) == pytest.approx(1 - 2 / 8)
    reading = METRICS["squared_error"].read({"x": x, "rebuilt": rebuilt})
    assert reading.value == pytest.approx(2 / 3)
    assert reading.chance == pytest.approx(8 / 3)


def test_the_share_of_pca_is_its_explained_variance():
    pca = PCA(10, svd_solver="full").fit(X)
    rebuilt = pca.inverse_transform(pca.transform(X))
    reading = METRICS["explained_share"].read({"x": X, "rebuilt": rebuilt})
    assert reading.value == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-9)
    assert reading.low < reading.value < reading.high < reading.low + 0.05


def test_a_linear_decoder_finds_what_pca_kept_and_nothing_in_noise():
    pca = PCA(10, svd_solver="full").fit(X)
    kept = pca.explained_variance_ratio_.sum()
    assert METRICS["linear_rebuild"](pca.transform(X), X) == pytest.approx(kept, abs=0.02)
    assert METRICS["linear_rebuild"](X, X) > 0.999
    assert METRICS["linear_rebuild"](np.random.default_rng(0).standard_normal((1797, 10)), X) == pytest.approx(
        0, abs=0.03
    )


def test_a_constant_x_or_another_width_is_refused():
    with pytest.raises(DataError, match="x is constant"):
        METRICS["explained_share"](np.ones((5, 2)), np.zeros((5, 2)))
    with pytest.raises(DataError, match="3 and 2 features"):
        METRICS["explained_share"](np.ones((5, 3)), np.zeros((5, 2)))
