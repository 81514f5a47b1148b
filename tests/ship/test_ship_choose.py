"""The choice under a budget: ties go to the smaller, raw features first; the nearest where nothing meets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.ship import Budget
from codelayer.ship.choose import answered, decide, front, nearest

CLASSES = np.array(["a", "b"], dtype=object)
TRUTH = np.arange(400) % 2


def curve(right: float, seed: int = 0):
    """Answers of which that share is right."""
    rng = np.random.default_rng(seed)
    hit = rng.permutation(len(TRUTH)) < right * len(TRUTH)
    said = np.where(hit, TRUTH, 1 - TRUTH)
    return answered("class", CLASSES, np.eye(2)[said], TRUTH)


def costs(**sizes: float):
    return {name: {"latency_ms": 1.0, "size_mb": size, "memory_mb": 80.0} for name, size in sizes.items()}


NO_BUDGET = Budget()


def chosen(curves, prices, budget=NO_BUDGET):
    return decide(curves, prices, budget, {name: name for name in curves})


def test_among_equals_the_smaller_is_chosen_though_the_larger_scores_higher():
    decision = chosen({"large": curve(0.91, 1), "small": curve(0.905, 2)}, costs(large=5.0, small=0.1))
    assert decision.best == "large" and decision.winner == "small"
    assert {*decision.ties} == {"large", "small"}
    assert decision.behind["small"].low <= 0 <= decision.behind["small"].high


def test_raw_features_come_first_among_equals_whatever_their_size():
    decision = chosen({"raw": curve(0.9, 1), "code": curve(0.905, 2)}, costs(raw=5.0, code=0.1))
    assert decision.winner == "raw"


def test_what_is_clearly_better_is_chosen_though_it_is_larger():
    decision = chosen({"raw": curve(0.7, 1), "forest": curve(0.95, 2)}, costs(raw=0.1, forest=50.0))
    assert decision.winner == "forest" and decision.ties == ("forest",)
    assert any("does not include 0" in reason for reason in decision.reasons)


def test_what_exceeds_the_budget_is_not_chosen_and_the_reasons_say_so():
    curves = {"raw": curve(0.7, 1), "forest": curve(0.95, 2)}
    decision = chosen(curves, costs(raw=0.1, forest=50.0), Budget(size_mb=1.0))
    assert decision.winner == "raw"
    assert "50" in decision.barred["forest"] and "1 allowed" in decision.barred["forest"]
    assert any(reason.startswith("Forest scores highest of all") for reason in decision.reasons)


def test_a_budget_that_nothing_meets_names_the_nearest_and_by_how_much():
    curves = {"raw": curve(0.7, 1), "forest": curve(0.95, 2)}
    prices = {
        "raw": {"latency_ms": 3.0, "size_mb": 0.1, "memory_mb": 80.0},
        "forest": {"latency_ms": 0.5, "size_mb": 9.0, "memory_mb": 90.0},
    }
    with pytest.raises(DataError, match="the nearest is raw: 3") as found:
        chosen(curves, prices, Budget(latency_ms=2.0, size_mb=1.0))
    assert "over the 2 allowed" in str(found.value)
    assert nearest(prices, Budget(latency_ms=0.1, size_mb=9.0)) == "forest"


def test_a_cost_that_is_not_known_is_held_against_no_budget():
    prices = {"raw": {"latency_ms": 1.0, "size_mb": 0.1, "memory_mb": None}}
    decision = chosen({"raw": curve(0.8)}, prices, Budget(memory_mb=1.0))
    assert decision.winner == "raw"
    told = "What raw takes in MB resident could not be measured on this system: the limit of 1 was not held against it."
    assert told in decision.reasons
    assert not [
        one for one in chosen({"raw": curve(0.8)}, costs(raw=0.1), Budget(memory_mb=99.0)).reasons if "not held" in one
    ]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_budget_is_a_number_above_zero(value):
    with pytest.raises(DataError, match="is not possible"):
        Budget(latency_ms=value)


def test_the_front_is_what_brute_force_says_it_is():
    rng = np.random.default_rng(3)
    names = [f"m{i}" for i in range(12)]
    points = {name: rng.integers(1, 5, 3) for name in names}
    scores = {name: float(point[0]) for name, point in points.items()}
    prices = {n: {"latency_ms": float(p[1]), "size_mb": float(p[2])} for n, p in points.items()}
    beaten = set()
    for one, other in itertools.permutations(names, 2):
        a, b = points[one], points[other]
        if b[0] >= a[0] and b[1] <= a[1] and b[2] <= a[2] and tuple(a) != tuple(b):
            beaten.add(one)
    assert {*front(scores, prices)} == {*names} - beaten


def test_answers_become_the_score_of_an_independent_computation():
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(2), len(TRUTH))
    said = chances.argmax(1)
    by_hand = np.mean([(said[place == TRUTH] == place).mean() for place in (0, 1)])
    made = answered("class", CLASSES, chances, TRUTH)
    assert made.area == pytest.approx(by_hand)
    pairs = chances[TRUTH == 1, 1][:, None] > chances[TRUTH == 0, 1][None]
    assert made.aucs is not None and made.aucs[0, 0] == pytest.approx(pairs.mean())


def test_numbers_are_scored_by_their_share_of_the_variance():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=50)
    said = truth + 0.1 * rng.normal(size=50)
    by_hand = 1 - ((said - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert answered("number", None, said, truth).area == pytest.approx(by_hand)
