"""`codelayer ship verify` and `attach`, and what `info` says of the optional parts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codelayer import bundle
from codelayer.cli import main

FORMS = Path(__file__).resolve().parents[1] / "fixtures" / "bundles" / "format-1-2026-11-29-reference"


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(FORMS / "mlp", tmp_path / "mlp"))


def test_a_whole_bundle_is_verified_part_by_part(copied, capsys):
    assert main(["ship", "verify", str(copied)]) == 0
    said = capsys.readouterr().out
    for name in ("bundle.json", "weights.safetensors", "reference.safetensors", "model.onnx"):
        assert f"{name}" in said
    assert said.count("hash agrees") == 5 and "ONNX form" in said and "agrees with it" in said


def test_an_altered_form_is_named_with_status_2(copied, capsys):
    data = (copied / "model.onnx").read_bytes()
    (copied / "model.onnx").write_bytes(data[:-1] + b"!")
    assert main(["ship", "verify", str(copied)]) == 2
    assert "model.onnx in" in capsys.readouterr().err


def test_a_form_is_attached_and_told_by_info(copied, tmp_path, capsys):
    (tmp_path / "form.onnx").write_bytes((copied / "model.onnx").read_bytes())
    bundle.attach(copied, "model.onnx", None)
    assert main(["ship", "attach", str(copied), str(tmp_path / "form.onnx")]) == 0
    assert main(["info", str(copied)]) == 0
    said = capsys.readouterr().out
    assert "golden rows" in said and "ONNX form" in said and "reference codes" in said
    assert "model.onnx 2,789 bytes" in said


def test_ship_alone_says_what_it_can_do(capsys):
    assert main(["ship"]) == 2
    assert "verify" in capsys.readouterr().out
