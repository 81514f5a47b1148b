"""Diagnosis, short lists, the race, advice: planted cases whose answer is known."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from functools import lru_cache

import numpy as np
import pytest
from scipy.special import softmax
from transfer_cases import net_file, pictures

import codelayer
from codelayer.errors import CodelayerError, DataError
from codelayer.transfer import advise, open_backbone
from codelayer.transfer.advicetext import changes, changes_at, sentences
from codelayer.transfer.advisor import Advice
from codelayer.transfer.candidates import DEFAULT, OWN_CANDIDATE, SCRATCH, Candidate, always, short_list, textbook
from codelayer.transfer.diagnosis import Diagnosis, diagnose, extrapolated, told_shift
from codelayer.transfer.features import schema_for
from codelayer.transfer.kept import KeptScores
from codelayer.transfer.labelled import checked_seed, groups_of, labels_of
from codelayer.transfer.race import BudgetSpent, Race, Raced, choice, order_of
from codelayer.transfer.rawrows import raw_scores, small_pictures
from codelayer.transfer.scoring import Scored, always_new, folds_of
from codelayer.transfer.shifts import tell_shift
from codelayer.transfer.weak import leep
from codelayer.transfer.winner import OwnCode, Winner

pytestmark = pytest.mark.filterwarnings("ignore:pictures of", "ignore:.*unlabelled")


def planted(knows: dict[str, float], n: int = 120, twin: float = 0.0, raw: float = 0.0, seed: int = 0):
    """Stages whose first columns say so much of the class; likewise of the twin's and of raw rows."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3

    def features(strength):
        x = rng.normal(size=(n, 12))
        x[:, :3] += strength * np.eye(3)[y]
        return x.astype(np.float32)

    folds = folds_of(y)
    scores = raw_scores(features(raw), y, folds)
    return diagnose({s: features(v) for s, v in knows.items()}, {s: features(twin) for s in knows}, scores, y, folds)


# --- diagnosis ------------------------------------------------------------------------------------------------------


def test_a_net_whose_last_stage_knows_most_is_similar():
    d = planted({"a": 0.5, "b": 1.5, "c": 4.0})
    assert (d.verdict, d.depth, d.best, d.helps) == ("similar", 1.0, "c", True)
    assert d.similarity > 0.95


def test_a_net_whose_middle_knows_most_is_different():
    d = planted({"a": 1.0, "b": 4.0, "c": 0.3})
    assert (d.verdict, d.latest, d.helps) == ("different", "b", True)
    assert d.depth == pytest.approx(2 / 3)
    assert d.similarity < 0.8


@pytest.mark.parametrize("seed", range(4))
def test_a_net_that_knows_no_more_than_its_twin_does_not_help(seed):
    assert not planted({"a": 1.0, "b": 1.0}, twin=1.5, seed=seed).helps


@pytest.mark.parametrize("seed", range(4))
def test_a_net_that_knows_less_than_raw_rows_does_not_help(seed):
    d = planted({"a": 1.0, "b": 1.0}, raw=4.0, seed=seed)
    assert not d.helps
    assert "raw rows" in d.rival[0]


def flat(mean: float, n: int = 400) -> Scored:
    """Rows of which so many are right, in an order of their own."""
    return Scored((np.arange(n) * 7 % n < mean * n).astype(float), share=True)


def told_of(net: dict[str, float], labels: int = 40, gain: float = 0.0, **numbers: Scored | str) -> Diagnosis:
    """A diagnosis of given scores, of ten classes; chance .1, twin and raw rows .2."""
    scores = {stage: flat(value) for stage, value in net.items()}
    twin = dict.fromkeys(net, flat(0.2))
    d = Diagnosis(tuple(net), scores, twin, flat(max(net.values())), {"forest": flat(0.2)}, "class", labels, 0.1)
    d.gain = gain
    return dataclasses.replace(d, **numbers)


def test_the_twins_stages_together_are_a_rival_as_the_nets_own_are_an_entry():
    d = told_of({"a": 0.5, "b": 0.5}, together=flat(0.6))
    assert d.helps and d.rival[0] == "the untrained twin's a"
    d.twin_together = flat(0.6)
    assert d.rival == ("the untrained twin's all stages", d.twin_together)
    assert not d.helps
    rng = np.random.default_rng(0)
    y, stages = np.arange(30) % 3, {s: rng.normal(size=(30, 4)).astype(np.float32) for s in "ab"}
    folds = folds_of(y)
    same = diagnose(stages, stages, raw_scores(stages["a"], y, folds), y, folds)
    np.testing.assert_array_equal(same.twin_together.points, same.together.points)
    assert not same.helps and same.lead[0] <= 0


