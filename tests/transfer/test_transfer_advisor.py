"""Advice, its words, the winner and its bundle."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import softmax
from transfer_cases import net_file, pictures

import codelayer
from codelayer.errors import CodelayerError, DataError
from codelayer.transfer import advise, open_backbone
from codelayer.transfer.advicetext import sentences
from codelayer.transfer.candidates import DEFAULT, Candidate
from codelayer.transfer.labelled import checked_seed, groups_of, labels_of
from codelayer.transfer.race import Raced
from codelayer.transfer.scoring import Scored
from codelayer.transfer.shifts import tell_shift
from codelayer.transfer.weak import leep
from codelayer.transfer.winner import Winner

pytestmark = pytest.mark.filterwarnings("ignore:pictures of", "ignore:.*unlabelled")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    net = f"file:{net_file(tmp_path_factory.mktemp('net'))}"
    x, y = pictures(48)
    return advise(net, x, np.where(np.arange(48) < 36, y, None), 3, cache=None), x, y


@pytest.fixture(scope="module")
def found_in_floats(found):
    x, y = pictures(30)
    return advise(found[0].model.extractor.backbone_, x / 255, y, 0, cache=None)


def test_advice_names_quadrant_reasons_runner_up_scratch_cost_and_when_it_would_change(found):
    text = str(found[0])
    for words in ("Use ", "Quadrant: ", "backbone", "Runner-up: ", "from scratch", "textbook", "short", "It took"):
        assert words in text, words
    assert "36 labelled rows" in text


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        (DEFAULT, "frozen", "behind (standard error 0.111), which may be luck: all stages are left only for"),
        ("forest on raw rows", "raw", "behind (standard error 0.111): where the net does not help, raw rows"),
    ],
)
def test_a_choice_that_has_not_the_highest_mean_says_why(found, name, kind, said):
    points = np.array([1.0, 1, 0, 0, 1, 0, 1, 0, 1])
    chosen = Raced(Candidate(name, kind, "", stage="all"), Scored(points), 1.0)
    second = Raced(Candidate("other", "frozen", ""), Scored(np.maximum(points, np.arange(9) == 3)), 1.0)
    advice = dataclasses.replace(found[0], raced=[chosen, second], chosen=chosen)
    assert said in "\n".join(sentences(advice))


def test_advice_is_plain_json_with_every_candidate(found):
    record = json.loads(json.dumps(found[0].record()))
    names = {one["name"] for one in record["candidates"]}
    assert {"training from scratch", DEFAULT, "forest on raw rows", "a code learned on your own rows"} <= names
    assert record["chosen"] in names
    assert record["diagnosis"]["labels"] == 12


def test_the_winner_predicts_rows_it_has_not_seen(found):
    advice, x, y = found
    assert (advice.model.predict(x[36:]) == y[36:]).mean() > 0.7


def test_the_winner_is_saved_and_predicts_the_same_from_its_bundle(found, tmp_path):
    advice, x, _ = found
    advice.model.save(tmp_path / "won")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "won").predict(x), advice.model.predict(x))


@pytest.mark.parametrize("name", ["forest on raw rows", "linear head on raw rows", DEFAULT, "nearest mean on stage2"])
@pytest.mark.parametrize("as_float", [False, True])
def test_whatever_wins_is_saved_as_it_predicts(found, found_in_floats, tmp_path, name, as_float):
    x = pictures(30)[0]
    x = x / 255 if as_float else x
    advice = found_in_floats if as_float else found[0]
    chosen = next(one.candidate for one in advice.raced if one.candidate.name == name)
    winner = Winner(advice.model.extractor, chosen, advice.model.race).fit()
    winner.save(tmp_path / "won")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "won").predict(x), winner.predict(x))


def test_numbers_are_advised_on_as_numbers_and_the_winner_is_saved(tmp_path):
    x, _ = pictures(60)
    numbers = x.mean((1, 2, 3)) / 10 + 0.01
    advice = advise(f"file:{net_file(tmp_path)}", x, numbers, 0, cache=None)
    assert advice.facts["task"] == "number"
    assert "R2" in str(advice)
    assert "nearest mean" not in str([one.candidate.name for one in advice.raced])
    for one in advice.raced:
        winner = Winner(advice.model.extractor, one.candidate, advice.model.race).fit()
        winner.save(tmp_path / "won.zip")
        np.testing.assert_allclose(codelayer.load(tmp_path / "won.zip").predict(x), winner.predict(x), atol=1e-3)


def test_every_head_tells_what_it_cost(found):
    heads = [one for one in found[0].raced if not one.candidate.trains]
    assert all(0 < one.to_fit < one.seconds for one in heads)


def test_the_textbook_strategy_takes_what_the_textbook_says(tmp_path):
    x, y = pictures(30)
    advice = advise(f"file:{net_file(tmp_path)}", x, y, 0, strategy="textbook", cache=None)
    assert advice.chosen.candidate.name == advice.textbook[0].name


def test_source_rows_bring_distances_and_the_kind_of_shift(tmp_path):
    x, y = pictures(36)
    source, known = pictures(36, seed=1)
    net = f"file:{net_file(tmp_path)}"
    same = advise(net, x, y, 0, source=source, source_y=known, cache=None)
    assert same.diagnosis.shift == "none"
    dark = advise(net, x, y, 0, source=255 - source, source_y=known, cache=None)
    assert dark.diagnosis.shift == "input"
    other = advise(net, x, y, 0, source=source, source_y=np.where(known == "top", "new", known), cache=None)
    assert other.diagnosis.shift == "task"
    assert set(same.diagnosis.distances) == {"stage1", "stage2"}


def test_grey_pictures_are_advised_on_with_and_without_a_channel_axis(tmp_path):
    x, y = pictures(30)
    grey, net = x[..., 0], open_backbone(f"file:{net_file(tmp_path)}")
    plain = advise(net, grey, y, 1, cache=None)
    with_axis = advise(net, grey[..., None], y, 0, cache=None)
    assert plain.facts["weak"] == with_axis.facts["weak"]
    logits = net.net.eval()(net.prepare((grey[..., None] / 255).astype(np.float32)))
    assert plain.facts["weak"]["leep"] == pytest.approx(leep(softmax(logits.detach().numpy(), 1), y), abs=1e-5)
    for one in plain.raced:
        if one.finished:
            winner = Winner(plain.model.extractor, one.candidate, plain.model.race).fit()
            winner.save(tmp_path / "won.zip")
            np.testing.assert_array_equal(codelayer.load(tmp_path / "won.zip").predict(grey), winner.predict(grey))


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (["a"] * 29 + ["b"], {}, "class 'b' has one label"),
        (["a"] * 30, {}, "all labels are"),
        ([None] * 30, {}, "no row has a label"),
        (["a", "b"], {}, "30"),
        (["a", "b"] * 15, {"strategy": "luck"}, "strategy="),
        (["a", "b"] * 15, {"budget": -1}, "budget="),
        (["a", "b"] * 15, {"seed": -1}, "seed="),
        (["a", "b"] * 15, {"seed": 2**32}, "seed="),
        (["a", "b"] * 15, {"groups": np.arange(31) % 4}, "do not fit 30 rows"),
        (["a", "b"] * 15, {"groups": np.arange(29) % 4}, "do not fit 30 rows"),
        (["a", "b"] * 15, {"groups": [None, *range(29)]}, "1 labelled rows have no group, first row 0"),
        (["a", "b"] * 15, {"groups": np.arange(30) % 2}, "class 'a' lies in one group"),
    ],
)
def test_what_cannot_be_advised_on_is_refused_in_a_sentence(tmp_path, labels, options, said):
    with pytest.raises(DataError, match=said):
        advise(f"file:{net_file(tmp_path)}", pictures(30)[0], labels, cache=None, **{"budget": 0, **options})


def test_labels_groups_and_seed_are_read_as_what_they_are():
    x = np.zeros((6, 2))
    task, rows, known = labels_of(x, [1, "", 0, 1, 0, None])
    assert (task, rows.tolist(), known.tolist()) == ("class", [0, 2, 3, 4], [1, 0, 1, 0])
    assert labels_of(x, (1, "", 0, 1, 0, None))[2].dtype.kind == "i"
    np.testing.assert_array_equal(groups_of(["b", "a", 7, None, "a", "b"], 6, np.array([0, 1, 2, 4])), [2, 1, 0, 1])
    assert groups_of(None, 6, rows) is None
    assert checked_seed(np.int64(3)) == 3


def test_the_task_may_be_said_and_words_are_no_numbers():
    x, halves = np.zeros((8, 2)), [0.5, 1.5] * 4
    assert labels_of(x, halves)[0] == "number"
    task, _, known = labels_of(x, halves, "class")
    assert task == "class" and set(known.tolist()) == {0.5, 1.5}
    assert labels_of(x, [0, 1] * 4)[0] == "class"
    assert labels_of(x, [0, 1] * 4, "number")[0] == "number"
    for labels, task, said in ((["a", "b"] * 4, "number", "are no numbers"), (halves, "rank", "task='rank'")):
        with pytest.raises(DataError, match=said):
            labels_of(x, labels, task)


def test_a_budget_may_be_a_number_of_numpys(tmp_path):
    with pytest.raises(DataError, match="labels"):
        advise("file:none.npz", np.zeros((4, 2)), ["a", "b"], np.int64(0))


class Stored:
    """Features of rows that are features already."""

    stages_ = ("a", "b")

    def stage_features(self, x):
        return {stage: np.asarray(x, np.float32) for stage in self.stages_}


@pytest.mark.parametrize("way", [lambda y: y.astype(str), lambda y: y.astype(float), lambda y: y.tolist()])
def test_source_classes_are_the_same_in_words_and_in_numbers_and_some_may_be_missing(way):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    x = rng.normal(size=(24, 4)) + 3 * np.eye(4)[y]
    stages = Stored().stage_features(x + 9)
    for known in (way(y), [None if at % 4 == 0 else one for at, one in enumerate(way(y))]):
        told, why, apart = tell_shift(Stored(), x, known, stages, y, 1 / 3)
        assert (told, set(apart)) == ("input", {"a", "b"}), why
    for labels in (["x", None, "z"], y):
        told = tell_shift(Stored(), x, [labels[one] for one in y], stages, np.array(["x", "y", "z"])[y], 1 / 3)
        assert told[0] == "task"
    assert tell_shift(Stored(), x, [0] * 24, stages, y, 1 / 3)[0] == "task"
    assert tell_shift(Stored(), x, [None] * 24, stages, y, 1 / 3)[0] == ""
    with pytest.raises(DataError, match="source labels"):
        tell_shift(Stored(), x, way(y)[:5], stages, y, 1 / 3)


def test_of_numbers_distances_are_told_but_no_kind_of_shift():
    x = np.random.default_rng(0).normal(size=(24, 4))
    told, why, apart = tell_shift(Stored(), x, x[:, 0], Stored().stage_features(x), x[:, 1], 0.0)
    assert (told, why, set(apart)) == ("", "", {"a", "b"})


def test_equal_seeds_give_equal_advice(tmp_path):
    x, y = pictures(30)
    one, two = (advise(f"file:{net_file(tmp_path)}", x, y, 0, cache=None).record() for _ in range(2))
    timed = ("seconds", "candidates", "sentences")
    assert {k: v for k, v in one.items() if k not in timed} == {k: v for k, v in two.items() if k not in timed}


def test_a_score_that_is_not_there_is_an_error_with_the_reason():
    with pytest.raises(CodelayerError, match="late"):
        _ = Raced(Candidate("x", "tuned", ""), None, ended="late").told
