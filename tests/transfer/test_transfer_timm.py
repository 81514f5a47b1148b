"""timm's nets as backbones: stages, preprocessing and licence are timm's own; weights come from a file or the hub."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from source_cases import needs, pictures, python

from codelayer.errors import BundleError, DataError
from codelayer.nets.backbone import Pictures, calibrate
from codelayer.transfer import FeatureExtractor, open_backbone
from codelayer.transfer.opening import backbone_from, backbone_parts
from codelayer.transfer.sources.timm_nets import open_timm, timm_library

SMALL = "test_resnet"


@pytest.fixture
def saved(tmp_path):
    """A file of weights of SMALL, drawn here."""
    torch.manual_seed(3)
    net = timm_library().create_model(SMALL, pretrained=False)
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


@needs("timm")
@pytest.mark.parametrize(
    ("name", "layout"),
    [(SMALL, "channels first"), ("test_vit", "channels first"), ("test_convnext", "channels first")]
    + [("swin_tiny_patch4_window7_224", "channels last")],
)
def test_the_last_stage_pooled_is_what_timm_computes(name, layout):
    found = open_timm(name, None, False)
    prepared = found.prepare(pictures())
    with torch.inference_mode():
        maps = found.net.forward_features(prepared)
    by_hand = {3: lambda: maps.mean(1), 4: lambda: maps.mean((1, 2) if layout == "channels last" else (2, 3))}
    assert found.layout == layout
    assert np.allclose(found.vectors(pictures())[found.last], by_hand[maps.ndim]().numpy(), atol=1e-5)


@needs("timm")
def test_stages_are_those_that_timm_lists_and_equal_its_features_only():
    timm = timm_library()
    found = open_timm(SMALL, None, False)
    taps = timm.create_model(SMALL, pretrained=False, features_only=True).eval()
    taps.load_state_dict({k: v for k, v in found.net.state_dict().items() if k in taps.state_dict()})
    prepared = found.prepare(pictures())
    with torch.inference_mode():
        walked, expected = found.walk(prepared, "all"), taps(prepared)
    assert list(walked) == taps.feature_info.module_name()
    assert all(torch.allclose(mine, theirs) for mine, theirs in zip(walked.values(), expected, strict=True))


@needs("timm")
def test_vision_transformers_give_every_block_and_the_normalised_end():
    assert open_timm("test_vit", None, False).stages == (*(f"blocks.{at}" for at in range(6)), "norm")


@needs("timm")
def test_inception_runs_with_random_weights_and_says_so():
    found = open_backbone("random:timm:inception_v3")
    assert found.stages == ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c")
    assert (found.name, found.trained, found.licence) == ("random:timm:inception_v3", False, "none: drawn at random")
    calibrate(found, found.prepare(pictures(4)))
    vectors = found.vectors(pictures(2), "all")
    assert [one.shape[1] for one in vectors.values()] == [64, 192, 288, 768, 2048]
    assert all(np.isfinite(one).all() and one.std() > 0 for one in vectors.values())


@needs("timm")
def test_a_twin_without_normalisation_layers_tells_rows_apart():
    twin = open_backbone("random:timm:nf_resnet26", 32)
    calibrate(twin, twin.prepare(pictures(6, 32)))
    assert twin.vectors(pictures(6, 32))[twin.last].std(0).mean() > 0.05


@needs("timm")
def test_inception_is_not_prepared_as_imagenet_nets_are():
    prepare = open_timm("inception_v3.tv_in1k", None, False).prepare
    assert prepare == Pictures(299, 299, 3, (0.5,) * 3, (0.5,) * 3, "bicubic")
    other = open_timm("resnet18.a1_in1k", None, False).prepare
    assert other.mean == (0.485, 0.456, 0.406) and other.record() != prepare.record()


@needs("timm")
def test_another_preprocessing_makes_other_features_by_name():
    found = open_timm(SMALL, None, False)
    before = found.features_hash()
    found.prepare = Pictures(160, 160, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert found.features_hash() != before


@needs("timm")
def test_weights_of_a_file_are_put_in(saved):
    found = open_backbone(f"timm:{SMALL}@{saved}")
    state = load_file(saved)
    assert all(torch.equal(one, state[name]) for name, one in found.net.state_dict().items())
    assert found.trained and found.licence.startswith("not stated")
    assert np.array_equal(found.vectors(pictures())[found.last], found.vectors(pictures())[found.last])


@needs("timm")
def test_a_head_of_other_classes_or_none_is_taken_from_the_file(saved, tmp_path):
    state = load_file(saved)
    for rows in (7, 0):
        changed = {name: one for name, one in state.items() if not name.startswith("fc.")}
        if rows:
            changed |= {"fc.weight": torch.zeros(rows, state["fc.weight"].shape[1]), "fc.bias": torch.zeros(rows)}
        save_file(changed, tmp_path / "other.safetensors")
        found = open_timm(f"{SMALL}@{tmp_path / 'other.safetensors'}", None, True)
        assert set(found.net.state_dict()) == set(changed)


@needs("timm")
def test_weights_of_another_net_are_refused_with_the_first_mismatch(saved):
    with pytest.raises(BundleError, match=r"is not for timm:resnet18: conv1.weight has shape|it lacks conv1") as told:
        open_timm(f"resnet18@{saved}", None, True)
    assert len(str(told.value).splitlines()) == 2


@needs("timm")
def test_half_a_file_and_a_pickle_are_refused(saved, tmp_path):
    (tmp_path / "half.safetensors").write_bytes(saved.read_bytes()[:5000])
    with pytest.raises(BundleError, match="half of it"):
        open_timm(f"{SMALL}@{tmp_path / 'half.safetensors'}", None, True)
    torch.save({}, tmp_path / "w.pth")
    with pytest.raises(BundleError, match="pickled checkpoint"):
        open_timm(f"{SMALL}@{tmp_path / 'w.pth'}", None, True)


@needs("timm")
def test_unknown_names_and_tags_get_the_closest_one():
    with pytest.raises(DataError, match="did you mean 'inception_v3'"):
        open_backbone("timm:inceptoin_v3")
    with pytest.raises(DataError, match="did you mean 'a1_in1k'"):
        open_backbone("timm:resnet18.a1_in2k")


@needs("timm")
def test_without_a_network_it_is_said_how_to_pass_a_file(tmp_path):
    code = """
