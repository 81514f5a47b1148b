"""Intrinsic dimension against scikit-dimension's values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammainc
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


def padded_ball(n: int, d: int, seed: int) -> np.ndarray:
    """scikit-dimension's hyperBall (BSD-3): uniform in a ball, with as many empty columns beside."""
    rows = np.random.RandomState(seed).normal(size=(n, d))
    squares = (rows**2).sum(1)
    return np.c_[rows * (gammainc(d / 2, squares / 2) ** (1 / d) / np.sqrt(squares))[:, None], np.zeros((n, d))]


def sphere(n: int, d: int, seed: int) -> np.ndarray:
    """scikit-dimension's hyperSphere."""
    rows = np.random.RandomState(seed).randn(n, d + 1)
    return rows / np.linalg.norm(rows, axis=1)[:, None]


# scikit-dimension 0.5.0, itself held against R, DADApy and MATLAB
FIXTURES = {
    "ball": (padded_ball(300, 5, 0), 4.43582346, 4.20235906, 4.67110085, 4.36217653, 4.11313892),
    "sphere": (sphere(300, 4, 1), 3.77125056, 3.57276369, 4.01317930, 3.22120513, 3.32807161),
}
GRIDE = {
    "ball": (4.11313892, 4.66693389, 4.31244457, 4.39827828, 4.27531096, 3.83846875, 3.43660386),
    "sphere": (3.32807161, 3.97115244, 3.88787508, 3.81370727, 3.73309849, 3.58914398, 3.33508152),
}


@pytest.mark.parametrize("name", FIXTURES)
def test_the_fixtures_of_scikit_dimension_are_met_to_six_digits(name):
    rows, *expected = FIXTURES[name]
    found = [METRICS["dimension_mle"](rows), METRICS["dimension_mle"](rows, unbiased=True)]
    found += [METRICS[one](rows) for one in ("dimension_mle_mean", "dimension_twonn", "dimension_twonn_ml")]
    assert found == pytest.approx(expected, abs=1e-6)
    profile = METRICS["dimension_gride"].read({"codes": rows}).more["profile"]
    assert list(profile.values()) == pytest.approx(GRIDE[name], abs=1e-6)


def test_five_neighbours_and_five_hundred_rows_of_the_fixture_are_met():
    assert METRICS["dimension_mle"](padded_ball(300, 5, 0), n_neighbors=5) == pytest.approx(4.39211347, abs=1e-6)
    assert METRICS["dimension_twonn"](padded_ball(500, 5, 0)) == pytest.approx(4.159093274086606, abs=1e-6)


def test_the_variants_of_other_packages_give_their_values_on_digits():
    assert METRICS["dimension_mle_mean"](DIGITS) == pytest.approx(7.7226, abs=1e-4)
    assert METRICS["dimension_twonn_ml"](DIGITS) == pytest.approx(9.0442, abs=1e-4)


@pytest.mark.parametrize("scale", [2, 8])
def test_gride_is_where_its_likelihood_is_highest(scale):
    rows = CUBE[:400, :5]
    far = np.sort(np.linalg.norm(rows[:, None] - rows, axis=2), axis=1)
    logs = np.log(far[:, 2 * scale] / far[:, scale])
    grid = np.linspace(3, 6, 30001)
    # (N - 1) log d, as in scikit-dimension, in place of N log d
    terms = [(scale - 1) * np.log(np.expm1(d * logs)).sum() - (2 * scale - 1) * d * logs.sum() for d in grid]
    best = grid[np.argmax((len(rows) - 1) * np.log(grid) + terms)]
    profile = METRICS["dimension_gride"].read({"codes": rows}).more["profile"]
    assert profile[str(scale)] == pytest.approx(best, abs=2e-4)


def test_gride_tells_noise_from_the_sheet_below_it():
    noisy = make_swiss_roll(3000, noise=0.3, random_state=0)[0]
    profile = METRICS["dimension_gride"].read({"codes": noisy}).more["profile"]
    assert profile["1"] > 2.4 and profile["32"] < 2.2
    with pytest.raises(DataError, match="scale=3 is not a power of 2"):
        METRICS["dimension_gride"](noisy, scale=3)


def test_the_scale_of_gride_is_told_beside_the_value_and_is_no_warning():
    reading = METRICS["dimension_gride"].read({"codes": np.random.default_rng(0).random((60, 3))})
    assert reading.more["scale"] == 8 and reading.note == ""
    assert reading.value == reading.more["profile"]["8"]


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


def test_the_interval_has_the_width_of_half_subsamples_and_the_half_is_reported():
    roll = SETS["swiss roll"][0]()
    reading = METRICS["dimension_mle"].read({"codes": roll})
    # the reference: 0.019 from half-subsamples; the delta method, which forgets shared neighbours, gives 0.012
    assert (reading.high - reading.low) / 2 / 2.2 == pytest.approx(0.019, abs=0.005)
    assert reading.more["half"] == pytest.approx(1.92, abs=0.06)


def test_codes_without_a_local_dimension_are_refused_by_name():
    with pytest.raises(DataError, match="only 10 different rows"):
        METRICS["dimension_mle"](np.eye(10)[np.arange(500) % 10])
    with pytest.raises(DataError, match="all neighbours are equally far"):
        METRICS["dimension_twonn"](np.eye(60))
