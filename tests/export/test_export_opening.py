"""An ONNX file from anyone is looked through before ONNX Runtime sees it."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from codelayer import BundleError, CodelayerError
from codelayer.export import check_model, session


def model(nodes=None, constants=None, domains=("",), functions=()) -> onnx.ModelProto:
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 2]) for name in ("x", "code")]
    nodes = nodes or [helper.make_node("Add", ["x", "location"], ["code"])]
    constants = constants or [numpy_helper.from_array(np.ones(2, np.float32), "location")]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], constants)
    opsets = [helper.make_opsetid(domain, 20 if not domain else 1) for domain in domains]
    return helper.make_model(graph, ir_version=10, opset_imports=opsets, functions=list(functions))


def outside() -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "location")
    onnx.external_data_helper.set_external_data(tensor, location="../secret")
    tensor.ClearField("raw_data")
    return tensor


def test_a_plain_model_runs_on_the_threads_that_were_said():
    opened = session(model().SerializeToString(), threads=1)
    assert opened.get_session_options().intra_op_num_threads == 1
    assert opened.get_providers() == ["CPUExecutionProvider"]
    assert opened.run(None, {"x": np.zeros((3, 2), np.float32)})[0].tolist() == [[1, 1]] * 3


def test_data_in_other_files_is_refused_wherever_it_hides(tmp_path):
    hidden = helper.make_node("Constant", [], ["c"], value=outside())
    inner = helper.make_graph([hidden], "inner", [], [helper.make_tensor_value_info("c", 1, [2])])
    branch = helper.make_node("If", ["x"], ["code"], then_branch=inner, else_branch=inner)
    for one in (model(constants=[outside()]), model(nodes=[hidden]), model(nodes=[branch])):
        with pytest.raises(BundleError, match="other files"):
            session(one.SerializeToString())
    path = tmp_path / "m.onnx"
    path.write_bytes(model(constants=[outside()]).SerializeToString())
    with pytest.raises(BundleError, match=r"m\.onnx keeps data in other files"):
        session(path)


def test_data_in_other_files_are_refused_in_functions_sparse_tensors_and_lists():
    function = helper.make_function(
        "mine",
        "F",
        ["x"],
        ["c"],
        [helper.make_node("Constant", [], ["c"], value=outside())],
        [helper.make_opsetid("", 20)],
    )
    sparse = helper.make_sparse_tensor(outside(), numpy_helper.from_array(np.arange(2), "i"), [4])
    inner = helper.make_graph([], "inner", [], [], [outside()])
    listed = [helper.make_node("Constant", [], ["c"], **{name: one}) for name, one in lists_of(sparse, inner).items()]
    whole = model()
    whole.graph.sparse_initializer.append(sparse)
    trained = model()
    trained.training_info.add().algorithm.CopyFrom(inner)
    for one in (model(functions=[function]), whole, trained, *[model(nodes=[node]) for node in listed]):
        with pytest.raises(BundleError, match="other files"):
            check_model(one.SerializeToString())


def lists_of(sparse, inner):
    return {"tensors": [outside()], "graphs": [inner], "sparse_value": sparse, "sparse_tensors": [sparse]}


def varint(value: int, bytes_: int = 0) -> bytes:
    """A number as protobuf writes it, or padded to so many bytes."""
    out = b""
    while value > 127 or len(out) + 1 < bytes_:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param(varint((7 << 3 | 2) + (1 << 32)), id="bits above 32, which protobuf drops"),
        pytest.param(varint((7 << 3 | 2) + (1 << 63)), id="bit 63"),
        pytest.param(varint((7 << 3 | 2) + (1 << 69)), id="bits above 64"),
        pytest.param(varint(7 << 3 | 2, 5), id="padded"),
        pytest.param(varint(2), id="number 0"),
        pytest.param(varint(7 << 3 | 3), id="a group"),
        pytest.param(varint(7 << 3 | 6), id="no such kind"),
    ],
)
def test_a_graph_cannot_hide_behind_a_number_that_is_written_oddly(tag):
    whole = model(constants=[outside()])
    graph = whole.graph.SerializeToString()
    whole.ClearField("graph")
    with pytest.raises(BundleError, match="no ONNX model"):
        session(whole.SerializeToString() + tag + varint(len(graph)) + graph)
    if tag[0] == 7 << 3 | 2 | 128:
        honest = varint(7 << 3 | 2)
        with pytest.raises(BundleError, match="no ONNX model"):
            session(whole.SerializeToString() + honest + varint(len(graph) + (1 << 64)) + graph)
        with pytest.raises(BundleError, match="other files"):
            session(whole.SerializeToString() + honest + varint(len(graph)) + graph)


def test_the_format_that_is_read_by_other_rules_is_refused():
    with pytest.raises(BundleError, match="own format"):
        session(b"\x0d\0\0\0ORTM" + model().SerializeToString())


def test_operators_of_other_libraries_are_refused():
    with pytest.raises(BundleError, match=r"operators of 'evil\.ops'"):
        session(model(domains=("", "evil.ops")).SerializeToString())
    check_model(model(domains=("", "ai.onnx.ml", "com.microsoft")).SerializeToString())


def test_damaged_files_are_refused_wherever_they_are_cut(tmp_path):
    whole = model().SerializeToString()
    rng = np.random.default_rng(0)
    for at in range(0, len(whole), 7):
        with pytest.raises(BundleError):
            session(whole[:at])
    for _ in range(200):
        bad = bytearray(whole)
        bad[rng.integers(len(bad))] = rng.integers(256)
        try:
            session(bytes(bad))
        except BundleError:
            continue
    with pytest.raises(BundleError, match="there is no model"):
        session(tmp_path / "absent.onnx")
    with pytest.raises(BundleError, match="no ONNX model"):
        session(b"PK\x03\x04 a zip")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.onnx"
    with open(path, "wb") as file:
        file.truncate(2**31)
    with pytest.raises(BundleError, match="at most"):
        session(path)


def test_what_is_not_installed_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CodelayerError, match=r'onnxruntime.*not installed\n.*pip install "codelayer\[export\]"'):
        session(b"")
    with pytest.raises(CodelayerError, match="threads=0"):
        monkeypatch.undo()
        session(b"", threads=0)
