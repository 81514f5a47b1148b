"""Isomap and UMAP: equal to scikit-learn's and to UMAP's own code, saved as arrays, told where a graph falls apart."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn import manifold
from sklearn.datasets import load_digits, make_swiss_roll

import codelayer
from codelayer import bundle
from codelayer.errors import BundleError, CodelayerError, SentenceError
from codelayer.learn.manifold import Isomap, Umap, _widths, nearest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 6))
NEW = RNG.normal(size=(50, 6))

pytestmark = pytest.mark.filterwarnings("ignore:the graph of neighbours", "ignore:The number of connected")


# --- Isomap ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbors", [5, 12])
@pytest.mark.parametrize("data", ["normal", "roll", "digits"])
def test_isomap_equals_scikit_learn_on_known_and_new_rows(data, neighbors):
    digits = load_digits().data[:300] + 0.01 * np.random.default_rng(1).random((300, 64))  # without ties
    whole = {"normal": np.r_[X, NEW], "roll": make_swiss_roll(300, random_state=0)[0], "digits": digits}
    known, new = whole[data][:240], whole[data][240:]
    theirs = manifold.Isomap(n_neighbors=neighbors, n_components=4, eigen_solver="dense").fit(known.astype(np.float32))
    ours = Isomap(4, neighbors, scale="none").fit(known)
    for rows in (known, new):
        expected = theirs.transform(rows.astype(np.float32))
        np.testing.assert_allclose(ours.transform(rows), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(ours.transform(known), theirs.embedding_, atol=1e-4 * np.abs(expected).max())


def test_isomap_unrolls_the_swiss_roll_where_pca_cannot():
    x, along = make_swiss_roll(800, random_state=0)

    def told(codes: np.ndarray) -> float:
        return float(np.abs(np.corrcoef(codes[:, 0], along)[0, 1]))

    assert told(Isomap(2, scale="none").fit_transform(x)) > 0.95 > 0.7 > told(codelayer.Pca(2).fit_transform(x))


def test_landmarks_are_drawn_by_the_seed_and_equal_rows_are_one():
    made = Isomap(3, landmarks=60, random_state=1, scale="none").fit(X)
    assert made.rows_.shape == (60, 6) and made.distances_.shape == (60, 60)
    place = {row.tobytes(): i for i, row in enumerate(X.astype(np.float32))}
    drawn = [place[row.tobytes()] for row in made.rows_]
    assert drawn == sorted(set(drawn)) and drawn[-1] > 200
    np.testing.assert_array_equal(Isomap(3, landmarks=60, random_state=1).fit(X).rows_.shape, made.rows_.shape)
    other = Isomap(3, landmarks=60, random_state=2, scale="none").fit(X)
    assert not np.array_equal(other.rows_, made.rows_)
    # forty times the same row: scikit-learn's graph would lose it
    once, often = Isomap(3, scale="none").fit(X), Isomap(3, scale="none").fit(np.r_[X, np.repeat(X[:1], 40, 0)])
    np.testing.assert_array_equal(once.transform(NEW), often.transform(NEW))


def test_a_graph_in_parts_is_joined_and_told():
    apart = np.r_[X[:60], X[60:120] + 100]
    with pytest.warns(UserWarning, match=r"the graph of neighbours fell into 2 parts, .*; raise neighbors") as told:
        codes = Isomap(2, 5, scale="none").fit_transform(apart)
    assert len(told) == 1 and np.isfinite(codes).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Isomap(2, 10).fit(X)


def test_few_rows_sparse_rows_and_rows_that_are_all_equal():
    assert Isomap().fit_transform(X[:2]).shape == (2, 1)
    assert Isomap(2).fit(X[:3]).transform(X[:3]).shape[0] == 3
    same = Isomap().fit(np.ones((9, 4)))
    assert same.transform(np.ones((5, 4))).tolist() == [[0.0]] * 5
    counts = sparse.csr_matrix(np.maximum(X, 0))
    np.testing.assert_array_equal(
        *(Isomap(3, scale="none").fit(one).transform(one) for one in (counts, counts.toarray()))
    )
    wide = Isomap(500).fit(X[:40])  # its kernel has negative eigenvalues: they are no units
    assert 1 < wide.units < 40 and np.isfinite(wide.transform(NEW)).all()
    for options in ({"neighbors": 0}, {"landmarks": 0}, {"code_size": 0}):
        with pytest.raises(SentenceError, match="is not possible\n  it is a whole number, at least 1"):
            Isomap(**options).fit(X)


def test_nearest_takes_the_first_of_equally_near_ones():
    marks = np.array([[0.0], [2.0], [2.0], [5.0]])
    places, distances = nearest(np.array([[1.0], [4.9]]), marks, 3)
    assert places.tolist() == [[0, 1, 2], [3, 1, 2]]
    np.testing.assert_allclose(distances, [[1, 1, 1], [0.1, 2.9, 2.9]])


def test_an_altered_bundle_is_refused(tmp_path):
    made = Isomap(3).fit(X)
    made.save(tmp_path / "b")
    found = bundle.read(tmp_path / "b")
    for name, value in (("distances", np.zeros((9, 240), np.float32)), ("rows", np.zeros((240, 5), np.float32))):
        bundle.write(tmp_path / name, "isomap", found.plan, {**found.tensors, name: value}, dict(found.golden))
        with pytest.raises(BundleError, match="save it again"):
            codelayer.load(tmp_path / name)


# --- UMAP -----------------------------------------------------------------------------------------------------------


def by_hand() -> Umap:
    """As a fit leaves it, without umap-learn."""
    made = Umap(2, neighbors=5, scale="none")
    made.schema_ = Isomap(2, scale="none").fit(X).schema_
    made.rows_, made.codes_ = X.astype(np.float32), RNG.normal(size=(240, 2)).astype(np.float32)
    made.n_features_in_, made._n_features_out = 6, 2
    made._fit_ridge(made.rows_)
    return made


def test_a_new_row_is_the_weighted_mean_of_its_nearest_landmarks():
    made = by_hand()
    for row, code in zip(NEW.astype(np.float32), made.transform(NEW), strict=True):
        distances = np.linalg.norm(made.rows_ - row, axis=1)
        near = np.argsort(distances)[:5]
        (width,) = _widths(np.sort(distances)[None, :5])[0]
        assert np.exp(-np.sort(distances)[1:5] / width).sum() == pytest.approx(np.log2(5), rel=1e-5)
        np.testing.assert_allclose(code, softmax(-distances[near] / width) @ made.codes_[near], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(made.transform(X), made.codes_)


def test_it_is_saved_as_arrays_and_loads_without_umap(tmp_path, monkeypatch):
    made = by_hand()
    made.save(tmp_path / "b")
    monkeypatch.setitem(sys.modules, "umap", None)
    back = codelayer.load(tmp_path / "b")
    assert type(back) is Umap and back.get_params()["neighbors"] == 5
    np.testing.assert_array_equal(back.transform(NEW), made.transform(NEW))


def test_without_umap_learn_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("codelayer.learn.manifold.importlib.util.find_spec", lambda name: None)
    with pytest.raises(CodelayerError, match=r"UMAP needs umap-learn, .*\n  pip install codelayer\[umap\]"):
        Umap().fit(X)


def test_it_equals_umaps_own_start_of_a_transform():
    umap = pytest.importorskip("umap")
    from umap.umap_ import compute_membership_strengths, init_graph_transform, smooth_knn_dist

    made = Umap(2, random_state=3, scale="none").fit(X)
    theirs = umap.UMAP(n_components=2, random_state=3, n_jobs=1).fit_transform(X.astype(np.float32).astype(float))
    np.testing.assert_array_equal(made.codes_, theirs)
    places, distances = nearest(NEW.astype(np.float32).astype(float), made.rows_.astype(float), 15)
    places, distances = places.astype(np.int32), distances.astype(np.float32)
    widths, offsets = smooth_knn_dist(distances, 15.0, local_connectivity=0.0)
    rows, columns, values, _ = compute_membership_strengths(places, distances, widths, offsets, bipartite=True)
    graph = sparse.coo_matrix((values, (rows, columns)), shape=(50, 240)).tocsr()
    expected = init_graph_transform(graph, made.codes_)
    np.testing.assert_allclose(made.transform(NEW), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(made.transform(NEW), Umap(2, random_state=3, scale="none").fit(X).transform(NEW))
    assert Umap(3).fit_transform(X[:6]).shape == (6, 3)
    with pytest.raises(CodelayerError, match="2 different rows are too few for UMAP"):
        Umap(2).fit(np.repeat(X[:2], 9, 0))
