"""A fine-tuned net is saved with all it needs, comes back without pickle, and takes names and bundles as backbones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tuning_cases import pictures, plan_parts, small

import codelayer
from codelayer import bundle
from codelayer.errors import BundleError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.transfer import FeatureExtractor, FineTunedClassifier, FineTunedRegressor, open_backbone
from codelayer.transfer.headed import as_headed
from codelayer.transfer.shifts import stored_distances

X, Y = pictures()
QUICK = {"epochs": 3, "batch_size": 12, "random_state": 0}


@pytest.fixture
def name(tmp_path) -> str:
    """A small net by plan, in a file."""
    spec, arrays = plan_parts()
    file = tmp_path / "net.npz"
    np.savez(file, spec=np.array(json.dumps(spec)), **arrays)
    return f"file:{file}"


@pytest.mark.parametrize("ending", ["", ".zip"])
@pytest.mark.parametrize("tune", ["all", "head", "scratch"])
def test_what_is_saved_comes_back_with_the_same_bits(name, tmp_path, ending, tune):
    labels = np.array(["cat", "dog", "owl"])[Y]
    model = FineTunedClassifier(name, tune=tune, rates=2.6, anchor=None, **QUICK).fit(X, labels)
    model.save(tmp_path / f"saved{ending}", {"told": 1})
    Path(name.removeprefix("file:")).unlink()
    back = codelayer.load(tmp_path / f"saved{ending}")
    assert isinstance(back, FineTunedClassifier)
    assert np.array_equal(back.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(back.predict(X), model.predict(X)) and set(back.classes_) == set(labels)
    assert back.history_ == model.history_ and back.rates_ == model.rates_ and back.rates == 2.6
    found = bundle.read(tmp_path / f"saved{ending}")
    assert found.facts == {"told": 1} and back.check_golden(found.golden) == 0.0
    back.save(tmp_path / "again")
    assert np.array_equal(codelayer.load(tmp_path / "again").transform(X), model.transform(X))


def test_a_loaded_net_can_be_tuned_further_and_used_as_a_backbone(name, tmp_path):
    model = FineTunedClassifier(name, **QUICK).fit(X, Y)
    model.save(tmp_path / "saved")
    back = codelayer.load(tmp_path / "saved")
    before = back.transform(X)
    again = FineTunedClassifier(back.backbone_, **QUICK).fit(X, Y)
    assert np.array_equal(back.transform(X), before) and not np.array_equal(again.transform(X), before)


def test_bundles_of_tuned_nets_and_of_features_are_backbones_by_their_path(name, tmp_path):
    model = FineTunedClassifier(name, **QUICK).fit(X, Y)
    model.save(tmp_path / "saved")
    as_headed(model, X).save(tmp_path / "headed")
    for place in ("saved", "headed"):
        net = open_backbone(tmp_path / place)
        assert (net.name, list(net.places)) == (str(tmp_path / place), list(model.backbone_.places))
        made = FeatureExtractor(net, cache=None).fit(X).transform(X)
        np.testing.assert_allclose(made, model.transform(X), atol=1e-6)
    FeatureExtractor(name, cache=None).fit(X).save(tmp_path / "features")
    made = FeatureExtractor(tmp_path / "features", cache=None).fit(X).transform(X)
    np.testing.assert_allclose(made, FeatureExtractor(name, cache=None).fit(X).transform(X), atol=1e-6)


def test_numbers_come_back_in_their_units(name, tmp_path):
    model = FineTunedRegressor(name, **QUICK).fit(X, 100.0 + Y)
    model.save(tmp_path / "saved")
    back = codelayer.load(tmp_path / "saved")
    assert isinstance(back, FineTunedRegressor) and np.array_equal(back.predict(X), model.predict(X))


def test_a_module_without_a_source_cannot_be_saved(tmp_path):
    with pytest.raises(BundleError, match="cannot be kept in a bundle"):
        FineTunedClassifier(small(), **QUICK).fit(X, Y).save(tmp_path / "saved")


@pytest.mark.parametrize("odd", ["head", "classes", "task", "net"])
def test_parts_that_do_not_fit_are_refused(name, tmp_path, odd):
    FineTunedClassifier(name, **QUICK).fit(X, Y).save(tmp_path / "saved")
    found = bundle.read(tmp_path / "saved")
    plan, tensors = dict(found.plan), dict(found.tensors)
    if odd == "head":
        tensors["head.weight"] = tensors["head.weight"][:2]
    elif odd == "classes":
        plan["classes"] = [0, 1]
    elif odd == "task":
        plan["task"] = "other"
    else:
        del tensors[next(one for one in tensors if one.startswith("net."))]
    bundle.write(tmp_path / "odd", "finetuned", plan, tensors)
    with pytest.raises(BundleError):
        codelayer.load(tmp_path / "odd")


def test_an_autoencoder_is_a_backbone_of_rows_and_of_tables(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd")).assign(
        kind=np.array(["x", "y"])[np.arange(60) % 2]
    )
    labels = (frame["a"] > 0).to_numpy().astype(int)
    Autoencoder(3, net="table()", epochs=3, random_state=0).fit(frame).save(tmp_path / "table")
    Autoencoder(3, net="mlp(8)", epochs=3, random_state=0).fit(frame[list("abcd")].to_numpy()).save(tmp_path / "rows")
    for rows, folder in ((frame, "table"), (frame[list("abcd")].to_numpy(), "rows")):
        for tune in ("all", "last", "head", "scratch"):
            model = FineTunedClassifier(str(tmp_path / folder), tune=tune, **QUICK).fit(rows, labels)
            assert model.transform(rows).shape == (60, 3)
            model.save(tmp_path / f"{folder}-{tune}")
            back = codelayer.load(tmp_path / f"{folder}-{tune}")
            assert np.array_equal(back.predict_proba(rows), model.predict_proba(rows))
    model = FineTunedClassifier(str(tmp_path / "rows"), epochs=40, learning_rate=0.01, start="random", random_state=0)
    assert model.fit(rows, labels).score(rows, labels) > 0.9


def test_the_learned_code_of_a_bundle_is_left_as_it_was(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 4))
    Autoencoder(3, net="mlp(8)", epochs=3, random_state=0).fit(rows).save(tmp_path / "rows")
    net = open_backbone(str(tmp_path / "rows"))
    codes = codelayer.load(tmp_path / "rows").transform(rows)
    np.testing.assert_allclose(net.statistics["code"]["mean"], codes.mean(0), atol=1e-5)
    apart = stored_distances(net, {"code": codes})["code"]
    assert 0 <= apart["frechet"] < 0.1 < stored_distances(net, {"code": codes + 1})["code"]["frechet"]
    before = net.weights_hash()
    FineTunedClassifier(net, **QUICK).fit(rows, (rows[:, 0] > 0).astype(int))
    assert net.weights_hash() == before
