"""Neighbourhood metrics against values computed with scikit-learn and zadu."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from codelayer.errors import DataError
from codelayer.measure import METRICS, Coranking, coranking
from codelayer.measure.ranks import near_ranks

DIGITS = load_digits().data / 16
SWISS, TURN = make_swiss_roll(1500, noise=0, random_state=0)
UNROLLED = np.c_[0.5 * (TURN * np.sqrt(1 + TURN**2) + np.arcsinh(TURN)), SWISS[:, 1]]


def pca(x: np.ndarray, units: int) -> np.ndarray:
    return PCA(units, svd_solver="full").fit_transform(x)


# trustworthiness k = 5, 10, 30; continuity k = 5, 10, 30; overlap k = 10; tolerance (pixels tie, the roll does not)
VECTORS = {
    "digits, PCA 2": (
        DIGITS,
        lambda: pca(DIGITS, 2),
        (0.83042877, 0.83000348, 0.83039370, 0.95694146, 0.95051793, 0.93666260),
        0.117919,
        1e-4,
    ),
    "digits, PCA 10": (
        DIGITS,
        lambda: pca(DIGITS, 10),
        (0.99725952, 0.99664917, 0.99513000, 0.99853336, 0.99816234, 0.99736052),
        0.666555,
        1e-4,
    ),
    "digits, random": (
        DIGITS,
        lambda: np.random.default_rng(0).standard_normal((1797, 2)),
        (0.50224152, 0.49980625, 0.50561649, 0.50721863, 0.50597839, 0.50745380),
        0.005843,
        1e-4,
    ),
    "swiss roll, PCA 2": (
        SWISS,
        lambda: pca(SWISS, 2),
        (0.98206041, 0.97578794, 0.94625455, 0.99403029, 0.99125892, 0.98433623),
        0.409400,
        1e-8,
    ),
    "swiss roll, unrolled": (
        SWISS,
        lambda: UNROLLED,
        (0.99999955, 0.99999955, 0.99999644, 0.99999955, 0.99999955, 0.99970125),
        0.999333,
        1e-8,
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_reference_values_are_reproduced(name):
    x, make, expected, overlap, tolerance = VECTORS[name]
    codes = make()
    found = [
        METRICS[metric](codes, x, n_neighbors=k) for metric in ("trustworthiness", "continuity") for k in (5, 10, 30)
    ]
    assert found == pytest.approx(expected, abs=max(tolerance, 6e-9))
    # which of the pixels tied for the last place is taken moves the overlap by this much
    assert METRICS["neighbor_overlap"](codes, x) == pytest.approx(overlap, abs=max(3 * tolerance, 1e-6))


# MRRE false and missing at k = 10, and the area of R_NX
MORE = {
    "digits, PCA 2": (0.829559, 0.956091, 0.23338),
    "digits, PCA 10": (0.996401, 0.997751, 0.695213),
    "digits, random": (0.501111, 0.506852, 0.000941),
    "swiss roll, PCA 2": (0.980297, 0.992582, 0.461037),
    "swiss roll, unrolled": (0.999998, 0.999998, 0.814277),
}


@pytest.mark.parametrize("name", VECTORS)
def test_rank_errors_and_the_area_of_the_reference_are_reproduced(name):
    x, make, _, _, tolerance = VECTORS[name]
    codes = make()
    found = [METRICS[metric](codes, x) for metric in ("mrre_false", "mrre_missing", "rnx_area")]
    # pixels tie, and packages break ties in ways of their own
    assert found == pytest.approx(MORE[name], abs=3 * tolerance if tolerance > 1e-5 else 1e-6)


def test_zadu_gives_the_same_without_ties():
    codes = pca(SWISS, 2)
    assert METRICS["mrre_false"](codes, SWISS) == pytest.approx(0.9802969916407043, abs=1e-12)
    assert METRICS["mrre_missing"](codes, SWISS) == pytest.approx(0.9925819972245801, abs=1e-12)
    assert METRICS["lcmc"](codes, SWISS) == pytest.approx(0.4027288859239493, abs=1e-12)


def by_hand(codes: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places 1 ... n - 1 of every row among the others, in x and in the codes, by full sorts."""
    out = []
    for rows in (x, codes):
        far = ((rows[:, None] - rows) ** 2).sum(2)
        np.fill_diagonal(far, np.inf)
        out.append(far.argsort(1).argsort(1) + 1)
    return out[0], out[1]


