"""Freeze means frozen; groups hold every parameter once; rates are a pure function of the step."""

from __future__ import annotations

import copy
import itertools
import math
import pickle

import pytest
import torch
from torch import nn

from codelayer.errors import SentenceError
from codelayer.learn.groups import freeze, held_leaves, hold, leaves, stage_leaves, thaw
from codelayer.learn.paces import (
    AdamW,
    Group,
    Paces,
    gradient_rates,
    layer_rates,
    one_cycle,
    opened_in_turn,
)
from codelayer.nets.backbone import Backbone, Pictures

NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def net(dims: int = 2) -> nn.Sequential:
    """Two blocks of convolution, batch normalisation and dropout, and a head."""
    torch.manual_seed(0)

    def block(a: int, b: int) -> nn.Sequential:
        return nn.Sequential(CONVS[dims](a, b, 3, padding=1), NORMS[dims](b), nn.ReLU(), nn.Dropout(0.5))

    found = nn.Sequential()
    found.add_module("one", block(2, 4))
    found.add_module("two", block(4, 4))
    found.add_module("flat", nn.Flatten())
    found.add_module("head", nn.Linear(4 * 4**dims, 3))
    return found


def batch(dims: int, seed: int) -> torch.Tensor:
    return torch.randn(6, 2, *[4] * dims, generator=torch.Generator().manual_seed(seed))


def steps(model: nn.Module, dims: int, count: int = 10) -> None:
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=0.1, weight_decay=0.1)
    for at in range(count):
        model.train()
        optimizer.zero_grad()
        model(batch(dims, at)).square().mean().backward()
        optimizer.step()


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_what_is_frozen_keeps_its_bits_and_the_rest_learns(dims):
    model = net(dims)
    names = freeze(model, "one")
    assert sorted(names) == sorted(name for name in model.state_dict() if name.startswith("one."))
    before = state(model)
    steps(model, dims)
    after = state(model)
    assert all(torch.equal(before[name], after[name]) for name in names)
    rest = [name for name in before if name not in names]
    assert rest and not any(torch.equal(before[name], after[name]) for name in rest)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_without_freezing_running_statistics_move(dims):
    model = net(dims)
    for one in model.parameters():
        one.requires_grad_(False)
    before = state(model)
    model.train()
    model(batch(dims, 0))
    assert not torch.equal(before["one.1.running_mean"], model.state_dict()["one.1.running_mean"])


def test_a_frozen_part_stays_in_eval_mode_whatever_is_asked_of_it_or_its_parents():
    model = net()
    freeze(model, "one")
    for asked in (model, model.one, model.one[1], model.one[3]):
        asked.train()
        assert not any(one.training for one in model.one.modules())
    assert model.two.training and model.training
    x = batch(2, 0)
    assert torch.equal(model.one(x), model.one(x)), "dropout is off"
    freeze(model)
    model.train()
    assert not any(one.training for one in model.modules())


def test_a_frozen_net_can_be_copied_and_pickled_and_stays_frozen():
    model = net()
    freeze(model, "one")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other.train()
        assert not other.one[1].training and other.two[1].training
        thaw(other, "one")
        other.train()
        assert other.one[1].training
        model.train()
        assert not model.one[1].training


def test_thawing_lets_learn_again():
    model = net()
    freeze(model)
    thaw(model, "two", "head")
    before = state(model)
    steps(model, 2)
    moved = {name for name, value in state(model).items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith(("two.", "head."))}
    thaw(model)
    model.train()
    assert held_leaves(model) == set() and all(one.training for one in model.modules())


def test_a_pattern_of_parameters_freezes_those_alone():
    model = net()
    assert set(freeze(model, "*.bias")) == {"one.0.bias", "one.1.bias", "two.0.bias", "two.1.bias", "head.bias"}
    before = state(model)
    steps(model, 2)
    same = {name for name, value in state(model).items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.endswith(".bias")}


def test_a_buffer_that_is_frozen_holds_its_module():
    model = net()
    freeze(model, "one.1.running_mean")
    before = state(model)
    steps(model, 2)
    assert torch.equal(before["one.1.running_mean"], model.state_dict()["one.1.running_mean"])
    assert torch.equal(before["one.1.running_var"], model.state_dict()["one.1.running_var"])
    assert not torch.equal(before["one.1.weight"], model.state_dict()["one.1.weight"])


