"""The table and the progress line of a terminal."""

from __future__ import annotations

import io

import pytest

from codelayer.report import Progress, table_text
from codelayer.report.terminal import duration
from codelayer.report.text import width_of


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_numbers_stand_right_and_text_left():
    text = table_text(["rival", "score"], [["raw", 0.5], ["PCA of equal width", None], ["x", 10]])
    assert text.split("\n") == [
        "rival               score",
        "------------------  -----",
        "raw                 0.500",
        "PCA of equal width      –",
        "x                      10",
    ]


def test_the_highlighted_row_is_marked():
    lines = table_text(["a"], [["b"], ["c"]], highlight=1).split("\n")
    assert [line[:2] for line in lines[2:]] == ["  ", "* "]


def test_wide_characters_keep_the_columns_aligned():
    lines = table_text(["name", "n"], [["日本語", 1], ["abc", 22]]).split("\n")
    assert {width_of(line) for line in lines} == {width_of(lines[0])}


def test_a_narrow_terminal_cuts_the_widest_text_and_no_number():
    lines = table_text(["name", "score"], [["long " * 30, ("0.94 [0.92, 0.95]", 0.94)]], width=40).split("\n")
    assert max(width_of(line) for line in lines) <= 40
    assert "…" in lines[2]
    assert lines[2].endswith("0.94 [0.92, 0.95]")


def test_escape_codes_in_names_do_not_reach_the_terminal():
    assert "\x1b" not in table_text(["a\x1b[2J"], [["b\x1b[31m\nc"]])


def test_empty_tables_and_short_rows_are_fine():
    assert table_text([], []) == "\n"
    assert table_text(["a", "b"], []).startswith("a  b")
    assert table_text(["a", "b"], [["x"]]).endswith("x")


def test_progress_is_silent_in_a_pipe():
    stream = io.StringIO()
    with Progress("codes", total=3, stream=stream) as progress:
        progress.update(3)
    assert stream.getvalue() == ""


def test_progress_shows_task_count_rate_and_time_left():
    stream, clock = Terminal(), Clock()
    progress = Progress("codes", total=10, stream=stream, clock=clock)
    clock.now = 8.0
    progress.update(4, note="sparse")
    line = stream.getvalue().split("\r")[-1].rstrip()
    assert line == "codes: 4/10  40%  2.0 s each  12 s left  sparse"


def test_progress_rewrites_one_line_and_leaves_no_rest_of_a_longer_one():
    stream, clock = Terminal(), Clock()
    with Progress("codes", total=2, stream=stream, clock=clock) as progress:
        clock.now = 1.0
        progress.update(1, note="a rather long note")
        clock.now = 2.0
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    drawn = text.rstrip("\n").split("\r")
    assert drawn[-1].startswith("codes: 1/2 in 2.0 s ")
    assert len(drawn[-1]) >= len(drawn[-2].rstrip())


def test_progress_is_not_redrawn_more_than_ten_times_a_second():
    stream, clock = Terminal(), Clock()
    progress = Progress("rows", total=1000, stream=stream, clock=clock)
    for i in range(999):
        clock.now += 0.001
        progress.update(i)
    assert stream.getvalue().count("\r") <= 11


def test_the_rate_does_not_count_what_was_done_before():
    stream, clock = Terminal(), Clock()
    progress = Progress("rows", total=200, start=100, unit="rows", stream=stream, clock=clock)
    clock.now = 10.0
    progress.update(150)
    assert "5.00 rows/s" in stream.getvalue()
    assert "10 s left" in stream.getvalue()


def test_an_error_leaves_the_line_and_is_not_swallowed():
    stream = Terminal()
    with pytest.raises(KeyError), Progress("codes", total=2, stream=stream):
        raise KeyError
    assert "stopped after" in stream.getvalue()
    assert stream.getvalue().endswith("\n")


def test_progress_without_a_total_and_with_a_strange_name():
    stream = Terminal()
    with Progress("a\x1b[2Jb", stream=stream) as progress:
        progress.update(3)
    assert "\x1b" not in stream.getvalue()
    assert "%" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (12.3, "12 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (1e12, "a long time"),
    ],
)
def test_durations_are_words(seconds, words):
    assert duration(seconds) == words