def test_every_number_of_the_co_ranking_is_that_of_full_sorts():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((150, 4))
    codes = x[:, :2] + 0.3 * rng.standard_normal((150, 2))
    in_x, in_codes = by_hand(codes, x)
    found = coranking(codes, x)
    shared = [((in_x <= k) & (in_codes <= k)).sum() / 150 for k in range(1, 149)]
    assert found.overlap == pytest.approx(shared)
    k = np.arange(1, 149)
    curve = (149 * np.array(shared) / k - k) / (149 - k)
    assert found.rnx == pytest.approx(curve)
    assert METRICS["rnx_area"](codes, x) == pytest.approx((curve / k).sum() / (1 / k).sum())
    assert found.areas.mean() == pytest.approx((curve / k).sum() / (1 / k).sum())
    order = in_codes.argsort(1)[:, :148]
    assert np.array_equal(found.in_x, np.take_along_axis(in_x, order, 1)[:, : found.in_x.shape[1]])
    order = in_x.argsort(1)[:, :148]
    assert np.array_equal(found.in_codes, np.take_along_axis(in_codes, order, 1)[:, : found.in_codes.shape[1]])


def test_what_ties_share_is_luck_so_that_zero_and_one_hold_on_categories():
    rng = np.random.default_rng(6)
    x = np.eye(4)[rng.integers(4, size=400)]
    for codes, expected in ((x, 1.0), (np.eye(4)[rng.integers(4, size=400)], 0.0), (np.zeros((400, 2)), 0.0)):
        assert METRICS["rnx"](codes, x) == pytest.approx(expected, abs=0.06)
        assert METRICS["rnx_area"](codes, x) == pytest.approx(expected, abs=0.06)
    with pytest.raises(DataError, match="all rows are equally far from one another"):
        METRICS["rnx_area"](np.ones((50, 2)), np.ones((50, 2)))


def test_a_million_times_as_large_or_small_changes_no_bit():
    codes = pca(SWISS, 2)
    found = METRICS["rnx_area"](codes, SWISS)
    assert METRICS["rnx_area"](codes * 2.0**600, SWISS * 2.0**-600) == found


def test_one_pass_serves_all_metrics_of_a_pair():
    codes = pca(SWISS, 2)
    assert coranking(codes, SWISS) is coranking(codes.copy(), SWISS.copy())


