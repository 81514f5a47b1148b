"""What every figure is drawn with: scales, ticks, axes, text widths, the figure itself.

Reads  numbers (None, NaN and infinities are gaps) and names.
Gives  SVG markup drawn twice, for a wide page and for a phone; the style sheet shows one of them.
Skips  colours and fonts: classes name them and style.py says what they look like.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from .text import MISSING, clean, short_exponent

WIDE, NARROW = 920, 440
_NARROW_LETTERS, _BROAD_LETTERS = frozenset("iljtfrI.,;:|!'()[] "), frozenset("mwMW@%+=<>~")
_HUGE = 1e300  # beyond it, differences overflow

Rows = tuple[list[str], list[list[Any]]]


class Figure(Markup):
    """Markup of one figure, safe to put into a page, with the (columns, rows) it shows as `data`."""

    data: Rows | None

    def __new__(cls, markup: str = "", data: Rows | None = None) -> Figure:
        made = super().__new__(cls, markup)
        made.data = data
        return made


@dataclass(frozen=True)
class Box:
    """The plotting area in pixels."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Scale:
    """From values in [low, high] to pixels in [start, stop], linear or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        at = (math.log(value) if self.log else value) - low
        return self.start + (self.stop - self.start) * at / (high - low)

    def ticks(self, wanted: int = 6) -> list[float]:
        """Round values inside the scale, about as many as wanted."""
        decades = math.log10(self.high) - math.log10(self.low) if self.log else 0
        if not self.log or decades < 0.7:
            return _linear_ticks(self.low, self.high, wanted)
        leads = (1, 2, 5) if decades * 3 <= wanted else (1, 3) if decades * 2 <= wanted else (1,)
        step = max(1, math.ceil(decades / wanted)) if len(leads) == 1 else 1
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1, step)
        low, high = self.low * (1 - 1e-9), self.high * (1 + 1e-9)
        return [m * 10.0**p for p in powers for m in leads if low <= m * 10.0**p <= high]


def scale(
    values: Sequence[float] | np.ndarray, start: float, stop: float, log: bool = False, pad: float = 0.05
) -> Scale:
    """A scale that shows all finite values, with a margin; equal values and no values get a range around them.

    A logarithmic scale without any positive value becomes a linear one.
    """
    known = np.asarray(values, dtype=float).ravel()
    known = known[np.isfinite(known)]
    log = log and bool((known > 0).any())
    if log:
        known = np.log(np.maximum(known[known > 0], 1 / _HUGE))
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        around = 0.7 if log else max(abs(low) * 0.1, 1e-300) if low else 1.0
        low, high = low - around, high + around
    margin = (high - low) * pad
    low, high = low - margin, high + margin
    if log:
        low, high = max(low, -707.0), min(high, 707.0)  # what exp can give
    return Scale(math.exp(low), math.exp(high), start, stop, True) if log else Scale(low, high, start, stop)


def _linear_ticks(low: float, high: float, wanted: int) -> list[float]:
    rough = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 1e-307 else rough
    step = next(m * power for m in (1, 2, 5, 10, 20) if m * power >= rough * 0.8)
    first = math.ceil(low / step - 1e-9)
    ticks = [(first + i) * step for i in range(3 * wanted) if (first + i) * step <= high + 1e-9 * step]
    return [0.0 if abs(t) < step * 1e-6 else t for t in ticks]


def tick_texts(ticks: Sequence[float], log: bool = False) -> list[str]:
    """Labels of ticks, all with as many decimals as tell them apart."""
    if not ticks:
        return []
    size = max(abs(t) for t in ticks)
    steps = [abs(b - a) for a, b in itertools.pairwise(ticks)]
    step = min([one for one in steps if one > 0], default=size or 1.0)
    even = not log and (not steps or max(steps) <= 1.5 * step)
    if size and (size >= 1e6 or (even and size < 1e-3)):
        digits = min(12, max(0, math.floor(math.log10(size)) - math.floor(math.log10(step) + 1e-9))) if even else 0
        return ["0" if t == 0 else short_exponent(f"{t:.{digits}e}") for t in ticks]
    if not even:
        return [short_exponent(f"{t:g}") if not 1e3 <= abs(t) < 1e6 else f"{t:,.0f}" for t in ticks]
    decimals = min(12, max(0, -math.floor(math.log10(step) + 1e-9)))
    return [f"{t:,.{decimals}f}" for t in ticks]


def text_width(text: str, size: float) -> float:
    """Roughly how many pixels the text takes at a font size; rather too many than too few."""
    return size * sum(map(_em, text))


def _em(c: str) -> float:
    if c in _NARROW_LETTERS:
        return 0.38
    if c in _BROAD_LETTERS:
        return 0.92
    if c.isascii():
        return 0.7 if c.isupper() else 0.62
    if unicodedata.category(c) in ("Mn", "Me", "Cf"):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(c) in "WF" else 0.7


def shorten(text: str, room: float, size: float) -> str:
    """The text cut with an ellipsis so that it takes at most `room` pixels."""
    if text_width(text, size) <= room:
        return text
    used, kept = text_width("…", size), []
    for c in text:
        used += _em(c) * size
        if used > room:
            break
        kept.append(c)
    return "".join(kept).rstrip() + "…"


def floats(values: Any) -> np.ndarray:
    """A flat float array of anything array-like; None, infinities and what is no number become NaN."""
    if values is None:
        return np.empty(0)
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    try:
        found = np.array(values, dtype=float).ravel()
    except (TypeError, ValueError):
        found = np.array([_float(v) for v in values], dtype=float)
    found[~(np.abs(found) < _HUGE)] = np.nan
    return found


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def px(value: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def label(x: float, y: float, text: str, kind: str = "", anchor: str = "start", full: str = "") -> str:
    """A <text>; `full` is shown on hovering when the text was cut."""
    tip = f"<title>{escape(clean(full))}</title>" if full and full != text else ""
    end = "" if anchor == "start" else f' text-anchor="{anchor}"'
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{px(x)}" y="{px(y)}"{kind}{end}>{escape(clean(text))}{tip}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight <line>."""
    return f'<line x1="{px(x1)}" y1="{px(y1)}" x2="{px(x2)}" y2="{px(y2)}" class="{kind}"/>'


