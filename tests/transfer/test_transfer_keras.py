"""Keras's nets as backbones on torch: stages, preprocessing, weights of .h5 files, layers that own their weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from source_cases import needs, pictures, python

from codelayer.errors import BundleError, DataError
from codelayer.nets.backbone import Pictures, calibrate, random_twin
from codelayer.transfer import FeatureExtractor, open_backbone
from codelayer.transfer.opening import backbone_from, backbone_parts
from codelayer.transfer.sources.keras_nets import SIZES, keras_library, open_keras

SMALL, SIDE = "MobileNetV2", 64


@pytest.fixture(scope="module")
def model():
    """A whole model of SMALL with 7 classes."""
    keras_library().utils.set_random_seed(1)
    return keras_library().applications.MobileNetV2(weights=None, classes=7, input_shape=(SIDE, SIDE, 3))


@needs("keras")
def test_inception_runs_with_random_weights_and_says_so():
    found = open_backbone("random:keras:InceptionV3")
    assert found.stages == tuple(f"mixed{at}" for at in range(11))
    assert (found.name, found.trained, found.licence) == ("random:keras:InceptionV3", False, "none: drawn at random")
    calibrate(found, found.prepare(pictures(4)))
    vectors = found.vectors(pictures(2), "all")
    assert [one.shape[1] for one in vectors.values()] == [256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048]
    assert all(np.isfinite(one).all() and one.std() > 0 for one in vectors.values())


@needs("keras")
def test_a_stage_is_what_a_keras_model_up_to_it_gives():
    found = open_keras("InceptionV3", 96, False)
    whole = found.net.model
    tap = keras_library().Model(whole.input, whole.get_layer("mixed7").output)
    prepared = found.prepare(pictures(2))
    with torch.inference_mode():
        expected = tap(prepared.permute(0, 2, 3, 1))
        mine = found.walk(prepared, "mixed7")["mixed7"]
    assert mine.shape == (2, 4, 4, 768) and torch.allclose(mine, expected, atol=1e-6)
    assert np.allclose(found.vectors(pictures(2), "mixed7")["mixed7"], expected.mean((1, 2)).numpy(), atol=1e-5)


@needs("keras")
@pytest.mark.parametrize("name", ["InceptionV3", "ResNet50", "DenseNet121", "MobileNetV3Small", "VGG16"])
def test_pictures_are_prepared_as_keras_does(name):
    import importlib

    keras = keras_library()
    home = importlib.import_module(getattr(keras.applications, name).__module__)
    found = open_keras(name, 80, False)
    grey = np.random.default_rng(0).integers(0, 256, (2, 80, 80, 3), np.uint8)
    seen: list[torch.Tensor] = []
    first = next(iter(found.net.steps.values()))
    handle = first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0]))
    with torch.inference_mode():
        found.net(found.prepare(grey))
    handle.remove()
    expected = home.preprocess_input(grey.astype(np.float32))
    assert np.allclose(seen[0].numpy(), expected, atol=1e-3 * np.abs(expected).max())


@needs("keras")
def test_inceptions_record_is_minus_one_to_one():
    assert open_keras("InceptionV3", None, False).prepare == Pictures(299, 299, 3, (0.5,) * 3, (0.5,) * 3)


@needs("keras")
@pytest.mark.parametrize("name", ["Xception", "EfficientNetV2B1"])
def test_the_sizes_are_those_of_kerass_own_defaults(name):
    builder = getattr(keras_library().applications, name)
    assert builder(weights=None, include_top=True).input_shape[1:3] == (SIZES[name],) * 2


@needs("keras")
def test_names_do_not_depend_on_what_was_built_before():
    first, second = (open_keras("MobileNetV3Small", SIDE, False) for _ in range(2))
    assert first.places == second.places
    assert list(first.net.state_dict()) == list(second.net.state_dict())


@needs("keras")
def test_every_weight_belongs_to_one_stage_in_the_order_of_the_net():
    found = open_keras(SMALL, SIDE, False)
    names = [name for stage in found.by_stage().values() for name in stage]
    assert sorted(names) == sorted(found.net.state_dict())
    assert found.stage_of("steps.Conv1.kernel") == found.stages[0]
    assert found.stage_of("steps.Conv_1.kernel") == found.last
    assert not any("moving" in name for name, _ in found.net.named_parameters())


@needs("keras")
def test_statistics_move_in_training_mode_only_and_gradients_reach_the_first_layer():
    found = open_keras(SMALL, SIDE, False)
    prepared = found.prepare(pictures(4))
    before = {name: one.clone() for name, one in found.net.state_dict().items()}
    found.net(prepared).mean().backward()
    assert all(torch.equal(one, before[name]) for name, one in found.net.state_dict().items())
    assert float(found.net.get_parameter("steps.Conv1.kernel").grad.abs().sum()) > 0
    found.net.train()
    found.net(prepared)
    moved = {name for name, one in found.net.state_dict().items() if not torch.equal(one, before[name])}
    assert moved == {name for name, _ in found.net.named_buffers() if "moving" in name}
    found.net.eval()


@needs("keras")
def test_a_copy_has_weights_of_its_own():
    found = open_keras(SMALL, SIDE, False)
    other = found.copy()
    assert other.weights_hash() == found.weights_hash()
    with torch.no_grad():
        other.net.get_parameter("steps.Conv1.kernel").zero_()
    assert other.weights_hash() != found.weights_hash()
    assert np.array_equal(other.vectors(pictures())[other.last], other.vectors(pictures())[other.last])


@needs("keras")
def test_a_random_twin_keeps_its_scale_from_the_first_stage_to_the_last():
    twin = random_twin(open_keras(SMALL, SIDE, False), 1)
    again = random_twin(open_keras(SMALL, SIDE, False), 1)
    assert twin.weights_hash() == again.weights_hash() != random_twin(twin, 2).weights_hash()
    prepared = twin.prepare(pictures(8))
    calibrate(twin, prepared)
    with torch.inference_mode():
        walked = twin.walk(prepared, "all")
    assert all(0.3 < float(one.std()) < 1 for one in walked.values())  # 0.58 for a rectified normal number
    before = twin.walk(prepared[:2])[twin.last]
    assert torch.allclose(before, walked[twin.last][:2], atol=1e-4)  # statistics stand still


@needs("keras")
@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_weights_of_a_file_are_put_in_with_or_without_the_head(model, tmp_path, name):
    model.save(tmp_path / name) if name == "w.h5" else model.save_weights(tmp_path / name)
    found = open_backbone(f"keras:{SMALL}@{tmp_path / name}", SIDE)
    tap = keras_library().Model(model.input, model.get_layer("out_relu").output)
    prepared = found.prepare(pictures(2))
    with torch.inference_mode():
        assert torch.allclose(found.net(prepared), tap(prepared.permute(0, 2, 3, 1)), atol=1e-6)
    found.net.model.save_weights(tmp_path / "bare.weights.h5")
    bare = open_keras(f"{SMALL}@{tmp_path / 'bare.weights.h5'}", SIDE, True)
    assert bare.weights_hash() == found.weights_hash() and bare.licence.startswith("not stated")


@needs("keras")
def test_weights_of_another_net_are_refused_with_the_first_mismatch(model, tmp_path):
    model.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(BundleError, match=r"not for keras:MobileNet: .*conv_pw_1") as told:
        open_keras(f"MobileNet@{tmp_path / 'w.weights.h5'}", SIDE, True)
    assert len(str(told.value).splitlines()) == 2


@needs("keras")
def test_half_a_file_an_archive_and_a_pickle_are_refused(model, tmp_path):
    model.save_weights(tmp_path / "w.weights.h5")
    whole = (tmp_path / "w.weights.h5").read_bytes()
    (tmp_path / "half.weights.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match="half of it"):
        open_keras(f"{SMALL}@{tmp_path / 'half.weights.h5'}", SIDE, True)
    (tmp_path / "w.keras").write_bytes(b"PK")
    with pytest.raises(BundleError, match="save_weights"):
        open_keras(f"{SMALL}@{tmp_path / 'w.keras'}", SIDE, True)
    (tmp_path / "w.pkl").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(BundleError, match="pickled"):
        open_keras(f"{SMALL}@{tmp_path / 'w.pkl'}", SIDE, True)
    with pytest.raises(BundleError, match="not the one given"):
        open_keras(f"{SMALL}@{tmp_path / 'w.weights.h5'}#sha256={'0' * 64}", SIDE, True)


@needs("keras")
def test_files_that_point_elsewhere_or_would_fill_the_memory_are_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["w"] = h5py.ExternalLink("/etc/hostname", "/")
    with pytest.raises(BundleError, match="points to other places"):
        open_keras(f"{SMALL}@{tmp_path / 'link.h5'}", SIDE, True)
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("w", (4,), "f4", external=[("other.bin", 0, 16)])
    with pytest.raises(BundleError, match="in other files"):
        open_keras(f"{SMALL}@{tmp_path / 'outside.h5'}", SIDE, True)
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("w", (1 << 20, 1 << 13), "f4", chunks=(1 << 10, 1 << 10), compression="gzip")
    with pytest.raises(BundleError, match="34,359,738,368 bytes"):
        open_keras(f"{SMALL}@{tmp_path / 'bomb.h5'}", SIDE, True)


@needs("keras")
def test_unknown_names_and_sizes_that_are_too_small_are_told():
    with pytest.raises(DataError, match="did you mean 'InceptionV3'"):
        open_backbone("keras:InceptoinV3")
    with pytest.raises(DataError, match="at least 75x75"):
        open_backbone("random:keras:InceptionV3", 32)


@needs("keras")
def test_without_a_network_it_is_said_how_to_pass_a_file(tmp_path):
    code = f"""
