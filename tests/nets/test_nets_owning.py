"""What belongs to which stage: the order in which modules run decides, whatever the order of registration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from tuning_cases import X, Y, pictures, plan, small

from codelayer.learn.groups import freeze, leaves, stage_leaves
from codelayer.nets.backbone import Backbone, Pictures
from codelayer.nets.backbone.owning import stages_of_modules
from codelayer.transfer import FineTunedClassifier

GREY = Pictures(8, 8, 1, (0.4,), (0.25,))


class Upside(nn.Module):
    """Registered from the end on, run from the input on: a, b, norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.b, self.a = nn.Conv2d(4, 4, 3), nn.Conv2d(1, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.b(torch.relu(self.a(x))))


def upside(prepare=GREY) -> Backbone:
    torch.manual_seed(0)
    return Backbone("upside", Upside(), {"a": "a", "b": "b", "norm": "norm"}, prepare)


def moved(tune) -> set[str]:
    net = upside()
    before = {name: value.clone() for name, value in net.net.state_dict().items()}
    made = FineTunedClassifier(net, tune=tune, start="random", epochs=2, random_state=0).fit(X, Y)
    after = made.backbone_.net.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_module_belongs_to_the_first_stage_that_it_can_change():
    norm = ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert upside().by_stage() == {"a": ["a.weight", "a.bias"], "b": ["b.weight", "b.bias"], "norm": norm, "": []}
    assert stage_leaves(upside()) == {"a": ["a"], "b": ["b"], "norm": ["norm"], "": []}
    assert freeze(upside(), "norm") == norm


def test_tuning_moves_the_stage_that_was_named_and_nothing_else():
    assert {name.partition(".")[0] for name in moved("last")} == {"norm"}
    assert {name.partition(".")[0] for name in moved("a")} == {"a"}
    assert {name.partition(".")[0] for name in moved(2)} == {"b", "norm"}


def test_looking_leaves_the_net_and_the_draws_as_they_were():
    net = upside()
    net.net.train()
    freeze(net, "a")
    before, modes = {n: v.clone() for n, v in net.net.state_dict().items()}, [m.training for m in net.net.modules()]
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    net.copy().by_stage()
    net._stage_of = None
    net.by_stage()
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(before[name], value) for name, value in net.net.state_dict().items())
    assert modes == [m.training for m in net.net.modules()]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.net.modules())


@pytest.mark.parametrize("make", [small, plan])
def test_where_modules_run_as_they_were_registered_nothing_changes(make):
    net = make()
    by_run = stages_of_modules(net.net, net.places, net.prepare.sample())
    assert by_run == stages_of_modules(net.net, net.places, None)
    assert set(by_run) == set(dict(net.net.named_modules()))


class Around(nn.Module):
    """A token of its own, an attention whose projection is never called, a shared layer, a part that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.never = nn.Linear(4, 4)
        self.second = nn.MultiheadAttention(4, 2, batch_first=True)
        self.first, self.head = nn.Linear(1, 4), nn.Linear(4, 2)
        self.again = self.first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.first(x.flatten(1)[:, :9, None]) + self.token
        h = self.second(h, h, h, need_weights=True)[0] + self.again(x.flatten(1)[:, :9, None])
        return self.head(h)


def test_tokens_projections_shared_layers_and_idle_parts_have_their_places():
    net = Backbone("around", Around(), {"one": "first", "two": "second"}, GREY)
    told = net.by_stage()
    assert told["one"] == ["token", "never.weight", "never.bias", *(f"first.{n}" for n in ("weight", "bias"))] + [
        f"again.{n}" for n in ("weight", "bias")
    ]
    assert {name.partition(".")[0] for name in told["two"]} == {"second"} and len(told["two"]) == 4
    assert told[""] == ["head.weight", "head.bias"]


class Own:
    """A preparation of another's, which knows no row."""

    def __call__(self, x):
        return GREY(x)

    def notes(self, x):
        return []

    def record(self):
        return {}


@pytest.mark.parametrize("prepare", [Own(), Pictures(2, 2, 1, (0.4,), (0.25,))])
def test_without_a_row_that_runs_the_order_of_registration_tells(prepare):
    assert upside(prepare).stage_of("norm.weight") == "a"


def test_a_head_that_takes_no_other_size_is_no_hindrance():
    net = small(False)
    net.net.add_module("early", net.net.b3)
    net.prepare = Pictures(16, 16, 1, (0.4,), (0.25,))
    with pytest.raises(RuntimeError):
        net.net(net.prepare(pictures(2)[0]))
    assert {name.partition(".")[0] for name in net.by_stage()[""]} == {"tail"}
    assert sorted(one for found in stage_leaves(net).values() for one in found) == sorted(leaves(net.net))
    assert np.isfinite(net.vectors(pictures(2)[0])["b3"]).all()
