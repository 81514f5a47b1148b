"""The online dictionary: it finds planted atoms, goes on learning, and keeps no dead ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode

from codelayer.errors import BundleError, SentenceError
from codelayer.learn.facts import bundle_facts
from codelayer.learn.saved import load
from codelayer.learn.sparse_coding import Dictionary, feature_sign, objective


def planted(n: int = 600, features: int = 8, units: int = 12, share: float = 0.12) -> tuple[np.ndarray, np.ndarray]:
    """Rows made of few of the atoms, and those."""
    rng = np.random.default_rng(1)
    atoms = rng.normal(size=(units, features))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    return (rng.laplace(size=(n, units)) * (rng.random((n, units)) < share)) @ atoms, atoms


def coder(**options) -> Dictionary:
    return Dictionary(12, random_state=0, **{"l1": 0.05, "batch_size": 64, "scale": "none", **options})


def test_planted_atoms_are_found():
    x, atoms = planted(1000, 12, 16, 0.1)
    found = Dictionary(16, 0.4, epochs=10, batch_size=64, scale="none", random_state=0).fit(x).atoms_
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert (np.abs(found @ atoms.T).max(0) > 0.97).mean() >= 0.9


def test_the_objective_on_digits_is_at_least_as_good_as_scikit_learns():
    x = load_digits().data[:400] / 16
    ours = Dictionary(32, 0.1, epochs=3, batch_size=100, scale="none", random_state=0).fit(x)
    centred = x - ours.mean_
    theirs = MiniBatchDictionaryLearning(
        32, alpha=0.1, max_iter=3, batch_size=100, fit_algorithm="cd", random_state=0
    ).fit(centred)
    value = []
    for atoms in (ours.atoms_.astype(float), theirs.components_):
        codes = sparse_encode(centred, atoms, algorithm="lasso_cd", alpha=0.1)
        value.append(objective(centred, codes, atoms.T, 0.1).mean())
    assert value[0] < 1.01 * value[1]


def test_one_update_is_the_papers_block_coordinate_descent():
    x, _ = planted(64)
    one = coder().partial_fit(x[:2])
    before, a, b = one.atoms_.astype(float), one.gram_.astype(float), one.cross_.astype(float)
    batch = x[:40] - one.mean_
    codes = feature_sign(batch, before.T, 0.05)
    weight = 2 * 64  # algorithm of section 3.4.3: t = 2 < batch_size
    keep = (weight + 1 - 64) / weight
    one._update(batch)
    a, b = keep * a + codes.T @ codes / 40, keep * b + codes.T @ batch / 40
    expected = before.copy()
    for j in range(12):
        if a[j, j] > 1e-9:
            moved = expected[j] + (b[j] - sum(a[j, i] * expected[i] for i in range(12))) / a[j, j]
            expected[j] = moved / np.linalg.norm(moved)
    used = np.diagonal(a) > 1e-9
    assert used.sum() > 6
    np.testing.assert_allclose(one.atoms_[used], expected[used], atol=1e-6)


def test_codes_are_the_minimum_and_rows_come_back():
    x, _ = planted(300)
    one = coder(epochs=3).fit(x)
    codes = one.transform(x)
    best = sparse_encode(x - one.mean_, one.atoms_.astype(float), algorithm="lasso_lars", alpha=0.05)
    np.testing.assert_allclose(codes, best, atol=1e-6)
    np.testing.assert_allclose(one.inverse_transform(codes), codes @ one.atoms_ + one.mean_, rtol=1e-6)
    assert (codes == 0).mean() > 0.4 and one.score(x) > 0.9


def test_unused_atoms_start_anew_at_what_is_badly_explained():
    x, _ = planted()
    one = coder(epochs=1).fit(x)
    rng = np.random.default_rng(0)
    one.atoms_[3], one.gram_[3], one.gram_[:, 3], one.cross_[3] = 0, 0, 0, 0
    one.atoms_[3, 0] = 1e-6  # an atom so short that no row uses it
    one.partial_fit(x[rng.permutation(len(x))[:200]])
    assert np.linalg.norm(one.atoms_[3]) == pytest.approx(1, rel=1e-5)
    one.partial_fit(x)
    assert (one.transform(x) != 0).any(0).all()


def test_partial_fits_go_on_and_a_loaded_dictionary_goes_on_alike(tmp_path):
    x, _ = planted()
    one = coder().partial_fit(x[:500])
    first = one.score(x)
    one.save(tmp_path / "d.zip")
    back = load(tmp_path / "d.zip")
    for each in (one, back):
        for _ in range(5):
            each.partial_fit(x)
    np.testing.assert_array_equal(one.transform(x), back.transform(x))
    assert one.score(x) > first and one.steps_ == back.steps_ > 50


def test_info_tells_the_price_and_the_solver(tmp_path):
    Dictionary(4, l1=0.25, solver="fista", epochs=1, random_state=0).fit(np.eye(8)).save(tmp_path / "one")
    facts = dict(bundle_facts(tmp_path / "one"))
    assert facts["l1"] == "0.25" and facts["solver"] == "fista" and facts["code size"] == "4"


def test_a_bundle_without_its_memory_is_refused(tmp_path):
    one = coder(epochs=1).fit(planted(100)[0])
    one.gram_ = one.gram_[:3]
    one.save(tmp_path / "d")
    with pytest.raises(BundleError, match="dictionary that can learn"):
        load(tmp_path / "d")


@pytest.mark.parametrize("options", [{"l1": 0}, {"l1": "much"}, {"epochs": 0}, {"batch_size": 1.5}, {"code_size": 0}])
def test_what_cannot_learn_is_refused_in_a_sentence(options):
    with pytest.raises(SentenceError) as error:
        Dictionary(**{"code_size": 3, **options}).fit(np.eye(5))
    assert len(str(error.value).splitlines()) == 2


def test_pictures_are_rows_too():
    x = (load_digits().images[:80] * 15).astype(np.uint8)
    one = Dictionary(20, 0.1, epochs=2, random_state=0).fit(x)
    assert one.inverse_transform(one.transform(x)).shape == x.shape


@pytest.mark.parametrize("scale", ["none", "block"])
def test_sparse_rows_are_learned_from_a_batch_at_a_time(scale, monkeypatch):
    x, _ = planted(300)
    x[np.abs(x) < 0.3] = 0
    options = {"epochs": 2, "scale": scale}
    whole = coder(**options).fit(x).partial_fit(x)
    monkeypatch.setattr("codelayer.learn.sources.KEEP_BYTES", 0)  # nothing is kept dense
    thin = coder(**options).fit(sparse.csr_array(x)).partial_fit(sparse.csr_array(x))
    if scale != "block":  # zeros stay zeros in sparse rows: there a block has another centre
        np.testing.assert_array_equal(thin.atoms_, whole.atoms_)
        np.testing.assert_array_equal(thin.transform(sparse.csr_array(x)), whole.transform(x))
    assert thin.score(sparse.csr_array(x)) > 0.8


def test_a_dictionary_larger_than_memory_is_refused_before_anything_is_made():
    with pytest.raises(SentenceError, match=r"code_size=10000000 with 6 .* takes at least .* GB, but .* are available"):
        Dictionary(10**7).fit(np.random.default_rng(0).normal(size=(20, 6)))


def test_a_dictionary_whose_units_are_never_on_is_told():
    with pytest.warns(UserWarning, match=r"no unit is ever on: l1=1000000000.0 is larger"):
        Dictionary(4, l1=1e9, epochs=1, random_state=0).fit(np.random.default_rng(0).normal(size=(20, 6)))
