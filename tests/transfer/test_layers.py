"""Layer transfer: what is copied keeps its bits, degenerate numbers of blocks, planted answers, resuming, errors."""

from __future__ import annotations

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from codelayer.cli import main
from codelayer.errors import DataError, RunError, SentenceError
from codelayer.nets.backbone import Backbone, Pictures
from codelayer.transfer import layer_transfer
from codelayer.transfer.blocknet import block_net
from codelayer.transfer.copies import KEPT, Learned, Lesson, Way, begun, learned, learned_from_scratch
from codelayer.transfer.layerspage import ABOUT, write_layers
from codelayer.transfer.outcomes import LayerTransfer, Outcome, merged, spread
from codelayer.transfer.treatments import treatments

SIDE, NOISE = 8, 1.0


def rows(n: int, seed: int, order: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of noise that hide two numbers, one on the first sixteen pixels, one on the next; and these numbers."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 2))
    pixels = rng.normal(size=(n, SIDE * SIDE)) * NOISE
    pixels[:, :16] += hidden[:, :1]
    pixels[:, 16:32] += hidden[:, 1:]
    if order is not None:
        pixels = pixels[:, order]
    return (0.5 + 0.1 * pixels).clip(0, 1).reshape(n, SIDE, SIDE), hidden


def quadrant(hidden: np.ndarray) -> np.ndarray:
    return 2 * (hidden[:, 0] > 0) + (hidden[:, 1] > 0)


def sector(hidden: np.ndarray) -> np.ndarray:
    """Three classes with names of their own, by the angle of the two numbers."""
    return 10 + (np.floor((np.arctan2(hidden[:, 1], hidden[:, 0]) + np.pi) / (2 * np.pi / 3)).astype(int) % 3)


def narrow_net() -> Backbone:
    """Three blocks; the first has only two outputs, so that it must know where to look."""
    parts = OrderedDict(
        block1=nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2)),
        block2=nn.Sequential(nn.Linear(2, 16), nn.ReLU()),
        block3=nn.Sequential(nn.Linear(16, 16), nn.ReLU()),
    )
    prepare = Pictures(0, 0, 1, (0.5,), (0.1,))
    return Backbone("narrow", nn.Sequential(parts), {one: one for one in parts}, prepare, trained=False)


