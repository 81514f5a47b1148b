"""RankMe and alpha-ReQ against closed forms and the reference's values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_swiss_roll
from sklearn.decomposition import PCA

from codelayer.errors import DataError
from codelayer.measure import METRICS

DIGITS = load_digits().data / 16
SETS = {
    "digits": (lambda: DIGITS, 29.6299, 39.7085),
    "digits PCA 10": (lambda: PCA(10, svd_solver="full").fit_transform(DIGITS), 9.5942, 9.5942),
    "swiss roll": (lambda: make_swiss_roll(1500, noise=0, random_state=0)[0], 2.8607, 2.9909),
    "Gauss": (lambda: np.random.default_rng(0).standard_normal((1500, 20)), 19.964, 19.964),
}


@pytest.mark.parametrize("name", SETS)
def test_the_published_reference_values_are_reproduced(name):
    make, plain, centred = SETS[name]
    assert METRICS["rankme"](make()) == pytest.approx(plain, rel=1e-4)
    assert METRICS["rankme_centred"](make()) == pytest.approx(centred, rel=1e-4)


def test_closed_forms_hold():
    one_hot = np.eye(10)[np.arange(1000) % 10]
    assert METRICS["rankme"](one_hot) == pytest.approx(10, abs=1e-4)
    assert METRICS["rankme_centred"](one_hot) == pytest.approx(9, abs=1e-4)
    assert METRICS["rankme"](np.diag([4.0, 3, 2, 1])) == pytest.approx(3.59611547, abs=1e-5)
    assert METRICS["rankme"](np.random.RandomState(0).randn(300, 10)) == pytest.approx(9.95129493, abs=1e-5)


def test_a_collapsed_code_has_rank_one():
    collapsed = np.outer(np.random.default_rng(0).random(500) + 1, np.ones(2048))
    assert METRICS["rankme"](collapsed) == pytest.approx(1, abs=5e-3)


def test_the_slope_of_the_spectrum_is_that_of_the_stated_range():
    assert METRICS["alpha_req"](DIGITS) == pytest.approx(1.347, abs=1e-3)
    assert METRICS["alpha_req"](DIGITS, first=5) == pytest.approx(1.666, abs=1e-3)
    power = np.linalg.qr(np.random.default_rng(0).standard_normal((500, 30)))[0] * np.arange(1.0, 31) ** -0.75
    reading = METRICS["alpha_req"].read({"codes": power - power.mean(0)})
    assert reading.value == pytest.approx(1.5, abs=0.02) and reading.more == {"first": 1, "last": 30}


def test_an_offset_lowers_rankme_and_not_the_centred_one():
    rows = np.random.default_rng(0).standard_normal((800, 6))
    assert METRICS["rankme"](rows + 50) < 2
    assert METRICS["rankme_centred"](rows + 50) == pytest.approx(METRICS["rankme_centred"](rows), rel=1e-6)


def test_codes_without_a_spectrum_are_refused_by_name():
    with pytest.raises(DataError, match="the codes are constant"):
        METRICS["rankme_centred"](np.ones((100, 4)))
    with pytest.raises(DataError, match="a slope needs at least 3"):
        METRICS["alpha_req"](np.random.default_rng(0).random((100, 2)))