@pytest.mark.parametrize("kind", ["no ties", "few ties", "many ties", "rounded alike", "beyond single precision"])
def test_the_pass_without_the_area_gives_every_place_of_the_full_sorts(kind):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((300, 5))
    if kind == "few ties":
        x[250:] = x[:50]
    if kind == "many ties":
        x = np.round(x)
    if kind == "rounded alike":  # far apart in pairs, whose two rows single precision cannot tell apart
        x[150:] = x[:150] + 1e-9 * rng.standard_normal((150, 5))
    codes = x[:, :2] + (0 if "ties" in kind else 0.3 * rng.standard_normal((300, 2)))
    if kind == "beyond single precision":
        codes, x = codes * 1e40, x * 1e-40
    near, whole = near_ranks(codes, x), coranking(codes, x)
    assert not isinstance(near, Coranking)
    for one, other in zip((near, *near.parts), (whole, *whole.parts), strict=True):
        for name in ("in_x", "in_codes", "later"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
        assert all(np.array_equal(one.lucky(k), other.lucky(k)) for k in (1, 10, 100))


def test_without_ties_it_agrees_with_scikit_learn_to_the_last_digits():
    codes = pca(SWISS, 2)
    assert METRICS["trustworthiness"](codes, SWISS, n_neighbors=10) == pytest.approx(
        sklearn_trustworthiness(SWISS, codes, n_neighbors=10), abs=1e-12
    )
    assert METRICS["continuity"](codes, SWISS, n_neighbors=10) == pytest.approx(
        sklearn_trustworthiness(codes, SWISS, n_neighbors=10), abs=1e-12
    )


def test_the_hand_example_is_right():
    x, codes = np.array([0, 1, 3, 7, 15, 31.0]), np.array([0, 31, 1, 15, 3, 7.0])
    assert METRICS["trustworthiness"](codes, x, n_neighbors=1) == pytest.approx(0.625)
    assert METRICS["trustworthiness"](codes, x, n_neighbors=2) == pytest.approx(0.466667, abs=1e-6)
    assert METRICS["continuity"](codes, x, n_neighbors=1) == pytest.approx(0.291667, abs=1e-6)
    assert METRICS["continuity"](codes, x, n_neighbors=2) == pytest.approx(0.366667, abs=1e-6)


def test_the_continuous_example_is_right():
    rng = np.random.RandomState(0)
    x = rng.randn(300, 10)
    codes = x[:, :2] + 0.1 * rng.randn(300, 2)
    trust = [METRICS["trustworthiness"](codes, x, n_neighbors=k) for k in (5, 10, 30)]
    whole = [METRICS["continuity"](codes, x, n_neighbors=k) for k in (5, 10, 30)]
    assert trust == pytest.approx([0.65037443, 0.65303574, 0.67748527], abs=1e-8)
    assert whole == pytest.approx([0.80679224, 0.78971060, 0.76736826], abs=1e-8)
    assert METRICS["neighbor_overlap"](codes, x) - 10 / 299 == pytest.approx(0.06955518, abs=1e-8)


def test_the_interval_is_that_of_other_rows_and_wider_than_per_point_values_tell():
    # rows share neighbours: per-point values alone give 0.00355 here
    reading = METRICS["trustworthiness"].read({"codes": pca(DIGITS, 2), "x": DIGITS})
    assert 0.00355 * 1.96 < reading.high - reading.value < 2.5 * 0.00355 * 1.96


def test_anchors_estimate_the_exact_value_within_their_interval(monkeypatch):
    codes = pca(DIGITS, 2)
    exact = METRICS["trustworthiness"](codes, DIGITS)
    monkeypatch.setattr("codelayer.measure.ranks.EXACT_ROWS", 1000)
    reading = METRICS["trustworthiness"].read({"codes": codes, "x": DIGITS}, {"anchors": 500})
    assert reading.n == 500 and "500 anchors of 1797 rows" in reading.note
    assert reading.low < exact < reading.high
    assert 1 < (reading.high - reading.low) / 2 / (1.96 * 0.1506 / 500**0.5) < 1.7
    assert "standard error 0.00" in reading.note


def test_a_constant_code_scores_like_a_random_one():
    assert METRICS["trustworthiness"](np.zeros((500, 2)), SWISS[:500]) == pytest.approx(0.5, abs=0.02)
    reading = METRICS["neighbor_overlap"].read({"codes": np.zeros((500, 2)), "x": SWISS[:500]})
    assert reading.value == pytest.approx(10 / 499, abs=0.005) and reading.chance == pytest.approx(10 / 499, abs=1e-9)


def test_duplicated_rows_do_not_spoil_a_faithful_code():
    rows = np.repeat(SWISS[:100], 7, axis=0)
    assert METRICS["trustworthiness"](rows, rows) > 0.999
    assert METRICS["continuity"](2 * rows + 5, rows) > 0.999


def test_as_many_neighbors_as_half_the_rows_are_refused():
    with pytest.raises(DataError, match="n_neighbors=10 is not below half of 20 rows"):
        METRICS["trustworthiness"](SWISS[:20], SWISS[:20])


def test_five_thousand_rows_are_exact_in_about_a_second_without_an_n_by_n_matrix():
    tracemalloc = pytest.importorskip("tracemalloc")
    x = make_blobs(5000, 64, centers=10, cluster_std=8, random_state=0)[0]
    codes = pca(x, 2)
    METRICS["trustworthiness"](codes[:100], x[:100])
    tracemalloc.start()
    begun = time.process_time()
    value = METRICS["trustworthiness"](codes, x)
    for name in ("continuity", "mrre_false", "mrre_missing", "lcmc", "rnx", "rnx_area"):
        METRICS[name](codes, x)
    seconds, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert value == pytest.approx(0.791212835790952, abs=1e-12)
    assert peak < 100e6
    assert seconds < 4


@pytest.mark.parametrize("far", [1e9, -1e9, 1e12])
def test_one_cell_far_out_costs_no_other_row_its_neighbours(far):
    x = np.random.default_rng(0).standard_normal((300, 12))
    codes, labels = x[:, :3].copy(), x[:, 0] > 0
    known = METRICS["knn_score"](codes, labels)
    x[0, 0] = codes[0, 0] = far
    wanted = sklearn_trustworthiness(x, codes[:, 1:], n_neighbors=10)
    assert METRICS["trustworthiness"](codes[:, 1:], x, n_neighbors=10) == pytest.approx(wanted, abs=1e-6)
    assert METRICS["knn_score"](codes, labels) == pytest.approx(known, abs=0.02)
    assert METRICS["trustworthiness"](codes, codes) == pytest.approx(1, abs=1e-5)


def test_permuted_rows_give_the_same_bits_beside_a_cell_far_out():
    x = np.random.default_rng(1).standard_normal((200, 6))
    x[3, 2] = -1e9
    mixed = np.random.default_rng(2).permutation(200)
    for name in ("trustworthiness", "rnx_area"):
        assert METRICS[name](x[:, :2], x) == METRICS[name](x[mixed, :2], x[mixed])