def little(n: int = 60, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures 8 x 8, brighter by class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (rng.integers(0, 120, (n, SIDE, SIDE)) + 60 * y[:, None, None]).clip(0, 255).astype(np.uint8), y


def lesson(n: int = 30, steps: int = 10, seed: int = 3) -> Lesson:
    x, y = little(n, seed=seed)
    return Lesson(x[..., None], y.astype(str), steps, 8, seed)


@pytest.fixture(scope="module")
def source() -> Learned:
    x, _ = little()
    return learned_from_scratch(block_net(x[..., None], (4, 4, 8, 8)), lesson(60, 20, 1))


def state(net: Backbone, stage: str) -> dict[str, torch.Tensor]:
    whole = net.net.state_dict()
    return {name: whole[name].clone() for name in net.by_stage()[stage]}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


WAYS = [one for same in (True, False) for one in treatments(("block1", "block2", "block3", "block4"), same, True)]


@pytest.mark.parametrize("one", WAYS, ids=lambda one: f"{one.name}, {one.way.head}")
def test_held_copies_keep_every_bit_and_everything_else_learns(source, one):
    before = source.net.weights_hash()
    found = learned(source, one.way, lesson())
    start = begun(source.net, one.way.copied, lesson())
    for stage in source.net.stages:
        mine, given = state(found.net, stage), state(source.net, stage)
        assert equal(mine, given) == (stage in one.way.held), stage
        assert equal(state(start, stage), given) == (stage in one.way.copied), stage
        if stage not in one.way.held:
            assert not equal(mine, state(start, stage)), f"{stage} has not learned"
            assert any("running_mean" in name for name in mine)
    assert np.array_equal(found.weight, source.weight) == (one.way.head == KEPT)
    assert source.net.weights_hash() == before


def test_copying_nothing_is_training_from_scratch(source):
    scratch = learned_from_scratch(source.net, lesson())
    for kind in ("front", "back"):
        none = next(one for one in treatments(source.net.stages, False) if one.kind == kind and one.k == 0)
        found = learned(source, none.way, lesson())
        assert found.net.weights_hash() == scratch.net.weights_hash()
        assert np.array_equal(found.weight, scratch.weight)


def test_copying_all_from_the_back_with_equal_classes_is_the_source_net(source):
    x, _ = little(40, seed=9)
    whole = [one for one in treatments(source.net.stages, True) if one.name in ("back 4", "zero-shot")]
    assert len(whole) == 2
    for one in whole:
        assert np.array_equal(learned(source, one.way, lesson()).predict(x[..., None]), source.predict(x[..., None]))


def test_new_classes_give_front_and_back_the_same_ends():
    by_name = {one.name: one.way for one in treatments(("a", "b", "c"), same_classes=False)}
    assert by_name["front 0"] == by_name["back 0"]
    assert by_name["front 3"] == by_name["back 3"] == by_name["head only"]
    assert "zero-shot" not in by_name
    kept = {one.name: one.way for one in treatments(("a", "b", "c"), same_classes=True)}
    assert kept["back 0"] == Way((), (), KEPT) and kept["front 0"].head == "new"


def test_every_kind_of_treatment_is_explained():
    assert {one.kind for one in WAYS} == set(ABOUT)


def planted(same: bool) -> LayerTransfer:
    order = np.random.default_rng(5).permutation(SIDE * SIDE) if same else None
    classes, few = (quadrant, 10) if same else (sector, 3)
    known, hidden = rows(600, 0)
    learn, more = rows(300, 1, order)
    test, last = rows(300, 2, order)
    return layer_transfer(
        known, quadrant(hidden), learn, classes(more), test, classes(last),
        labels_per_class=few, seeds=2, net=narrow_net(), steps=60, source_steps=200,
    )  # fmt: skip


def test_permuted_pixels_are_an_input_shift_where_the_back_is_worth_copying():
    found = planted(same=True)
    assert found.shift == "input shift" and min(found.source_accuracy) > 0.7
    assert found.better[0]["verdict"] == "back" and found.better[0]["chosen"]
    front = next(row for row in found.rows if row["treatment"] == "front 1")
    assert front["accuracy"] < 0.55  # two numbers read off the wrong pixels; in their place .8
    assert found.best(10, "back")["accuracy"] > front["accuracy"] + 0.2
    assert "the last blocks beats copying the first" in found.sentences[0]


def test_new_classes_of_the_same_pictures_are_a_task_shift_where_the_front_is_worth_copying():
    found = planted(same=False)
    assert found.shift == "task shift"
    assert found.better[0]["verdict"] == "front"
    back = max(row["accuracy"] for row in found.rows if row["treatment"] in ("back 1", "back 2"))
    assert found.best(3, "front")["accuracy"] > back + 0.05


def cheap(run=None, **options) -> LayerTransfer:
    x, y = little(60)
    given = {"labels_per_class": 3, "seeds": 2, "channels": (3, 3), "steps": 4, "source_steps": 4} | options
    return layer_transfer(x, y, *little(40, seed=1), *little(40, seed=2), run=run, **given)


def timeless(found: LayerTransfer) -> str:
    record = found.record()
    kept = [{name: value for name, value in row.items() if name != "seconds"} for row in record["rows"]]
    return json.dumps(record | {"rows": kept}, sort_keys=True)


def test_a_stopped_run_goes_on_to_the_same_result_and_redoes_nothing_that_is_finished(tmp_path):
    whole = cheap()
    assert timeless(cheap(tmp_path / "run")) == timeless(whole)
    file = tmp_path / "run" / "checkpoints" / "outcomes.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:5], lines[5][:30]]))  # cut short in the sixth line
    (tmp_path / "run" / "checkpoints" / "source-1.safetensors").unlink()
    assert timeless(cheap(tmp_path / "run")) == timeless(whole)
    assert len(file.read_text().splitlines()) == len(lines)
    first = json.loads(lines[0])
    first["right"] = "ff" * (len(first["right"]) // 2)
    file.write_text("\n".join([json.dumps(first), *lines[1:]]))
    again = cheap(tmp_path / "run")
    assert again.outcomes[0].accuracy == 1.0 and again.outcomes[1].accuracy == whole.outcomes[1].accuracy


def test_a_folder_of_another_run_is_refused(tmp_path):
    cheap(tmp_path / "run")
    with pytest.raises(RunError, match="steps=4, now steps=5"):
        cheap(tmp_path / "run", steps=5)


def test_nothing_is_chosen_on_test_rows():
    x, y = little(60)
    target = little(60, seed=1)
    test_x, test_y = little(40, seed=2)
    turned = np.roll(test_y, 1)
    found = [
        layer_transfer(x, y, *target, test_x, some, 3, 2, channels=(3, 3, 3), steps=4, source_steps=8)
        for some in (test_y, turned)
    ]
    a, b = (one.better[0] for one in found)
    assert (a["back_k"], a["front_k"]) == (b["back_k"], b["front_k"])
    assert [one.choose for one in found[0].outcomes] == [one.choose for one in found[1].outcomes]
    assert a["per_seed"] != b["per_seed"] or a["back_minus_front"] != b["back_minus_front"]


def test_without_rows_to_choose_on_sides_are_compared_by_their_means():
    x, y = little(60)
    found = layer_transfer(x, y, *little(9), *little(30, seed=2), 3, 1, channels=(3, 3, 3), steps=2, source_steps=2)
    told = found.better[0]
    assert not told["chosen"] and told["front_k"] == []
    by = {row["treatment"]: row["accuracy"] for row in found.rows}
    expected = (by["back 1"] + by["back 2"] - by["front 1"] - by["front 2"]) / 2
    assert told["back_minus_front"][0] == pytest.approx(expected)
    assert any("no labelled target row was left" in note for note in found.notes)


def test_classes_that_overlap_in_part_are_new_classes_and_said_to_be():
    x, y = little(60)
    other, some = little(40, seed=1)
    test, last = little(40, seed=2)
    found = layer_transfer(
        x, y, other, some + 1, test, last + 1.0, 3, 1, channels=(3, 3), steps=2, source_steps=2
    )
    assert found.shift == "task shift" and "share 2 classes (1, 2)" in found.notes[0]
    same = layer_transfer(x, y, other, some.astype(str), test, last * 1.0, 3, 1, channels=(3,), steps=2, source_steps=2)
    assert same.shift == "input shift"  # 2, 2.0 and "2" are one class


def test_test_pictures_that_are_learned_from_are_counted():
    x, y = little(60)
    few = {"labels_per_class": 2, "seeds": 1, "channels": (3,), "steps": 2, "source_steps": 2}
    other = np.concatenate([x[:7], little(20, seed=4)[0]])
    found = layer_transfer(x, y, *little(40, seed=1), other, np.arange(27) % 3, **few)
    assert found.notes == ["7 of 27 test pictures are also among those learned from"]


X, Y = little(30)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target_x": X[:, :6]}, "source pictures are 8 x 8 with 1 channel, target pictures 6 x 8"),
        ({"test_x": np.repeat(X[..., None], 3, 3)}, "test pictures 8 x 8 with 3 channels"),
        ({"target_x": X / 255}, "some pictures are whole numbers"),
        ({"labels_per_class": 11}, "class '0' has 10 labelled target rows, of which 11"),
        ({"test_y": Y + 1}, "class '3' is only in the test part"),
        ({"source_y": Y * 0}, "a single class"),
        ({"source_x": X.reshape(30, -1)}, "source rows of shape"),
        ({"source_y": None}, "the source has no labels"),
        ({"source_x": object()}, "the source is a table, not pictures"),
        ({"target_y": Y[:-1]}, "30 target pictures have labels of shape"),
        ({"target_y": np.full(30, None, object)}, "no target row has a label"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused_in_words(change, told):
    given = {"source_x": X, "source_y": Y, "target_x": X, "target_y": Y, "test_x": X, "test_y": Y} | change
    with pytest.raises(DataError, match=told):
        layer_transfer(**given)


@pytest.mark.parametrize(
    "change", [{"seeds": 0}, {"steps": 0}, {"labels_per_class": []}, {"channels": ()}, {"learning_rate": 0}]
)
def test_numbers_that_are_not_possible_are_refused(change):
    with pytest.raises(SentenceError, match="is not possible|is no net"):
        layer_transfer(X, Y, X, Y, X, Y, **change)


def test_rows_without_a_label_are_left_out():
    gaps = Y.astype(object)
    gaps[:3] = [None, "", float("nan")]
    few = {"labels_per_class": 2, "seeds": 1, "channels": (3,), "steps": 2, "source_steps": 2}
    a = layer_transfer(X, Y, X, gaps, X, Y, **few)
    b = layer_transfer(X, Y, X[3:], Y[3:], X, Y, **few)
    assert timeless(a) == timeless(b)


def test_the_interval_of_seeds_without_spread_in_rows_is_that_of_their_mean():
    values = np.array([0.1, 0.3, 0.4, 0.6, 0.9, 0.2, 0.5, 0.7])
    found = spread([(np.full(20, one), str(at)) for at, one in enumerate(values)], resamples=20_000)
    error = values.std(ddof=1) / len(values) ** 0.5
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.05)
    same = spread([(np.full(20, 0.5), "a")] * 3)
    assert (same.low, same.high) == (0.5, 0.5)


def test_seeds_on_the_same_rows_share_their_resampled_rows():
    rng = np.random.default_rng(0)
    right = (rng.random(100) < 0.7).astype(float)
    shared = spread([(right, "a")] * 8)
    alone = spread([(right, str(at)) for at in range(8)])
    error = (0.7 * 0.3 / 100) ** 0.5
    assert (shared.high - shared.low) / (2 * 1.96 * error) == pytest.approx((8 / 7) ** 0.5, rel=0.15)
    assert alone.high - alone.low < 0.6 * (shared.high - shared.low)


def test_results_of_splits_are_put_together_and_unlike_ones_are_not():
    def made(seed: int, shift: str = "input shift") -> LayerTransfer:
        right = np.random.default_rng(seed).random(50) < 0.5
        names = [("front 1", "front", 1), ("back 1", "back", 1), ("tune one block 1", "tune one block", 1)]
        outcomes = [Outcome(*one, 5, 0, right, 0.5, str(seed)) for one in names]
        return LayerTransfer(outcomes, shift, 2, 0.1, [0.9])

    whole = merged([made(0), made(1)])
    assert next(row["seeds"] for row in whole.rows) == [made(0).rows[0]["accuracy"], made(1).rows[0]["accuracy"]]
    assert whole.better[0]["verdict"] == "open" and whole.better[0]["per_seed"] == [0.0, 0.0]
    with pytest.raises(DataError, match="2 kinds of results"):
        merged([made(0), made(1, "task shift")])


def test_a_page_and_a_record_are_written(tmp_path):
    found = cheap(tune_copies=True, labels_per_class=(2, 3))
    page = write_layers(found, tmp_path, "one <b>", "other").read_text(encoding="utf-8")
    assert page.count("<svg") >= 4 and "one &lt;b&gt;" in page and "<b>" not in page.split("<style>")[0]
    record = json.loads((tmp_path / "layers.json").read_text())
    assert record["shift"] == "input shift" and {row["labels"] for row in record["rows"]} == {2, 3}
    assert "front, tuned 1" in {row["treatment"] for row in record["rows"]}


def test_the_command_writes_a_page_goes_on_and_refuses_in_words(tmp_path, capsys):
    x, y = little(90)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savez(tmp_path / "b.npz", x=255 - x, y=y)
    np.savez(tmp_path / "c.npz", x=x[:, :6], y=y)
    out = tmp_path / "out"
    words = ["transfer", "layers", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--out", str(out)]
    few = ["--seeds", "1", "--steps", "2", "--source-steps", "2", "--labels", "2,3"]
    assert main([*words, *few]) == 0
    said = capsys.readouterr().out
    assert "zero-shot" in said and "3 labels per class" in said and (out / "report.html").exists()
    assert json.loads((out / "layers.json").read_text())["settings"]["labels_per_class"] == [2, 3]
    assert main([*words, *few]) == 0 and capsys.readouterr().out == said
    assert main([*words, *few, "--tune-copies"]) == 2 and "tune_copies" in capsys.readouterr().err
    assert main([*words[:3], str(tmp_path / "c.npz"), "--out", str(tmp_path / "o2")]) == 2
    assert "6 x 8" in capsys.readouterr().err and not (tmp_path / "o2").exists()
    assert main([*words, "--labels", "many"]) == 2 and "--labels many" in capsys.readouterr().err
