"""Figures of points: score against cost with its Pareto front.

Reads  named points with a score, its interval and a cost.
Gives  `Figure`: SVG markup with its data.
Skips  statistics: intervals and costs are given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .labels import Rect, place
from .lines import SIZE
from .svg import (
    NARROW,
    Box,
    Figure,
    Rows,
    axes,
    dot,
    drawn,
    empty,
    floats,
    label,
    left_margin,
    line,
    path,
    scale,
    seen,
    shorten,
    text_width,
)
from .text import interval, number, one_line, position


@dataclass(frozen=True)
class Point:
    """One named point: a score (y, with its interval) at a cost (x)."""

    name: str
    x: float | None
    y: float | None
    low: float | None = None
    high: float | None = None
    emphasis: bool = False


def front(cost: Any, score: Any) -> list[int]:
    """Indices of the points that no other one beats in cost (less) and score (more), by rising cost.

    Of equal points the first is kept; points with a missing number are never on it.
    """
    costs, scores = floats(cost), floats(score)
    known = np.flatnonzero(np.isfinite(costs) & np.isfinite(scores))
    best, kept = -np.inf, []
    for i in sorted(known, key=lambda i: (costs[i], -scores[i], i)):
        if scores[i] > best:
            best = scores[i]
            kept.append(int(i))
    return kept


def scatter(
    points: Sequence[Point | Mapping[str, Any]],
    x_label: str,
    y_label: str,
    log_x: bool = True,
    front: bool = True,
    chance: float | None = None,
    title: str = "",
    log_y: bool = False,
    limit: float | None = None,
) -> Figure:
    """Named points with their intervals and, as a stepped line, the Pareto front (score up, cost left).

    points   `Point`, or dicts with its fields; points without a number are in the data, not in the picture
    log_x    logarithmic cost; costs of 0 and below are then left out
    front    draw the front
    chance   level of chance, a dashed line
    log_y    logarithmic scores; those of 0 and below are then left out
    limit    a budget of the cost, a broken upright line
    """
    given = [one if isinstance(one, Point) else Point(**one) for one in points]
    numbers = np.array([floats([p.x, p.y, p.low, p.high]) for p in given]).reshape(-1, 4)
    log_x = log_x and bool((numbers[:, 0] > 0).any())
    shown = np.isfinite(numbers[:, 0]) & np.isfinite(numbers[:, 1])
    if log_x:
        shown &= np.nan_to_num(numbers[:, 0]) > 0
    log_y = log_y and bool((numbers[:, 1] > 0).any())
    if log_y:
        shown &= np.nan_to_num(numbers[:, 1]) > 0
        numbers[:, 2:] = np.where(numbers[:, 2:] > 0, numbers[:, 2:], np.nan)
    kept = [i for i in range(len(given)) if shown[i]]
    names = [one_line(given[i].name) for i in kept]
    strong = [given[i].emphasis for i in kept]
    best = _front(numbers[kept, 0], numbers[kept, 1]) if front else []

    def draw(width: int) -> tuple[str, float]:
        return _draw_scatter(names, numbers[kept], strong, best, x_label, y_label, (log_x, log_y), chance, limit, width)

    on_front = f" On the Pareto front, by rising cost: {', '.join(names[i] for i in best[:12])}." if best else ""
    told = "; ".join(
        f"{n}: {number(v[1])} at {position(v[0])}" for n, v in zip(names[:12], numbers[kept], strict=False)
    )
    left_out = len(given) - len(kept)
    missing = f" {seen(left_out, 'point')} without a number left out." if left_out else ""
    budget = "" if limit is None else f" The budget is {position(limit)}."
    values = [[float(v) if np.isfinite(v) else None for v in row] for row in numbers]
    rows = [[one_line(p.name), *v] for p, v in zip(given, values, strict=True)]
    data: Rows = (["name", x_label or "x", y_label or "y", "low", "high"], rows)
    summary = f"{seen(len(kept), 'point')}. {told}.{on_front}{budget}{missing}"
    return drawn(title or f"{y_label} against {x_label}", summary, draw, data)


_front = front


def _draw_scatter(
    names: list[str],
    numbers: np.ndarray,
    strong: list[bool],
    best: list[int],
    x_label: str,
    y_label: str,
    log: tuple[bool, bool],
    chance: float | None,
    limit: float | None,
    width: int,
) -> tuple[str, float]:
    if not names:
        return empty(width)
    size = SIZE[width > NARROW]
    height = 430 if width > NARROW else 420
    top, bottom = 2.4 * size, height - 2 * size - 26
    level = floats([chance])[0]
    y = scale([*numbers[:, 1:].ravel(), level], bottom, top, log[1], pad=0.08)
    box = Box(left_margin(y, bottom - top, size), top, width - 12, bottom)
    most = floats([limit])[0]
    most = most if most > 0 or not log[0] else np.nan
    x = scale([*numbers[:, 0], most], box.left, box.right, log[0], pad=0.08)
    at = [(x(row[0]), y(row[1])) for row in numbers]
    xs, ys = _front_line([at[i] for i in best], box) if best else ([], [])
    # the shade lies under the grid, the line above it
    parts = [path([*xs, box.right], [*ys, box.bottom], "front-area", closed=True)] if best else []
    parts.append(axes(box, x, y, x_label, y_label, size=size))
    if np.isfinite(level):
        parts.append(line(box.left, y(level), box.right, y(level), "chance"))
        parts.append(label(box.left + 4, y(level) - 5, "chance", "tick"))
    if np.isfinite(most):
        parts.append(line(x(most), box.top, x(most), box.bottom, "chance"))
        parts.append(label(x(most) + 4, box.top + size, "budget", "tick"))
    parts.append(path(xs, ys, "front-line") if best else "")
    lines: list[Rect] = [
        (at[i][0] - 2, y(high), at[i][0] + 2, y(low))
        for i, (low, high) in enumerate(numbers[:, 2:])
        if np.isfinite(low) and np.isfinite(high)
    ]
    corners = itertools.pairwise(zip(xs, ys, strict=True))
    lines += [(min(a, c) - 2, min(b, d) - 2, max(a, c) + 2, max(b, d) + 2) for (a, b), (c, d) in corners]
    for i, name in enumerate(names):
        kind = ("front" if i in best else "behind") + (" strong" if strong[i] else "")
        inner = ""
        if np.isfinite(numbers[i, 2]) and np.isfinite(numbers[i, 3]):
            inner = line(at[i][0], y(numbers[i, 2]), at[i][0], y(numbers[i, 3]), "whisker")
        tip = f"{name}: {interval(*numbers[i, 1:])} at {position(numbers[i, 0])}"
        inner += dot(*at[i], 6 if strong[i] else 5, "dot", tip)
        parts.append(f'<g class="point {kind}">{inner}</g>')
    held = []
    if np.isfinite(most):  # a name across the budget would hide on which side its point lies
        held = [(x(most) - 2, box.top, x(most) + 2, box.bottom), (x(most), box.top, x(most) + 4 * size, box.top + size)]
    parts.append(_draw_names(names, at, strong, best, held, lines, box, size))
    return "".join(parts), height


def _front_line(at: list[tuple[float, float]], box: Box) -> tuple[list[float], list[float]]:
    """The corners of the stepped line: up at each point of the front, level to the next."""
    xs, ys = [at[0][0]], [box.bottom]
    for (x0, y0), (x1, _) in zip(at, [*at[1:], (box.right, 0.0)], strict=True):
        xs += [x0, x1]
        ys += [y0, y0]
    return xs, ys


def _draw_names(
    names: list[str],
    at: list[tuple[float, float]],
    strong: list[bool],
    best: list[int],
    held: list[Rect],
    lines: list[Rect],
    box: Box,
    size: float,
) -> str:
    order = sorted(range(len(names)), key=lambda i: (not strong[i], i not in best))
    room = (box.right - box.left) * 0.4
    texts = [shorten(names[i], room, size) for i in order]
    sizes = [(text_width(text, size * 1.06) + 2, size * 1.2) for text in texts]
    dots: list[Rect] = [*((x - 6, y - 6, x + 6, y + 6) for x, y in at), *held]
    inside = (box.left, box.top - size, box.right + 8, box.bottom - 2)
    parts = []
    for i, text, rect in zip(order, texts, place([at[i] for i in order], sizes, inside, dots, lines), strict=True):
        if rect is None:
            continue  # no room: the name is still told on hovering
        parts.append(_leader(at[i], rect))
        kind = "name strong" if strong[i] else "name"
        parts.append(label(rect[0] + 1, rect[3] - size * 0.3, text, kind, full=names[i]))
    return "".join(parts)


def _leader(at: tuple[float, float], rect: Rect) -> str:
    """A thin line from a point to its label where the two are not next to each other."""
    x, y = min(max(at[0], rect[0]), rect[2]), min(max(at[1], rect[1]), rect[3])
    far = float(np.hypot(x - at[0], y - at[1]))
    if far < 17:
        return ""
    return line(at[0] + (x - at[0]) * 7 / far, at[1] + (y - at[1]) * 7 / far, x, y, "leader")
