"""The solvers of the lasso against scikit-learn, closed forms and one another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.optimize import minimize
from sklearn.decomposition import sparse_encode
from sklearn.linear_model import Lasso

from codelayer.errors import DataError
from codelayer.learn.sparse_coding import (
    ListaNet,
    active_set,
    coordinate_descent,
    feature_sign,
    fista,
    gap,
    ista,
    kernel,
    learn_lista,
    objective,
)
from codelayer.learn.sparse_coding.compiled import compiled
from codelayer.learn.sparse_coding.shrinkage import lipschitz, shrink


def cyclic(x, dictionary, l1=0.1, **options):
    return coordinate_descent(x, dictionary, l1, order="cyclic", **options)


SOLVERS = {
    "fista": fista,
    "greedy": coordinate_descent,
    "cyclic": cyclic,
    "feature_sign": feature_sign,
    "active_set": active_set,
}
EXACT = pytest.mark.parametrize("solve", SOLVERS.values(), ids=SOLVERS)


def arrays(n: int = 40, features: int = 10, units: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of length 1 and atoms of length 1."""
    rng = np.random.default_rng(seed)
    x, atoms = rng.normal(size=(n, features)), rng.normal(size=(features, units))
    return x / np.linalg.norm(x, axis=1, keepdims=True), atoms / np.linalg.norm(atoms, axis=0)


@EXACT
@pytest.mark.parametrize("algorithm", ["lasso_cd", "lasso_lars"])
@pytest.mark.parametrize("shape", [(10, 24), (16, 8), (30, 40)])
def test_the_optimum_is_scikit_learns(solve, algorithm, shape):
    x, atoms = arrays(40, *shape)
    for l1 in (0.02, 0.1, 0.4):
        if algorithm == "lasso_cd":  # what sparse_encode calls, with a tolerance that it does not let one set
            descent = Lasso(alpha=l1 / len(atoms), fit_intercept=False, tol=1e-14, max_iter=1_000_000)
            theirs = descent.fit(atoms, x.T).coef_
        else:
            theirs = sparse_encode(x, atoms.T, algorithm=algorithm, alpha=l1)
        ours = solve(x, atoms, l1, tolerance=1e-14)
        np.testing.assert_allclose(objective(x, ours, atoms, l1), objective(x, theirs, atoms, l1), atol=1e-6)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
        assert (objective(x, ours, atoms, l1) <= objective(x, theirs, atoms, l1) + 1e-12).all()


@EXACT
def test_the_optimality_conditions_hold(solve):
    x, atoms = arrays(seed=3)
    codes = solve(x, atoms, 0.1, tolerance=1e-14)
    slope = (x - codes @ atoms.T) @ atoms
    on = np.abs(codes) > 1e-9
    np.testing.assert_allclose(slope[on], 0.1 * np.sign(codes[on]), atol=1e-6)
    assert (np.abs(slope[~on]) <= 0.1 + 1e-6).all()


@EXACT
def test_a_large_weight_gives_zeros_and_just_below_it_one_unit_is_on(solve):
    x, atoms = arrays()
    most = np.abs(x @ atoms).max()
    assert not solve(x, atoms, most * (1 + 1e-9)).any()
    assert np.count_nonzero(solve(x, atoms, most * 0.999, tolerance=1e-14)) == 1


@EXACT
@pytest.mark.parametrize("features", [1, 12])
def test_orthonormal_atoms_give_soft_thresholds(solve, features):
    rng = np.random.default_rng(0)
    atoms, _ = np.linalg.qr(rng.normal(size=(features, features)))
    x = rng.normal(size=(300, features))
    closed = np.sign(x @ atoms) * np.maximum(np.abs(x @ atoms) - 0.3, 0)
    np.testing.assert_allclose(solve(x, atoms, 0.3, tolerance=1e-14), closed, atol=1e-7)


@EXACT
def test_float32_stays_float32_and_is_as_exact_as_it_can_be(solve):
    x, atoms = arrays(300)
    ours = solve(x.astype(np.float32), atoms.astype(np.float32), 0.1, tolerance=1e-6)
    best = feature_sign(x, atoms, 0.1, tolerance=1e-14)
    assert ours.dtype == np.float32 and best.dtype == np.float64
    assert (objective(x, ours.astype(float), atoms, 0.1) - objective(x, best, atoms, 0.1)).max() < 1e-5


@EXACT
def test_a_row_is_coded_alone_and_the_start_does_not_matter(solve):
    x, atoms = arrays(270)  # more than one block
    whole = solve(x, atoms, 0.1, tolerance=1e-13)
    np.testing.assert_allclose(solve(x[250:], atoms, 0.1, tolerance=1e-13), whole[250:], atol=1e-6)
    start = np.random.default_rng(0).normal(size=whole.shape)
    np.testing.assert_allclose(solve(x, atoms, 0.1, tolerance=1e-13, start=start), whole, atol=1e-6)
    assert start.std() > 0.5  # what the caller gave is as it was


