"""transformers' nets as backbones: hidden states as stages, preprocessing as recorded, no code of a folder is run."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from source_cases import needs, pictures, python

from codelayer.errors import BundleError, DataError
from codelayer.nets.backbone import Pictures, calibrate
from codelayer.transfer import FeatureExtractor, open_backbone
from codelayer.transfer.opening import backbone_from, backbone_parts
from codelayer.transfer.sources.hf_nets import hf_library, open_hf

PREPARING = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.3], "size": {"height": 32, "width": 32}}
WIDTH = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
CONFIGS = {
    "vit": {**WIDTH, "image_size": 32, "patch_size": 8},
    "dinov2": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 32, "patch_size": 8},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]},
    "convnext": {"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1], "image_size": 32},
    "swin": {
        "image_size": 32,
        "patch_size": 4,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [2, 2],
        "window_size": 4,
    },
    "mobilenet_v2": {"depth_multiplier": 0.35, "image_size": 32},
    "bert": WIDTH,
}


def saved(folder, kind: str, preparing: dict | None = PREPARING):
    """A folder with a net of some kind, as transformers saves it; its whole model."""
    transformers = hf_library()
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(transformers.CONFIG_MAPPING[kind](**CONFIGS[kind])).eval()
    model.save_pretrained(folder)
    if preparing is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preparing))
    return model


def pooled(hidden: torch.Tensor) -> np.ndarray:
    return (hidden.mean((2, 3)) if hidden.ndim == 4 else hidden.mean(1)).numpy()


@needs("transformers")
@pytest.mark.parametrize("kind", ["vit", "dinov2", "resnet", "convnext", "swin", "mobilenet_v2"])
def test_stages_are_the_hidden_states_and_the_last_one_is_the_nets_own(tmp_path, kind):
    model = saved(tmp_path, kind)
    found = open_backbone(f"hf:{tmp_path}")
    with torch.inference_mode():
        told = model(found.prepare(pictures()), output_hidden_states=True)
    vectors = found.vectors(pictures(), "all")
    states = told.hidden_states[-sum(name not in ("layernorm", "conv_1x1") for name in found.stages) :]
    for stage, state in zip(found.stages, states, strict=False):
        assert np.allclose(vectors[stage], pooled(state), atol=1e-5), stage
    assert np.allclose(vectors[found.last], pooled(told.last_hidden_state), atol=1e-5)
    again = backbone_from(*backbone_parts(found))
    assert again.features_hash() == found.features_hash()


@needs("transformers")
def test_pictures_are_prepared_as_the_folder_records(tmp_path):
    saved(tmp_path, "vit", {**PREPARING, "resample": 3})
    assert open_hf(str(tmp_path), None, True).prepare == Pictures(
        32, 32, 3, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), "bicubic"
    )
    plain = {"do_normalize": False, "size": {"shortest_edge": 40}, "crop_size": {"height": 32}, "do_center_crop": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(plain))
    assert open_hf(str(tmp_path), None, True).prepare == Pictures(32, 32, 3, (0.0,) * 3, (1.0,) * 3)


@needs("transformers")
def test_a_missing_record_of_preprocessing_is_told_with_what_to_write(tmp_path):
    saved(tmp_path, "vit", None)
    with pytest.raises(DataError, match=r"does not record how its pictures are prepared(.|\n)*image_mean"):
        open_hf(str(tmp_path), None, True)
    twin = open_backbone(f"random:hf:{tmp_path}")
    calibrate(twin, twin.prepare(pictures(4)))
    assert (twin.trained, twin.licence) == (False, "none: drawn at random")
    assert np.isfinite(twin.vectors(pictures())[twin.last]).all()


@needs("transformers")
def test_other_sizes_are_taken(tmp_path):
    saved(tmp_path, "vit")
    found = open_backbone(f"hf:{tmp_path}", 48)
    with torch.inference_mode():
        assert found.walk(found.prepare(pictures()))[found.last].shape == (3, 37, 32)


@needs("transformers")
def test_weights_that_do_not_fit_are_named(tmp_path):
    saved(tmp_path, "vit")
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    name = next(name for name in state if ".1." in name and name.endswith("query.weight"))
    save_file({key: one for key, one in state.items() if key != name}, file, {"format": "pt"})
    with pytest.raises(BundleError, match=r"is not for hf:.*it lacks .*layers.1."):
        open_hf(str(tmp_path), None, True)
    save_file(state | {name: torch.zeros(5, 5)}, file, {"format": "pt"})
    with pytest.raises(BundleError, match=r"has shape \(5, 5\) there"):
        open_hf(str(tmp_path), None, True)
    save_file(state, file, {"format": "pt"})
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(BundleError, match="half of a download"):
        open_hf(str(tmp_path), None, True)


@needs("transformers")
def test_pickled_weights_are_refused_with_the_line_that_converts_them(tmp_path):
    saved(tmp_path, "vit")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataError, match="has no model.safetensors"):
        open_hf(str(tmp_path), None, True)
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BundleError, match=r"pytorch_model.bin is a pickled checkpoint(.|\n)*weights_only=True"):
        open_hf(str(tmp_path), None, True)


@needs("transformers")
def test_code_in_a_folder_is_never_run(tmp_path):
    saved(tmp_path, "vit")
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    (tmp_path / "modeling_trap.py").write_text(trap)
    (tmp_path / "configuration_trap.py").write_text(trap)
    config = json.loads((tmp_path / "config.json").read_text())
    names = {"AutoModel": "modeling_trap.Trap", "AutoConfig": "configuration_trap.Trap"}
    (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": names}))
    open_hf(str(tmp_path), None, True)
    (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": names, "model_type": "trap"}))
    with pytest.raises(DataError, match="no nets of kind 'trap'"):
        open_hf(str(tmp_path), None, True)
    assert not (tmp_path / "ran").exists()


@needs("transformers")
def test_nets_of_texts_monsters_and_broken_records_are_refused(tmp_path):
    saved(tmp_path / "bert", "bert")
    with pytest.raises(DataError, match="takes input_ids, not pictures"):
        open_hf(str(tmp_path / "bert"), None, True)
    (tmp_path / "big").mkdir()
    told = {"model_type": "vit", **CONFIGS["vit"], "hidden_size": 1 << 16, "intermediate_size": 1 << 18}
    (tmp_path / "big" / "config.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match="parameters"):
        open_hf(str(tmp_path / "big"), None, False)
    (tmp_path / "big" / "config.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="no JSON"):
        open_hf(str(tmp_path / "big"), None, False)
    with pytest.raises(DataError, match="did you mean 'bert'"):
        open_backbone(f"hf:{tmp_path / 'brt'}")


@needs("transformers")
def test_the_licence_is_what_the_readme_states(tmp_path):
    saved(tmp_path, "vit")
    assert open_hf(str(tmp_path), None, True).licence == "not stated"
    (tmp_path / "README.md").write_text("---\ntags:\n- x\nlicense: apache-2.0\n---\n# Net\n")
    assert open_hf(str(tmp_path), None, True).licence == "apache-2.0"
    (tmp_path / "README.md").write_text("# Net\nlicense: mit\n")
    assert open_hf(str(tmp_path), None, True).licence == "not stated"


@needs("transformers")
def test_features_are_saved_with_their_net_and_need_the_folder_no_more(tmp_path):
    import codelayer

    saved(tmp_path / "net", "convnext")
    codes = FeatureExtractor(f"hf:{tmp_path / 'net'}", stages="all", cache=None)
    before = codes.fit_transform(pictures(4, 32))
    codes.save(tmp_path / "bundle")
    shutil.rmtree(tmp_path / "net")
    assert np.array_equal(codelayer.load(tmp_path / "bundle").transform(pictures(4, 32)), before)


@needs("transformers")
def test_without_a_network_or_the_library_it_is_said_what_to_do(tmp_path):
    code = """
import sys
from codelayer.transfer import open_backbone
def told():
    try:
        open_backbone("hf:owner/net")
    except ValueError as error:
        print(error)
told()
sys.modules["transformers"] = None
told()
"""
    done = python(code, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert "hf download owner/net" in done.stdout and 'pip install "codelayer[hf]"' in done.stdout, done.stderr[-2000:]