from codelayer.transfer import open_backbone
try:
    open_backbone("keras:{SMALL}", {SIDE})
except ValueError as error:
    print(error)
"""
    nowhere = "http://127.0.0.1:9"
    done = python(code, KERAS_HOME=str(tmp_path), https_proxy=nowhere, http_proxy=nowhere)
    assert f"keras:{SMALL}@weights.h5" in done.stdout and "random:keras" in done.stdout, done.stderr[-2000:]


@needs("keras")
def test_a_net_goes_through_its_parts_and_a_bundle(tmp_path):
    import codelayer

    twin = random_twin(open_keras(SMALL, SIDE, False))
    calibrate(twin, twin.prepare(pictures(4)))
    again = backbone_from(*backbone_parts(twin))
    assert again.features_hash() == twin.features_hash()
    codes = FeatureExtractor(twin, stages="all", cache=None)
    before = codes.fit_transform(pictures(4))
    codes.save(tmp_path / "bundle")
    assert np.array_equal(codelayer.load(tmp_path / "bundle").transform(pictures(4)), before)


def test_keras_on_another_backend_or_missing_is_told():
    code = """
import sys, types
from codelayer.transfer import open_backbone
def told():
    try:
        open_backbone("keras:InceptionV3")
    except ValueError as error:
        print(error)
sys.modules["keras"] = None
told()
other = types.ModuleType("keras")
other.backend = types.SimpleNamespace(backend=lambda: "jax")
sys.modules["keras"] = other
told()
"""
    done = python(code)
    assert 'pip install "codelayer[keras]"' in done.stdout, done.stderr[-2000:]
    assert "keras runs on jax here" in done.stdout and "KERAS_BACKEND=torch" in done.stdout
