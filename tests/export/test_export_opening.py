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
