"""ONNX files as frozen nets: outputs are stages, gradients and hostile files are refused, a bundle keeps the bytes."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from source_cases import pictures

import codelayer
from codelayer.errors import BundleError, DataError, SentenceError
from codelayer.nets.backbone import Pictures
from codelayer.transfer import FeatureExtractor, advise, open_backbone
from codelayer.transfer.advicepage import page
from codelayer.transfer.opening import backbone_from, backbone_parts

RECORD = {"height": 16, "width": 16, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}
KERNEL = np.random.default_rng(1).normal(size=(8, 3, 3, 3)).astype(np.float32)


def written(path, last: bool = False, record=RECORD, metadata=None, kind=TensorProto.FLOAT, side="side", inputs=("x",)):
    """A file with one convolution: its map and that map rectified are the outputs."""
    shape = ["n", side, side, 3] if last else ["n", 3, side, side]
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2])] if last else []
    nodes.append(helper.make_node("Conv", ["t" if last else "x", "w"], ["map" if not last else "m"], strides=[2, 2]))
    if last:
        nodes.append(helper.make_node("Transpose", ["m"], ["map"], perm=[0, 2, 3, 1]))
    nodes.append(helper.make_node("Relu", ["map"], ["rectified.1"]))
    outputs = [helper.make_tensor_value_info(name, kind, None) for name in ("map", "rectified.1")]
    seen = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    graph = helper.make_graph(nodes, "g", seen, outputs, [numpy_helper.from_array(KERNEL, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    if record is not None:
        path.with_name(f"{path.name}.json").write_text(json.dumps(record))
    return path


@pytest.mark.parametrize("last", [False, True])
def test_stages_are_the_outputs_and_equal_the_same_convolution(tmp_path, last):
    found = open_backbone(f"file:{written(tmp_path / 'net.onnx', last)}")
    x = torch.from_numpy(pictures(3, 16)).permute(0, 3, 1, 2)
    expected = torch.nn.functional.conv2d((x - 0.5) / 0.25, torch.from_numpy(KERNEL), stride=2)
    vectors = found.vectors(pictures(3, 16), "all")
    assert found.stages == ("map", "rectified.1") and found.layout == ("channels last" if last else "channels first")
    assert np.allclose(vectors["map"], expected.mean((2, 3)).numpy(), atol=1e-5)
    assert np.allclose(vectors["rectified.1"], expected.relu().mean((2, 3)).numpy(), atol=1e-5)


def test_preprocessing_comes_from_the_metadata_or_from_beside_and_is_needed(tmp_path):
    told = {"codelayer.preprocessing": json.dumps(RECORD), "license": "mit"}
    found = open_backbone(written(tmp_path / "a.onnx", record=None, metadata=told))
    assert found.prepare == Pictures(16, 16, 3, (0.5,) * 3, (0.25,) * 3) and found.licence == "mit"
    with pytest.raises(DataError, match=r"does not record(.|\n)*b.onnx.json"):
        open_backbone(written(tmp_path / "b.onnx", record=None))
    with pytest.raises(DataError, match="mend the record"):
        open_backbone(written(tmp_path / "c.onnx", record={**RECORD, "channels": 1, "mean": [0], "std": [1]}))
    with pytest.raises(DataError, match="no JSON"):
        open_backbone(written(tmp_path / "d.onnx", record=None, metadata={"codelayer.preprocessing": "{"}))


def test_another_size_is_taken_where_the_file_takes_any(tmp_path):
    assert open_backbone(written(tmp_path / "a.onnx"), 24).prepare.height == 24
    with pytest.raises(DataError, match="16 x 16 pixels only"):
        open_backbone(written(tmp_path / "b.onnx", side=16), 24)


def test_gradients_and_twins_are_refused_in_words(tmp_path):
    found = open_backbone(written(tmp_path / "net.onnx"))
    prepared = found.prepare(pictures(2, 16))
    assert list(found.parameters()) == []
    assert not found.walk(prepared)[found.last].requires_grad
    with pytest.raises(SentenceError, match="frozen"):
        found.walk(prepared.requires_grad_())
    found.net.train()
    with pytest.raises(SentenceError, match="frozen"):
        found.walk(prepared.detach())
    with pytest.raises(SentenceError, match="no untrained twin"):
        open_backbone(f"random:file:{tmp_path / 'net.onnx'}")


def test_a_bundle_keeps_the_file(tmp_path):
    written(tmp_path / "net.onnx")
    found = open_backbone(tmp_path / "net.onnx")
    assert (
        backbone_from(*backbone_parts(found)).features_hash() == found.features_hash() == found.copy().features_hash()
    )
    codes = FeatureExtractor(tmp_path / "net.onnx", stages="all", cache=None)
    before = codes.fit_transform(pictures(4, 16))
    codes.save(tmp_path / "bundle")
    (tmp_path / "net.onnx").unlink()
    assert np.array_equal(codelayer.load(tmp_path / "bundle").transform(pictures(4, 16)), before)


def test_rows_of_numbers_are_taken_as_they_are(tmp_path):
    weight = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "r.onnx")
    found = open_backbone(tmp_path / "r.onnx")
    rows = np.random.default_rng(3).normal(size=(4, 5))
    assert np.allclose(found.vectors(rows)["y"], rows @ weight, atol=1e-5)
    with pytest.raises(DataError, match="rows of 5 numbers"):
        found.vectors(rows[:, :4])
    with pytest.raises(DataError, match="not finite"):
        found.vectors(np.full((2, 5), np.nan))
    with pytest.raises(DataError, match="not pictures"):
        open_backbone(tmp_path / "r.onnx", 32)


def test_hostile_half_and_odd_files_are_refused(tmp_path):
    path = written(tmp_path / "net.onnx")
    whole = path.read_bytes()
    open_backbone(f"file:{path}#sha256={hashlib.sha256(whole).hexdigest()}")
    with pytest.raises(BundleError, match="not the one given"):
        open_backbone(f"file:{path}#sha256={'0' * 64}")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match="fetch a fresh copy"):
        open_backbone(path)
    model = onnx.load_from_string(whole)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../outside.bin"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="keeps data in other files"):
        open_backbone(path)
    with pytest.raises(BundleError, match="2 inputs"):
        open_backbone(written(tmp_path / "two.onnx", inputs=("x", "other")))


def test_outputs_that_are_called_like_paths_are_stages_that_the_cache_keeps(tmp_path):
    names = ["/layer1/Relu_output_0", "../../escaped"]
    path = written(tmp_path / "net.onnx")
    model = onnx.load(path)
    for node in model.graph.node:
        for at, one in enumerate(node.output):
            node.output[at] = dict(zip(["map", "rectified.1"], names, strict=True)).get(one, one)
        for at, one in enumerate(node.input):
            node.input[at] = names[0] if one == "map" else one
    for one, name in zip(model.graph.output, names, strict=True):
        one.name = name
    onnx.save(model, path)
    x = pictures(70, 16)
    made = FeatureExtractor(path, "all", cache=tmp_path / "here" / "cache").fit(x)
    first = made.transform(x)
    assert made.stages_ == tuple(names)
    np.testing.assert_array_equal(first, FeatureExtractor(path, "all", cache=None).fit(x).transform(x))
    np.testing.assert_array_equal(FeatureExtractor(path, names[0], cache=None).fit(x).transform(x), first[:, :8])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["here", "net.onnx", "net.onnx.json"]
    made.save(tmp_path / "bundle")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "bundle").transform(x), first)


def test_advice_on_a_frozen_file_does_without_a_twin_and_says_so(tmp_path):
    net = f"file:{written(tmp_path / 'net.onnx')}"
    x = np.random.default_rng(0).random((24, 16, 16, 3))
    found = advise(net, x, np.arange(24) % 2, 0, cache=None)
    assert not found.diagnosis.twin and found.diagnosis.rival[0].endswith("on raw rows")
    assert any("no untrained twin could be drawn" in note for note in found.notes)
    assert "no untrained twin of it could be drawn" in str(found)
    assert "the same net untrained" not in page(found, "rows").render()