def path(xs: Sequence[float] | np.ndarray, ys: Sequence[float] | np.ndarray, kind: str, closed: bool = False) -> str:
    """A <path> through points in pixels."""
    steps = "L".join(f"{px(x)} {px(y)}" for x, y in zip(xs, ys, strict=True))
    return f'<path d="M{steps}{"Z" if closed else ""}" class="{kind}"/>'


def dot(x: float, y: float, radius: float, kind: str, tip: str = "") -> str:
    """A <circle> with a text on hovering."""
    inner = f"<title>{escape(clean(tip))}</title>" if tip else ""
    return f'<circle cx="{px(x)}" cy="{px(y)}" r="{px(radius)}" class="{kind}">{inner}</circle>'


def axes(
    box: Box,
    x: Scale,
    y: Scale | None,
    x_label: str,
    y_label: str = "",
    x_ticks: Sequence[float] | None = None,
    size: float = 13,
) -> str:
    """Grid lines, tick labels and the names of both axes; tick labels that would touch are left out."""
    parts: list[str] = []
    if y is not None:
        ticks = y.ticks(max(3, int((box.bottom - box.top) / 62)))
        for value, text in zip(ticks, tick_texts(ticks), strict=True):
            parts.append(line(box.left, y(value), box.right, y(value), "grid"))
            parts.append(label(box.left - 8, y(value) + size * 0.35, text, "tick", "end"))
        parts.append(label(0, size, shorten(y_label, box.right, size), "axis-name", full=y_label))
    parts.append(line(box.left, box.bottom, box.right, box.bottom, "axis"))
    ticks = list(x_ticks) if x_ticks is not None else x.ticks(x_count(box))
    free_from = -math.inf
    for value, text in zip(ticks, tick_texts(ticks, x.log), strict=True):
        half = text_width(text, size) / 2
        parts.append(line(x(value), box.bottom, x(value), box.bottom + 5, "axis"))
        if x(value) - half > free_from:
            parts.append(label(x(value), box.bottom + 8 + size, text, "tick", "middle"))
            free_from = x(value) + half + 6
    middle = (box.left + box.right) / 2
    room = 2 * min(middle, box.right - middle + 40)
    name = shorten(x_label, room, size)
    parts.append(label(middle, box.bottom + 18 + 2 * size, name, "axis-name", "middle", x_label))
    return "".join(parts)


def x_count(box: Box) -> int:
    """How many ticks the horizontal axis has room for."""
    return max(3, int((box.right - box.left) / 85))


def left_margin(y: Scale, height: float, size: float) -> float:
    """Room for the tick labels of the vertical axis."""
    texts = tick_texts(y.ticks(max(3, int(height / 62))))
    return 14 + max((text_width(text, size) for text in texts), default=20)


def runs(known: np.ndarray) -> Iterator[np.ndarray]:
    """Index arrays of the unbroken stretches where `known` is true."""
    where = np.flatnonzero(known)
    if len(where):
        yield from np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)


def drawn(title: str, summary: str, draw: Callable[[int], tuple[str, float]], data: Rows) -> Figure:
    """A figure drawn for both widths.

    title, summary  what the figure shows, in words, for those who cannot see it
    draw            of the width in pixels; returns markup and height
    data            (columns, rows) to download
    """
    words = f"<title>{escape(clean(title))}</title><desc>{escape(clean(summary))}</desc>"
    both = []
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        inner, height = draw(width)
        both.append(f'<svg class="{kind}" viewBox="0 0 {width} {px(height)}" role="img">{words}{inner}</svg>')
    return Figure(f'<div class="plot">{"".join(both)}</div>', data)


def empty(width: int, text: str = "nothing to show") -> tuple[str, float]:
    """What stands in the place of a figure without data."""
    return label(width / 2, 44, text or MISSING, "tick", "middle"), 80


def seen(count: int, noun: str) -> str:
    """Count and noun: 1 line, 3 lines."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