def test_a_net_that_is_not_ahead_of_chance_does_not_help_however_bad_its_rivals_are():
    y = np.random.default_rng(0).normal(size=60)
    noise = 0.1 * np.random.default_rng(1).normal(size=60)
    bad, worse = Scored(-0.05 + noise), Scored(-1.0 + noise)
    d = Diagnosis(("a",), {"a": bad}, {"a": worse}, bad, {"forest": worse}, "number", len(y), 0.0)
    assert d.lead[0] > d.lead[1] and not d.knows and not d.helps
    d.net["a"] = d.together = Scored(0.05 + noise)
    assert d.knows and d.helps
    assert not told_of({"a": 0.1}, twin={"a": flat(0.0)}, raw={"forest": flat(0.0)}).helps


def test_without_a_twin_raw_rows_or_chance_take_its_place():
    d = told_of({"a": 0.6, "b": 0.5}, twin={})
    assert d.similarity == pytest.approx((0.5 - 0.2) / (0.6 - 0.2))
    assert d.rival[0] == "forest on raw rows" and d.helps
    assert json.loads(json.dumps(d.record()))["stages"][0]["twin"] is None
    d.raw = {"forest": flat(0.05)}
    assert d.similarity == pytest.approx((0.5 - 0.1) / (0.6 - 0.1))
    assert told_of({"a": 0.1, "b": 0.1}, twin={}).similarity == 0


def test_little_and_much_follow_from_labels_and_from_what_doubling_would_win():
    assert planted({"a": 4.0}, n=30).size == "little"
    d = planted({"a": 6.0}, n=120)
    assert (d.labels, d.size) == (40, "much")


def test_the_learning_curve_is_fitted_by_a_power_law():
    n = np.array([0.25, 0.5, 1.0])
    curve = dict(zip(n, 0.9 - 0.1 * n**-0.5, strict=True))
    limit, gain, exponent = extrapolated(curve)
    assert limit == pytest.approx(0.9, abs=1e-3)
    assert gain == pytest.approx(0.1 * (1 - 2**-0.5), abs=1e-3)
    assert exponent == pytest.approx(0.5, abs=1e-2)
    assert np.isnan(extrapolated({0.5: 0.3, 1.0: 0.5})[1])
    assert extrapolated({0.25: 0.5, 0.5: 0.5, 1.0: 0.5})[1] == 0


def test_the_number_of_labels_at_which_the_advice_changes_is_where_doubling_wins_two_points():
    d = planted({"a": 4.0}, n=30)
    d.gain, d.exponent, d.labels = 0.08, 0.5, 10
    assert changes_at(d) == 160  # a fourth of the gain needs 16 times the labels
    d.gain = 0.01
    assert changes_at(d) == 20
    d.gain = float("nan")
    assert changes_at(d) is None


def case_of(verdict: str, labels: int, gain: float, shift: str = "") -> Diagnosis:
    """A diagnosis of a verdict and a size."""
    knows = {"similar": (0.3, 0.9), "different": (0.9, 0.3), "unclear": (0.9, 0.88)}[verdict]
    d = told_of(dict(zip("ab", knows, strict=True)), labels, gain, shift=shift)
    if verdict == "unclear":
        d.twin = dict.fromkeys("ab", flat(0.7))
        d.net["b"] = Scored(np.random.default_rng(0).permutation(d.net["b"].points), share=True)
    assert d.verdict == verdict
    return d


@pytest.mark.parametrize("verdict", ["similar", "different", "unclear"])
@pytest.mark.parametrize("shift", ["", "input"])
@pytest.mark.parametrize(("size", "other"), [((99, 0.0), (19, 0.0)), ((10, 0.05), (20, 0.0)), ((40, 0.05), (40, 0.0))])
def test_what_would_change_is_what_the_short_lists_differ_by(verdict, shift, size, other):
    d, then = (case_of(verdict, *one, shift=shift) for one in (size, other))
    now, later = ({one.name for one in short_list(case)} for case in (d, then))
    told = changes(d)
    assert d.size != then.size
    assert ("would stay the same" in told) == (now == later)
    for name in now | later:
        assert (name in told) == (name in now ^ later), told
    assert now != later or verdict != "similar" or shift


def test_the_textbooks_own_rule_is_named_where_it_differs_from_the_quadrants():
    for d, odd in ((case_of("similar", 40, 0.05), "20 labels per class are much"), (case_of("similar", 40, 0.0), "")):
        told = str(advised(d))
        assert f"Quadrant: {d.size}" in told and "The textbook would say (much" in told
        assert ("its rules are others" in told) == bool(odd) and odd in told
    assert "counts as similar there" in str(advised(case_of("unclear", 40, 0.0)))


def advised(d: Diagnosis) -> Advice:
    """Advice of a diagnosis, with one candidate and no model."""
    first = raced(DEFAULT, d.together.points)
    facts = {"labelled": 400, "budget_seconds": 1.0}
    seconds = dict.fromkeys(("diagnosis", "race", "refit", "all"), 1.0)
    found = Advice("net", d, [first], first, None, textbook(d), [], [], seconds, facts)
    found.sentences = sentences(found)
    return found


