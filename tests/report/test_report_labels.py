"""Labels do not cover each other, and the Pareto front is one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer.report.labels import place, spread
from codelayer.report.points import front
from codelayer.report.svg import scale, tick_texts

SETTINGS = settings(deadline=None, max_examples=50, derandomize=True)
NUMBERS = st.floats(min_value=0, max_value=400)


@SETTINGS
@given(st.lists(NUMBERS, max_size=25))
def test_spread_keeps_the_gap_the_order_and_the_bounds(wanted):
    found = spread(wanted, 15, 0, 400)
    assert all(-1e-6 <= one <= 400 + 1e-6 for one in found)
    assert all(b - a >= 15 - 1e-6 for a, b in itertools.pairwise(sorted(found)))
    for (i, a), (j, b) in itertools.combinations(enumerate(wanted), 2):
        assert a >= b or found[i] < found[j]


def test_spread_leaves_alone_what_is_far_apart_and_moves_neighbours_by_halves():
    assert spread([10, 100, 200], 15, 0, 400) == [10, 100, 200]
    assert spread([100, 100], 20, 0, 400) == pytest.approx([90, 110])


def test_spread_shrinks_the_gap_when_there_are_too_many():
    found = sorted(spread([5.0] * 11, 50, 0, 100))
    assert found == pytest.approx(np.linspace(0, 100, 11))


@SETTINGS
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20), st.integers(min_value=10, max_value=120))
def test_placed_labels_never_overlap_and_stay_inside(anchors, width):
    dots = [(x - 5, y - 5, x + 5, y + 5) for x, y in anchors]
    found = [one for one in place(anchors, [(width, 15)] * len(anchors), (0, 0, 400, 400), dots) if one is not None]
    for one in found:
        assert one[0] >= 0 and one[1] >= 0 and one[2] <= 400 and one[3] <= 400
    for one, other in [*itertools.combinations(found, 2), *itertools.product(found, dots)]:
        assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


def test_a_crowd_of_labels_finds_room_on_a_plain_figure():
    rng = np.random.default_rng(0)
    anchors = [(float(x), float(y)) for x, y in 150 + 40 * rng.random((20, 2))]
    assert all(place(anchors, [(80, 15)] * 20, (0, 0, 800, 400)))


def test_the_front_is_what_no_point_beats():
    assert front([1, 2, 3, 4], [0.5, 0.9, 0.8, 0.95]) == [0, 1, 3]
    assert front([1, 1, 2], [0.5, 0.7, 0.7]) == [1]
    assert front([None, 1, 2], [0.9, float("nan"), 0.1]) == [2]
    assert front([], []) == []


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=15))
def test_the_front_agrees_with_its_definition(points):
    kept = front([p[0] for p in points], [p[1] for p in points])
    for i, (cost, score) in enumerate(points):
        beaten = any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
        assert ((cost, score) in {points[k] for k in kept}) == (not beaten), i


@SETTINGS
@given(st.lists(st.one_of(st.just(float("nan")), st.floats(-1e299, 1e299)), max_size=6), st.booleans())
def test_every_scale_has_finite_pixels_and_distinct_ticks(values, log):
    made = scale(values, 0, 500, log)
    for value in values:
        if value == value and (value > 1e-300 or not made.log):
            assert -1 <= made(value) <= 501
    ticks = made.ticks()
    assert len(ticks) <= 18
    assert len(tick_texts(ticks, made.log)) == len(ticks)
    assert all(-1 <= made(tick) <= 501 for tick in ticks)


def test_ticks_are_round():
    assert tick_texts(scale([0, 1], 0, 1, pad=0).ticks()) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert tick_texts(scale([1, 1000], 0, 1, log=True, pad=0).ticks(4), log=True) == ["1", "10", "100", "1,000"]
    assert tick_texts([1e-12, 2e-12]) == ["1e-12", "2e-12"]
    assert tick_texts([0.1, 1.0], log=True) == ["0.1", "1"]
