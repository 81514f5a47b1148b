"""Small pictures of one score, and tables of scores as shades.

Reads  numbers; None, NaN and infinities are left out.
Gives  `gauge` (a score on its range, beside chance and rivals) and `matrix` (a square of shades), as `Figure`.
Skips  deciding what is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import escape

from ..errors import DataError
from .svg import NARROW, Figure, Rows, dot, drawn, empty, floats, label, line, px, scale, seen, shorten, text_width
from .text import number, one_line

WIDTH, HEIGHT, EDGE = 180, 26, 7


def gauge(
    value: float,
    low: float | None = None,
    high: float | None = None,
    ends: Sequence[float | None] = (),
    marks: Mapping[str, float | None] | None = None,
) -> Figure:
    """One score for a table cell, 180 x 26 pixels: a dot on its interval, on the range of the score.

    low, high  ends of the interval, or None
    ends       values the range must show, such as the worst and the best there are; None where there is none
    marks      name -> value of what stands beside it: "chance" is dashed, others are ticks with their name on hovering
    """
    beside = {one_line(name): floats([one])[0] for name, one in (marks or {}).items()}
    known = floats([value, low, high, *ends, *beside.values()])
    x = scale(known[np.isfinite(known)], EDGE, WIDTH - EDGE, pad=0)
    middle, body = HEIGHT / 2, line(EDGE, HEIGHT / 2, WIDTH - EDGE, HEIGHT / 2, "axis")
    for name, at in beside.items():
        if np.isfinite(at):
            kind = "chance" if name == "chance" else "beside"
            body += (
                f"<g><title>{escape(name)} {number(at)}</title>{line(x(at), middle - 9, x(at), middle + 9, kind)}</g>"
            )
    first, last = floats([low, high])
    if np.isfinite(first) and np.isfinite(last):
        body += line(x(first), middle, x(last), middle, "whisker thick")
    at = floats([value])[0]
    if np.isfinite(at):
        body += dot(x(at), middle, 4.5, "dot", number(at))
    told = ", ".join(f"{name} {number(one)}" for name, one in beside.items() if np.isfinite(one))
    words = f"{number(value)} on a range from {number(x.low)} to {number(x.high)}" + (f"; {told}" if told else "")
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    inner = f'<title>{escape(words)}</title><g class="series rows c0">{body}</g>'
    return Figure(f'<svg class="strip gauge" {size} role="img">{inner}</svg>')


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Any,
    low: float | None = None,
    high: float | None = None,
    title: str = "",
) -> Figure:
    """A table of numbers as shades, each with its number where there is room.

    rows, columns  names; values (rows, columns), missing ones stay blank
    low, high      values shown lightest and darkest; by default those of the table
    errors         DataError when names and values differ in number
    """
    table = np.asarray([floats(row) for row in values], float)
    down, across = [one_line(one) for one in rows], [one_line(one) for one in columns]
    if table.shape != (len(down), len(across)):
        raise DataError(
            f"{len(down)} row names and {len(across)} column names for values of shape {table.shape}",
            "give one name per row and column",
        )
    known = table[np.isfinite(table)]
    least = float(known.min(initial=0.0) if low is None else low)
    most = float(known.max(initial=1.0) if high is None else high)

    def draw(width: int) -> tuple[str, float]:
        return _draw_matrix(down, across, table, least, most, width) if known.size else empty(width)

    told = f"{seen(len(down), 'row')} by {seen(len(across), 'column')}, from {number(least)} to {number(most)}."
    flat = [[a, b, float(v) if np.isfinite(v) else None] for a, line_ in zip(down, table, strict=True)
            for b, v in zip(across, line_, strict=True)]  # fmt: skip
    data: Rows = (["row", "column", "value"], flat)
    return drawn(title or "values", told, draw, data)


def _draw_matrix(
    rows: list[str], columns: list[str], table: np.ndarray, low: float, high: float, width: int
) -> tuple[str, float]:
    size = 14.0 if width > NARROW else 12.0
    room = min(max(text_width(name, size) for name in rows) + 12, width * 0.3)
    side = min(64.0, (width - room) / len(columns))
    tall, parts = min(side, 34.0), []
    for j, name in enumerate(columns):
        parts.append(label(room + side * (j + 0.5), size, shorten(name, side - 2, size), "tick", "middle", name))
    top = 1.7 * size
    for i, name in enumerate(rows):
        y = top + tall * i
        parts.append(label(room - 8, y + tall / 2 + size * 0.35, shorten(name, room - 8, size), "tick", "end", name))
        for j, value in enumerate(table[i]):
            if not np.isfinite(value):
                continue
            share = 0.0 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
            left, text = room + side * j, f"{value:.2f}"
            words = f"<title>{escape(name)}, {escape(columns[j])}: {number(value)}</title>"
            shade = f'style="fill-opacity:{0.06 + 0.9 * share:.2f}"'
            box = f'x="{px(left)}" y="{px(y)}" width="{px(side - 2)}" height="{px(tall - 2)}"'
            parts.append(f'<rect class="shade" {box} {shade}>{words}</rect>')
            if text_width(text, size) < side - 4:
                kind = "shade-dark" if share > 0.55 else "shade-light"
                parts.append(label(left + side / 2 - 1, y + tall / 2 + size * 0.35, text, kind, "middle"))
    return f'<g class="c0">{"".join(parts)}</g>', top + tall * len(rows) + 4
