"""A part that no exporter can follow is named; nothing is printed and nothing is left on the disk."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from coder_cases import QUICK, rows

from codelayer import Autoencoder, CodelayerError, DataError, ExportError, Pca
from codelayer.export import to_onnx, to_torch_export
from codelayer.registry import PARTS, part


@pytest.fixture
def ranked():
    """A bottleneck of one's own that looks at the values, which no exporter can follow."""

    @part("bottleneck", "ranked")
    @dataclass(frozen=True)
    class Ranked:
        def limits(self, low, high):
            return low, high

        def draw(self, encoded, context):
            return encoded if float(encoded.detach().sum()) > 0 else encoded + 1

        def settle(self, encoded, context):
            return self.draw(encoded, context)

    yield "ranked()"
    del PARTS["bottleneck"]["ranked"]


@pytest.mark.filterwarnings("ignore")
def test_the_part_that_cannot_be_exported_is_named(ranked, tmp_path, capfd):
    coder = Autoencoder(4, ranked, "mlp(8)", random_state=0, **QUICK).fit(rows())
    capfd.readouterr()
    with pytest.raises(ExportError, match=r"ranked\(\) of the objective cannot be exported: "):
        to_onnx(coder, tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"ranked\(\) of the objective"):
        to_torch_export(coder, tmp_path / "m.pt2")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed_by_the_exporters(tmp_path, capfd, recwarn):
    to_onnx(Pca(2).fit(rows()), tmp_path / "m.onnx")
    assert capfd.readouterr() == ("", "") and not recwarn.list


def test_a_missing_library_is_told_before_the_work(tmp_path, monkeypatch):
    coder = Pca(2).fit(rows())
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(torch.onnx, "export", None)  # would be called later
    with pytest.raises(CodelayerError, match=r'onnx.*\n.*pip install "codelayer\[export\]"'):
        to_onnx(coder, tmp_path / "m.onnx")


def test_what_is_no_model_and_rows_of_another_kind_are_refused(tmp_path):
    with pytest.raises(ExportError, match="is no coder"):
        to_onnx(object(), tmp_path / "m.onnx")
    coder = Pca(2).fit(rows())
    with pytest.raises(ValueError, match="features"):
        to_onnx(coder, tmp_path / "m.onnx", np.zeros((3, 4)))
    del coder.golden_rows_
    with pytest.raises(DataError, match="golden rows"):
        to_onnx(coder, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