@pytest.mark.parametrize(("pattern", "close"), [("onee", "one"), ("*.biass", "bias"), ("tow", "two"), ("zzz", "")])
@pytest.mark.parametrize("act", [freeze, thaw])
def test_a_pattern_that_matches_nothing_is_refused_with_the_closest_name(act, pattern, close):
    with pytest.raises(SentenceError, match="matches no part") as caught:
        act(net(), pattern)
    assert not close or f"did you mean '{close}" in str(caught.value) or close in str(caught.value)


def backbone() -> Backbone:
    return Backbone("small", net(), {"first": "one", "second": "two"}, Pictures(4, 4, 1, (0.0,), (1.0,)))


def test_stages_of_a_backbone_are_frozen_by_name():
    found = backbone()
    names = freeze(found, "first")
    assert names == found.by_stage()["first"]
    found.net.train()
    assert not found.net.one[3].training and found.net.two[3].training
    with pytest.raises(SentenceError, match="did you mean 'second'"):
        freeze(found, "secnd")


def test_leaves_of_stages_are_all_leaves_once_in_order():
    found = backbone()
    by_stage = stage_leaves(found)
    assert [one for names in by_stage.values() for one in names] == list(leaves(found.net))
    assert by_stage == {
        "first": ["one.0", "one.1", "one.2", "one.3"],
        "second": ["two.0", "two.1", "two.2", "two.3"],
        "": ["flat", "head"],
    }


def test_a_module_with_weights_of_its_own_and_parts_is_held_only_with_both():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(2))
            self.inner = nn.Dropout(0.5)

    model = Tokens()
    hold(model, ["inner"])
    model.train()
    assert model.training and not model.inner.training
    hold(model, ["inner", ""])
    model.train()
    assert not model.training
    hold(model, [])
    model.train()
    assert model.training and model.inner.training


# --- rates ----------------------------------------------------------------------------------------------------------

GROUPS = (
    Group("one", ("one.0.weight", "one.0.bias", "one.1.weight", "one.1.bias"), ("one.0", "one.1", "one.2", "one.3")),
    Group("two", ("two.0.weight", "two.0.bias", "two.1.weight", "two.1.bias"), ("two.0", "two.1", "two.2", "two.3")),
    Group("head", ("head.weight", "head.bias"), ("head",)),
)


def test_every_trainable_parameter_stands_in_exactly_one_group():
    with pytest.raises(SentenceError, match="'head.bias' can learn but stands in no group"):
        Paces(net(), [*GROUPS[:2], Group("head", ("head.weight",))], 0.1, 10)
    with pytest.raises(SentenceError, match="stands in two groups"):
        Paces(net(), [*GROUPS, GROUPS[2]], 0.1, 10)
    with pytest.raises(SentenceError, match="does not have"):
        Paces(net(), [*GROUPS, Group("other", ("other.weight",))], 0.1, 10)


def test_layer_rates_are_powers_of_the_factor():
    assert [one.rate for one in layer_rates(GROUPS, 2.6)] == pytest.approx([1 / 2.6**2, 1 / 2.6, 1.0])
    assert [one.rate for one in layer_rates(GROUPS, 1.0)] == [1.0, 1.0, 1.0]


def test_rates_follow_the_schedule_and_depend_on_the_step_alone():
    paces = Paces(net(), layer_rates(GROUPS, 2.6), 0.5, 40, "one_cycle")
    for step in (39, 0, 12, 20, 3, 20):
        share = (
            1 / 25 + (24 / 25) * (1 - math.cos(math.pi * step / 12)) / 2
            if step < 12
            else 1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (step - 12) / 28)) / 2
        )
        assert paces.rates(step) == pytest.approx([0.5 * share / 2.6**2, 0.5 * share / 2.6, 0.5 * share], rel=1e-9)
    assert max(one_cycle(step, 40) for step in range(40)) == 1.0
    assert one_cycle(0, 1) == 1.0, "a single step is the peak"


def test_an_unknown_schedule_is_refused():
    with pytest.raises(SentenceError, match="one_cycle"):
        Paces(net(), GROUPS, 0.1, 10, "line")


