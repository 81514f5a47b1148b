"""Codes with a head, and bundles that do not hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

import codelayer
from codelayer import bundle
from codelayer.errors import BundleError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.baselines import KMeansFeatures, Pca, RandomProjection, RawFeatures
from codelayer.learn.heads import Head, Headed
from codelayer.learn.saved import load
from codelayer.measure.probes import linear_probe

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus)")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5))
NAMES = np.array(["low", "middle", "high"], dtype=object)[np.digitize(X[:, 0], [-0.5, 0.5])]


def fitted(cls: type = Autoencoder):
    options = {"epochs": 3, "batch_size": 32} if cls is Autoencoder else {}
    if cls is not RawFeatures:
        options |= {"code_size": 4, "random_state": 0}
    return cls(**options).fit(X)


def headed(coder, labels: np.ndarray, task: str) -> tuple[Headed, object]:
    codes = coder.transform(X)
    probe = linear_probe(codes, task).fit(codes, labels)
    return Headed(coder, Head.from_probe(probe, task)), probe


@pytest.mark.parametrize("cls", [Autoencoder, RawFeatures, Pca, RandomProjection, KMeansFeatures])
def test_a_head_predicts_what_its_probe_did_before_and_after_saving(cls, tmp_path):
    made, probe = headed(fitted(cls), NAMES, "class")
    codes = made.transform(X)
    np.testing.assert_array_equal(made.predict(X), probe.predict(codes))
    np.testing.assert_allclose(made.predict_proba(X), probe.predict_proba(codes), atol=1e-5)
    np.testing.assert_allclose(made.predict_proba(X).sum(1), 1)
    made.save(tmp_path / "b.zip", {"note": 1})
    back = load(tmp_path / "b.zip")
    assert isinstance(back, Headed) and type(back.code) is cls
    np.testing.assert_array_equal(back.transform(X), codes)
    np.testing.assert_array_equal(back.predict_proba(X), made.predict_proba(X))
    np.testing.assert_array_equal(back.predict(X), made.predict(X))
    np.testing.assert_array_equal(back.inverse_transform(codes), made.inverse_transform(codes))


@pytest.mark.parametrize("labels", [NAMES == "low", (X[:, 0] > 0).astype(int), NAMES.astype(str), 1.0 + (X[:, 0] > 0)])
def test_labels_keep_their_kind_through_saving(labels, tmp_path):
    made, _ = headed(fitted(Pca), labels, "class")
    made.save(tmp_path / "b")
    found = load(tmp_path / "b").predict(X)
    assert set(found.tolist()) <= set(labels.tolist())
    assert [type(one) for one in found[:3]] == [type(one) for one in labels.tolist()[:3]]


def test_a_head_of_numbers_gives_numbers(tmp_path):
    made, probe = headed(fitted(Pca), 3 * X[:, 0] + 100, "number")
    made.save(tmp_path / "b")
    found = load(tmp_path / "b").predict(X)
    np.testing.assert_allclose(found, probe.predict(made.transform(X)), rtol=1e-5)
    assert np.corrcoef(found, X[:, 0])[0, 1] > 0.5


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    headed(fitted(), NAMES, "class")[0].save(folder / "headed")
    fitted().save(folder / "code")
    Autoencoder(4, "views(noise(0.1)) + variance()", epochs=2, random_state=0).fit(X).save(folder / "views")
    fitted(KMeansFeatures).save(folder / "kmeans")
    return folder


def altered(path, tmp_path, plan=None, tensors=None, kind=None):
    """The same bundle with other contents and hashes that fit: what a forger or another version could write."""
    found = bundle.read(path)
    new_plan = found.plan | (plan or {})
    new_tensors = {n: v for n, v in (found.tensors | (tensors or {})).items() if v is not None}
    out = tmp_path / "altered"
    bundle.write(out, kind or found.kind, new_plan, new_tensors, found.golden, found.facts)
    return out


ODD_HEADS = [
    {"tensors": {"head.weight": None}},
    {"tensors": {"head.weight": np.zeros((3, 3), np.float32)}},
    {"tensors": {"head.intercept": np.zeros(2, np.float32)}},
    {"plan": {"head": {"task": "class", "classes": ["a", "b"]}}},
    {"plan": {"head": {"task": "number", "classes": []}}},
    {"plan": {"head": {"task": "class"}}},
    {"plan": {"head": None}},
    {"plan": {"code": {"kind": "headed"}}},
    {"plan": {"code": {"kind": "nothing"}}},
    {"plan": {"code": {}}},
]
ODD_CODES = [
    {"plan": {"net": "mlp(7)"}},
    {"plan": {"net": "mlp(depth=9)"}},
    {"plan": {"net": "conv(3)"}},
    {"plan": {"net": 5}},
    {"plan": {"net": "__import__('os')"}},
    {"plan": {"objective": "no such thing"}},
    {"plan": {"objective": "topk(99)"}},
    {"plan": {"objective": None}},
    {"plan": {"code_size": 5}},
    {"plan": {"code_size": 10**9}},
    {"plan": {"code_size": -1}},
    {"plan": {"code_size": "many"}},
    {"plan": {"schema": {}}},
    {"plan": {"schema": None}},
    {"plan": {"options": {"code_size": [1]}, "record": 3}},
    {"plan": {"options": "none"}},
    {"plan": {"n_features_in": "x"}},
    {"tensors": {"plan.mean": None}},
    {"tensors": {"plan.mean": np.zeros(3, np.float32)}},
    {"tensors": {"model.net.stages.encoded.0.weight": None}},
    {"tensors": {"model.net.stages.encoded.0.weight": np.zeros((4, 3), np.float32)}},
    {"tensors": {"model.extra": np.zeros(3, np.float32)}},
    {"kind": "pca"},
    {"kind": "headed"},
    {"kind": "checkpoint"},
    {"kind": "pickle"},
]


@pytest.mark.parametrize("change", ODD_HEADS, ids=str)
def test_a_head_that_does_not_fit_its_code_is_refused(saved, tmp_path, change):
    with pytest.raises(BundleError):
        load(altered(saved / "headed", tmp_path, **change))


@pytest.mark.parametrize("change", ODD_CODES, ids=str)
def test_a_code_that_does_not_fit_its_plan_is_refused(saved, tmp_path, change):
    with pytest.raises(BundleError) as error:
        load(altered(saved / "code", tmp_path, **change))
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("name", ["weight", "code_mean", "row_mean"])
@pytest.mark.parametrize("kind", ["views", "kmeans"])
def test_a_ridge_decoder_that_is_incomplete_or_odd_is_refused(saved, tmp_path, kind, name):
    with pytest.raises(BundleError, match="lacks 'ridge"):
        load(altered(saved / kind, tmp_path, tensors={f"ridge.{name}": None}))
    with pytest.raises(BundleError):
        load(altered(saved / kind, tmp_path, tensors={f"ridge.{name}": np.zeros((2, 9, 1), np.float32)}))


def test_a_baseline_with_arrays_of_another_shape_is_refused(saved, tmp_path):
    for odd in (np.zeros((4, 9), np.float32), np.zeros((3, 5), np.float32), np.zeros(5, np.float32), None):
        with pytest.raises(BundleError):
            load(altered(saved / "kmeans", tmp_path, tensors={"centres": odd}))


@pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors", "golden.safetensors"])
def test_truncated_and_altered_files_are_refused_by_load(saved, tmp_path, name):
    for change in (
        lambda data: data[:-9],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: b"",
    ):
        out = tmp_path / "copy"
        fitted(Pca).save(out)
        (out / name).write_bytes(change((out / name).read_bytes()))
        with pytest.raises(BundleError):
            codelayer.load(out)


def test_a_bundle_alone_is_enough_to_repeat_the_fit(saved):
    back = load(saved / "code")
    again = Autoencoder(**back.get_params()).fit(X)
    np.testing.assert_array_equal(again.transform(X), back.transform(X))
