"""Fits that learn together equal the fits one by one, within floating point."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from codelayer import Autoencoder
from codelayer.errors import DataError, SentenceError
from codelayer.learn import many
from codelayer.learn.diverged import Diverged
from codelayer.learn.many import fit_many, fit_noting
from codelayer.learn.stack import Stack

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


def test_labels_and_groups_reach_the_sentences_that_learn_from_them():
    y, groups = np.where(np.arange(300) % 4, load_digits().target[:300].astype(float), np.nan), np.arange(300) // 50
    texts = ("labels(1)", "slowness(1)", "squared()", "mask(0.2)")
    ours = fit_many([coder(text) for text in texts], X, y, groups=groups)
    assert_equal(ours, [coder(text).fit(X, y, groups) for text in texts])
    with pytest.raises(SentenceError, match=r"labels\(\) learns from labels, but none were given"):
        fit_many([coder("labels(1)"), coder("squared()")], X)


def test_wide_codes_of_few_units_are_fitted_one_by_one():
    x = np.random.default_rng(0).normal(size=(40, 6))
    made = [Autoencoder(512, "topk(4)", "mlp()", epochs=1, random_state=seed) for seed in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # units that are never on
        fitted = fit_many(made, x)
        alone = Autoencoder(512, "topk(4)", "mlp()", epochs=1, random_state=1).fit(x)
    np.testing.assert_array_equal(fitted[1].transform(x), alone.transform(x))


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "sigmoid", "softplus"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_stack_and_its_gradients_are_those_of_the_nets(activation: str, tied: bool):
    net = f"mlp(depth=3, tied={tied}, activation='{activation}')"
    models = [Autoencoder(5, "squared()", net, random_state=seed).prepare(X[:, :20]).model_.double() for seed in (0, 1)]
    for model in models:
        model.net.mean.data = model.net.mean.double()
    x = torch.randn(2, 7, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    single = [model.net.decode(model.net.encode(x[i])) for i, model in enumerate(models)]
    torch.stack(single).sin().sum().backward()
    wanted = [[one.grad.clone() for one in model.net.parameters()] for model in models]
    stack = Stack(models)
    rebuilt = stack.decode(stack.encode(x))
    torch.testing.assert_close(rebuilt, torch.stack([one.detach() for one in single]), atol=1e-12, rtol=0)
    rebuilt.sin().sum().backward()
    for place, grads in enumerate(wanted):
        for grad, whole in zip(grads, stack.gradients.values(), strict=True):
            torch.testing.assert_close(whole[place], grad, atol=1e-12, rtol=1e-9)


def test_members_of_one_seed_may_scale_their_rows_differently(monkeypatch: pytest.MonkeyPatch):
    makers = [lambda scale=scale: coder("mask(0.2)", scale=scale) for scale in ("block", "columns", "none")]
    ours, alone, sizes = together(makers, monkeypatch)
    assert sizes == [3]
    assert_equal(ours, alone)


def test_terms_that_learn_or_read_the_net_are_asked_one_by_one(monkeypatch: pytest.MonkeyPatch):
    texts = ("jumprelu() + l0(0.01)", "normal()", "nested(1.0)", "mask(0.2, emphasis=3.0)", "batch_topk(3)")
    makers = [lambda text=text, s=s: coder(text, seed=s) for text in texts for s in (0, 1)]
    ours, alone, sizes = together(makers, monkeypatch)
    assert sizes == [10]
    assert_equal(ours, alone)


def test_a_stack_that_diverges_names_the_term_and_the_step():
    options = {"learning_rate": 1e30, "validation": 0}
    with pytest.raises(Diverged) as alone:
        coder("squared()", **options).fit(X)
    with pytest.raises(Diverged) as ours:
        fit_many([coder("relu() + l1(0.03)"), *(coder("squared()", seed=s, **options) for s in (0, 1))], X)
    assert str(ours.value) == str(alone.value)


def test_each_fit_warns_of_its_own_units():
    wide = [coder("relu() + l1(50.0)"), coder("squared()"), coder("topk(2)", seed=1)]
    told = fit_noting(wide, X)
    for text, sentences in zip(("relu() + l1(50.0)", "squared()"), told, strict=False):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            coder(text).fit(X)
        assert sorted(sentences) == sorted(str(one.message) for one in caught)
    assert told[0] and not told[1]


@pytest.mark.parametrize("given, kind", [(["squared()"], "str"), (Autoencoder(4), "Autoencoder"), ("squared()", "str")])
def test_what_is_no_list_of_autoencoders_is_refused(given, kind):
    with pytest.raises(DataError, match=rf"takes a list of Autoencoders, not {kind}\n  write fit_many\("):
        fit_many(given, np.zeros((8, 3)))
