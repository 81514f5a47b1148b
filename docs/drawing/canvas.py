"""A picture of two panels as one SVG file with a background of its own, readable on white and on dark pages.

Reads  arrays in the data's units; pictures of 8 x 8 values.
Gives  SVG text: dots, lines, arrows, contours, shaded grids, small pictures, axes with ticks and legends.
Skips  style sheets and scripts: a picture on GitHub may have neither from outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import escape

from codelayer.report.svg import px, text_width, tick_texts
from codelayer.report.svg import scale as fitted

INK, MUTED, GRID, PAPER = "#1b1f24", "#5b6570", "#e4e8ec", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE, YELLOW, BLACK, SKY, RED, PINK, GREY = (
    "#0072b2", "#d55e00", "#009e73", "#8a2f7b", "#d39f00", "#14181c", "#56b4e9", "#8c1c13", "#d47fc0", "#98a1ab",
)  # fmt: skip
SERIES = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, BLACK, SKY, RED, PINK, GREY)
FONT = "ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
WIDTH, HEIGHT = 940, 440
LEFT, RIGHT = 418, 468
LEVELS = 16


def blend(low: str, high: str, share: float) -> str:
    """A colour between two."""
    ends = [[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in (low, high)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(*ends, strict=True))


def signed(share: float) -> str:
    """White at 0, blue to -1, orange to 1."""
    return blend(PAPER, ORANGE if share > 0 else BLUE, abs(share))


def ink(share: float) -> str:
    """White at 0, dark at 1."""
    return blend(PAPER, INK, share)


def heat(share: float) -> str:
    """Pale at 0, deep blue at 1."""
    return blend("#f7fafc", "#0a4f80", min(1.0, max(0.0, share)))


class Picture:
    """The whole file: a title nobody overlooks, and what the panels add."""

    def __init__(self, title: str, summary: str, height: int = HEIGHT) -> None:
        self.title, self.summary, self.height = title, summary, height
        self.parts: list[str] = []

    def both(self, a: tuple[str, str], b: tuple[str, str]) -> tuple[Panel, Panel]:
        """The left and the right panel, each (title, subtitle)."""
        return Panel(self, 18, LEFT, *a), Panel(self, WIDTH - 18 - RIGHT, RIGHT, *b)

    def text(self, x: float, y: float, words: str, size: float = 13, **look: Any) -> None:
        """Words at a place in pixels; look: colour, anchor, weight."""
        colour, anchor, weight = look.get("colour", INK), look.get("anchor", "start"), look.get("weight", 400)
        kind = f' text-anchor="{anchor}"' if anchor != "start" else ""
        kind += f' font-weight="{weight}"' if weight != 400 else ""
        self.parts.append(
            f'<text x="{px(x)}" y="{px(y)}" font-size="{px(size)}" fill="{colour}"{kind}>{escape(words)}</text>'
        )

    def svg(self) -> str:
        """The file's text."""
        words = f"<title>{escape(self.title)}</title><desc>{escape(self.summary)}</desc>"
        sheet = f'<rect width="{WIDTH}" height="{self.height}" rx="8" fill="{PAPER}" stroke="#c9d0d6"/>'
        size = f'viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" height="{self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{escape(FONT)}">'
        return f"{head}{words}{sheet}{''.join(self.parts)}</svg>\n"


