"""Small pictures for docs/pictures: curves with bands, panels side by side, as plain SVG.

Reads  lines of numbers with their intervals.
Gives  docs/pictures/NAME.svg, readable on light and dark pages (it brings its own white ground).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#8a2f7b", "#d39f00", "#14181c")  # Okabe and Ito, darkened
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 330, 230, 46, 26, 40


@dataclass(frozen=True)
class Line:
    """One curve with the ends of its intervals."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def curves(
    name: str, panels: Sequence[tuple[str, Sequence[Line]]], x_label: str, y_label: str, log_x: bool = False
) -> Path:
    """docs/pictures/NAME.svg: one panel per title, each with its own legend below."""
    legend = max(len(lines) for _, lines in panels) * 15 + 8
    width, height = WIDTH * len(panels), HEIGHT + legend
    body = [_panel(i * WIDTH, title, lines, (x_label, y_label), log_x) for i, (title, lines) in enumerate(panels)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = ' font-family="sans-serif" font-size="11" fill="#14181c">'
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.svg"
    path.write_text("\n".join([head + style, ground, *body, "</svg>"]) + "\n", encoding="utf-8")
    return path


def _panel(left: int, title: str, lines: Sequence[Line], labels: tuple[str, str], log_x: bool) -> str:
    place = math.log10 if log_x else float
    xs = [place(x) for line in lines for x in line.x]
    ys = [y for line in lines for side in (line.low, line.high) for y in side]
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
    margin = 0.04 * (y1 - y0 or 1)
    y0, y1 = y0 - margin, y1 + margin
    a, b = left + LEFT, left + WIDTH - 14

    def across(x: float) -> float:
        return a + (b - a) * (place(x) - x0) / (x1 - x0 or 1)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (y - y0) / (y1 - y0)

    out = [f'<text x="{a}" y="16" font-weight="bold">{escape(title)}</text>']
    step = _step(y1 - y0)
    for k in range(math.ceil(y0 / step), math.floor(y1 / step) + 1):
        at = up(k * step)
        out.append(f'<path d="M{a} {at:.1f}H{b}" stroke="#e2e6ea"/>')
        out.append(f'<text x="{a - 5}" y="{at + 4:.1f}" text-anchor="end">{k * step:g}</text>')
    for x in _ticks(sorted({x for line in lines for x in line.x}), log_x):
        out.append(f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{_short(x)}</text>')
    out.append(f'<text x="{(a + b) / 2}" y="{HEIGHT - 9}" text-anchor="middle">{escape(labels[0])}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'x="{left + 11}" y="{middle}" transform="rotate(-90 {left + 11} {middle})"'
    out.append(f'<text {turned} text-anchor="middle">{escape(labels[1])}</text>')
    for i, line in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        there = [f"{across(x):.1f},{up(y):.1f}" for x, y in zip(line.x, line.high, strict=True)]
        back = [f"{across(x):.1f},{up(y):.1f}" for x, y in zip(line.x, line.low, strict=True)]
        points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in zip(line.x, line.y, strict=True))
        out.append(f'<polygon points="{" ".join([*there, *reversed(back)])}" fill="{colour}" fill-opacity="0.15"/>')
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        at = HEIGHT + 4 + 15 * i
        out.append(f'<path d="M{a} {at}h16" stroke="{colour}" stroke-width="3"/>')
        out.append(f'<text x="{a + 21}" y="{at + 4}">{escape(line.name)}</text>')
    return "\n".join(out)


def _short(x: float) -> str:
    return f"{x / 1000:g}k" if x >= 1000 else f"{x:g}"


def _step(span: float) -> float:
    rough = span / 5
    power = 10 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough)


def _ticks(places: list[float], log_x: bool) -> list[float]:
    if log_x:
        first, last = math.floor(math.log10(places[0])), math.ceil(math.log10(places[-1]))
        leads = (1, 2, 5) if places[-1] / places[0] < 300 else (1,)
        return [m * 10.0**k for k in range(first, last + 1) for m in leads if places[0] <= m * 10.0**k <= places[-1]]
    step = _step(places[-1] - places[0])
    return [k * step for k in range(math.ceil(places[0] / step), math.floor(places[-1] / step) + 1)]


def differences(name: str, rows: Sequence[tuple[str, Sequence[Sequence[float]]]], columns: Sequence[str]) -> Path:
    """docs/pictures/NAME.svg: a dot with its interval for every row and column, around 0.

    rows  (label, one (value, low, high) per column)
    """
    ends = [0.0, *(side for _, spans in rows for span in spans for side in span)]
    x0, x1 = min(ends), max(ends)
    left, across, line = 190, 190, 22
    width, height = left + (across + 20) * len(columns), 54 + line * len(rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11" fill="#14181c">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    step = _step(x1 - x0)
    for j, title in enumerate(columns):
        start = left + (across + 20) * j

        def at(x: float, start: int = start) -> float:
            return start + across * (x - x0) / (x1 - x0)

        out.append(f'<text x="{start}" y="16" font-weight="bold">{escape(title)}</text>')
        for k in range(math.ceil(x0 / step), math.floor(x1 / step) + 1):
            colour = "#14181c" if k == 0 else "#e2e6ea"
            out.append(f'<path d="M{at(k * step):.1f} 24V{height - 22}" stroke="{colour}"/>')
            out.append(
                f'<text x="{at(k * step):.1f}" y="{height - 8}" text-anchor="middle">{k * step:+g}</text>'.replace(
                    ">+0<", ">0<"
                )
            )
        for i, (_, spans) in enumerate(rows):
            value, low, high = spans[j]
            y = 36 + line * i
            colour = COLOURS[2] if low > 0 else COLOURS[1] if high < 0 else "#6b737b"
            out.append(f'<path d="M{at(low):.1f} {y}H{at(high):.1f}" stroke="{colour}" stroke-width="2"/>')
            out.append(f'<circle cx="{at(value):.1f}" cy="{y}" r="4" fill="{colour}"/>')
    for i, (label, _) in enumerate(rows):
        out.append(f'<text x="{left - 12}" y="{40 + line * i}" text-anchor="end">{escape(label)}</text>')
    path = PICTURES / f"{name}.svg"
    path.write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")
    return path
