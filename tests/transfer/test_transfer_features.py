"""Features: opening by name, stages, cache, saving, bad files."""

from __future__ import annotations

import copy
import json
import os
import pickle
import warnings

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn
from transfer_cases import net_file, pictures, plan, weights

import codelayer
from codelayer.errors import BundleError, CodelayerError, DataError, SentenceError
from codelayer.nets.backbone import Backbone, Pictures
from codelayer.transfer import FeatureExtractor, FineTunedClassifier, open_backbone
from codelayer.transfer.cache import FeatureCache
from codelayer.transfer.features import stage_features
from codelayer.transfer.sources.onnx_nets import Numbers

pytestmark = pytest.mark.filterwarnings("ignore:pictures of", "ignore:grey pictures")


@pytest.fixture
def net(tmp_path):
    return f"file:{net_file(tmp_path)}"


def extractor(source, **options) -> FeatureExtractor:
    return FeatureExtractor(source, **{"cache": None, "random_state": 0, **options})


# --- opening --------------------------------------------------------------------------------------------------------


def test_npz_and_safetensors_of_one_plan_are_the_same_net(tmp_path, net):
    spec = plan() | {"labels": []}
    arrays = weights()
    whole = {name: one for name, one in arrays.items() if not name.startswith("d.") or name == "d.bias"}
    whole["d.weight"] = ((arrays["d.q"].astype(np.float32) - arrays["d.zero"]) * arrays["d.scale"]).astype(np.float32)
    save_file(whole, tmp_path / "net.safetensors", {"codelayer.plan": json.dumps(spec)})
    other = open_backbone(f"file:{tmp_path / 'net.safetensors'}")
    assert other.weights_hash() == open_backbone(net).weights_hash()
    assert other.licence == "CC0"


def test_a_pickled_checkpoint_is_refused_with_the_line_that_converts_it_and_never_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harmed"),)

    (tmp_path / "net.pth").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(BundleError, match=r"safetensors"):
        open_backbone(f"file:{tmp_path / 'net.pth'}")
    assert not (tmp_path / "harmed").exists()


def test_half_a_file_is_told_by_its_hash_and_by_itself(tmp_path, net):
    path = tmp_path / "net.npz"
    import hashlib

    good = hashlib.sha256(path.read_bytes()).hexdigest()
    assert open_backbone(f"file:{path}#sha256={good}").stages
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BundleError, match="half of it"):
        open_backbone(f"file:{path}#sha256={good}")
    with pytest.raises(CodelayerError):
        open_backbone(f"file:{path}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fil:x", "did you mean 'file'"),
        ("file:nowhere.npz", "no file"),
        ("mobilenet", "no backbone is called"),
        ("random:", "no backbone is called"),
    ],
)
def test_a_name_that_is_no_backbone_is_refused_with_what_is(name, said):
    with pytest.raises(DataError, match=said):
        open_backbone(name)


def test_a_plan_without_its_preprocessing_is_refused_with_the_remedy(tmp_path):
    spec = plan()
    del spec["input"]
    with pytest.raises(DataError, match="does not say how its pictures are prepared"):
        open_backbone(f"file:{net_file(tmp_path, spec=spec)}")


def test_weights_without_a_plan_are_refused(tmp_path):
    np.savez(tmp_path / "bare.npz", **weights())
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "bare.safetensors")
    for name in ("bare.npz", "bare.safetensors"):
        with pytest.raises(BundleError, match="plan|net they belong to"):
            open_backbone(f"file:{tmp_path / name}")


@pytest.mark.parametrize("size", [0, 4, 5000, 7.5, True])
def test_a_size_that_is_none_is_refused(net, size):
    with pytest.raises(DataError, match="size="):
        open_backbone(net, size)


def test_an_opened_net_is_given_at_another_size_and_stays_as_it_was(net):
    given, x = open_backbone(net), pictures()[0]
    other = open_backbone(given, 24)
    assert (given.prepare.height, other.prepare.height, other.prepare.width) == (16, 24, 24)
    named = extractor(net, size=24).fit(x)
    np.testing.assert_array_equal(extractor(given, size=24).fit(x).transform(x), named.transform(x))
    assert not np.allclose(extractor(given).fit(x).transform(x), named.transform(x), atol=1e-4)
    assert open_backbone(given, 16) is given and open_backbone(given) is given
    with pytest.raises(DataError, match="size="):
        open_backbone(given, 4)


