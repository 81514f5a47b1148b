"""Backbones: stages, preprocessing, planned nets, random twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transfer_cases import pictures, plan, weights

from codelayer.errors import BundleError, DataError, SentenceError
from codelayer.nets.backbone import Backbone, Pictures, calibrate, planned, random_twin


def small(seed: int = 0) -> Backbone:
    net, places = planned(plan(), weights(seed))
    return Backbone("small", net, places, Pictures(16, 16), "CC0", source={"form": "plan", "plan": plan()})


def by_hand(x: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The small net, one number after the other; x (C, H, W). Returns its logits."""

    def conv(x, name, stride, groups=1, act=True):
        weight = arrays.get(f"{name}.weight")
        if weight is None:
            weight = (arrays[f"{name}.q"].astype(float) - arrays[f"{name}.zero"]) * arrays[f"{name}.scale"]
        outputs, inside, k, _ = weight.shape
        size = -(-x.shape[1] // stride)
        total = max((size - 1) * stride + k - x.shape[1], 0)
        padded = np.zeros((x.shape[0], x.shape[1] + total, x.shape[2] + total))
        padded[:, total // 2 : total // 2 + x.shape[1], total // 2 : total // 2 + x.shape[2]] = x
        out = np.zeros((outputs, size, size))
        per = outputs // groups
        for o in range(outputs):
            first = o // per * inside
            for i in range(size):
                for j in range(size):
                    part = padded[first : first + inside, i * stride : i * stride + k, j * stride : j * stride + k]
                    out[o, i, j] = (part * weight[o]).sum() + arrays[f"{name}.bias"][o]
        return np.clip(out, 0, 6) if act else out

    a = conv(x, "a", 2)
    c = conv(conv(a, "b", 1, groups=4), "c", 1, act=False)
    d = conv(a + c, "d", 2)
    return arrays["logits.weight"][:, :, 0, 0] @ d.mean((1, 2)) + arrays["logits.bias"]


def test_a_planned_net_gives_what_its_operations_give_one_number_after_the_other():
    net, _ = planned(plan(), weights())
    x = np.random.default_rng(1).normal(size=(2, 3, 9, 9)).astype(np.float32)
    with torch.no_grad():
        found = net.eval()(torch.from_numpy(x)).numpy()
    expected = np.stack([by_hand(one.astype(float), weights()) for one in x])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_stages_are_one_for_each_size_of_the_maps():
    backbone = small()
    assert backbone.places == {"stage1": "steps.sum", "stage2": "steps.d"}
    walked = backbone.walk(backbone.prepare(pictures(2)[0]), "all")
    assert [tuple(one.shape) for one in walked.values()] == [(2, 4, 8, 8), (2, 6, 4, 4)]


def test_parameters_belong_to_the_stage_they_come_before_the_end_of_and_the_head_to_none():
    by_stage = small().by_stage()
    assert {name.split(".")[1] for name in by_stage["stage1"]} == {"a", "b", "c"}
    assert {name.split(".")[1] for name in by_stage["stage2"]} == {"d"}
    assert {name.split(".")[1] for name in by_stage[""]} == {"logits"}


def test_a_walk_ends_at_the_last_stage_that_was_asked_for():
    backbone, seen = small(), []
    backbone.net.steps["d"].register_forward_hook(lambda *_: seen.append("d"))
    backbone.walk(backbone.prepare(pictures(2)[0]), "stage1")
    assert not seen


def test_pooling_is_the_mean_of_a_map_or_of_its_parts():
    backbone = small()
    walked = backbone.walk(backbone.prepare(pictures(3)[0]), "stage2")["stage2"].detach()
    maps = walked.numpy()
    np.testing.assert_allclose(backbone.pooled(walked).numpy(), maps.mean((2, 3)), atol=1e-6)
    parts = maps.reshape(3, 6, 2, 2, 2, 2).mean((3, 5)).reshape(3, -1)
    np.testing.assert_allclose(backbone.pooled(walked, 2).numpy(), parts, atol=1e-6)


def test_an_unknown_stage_is_refused_with_the_closest_name():
    with pytest.raises(SentenceError, match="did you mean 'stage1'"):
        small().chosen(["stag1"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec, arrays: spec["ops"].pop(0), "reads what does not come before it"),
        (lambda spec, arrays: arrays.pop("a.bias"), "lacks 'a.bias'"),
        (lambda spec, arrays: arrays.update({"z.weight": arrays["a.weight"]}), "does not name"),
        (lambda spec, arrays: arrays.update({"c.weight": np.zeros((4, 5, 1, 1), np.float32)}), "do not fit together"),
        (lambda spec, arrays: arrays.update({"a.bias": np.full(4, np.nan, np.float32)}), "not finite"),
        (lambda spec, arrays: spec.update(ops="rm -rf"), "names no operations"),
        (lambda spec, arrays: spec["ops"][0].update(stride=0), "cannot be read"),
        (lambda spec, arrays: spec["ops"][0].update(act="exec"), "cannot be read"),
        (lambda spec, arrays: spec.update(stages={"x": "nowhere"}), "no operation 'nowhere'"),
    ],
)
def test_a_plan_that_does_not_fit_its_weights_is_refused_in_a_sentence(change, said):
    spec, arrays = plan(), weights()
    change(spec, arrays)
    with pytest.raises(BundleError, match=said):
        planned(spec, arrays)


# --- pictures -------------------------------------------------------------------------------------------------------


def test_pictures_are_centred_and_scaled_per_channel():
    x = np.array([0, 51, 255], np.uint8).reshape(1, 1, 1, 3)
    found = Pictures(0, 0, 3, (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))(x)
    np.testing.assert_allclose(found.numpy().ravel(), [-0.2, 0.0, 0.35], atol=1e-6)


def test_grey_pictures_are_repeated_and_coloured_ones_become_their_luma():
    grey = np.full((1, 4, 4, 1), 255, np.uint8)
    assert Pictures(4, 4)(grey).shape == (1, 3, 4, 4)
    assert "repeated" in Pictures(4, 4).notes(grey)[0]
    red = np.zeros((1, 4, 4, 3), np.uint8)
    red[..., 0] = 255
    one = Pictures(4, 4, 1, (0.0,), (1.0,))
    np.testing.assert_allclose(one(red).numpy(), 0.299, atol=1e-6)
    assert "luma" in one.notes(red)[0]


def test_enlarging_is_told_and_shrinking_is_not():
    assert "enlarged" in Pictures(16, 16).notes(np.zeros((1, 8, 8, 3)))[0]
    assert not Pictures(16, 16).notes(np.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((2, 5)), "takes pictures, not rows"),
        (np.zeros((2, 4, 4, 2)), "takes pictures, not rows"),
        (np.full((2, 4, 4, 3), 200.0), "values from 200 to 200"),
        (np.full((2, 4, 4, 3), np.nan), "values from nan"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(x, said):
    with pytest.raises(DataError, match=said):
        Pictures(4, 4)(x)


@pytest.mark.parametrize("record", [None, {}, {"height": 4, "width": 4, "mean": [0.5]}, {"mean": 1, "std": 2}])
def test_a_missing_normalisation_record_is_refused_with_the_remedy(record):
    with pytest.raises(DataError, match="not recorded|says too little"):
        Pictures.from_record(record)


def test_another_preprocessing_changes_the_hash_of_the_features():
    first, other = small(), small()
    other.prepare = Pictures(16, 16, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert first.weights_hash() == other.weights_hash()
    assert first.features_hash() != other.features_hash()
    assert first.features_hash() == small().features_hash() != small(1).features_hash()


# --- twins ----------------------------------------------------------------------------------------------------------


def test_a_twin_answers_the_rows_it_was_scaled_on_with_mean_0_and_variance_1():
    backbone = small()
    twin = random_twin(backbone, 3)
    rows = backbone.prepare(pictures(40)[0])
    calibrate(twin, rows)
    seen = {}
    for name in "abcd":
        twin.net.steps[name][0].register_forward_hook(lambda m, i, o, name=name: seen.__setitem__(name, o))
    with torch.no_grad():
        twin.net(rows)
    for name, output in seen.items():
        deviation, mean = torch.std_mean(output, (0, 2, 3), correction=0)
        alive = deviation > 1e-3
        np.testing.assert_allclose(mean.numpy(), 0, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(deviation[alive].numpy(), 1, atol=1e-3, err_msg=name)
        assert alive.any()


def test_twins_of_one_seed_are_equal_and_leave_the_net_and_the_global_generator_as_they_are():
    backbone = small()
    before, state = backbone.weights_hash(), torch.get_rng_state()
    assert random_twin(backbone, 1).weights_hash() == random_twin(backbone, 1).weights_hash()
    assert random_twin(backbone, 1).weights_hash() != random_twin(backbone, 2).weights_hash()
    assert backbone.weights_hash() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_running_statistics_of_a_twin_come_from_the_rows_and_momentum_stays():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU())
    backbone = Backbone("norms", net, {"one": "2"}, Pictures(12, 12))
    twin = random_twin(backbone)
    calibrate(twin, backbone.prepare(pictures(30)[0]))
    np.testing.assert_allclose(twin.net[1].running_mean.numpy(), 0, atol=1e-4)
    assert twin.net[1].momentum == 0.3
    assert not twin.net.training


def test_a_trained_net_is_not_scaled():
    with pytest.raises(SentenceError, match="would undo it"):
        calibrate(small(), torch.zeros(4, 3, 16, 16))
