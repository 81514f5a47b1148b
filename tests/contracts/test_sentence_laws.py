"""Laws of the notation: every fitting pair and many triples train, texts round-trip, what is wrong is told."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from sentence_cases import (
    PAIRS,
    WORDS,
    check_trains_and_round_trips,
    fits,
    sentence,
)

from codelayer.data.schema import Columns as Rows
from codelayer.errors import SentenceError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.nets import parse_net
from codelayer.objective import RECIPES, parse_objective
from codelayer.registry import read, spell

FITTING = [pair for pair in PAIRS if fits(pair)]
FITTING_TRIPLES = [triple for triple in itertools.combinations(sorted(WORDS), 3) if fits(triple)]
TRIPLES = random.Random(0).sample(FITTING_TRIPLES, 200)


@pytest.mark.parametrize("pair", FITTING, ids="+".join)
def test_every_pair_of_fitting_terms_trains_and_round_trips(pair):
    check_trains_and_round_trips(pair)


@pytest.mark.parametrize("triple", TRIPLES, ids="+".join)
def test_two_hundred_triples_of_fitting_terms_train_and_round_trip(triple):
    check_trains_and_round_trips(triple)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if not fits(pair)], ids="+".join)
def test_every_other_pair_is_refused_in_a_sentence(pair):
    with pytest.raises(SentenceError) as error:
        parse_objective(sentence(pair))
    assert len(str(error.value).splitlines()) == 2


def test_the_order_of_slots_has_no_meaning_and_within_a_slot_terms_act_as_written():
    one = parse_objective("l1(0.1) + mask(0.3) + squared() + relu()")
    assert one == parse_objective("mask(0.3) + relu() + squared() + l1(0.1)")
    assert one.text == "mask(0.3) + relu() + squared() + l1(0.1)"
    there, back = parse_objective("noise(0.1) + mask(0.3)"), parse_objective("mask(0.3) + noise(0.1)")
    assert there != back and there.text != back.text


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_stands_for_a_canonical_sentence_and_a_net(name):
    text, net = RECIPES[name]
    assert parse_objective(text).text == text
    assert net == "auto" or spell(read(net, "net")) == net


@pytest.mark.parametrize(
    "text, canonical",
    [
        ("l1", "l1(0.001)"),
        ("l1()", "l1(0.001)"),
        ("l1(1)", "l1(1.0)"),
        ("l1(weight=1/32)", "l1(0.03125)"),
        ("  mask( 0.30 )\t+l1( 1e-3 )", "mask(0.3) + l1(0.001)"),
        ("noise(0.2, share=1, emphasis=2)", "noise(0.2, emphasis=2.0)"),
        ("noise(0.2, 0.5)", "noise(0.2, share=0.5)"),
        ("topk(16)", "topk(16)"),
        ("prior(4, warmup=0.1) + dip + gaussian", "gaussian() + prior(4.0, warmup=0.1) + dip(10.0)"),
        ("topk(1.0)", "topk(1.0)"),
        ("kl(0.1, target=0.05) + sigmoid", "sigmoid() + kl(0.1)"),
        ("contractive(probes=0)", "contractive(0.1, probes=0)"),
        ("(mask(0.3)) + (l1())", "mask(0.3) + l1(0.001)"),
        ("views(noise(0.1), projector=64) + variance", "views(noise(0.1), projector=64) + variance(25.0)"),
        ("views(noise) + variance()", "views(noise(0.2)) + variance(25.0)"),
    ],
)
def test_a_sentence_has_one_canonical_spelling(text, canonical):
    assert parse_objective(text).text == canonical
    assert parse_objective(canonical).text == canonical


@pytest.mark.parametrize(
    "text",
    [
        "mlp()",
        "mlp(512, 256)",
        "mlp(depth=3, tied=True)",
        "conv(8, 16, activation='gelu', strided=True)",
        "conv_dictionary(3, stride=2, gain=True)",
        "table(64)",
    ],
)
def test_nets_are_words_of_the_same_notation(text):
    net = parse_net(text, (8, 8, 1), 4)
    assert parse_net(spell([net]), (8, 8, 1), 4) == net


@pytest.mark.parametrize("name", sorted(n for n in {*RECIPES, *WORDS} if len(n) > 3))
def test_a_misspelt_name_is_answered_with_the_closest_one(name):
    wrong = name[:2] + name[3:]
    with pytest.raises(SentenceError, match=f"did you mean '{name}'") as error:
        Autoencoder(objective=wrong).fit(np.eye(4))
    assert "known" in str(error.value) or "recipes" in str(error.value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("mask(0.3) + l11(0.1)", "'l11'; did you mean 'l1'"),
        ("l1(wieght=3)", "no option 'wieght'; did you mean 'weight'"),
        ("l1(0.1, 0.2)", "given 2 arguments"),
        ("l1(0.1, weight=0.2)", "'weight' twice"),
        ("l1(weight=0.1, weight=0.2)", "option twice"),
        ("l1('much')", "weight is a number"),
        ("l1(True)", "weight is a number"),
        ("topk(None)", "k is a whole number or a number"),
        ("contractive(0.1, probes=1.5)", "probes is a whole number"),
        ("l1(-0.1)", "finite and above 0"),
        ("l1(0)", "finite and above 0"),
        ("mask(1.5)", "share lies in"),
        ("mask(0)", r"share lies in \(0, 1\)"),
        ("topk(0)", "count >= 1 or a share"),
        ("topk(1.5)", "count >= 1 or a share"),
        ("kl(0.1, target=1) + sigmoid()", "target lies in"),
        ("l1(1e999)", "too large"),
        ("l1(1" + "0" * 400 + "/1)", "too large"),
        ("l1(1/0)", "not a literal"),
        ("views()", "alters nothing"),
        ("views(relu()) + variance()", "cannot hold 'relu'"),
        ("views(0.3) + variance()", "cannot hold 0.3"),
        ("views(noise(0.1), noise(0.2)) + variance()", "noise.. stands twice"),
        ("l1(0.1) + l1(0.2)", "l1.. stands twice"),
        ("l1 + l1", "l1.. stands twice"),
        ("squared() + huber()", "two losses, squared.. and huber.."),
        ("kl(0.1)", "code in .0, 1., this one lies in .-inf, inf.\n  put sigmoid"),
        ("relu() + kl(0.1)", "this one lies in .0, inf."),
        ("invariance(25)", "compares two views"),
        ("prior(1)", "prior.. needs a code with a mean and a variance\n  put gaussian.. before it"),
        ("total_correlation()", "total_correlation.. needs a code with a mean"),
        ("sigmoid() + dip()", "dip.. needs a code with a mean"),
        ("gaussian() + topk(2)", "gaussian.. stands beside topk.. in"),
        ("gaussian() + prior(0)", "finite and above 0"),
        ("gaussian() + prior(1, warmup=1.5)", "warmup lies in"),
        ("gaussian() + prior(1, capacity=-1)", "capacity is finite, at least 0"),
        ("gaussian() + prior(1, capacity=3, free_bits=0.1)", "give one"),
        ("gaussian() + dip(1, kind=3)", "kind is 1 .* or 2"),
        ("views(noise(0.1)) + invariance(25)", "collapse to one point"),
        ("views(noise(0.1)) + variance(25) + mask(0.3)", "mask.. stands beside views"),
        ("contrast(1)", "compares two views"),
        ("contrast(temperature=0)", "temperature must be finite and above 0"),
        ("views(noise(0.1)) + contrast(1) + slowness(1)", "nothing here holds its scale\n  add variance"),
        ("views(noise(0.1)) + slowness(1)", "nothing here holds its scale"),
        ("contractive(hessian=-1)", "hessian is 0 or more"),
        ("contractive(epsilon=0)", "epsilon must be finite and above 0"),
        ("patches(size=0)", "size must be finite and above 0"),
        ("swap(2)", "share lies in"),
        ("labels(0)", "weight must be finite and above 0"),
        ("views(noise(0.1)) + variance(25) + unit_norm()", "needs a decoder"),
        ("infer(0.1)", "leaves the encoder untrained\n  add predict"),
        ("predict(1)", "no inferred code to predict\n  put infer"),
        ("infer(0.1) + relu() + predict(1)", "infer.. stands before relu..\n  write relu.. first"),
        ("infer(0.1) + predict(1) + huber()", "least squared error, not huber"),
        ("views(noise(0.1)) + infer() + predict() + variance()", "needs a decoder"),
        ("infer(0.1, pull=-1) + predict(1)", "pull is finite"),
        ("infer(0.1, steps=0) + predict(1)", "steps is 1 to"),
        ("mask(0.3) l1(0.1)", "cannot be read"),
        ("mask(0.3) - l1(0.1)", "not a term"),
        ("2 * l1(0.1)", "not a term"),
        ("", "not a sentence"),
        ("+", "cannot be read"),
    ],
)
def test_a_wrong_sentence_is_told_in_two_lines(text, said):
    with pytest.raises(SentenceError, match=said) as error:
        parse_objective(text)
    assert len(str(error.value).splitlines()) == 2


X = np.random.default_rng(0).normal(size=(40, 5)) * [1, 10, 100, 1, 1]


@pytest.mark.parametrize(
    "options, said",
    [
        ({"objective": "topk(64)", "code_size": 32}, "topk.k=64. asks for more units than the code has .32."),
        ({"objective": "bernoulli()"}, "needs inputs in .0, 1."),
        ({"objective": "invariant"}, "needs pictures, but a sample here has the shape .5,."),
        ({"objective": "views(flip(0.5)) + variance(25)"}, "flip.. needs pictures"),
        ({"objective": "patches()"}, "patches.. needs pictures, but a sample here has the shape .5,."),
        ({"objective": "views(patches()) + contrast()"}, "patches.. needs pictures"),
        ({"objective": "labels(1)"}, "labels.. learns from labels, but none were given\n  call fit.X, y."),
        ({"objective": "slowness(1)", "batch_size": 1}, "slowness.. nothing to compare"),
        ({"net": "conv(8)"}, "conv.. needs pictures"),
        ({"net": "mlp(3, depth=2)"}, "give widths or depth"),
        ({"net": "mlp(tied=True)", "objective": "gaussian()"}, "cannot mirror two outputs per unit"),
        ({"net": "table(depth=99)"}, "depth is 1 to 50"),
        ({"net": "mlp(0)"}, "widths are 1 to"),
        ({"net": "mlp(99999999999)"}, "widths are 1 to"),
        ({"net": "mlp(depth=99)"}, "depth is 1 to 50"),
        ({"net": "mlp(activation='rleu')"}, "did you mean 'relu'"),
        ({"net": "mpl(3)"}, "did you mean 'mlp'"),
        ({"net": "mlp(3) + mlp(4)"}, "not one net"),
        ({"objective": "infer(0.1) + predict(1)", "net": "mlp(9)"}, "one linear layer\n  use net='mlp"),
        ({"net": "l1(3)"}, "no net is called 'l1'"),
        ({"net": None}, "not a sentence"),
        ({"objective": None}, "not a sentence"),
        ({"objective": 5}, "not a sentence"),
        ({"objective": "views(noise(0.1)) + variance(25)", "batch_size": 1}, "nothing to compare"),
        ({"epochs": -1}, "epochs=-1 is not possible"),
        ({"epochs": 1.5}, "epochs is a whole number"),
        ({"epochs": "many"}, "epochs is a whole number"),
        ({"code_size": 0}, "code_size=0"),
        ({"code_size": "auto"}, "code_size is a whole number"),
        ({"code_size": True}, "code_size is a whole number"),
        ({"code_size": 10**9}, "too wide"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"patience": 0}, "patience=0"),
        ({"learning_rate": 0}, "above 0"),
        ({"learning_rate": float("nan")}, "above 0"),
        ({"learning_rate": "fast"}, "above 0"),
        ({"validation": 1}, "validation=1 is not a share"),
        ({"validation": None}, "validation=None is not a share"),
        ({"random_state": -1}, "random_state=-1"),
        ({"device": "abacus"}, "device='abacus' is not there"),
        ({"device": None}, "device=None is not there"),
    ],
)
def test_what_cannot_train_fails_before_the_first_step(options, said):
    coder = Autoencoder(**options)
    with pytest.raises(SentenceError, match=said) as error:
        next(coder.fit_epochs(X))
    assert len(str(error.value).splitlines()) == 2
    assert not hasattr(coder, "model_")
    with pytest.raises(SentenceError):
        Autoencoder(**options).partial_fit(X)


def test_bernoulli_trains_on_zeros_and_ones_and_columns_on_a_mixed_table():
    table = Rows({"a": [1.0, None, 3.0, 4.0] * 8, "b": ["x", "y", "x", None] * 8})
    course = [epoch.loss for epoch in Autoencoder(2, "undercomplete", epochs=5, learning_rate=0.01).fit_epochs(table)]
    assert course[-1] < course[0]
    coder = Autoencoder(2, "mask(0.3)", epochs=1).fit(table)
    assert coder.objective_ == "mask(0.3) + columns()"
    assert Autoencoder(2, "bernoulli()", epochs=1).fit(X > 0).objective_ == "bernoulli()"
