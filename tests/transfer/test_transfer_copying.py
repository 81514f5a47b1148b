"""Copies of the first or the last stages of a net in a new one."""

from __future__ import annotations

import numpy as np
import pytest
from transfer_cases import net_file, pictures

from codelayer.errors import CodelayerError
from codelayer.transfer import copy_layers, open_backbone

X, Y = pictures(30)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return open_backbone(f"file:{net_file(tmp_path_factory.mktemp('net'))}")


def bits(net, stage):
    state = net.net.state_dict()
    return b"".join(state[name].numpy().tobytes() for name in net.by_stage()[stage])


@pytest.mark.parametrize(("ends", "kept"), [({"first": 1}, "stage1"), ({"last": 1}, "stage2"), ({}, None)])
def test_what_is_copied_is_held_and_the_rest_is_new(net, ends, kept):
    before = {stage: bits(net, stage) for stage in net.stages}
    made = copy_layers(net, X, Y, steps=6, **ends)
    for stage in net.stages:
        assert (bits(made.net, stage) == before[stage]) == (stage == kept), stage
        assert bits(net, stage) == before[stage]
    assert set(made.predict(X)) <= set(Y)


def test_copies_that_are_tuned_begin_as_the_source_and_learn(net):
    held, tuned = (copy_layers(net, X, Y, first=2, tune=tune, steps=6) for tune in (False, True))
    assert all(bits(held.net, stage) == bits(net, stage) for stage in net.stages)
    assert any(bits(tuned.net, stage) != bits(net, stage) for stage in net.stages)


def test_rows_without_a_label_are_left_out_and_equal_seeds_give_equal_nets(net):
    some = np.where(np.arange(30) < 24, Y, None)
    one, two = copy_layers(net, X, some, first=1, steps=4), copy_layers(net, X[:24], Y[:24], first=1, steps=4)
    np.testing.assert_array_equal(one.weight, two.weight)
    assert (copy_layers(net, X, Y, first=1, steps=4, seed=1).weight != one.weight).any()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"first": 3}, "the net has 2 stages"),
        ({"first": 1, "last": 1}, "copy from one end"),
        ({"last": -1}, "last=-1 is not possible"),
        ({"steps": 0}, "both are at least 1"),
    ],
)
def test_what_cannot_be_copied_is_refused_in_a_sentence(net, asked, said):
    with pytest.raises(CodelayerError, match=said):
        copy_layers(net, X, Y, **asked)
