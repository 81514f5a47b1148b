"""Maps of codes: one dot per sample in the plane, coloured by class or by a number.

Reads  2-D coordinates; classes or numbers; texts to show on hovering.
Gives  `Figure`: SVG markup with its data.
Skips  the projection to two dimensions: coordinates are given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import escape

from ..errors import DataError
from .labels import Rect, place
from .svg import Figure, Rows, empty, floats, label, px, scale, seen, shorten, text_width
from .text import as_float, clean, number, one_line

MAP = 480
EDGE = 10
SHAPES = ("round", "square", "bar")
COLOURS = 10
STEPS = 9

Classes = Mapping[Any, str] | Sequence[str] | None


@dataclass(frozen=True)
class _Dots:
    """The dots that are drawn: pixels, one radius, and hovering texts or None."""

    x: np.ndarray
    y: np.ndarray
    height: float
    radius: float
    tips: list[str] | None


def map2d(
    points: Any,
    labels: Any = None,
    names: Sequence[Any] | None = None,
    classes: Classes = None,
    as_number: bool | None = None,
    legend: str = "",
    limit: int = 5000,
    seed: int = 0,
    title: str = "",
) -> Figure:
    """A map: one dot per sample, coloured by its class or by a number.

    points     (n, 2) coordinates; rows with a missing one are left out
    labels     (n,) classes or numbers, or None; missing labels are grey
    names      (n,) texts shown on hovering, such as keys
    classes    names of classes, by label (mapping) or by whole number (sequence)
    as_number  colour by a scale; None: when a label is no whole number or over 100 are distinct
    legend     what the labels are
    limit      with more points, a random sample of so many, drawn with `seed`, is shown and the figure says so
    errors     DataError when points are not (n, 2) or the lengths differ
    """
    at, given, tips = _read(points, labels, names)
    rows = np.flatnonzero((np.abs(at) < 1e300).all(axis=1))
    total = len(rows)
    if total > limit:
        rows = np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))
    words = f"<title>{escape(clean(title or 'map of the codes'))}</title>"
    if not len(rows):
        inner, height = empty(MAP)
        return Figure(f'<div class="plot map"><svg viewBox="0 0 {MAP} {height}" role="img">{words}{inner}</svg></div>')
    shown, shown_tips = [given[i] for i in rows], [tips[i] for i in rows] if tips is not None else None
    by_number = _are_numbers(shown) if as_number is None else as_number
    named: list[Any] = floats(shown).tolist() if by_number else [_class_name(one, classes) for one in shown]
    dots = _fit(at[rows], shown_tips)
    drawing, key, told = _by_number(dots, np.asarray(named)) if by_number else _by_class(dots, named)
    sample = f"{len(rows):,} of {total:,} points, drawn with seed {seed}." if total > len(rows) else ""
    summary = f"{seen(len(rows), 'point')}. {told}. {sample}".strip()
    desc = f"<desc>{escape(clean(summary))}</desc>"
    svg = f'<svg viewBox="0 0 {MAP} {px(dots.height)}" role="img">{words}{desc}{drawing}</svg>'
    head = f'<p class="legend-title">{escape(clean(legend))}</p>' if legend and labels is not None else ""
    note = f'<p class="legend-note">{sample}</p>' if sample else ""
    aside = f'<div class="legend">{head}{key}{note}</div>' if head or key or note else ""
    return Figure(f'<div class="plot map">{svg}{aside}</div>', _data(at[rows], named, shown_tips, legend))


def _read(points: Any, labels: Any, names: Any) -> tuple[np.ndarray, list[Any], list[str] | None]:
    at = np.asarray(points.detach().cpu().numpy() if hasattr(points, "detach") else points, dtype=float)
    at = at.reshape(0, 2) if at.size == 0 else at
    if at.ndim != 2 or at.shape[1] != 2:
        wrong = f"a map needs points of shape (n, 2), these are {at.shape}"
        raise DataError(wrong, "project them to two columns first")
    given = [None] * len(at) if labels is None else _listed(labels)
    tips = None if names is None else [one_line(name) for name in _listed(names)]
    for what, found in (("labels", given), ("names", tips)):
        if found is not None and len(found) != len(at):
            raise DataError(f"{len(at)} points have {len(found)} {what}", "give one per point")
    return at, given, tips


def _listed(values: Any) -> list[Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _data(at: np.ndarray, named: list[Any], tips: list[str] | None, legend: str) -> Rows:
    columns = ["x", "y", legend or "label", *(["name"] if tips else [])]
    extra = [[tip] for tip in tips] if tips else [[] for _ in named]
    return columns, [
        [float(f"{x:.5g}"), float(f"{y:.5g}"), one, *more] for (x, y), one, more in zip(at, named, extra, strict=True)
    ]


def _are_numbers(labels: list[Any]) -> bool:
    if any(isinstance(one, str) and one for one in labels):
        return False
    found = [as_float(one) for one in labels if not isinstance(one, bool)]
    known = [one for one in found if one is not None and np.isfinite(one)]
    return any(one != int(one) for one in known) or len(set(known)) > 100


def _class_name(one: Any, classes: Classes) -> str | None:
    if one is None or one == "" or one != one:
        return None
    whole = int(one) if isinstance(one, float) and one.is_integer() else one
    if isinstance(classes, Mapping):
        return one_line(classes.get(one, classes.get(whole, whole)))
    if classes is not None and isinstance(whole, int) and 0 <= whole < len(classes):
        return one_line(classes[whole])
    return one_line(whole)


def _fit(at: np.ndarray, tips: list[str] | None) -> _Dots:
    """Pixels that keep the proportions, unless one side is over three times the other."""
    low, high = at.min(axis=0), at.max(axis=0)
    span = np.maximum(high - low, 1e-300)
    tall = float(np.exp(np.clip(np.log(span[1]) - np.log(span[0]), -20, 20)))
    height = MAP * float(np.clip(tall, 0.5, 1.0))
    half = (MAP / 2 - EDGE) / (tall if 1 < tall <= 3 else 1)
    x = scale(at[:, 0], MAP / 2 - half, MAP / 2 + half, pad=0)
    y = scale(at[:, 1], height - EDGE, EDGE, pad=0)
    radius = float(np.clip(10.5 - 1.05 * np.log(len(at)), 1.6, 4.5))
    return _Dots(np.array([x(v) for v in at[:, 0]]), np.array([y(v) for v in at[:, 1]]), height, radius, tips)


def _group(dots: _Dots, members: Sequence[int] | np.ndarray, kind: str, title: str, tips: list[str] | None) -> str:
    """Dots of one colour, as strokes of no length: a fifth of the bytes of circles."""
    bar = kind.endswith("bar")
    wide = dots.radius * 2.6 if bar else 0.0
    starts = [f"M{px(dots.x[i] - wide / 2)} {px(dots.y[i])}h{px(wide)}" for i in members]
    if tips is None:
        drawn = f'<path d="{"".join(starts)}"/>'
    else:
        drawn = "".join(
            f'<path d="{start}"><title>{escape(tip)}</title></path>' for start, tip in zip(starts, tips, strict=True)
        )
    words = f"<title>{escape(title)}</title>" if title and tips is None else ""
    width = dots.radius * (1.1 if bar else 1.75 if kind.endswith("square") else 2)
    return f'<g class="dots {kind}" stroke-width="{px(width)}">{words}{drawn}</g>'


def _by_class(dots: _Dots, labels: list[str | None]) -> tuple[str, str, str]:
    """The drawing, its legend, and both in words; the smallest of too many classes share one grey."""
    found: dict[str, list[int]] = {}
    for i, one in enumerate(labels):
        found.setdefault(one if one is not None else "", []).append(i)
    unlabelled = found.pop("", [])
    by_size = sorted(found, key=lambda name: -len(found[name]))
    most = COLOURS * len(SHAPES)
    classes = sorted(by_size[:most], key=_natural)
    rest = [i for name in by_size[most:] for i in found[name]]
    groups = [(f"{len(by_size) - most} more", "grey round", rest)] if rest else []
    groups += [("unlabelled" if classes else "", "grey round", unlabelled)] if unlabelled else []
    # those not told apart lie at the bottom, but come last in the legend
    order = [(n, f"c{k % COLOURS} {SHAPES[k // COLOURS]}", found[n]) for k, n in enumerate(classes)]
    parts = []
    for name, kind, members in [*groups, *order]:
        tips = None
        if dots.tips is not None:
            tips = [f"{dots.tips[i]}: {name}" if name else dots.tips[i] for i in members]
        parts.append(_group(dots, members, kind, name, tips))
    if 1 < len(classes) <= 2 * COLOURS:
        parts.append(_class_labels(dots, classes, found))
    keys = "".join(_key(*group) for group in [*order, *groups] if group[0])
    told = f"{len(classes)} classes: {', '.join(classes[:20])}" if classes else "no labels"
    return "".join(parts), f"<ul>{keys}</ul>" if keys else "", told


def _key(name: str, kind: str, members: list[int]) -> str:
    mark = '<path d="M2 8h12" stroke-width="5"/>' if kind.endswith("bar") else '<path d="M8 8h0"/>'
    svg = f'<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><g class="dots {kind}">{mark}</g></svg>'
    told = escape(name)
    return f'<li>{svg}<span title="{told}">{told}</span><small>{len(members):,}</small></li>'


def _class_labels(dots: _Dots, classes: list[str], found: dict[str, list[int]]) -> str:
    """The name of each class on the map, at the sample nearest to the median of the class."""
    bounds = (2.0, 2.0, MAP - 2.0, dots.height - 2.0)
    taken: list[Rect] = []
    parts = []
    for name in classes:
        x, y = dots.x[found[name]], dots.y[found[name]]
        near = int(np.argmin((x - np.median(x)) ** 2 + (y - np.median(y)) ** 2))
        cx, cy = float(x[near]), float(y[near])
        text = shorten(name, 110, 16)
        w, h = text_width(text, 16) + 4, 19.0
        rect: Rect | None = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        if not _inside(rect, bounds) or any(_touch(rect, one) for one in taken):
            rect = place([(cx, cy)], [(w, h)], bounds, taken)[0]
        if rect is not None:
            taken.append(rect)
            parts.append(label((rect[0] + rect[2]) / 2, rect[3] - 4.5, text, "on-map", "middle", name))
    return "".join(parts)


def _inside(one: Rect, bounds: Rect) -> bool:
    return one[0] >= bounds[0] and one[1] >= bounds[1] and one[2] <= bounds[2] and one[3] <= bounds[3]


def _touch(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _natural(name: str) -> list[tuple[int, float, str]]:
    """A sort key that puts 2 before 10 and "class 2" before "class 10"."""
    parts = re.split(r"(\d{1,15})", name)
    return [(0, float(one), "") if one.isdecimal() else (1, 0.0, one) for one in parts if one]


def _by_number(dots: _Dots, values: np.ndarray) -> tuple[str, str, str]:
    """The drawing, its colour scale, and both in words; the scale spans the middle 96 % of the values."""
    known = np.isfinite(values)
    if not known.any():
        return _by_class(dots, [None] * len(values))
    ends = np.percentile(values[known], [2, 98])
    bounds = scale(ends, 0, STEPS, pad=0)
    step = [min(STEPS - 1, max(0, int(bounds(v)))) if k else -1 for v, k in zip(values, known, strict=True)]
    parts = []
    for k in range(-1, STEPS):
        members = [i for i, one in enumerate(step) if one == k]
        told = [number(values[i]) if k >= 0 else "unlabelled" for i in members]
        if dots.tips is not None:
            told = [f"{dots.tips[i]}: {value}" for i, value in zip(members, told, strict=True)]
        if members:
            parts.append(_group(dots, members, f"v{k} round" if k >= 0 else "grey round", "", told))
    low, high = values[known].min(), values[known].max()
    texts = [f"{'≤ ' if low < ends[0] else ''}{number(ends[0])}", number(ends.mean())]
    texts.append(f"{'≥ ' if high > ends[1] else ''}{number(ends[1])}")
    cells = "".join(f'<rect class="v{k}" x="{k * 20}" y="0" width="20.5" height="14"/>' for k in range(STEPS))
    key = f'<svg class="ramp" viewBox="0 0 180 14" width="180" height="14" aria-hidden="true">{cells}</svg>'
    key += f'<p class="ramp-ends">{"".join(f"<span>{text}</span>" for text in texts)}</p>'
    missing = int((~known).sum())
    key += f'<p class="legend-note">grey: {missing:,} unlabelled</p>' if missing else ""
    return "".join(parts), key, f"coloured by a number from {number(low)} to {number(high)}"
