"""Fine-tuned estimators: what is tuned and what keeps its bits, rates, probes, anchors, caches."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import nn
from tuning_cases import QUICK, X, Y, crossing, learned, moved, pictures, plan, small, state

from codelayer.errors import SentenceError
from codelayer.nets.backbone import calibrate, random_twin
from codelayer.transfer.feeding import Feed
from codelayer.transfer.finetune import FineTunedClassifier, FineTunedRegressor
from codelayer.transfer.probing import STRENGTHS, probed_head
from codelayer.transfer.tuning import Anchor

# --- what is tuned ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tune", "stages"),
    [("head", ()), ("last", ("b3",)), (2, ("b2", "b3")), ("b2", ("b2",)), ("all", ("b1", "b2", "b3"))],
)
def test_only_what_is_tuned_moves_with_its_running_statistics_and_the_given_backbone_stays(tune, stages):
    net = small()
    given = net.weights_hash()
    model = learned(backbone=net, tune=tune)
    assert net.weights_hash() == given
    found = moved(state(net), state(model.backbone_))
    assert found == {name for stage in stages for name in net.by_stage()[stage]}


def test_norms_tunes_normalisation_layers_alone():
    net = small()
    model = learned(backbone=net, tune="norms")
    norms = {f"b{i}.1.{name}" for i in (1, 2, 3) for name in net.net.b1[1].state_dict()}
    assert moved(state(net), state(model.backbone_)) == norms
    with pytest.raises(SentenceError, match="no normalisation layer"):
        learned(backbone=small(norm=False), tune="norms")


@pytest.mark.parametrize("tune", ["lst", "b9", 0, 4, True, None, 2.5])
def test_what_cannot_be_tuned_is_refused(tune):
    with pytest.raises(SentenceError, match="tune="):
        learned(tune=tune)


def test_a_net_without_parameters_takes_a_head_only():
    net = small(norm=False)
    for name, one in list(net.net.named_parameters()):
        owner, _, last = name.rpartition(".")
        module = net.net.get_submodule(owner)
        del module._parameters[last]
        module.register_buffer(last, one.detach())
    with pytest.raises(SentenceError, match=r"no parameter .*\n.*tune=\"head\""):
        learned(backbone=net)
    assert learned(backbone=net, tune="head", epochs=30, learning_rate=0.05).score(X, Y) > 0.5


def test_it_learns_and_its_parts_fit_together():
    model = learned(epochs=40, learning_rate=0.01)
    x, y = pictures(60, seed=1)
    assert model.score(x, y) > 0.9
    shares = model.predict_proba(x)
    assert shares.shape == (60, 3) and np.allclose(shares.sum(1), 1)
    assert np.array_equal(model.predict(x), model.classes_[shares.argmax(1)])
    codes = model.transform(x)
    assert codes.shape == (60, 8) and codes.dtype == np.float32
    head = codes @ model.head_weight_.T + model.head_bias_
    assert np.allclose(shares, np.exp(head) / np.exp(head).sum(1, keepdims=True), atol=1e-5)
    assert list(model.get_feature_names_out())[:1] == ["finetunedclassifier0"]
    assert [round(one["epoch"]) for one in model.history_] == list(range(1, 41))


def test_labels_of_any_kind_come_back_as_they_were():
    for labels in (np.array(["cat", "dog", "owl"])[Y], Y + 5, Y.astype(float), [f"c{one}" for one in Y]):
        model = FineTunedClassifier(small(), **QUICK).fit(X, labels)
        assert set(model.predict(X)) <= set(np.asarray(labels).tolist())


def test_clones_and_pickles_give_the_same():
    model = learned(unfreeze=True)
    assert np.array_equal(clone(model).fit(X, Y).transform(X), model.transform(X))
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(X), model.transform(X))
    assert np.array_equal(copy.deepcopy(model).predict_proba(X), model.predict_proba(X))


def test_a_regressor_learns_numbers_in_their_own_units():
    number = 1000.0 + 50.0 * Y
    model = FineTunedRegressor(small(), epochs=60, learning_rate=0.01, random_state=0).fit(X, number)
    assert model.score(X, number) > 0.8
    assert 900 < model.predict(X).mean() < 1200 and not hasattr(model, "classes_")
    probed = FineTunedRegressor(small(), epochs=1, random_state=0).fit(X, number)
    assert probed.start_loss_ < 1.0


def test_nothing_is_drawn_from_global_state_and_the_seed_decides():
    nets = [small(drop=0.3) for _ in range(3)]
    torch.manual_seed(1)
    first = learned(backbone=nets[0], augment="flip + shift")
    before = torch.get_rng_state()
    second = learned(backbone=nets[1], augment="flip + shift")
    assert torch.equal(before, torch.get_rng_state())
    other = learned(backbone=nets[2], augment="flip + shift", random_state=1)
    assert np.array_equal(first.transform(X), second.transform(X))
    assert not np.array_equal(first.transform(X), other.transform(X))


def test_scratch_is_a_random_twin_tuned_whole():
    net = small()
    model = learned(backbone=net, tune="scratch", epochs=40)
    twin = random_twin(net, 0)
    calibrate(twin, twin.prepare(X))
    given = learned(backbone=twin, tune="all", epochs=40, learning_rate=0.003)
    assert np.array_equal(model.transform(X), given.transform(X))
    assert model.score(*pictures(60, seed=1)) > 0.8
    assert learned(backbone=random_twin(net, 0)).backbone_.calibrated


# --- rates ------------------------------------------------------------------------------------------------------------


def test_rates_fall_by_the_factor_from_the_head_down():
    model = learned(rates=2.6, learning_rate=0.02)
    expected = {"b1": 0.02 / 2.6**3, "b2": 0.02 / 2.6**2, "b3": 0.02 / 2.6, "head": 0.02}
    assert model.rates_ == pytest.approx(expected, rel=1e-12)
    assert learned(learning_rate=0.02).rates_ == dict.fromkeys(expected, 0.02)


def test_gradient_rates_are_those_of_the_first_whole_gradient():
    net = small()
    model = FineTunedClassifier(net, rates="gradient", learning_rate=0.02, **QUICK)
    rows, targets = model.checked(X, Y)
    tuning = model.tuning(rows, targets, 0)
    joined = tuning.joined
    whole = net.pooled(joined.net[:3](net.prepare(X)))
    nn.functional.cross_entropy(joined.head(whole), torch.from_numpy(Y)).backward()
    known = dict(joined.named_parameters())
    norms = []
    for stage in ("b1", "b2", "b3"):
        names = [f"net.{name}" for name in net.by_stage()[stage] if f"net.{name}" in known]
        slope = np.sqrt(sum(float((known[name].grad.double() ** 2).sum()) for name in names))
        norms.append(slope / np.sqrt(sum(float((known[name].detach().double() ** 2).sum()) for name in names)))
    found = [one.rate for one in tuning.paces.groups]
    assert found == pytest.approx([*(one / max(norms) for one in norms), 1.0], rel=1e-4)
    assert learned(backbone=net, rates="gradient", learning_rate=0.02).rates_["head"] == 0.02


@pytest.mark.parametrize("rates", [0.5, 0, "gradients", None, True, np.inf])
def test_impossible_rates_are_refused(rates):
    with pytest.raises(SentenceError, match="rates="):
        learned(rates=rates)


def test_gradual_unfreezing_opens_from_the_head_down_and_keeps_bits_until_then():
    net = small()
    model = FineTunedClassifier(net, unfreeze=True, epochs=6, batch_size=12, random_state=0, start="random")
    start, still = state(net), []
    for _ in model.fit_epochs(X, Y):  # 18 steps: b3 opens at 3, b2 at 6, b1 at 9
        still.append(
            {name.split(".")[0] for name in start} - {one.split(".")[0] for one in moved(start, state(model.backbone_))}
        )
    assert still == [{"b1", "b2", "b3", "tail"}, {"b1", "b2", "tail"}, {"b1", "tail"}, *[{"tail"}] * 3]


# --- probe, anchor ----------------------------------------------------------------------------------------------------


def test_lp_ft_starts_at_the_loss_of_a_regularised_probe():
    net, labels = small(), np.where(np.arange(36) % 5 == 0, (Y + 1) % 3, Y)  # some are wrong, so that the loss is not 0
    still = QUICK | {"start": "probe", "epochs": 1, "learning_rate": 1e-12}
    model = FineTunedClassifier(net, **still).fit(X, labels)
    features = net.vectors(X)["b3"].astype(np.float64)
    scaled = (features - features.mean(0)) / np.sqrt(features.var(0).mean())
    probe = LogisticRegression(C=model.probe_strength_, tol=1e-8, max_iter=10_000).fit(scaled, labels)
    by_hand = -np.log(probe.predict_proba(scaled)[np.arange(36), labels]).mean()
    assert by_hand > 0.1 and model.start_loss_ == pytest.approx(by_hand, rel=1e-3)
    assert model.probe_strength_ in STRENGTHS
    frozen = FineTunedClassifier(net, tune="head", **still).fit(X, labels)
    assert frozen.history_[0]["loss"] == pytest.approx(model.start_loss_, rel=1e-5)
    assert learned(backbone=net).start_loss_ is None and learned(tune="scratch", start="probe").start_loss_ is None


def test_the_first_step_from_a_probe_has_its_loss_and_running_statistics_stay():
    net = small()
    model = FineTunedClassifier(net, batch_size=36, epochs=1, random_state=0).fit(X, Y)
    assert model.history_[0]["loss"] == pytest.approx(model.start_loss_, rel=1e-4)
    still = {name for name in state(net) if "running" in name or "num_batches" in name}
    assert moved(state(net), state(model.backbone_)) == {n for n in state(net) if not n.startswith("tail")} - still


def test_the_strength_of_a_probe_is_chosen_inside_the_labels():
    rng = np.random.default_rng(0)
    noise, places = rng.normal(size=(40, 30)), np.arange(40) % 2
    clear = noise.copy()
    clear[:, 0] += 8 * places
    weak, strong = (probed_head(one, places, 0)[2] for one in (noise, clear))
    assert weak < strong
    assert probed_head(clear[:3], np.array([0, 1, 2]), 0)[2] == 0.01


def test_the_anchor_adds_its_gradient_to_that_of_the_loss():
    net = small()
    model = FineTunedClassifier(net, anchor=(0.3, 0.7), tune=2, **QUICK)
    tuning = model.tuning(*model.checked(X, Y), 0)
    tuning.paces.at(0)
    with torch.no_grad():
        for one in tuning.joined.parameters():
            one.add_(0.1)
    plain = FineTunedClassifier(net, tune=2, **QUICK)
    bare = plain.tuning(*plain.checked(X, Y), 0)
    bare.joined.load_state_dict(tuning.joined.state_dict())
    bare.paces.at(0)
    places = torch.arange(12)
    terms = tuning.gradient(places, 0)
    loss = bare.gradient(places, 0)["loss"]
    assert torch.equal(terms["loss"], loss)
    start, charged = state(net), 0.0
    for (name, one), other in zip(tuning.joined.named_parameters(), bare.joined.parameters(), strict=True):
        if one.grad is None:
            assert other.grad is None and name.startswith(("net.b1", "net.tail"))
            continue
        own = name.removeprefix("net.")
        away = one.detach() - torch.from_numpy(start[own]) if own in start else one.detach()
        weight = 0.3 if own in start else 0.7
        torch.testing.assert_close(one.grad, other.grad + weight * away)
        charged += 0.5 * weight * float((away**2).sum())
    assert float(terms["anchor"]) == pytest.approx(charged, rel=1e-5)


def test_a_strong_anchor_keeps_weights_where_they_were():
    net = small(norm=False)
    apart = []
    for anchor in (None, 1000.0):
        model = learned(backbone=net, anchor=anchor, epochs=20, learning_rate=0.01)
        before, after = state(net), state(model.backbone_)
        apart.append(sum(float(((before[name] - after[name]) ** 2).sum()) for name in before))
    assert apart[1] < 0.05 * apart[0]
    assert "anchor" in model.history_[0]


@pytest.mark.parametrize("anchor", [-1, "0.1", (1, 2, 3), (0.1, -1)])
def test_an_impossible_anchor_is_refused(anchor):
    with pytest.raises(SentenceError, match="anchor="):
        learned(anchor=anchor)


def test_an_anchor_without_weights_adds_nothing():
    joined = nn.Linear(2, 2)
    joined(torch.ones(1, 2)).sum().backward()
    before = joined.weight.grad.clone()
    assert Anchor(0.0, 0.0, {}).add(joined) == 0.0
    assert torch.equal(joined.weight.grad, before)


# --- caches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "stages"), [(small, 3), (plan, 2)])
def test_a_frozen_start_is_run_once_and_changes_nothing(make, stages, monkeypatch):
    net = make()
    for tune, form in (("head", "vectors"), *((k, "stage") for k in range(1, stages)), ("all", "prepared")):
        kept = FineTunedClassifier(net, tune=tune, epochs=5, random_state=0).fit(X, Y)
        monkeypatch.setattr("codelayer.transfer.feeding.KEPT_BYTES", 0)
        again = FineTunedClassifier(net, tune=tune, epochs=5, random_state=0).fit(X, Y)
        monkeypatch.undo()
        assert kept.kept_ == form and again.kept_ == ("vectors" if form == "vectors" else "made anew")
        for name, value in state(again.backbone_).items():
            np.testing.assert_allclose(
                value, state(kept.backbone_)[name], rtol=1e-3, atol=2e-4, err_msg=f"{tune} {name}"
            )
        np.testing.assert_allclose(again.predict_proba(X), kept.predict_proba(X), atol=1e-3)


def test_entering_behind_a_stage_gives_what_the_whole_net_gives_with_its_gradients():
    for net in (small(), plan()):
        feed = Feed(net, X, net.stages[-2])
        assert feed.form == "stage"
        net.net.zero_grad()
        entered = feed.vectors(feed.batch(torch.arange(5)))
        entered.square().sum().backward()
        slopes = {name: one.grad.clone() for name, one in net.net.named_parameters() if one.grad is not None}
        net.net.zero_grad()
        whole = net.pooled(net.walk(net.prepare(X[:5]))[net.last])
        whole.square().sum().backward()
        torch.testing.assert_close(entered, whole)
        assert slopes and all(name in net.by_stage()[net.last] for name in slopes)
        for name, slope in slopes.items():
            torch.testing.assert_close(slope, dict(net.net.named_parameters())[name].grad)
        assert not any("forward" in one.__dict__ for one in net.net.modules())


def test_where_a_sum_reaches_across_the_stage_the_whole_net_is_run():
    feed = Feed(crossing(), X, "first")
    assert feed.form == "prepared"


def test_pictures_that_are_changed_are_never_kept():
    model = learned(tune="last", augment="flip")
    assert model.kept_ == "made anew"
    with pytest.raises(SentenceError, match="augment='flop'"):
        learned(augment="flop")