def test_what_has_shifted_is_told_from_classes_and_from_how_well_rows_are_told_apart():
    assert told_shift(0.4, 0.1, True, 0.99)[0] == "input"
    assert told_shift(float("nan"), 0.1, False, 0.99)[0] == "task"
    assert told_shift(0.9, 0.1, True, 0.52)[0] == "none"


# --- short lists ----------------------------------------------------------------------------------------------------


@lru_cache
def all_diagnoses() -> list[Diagnosis]:
    little = [planted(k, n=30) for k in ({"a": 1.0, "b": 5.0}, {"a": 5.0, "b": 0.1})]
    much = [planted(k, n=150) for k in ({"a": 1.0, "b": 6.0}, {"a": 6.0, "b": 0.1})]
    shifted = planted({"a": 1.0, "b": 5.0}, n=30)
    shifted.shift = "input"
    return [*little, *much, shifted]


def test_every_short_list_has_four_to_six_and_training_from_scratch_among_them():
    lists = [short_list(d) for d in all_diagnoses()]
    assert all(4 <= len(one) <= 6 and any(c.kind == SCRATCH for c in one) for one in lists)
    assert len({tuple(c.name for c in one) for one in lists}) == 5
    for one, d in zip(lists, all_diagnoses(), strict=True):
        names = [c.name for c in [*one, *always(d)]]
        assert len(set(names)) == len(names)


def test_the_textbook_has_one_sentence_for_each_quadrant():
    little, different, much, mixed, _ = all_diagnoses()
    assert textbook(little)[0].name == "linear head on b"
    assert textbook(different)[0].name == "linear SVM on a"
    assert textbook(much)[0].options == {"tune": "all", "start": "random"} == textbook(mixed)[0].options
    assert len({textbook(d)[1] for d in (little, different, much, mixed)}) == 4


# --- the race -------------------------------------------------------------------------------------------------------


def raced(name: str, points, ended: str = "") -> Raced:
    return Raced(Candidate(name, "frozen", ""), Scored(np.array(points, float)), ended=ended)


def test_the_default_is_taken_unless_another_is_ahead_by_more_than_luck():
    default = raced(DEFAULT, [1, 0, 1, 0, 1, 0, 1, 0])
    lucky = raced("lucky", [1, 1, 0, 0, 1, 1, 1, 0])
    sure = raced("sure", [1, 1, 1, 1, 1, 0, 1, 1])
    assert order_of([lucky, default])[0] is default
    assert order_of([lucky, sure, default])[0] is sure
    assert order_of([raced("out", np.ones(8), ended="late"), default])[0] is default


def test_raw_rows_are_taken_where_the_net_does_not_help_and_they_are_as_good():
    default = raced(DEFAULT, [1, 1, 1, 1, 0, 1, 1, 1])
    raw = Raced(Candidate("raw", "raw", ""), Scored(np.array([1, 1, 1, 0, 1, 1, 0, 1.0])))
    worse = Raced(Candidate("raw", "raw", ""), Scored(np.array([1, 0, 0, 0, 0, 1, 0, 1.0])))
    assert choice([default, raw], helps=False) is raw
    assert choice([default, raw], helps=True) is default
    assert choice([default, worse], helps=False) is default
    with pytest.raises(CodelayerError, match="no candidate finished"):
        choice([raced("x", [1, 0], ended="late")], helps=True)


def test_candidates_that_train_climb_and_the_worse_half_drops_out_but_for_scratch():
    asked = []

    class Planted(Race):
        def trained(self, one, share):
            asked.append((one.name, round(share, 2)))
            return Scored(np.full(9, float(one.options["worth"])) + np.linspace(-0.01, 0.01, 9))

    y = np.arange(9) % 3
    ways = [Candidate(f"way {i}", "tuned", "", options={"worth": i / 10}) for i in range(4)]
    scratch = Candidate("scratch", SCRATCH, "", options={"worth": 0.0})
    race = Planted({"a": np.zeros((9, 2))}, np.zeros((9, 2)), None, y, folds_of(y), None, 1e9)
    found = {one.candidate.name: one for one in race.run([*ways, scratch])}
    assert [name for name, share in asked if share == 1.0] == ["scratch", "way 3"]
    assert [name for name, share in asked if share < 0.2] == ["scratch", *(f"way {i}" for i in range(4))]
    assert found["way 0"].ended.startswith("behind at 11%")
    assert found["way 3"].finished and found["scratch"].finished