def test_an_opened_net_that_takes_no_other_size_is_refused_by_name(tmp_path):
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
    given = Backbone("my fixed net", fixed, {"end": "1"}, Pictures(16, 16, 3))
    with pytest.raises(DataError, match="my fixed net takes no pictures of 24 pixels"):
        open_backbone(given, 24)
    rows = Backbone("my rows", nn.Sequential(nn.Linear(5, 4)), {"end": "0"}, Numbers(5))
    with pytest.raises(DataError, match="my rows takes rows"):
        open_backbone(rows, 24)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_a_net_of_another_precision_is_brought_to_float32(kind):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    given = copy.deepcopy(plain).to(kind)
    made = Backbone("other", given, {"end": "2"}, Pictures(12, 12, 3))
    x, y = pictures(12)
    expected = Backbone("plain", plain, {"end": "2"}, Pictures(12, 12, 3)).vectors(x)["end"]
    close = 2e-3 if kind == torch.float16 else 1e-6
    np.testing.assert_allclose(extractor(made).fit(x).transform(x), expected, atol=close)
    assert all(one.dtype == torch.float32 for one in made.parameters())
    assert next(given.parameters()).dtype == kind
    assert FineTunedClassifier(made, epochs=1, random_state=0).fit(x, y).predict(x).shape == (12,)


# --- features -------------------------------------------------------------------------------------------------------


def test_features_are_the_pooled_stages_in_the_nets_order(net):
    x, _ = pictures()
    made = extractor(net, stages=["stage2", "stage1"]).fit(x)
    backbone = open_backbone(net)
    walked = backbone.vectors(x, "all")
    np.testing.assert_allclose(made.transform(x), np.concatenate([walked["stage1"], walked["stage2"]], 1), atol=1e-5)
    assert made.stages_ == ("stage1", "stage2")
    assert made.widths_ == {"stage1": 4, "stage2": 6}


def test_the_default_is_the_last_stage_and_auto_pools_earlier_ones_to_four_parts(net):
    x, _ = pictures()
    assert extractor(net).fit_transform(x).shape == (60, 6)
    assert extractor(net, stages="all", grid="auto").fit(x).widths_ == {"stage1": 16, "stage2": 6}


def test_a_row_has_the_same_bits_wherever_it_stands(net):
    x, _ = pictures(100)
    made = extractor(net, stages="all").fit(x)
    whole, order = made.transform(x), np.random.default_rng(0).permutation(100)
    np.testing.assert_array_equal(made.transform(x[order]), whole[order])
    np.testing.assert_array_equal(made.transform(x[:9]), whole[:9])


def test_it_stands_in_a_pipeline_and_clones(net):
    x, y = pictures()
    pipeline = clone(make_pipeline(extractor(net, stages="all", grid=2), LogisticRegression(max_iter=2000)))
    assert pipeline.fit(x[:40], y[:40]).score(x[40:], y[40:]) > 0.8


def test_a_random_twin_is_scaled_on_the_rows_of_fit_and_depends_on_its_seed(net):
    x, _ = pictures()
    one, same, other = (extractor(f"random:{net}", random_state=seed).fit(x) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.transform(x), same.transform(x))
    assert not np.allclose(one.transform(x), other.transform(x))
    assert not one.backbone_.trained


def test_grey_and_float_pictures_serve_and_rows_of_numbers_are_refused(net):
    x, _ = pictures()
    made = extractor(net).fit(x)
    as_float = extractor(net).fit(x / 255)
    np.testing.assert_allclose(as_float.transform(x / 255), made.transform(x), atol=1e-4)
    assert extractor(net).fit(x[..., 0]).notes_[-1].startswith("grey pictures")
    with pytest.raises(DataError, match="takes pictures"):
        extractor(net).fit(np.zeros((5, 4)))
    with pytest.raises(SentenceError, match="no stage"):
        extractor(net, stages="stage9").fit(x)
    with pytest.raises(DataError, match="grid="):
        extractor(net, grid=0).fit(x)