@EXACT
def test_repeated_atoms_empty_rows_and_no_rows_are_no_trouble(solve):
    x, atoms = arrays()
    twice = np.concatenate([atoms, atoms, np.zeros((10, 1))], axis=1)
    best = objective(x, feature_sign(x, atoms, 0.1, tolerance=1e-13), atoms, 0.1)
    found = solve(x, twice, 0.1, tolerance=1e-10)
    np.testing.assert_allclose(objective(x, found, twice, 0.1), best, atol=1e-8)
    assert not solve(np.zeros((3, 10)), atoms, 0.1).any()
    assert solve(x[:0], atoms, 0.1).shape == (0, 24)


def test_ista_and_fista_take_the_steps_of_the_papers():
    x, atoms = arrays(5)
    gram = atoms.T @ atoms
    most = np.linalg.eigvalsh(gram)[-1]
    assert lipschitz(gram) == pytest.approx(most)
    code = ahead = np.zeros((5, 24))
    pace = 1.0
    plain = np.zeros((5, 24))
    for _ in range(3):
        plain = shrink(plain - (plain @ gram - x @ atoms) / most, 0.1 / most)
        moved = shrink(ahead - (ahead @ gram - x @ atoms) / most, 0.1 / most)
        after = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead, code, pace = moved + (pace - 1) / after * (moved - code), moved, after
    np.testing.assert_allclose(ista(x, atoms, 0.1, iterations=3, tolerance=0), plain, atol=1e-12)
    np.testing.assert_allclose(fista(x, atoms, 0.1, iterations=3, tolerance=0), code, atol=1e-12)


@pytest.mark.parametrize("shape", [(10, 24), (20, 24)])
def test_both_forms_of_the_step_descend_and_momentum_is_faster(shape):
    x, atoms = arrays(50, *shape)
    best = objective(x, feature_sign(x, atoms, 0.1, tolerance=1e-14), atoms, 0.1).mean()
    course = [
        objective(x, ista(x, atoms, 0.1, iterations=k, tolerance=0), atoms, 0.1).mean() - best for k in range(0, 60, 6)
    ]
    assert all(after < before for before, after in pairwise(course))
    quick = objective(x, fista(x, atoms, 0.1, iterations=54, tolerance=0), atoms, 0.1).mean() - best
    assert -1e-12 < quick < 0.3 * course[-1]


def test_the_gap_is_above_the_true_distance_and_ends_at_nothing():
    x, atoms = arrays(seed=5)
    best = objective(x, feature_sign(x, atoms, 0.1, tolerance=1e-14), atoms, 0.1)
    for steps in (0, 3, 30, 300):
        codes = ista(x, atoms, 0.1, iterations=steps, tolerance=0)
        assert (gap(x, codes, atoms, 0.1) >= objective(x, codes, atoms, 0.1) - best - 1e-12).all()
    assert gap(x, feature_sign(x, atoms, 0.1, tolerance=1e-14), atoms, 0.1).max() < 1e-10


def test_one_row_agrees_with_a_general_optimiser():
    x, atoms = arrays(1)
    # z = p - q with p, q >= 0 makes the problem smooth

    def cost(both: np.ndarray) -> tuple[float, np.ndarray]:
        p, q = both[:24], both[24:]
        slope = (atoms @ (p - q) - x[0]) @ atoms
        return 0.5 * ((x[0] - atoms @ (p - q)) ** 2).sum() + 0.1 * both.sum(), np.r_[slope + 0.1, 0.1 - slope]

    found = minimize(cost, np.zeros(48), jac=True, bounds=[(0, None)] * 48, options={"ftol": 1e-15, "gtol": 1e-12})
    value = objective(x, feature_sign(x, atoms, 0.1, tolerance=1e-14), atoms, 0.1)[0]
    assert value == pytest.approx(found.fun, abs=1e-9)


def test_what_does_not_fit_is_told_in_a_sentence():
    x, atoms = arrays()
    for call in (
        lambda: fista(x[:, :3], atoms),
        lambda: feature_sign(x[0], atoms),
        lambda: coordinate_descent(x, atoms, -1),
        lambda: coordinate_descent(x, atoms, order="odd"),
    ):
        with pytest.raises(DataError) as error:
            call()
        assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csr_matrix, sparse.coo_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@EXACT
def test_sparse_rows_have_the_codes_of_dense_ones_and_are_never_made_dense(solve, form, dtype, monkeypatch):
    x, atoms = arrays(300)
    x[np.abs(x) < 0.3] = 0
    x[4], x = 0, x.astype(dtype)
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    expected, thin = solve(x, atoms, 0.1, tolerance=tolerance), form(x)
    value = objective(thin, expected, atoms, 0.1)
    np.testing.assert_allclose(value, objective(x, expected, atoms, 0.1))
    np.testing.assert_allclose(gap(thin, expected, atoms, 0.1), gap(x, expected, atoms, 0.1))
    monkeypatch.setattr(sparse.csr_matrix, "toarray", None)
    monkeypatch.setattr(sparse.csr_array, "toarray", None)
    found = solve(thin, atoms, 0.1, tolerance=tolerance)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=1e-6 if dtype == np.float64 else 1e-2)


