"""Every kind of coder either gives in ONNX Runtime what it gives here, or is refused by name."""

from __future__ import annotations

import importlib
import json
import warnings

import numpy as np
import pytest
import torch
from coder_cases import QUICK, frame, grey, rows
from transfer_cases import net_file, pictures

import codelayer
from codelayer import (
    Autoencoder,
    Dictionary,
    ExportError,
    Head,
    Headed,
    Isomap,
    KMeansFeatures,
    Lista,
    Pca,
    RandomProjection,
    RawFeatures,
    Umap,
)
from codelayer.bundle import LATER
from codelayer.export import feeds, onnx_bytes, session, to_onnx, to_torch_export
from codelayer.export.core import _PARTS
from codelayer.registry import names
from codelayer.transfer import FeatureExtractor, FineTunedClassifier
from codelayer.transfer.headed import as_headed


def learned(objective: str, net: str = "auto", code_size: int = 4) -> Autoencoder:
    return Autoencoder(code_size, objective, net, random_state=0, **QUICK)


CASES = {
    "relu": (lambda: learned("relu() + l1(0.01)"), rows),
    "deep gelu": (lambda: learned("squared()", "mlp(12, 8, activation='gelu')"), rows),
    "topk": (lambda: learned("topk(2)"), rows),
    "batch_topk": (lambda: learned("relu() + batch_topk(2)"), rows),
    "jumprelu": (lambda: learned("jumprelu() + l0(0.01)"), rows),
    "gaussian": (lambda: learned("variational"), rows),
    "shrink and infer": (lambda: learned("psd"), rows),
    "tied sigmoid": (lambda: learned("contractive"), rows),
    "conv": (lambda: learned("squared()", "conv(4, 8)"), grey),
    "grey mlp": (lambda: learned("tanh()", "mlp()"), lambda: grey(channels=None)),
    "filters": (lambda: learned("squared()", "conv_dictionary(5, stride=3)", 8), grey),
    "embeddings": (lambda: learned("mask(0.2)", "table()"), frame),
    "raw": (RawFeatures, rows),
    "pca": (lambda: Pca(4), frame),
    "random_projection": (lambda: RandomProjection(4, random_state=0), rows),
    "kmeans": (lambda: KMeansFeatures(4, random_state=0), rows),
    "lista": (lambda: Lista(4, epochs=2, random_state=0), rows),
}


@pytest.fixture(scope="module", params=CASES)
def fitted(request):
    make, data = CASES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs teach little
        return make().fit(data()), data()


@pytest.mark.filterwarnings("ignore")
def test_the_export_codes_as_the_coder_does_whatever_the_number_of_rows(fitted):
    coder, x = fitted
    opened = session(onnx_bytes(coder, x))
    codes, table = coder.transform(x), coder._rows(x, reset=False)
    fed = feeds(coder.schema_, table)
    scale = np.abs(codes).max()
    assert scale > 0 and opened.get_outputs()[0].name == "code"
    for count in (1, 7, len(codes)):
        (found,) = opened.run(None, {name: one[:count] for name, one in fed.items()})
        assert found.dtype == np.float32 and found.shape == (count, coder.units)
        assert np.abs(found - codes[:count]).max() < 1e-5 * scale


def test_every_kind_of_bundle_is_exported_or_refused_by_name():
    exported = {kind.kind_name for kind in _PARTS} | {"headed", "forest"}
    refused = {"dictionary", "isomap", "umap", *LATER}  # the last are nets that were trained elsewhere
    for later in LATER.values():
        importlib.import_module(f"codelayer.{later}")
    assert set(names("kind")) == exported | refused


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("coder", [Dictionary(4, epochs=1), Isomap(2)], ids=["Dictionary", "Isomap"])
def test_codes_that_are_iterated_or_looked_up_are_refused_by_name(coder, tmp_path):
    coder.fit(rows())
    with pytest.raises(ExportError, match=type(coder).__name__):
        to_onnx(coder, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
    assert Umap.kind_name == "umap"  # refused as Isomap is: both look rows up among landmarks


@pytest.mark.filterwarnings("ignore")
def test_features_of_a_backbone_are_refused_by_name(tmp_path):
    x, y = pictures(20)
    net = f"file:{net_file(tmp_path)}"
    tuned = FineTunedClassifier(net, epochs=1).fit(x, y)
    for model in (FeatureExtractor(net, cache=None).fit(x), as_headed(tuned, x)):
        with pytest.raises(ExportError, match="FeatureExtractor"):
            to_onnx(model, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_bundle_is_exported_by_its_path_with_what_it_is_in_the_metadata(tmp_path):
    coder = Pca(3).fit(rows())
    coder.save(tmp_path / "bundle")
    done = to_onnx(tmp_path / "bundle", tmp_path / "m.onnx")
    assert done.path == tmp_path / "m.onnx" and done.bytes == done.path.stat().st_size
    assert done.rows == 4 and done.difference < 1e-5
    told = session(done.path).get_modelmeta().custom_metadata_map
    assert told["codelayer"] == codelayer.__version__ and told["kind"] == "pca"
    assert len(told["bundle_sha256"]) == len(told["weights_sha256"]) == 64
    assert codelayer.Schema.from_json(json.loads(told["schema"])).features == 6


def test_equal_models_give_equal_bytes_with_and_without_a_bundle(tmp_path):
    coder = Pca(3).fit(rows())
    coder.save(tmp_path / "bundle")
    assert onnx_bytes(coder) == onnx_bytes(codelayer.load(tmp_path / "bundle"))


def test_a_torch_program_gives_codes_and_what_the_head_says(tmp_path):
    coder = learned("relu() + l1(0.01)").fit(rows())
    head = Head("number", (), np.ones((4, 1), np.float32), np.zeros(1, np.float32))
    to_torch_export(Headed(coder, head), tmp_path / "m.pt2")
    program = torch.export.load(tmp_path / "m.pt2").module()
    code, number = program(torch.from_numpy(coder.schema_.encode(rows()[:9])))
    assert np.allclose(code.detach().numpy(), coder.transform(rows()[:9]), atol=1e-5)
    assert np.allclose(number.detach().numpy(), code.detach().numpy().sum(1), atol=1e-5)