def test_grey_levels_and_numbers_in_the_unit_range_are_the_same_pictures_after_the_fit(tmp_path, net):
    x, _ = pictures(70)
    whole, shares = extractor(net).fit(x), extractor(net).fit(x / 255)
    expected = whole.transform(x)
    for made in (whole, shares, extractor(net, cache=tmp_path / "cache").fit(x)):
        for rows in (x, x / 255, (x / 255).astype(np.float32)):
            np.testing.assert_allclose(made.transform(rows), expected, atol=1e-5)
            np.testing.assert_allclose(made.transform_sparse(rows).toarray(), expected, atol=1e-5)
    for made in (whole, shares):
        with pytest.raises(DataError, match="hold values from 0 to"):
            made.transform(x.astype(np.float32))
    grey = x[..., 0]
    expected = extractor(net).fit(grey).transform(grey)
    for fitted in (grey, grey[..., None], grey[..., None] / 255):
        for rows in (grey, grey[..., None], grey[..., None] / 255):
            np.testing.assert_allclose(extractor(net).fit(fitted).transform(rows), expected, atol=1e-5)
    shares.save(tmp_path / "kept")
    np.testing.assert_allclose(codelayer.load(tmp_path / "kept").transform(x), whole.transform(x), atol=1e-5)


def test_a_bundle_of_codelayer_is_a_backbone_whose_last_stage_is_the_code(tmp_path):
    rows = np.random.default_rng(0).normal(size=(80, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coder = codelayer.Autoencoder(3, "relu() + l1(0.01)", epochs=2, random_state=0).fit(rows)
    coder.save(tmp_path / "coder")
    made = extractor(str(tmp_path / "coder"), stages="all").fit(rows)
    assert made.stages_[-1] == "code"
    np.testing.assert_allclose(made.transform(rows)[:, -3:], coder.transform(rows), atol=1e-6)
    made.save(tmp_path / "again")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "again").transform(rows), made.transform(rows))


def test_a_coder_without_a_net_is_no_backbone(tmp_path):
    codelayer.Pca(2).fit(np.random.default_rng(0).normal(size=(30, 4))).save(tmp_path / "pca")
    with pytest.raises(BundleError, match="no net with stages"):
        open_backbone(str(tmp_path / "pca"))


@pytest.mark.parametrize("before", ["", "random:"])
def test_what_is_saved_holds_its_net_and_needs_no_other_file(tmp_path, net, before):
    x, _ = pictures()
    made = extractor(f"{before}{net}", stages="all", grid=2).fit(x)
    made.save(tmp_path / "features.zip")
    (tmp_path / "net.npz").unlink()
    again = codelayer.load(tmp_path / "features.zip")
    np.testing.assert_array_equal(again.transform(x), made.transform(x))
    assert again.backbone_.trained is (before == "")
    assert again.get_feature_names_out().tolist() == made.get_feature_names_out().tolist()


def test_stage_features_are_the_extractors(net):
    x, _ = pictures()
    found = stage_features(net, x, cache=None)
    assert list(found) == ["stage1", "stage2"]
    np.testing.assert_array_equal(found["stage2"], extractor(net).fit(x).transform(x))


# --- cache ----------------------------------------------------------------------------------------------------------


class Counting(FeatureExtractor):
    """Counts the blocks that went through the net, and stops where it is told to."""

    blocks, stop_at = 0, None

    def _stage_block(self, block, stages=None):
        if self.stop_at is not None and self.blocks >= self.stop_at:
            raise KeyboardInterrupt
        self.blocks += 1
        return super()._stage_block(block, stages)


def test_what_was_made_once_is_read_from_the_disk(tmp_path, net):
    x, _ = pictures(100)
    made = Counting(net, "all", cache=tmp_path / "cache").fit(x)
    first, blocks = made.transform(x), made.blocks
    np.testing.assert_array_equal(made.transform(x), first)
    assert made.blocks == blocks == 4
    np.testing.assert_array_equal(first, extractor(net, stages="all").fit(x).transform(x))


