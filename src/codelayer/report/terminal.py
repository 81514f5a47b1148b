"""What a terminal shows: a plain table and one line of progress.

Reads  the cells that `Report.table` reads; counts of work done.
Gives  text for stdout (`table_text`), a line on stderr that rewrites itself (`Progress`).
Skips  colours and cursor control. In a pipe, progress is silent.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TextIO

from .text import cell, cut, is_numeric_column, number, one_line, width_of

GAP = 2
NARROWEST = 8


def table_text(
    columns: Sequence[Any],
    rows: Sequence[Sequence[Any]],
    highlight: int | None = None,
    width: int | None = None,
) -> str:
    """An aligned plain-text table: numbers to the right, text to the left.

    columns    names, or (name, explanation) pairs of which the name is shown
    rows       cells as `Report.table` takes them; short rows are filled with blanks
    highlight  row marked with an asterisk
    width      terminal columns to keep within (widest text columns are cut); None: the terminal's width,
               or no limit when stdout is not a terminal
    """
    heads = [one_line(one[0] if isinstance(one, tuple) else one) for one in columns]
    grid = [[cell(row[j]) if j < len(row) else cell("") for j in range(len(heads))] for row in rows]
    texts = [[one_line(one.text) for one in row] for row in grid]
    right = [is_numeric_column([row[j] for row in grid]) for j in range(len(heads))]
    widths = [max([width_of(head), *(width_of(row[j]) for row in texts)]) for j, head in enumerate(heads)]
    mark = 2 if highlight is not None else 0
    if width is None and sys.stdout is not None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    if width is not None:
        widths = _narrowed(widths, right, width - mark - GAP * max(0, len(heads) - 1))
    lines = [_line(heads, widths, right, " " * mark), " " * mark + (" " * GAP).join("-" * w for w in widths)]
    for i, row in enumerate(texts):
        lines.append(_line(row, widths, right, ("* " if i == highlight else "  ") if mark else ""))
    return "\n".join(line.rstrip() for line in lines)


def _narrowed(widths: list[int], right: list[bool], room: int) -> list[int]:
    widths = list(widths)
    while sum(widths) > room:
        text = [j for j, w in enumerate(widths) if w > NARROWEST and not right[j]]
        if not text:
            break
        widest = max(text, key=lambda j: widths[j])
        widths[widest] -= 1
    return widths


def _line(texts: list[str], widths: list[int], right: list[bool], start: str) -> str:
    parts = []
    for text, width, to_right in zip(texts, widths, right, strict=True):
        text = cut(text, width)
        blank = " " * (width - width_of(text))
        parts.append(blank + text if to_right else text + blank)
    return start + (" " * GAP).join(parts)


class Progress:
    """One line on stderr for long work: task, done/total, rate, time left. Silent in a pipe.

        with Progress("codes", total=12) as progress:
            for i in range(12):
                ...
                progress.update(i + 1, note="sparse, seed 2")

    task    what is being done
    total   how many steps there are, None when unknown
    unit    word for the rate, such as "rows"
    start   steps done before this run (they do not count for the rate)
    stream  where to write, default stderr
    clock   seconds; for tests
    """

    def __init__(
        self,
        task: str,
        total: float | None = None,
        unit: str = "",
        start: float = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task, self.total, self.unit, self.start = one_line(task), total, unit, start
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.shown = bool(self.stream is not None and self.stream.isatty())
        self.done, self.note = start, ""
        self._begun = clock()
        self._drawn_at = float("-inf")
        self._drawn = ""

    def __enter__(self) -> Progress:
        self.update(self.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=kind is None)

    def update(self, done: float, note: str = "") -> None:
        """Say how many steps are done; the line is redrawn at most ten times a second."""
        self.done, self.note = done, one_line(note)
        now = self.clock()
        complete = self.total is not None and done >= self.total
        if self.shown and (complete or now - self._drawn_at >= 0.1):
            self._drawn_at = now
            self._draw(self._text(now - self._begun))

    def close(self, finished: bool = True) -> None:
        """Leave the line as it stands, with the time taken, and go to the next one. A second call does nothing."""
        if not self.shown:
            return
        self.shown = False
        taken = duration(self.clock() - self._begun)
        self._draw(f"{self.task}: {self._count()} in {taken}" if finished else f"{self.task}: stopped after {taken}")
        self.stream.write("\n")
        self.stream.flush()

    def _count(self) -> str:
        done = number(int(self.done) if float(self.done).is_integer() else self.done)
        unit = f" {self.unit}" if self.unit else ""
        return done + unit if self.total is None else f"{done}/{number(self.total)}{unit}"

    def _text(self, seconds: float) -> str:
        parts = [f"{self.task}: {self._count()}"]
        if self.total:
            parts.append(f"{min(1.0, max(0.0, self.done / self.total)):.0%}")
        made = self.done - self.start
        if made > 0 and seconds > 0:
            rate = made / seconds
            quick = f"{number(float(rate))} {self.unit or 'steps'}/s"
            parts.append(quick if rate >= 1 else f"{duration(1 / rate)} each")
            if self.total is not None and self.done < self.total:
                parts.append(f"{duration((self.total - self.done) / rate)} left")
        if self.note:
            parts.append(self.note)
        return "  ".join(parts)

    def _draw(self, text: str) -> None:
        text = cut(text, max(20, shutil.get_terminal_size().columns - 1))
        # blanks over the rest of the last line work on every terminal, escape codes do not
        blanks = " " * max(0, width_of(self._drawn) - width_of(text))
        self.stream.write(f"\r{text}{blanks}")
        self.stream.flush()
        self._drawn = text


def duration(seconds: float) -> str:
    """Seconds in words a person reads: 0.4 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if not seconds < 1e9:
        return "a long time"
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
