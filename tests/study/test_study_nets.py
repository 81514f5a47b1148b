"""Features of a pre-trained net among the rivals of a study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from study_cases import clusters, study
from transfer_cases import net_file, pictures, plan

import codelayer
from codelayer import bundle, commands
from codelayer.data.load import load_data
from codelayer.errors import DataError, RunError, SentenceError
from codelayer.learn.forecast import grown_by
from codelayer.study import study as studying
from codelayer.study.jobs import curves_of
from codelayer.study.nets import Nets, parted, short_name
from codelayer.study.parts import DRAWS, QUICK_LABELLED_ROWS, make_parts
from codelayer.study.rivals import keep_named, line_up
from codelayer.transfer import FeatureExtractor, open_backbone
from codelayer.transfer.cache import FeatureCache

N = 120


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODELAYER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def net(tmp_path: Path) -> str:
    return f"file:{net_file(tmp_path)}"


@pytest.fixture
def npz(tmp_path: Path) -> str:
    """Pictures whose classes are brightness apart: any net tells them, and so do raw features of many labels."""
    x, y = pictures(N)
    np.savez(tmp_path / "bars.npz", x=x, y=y)
    return str(tmp_path / "bars.npz")


def results(folder: Path) -> dict[tuple[str, str], float]:
    rows = pq.read_table(folder / "results.parquet").to_pylist()
    return {(row["rival"], row["metric"]): row["value"] for row in rows}


def test_a_net_races_and_what_it_came_from_is_told(tmp_path: Path, net: str, npz: str):
    verdict = study(tmp_path / "out", npz, backbone=(net,), rivals=("pca",))
    assert verdict["titles"][net] == "net.npz, last stage"
    assert net in verdict["area"] and net in verdict["titles"]
    told = verdict["backbones"][net]
    opened = open_backbone(net)
    assert told["weights_sha256"] == opened.weights_hash() and told["stages"] == [opened.last]
    assert told["licence"] == "CC0" and told["trained"]
    found = results(tmp_path / "out")
    weights = sum(value.numel() * value.element_size() for value in opened.net.state_dict().values())
    assert found[net, "size_mb"] * 1e6 > weights
    assert found[net, "latency_ms"] > 0 and found[net, "train_seconds"] > 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert told["weights_sha256"] in page and "net.npz, last stage" in page
    missing = [one["what"] for one in verdict["not_measured"]]
    assert "local_smoothness of net.npz, last stage" in missing


def test_its_scores_are_those_of_its_features_made_in_one_go(tmp_path: Path, net: str):
    x, y = pictures(400)
    study(tmp_path / "out", x, label=y, backbone=(net,), rivals=("raw",))
    parts = make_parts(load_data(x, label=y), None, None, 0, QUICK_LABELLED_ROWS)
    parts.open_report()
    made = FeatureExtractor(net, cache=None).fit(x)
    codes = {part: made.transform(parts.rows(part)) for part in ("train", "report")}
    labels = {part: parts.known_labels(part) for part in ("train", "report")}
    picked = parts.picked(0, DRAWS)
    curves = curves_of(codes["train"], labels["train"], codes["report"], labels["report"], picked, "class")
    found = results(tmp_path / "out")
    for probe in ("linear", "knn"):
        assert abs(found[net, f"{probe}_area"] - curves[probe].area) < 1e-3
    assert curves["linear"].area > 0.4  # chance is a third


def test_the_winner_is_saved_with_its_net_inside(tmp_path: Path, npz: str, capsys: pytest.CaptureFixture[str]):
    path = net_file(tmp_path, "gone.npz")
    name = f"file:{path}::all"
    out = tmp_path / "out"
    study(out, npz, backbone=(name,), rivals=("raw",))
    expected = FeatureExtractor(f"file:{path}", "all", cache=None).fit_transform(np.load(npz)["x"])
    path.unlink()
    table = pq.read_table(out / "codes.parquet")
    codes = np.stack([table[column].to_numpy() for column in table.column_names[1:]], 1)
    assert np.allclose(codes, expected, atol=1e-5)
    loaded = codelayer.load(out / "bundle")
    assert isinstance(loaded.code, FeatureExtractor)
    assert np.allclose(loaded.transform(np.load(npz)["x"]), expected, atol=1e-5)
    commands.encode(str(out), npz, out=str(tmp_path / "again.npy"))
    assert np.allclose(np.load(tmp_path / "again.npy"), expected, atol=1e-5)
    commands.predict(str(out), npz, out=str(tmp_path / "predictions.csv"))
    lines = (tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == N + 1
    # far above chance, which is a third
    assert np.mean(loaded.predict(np.load(npz)["x"]) == np.load(npz)["y"]) > 0.6


def test_every_row_goes_through_the_net_once(tmp_path: Path, net: str, monkeypatch: pytest.MonkeyPatch):
    x, y = pictures(600)  # each part has as many rows as a cache keeps
    seen: list[int] = []
    append = FeatureCache.append

    def counted(self, blocks):  # what the net has made; a latency that is measured goes through the net as well
        seen.extend(len(one) for one in blocks.values())
        append(self, blocks)

    monkeypatch.setattr(FeatureCache, "append", counted)
    options = {"label": y, "rivals": ("raw",), "seeds": 2, "quick": False}
    study(tmp_path / "out", x, backbone=(net, f"{net}::stage1"), **options)
    assert sum(seen) == 2 * 600  # two stages
    study(tmp_path / "other", x, backbone=(net, f"{net}::stage1"), **options, max_size_mb=1000)
    assert sum(seen) == 2 * 600  # the second study finds all features made


def test_a_random_twin_varies_with_the_seed(tmp_path: Path, net: str, npz: str):
    twin = f"random:{net}"
    rivals = {one.name: one for one in Nets((net, twin)).rivals()}
    assert rivals[twin].varies and not rivals[net].varies
    assert rivals[twin].title == "net.npz untrained, last stage"
    x = np.load(npz)["x"]
    one, same, other = (rivals[twin].build(seed).fit(x).transform(x) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.allclose(one, other)
    verdict = study(tmp_path / "out", npz, backbone=(twin,), rivals=("raw",), quick=False, seeds=2, workers=2)
    assert verdict["backbones"][twin]["weights_sha256"] is None and not verdict["backbones"][twin]["trained"]
    assert "backbone" in (tmp_path / "out" / "checkpoints" / "run.json").read_text(encoding="utf-8")


def test_a_stopped_study_goes_on(tmp_path: Path, net: str, npz: str, monkeypatch: pytest.MonkeyPatch):
    whole = study(tmp_path / "whole", npz, backbone=(net,), rivals=("raw",))
    with monkeypatch.context() as patched:
        patched.setattr(studying.Race, "choose", stopped)
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path / "out", npz, backbone=(net,), rivals=("raw",))
    again = study(tmp_path / "out", npz, backbone=(net,), rivals=("raw",))
    assert any("continuing" in line for line in again["said"])
    assert again["area"] == whole["area"] and again["winner"] == whole["winner"]
    assert again["seed"] == whole["seed"]


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_changed_net_is_another_study(tmp_path: Path, net: str, npz: str):
    study(tmp_path / "out", npz, backbone=(net,), rivals=("raw",))
    said = study(tmp_path / "out", npz, backbone=(net,), rivals=("raw",))["said"]
    assert any("complete" in line for line in said)
    net_file(tmp_path, seed=1)
    with pytest.raises(RunError, match="backbone"):
        study(tmp_path / "out", npz, backbone=(net,), rivals=("raw",))


def test_studies_without_a_net_are_what_they_were(tmp_path: Path, npz: str):
    verdict = study(tmp_path / "out", npz, rivals=("pca",))
    run = json.loads((tmp_path / "out" / "checkpoints" / "run.json").read_text(encoding="utf-8"))
    assert "backbone" not in run["options"] and verdict["backbones"] == {}


def test_rows_that_are_no_pictures_are_refused_in_a_sentence(tmp_path: Path, net: str, labelled_csv: Path):
    with pytest.raises(DataError, match="takes pictures, not a table"):
        study(tmp_path / "table", str(labelled_csv), label="label", backbone=(net,))
    x, y = clusters()
    with pytest.raises(DataError, match="takes pictures, not rows of shape"):
        study(tmp_path / "array", x, label=y, backbone=(net,))
    assert not (tmp_path / "table").exists()  # the mended command is not held against it


def test_one_picture_out_of_range_is_found_before_anything_is_fitted(tmp_path: Path, net: str):
    x, y = pictures(N)
    wrong = x / np.float32(255)
    wrong[77, 3, 3, 1] = 9
    with pytest.raises(DataError, match="values from"):
        study(tmp_path / "out", wrong, label=y, backbone=(net,))
    study(tmp_path / "out", x / np.float32(255), label=y, backbone=(net,), rivals=("raw",))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("file:missing.npz", DataError),
        ("nothing", DataError),
        ("{net}::e", SentenceError),
        ("{net}::", SentenceError),
    ],
)
def test_a_net_or_a_stage_that_is_not_there_is_refused(tmp_path: Path, net: str, npz: str, name: str, error: type):
    with pytest.raises(error):
        study(tmp_path / "out", npz, backbone=(name.format(net=net),))
    assert not (tmp_path / "out").exists()


def test_the_note_on_grey_pictures_is_said_once(tmp_path: Path, net: str):
    x, y = pictures(N)
    other = f"file:{net_file(tmp_path, 'other.npz', seed=2)}"
    out = tmp_path / "out"
    verdict = study(out, x[..., :1], label=y, backbone=(net, f"{net}::all", other), rivals=("raw",), seeds=2)
    grey = [line for line in verdict["said"] if "three channels" in line]
    assert len(grey) == 1 and grey[0].startswith("note: net.npz, other.npz: ")
    assert (out / "report.html").read_text(encoding="utf-8").count("in all three channels") == 1


def test_without_labels_features_of_another_width_are_shown_but_not_ranked(tmp_path: Path, net: str):
    x, _ = pictures(N)
    width = open_backbone(net).widths(x[:1] / np.float32(255))
    last = open_backbone(net).last
    same = study(tmp_path / "same", x, backbone=(net,), rivals=("pca",), code_size=width[last])
    assert net not in same["barred"]
    other = study(tmp_path / "other", x, backbone=(net,), rivals=("pca",), code_size=width[last] + 1)
    assert other["winner"] == "pca" and f"are {width[last]}" in other["barred"][net]
    alone = study(tmp_path / "alone", x, backbone=(net,), rivals=("raw",))
    assert alone["winner"] == net and f"the codes of {width[last]} numbers" in alone["verdict"]


def test_a_bundle_races_on_the_rows_it_was_learned_for(tmp_path: Path, labelled_csv: Path):
    rows = load_data(str(labelled_csv), label="label").x
    learned = codelayer.Autoencoder(4, epochs=2, random_state=0).fit(rows)
    learned.save(tmp_path / "learned")
    name = str(tmp_path / "learned")
    verdict = study(tmp_path / "out", str(labelled_csv), label="label", backbone=(name,), rivals=("raw",))
    assert verdict["winner"] in ("raw", name, "forest", "logistic") and verdict["best_code"] == name
    table = pq.read_table(tmp_path / "out" / "codes.parquet")
    codes = np.stack([table[column].to_numpy() for column in table.column_names[1:]], 1)
    assert np.allclose(codes, learned.transform(rows), atol=1e-5)
    x, y = clusters()
    with pytest.raises(DataError):
        study(tmp_path / "other", x, label=y, backbone=(name,))


def test_rivals_chosen_by_name_leave_the_users_nets_in(net: str):
    nets = Nets((net, f"{net}::stage1"))
    x, _ = pictures(20)
    lined = line_up(codelayer.Schema.fit(x), 4, (), (), "class", ("pca",), nets.rivals())
    assert [one.name for one in keep_named(lined, ("pca",), ())] == ["raw", "pca", net, f"{net}::stage1"]


def test_names_are_taken_apart_and_titles_are_told_apart(tmp_path: Path):
    assert parted("file:C:/nets/a.npz") == ("file:C:/nets/a.npz", None)
    assert parted("file:a.npz::b, c") == ("file:a.npz", ("b", "c"))
    assert parted("timm:resnet18::all") == ("timm:resnet18", "all")
    assert short_name(f"file:nets/a.npz#sha256={'0' * 64}") == "a.npz"
    assert short_name("random:timm:resnet18") == "timm:resnet18 untrained"
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    same = [f"file:{net_file(tmp_path / folder)}" for folder in ("one", "two")]
    titles = [one.title for one in Nets((*same, *same, f"{same[0]}::stage2,stage1")).rivals()]
    assert titles == [f"{same[0]}, last stage", f"{same[1]}, last stage", "net.npz, stages stage2, stage1"]
    files = [one.name_of_file for one in Nets(same).rivals()]
    assert len(set(files)) == 2


def test_a_forecast_grows_with_the_rows_and_with_the_net(tmp_path: Path, net: str):
    x, _ = pictures(N)
    large = plan(96)
    nets = Nets((net, f"file:{net_file(tmp_path, 'large.npz', spec=large)}"))
    small, wide = nets.rivals()
    few, many = (nets.foretold(small, x, total) for total in (1000, 100_000))
    assert 0 < few.seconds < many.seconds and few.bytes < many.bytes
    assert nets.foretold(wide, x, 100_000).seconds > many.seconds


def test_the_cache_is_held_by_nobody_after_a_study(tmp_path: Path, net: str, cache: Path):
    x, y = pictures(400)
    study(tmp_path / "out", x, label=y, backbone=(net,), rivals=("raw",))
    entries = [one for one in cache.iterdir() if one.is_dir()]
    assert len(entries) == 3  # train, choose, report
    assert all(list(one.glob("*.f32")) and not list(one.glob("*.part")) for one in entries)


def test_what_a_piece_of_work_takes_at_most_is_measured():
    held: list[np.ndarray] = []
    grown = grown_by(lambda: held.append(np.ones(8_000_000)))
    assert grown == 0 or 60e6 < grown < 200e6  # 64 MB; 0 where the system does not tell


def test_the_command_takes_several(tmp_path: Path, net: str, npz: str, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    commands.study(npz, out=str(out), backbone=(net, f"random:{net}::stage1"), rivals=("raw",), quick=True, workers=1)
    printed = capsys.readouterr().out
    assert "net.npz, last stage" in printed and "net.npz untrained, stage1" in printed
    assert bundle.read(out / "bundle").kind == "headed"