def test_groups_open_in_turn_from_the_last_one():
    opened = opened_in_turn(GROUPS, 40)
    assert [one.opens for one in opened] == [20, 10, 0]
    paces = Paces(net(), opened, 0.5, 40, "steady")
    assert paces.rates(9) == [0.0, 0.0, 0.5] and paces.rates(10) == [0.0, 0.5, 0.5] and paces.rates(20) == [0.5] * 3
    assert opened_in_turn(GROUPS[2:], 40)[0].opens == 0


def test_a_closed_group_keeps_its_bits_until_its_step_and_learns_from_there():
    model = net()
    paces = Paces(model, opened_in_turn(GROUPS, 8), 0.1, 8, "steady")
    optimizer, before = AdamW(paces.members), state(model)
    for step in range(6):
        rates = paces.at(step)
        if step in (2, 4):  # two opens at 2, one at 4
            same = {name for name, value in state(model).items() if torch.equal(value, before[name])}
            closed = ("one.", "two.") if step == 2 else ("one.",)
            assert same == {name for name in before if name.startswith(closed)}
        optimizer.clear()
        model(batch(2, step)).square().mean().backward()
        optimizer.move(rates)
    assert not any(torch.equal(value, before[name]) for name, value in state(model).items())
    assert model.one[1].num_batches_tracked == 2 and model.two[1].num_batches_tracked == 4


def test_going_back_to_an_earlier_step_closes_again():
    model = net()
    paces = Paces(model, opened_in_turn(GROUPS, 8), 0.1, 8, "steady")
    paces.at(7)
    assert model.one[1].training and model.one[0].weight.requires_grad
    paces.at(0)
    assert not model.one[1].training and not model.one[0].weight.requires_grad
    paces.release()
    assert not any(one.training for one in model.modules()) and model.one[0].weight.requires_grad
    model.train()
    assert all(one.training for one in model.modules())


def test_the_optimiser_equals_torchs_adamw_with_the_same_groups():
    ours, theirs = net(), net()
    paces = Paces(ours, layer_rates(GROUPS, 3.0), 0.01, 10, "cosine")
    optimizer = AdamW(paces.members, decay=0.05)
    known = dict(theirs.named_parameters())
    groups = [{"params": [known[name] for name in one.parameters]} for one in GROUPS]
    reference = torch.optim.AdamW(groups, weight_decay=0.05)
    for model in (ours, theirs):
        model.eval()
    for step in range(10):
        for group, rate in zip(reference.param_groups, paces.rates(step), strict=True):
            group["lr"] = rate
        for model in (ours, theirs):
            model.zero_grad()
            model(batch(2, step)).square().mean().backward()
        optimizer.move(paces.rates(step))
        reference.step()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7, msg=name)


def test_gradient_rates_are_relative_norms_over_the_largest():
    model = net()
    model.eval()
    model(batch(2, 0)).square().mean().backward()
    known = dict(model.named_parameters())
    by_hand = [
        torch.cat([known[name].grad.flatten() for name in one.parameters]).norm()
        / torch.cat([known[name].detach().flatten() for name in one.parameters]).norm()
        for one in GROUPS[:2]
    ]
    found = [one.rate for one in gradient_rates(model, GROUPS)]
    assert found[:2] == pytest.approx([float(one / max(by_hand)) for one in by_hand], rel=1e-5)
    assert max(found[:2]) == 1.0 and found[2] == 1.0


def test_without_gradients_all_rates_are_one():
    assert [one.rate for one in gradient_rates(net(), GROUPS)] == [1.0, 1.0, 1.0]


def test_a_parameter_with_a_rate_of_zero_is_not_moved_by_decay():
    model = net()
    paces = Paces(model, GROUPS, 0.1, 4, "steady")
    paces.at(0)
    optimizer, before = AdamW(paces.members, decay=0.5), state(model)
    model(batch(2, 0)).square().mean().backward()
    optimizer.move([0.0, 0.0, 0.1])
    moved = {name for name, one in model.named_parameters() if not torch.equal(one, before[name])}
    assert moved == {"head.weight", "head.bias"}
    names = itertools.chain.from_iterable(one.parameters for one in GROUPS)
    assert len(list(names)) == len(optimizer.parameters)
