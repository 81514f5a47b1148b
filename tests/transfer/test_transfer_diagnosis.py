"""Diagnosis and short lists: planted cases whose answer is known."""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache

import numpy as np
import pytest

from codelayer.transfer.advicetext import changes, changes_at, sentences
from codelayer.transfer.advisor import Advice
from codelayer.transfer.candidates import DEFAULT, SCRATCH, Candidate, always, short_list, textbook
from codelayer.transfer.diagnosis import Diagnosis, diagnose, extrapolated, told_shift
from codelayer.transfer.race import Raced
from codelayer.transfer.rawrows import raw_scores
from codelayer.transfer.scoring import Scored, folds_of

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
    first = Raced(Candidate(DEFAULT, "frozen", ""), d.together)
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
