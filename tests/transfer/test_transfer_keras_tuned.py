"""Keras's nets in fine-tuning: their own generators, statistics of batch normalisation, normalisation layers."""

from __future__ import annotations

import numpy as np
import torch
from source_cases import needs
from tuning_cases import moved, pictures, state

from codelayer.nets.backbone import Backbone, Pictures
from codelayer.transfer.finetune import FineTunedClassifier
from codelayer.transfer.sources.keras_graph import KerasNet
from codelayer.transfer.sources.keras_nets import keras_library

X, Y = pictures()
COLOURED = np.repeat(X, 3, 3)


def tiny(drop: float = 0.0, norm: bool = True) -> Backbone:
    """Two convolutions of Keras's, with dropout of whole maps and batch normalisation between."""
    keras = keras_library()

    def build():
        layers = keras.layers
        x = first = keras.Input((8, 8, 3))
        x = layers.Conv2D(6, 3, activation="relu", name="one")(x)
        x = layers.BatchNormalization(name="norm")(x) if norm else x
        x = layers.Dropout(drop, noise_shape=(None, 1, 1, 6), name="drop")(x) if drop else x
        return keras.Model(first, layers.Conv2D(8, 3, activation="relu", name="two")(x))

    keras.utils.set_random_seed(0)
    net = KerasNet(build(), False, build)
    return Backbone("tiny", net, {"one": "steps.one", "two": "steps.two"}, Pictures(8, 8, 3), layout="channels last")


def model(backbone: Backbone, **options) -> FineTunedClassifier:
    given = {"epochs": 3, "batch_size": 12, "random_state": 0, "start": "random"} | options
    return FineTunedClassifier(backbone, **given)


@needs("keras")
def test_dropout_follows_from_the_seed_and_a_fit_that_is_left_ends_in_the_same_bits(tmp_path):
    net = tiny(drop=0.5)
    first, again, other = (model(net, random_state=seed).fit(COLOURED, Y) for seed in (0, 0, 1))
    assert np.array_equal(first.transform(COLOURED), again.transform(COLOURED))
    assert not np.array_equal(first.transform(COLOURED), other.transform(COLOURED))
    for epoch in model(net, run=tmp_path / "run").fit_epochs(COLOURED, Y):
        if epoch.number == 1:
            break
    resumed = model(net, run=tmp_path / "run").fit(COLOURED, Y)
    assert np.array_equal(first.transform(COLOURED), resumed.transform(COLOURED))


@needs("keras")
def test_layers_steps_and_calls_draw_apart():
    model_ready = model(tiny(drop=0.5))
    tuning = model_ready.tuning(*model_ready.checked(COLOURED, Y), 0)
    tuning.paces.at(0)
    seen: list[torch.Tensor] = []
    tuning.joined.net.steps["drop"].register_forward_hook(lambda module, inputs, output: seen.append(output == 0))
    for step in (3, 4, 3):
        tuning.gradient(torch.arange(12), step)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1])
    assert tuning.joined.net.steps["drop"].has_drawn()


@needs("keras")
def test_a_start_from_a_probe_keeps_the_moving_statistics_and_a_random_one_moves_them():
    net = tiny()
    before = state(net)
    weights = {"steps.one.kernel", "steps.one.bias", "steps.norm.gamma", "steps.norm.beta", "steps.two.kernel"}
    statistics = {"steps.norm.moving_mean", "steps.norm.moving_variance"}
    probed = moved(before, state(model(net, start="probe").fit(COLOURED, Y).backbone_))
    assert weights <= probed and not statistics & probed
    assert weights | statistics <= moved(before, state(model(net).fit(COLOURED, Y).backbone_))


@needs("keras")
def test_norms_tunes_kerass_normalisation_layers_alone():
    net = tiny()
    tuned = model(net, tune="norms").fit(COLOURED, Y)
    names = {f"steps.norm.{one}" for one in ("gamma", "beta", "moving_mean", "moving_variance")}
    assert moved(state(net), state(tuned.backbone_)) == names


@needs("keras")
def test_the_moving_statistics_keep_no_trace_of_the_part_that_failed_and_the_note_tells():
    found, told = [], []
    for count in (1, 2):
        estimator = model(tiny())
        tuning = estimator.tuning(*estimator.checked(COLOURED, Y), 0)
        tuning.paces.at(0)
        tuning.parts.count = count

        def hungry(module, inputs, output):
            if torch.is_grad_enabled() and len(output) > 6:
                raise RuntimeError("not enough memory")

        tuning.joined.net.steps["two"].register_forward_hook(hungry)
        tuning.gradient(torch.arange(12), 0)
        found.append({name: one.clone() for name, one in tuning.joined.net.named_buffers()})
        told += tuning.parts.notes
    assert len(found[0]) == 2 and all(torch.equal(one, found[1][name]) for name, one in found[0].items())
    assert len(told) == 1 and "but for batch normalisation" in told[0]
