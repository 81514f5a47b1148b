"""Fits that learn together equal the fits one by one, within floating point."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits

from codelayer import Autoencoder
from codelayer.learn import many
from codelayer.learn.many import fit_many

X = load_digits().data[:300]
SENTENCES = (
    "squared()",
    "mask(0.2)",
    "noise(0.1) + huber(0.5)",
    "relu() + l1(0.03) + unit_norm()",
    "topk(3)",
    "sigmoid() + kl(0.1)",
    "bernoulli()",
)


def coder(text: str, net: str = "mlp(20)", seed: int = 0, **options) -> Autoencoder:
    options = {"epochs": 4, "batch_size": 32, "learning_rate": 0.003, **options}
    return Autoencoder(8, text, net, random_state=seed, **options)


def together(makers, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Autoencoder], list[Autoencoder], list[int]]:
    """(fitted together, fitted alone, sizes of the groups)."""
    sizes, train = [], many._train
    monkeypatch.setattr(many, "_train", lambda members: (sizes.append(len(members)), train(members))[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # units may die in so short a run
        return fit_many([make() for make in makers], X), [make().fit(X) for make in makers], sizes


def assert_equal(ours: list[Autoencoder], alone: list[Autoencoder]) -> None:
    for one, other in zip(ours, alone, strict=True):
        np.testing.assert_allclose(one.transform(X), other.transform(X), atol=2e-4)
        assert len(one.history_) == len(other.history_)
        for a, b in zip(one.history_, other.history_, strict=True):
            assert a == pytest.approx(b, rel=1e-4)


def test_several_objectives_and_seeds_learn_in_one_stack(monkeypatch: pytest.MonkeyPatch):
    makers = [lambda text=text: coder(text) for text in SENTENCES] + [lambda: coder("mask(0.2)", seed=3)]
    ours, alone, sizes = together(makers, monkeypatch)
    assert sizes == [8]
    assert_equal(ours, alone)


def test_a_tied_net_and_its_contraction_learn_in_a_stack(monkeypatch: pytest.MonkeyPatch):
    makers = [
        lambda: coder("sigmoid() + contractive(0.1)", "mlp(tied=True)"),
        lambda: coder("squared()", "mlp(tied=True)"),
        lambda: coder("contractive(0.01)", "mlp(tied=True)", seed=1),
    ]
    ours, alone, sizes = together(makers, monkeypatch)
    assert sizes == [3]
    assert_equal(ours, alone)


def test_patience_stops_each_by_itself(monkeypatch: pytest.MonkeyPatch):
    options = {"epochs": 25, "patience": 1, "learning_rate": 0.1}
    makers = [lambda s=s: coder("squared()", seed=s, **options) for s in range(4)]
    ours, alone, _ = together(makers, monkeypatch)
    assert len({len(one.history_) for one in alone}) > 1
    assert [len(one.history_) for one in ours] == [len(one.history_) for one in alone]


def test_what_cannot_be_stacked_is_fitted_by_itself(monkeypatch: pytest.MonkeyPatch):
    makers = [
        lambda: coder("views(noise(0.1)) + variance(25) + invariance(25)"),
        lambda: coder("squared()", "mlp(21)"),
        lambda: coder("squared()"),
        lambda: coder("squared()", epochs=2),
    ]
    ours, alone, sizes = together(makers, monkeypatch)
    assert sizes == []
    assert_equal(ours, alone)


def test_wide_codes_of_few_units_are_fitted_one_by_one():
    x = np.random.default_rng(0).normal(size=(40, 6))
    made = [Autoencoder(512, "topk(4)", "mlp()", epochs=1, random_state=seed) for seed in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # units that are never on
        fitted = fit_many(made, x)
        alone = Autoencoder(512, "topk(4)", "mlp()", epochs=1, random_state=1).fit(x)
    np.testing.assert_array_equal(fitted[1].transform(x), alone.transform(x))
