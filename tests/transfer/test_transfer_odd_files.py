"""Files that strangers wrote: names, arrays and records that are refused in a sentence, before much is read."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save_file
from transfer_cases import net_file, plan, weights

from codelayer.data.arrayfiles import Npz
from codelayer.errors import BundleError, DataError
from codelayer.transfer import open_backbone
from codelayer.transfer.cache import FeatureCache


@pytest.mark.parametrize("stage", ["/layer1/Relu_output_0", "../../victim/escaped", "a" * 3000, "CON", "", "\ud800"])
def test_the_cache_writes_inside_its_entry_whatever_a_stage_is_called(tmp_path, stage):
    victim = tmp_path / "victim" / "escaped.f32"
    victim.parent.mkdir()
    victim.write_text("precious")
    cache, made = FeatureCache(tmp_path / "cache", {"net": "x"}, 2), np.arange(6, dtype=np.float32).reshape(2, 3)
    with cache.held() as mine:
        assert mine and cache.begun({stage: 3, "A": 3, "a": 3}) == 0
        cache.append({stage: made, "A": made + 1, "a": made + 2})
        cache.finish({stage: 3, "A": 3, "a": 3})
    for name, expected in ((stage, made), ("A", made + 1), ("a", made + 2)):
        np.testing.assert_array_equal(cache.read(name), expected)
    assert victim.read_text() == "precious"
    assert {file.parent for file in (tmp_path / "cache").rglob("*.f32")} == {cache.path}
    assert len(list(tmp_path.rglob("*.f32"))) == 4


@pytest.mark.parametrize(
    "stages",
    [
        {"../../../victim/escaped": "d"},
        {"a/b": "d"},
        {"a\\b": "d"},
        {"..": "d"},
        {"": "d"},
        {"  ": "d"},
        {"a\x1b[2J": "d"},
        {"a\nb": "d"},
        {"a" * 201: "d"},
        {"a": ["d"]},
        {"a": None},
        {"a": "nothing"},
        {},
        ["a"],
        "d",
    ],
)
def test_stages_of_a_plan_that_are_no_names_of_operations_are_refused_in_words(tmp_path, stages):
    with pytest.raises(BundleError, match="stage") as told:
        open_backbone(f"file:{net_file(tmp_path, spec=plan() | {'stages': stages})}")
    assert len(str(told.value).splitlines()) == 2


def test_stages_of_a_plan_stand_in_the_order_in_which_they_run(tmp_path):
    spec = plan() | {"stages": {"late": "d", "early one": "sum"}}
    assert open_backbone(f"file:{net_file(tmp_path, spec=spec)}").stages == ("early one", "late")


# --- arrays that are not the plan's ---------------------------------------------------------------------------------


def stored(path, spec, arrays, compressed=False):
    (np.savez_compressed if compressed else np.savez)(path, spec=spec, **arrays)
    return f"file:{path}"


def test_arrays_that_the_plan_does_not_name_are_refused_before_they_are_read(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(Npz, "read", lambda self, name, real=Npz.read: read.append(name) or real(self, name))
    extra = {f"extra{i}.weight": np.zeros((1, 1, 500, 500), np.float32) for i in range(3)}
    with pytest.raises(BundleError, match=r"'extra0.weight', which its plan does not name"):
        open_backbone(stored(tmp_path / "a.npz", json.dumps(plan()), weights() | extra, True))
    assert read == ["spec"]
    open_backbone(net_file(tmp_path))
    assert set(read) > set(weights())


def test_weights_that_grow_out_of_nothing_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("codelayer.transfer.files.FREE", 10**6)
    many = weights() | {"d.q": np.zeros((2000, 4, 6, 6), np.uint8), "d.bias": np.zeros(2000)}
    many |= {"logits.weight": np.zeros((200, 2000, 1, 1)), "logits.bias": np.zeros(200)}
    open_backbone(stored(tmp_path / "plain.npz", json.dumps(plan()), many))
    read = []
    monkeypatch.setattr(Npz, "read", lambda self, name, real=Npz.read: read.append(name) or real(self, name))
    with pytest.raises(BundleError, match="grow from"):
        open_backbone(stored(tmp_path / "small.npz", json.dumps(plan()), many, True))
    assert read == ["spec"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a.weight": np.zeros((4, 3, 3))}, "have shapes"),
        ({"a.weight": np.zeros((0, 3, 3, 3)), "a.bias": np.zeros(0)}, "have shapes"),
        ({"a.bias": np.zeros(5)}, "have shapes"),
        ({"a.bias": None}, "lacks 'a.bias'"),
        ({"d.zero": None}, "lacks 'd.zero'"),
        ({"a.bias": np.array(["x"] * 4)}, "no numbers"),
        ({"a.bias": np.zeros(4, complex)}, "no numbers"),
        ({"d.zero": np.zeros(1000)}, "its zero the shape"),
        ({"d.scale": np.zeros(0)}, "its scale the shape"),
        ({"d.q": np.zeros((6, 5, 3, 3), np.uint8)}, "'d' reads 5 channels, but 'sum' has 4"),
        ({"c.weight": np.zeros((5, 4, 1, 1)), "c.bias": np.zeros(5)}, "'sum' adds maps of 4 and 5 channels"),
        ({"b.weight": np.zeros((6, 1, 3, 3)), "b.bias": np.zeros(6)}, "6 outputs and 4 inputs in 4 groups"),
        ({"a.weight": np.zeros((4, 4, 3, 3))}, "takes 4 channels, its preprocessing gives 3"),
        ({"a.bias": np.full(4, np.nan)}, "not finite"),
        ({"nothing": np.zeros(3)}, "does not name"),
        ({"sum.weight": np.zeros(3)}, "does not name"),
        ({"a.weight.more": np.zeros(3)}, "does not name"),
    ],
)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_arrays_that_do_not_fit_the_plan_are_refused_in_words(tmp_path, change, message, suffix):
    arrays = {name: one for name, one in (weights() | change).items() if one is not None}
    path = tmp_path / f"net{suffix}"
    if suffix == ".npz":
        stored(path, json.dumps(plan()), arrays)
    elif any(one.dtype.kind in "Uc" for one in arrays.values()):
        pytest.skip("safetensors holds numbers only")
    else:
        save_file(arrays, path, {"codelayer.plan": json.dumps(plan())})
    with pytest.raises(BundleError, match=message) as told:
        open_backbone(f"file:{path}")
    assert len(str(told.value).splitlines()) == 2


# --- plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["keys", "items", "training", "forward", "_modules", "a" * 201])
def test_operations_that_torch_would_trip_over_are_refused_in_words(tmp_path, name):
    spec = json.loads(json.dumps(plan()).replace('"logits"', f'"{name}"'))
    with pytest.raises(BundleError, match="no operation can be called"):
        open_backbone(f"file:{net_file(tmp_path, spec=spec)}")


@pytest.mark.parametrize(
    "spec",
    [
        np.arange(5),
        np.float64(3),
        np.array(["{}", "{}"]),
        np.zeros(0, "U5"),
        "[]",
        "3",
        "null",
        "{",
        "[" * 10**5,
        "1" * 5000,
        json.dumps({"ops": [{"op": "conv", "name": "a", "src": "input", "act": []}]}),
        json.dumps({"ops": [{"op": [], "name": "a", "src": "input"}]}),
        json.dumps({"ops": [{"op": "conv", "name": "a", "src": {"a": 1}}]}),
        json.dumps({"ops": [{"op": "conv", "name": "a", "src": "input", "stride": 1.5}]}),
        json.dumps({"ops": ["conv"]}),
    ],
)
def test_a_plan_that_is_none_is_refused_in_words(tmp_path, spec):
    with pytest.raises(BundleError) as told:
        open_backbone(stored(tmp_path / "net.npz", spec, weights()))
    assert len(str(told.value).splitlines()) == 2


GOOD = {"height": 16, "width": 16, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [math.nan] * 3},
        {"mean": [0, math.inf, 0]},
        {"mean": [10**400] * 3},
        {"mean": [10.0**30] * 3},
        {"mean": 0.5},
        {"std": [math.nan] * 3},
        {"std": [math.inf] * 3},
        {"std": [1e-45] * 3},
        {"std": [0.5, 0, 0.5]},
        {"std": ["x"] * 3},
        {"height": 16.5},
        {"height": 10**6},
        {"width": -1},
        {"width": True},
        {"width": "16"},
        {"channels": 3.0},
        {"channels": [3]},
        {"interpolation": []},
        {"more": 1},
    ],
)
def test_a_preprocessing_that_is_none_is_refused_in_words(tmp_path, change):
    spec = plan() | {"preprocessing": GOOD | change}
    with pytest.raises(DataError) as told:
        open_backbone(f"file:{net_file(tmp_path, spec=spec)}")
    assert len(str(told.value).splitlines()) == 2
    assert open_backbone(f"file:{net_file(tmp_path, spec=plan() | {'preprocessing': GOOD})}").prepare.height == 16


@pytest.mark.parametrize("size", [True, -3, 10**7, 16.5, None])
def test_an_input_size_that_is_none_is_refused_in_words(tmp_path, size):
    with pytest.raises(DataError):
        open_backbone(f"file:{net_file(tmp_path, spec=plan() | {'input_size': size})}")
