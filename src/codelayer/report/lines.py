"""Figures of series: curves with bands, rows of intervals, small distributions.

Reads  names and numbers; None, NaN and infinities are gaps.
Gives  `Figure`: SVG markup with its data.
Skips  statistics: intervals are given, not computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .labels import spread
from .svg import (
    NARROW,
    Box,
    Figure,
    Rows,
    Scale,
    axes,
    dot,
    drawn,
    empty,
    floats,
    label,
    left_margin,
    line,
    path,
    px,
    runs,
    scale,
    seen,
    shorten,
    text_width,
    x_count,
)
from .text import interval, number, one_line, position

COLOURS = 10
SIZE = {True: 13.0, False: 14.0}  # font sizes: wide, narrow
MANY = 5  # with more series, bands of those that are not emphasised show on hovering only


@dataclass(frozen=True)
class Series:
    """One line: y (and its interval) over x.

    x, y       (points,) numbers; a missing one is a gap
    low, high  (points,) ends of the interval, or None
    emphasis   drawn strong, labelled bold
    dashed     for controls that are not part of the race
    """

    name: str
    x: Any
    y: Any
    low: Any = None
    high: Any = None
    emphasis: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class _Line:
    name: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    style: str
    strong: bool


def curves(
    series: Sequence[Series | Mapping[str, Any]],
    x_label: str,
    y_label: str,
    log_x: bool = True,
    chance: float | None = None,
    title: str = "",
) -> Figure:
    """Lines with interval bands and their names at the line ends.

    series   `Series`, or dicts with its fields; colours follow the order, so keep one order in a report
    log_x    logarithmic horizontal axis (values of 0 and below are gaps there)
    chance   level of chance, a dashed line
    title    in words for those who cannot see the figure; default from the axis labels
    errors   DataError when the arrays of a series differ in length
    """
    lines = [_read(one, i) for i, one in enumerate(series)]
    if log_x and any((one.x > 0).any() for one in lines):
        lines = [_only(one, one.x > 0) for one in lines]
    else:
        log_x = False

    def draw(width: int) -> tuple[str, float]:
        return _draw_curves([one for one in lines if len(one.x)], x_label, y_label, log_x, chance, width)

    told = "; ".join(_tell(one) for one in lines[:12] if len(one.x))
    level = f" Chance is {number(chance)}." if chance is not None else ""
    rows = [[one.name, *values] for one in lines for values in zip(*map(_plain, one_columns(one)), strict=True)]
    data: Rows = (["name", x_label or "x", y_label or "y", "low", "high"], rows)
    return drawn(title or f"{y_label} against {x_label}", f"{seen(len(lines), 'line')}. {told}.{level}", draw, data)


def one_columns(one: _Line) -> tuple[np.ndarray, ...]:
    """x, y, low and high of a line."""
    return one.x, one.y, one.low, one.high


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _read(given: Series | Mapping[str, Any], rank: int) -> _Line:
    one = given if isinstance(given, Series) else Series(**given)
    x, y = floats(one.x), floats(one.y)
    low = floats(one.low) if one.low is not None else np.full(len(y), np.nan)
    high = floats(one.high) if one.high is not None else np.full(len(y), np.nan)
    if not len(x) == len(y) == len(low) == len(high):
        raise DataError(
            f"the series {one.name!r} has {len(x)} x, {len(y)} y, {len(low)} low and {len(high)} high values",
            "give one of each per point",
        )
    style = f"c{rank % COLOURS}{' strong' if one.emphasis else ''}{' dashed' if one.dashed else ''}"
    made = _Line(one_line(one.name), x, y, low, high, style, one.emphasis)
    return _only(made, np.isfinite(x))


def _only(one: _Line, keep: np.ndarray) -> _Line:
    order = np.flatnonzero(keep)
    order = order[np.argsort(one.x[order], kind="stable")]
    return _Line(one.name, *(values[order] for values in one_columns(one)), one.style, one.strong)


def _tell(one: _Line) -> str:
    known = np.flatnonzero(np.isfinite(one.y))
    if not len(known):
        return f"{one.name}: nothing known"
    first, last = known[0], known[-1]
    if first == last:
        return f"{one.name}: {_at(one, first)}"
    return f"{one.name}: {_at(one, first)} to {_at(one, last)}"


def _at(one: _Line, i: int) -> str:
    return f"{number(one.y[i])} at {position(one.x[i])}"


def _draw_curves(
    lines: list[_Line], x_label: str, y_label: str, log_x: bool, chance: float | None, width: int
) -> tuple[str, float]:
    lines = [one for one in lines if np.isfinite(one.y).any()]
    if not lines:
        return empty(width)
    size = SIZE[width > NARROW]
    named = len(lines) > 1 or bool(lines[0].name)
    room = max(text_width(one.name, size * (1.06 if one.strong else 1)) for one in lines) + 4 if named else 0
    room = min(room, width * (0.3 if width > NARROW else 0.36))
    height = max(420 if width > NARROW else 380, len(lines) * size * 1.25 + 90)
    top, bottom = 2.4 * size, height - 2 * size - 26
    y = scale(np.concatenate([np.concatenate([o.y, o.low, o.high]) for o in lines] + [floats([chance])]), bottom, top)
    box = Box(left_margin(y, bottom - top, size), top, width - room - (34 if named else 12), bottom)
    xs = np.unique(np.concatenate([one.x for one in lines]))
    x = scale(xs, box.left, box.right, log_x, pad=0.03)
    own_ticks = xs.tolist() if len(xs) <= 8 and (log_x or len(xs) < 4) else None
    parts = [axes(box, x, y, x_label, y_label, own_ticks, size)]
    level = floats([chance])
    if np.isfinite(level[0]):
        parts.append(line(box.left, y(level[0]), box.right, y(level[0]), "chance"))
        parts.append(label(box.left + 4, y(level[0]) - 5, "chance", "tick"))
    gap = size * 1.2
    ends = [np.flatnonzero(np.isfinite(one.y))[-1] for one in lines]
    places = spread([y(one.y[end]) for one, end in zip(lines, ends, strict=True)], gap, top + gap / 2, bottom - 2)
    order = sorted(range(len(lines)), key=lambda i: lines[i].strong)
    some_strong = any(one.strong for one in lines) and len(lines) > MANY
    for i in order:
        one, end = lines[i], ends[i]
        drawn_line = _draw_line(one, x, y)
        name = ""
        if named:
            text = shorten(one.name, room, size * (1.06 if one.strong else 1))
            from_x, to_x = x(one.x[end]) + 6, box.right + 24
            leader = path([from_x, box.right + 8, to_x - 4], [y(one.y[end]), y(one.y[end]), places[i]], "leader")
            name = leader + label(to_x, places[i] + size * 0.35, text, "name", full=one.name)
        quiet = " quiet" if some_strong and not one.strong else ""
        parts.append(f'<g class="series {one.style}{quiet}">{drawn_line}{name}</g>')
    return "".join(parts), height


def _draw_line(one: _Line, x: Scale, y: Scale) -> str:
    parts = []
    xs = np.array([x(v) for v in one.x])
    for run in runs(np.isfinite(one.y) & np.isfinite(one.low) & np.isfinite(one.high)):
        lows, highs = [y(v) for v in one.low[run]], [y(v) for v in one.high[run]]
        if len(run) == 1:
            parts.append(line(xs[run[0]], lows[0], xs[run[0]], highs[0], "whisker"))
        else:
            parts.append(path([*xs[run], *xs[run][::-1]], [*highs, *lows[::-1]], "band", closed=True))
    for run in runs(np.isfinite(one.y)):
        ys = [y(v) for v in one.y[run]]
        if len(run) > 1:
            parts.append(path(xs[run], ys, "stroke"))
        if len(one.x) <= 40 or len(run) == 1:
            for k, i in enumerate(run):
                tip = f"{one.name}: {interval(one.y[i], one.low[i], one.high[i])} at {position(one.x[i])}"
                parts.append(dot(xs[i], ys[k], 4 if one.strong else 3, "dot", tip))
    return "".join(parts)


def bars(
    names: Sequence[str],
    values: Any,
    low: Any = None,
    high: Any = None,
    chance: float | Sequence[float | None] | None = None,
    x_label: str = "",
    highlight: int | None = None,
    title: str = "",
    named: str = "chance",
) -> Figure:
    """One row per name: the value as a dot on its interval, and chance.

    names, values  (rows,); a missing value leaves its row empty
    low, high      (rows,) ends of the intervals, or None
    chance         one level for all rows (a dashed line), or one per row (a tick each)
    highlight      row drawn strong
    named          the word for the one level of `chance`
    errors         DataError when the lengths differ
    """
    titles = [one_line(name) for name in names]
    value = floats(values)
    lows = floats(low) if low is not None else np.full(len(value), np.nan)
    highs = floats(high) if high is not None else np.full(len(value), np.nan)
    one_level = chance is None or not hasattr(chance, "__len__")
    level = np.full(len(value), floats([chance])[0]) if one_level else floats(chance)
    if not len(titles) == len(value) == len(lows) == len(highs) == len(level):
        raise DataError(
            f"{len(titles)} names, {len(value)} values, {len(lows)} low, {len(highs)} high, {len(level)} chance levels",
            "give one of each per row",
        )

    def draw(width: int) -> tuple[str, float]:
        return _draw_bars(titles, value, lows, highs, level, named if one_level else "", x_label, highlight, width)

    told = "; ".join(f"{n}: {interval(*v)}" for n, *v in list(zip(titles, value, lows, highs, strict=True))[:12])
    rows = [[n, *v] for n, *v in zip(titles, *map(_plain, (value, lows, highs, level)), strict=True)]
    data: Rows = (["name", x_label or "value", "low", "high", named], rows)
    return drawn(title or x_label or "values", f"{seen(len(titles), 'row')}. {told}.", draw, data)


def _draw_bars(
    names: list[str],
    value: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    level: np.ndarray,
    named: str,
    x_label: str,
    highlight: int | None,
    width: int,
) -> tuple[str, float]:
    if not len(names):
        return empty(width)
    wide = width > NARROW
    size = SIZE[wide]
    texts = [interval(*v) for v in zip(value, low, high, strict=True)]
    room = min(max(text_width(name, size) for name in names) + 16, width * 0.32) if wide else 8
    row = 30 if wide else 46
    right = max(text_width(text, size * 1.08) for text in texts) + 14 if wide else 12
    top = 1.5 * size if named and np.isfinite(level[0]) else 8
    box = Box(room, top, width - right, top + row * len(names) + (0 if wide else 8))
    x = scale(np.concatenate([value, low, high, level]), box.left, box.right, pad=0.04)
    parts = [line(x(t), box.top, x(t), box.bottom, "grid") for t in x.ticks(x_count(box))]
    parts.append(axes(box, x, None, x_label, size=size))
    if named and np.isfinite(level[0]):
        parts.append(line(x(level[0]), box.top, x(level[0]), box.bottom, "chance"))
        parts.append(label(x(level[0]), size, named, "tick", "middle"))
    for i, name in enumerate(names):
        middle = box.top + row * (i + (0.5 if wide else 0.72))
        base = middle + size * 0.35
        strong = " strong" if i == highlight else ""
        if wide:
            inner = label(room - 12, base, shorten(name, room - 14, size), "name", "end", name)
            inner += label(width - right + 12, base, texts[i], "value")
        else:
            free = width - text_width(texts[i], size) - 30
            inner = label(box.left, middle - size * 0.75, shorten(name, free, size), "name", full=name)
            inner += label(width - 12, middle - size * 0.75, texts[i], "value", "end")
        if np.isfinite(low[i]) and np.isfinite(high[i]):
            inner += line(x(low[i]), middle, x(high[i]), middle, "whisker thick")
        if not named and np.isfinite(level[i]):
            inner += line(x(level[i]), middle - 8, x(level[i]), middle + 8, "chance")
        if np.isfinite(value[i]):
            inner += dot(x(value[i]), middle, 5, "dot", f"{name}: {texts[i]}")
        parts.append(f'<g class="series rows c0{strong}">{inner}</g>')
    return "".join(parts), box.bottom + 26 + (2 * size if x_label else size)


def strip(values: Any, low: float | None = None, high: float | None = None, mark: float | None = None) -> Figure:
    """A small distribution for a table cell or a line of text, 132 x 26 pixels.

    values     (n,) numbers; missing ones are left out. Up to 60 are drawn one by one, more as a histogram
    low, high  ends of the range shown; by default those of the values
    mark       a value to mark, by default the median
    """
    known = floats(values)
    known = known[np.isfinite(known)]
    width, height = 132, 26
    if not len(known):
        return Figure(f'<svg class="strip" width="{width}" height="{height}" role="img"><title>no values</title></svg>')
    ends = [v for v in floats([low, high]) if np.isfinite(v)]
    x = scale([*known, *ends], 5, width - 5, pad=0)
    shown = float(np.median(known)) if mark is None else float(floats([mark])[0])
    if len(known) <= 60:
        marks = "".join(f'<path d="M{px(x(v))} 7v12"/>' for v in known)
        body = f'<g class="ticks c0">{marks}</g>'
    else:
        counts, edges = np.histogram(known, bins=30, range=(x.low, x.high))
        tall = (height - 6) * counts / counts.max()
        steps = "".join(
            f"M{px(x(a))} {height - 3}V{px(height - 3 - t)}H{px(x(b))}V{height - 3}Z"
            for a, b, t in zip(edges, edges[1:], tall, strict=False)
            if t
        )
        body = f'<path class="hist c0" d="{steps}"/>'
    if np.isfinite(shown) and x.low <= shown <= x.high:
        body += line(x(shown), 2, x(shown), height - 2, "mark")
    words = f"{seen(len(known), 'value')} from {number(known.min())} to {number(known.max())}, marked {number(shown)}"
    inner = f"<title>{words}</title>{line(3, height - 3, width - 3, height - 3, 'axis')}{body}"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return Figure(f'<svg class="strip" {size} role="img">{inner}</svg>', (["value"], [[float(v)] for v in known]))
