"""Intrinsic dimension against scikit-dimension's values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_swiss_roll
from sklearn.decomposition import PCA

from codelayer.errors import DataError
from codelayer.measure import METRICS

DIGITS = load_digits().data / 16
CUBE = np.c_[np.random.default_rng(0).random((1500, 5)), np.zeros((1500, 5))]
SETS = {
    "digits": (lambda: DIGITS, (8.1099, 7.4195, 6.8448), 8.9082),
    "digits PCA 10": (
        lambda: PCA(10, svd_solver="full").fit_transform(DIGITS),
        (5.8104, 5.3316, 4.9608),
        6.2439,
    ),
    "swiss roll": (lambda: make_swiss_roll(1500, noise=0, random_state=0)[0], (1.9877, 1.9975, 1.9417), 1.9966),
    "noisy roll": (lambda: make_swiss_roll(1500, noise=0.5, random_state=0)[0], (2.5955, 2.4127, 2.2399), 2.6164),
    "cube": (lambda: CUBE, (4.6254, 4.5428, 4.4718), 4.8226),
    "Gauss": (lambda: np.random.default_rng(0).standard_normal((1500, 20)), (16.555, 15.728, 15.101), 16.991),
}


@pytest.mark.parametrize("name", SETS)
def test_the_published_reference_values_are_reproduced(name):
    make, by_k, twonn = SETS[name]
    rows = make()
    assert [METRICS["dimension_mle"](rows, n_neighbors=k) for k in (5, 10, 20)] == pytest.approx(by_k, rel=1e-4)
    assert METRICS["dimension_twonn"](rows) == pytest.approx(twonn, rel=1e-4)


def test_the_continuous_example_is_right():
    x = np.random.RandomState(0).randn(300, 10)
    assert METRICS["dimension_mle"](x) == pytest.approx(7.98713057, abs=1e-7)
    assert METRICS["dimension_twonn"](x) == pytest.approx(8.77080715, abs=1e-2)


def test_duplicated_rows_change_nothing():
    rows = CUBE[:, :5]
    doubled = np.concatenate([rows, rows[:15]])
    for name in ("dimension_mle", "dimension_twonn"):
        reading = METRICS[name].read({"codes": doubled})
        assert reading.value == METRICS[name](rows)
        assert reading.note == "15 duplicated rows left out"


def test_the_interval_has_the_width_of_the_delta_method_and_the_half_is_reported():
    roll = SETS["swiss roll"][0]()
    reading = METRICS["dimension_mle"].read({"codes": roll})
    assert (reading.high - reading.low) / 2 / 1.96 == pytest.approx(0.012, abs=0.002)
    assert reading.more["half"] == pytest.approx(1.92, abs=0.06)


def test_codes_without_a_local_dimension_are_refused_by_name():
    with pytest.raises(DataError, match="only 10 different rows"):
        METRICS["dimension_mle"](np.eye(10)[np.arange(500) % 10])
    with pytest.raises(DataError, match="all neighbours are equally far"):
        METRICS["dimension_twonn"](np.eye(60))
