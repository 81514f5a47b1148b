"""Weights for nets of other libraries: what does not fit is named, what is pickled or half there is refused."""

from __future__ import annotations

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from codelayer.errors import BundleError, CodelayerError, DataError
from codelayer.transfer.sources.weight_files import put, read_tensors, split_file


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_a_file_of_the_same_net_fills_it(tmp_path):
    source = net()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    target = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    put(target, read_tensors(str(tmp_path / "w.safetensors")), "a net", "w.safetensors")
    assert all(torch.equal(one, source.state_dict()[name]) for name, one in target.state_dict().items())


def test_counters_that_nothing_reads_may_be_missing():
    tensors = {name: one for name, one in net().state_dict().items() if not name.endswith("num_batches_tracked")}
    put(net(), tensors, "a net", "a file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("1.running_var"), r"it lacks 1.running_var \(4,\)"),
        (
            lambda state: state.update({"0.weight": torch.zeros(5, 3, 3, 3)}),
            r"0.weight has shape \(5, 3, 3, 3\) there, \(4, 3, 3, 3\) in the net",
        ),
        (lambda state: state.update({"head.bias": torch.zeros(2)}), r"the net has no head.bias \(2,\)"),
        (lambda state: state["0.bias"].fill_(float("nan")), "0.bias holds values that are not finite"),
    ],
)
def test_the_first_thing_that_does_not_fit_is_named(change, message):
    state = {name: one.clone() for name, one in net().state_dict().items()}
    change(state)
    target = net()
    before = {name: one.clone() for name, one in target.state_dict().items()}
    with pytest.raises(BundleError, match=message) as told:
        put(target, state, "timm:x", "w.safetensors")
    assert len(str(told.value).splitlines()) == 2
    assert all(torch.equal(one, before[name]) for name, one in target.state_dict().items())


def test_half_a_file_is_named_as_such(tmp_path):
    save_file({"w": torch.zeros(1000)}, tmp_path / "w.safetensors")
    whole = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match="half of it"):
        read_tensors(str(tmp_path / "half.safetensors"))
    right = hashlib.sha256(whole).hexdigest()
    assert set(read_tensors(f"{tmp_path / 'w.safetensors'}#sha256={right}")) == {"w"}
    with pytest.raises(BundleError, match="not the one given"):
        read_tensors(f"{tmp_path / 'half.safetensors'}#sha256={right}")


@pytest.mark.parametrize("name", ["w.pth", "w.bin", "w.pt"])
def test_pickles_are_refused_with_the_line_that_converts_them(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(BundleError, match=r"weights_only=True"):
        read_tensors(str(tmp_path / name))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "w.txt").write_text("x")
    with pytest.raises(DataError, match="no file of weights"):
        read_tensors(str(tmp_path / "w.txt"))
    with pytest.raises(CodelayerError, match="there is no file"):
        read_tensors(str(tmp_path / "none.safetensors"))


def test_a_name_and_its_file_stand_apart_at_the_first_at():
    assert split_file("resnet18@a/b@c.safetensors") == ("resnet18", "a/b@c.safetensors")
    assert split_file("resnet18.a1_in1k") == ("resnet18.a1_in1k", "")