def test_a_spent_budget_ends_training_and_says_so():
    class Slow(Race):
        def trained(self, one, share):
            self.now += 100 * share
            return Scored(np.ones(9))

    y = np.arange(9) % 3
    race = Slow({"a": np.zeros((9, 2))}, np.zeros((9, 2)), None, y, folds_of(y), None, 20.0)
    race.now = 0.0
    race.clock = lambda: race.now
    (found,) = race.run([Candidate("way", "tuned", "")])
    assert not found.finished
    assert "budget of 20 s" in found.ended
    assert found.share == pytest.approx(1 / 9)


class Timed(Race):
    """Training that takes so many seconds an epoch, of 90, by a clock of its own."""

    now, pace = 0.0, 1.0

    def trained(self, one, share):
        for _ in range(round(90 * share)):
            self.go_on()
            self.now += 10.0 if one.name == "slow" else self.pace
        return Scored(np.ones(9))


def timed(budget: float, once=always_new) -> Timed:
    y = np.arange(9) % 3
    race = Timed({"a": np.zeros((9, 2))}, np.zeros((9, 2)), None, y, folds_of(y), None, budget, once=once)
    race.clock = lambda: race.now
    return race


def test_the_next_rung_is_foretold_from_the_last_one_alone():
    way = Candidate("way", "tuned", "")
    assert not timed(129.5).run([way])[0].finished  # 10, 30 and 90 s are needed
    assert timed(130.5).run([way])[0].finished


def test_a_slow_candidate_ends_itself_and_not_those_that_come_after_it():
    ways = [Candidate(name, "tuned", "") for name in ("slow", "way")] + [Candidate("scratch", SCRATCH, "")]
    race = timed(60.0)
    found = {one.candidate.name: one for one in race.run(ways)}
    assert found["slow"].score is None and found["slow"].seconds == 30.0  # half of the 50 s that scratch left
    assert found["slow"].ended == "stopped on the way to 11% of its epochs: the budget of 60 s leaves 25 s for it"
    assert found["way"].score is not None and found["scratch"].score is not None


def test_training_is_stopped_between_epochs_when_its_time_is_over(tmp_path):
    ways = [Candidate("way", "tuned", ""), Candidate("scratch", SCRATCH, "")]
    race = timed(15.0, KeptScores(tmp_path, "rows"))
    found = {one.candidate.name: one for one in race.run(ways)}
    assert race.now == 15.0 and race.until == float("inf")
    assert found["scratch"].score is None and found["way"].score is None
    assert found["way"].ended == "stopped on the way to 11% of its epochs: the budget of 15 s leaves 7 s for it"
    assert (found["scratch"].seconds, found["way"].seconds, race.spent) == (8.0, 7.0, 15.0)
    again = timed(15.0, KeptScores(tmp_path, "rows"))
    again.pace = 0.1  # the same call gives the same answer, whatever the machine does now
    assert [one.ended for one in again.run(ways)] == [one.ended for one in found.values()]
    assert again.now == 0
    more = timed(1000.0, KeptScores(tmp_path, "rows"))
    assert all(one.finished for one in more.run(ways))


def test_nets_and_codes_that_learn_stop_after_the_epoch_in_which_the_time_is_over(tmp_path):
    x, y = pictures(12)
    folds = folds_of(y, repeats=1)
    net = open_backbone(f"file:{net_file(tmp_path)}")
    race = Race({"a": np.zeros((12, 2))}, np.zeros((12, 2)), x, y, folds, net, 1.5)
    race.own = OwnCode(x, np.arange(12), schema_for(net, x), 0)
    times = iter(range(100))
    race.clock = lambda: float(next(times))  # a second between any two looks at it
    with pytest.raises(BudgetSpent):
        race.until = 1.5
        race.tuned(Candidate("way", "tuned", "", options={"tune": "last"}), np.arange(12))
    assert next(times) == 3
    with pytest.raises(BudgetSpent):
        race.own_codes(1.0)
    assert next(times) == 5
    (found,) = race.run([OWN_CANDIDATE])
    assert found.score is None and "the budget of 2 s leaves" in found.ended


def test_a_code_of_ones_own_rows_is_made_when_it_is_raced_and_pictures_are_shrunk_in_blocks(tmp_path):
    net = open_backbone(f"file:{net_file(tmp_path)}")
    x = np.random.default_rng(0).integers(0, 256, (70, 40, 36, 3), dtype=np.uint8)
    own = OwnCode(x, np.arange(4), schema_for(net, x), 0)
    assert "rows" not in vars(own)
    assert own.rows.shape == (70, 32, 29, 3)
    one = np.concatenate([small_pictures(x[at : at + 1]) for at in range(70)])
    np.testing.assert_array_equal(own.rows, one)
    tracemalloc.start()
    small_pictures(np.zeros((400, 64, 64, 3), np.uint8))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 16e6  # 400 such pictures as floats are 20 MB, and 5 MB when they are small


# --- advice ---------------------------------------------------------------------------------------------------------


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