class Panel:
    """One half of a picture, with its own scales."""

    def __init__(self, picture: Picture, left: float, width: float, title: str, subtitle: str) -> None:
        self.picture, self.left, self.right = picture, left, left + width
        for words, size in ((title, 15.5), (subtitle, 12.0)):
            if text_width(words, size) > width + 8:
                raise ValueError(f"{words!r} is wider than its panel")
        self.top, self.bottom, self.below = 66.0, picture.height - 16.0, 0
        picture.text(left, 28, title, 15.5, weight=600)
        picture.text(left, 48, subtitle, 12.5, colour=MUTED)
        self.clip = f"c{len(picture.parts)}"

    # --- scales -------------------------------------------------------------------------------------------------

    def plane(
        self, rows: np.ndarray, x_name: str = "feature 1", y_name: str = "feature 2", below: int = 0, equal: bool = True
    ) -> None:
        """Axes that show all rows (n, 2), lines of a legend below; with `equal` both axes have one unit."""
        rows = np.asarray(rows, float)
        self.below = below
        self.box = (self.left + 44, self.top, self.right, self.bottom - 34 - (17 * below + 2 if below else 0))
        x0, y0, x1, y1 = self.box
        self.x, self.y = fitted(rows[:, 0], x0, x1), fitted(rows[:, 1], y1, y0)
        if equal:
            unit = max((self.x.high - self.x.low) / (x1 - x0), (self.y.high - self.y.low) / (y1 - y0))
            middles = [(s.low + s.high) / 2 for s in (self.x, self.y)]
            half = [unit * (x1 - x0) / 2, unit * (y1 - y0) / 2]
            ends = [np.array([m - h, m + h]) for m, h in zip(middles, half, strict=True)]
            self.x, self.y = fitted(ends[0], x0, x1, pad=0), fitted(ends[1], y1, y0, pad=0)
        self._axes(x_name, y_name)

    def chart(
        self,
        xs: Any,
        ys: Any,
        x_name: str,
        y_name: str,
        log_x: bool = False,
        x_ticks: Sequence[tuple[float, str]] | None = None,
        below: float = 0,
    ) -> None:
        """Axes of a curve; `below` leaves pixels free under it."""
        self.box = (self.left + 52, self.top + 14, self.right - 8, self.bottom - 34 - below)
        x0, y0, x1, y1 = self.box
        self.x = fitted(np.asarray(xs, float), x0, x1, log_x, 0.03)
        self.y = fitted(np.asarray(ys, float), y1, y0, False, 0.06)
        self._axes(x_name, "", x_ticks)
        self.text_at(self.left, self.top + 6, y_name, colour=MUTED)

    def _axes(self, x_name: str, y_name: str, x_ticks: Sequence[tuple[float, str]] | None = None) -> None:
        x0, y0, x1, y1 = self.box
        add, words = self.picture.parts.append, self.picture.text
        y_ticks = self.y.ticks(5)
        ticks = self.x.ticks(6)
        named = x_ticks if x_ticks is not None else list(zip(ticks, tick_texts(ticks, self.x.log), strict=True))
        lines = "".join(f"M{px(x0)} {px(self.y(v))}H{px(x1)}" for v in y_ticks)
        lines += "".join(f"M{px(self.x(v))} {px(y0)}V{px(y1)}" for v, _ in named)
        add(f'<path d="{lines}" stroke="{GRID}" fill="none"/>')
        add(
            f'<clipPath id="{self.clip}"><rect x="{px(x0)}" y="{px(y0)}" width="{px(x1 - x0)}" height="{px(y1 - y0)}"/>'
        )
        add("</clipPath>")
        for v, text in zip(y_ticks, tick_texts(y_ticks), strict=True):
            words(x0 - 6, self.y(v) + 4, text, 11.5, colour=MUTED, anchor="end")
        for v, text in named:
            words(self.x(v), y1 + 15, text, 11.5, colour=MUTED, anchor="middle")
        words((x0 + x1) / 2, y1 + 32, x_name, 12, colour=MUTED, anchor="middle")
        if y_name:
            middle = (y0 + y1) / 2
            turn = f'transform="rotate(-90 {px(x0 - 32)} {px(middle)})"'
            add(f'<text x="{px(x0 - 32)}" y="{px(middle)}" {turn} font-size="12" fill="{MUTED}" text-anchor="middle">')
            add(f"{escape(y_name)}</text>")

    def grid(self, count: int = 15) -> np.ndarray:
        """(count * rows, 2) places evenly over the plane, row by row."""
        xs = np.linspace(self.x.low, self.x.high, count + 1)[:-1] + (self.x.high - self.x.low) / count / 2
        rows = round(count * (self.box[3] - self.box[1]) / (self.box[2] - self.box[0]))
        ys = np.linspace(self.y.low, self.y.high, rows + 1)[:-1] + (self.y.high - self.y.low) / rows / 2
        return np.stack([one.ravel() for one in np.meshgrid(xs, ys)], 1).astype(np.float32)

    # --- marks --------------------------------------------------------------------------------------------------

    def _mark(self, steps: str, colour: str, width: float, extra: str = "") -> None:
        if steps:
            clip = f' clip-path="url(#{self.clip})"' if hasattr(self, "box") else ""
            look = f'stroke="{colour}" stroke-width="{px(width)}" fill="none" stroke-linecap="round"'
            self.picture.parts.append(f'<path d="{steps}" {look}{extra}{clip}/>')

    def dots(self, rows: np.ndarray, colour: str = GREY, radius: float = 2, alpha: float = 1) -> None:
        """A dot per row (n, 2)."""
        steps = "".join(f"M{px(self.x(a))} {px(self.y(b))}h0" for a, b in np.asarray(rows, float))
        self._mark(steps, colour, 2 * radius, f' opacity="{alpha:g}"' if alpha != 1 else "")

    def line(self, rows: np.ndarray, colour: str = BLUE, width: float = 2, dash: str = "") -> None:
        """A line through rows (n, 2)."""
        steps = "M" + "L".join(f"{px(self.x(a))} {px(self.y(b))}" for a, b in np.asarray(rows, float))
        self._mark(steps, colour, width, f' stroke-dasharray="{dash}"' if dash else "")

    def segments(self, a: np.ndarray, b: np.ndarray, colour: str = GREY, width: float = 1) -> None:
        """A line from every row of a to that of b."""
        both = zip(np.asarray(a, float), np.asarray(b, float), strict=True)
        steps = "".join(
            f"M{px(self.x(p[0]))} {px(self.y(p[1]))}L{px(self.x(q[0]))} {px(self.y(q[1]))}" for p, q in both
        )
        self._mark(steps, colour, width)

    def arrows(self, a: np.ndarray, b: np.ndarray, colour: str = BLUE, width: float = 1.3, head: float = 4.5) -> None:
        """An arrow from every row of a to that of b."""
        steps = []
        for p, q in zip(np.asarray(a, float), np.asarray(b, float), strict=True):
            start = np.array([self.x(p[0]), self.y(p[1])])
            end = np.array([self.x(q[0]), self.y(q[1])])
            along = end - start
            length = float(np.hypot(*along))
            if length < 1.5:
                continue
            along = along / length * min(head, length * 0.6)
            across = np.array([-along[1], along[0]]) * 0.55
            wings = (end - along + across, end - along - across)
            way = [start, end, None, wings[0], end, wings[1]]
            for i, one in enumerate(way):
                if one is not None:
                    steps.append(f"{'M' if i in (0, 3) else 'L'}{px(one[0])} {px(one[1])}")
        self._mark("".join(steps), colour, width)

    def shade(self, colours: np.ndarray, count: int) -> None:
        """The plane filled: one colour per place of grid(count)."""
        x0, y0, x1, y1 = self.box
        rows = round(count * (y1 - y0) / (x1 - x0))
        across, down = (x1 - x0) / count, (y1 - y0) / rows
        cells = np.asarray(colours, object).reshape(rows, count)[::-1]  # the first row is the lowest
        self._cells(cells, x0, y0, across, down)

    def _cells(self, cells: np.ndarray, left: float, top: float, across: float, down: float) -> None:
        ways: dict[str, list[str]] = {}
        for i, row in enumerate(cells):
            at = 0
            for colour, run in itertools.groupby(row):
                wide = len(list(run))
                if colour not in (None, PAPER):
                    # whole pixels, so that neighbours leave no gap
                    x0, x1 = round(left + at * across), round(left + (at + wide) * across)
                    y0, y1 = round(top + i * down), round(top + (i + 1) * down)
                    ways.setdefault(colour, []).append(f"M{x0} {y0}H{x1}V{y1}H{x0}z")
                at += wide
        for colour, steps in ways.items():
            self.picture.parts.append(f'<path d="{"".join(steps)}" fill="{colour}" shape-rendering="crispEdges"/>')

    def contours(self, values: np.ndarray, count: int, levels: Sequence[float], colour: str = BLUE) -> None:
        """Level lines of a value per place of grid(count)."""
        places = self.grid(count)
        z = np.asarray(values, float).reshape(-1, count)
        xs, ys = places[:count, 0], places[::count, 1]
        a, b = [], []
        for level in levels:
            for i, j in itertools.product(range(len(ys) - 1), range(count - 1)):
                corner = [(j, i), (j + 1, i), (j + 1, i + 1), (j, i + 1)]
                at = []
                for p, q in zip(corner, corner[1:] + corner[:1], strict=True):
                    u, v = z[p[1], p[0]] - level, z[q[1], q[0]] - level
                    if not np.isnan(z[i : i + 2, j : j + 2]).any() and (u < 0) != (v < 0):
                        t = u / (u - v)
                        at.append([xs[p[0]] + t * (xs[q[0]] - xs[p[0]]), ys[p[1]] + t * (ys[q[1]] - ys[p[1]])])
                for k in range(0, len(at) - 1, 2):
                    a.append(at[k])
                    b.append(at[k + 1])
        if a:
            self.segments(np.array(a), np.array(b), colour, 1.2)

    def shown(self, values: np.ndarray, left: float, top: float, pixel: float = 5, paint: Any = ink) -> None:
        """A small picture (h, w): values in [0, 1] for `ink`, in [-1, 1] for `signed`."""
        z = np.clip(np.asarray(values, float), -1 if paint is signed else 0, 1)
        known = {level: paint(level / LEVELS) for level in range(-LEVELS, LEVELS + 1) if level >= 0 or paint is signed}
        cells = np.array([[known[round(v * LEVELS)] for v in row] for row in z], object)
        h, w = z.shape
        frame = f'x="{px(left - 0.5)}" y="{px(top - 0.5)}" width="{px(w * pixel + 1)}" height="{px(h * pixel + 1)}"'
        self.picture.parts.append(f'<rect {frame} fill="none" stroke="#c9d0d6"/>')
        self._cells(cells, left, top, pixel, pixel)

    def strip(self, pictures: np.ndarray, left: float, top: float, pixel: float = 5, paint: Any = ink) -> None:
        """Small pictures (n, 8, 8) in a row."""
        for i, one in enumerate(pictures):
            self.shown(one, left + i * (8 * pixel + 5), top, pixel, paint)

    def rows_of(self, rows: Sequence[tuple[str, np.ndarray]], room: float = 96, pixel: float = 4, **look: Any) -> None:
        """Named strips of small pictures under one another; look: top, gap, paint."""
        top, gap = look.get("top", self.top), look.get("gap", 9)
        for name, pictures in rows:
            for i, words in enumerate(name.split("\n")):
                lines = name.count("\n") + 1
                middle = top + 4 * pixel + 4 - (lines - 1) * 7.5 + i * 15
                self.picture.text(self.left, middle, words, 12.5, colour=INK if i == 0 else MUTED)
            self.strip(pictures, self.left + room, top, pixel, look.get("paint", ink))
            top += 8 * pixel + gap

    def bars(self, tops: np.ndarray, edges: np.ndarray, colour: str, alpha: float = 0.75) -> None:
        """A histogram: a bar from 0 to each top between neighbouring edges."""
        steps = []
        for height, a, b in zip(tops, edges, edges[1:], strict=False):
            if height > 0:
                x0, x1 = self.x(a), self.x(b)
                y0, y1 = self.y(0), self.y(height)
                steps.append(f"M{px(x0)} {px(y0)}V{px(y1)}H{px(x1)}V{px(y0)}z")
        clip = f'clip-path="url(#{self.clip})"'
        self.picture.parts.append(f'<path d="{"".join(steps)}" fill="{colour}" opacity="{alpha:g}" {clip}/>')

    def text_at(
        self, x: float, y: float, words: str, colour: str = INK, anchor: str = "start", size: float = 12
    ) -> None:
        """Words at a place in pixels."""
        self.picture.text(x, y, words, size, colour=colour, anchor=anchor)

    def tell(self, x: float, y: float, words: str, colour: str = INK, anchor: str = "start") -> None:
        """Words at a place in the data's units, on a light ground."""
        self.picture.parts.append(
            '<g paint-order="stroke" stroke="#ffffff" stroke-width="3.5" stroke-linejoin="round">'
        )
        self.picture.text(self.x(x), self.y(y), words, 12, colour=colour, anchor=anchor, weight=600)
        self.picture.parts.append("</g>")

    def legend(self, entries: Sequence[tuple[str, str]], x: float | None = None, y: float | None = None) -> None:
        """Colours with their names, under one another, on a light ground inside the plot."""
        wide = max(len(name) for _, name in entries) * 6.6 + 30
        x0, y0, x1, _ = self.box if hasattr(self, "box") else (self.left, self.top, self.right, self.bottom)
        left, top = x1 - wide - 4 if x is None else x, y0 + 6 if y is None else y
        if self.below:
            if len(entries) != self.below:
                raise ValueError(f"{len(entries)} lines of a legend stand where {self.below} have room")
            left, top = x0 - 6, self.box[3] + 38
        ground = f'width="{px(wide)}" height="{len(entries) * 17 + 6}" rx="4" fill="#ffffff" opacity="0.88"'
        self.picture.parts.append(f'<rect x="{px(left)}" y="{px(top)}" {ground}/>')
        for i, (colour, name) in enumerate(entries):
            at = top + 14 + i * 17
            way = f'<path d="M{px(left + 6)} {px(at - 4)}h12" stroke-linecap="round"'
            if colour == heat(0):
                self.picture.parts.append(f'{way} stroke="{GREY}" stroke-width="6"/>')
            self.picture.parts.append(f'{way} stroke="{colour}" stroke-width="4"/>')
            self.picture.text(left + 25, at, name, 12)
