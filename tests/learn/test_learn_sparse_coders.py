"""Every solver as a coder, and the coder that imitates them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import sparse_encode

from codelayer import Dictionary, Lista
from codelayer.errors import BundleError, CodelayerError, SentenceError
from codelayer.learn.saved import load
from codelayer.learn.sparse_coding import feature_sign, fista, ista
from codelayer.learn.sparse_coding.solvers import SOLVERS


def planted(n: int = 600, features: int = 8, units: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Rows made of few of the atoms, and those as a dictionary (features, units)."""
    rng = np.random.default_rng(1)
    atoms = rng.normal(size=(units, features))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    return (rng.laplace(size=(n, units)) * (rng.random((n, units)) < 0.12)) @ atoms, atoms.T.astype(np.float32)


def centred(coder, x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) - coder.mean_.astype(float)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_gives_scikit_learns_codes_of_a_given_dictionary(solver):
    x, atoms = planted(150)
    one = Dictionary(dictionary=atoms, solver=solver, l1=0.05, scale="none", epochs=5).fit(x)
    np.testing.assert_array_equal(one.atoms_, atoms.T)  # fit leaves it as it is
    best = sparse_encode(centred(one, x), atoms.T.astype(float), algorithm="lasso_lars", alpha=0.05)
    np.testing.assert_allclose(one.transform(x), best, rtol=2e-6, atol=2e-6)
    thin = one.transform_sparse(sparse.csr_array(x))
    np.testing.assert_array_equal(thin.toarray(), one.transform(x))
    assert one.units == atoms.shape[1] and one.score(x) > 0.9


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_learns_the_same_dictionary(solver):
    x, _ = planted(200)
    options = {"l1": 0.05, "epochs": 2, "scale": "none", "random_state": 0}
    mine, exact = Dictionary(12, solver=solver, **options).fit(x), Dictionary(12, **options).fit(x)
    np.testing.assert_allclose(mine.atoms_, exact.atoms_, atol=1e-4)


@pytest.mark.parametrize("solver, function", [("ista", ista), ("fista", fista)])
def test_iterations_are_those_of_the_solver(solver, function):
    x, atoms = planted(100)
    for steps in (1, 10):
        options = {"solver": solver, "iterations": steps, "tolerance": 0, "scale": "none"}
        one = Dictionary(dictionary=atoms, **options).fit(x)
        steps_taken = function(centred(one, x), atoms.astype(float), 0.1, iterations=steps, tolerance=0)
        np.testing.assert_allclose(one.transform(x), steps_taken, atol=1e-6)


@pytest.mark.parametrize("kind", [Dictionary, Lista])
def test_a_given_dictionary_is_saved_as_atoms(kind, tmp_path):
    x, atoms = planted(100)
    one = kind(dictionary=atoms, epochs=2, scale="none", random_state=0).fit(x)
    assert clone(one).dictionary is not None
    one.save(tmp_path / "d.zip")
    back = load(tmp_path / "d.zip")
    assert back.dictionary is None and back.l1 == one.l1
    np.testing.assert_array_equal(back.transform(x), one.transform(x))
    np.testing.assert_array_equal(back.atoms_, atoms.T)


def test_partial_fit_goes_on_from_a_given_dictionary():
    x, atoms = planted()
    rough = atoms + 0.3 * np.random.default_rng(0).normal(size=atoms.shape)
    one = Dictionary(dictionary=rough / np.linalg.norm(rough, axis=0), l1=0.3, scale="none", random_state=0)
    before = np.abs(one.fit(x).atoms_ @ atoms).max(0).mean()
    for _ in range(5):
        one.partial_fit(x)
    assert np.abs(one.atoms_ @ atoms).max(0).mean() > before + 0.01


# --- learned ISTA ---------------------------------------------------------------------------------------------------


def test_lista_beats_ista_of_equal_steps_on_new_digits():
    x = load_digits().data / 16
    atoms = Dictionary(48, epochs=2, scale="none", random_state=0).fit(x[:1000]).atoms_.T
    best = Dictionary(dictionary=atoms, scale="none").fit(x[:1000])
    plain = clone(best).set_params(solver="ista", iterations=3, tolerance=0).fit(x[:1000])
    net = Lista(dictionary=atoms, steps=3, epochs=10, scale="none", random_state=0).fit(x[:1000])
    new = x[1000:]
    error = [((one.transform(new) - best.transform(new)) ** 2).sum() for one in (net, plain)]
    assert error[0] < 0.5 * error[1]
    assert net.score(new) > plain.score(new)
    assert (net.transform(new) == 0).mean() > 0.2


def test_lista_that_hardly_learns_is_ista_on_the_dictionarys_atoms():
    x, _ = planted(100)
    options = {"scale": "none", "random_state": 0}
    net = Lista(12, epochs=1, steps=4, learning_rate=1e-12, **options).fit(x)
    np.testing.assert_array_equal(net.atoms_, Dictionary(12, **options).fit(x).atoms_)
    expected = ista(centred(net, x), net.atoms_.T.astype(float), 0.1, iterations=4, tolerance=0)
    np.testing.assert_allclose(net.transform(x), expected, atol=1e-5)


def test_lista_learns_alike_whether_answers_are_kept_or_solved_for_again(monkeypatch):
    x, _ = planted(200)
    one = Lista(12, epochs=3, scale="none", random_state=0)
    kept = clone(one).fit(x).transform(x)
    monkeypatch.setattr("codelayer.learn.sources.KEEP_BYTES", 0)
    again = clone(one).fit(sparse.csr_array(x)).transform(x)
    np.testing.assert_allclose(again, kept, atol=1e-5)


def test_a_bundle_with_another_net_is_refused(tmp_path):
    one = Lista(4, epochs=1, random_state=0).fit(planted(50)[0])
    one.threshold_ = one.threshold_[:1]
    one.save(tmp_path / "e")
    with pytest.raises(BundleError, match="net of 4 units"):
        load(tmp_path / "e")


# --- what cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "coder",
    [
        Dictionary(3, solver="lars"),
        Dictionary(3, solver="ista", iterations=0),
        Dictionary(3, iterations=2.5),
        Dictionary(3, tolerance=-1),
        Dictionary(3, tolerance="small"),
        Dictionary(dictionary=np.eye(4)),
        Dictionary(dictionary=np.full((5, 2), np.nan)),
        Dictionary(dictionary=np.ones(5)),
        Lista(3, steps=0),
        Lista(3, learning_rate=0),
        Lista(3, epochs=True),
        Lista(3, l1=-1),
        Lista(dictionary=np.eye(4)),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_in_a_sentence(coder):
    with pytest.raises(CodelayerError) as error:
        coder.fit(np.eye(5))
    assert len(str(error.value).splitlines()) == 2
    if getattr(coder, "solver", "") == "lars":
        assert isinstance(error.value, SentenceError) and "feature_sign, active_set" in str(error.value)


def test_codes_of_a_lista_are_near_those_of_the_solver():
    x, _ = planted(400)
    net = Lista(12, l1=0.05, epochs=40, learning_rate=0.01, scale="none", random_state=0).fit(x)
    best = feature_sign(centred(net, x), net.atoms_.T.astype(float), 0.05)
    assert ((net.transform(x) - best) ** 2).sum() < 0.1 * (best**2).sum()
