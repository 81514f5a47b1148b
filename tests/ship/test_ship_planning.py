"""What `ship fit` says it will take: every fixed part is in it, and saying it stays cheap."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.data.schema import Schema
from codelayer.ship import planning
from codelayer.ship.candidates import line_up
from codelayer.ship.fits import Target

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 12)).astype(np.float32)
TARGET = Target("class", ("a", "b"), (X[:, 0] + X[:, 1] > 0).astype(float))


@pytest.fixture(scope="module")
def candidates():
    return line_up(Schema.fit(X), "class", ("raw", "forest", "lightgbm", "undercomplete", "labelled"))


@pytest.fixture(scope="module")
def short(candidates):
    """A plan whose trials may take no time: the first of each kind is tried, the others are reckoned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "LEAST", 0.0)
        patch.setattr(planning, "SHARE", 0.0)
        return planning._trials(candidates, X, TARGET, 0)


def test_once_the_time_for_trials_is_up_others_are_reckoned_by_those_of_their_kind(candidates, short):
    assert list(short) == [one.name for one in candidates]
    codes = [short[one.name] for one in candidates if one.kind == "code"]
    assert len(codes) == 3 and len({one.step_seconds for one in codes}) == 1  # one of them took steps
    assert all(one.seconds > 0 for one in short.values())
    whole = short["forest_200"].seconds
    assert short["forest_50x8"].seconds == pytest.approx(whole * 50 / 200)
    assert short["forest_20x8"].seconds == pytest.approx(whole * 20 / 200)
    assert short["lightgbm_40x8"].seconds == pytest.approx(short["lightgbm_100x31"].seconds * 40 / 100)


def test_a_code_with_fewer_passes_is_reckoned_to_take_less(candidates):
    code = next(one for one in candidates if one.kind == "code")
    known = planning.Forecast(60.0, 1, 30, 0.1)
    half = planning._reckoned(planning.replace(code, epochs=15), code, known, 400)
    assert (half.seconds, half.epochs, half.bytes) == (30.0, 15, 1)


def test_the_plan_counts_starting_compiling_timing_and_smaller_forms(candidates):
    plan = planning.planned(candidates, X, TARGET, 0, workers=1)
    assert {one.name for one in plan.candidates} == set(plan.seconds)
    assert [one.name for one in plan.candidates] == sorted(plan.seconds, key=lambda name: -plan.seconds[name])
    fixed = plan.total - sum(plan.seconds.values())
    pace = (fixed - planning.TIMING * len(candidates)) / (
        planning.STARTING + planning.OPENING * len(candidates) + planning.SMALLER * 2
    )
    assert pace > 0.2  # of a fresh interpreter here, as a share of the reference's
    assert all(seconds > planning.EXPORTING * pace for seconds in plan.seconds.values())
    none = [one for one in candidates if one.kind == "linear"]
    alone = planning.planned(none, X, TARGET, 0, workers=1)
    assert alone.total > alone.seconds["raw"] + planning.TIMING


def test_wide_rows_are_tried_on_some_of_them_and_scaled(candidates, monkeypatch):
    forest = next(one for one in candidates if one.name == "forest_20x8")
    many = np.tile(X, (20, 1))
    target = Target("class", ("a", "b"), np.tile(TARGET.places, 20))
    seen = []
    few = planning._few_trees
    monkeypatch.setattr(planning, "_few_trees", lambda *given: seen.append(len(given[2])) or few(*given))
    monkeypatch.setattr(planning, "CELLS", 12 * 1000)
    assert planning._trees_seconds(forest, many, target) > 0
    assert seen == [1000, 500]


def test_binning_is_counted_once_and_not_for_every_round(candidates, monkeypatch):
    boosting = next(one for one in candidates if one.kind == "boosting")
    monkeypatch.setattr(planning, "_few_trees", lambda *given: (5.0, 0.1))
    assert planning._trees_seconds(boosting, X, TARGET) == pytest.approx(5.0 + 0.1 * boosting.trees, abs=0.5)
