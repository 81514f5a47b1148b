"""Reconstruction beside sparsity: the curve over kept units, and what stands beside each reading."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from codelayer.errors import DataError
from codelayer.measure import METRICS, rebuild_curve
from codelayer.measure.properties import PROPERTIES
from codelayer.measure.sparse_curve import keep_largest

RNG = np.random.default_rng(0)
ATOMS = np.linalg.qr(RNG.standard_normal((20, 20)))[0]
# each row uses 3 of 20 atoms
CODES = np.zeros((600, 20))
for row in CODES:
    row[RNG.choice(20, 3, replace=False)] = RNG.uniform(1, 2, 3)
X = CODES @ ATOMS


def test_the_largest_are_kept_and_the_rest_is_zero():
    codes = np.array([[1, -3, 2, 0], [5, 4, -6, 1.0]])
    assert keep_largest(codes, 2).tolist() == [[0, -3, 2, 0], [5, 0, -6, 0]]
    assert keep_largest(codes, 4) is codes


def test_an_orthogonal_code_loses_the_energy_of_what_is_dropped():
    told = rebuild_curve(CODES, X, decode=lambda codes: codes @ ATOMS, kept=[1, 2, 3, 20])
    total = ((X - X.mean(0)) ** 2).sum()
    size = np.sort(CODES, axis=1)[:, ::-1] ** 2
    expected = [1 - size[:, k:].sum() / total for k in (1, 2, 3)]
    assert told["share"] == pytest.approx([*expected, 1], abs=1e-9)
    assert told["l0"] == pytest.approx([0.05, 0.1, 0.15, 0.15])
    assert told["by"] == "decode"


def test_the_value_is_that_of_a_tenth_of_the_units_with_a_decoder_and_without():
    arrays = {"codes": CODES, "x": X}
    decoded = METRICS["sparse_rebuild"].read(arrays | {"decode": lambda codes: codes @ ATOMS})
    place = decoded.more["kept"].index(2)
    assert decoded.value == decoded.more["share"][place] == pytest.approx(
        rebuild_curve(**arrays, decode=lambda codes: codes @ ATOMS, kept=[2])["share"][0], abs=1e-9
    )  # fmt: skip
    ridge = METRICS["sparse_rebuild"].read(arrays)
    assert ridge.more["by"] == "ridge"
    assert ridge.more["share"][-1] == pytest.approx(1, abs=0.01)
    assert (np.diff(ridge.more["share"]) > -0.01).all()
    assert METRICS["sparse_rebuild"](CODES[RNG.permutation(600)], X) == pytest.approx(0, abs=0.1)


def test_the_ridge_decoder_answers_rows_it_was_not_fitted_on_as_scikit_learns_does():
    x = load_digits().data[:400]
    codes = x @ RNG.standard_normal((64, 6))
    found = METRICS["hoyer"].read({"codes": codes, "x": x}).more
    assert found["rebuilt_by"] == "ridge"
    order, errors = RNG.permutation(400), np.zeros(400)
    for train, rest in ((order[:200], order[200:]), (order[200:], order[:200])):
        alpha = 0.01 * codes[train].var(0).mean() * 200
        errors[rest] = ((x[rest] - Ridge(alpha=alpha).fit(codes[train], x[train]).predict(codes[rest])) ** 2).sum(1)
    assert found["rebuilt"] == pytest.approx(1 - errors.mean() / x.var(0).sum(), abs=0.02)


@pytest.mark.parametrize(
    "name", [name for name, one in METRICS.items() if one.measures == "sparsity" and name != "sparse_rebuild"]
)
def test_reconstruction_stands_beside_every_reading_of_sparsity(name):
    alone = METRICS[name].read({"codes": CODES})
    ridge = METRICS[name].read({"codes": CODES, "x": X})
    rebuilt = METRICS[name].read({"codes": CODES, "x": X, "rebuilt": 0.5 * (X + X.mean(0))})
    assert "rebuilt" not in alone.more
    assert alone.value == pytest.approx(ridge.value, rel=1e-12)
    assert ridge.more["rebuilt"] == pytest.approx(1, abs=0.01)
    assert rebuilt.more["rebuilt"] == pytest.approx(0.75)
    assert rebuilt.more["rebuilt_by"] == "rebuilt"
    assert "rebuilt" not in METRICS[name].read({"codes": CODES, "x": np.ones((600, 2))}).more


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match=r"kept=\[0\] is not possible\n  each lies in 1 to 20"):
        rebuild_curve(CODES, X, kept=[0])
    with pytest.raises(DataError, match=r"shape \(600, 3\) for 600 samples of 20 features"):
        rebuild_curve(CODES, X, decode=lambda codes: codes[:, :3])
    with pytest.raises(DataError, match="x is constant"):
        METRICS["sparse_rebuild"](CODES, np.ones((600, 2)))


def test_every_file_of_the_property_is_in_its_place():
    assert PROPERTIES["sparsity"].modules == ("sparsity", "sparse_curve")


def test_a_decode_that_refuses_the_width_is_named():
    def decode(codes: np.ndarray) -> np.ndarray:
        return codes @ np.ones((9, 4))

    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="decode failed on codes of 6 units: ValueError"):
        METRICS["sparse_rebuild"](rng.random((40, 6)), rng.random((40, 4)), decode=decode)
