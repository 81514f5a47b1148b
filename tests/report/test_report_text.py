"""Numbers, intervals, cells and widths, as they are shown."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer.report.text import cell, clean, cut, interval, is_numeric_column, number, one_line, width_of

SETTINGS = settings(deadline=None, max_examples=50, derandomize=True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9412, "0.941"),
        (0.9996, "1.00"),
        (13.87, "13.9"),
        (1234.5, "1,234"),
        (60000, "60,000"),
        (12345678, "12,345,678"),
        (0, "0"),
        (0.0, "0"),
        (-0.5, "-0.500"),
        (1e-12, "1.00e-12"),
        (1e9, "1.00e9"),
        (np.float32(0.1), "0.100"),
        (np.int64(5), "5"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (10**400, "∞"),
    ],
)
def test_a_number_has_three_digits(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ((0.94, 0.92, 0.95), "0.94 [0.92, 0.95]"),
        ((0.9412, 0.9385, 0.9440), "0.941 [0.939, 0.944]"),
        ((0.84, 0.74, 0.94), "0.84 [0.74, 0.94]"),
        ((13.87, 13.5, 14.2), "13.9 [13.5, 14.2]"),
        ((1234.5, 1200, 1300), "1,234 [1,200, 1,300]"),
        ((1e-5, 1e-6, 2e-5), "1.00e-5 [1.00e-6, 2.00e-5]"),
        ((0.3, None, None), "0.300"),
        ((0.3, 0.2, math.nan), "0.300"),
        ((None, 0.1, 0.2), "–"),
        ((0.5, 0.5, 0.5), "0.500 [0.500, 0.500]"),
        ((1.0, 1 - 1e-9, 1 + 1e-9), "1.00 [1.00, 1.00]"),
    ],
)
def test_an_interval_shows_as_many_decimals_as_its_width_is_worth(value, shown):
    assert interval(*value) == shown


@SETTINGS
@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(), st.floats())
def test_any_float_can_be_shown(value, low, high):
    assert number(value)
    assert interval(value, low, high)


@SETTINGS
@given(st.floats(min_value=1e-290, max_value=1e290))
def test_a_number_is_right_to_three_digits(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


def test_a_cell_reads_numbers_text_pairs_and_gaps():
    assert (cell(0.5).text, cell(0.5).sort, cell(0.5).numeric) == ("0.500", 0.5, True)
    assert (cell(("0.94 [0.92, 0.95]", 0.94)).sort, cell(("0.94 [0.92, 0.95]", 0.94)).numeric) == (0.94, True)
    assert (cell(("first", 1)).sort, cell(("first", 1)).numeric) == (1.0, False)
    assert cell(np.float32("nan")).sort is None
    assert cell(None).text == "–"
    assert cell(True).text == "yes"
    assert cell(np.bool_(False)).text == "no"


def test_a_column_of_numbers_may_have_gaps_but_no_words():
    assert is_numeric_column([cell(1), cell(None), cell(2.5)])
    assert not is_numeric_column([cell(1), cell("a")])
    assert not is_numeric_column([cell(None)])


def test_control_characters_surrogates_and_direction_overrides_are_replaced():
    assert clean("a\x1b[31mb\ud800\u202ec\x00") == "a\ufffd[31mb\ufffd\ufffdc\ufffd"
    assert one_line("a\n\t b") == "a b"
    clean("a\ud800").encode("utf-8")


def test_width_counts_wide_characters_twice_and_marks_not_at_all():
    assert width_of("日本") == 4
    assert width_of("e\u0301") == 1
    assert cut("日本語", 5) == "日本…"
    assert cut("abc", 3) == "abc"


@SETTINGS
@given(st.text(max_size=30), st.integers(min_value=1, max_value=20))
def test_cut_text_fits(text, width):
    assert width_of(cut(text, width)) <= width