def test_lista_reads_sparse_rows():
    x, atoms = arrays(60)
    x[np.abs(x) < 0.3] = 0
    thin = sparse.csr_array(x)
    one, two = (learn_lista(rows, atoms, steps=2, epochs=2, seed=4) for rows in (x, thin))
    np.testing.assert_allclose(one.codes(x), two.codes(thin), atol=1e-5)
    np.testing.assert_array_equal(two.codes(x), two.codes(thin))
    with pytest.raises(DataError, match="do not fit a dictionary of 10 features"):
        one.codes(x[:, :4])


# --- the compiled solver --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_kernel_as_plain_python_finds_the_optimum(dtype):
    x, atoms = (one.astype(dtype) for one in arrays(6))
    atoms[:, 7] = 0
    x[2] = 0
    best = feature_sign(x.astype(float), atoms.astype(float), 0.1, tolerance=1e-14)
    codes = np.zeros((6, 24), dtype)
    codes[1, :9] = 0.5  # a start far away, with an empty atom in it
    linear, size = x @ atoms, (x**2).sum(1)
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    plain = getattr(kernel.search, "py_func", kernel.search)
    plain(atoms.T @ atoms, linear, size, codes, dtype(0.1), dtype(tolerance), 1000)
    np.testing.assert_allclose(codes, best, atol=1e-6 if dtype == np.float64 else 5e-3)
    slope, on = np.empty(24, dtype), np.empty(24, np.int64)
    for i in range(6):  # its gap is that of the whole problem
        count = kernel.explain(atoms.T @ atoms, linear[i], best[i].astype(dtype), slope, on)
        assert list(on[:count]) == list(np.flatnonzero(best[i]))
        width = kernel.width(linear[i], slope, best[i].astype(dtype), size[i], dtype(0.1), np.abs(slope).max())
        assert width == pytest.approx(gap(x, best.astype(dtype), atoms, 0.1)[i], abs=1e-6)


def test_without_numba_the_active_set_solver_is_feature_sign(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    x, atoms = arrays()
    np.testing.assert_array_equal(active_set(x, atoms, 0.1), feature_sign(x, atoms, 0.1))


def test_with_numba_the_compiled_solver_has_the_codes_of_the_others():
    pytest.importorskip("numba", reason="numba is not installed: pip install codelayer[fast]")
    assert compiled() is not None
    x, atoms = arrays(300, 20, 60)
    for dtype, tolerance, error in ((np.float64, 1e-13, 1e-6), (np.float32, 1e-6, 5e-3)):
        rows, units = x.astype(dtype), atoms.astype(dtype)
        found = active_set(rows, units, 0.1, tolerance=tolerance)
        np.testing.assert_allclose(found, feature_sign(x, atoms, 0.1, tolerance=1e-13), atol=error)
        order = np.random.default_rng(0).permutation(300)
        shuffled = active_set(rows[order], units, 0.1, tolerance=tolerance)
        np.testing.assert_allclose(shuffled, found[order], atol=error)


# --- learned ISTA ---------------------------------------------------------------------------------------------------


def test_an_untrained_lista_is_ista():
    x, atoms = arrays()
    for steps in (1, 2, 5):
        net = ListaNet(atoms, 0.1, steps)
        np.testing.assert_allclose(net.codes(x), ista(x, atoms, 0.1, iterations=steps, tolerance=0), atol=1e-5)


def test_a_trained_lista_beats_ista_of_equal_steps_on_new_rows():
    rng = np.random.default_rng(0)
    _, atoms = arrays(1, 10, 24)
    codes = rng.laplace(size=(1500, 24)) * (rng.random((1500, 24)) < 0.1)
    x = codes @ atoms.T
    net = learn_lista(x[:1200], atoms, 0.1, steps=3, epochs=20, learning_rate=0.01)
    best = feature_sign(x[1200:], atoms, 0.1)
    plain = ista(x[1200:], atoms, 0.1, iterations=3, tolerance=0)
    momentum = fista(x[1200:], atoms, 0.1, iterations=3, tolerance=0)
    error = [((guess - best) ** 2).sum() for guess in (net.codes(x[1200:]), plain, momentum)]
    assert error[0] < 0.5 * error[1] and error[0] < 0.6 * error[2]
    value = [objective(x[1200:], guess, atoms, 0.1).mean() for guess in (net.codes(x[1200:]), plain, best)]
    assert value[2] < value[0] < value[1]


def test_lista_learns_the_same_bits_from_one_seed_and_touches_no_global_state():
    x, atoms = arrays(60)
    before = torch.get_rng_state()
    one, two = (learn_lista(x, atoms, steps=2, epochs=2, seed=4).codes(x) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(one, learn_lista(x, atoms, steps=2, epochs=2, seed=5).codes(x))