def test_a_stage_that_was_not_asked_for_before_is_added(tmp_path, net):
    x, _ = pictures(100)
    one = Counting(net, "stage1", cache=tmp_path / "cache").fit(x)
    one.transform(x)
    both = Counting(net, "all", cache=tmp_path / "cache").fit(x)
    np.testing.assert_array_equal(both.transform(x), extractor(net, stages="all").fit(x).transform(x))
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("change", ["rows", "weights", "size", "grid"])
def test_other_rows_weights_sizes_or_pooling_are_other_entries(tmp_path, net, change):
    x, _ = pictures(100)
    Counting(net, cache=tmp_path / "cache").fit(x).transform(x)
    source, options = net, {}
    if change == "rows":
        x = x.copy()
        x[0, 0, 0, 0] ^= 1
    if change == "weights":
        source = f"file:{net_file(tmp_path, 'other.npz', seed=5)}"
    if change == "size":
        options = {"size": 20}
    if change == "grid":
        options = {"grid": 2}
    other = Counting(source, cache=tmp_path / "cache", **options).fit(x)
    other.transform(x)
    assert other.blocks == 4
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_work_that_was_stopped_goes_on_where_it_was_to_the_same_bits(tmp_path, net):
    x, _ = pictures(200)
    made = Counting(net, "all", cache=tmp_path / "cache").fit(x)
    made.stop_at = 3
    with pytest.raises(KeyboardInterrupt):
        made.transform(x)
    again = Counting(net, "all", cache=tmp_path / "cache").fit(x)
    found = again.transform(x)
    assert again.blocks == 4  # of 7: three were kept
    np.testing.assert_array_equal(found, extractor(net, stages="all").fit(x).transform(x))


def test_a_row_written_in_part_is_cut_off(tmp_path):
    cache = FeatureCache(tmp_path, {"net": "x"}, 4)
    with cache.held() as mine:
        assert mine
        cache.append({"a": np.ones((2, 3))})
    (part,) = cache.path.glob("*.part")
    with part.open("ab") as file:
        file.write(b"\0" * 5)
    with cache.held():
        assert cache.begun({"a": 3}) == 2
        assert part.stat().st_size == 24


def test_an_altered_entry_is_made_again(tmp_path, net):
    x, _ = pictures(100)
    made = Counting(net, cache=tmp_path / "cache").fit(x)
    first = np.array(made.transform(x))
    (file,) = (tmp_path / "cache").rglob("*.f32")
    data = bytearray(file.read_bytes())
    data[10] ^= 255
    file.write_bytes(bytes(data))
    np.testing.assert_array_equal(made.transform(x), first)
    assert made.blocks == 8


def test_an_entry_that_another_process_writes_is_computed_without_it(tmp_path, net):
    x, _ = pictures(100)
    made = Counting(net, cache=tmp_path / "cache").fit(x)
    expected = extractor(net).fit(x).transform(x)
    made.transform(x)
    (entry,) = (tmp_path / "cache").iterdir()
    files = [one for one in entry.iterdir() if one.suffix in (".f32", ".sha256")]
    assert len(files) == 2
    for file in files:
        file.unlink()
    holder = FeatureCache.__new__(FeatureCache)
    holder.path, holder.about = entry, {}
    with holder.held() as mine:
        assert mine
        np.testing.assert_array_equal(made.transform(x), expected)
    assert not any(file.exists() for file in files)


def test_the_oldest_entries_go_where_the_cache_grows_too_large(tmp_path, net, monkeypatch):
    x, _ = pictures(100)
    monkeypatch.setattr("codelayer.transfer.cache.MOST_BYTES", 4000)
    for seed in (1, 2, 3):
        source = f"file:{net_file(tmp_path, f'{seed}.npz', seed=seed)}"
        Counting(source, cache=tmp_path / "cache").fit(x).transform(x)
    assert len(list((tmp_path / "cache").iterdir())) < 3


def test_a_folder_that_the_cache_did_not_make_stays_however_it_is_called(tmp_path, net, monkeypatch):
    x, _ = pictures(70)
    monkeypatch.setattr("codelayer.transfer.cache.MOST_BYTES", 1000)
    for at, about in enumerate([None, "{}", '{"title": "thesis"}']):
        foreign = tmp_path / "cache" / f"{at}123456789abcdef0123456789abcdef"
        foreign.mkdir(parents=True)
        (foreign / "thesis.txt").write_text("x" * 2000)
        if about is not None:
            (foreign / "about.json").write_text(about)
        os.utime(foreign, (0, 0))
    extractor(net, cache=tmp_path / "cache").fit(x).transform(x)
    assert len(list((tmp_path / "cache").glob("*/thesis.txt"))) == 3