import os
from codelayer.transfer import open_backbone
for offline in "01":
    os.environ["HF_HUB_OFFLINE"] = offline
    try:
        open_backbone("timm:test_resnet")
    except ValueError as error:
        print(error)
"""
    done = python(code, HF_HOME=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="0")
    assert done.stdout.count("timm:test_resnet@weights.safetensors") == 2, done.stderr[-2000:]
    assert done.stdout.count("random:timm:test_resnet") == 2


@needs("timm")
def test_a_size_is_taken_by_nets_of_any_size_and_by_those_of_one():
    for name in (SMALL, "test_vit"):
        found = open_timm(name, 96, False)
        assert (found.prepare.height, found.prepare.width) == (96, 96)
        assert np.isfinite(found.vectors(pictures())[found.last]).all()


@needs("timm")
def test_building_a_net_draws_nothing_from_the_process():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = open_timm(SMALL, None, False), open_timm(SMALL, None, False)
    assert torch.equal(torch.rand(3), expected)
    assert first.weights_hash() == second.weights_hash()


@needs("timm")
def test_features_are_saved_with_their_net(saved, tmp_path):
    codes = FeatureExtractor(f"timm:{SMALL}@{saved}", stages=["layer2", "layer4"], cache=None, size=64)
    before = codes.fit_transform(pictures(4))
    codes.save(tmp_path / "bundle")
    saved.unlink()
    import codelayer

    assert np.array_equal(codelayer.load(tmp_path / "bundle").transform(pictures(4)), before)


@needs("timm")
def test_a_net_goes_through_its_parts_and_comes_back():
    found = open_timm("swin_tiny_patch4_window7_224", None, False)
    again = backbone_from(*backbone_parts(found))
    assert again.features_hash() == found.features_hash()


def test_without_timm_the_line_that_installs_it_is_said():
    code = """
import sys
sys.modules["timm"] = None
sys.modules["torchvision"] = None
from codelayer.transfer import open_backbone
try:
    open_backbone("timm:resnet18")
except ValueError as error:
    print(error)
"""
    done = python(code)
    assert 'pip install "codelayer[timm]"' in done.stdout, done.stderr[-2000:]
