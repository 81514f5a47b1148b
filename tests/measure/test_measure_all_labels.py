"""Probes on all labels, neighbours, clusters and evidence: reference values, closed forms, degenerate codes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_circles
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsRegressor

from codelayer.errors import DataError
from codelayer.measure import METRICS, cross_curve
from codelayer.measure.evidence import _log_evidence
from codelayer.measure.folds import folds

X, Y = load_digits().data / 16, load_digits().target
CODES = {64: X, 2: PCA(2, svd_solver="full").fit_transform(X), 10: PCA(10, svd_solver="full").fit_transform(X)}
RNG = np.random.default_rng(0)


def read(name, units, **options):
    return METRICS[name].read({"codes": CODES[units], "labels": Y}, options)


# --- linear and curved probes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "expected", "within"), [(64, 0.9694, 0.0111), (2, 0.60433, 0.0215), (10, 0.9298, 0.0137)]
)
def test_linear_score_is_near_the_reference_whose_probe_scales_each_unit(units, expected, within):
    found = read("linear_score", units)
    assert found.value == pytest.approx(expected, abs=within)
    assert found.low < found.value < found.high and found.chance == pytest.approx(0.1) and found.n == 1797


def test_cross_curve_answers_every_row_by_a_probe_of_the_other_folds():
    x, y = X[:200], Y[:200] % 2
    parts, expected = folds(y, 5), np.empty(200, int)
    for one in parts:
        rest = np.setdiff1d(np.arange(200), one)
        center, scale = x[rest].mean(0), np.sqrt(x[rest].var(0).mean())
        model = LogisticRegression(C=1, max_iter=1000).fit((x[rest] - center) / scale, y[rest])
        expected[one] = model.predict((x[one] - center) / scale)
    assert (cross_curve(x, y).predictions[0, 0] == expected).mean() > 0.98


def test_numbers_are_scored_by_r2():
    codes = RNG.standard_normal((300, 4))
    told = codes @ [1.0, -2.0, 0.5, 0.0] + 0.5 * RNG.standard_normal(300)
    found = METRICS["linear_score"].read({"codes": codes, "labels": told})
    direct = Ridge().fit(codes, told).score(codes, told)
    assert found.value == pytest.approx(direct, abs=0.02) and found.chance == 0.0
    assert METRICS["linear_score"](RNG.standard_normal((300, 4)), told) == pytest.approx(0, abs=0.05)


def test_the_gap_is_large_where_boundaries_bend_and_none_where_they_are_straight():
    circles, inside = make_circles(300, noise=0.05, factor=0.5, random_state=0)
    bent = METRICS["boundary_gap"].read({"codes": circles, "labels": inside})
    assert bent.value > 0.4 and bent.low > 0.3 and bent.more["curved"] > 0.95
    straight = METRICS["boundary_gap"].read({"codes": circles, "labels": circles[:, 0] > 0})
    assert abs(straight.value) < 0.06
    number = METRICS["boundary_gap"].read({"codes": circles, "labels": (circles**2).sum(1) + 0.01})
    assert number.value > 0.8


# --- neighbours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "leave_one_out", "hit"), [(64, 0.98776, 0.96505), (2, 0.63495, 0.57084), (10, 0.97885, 0.94424)]
)
def test_neighbours_give_the_reference_values(units, leave_one_out, hit):
    # integer pixels tie: what is tied at the tenth place is shared here
    assert read("knn_score", units).more["accuracy"] == pytest.approx(leave_one_out, abs=1e-5)
    assert read("neighborhood_hit", units).value == pytest.approx(hit, abs=1e-4)


def test_numbers_are_told_by_the_mean_of_the_neighbours():
    codes, told = RNG.standard_normal((80, 3)), RNG.standard_normal(80)
    expected = np.array(
        [
            KNeighborsRegressor(5).fit(np.delete(codes, i, 0), np.delete(told, i)).predict(codes[i : i + 1])[0]
            for i in range(80)
        ]
    )
    r2 = 1 - ((told - expected) ** 2).sum() / ((told - told.mean()) ** 2).sum()
    assert METRICS["knn_score"](codes, told) == pytest.approx(r2)


def test_angles_pass_over_the_length_of_a_code():
    angle = RNG.uniform(0, 2 * np.pi, 200)
    codes = np.c_[np.cos(angle), np.sin(angle)] * np.exp(3 * RNG.standard_normal(200))[:, None]
    labels = (angle * 4 / (2 * np.pi)).astype(int)
    assert METRICS["knn_score"](codes, labels, cosine=True) > 0.95 > METRICS["knn_score"](codes, labels)


def test_a_constant_code_tells_nothing_and_neighbours_of_the_own_group_do_not_count():
    labels = np.arange(60) % 3
    assert METRICS["knn_score"](np.ones((60, 2)), labels) == pytest.approx(1 / 3, abs=0.34)
    hit = METRICS["neighborhood_hit"].read({"codes": np.ones((60, 2)), "labels": labels})
    assert hit.value == pytest.approx(hit.chance)
    codes = np.repeat(np.arange(30.0)[:, None] * 10, 2, axis=0) + np.tile([[0.0], [0.1]], (30, 1))
    pairs, told = np.repeat(np.arange(30), 2), np.repeat(np.arange(30) % 2, 2)
    own = METRICS["neighborhood_hit"](codes=codes, labels=told, n_neighbors=1)
    other = METRICS["neighborhood_hit"](codes=codes, labels=told, groups=pairs, n_neighbors=1)
    assert (own, other) == (1.0, 0.0)
    with pytest.raises(DataError, match="all rows are of one group"):
        METRICS["knn_score"](codes=codes, labels=told, groups=np.zeros(60))
    with pytest.raises(DataError, match="use knn_score"):
        METRICS["neighborhood_hit"](codes, RNG.random(60))


# --- clusters -------------------------------------------------------------------------------------------------------


def test_cluster_agreement_is_that_of_scikit_learn():
    found = read("cluster_agreement", 10)
    clusters = KMeans(10, n_init=10, random_state=0).fit_predict(CODES[10])
    assert found.value == pytest.approx(adjusted_mutual_info_score(Y, clusters), abs=0.03)
    assert found.more["ari"] == pytest.approx(adjusted_rand_score(Y, clusters), abs=0.05)
    assert found.more["nmi"] == pytest.approx(normalized_mutual_info_score(Y, clusters), abs=0.03)


def test_clusters_need_as_many_codes_as_classes():
    with pytest.raises(DataError, match="1 different codes for 10 classes"):
        METRICS["cluster_agreement"](np.ones((len(Y), 2)), Y)
    with pytest.raises(DataError, match="needs classes"):
        METRICS["cluster_agreement"](X, X[:, 20] + 0.01)


# --- evidence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "logme", "plain", "shrunk", "rate"),
    [(64, 0.27028, 5.9179, 5.8514, 29.83), (2, -0.18784, 1.4765, 0.7151, 0.605), (10, 0.01858, 4.4632, 4.3905, 4.499)],
)
def test_evidence_gives_the_reference_values(units, logme, plain, shrunk, rate):
    assert read("logme", units).value == pytest.approx(logme, abs=6e-6)
    found = read("h_score", units)
    assert found.value == pytest.approx(shrunk, abs=6e-5)
    assert found.more["plain"] == pytest.approx(plain, abs=6e-5)
    assert found.more["trans_rate"] == pytest.approx(rate, rel=1e-3)


def test_log_evidence_is_the_largest_gaussian_likelihood():
    from scipy.optimize import minimize
    from scipy.stats import multivariate_normal

    codes = RNG.standard_normal((30, 3))
    target = codes @ [1.0, 0.5, -1.0] + 0.4 * RNG.standard_normal(30)

    def worse(logs):
        alpha, beta = np.exp(logs)
        cover = np.eye(30) / beta + codes @ codes.T / alpha
        return -multivariate_normal(np.zeros(30), cover).logpdf(target) / 30

    best = -minimize(worse, [0.0, 0.0], method="Nelder-Mead").fun
    assert _log_evidence(codes, target[:, None]) == pytest.approx(best, abs=1e-3)
    wide = np.hstack([codes, np.zeros((30, 60))])
    assert np.isfinite(_log_evidence(wide, target[:, None]))


def test_evidence_of_numbers_ignores_their_scale_and_needs_them_to_vary():
    told = CODES[10] @ np.arange(10.0) + RNG.standard_normal(len(Y))
    assert METRICS["logme"](CODES[10], 100 * told + 7) == pytest.approx(METRICS["logme"](CODES[10], told))
    assert METRICS["logme"](CODES[10], told) > METRICS["logme"](CODES[10], RNG.permutation(told))
    with pytest.raises(DataError, match="use logme"):
        METRICS["h_score"](CODES[10], told)
