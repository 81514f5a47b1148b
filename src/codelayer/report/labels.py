"""Where labels go so that none covers another.

Reads  wished positions and sizes in pixels.
Gives  positions: along one axis (`spread`), or around points in a plane (`place`).
Skips  drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Rect = tuple[float, float, float, float]  # left, top, right, bottom

_RADII = (9.0, 13.0, 20.0, 30.0, 43.0, 60.0, 80.0, 105.0, 135.0, 170.0)
_COVERING = 30  # a covered line counts like two and a half steps further out
_ANGLES = (0, 180, 270, 90, 330, 30, 210, 150, 300, 60, 240, 120)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart within [low, high], as near to the wanted ones as possible (least squares).

    Where they cannot all fit, the gap shrinks to what fits.
    """
    n = len(wanted)
    if not n:
        return []
    gap = min(gap, (high - low) / (n - 1)) if n > 1 else gap
    order = sorted(range(n), key=lambda i: wanted[i])
    # gaps of one size turn into plain order once i * gap is taken off: pool adjacent violators
    pools: list[list[float]] = []
    for rank, i in enumerate(order):
        pools.append([wanted[i] - rank * gap, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, count = pools.pop()
            before, many = pools[-1]
            pools[-1] = [(before * many + mean * count) / (many + count), many + count]
    flat = [mean for mean, count in pools for _ in range(int(count))]
    top = high - (n - 1) * gap
    result = [0.0] * n
    for rank, i in enumerate(order):
        result[i] = min(max(flat[rank], low), max(top, low)) + rank * gap
    return result


def place(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    bounds: Rect,
    obstacles: Sequence[Rect] = (),
    soft: Sequence[Rect] = (),
) -> list[Rect | None]:
    """A rectangle per anchor that covers no other one and no obstacle, or None where there is no room.

    anchors    points in pixels, the most important first (they choose first)
    sizes      (width, height) of each label
    bounds     every label stays inside
    obstacles  rectangles to keep clear of
    soft       rectangles, such as lines, that are covered only where keeping clear would put the label far away
    """
    taken = [np.asarray(one, dtype=float) for one in obstacles]
    found: list[Rect | None] = []
    for (x, y), (width, height) in zip(anchors, sizes, strict=True):
        choice = _best(_candidates(x, y, width, height), taken, soft, bounds)
        if choice is not None:
            taken.append(np.asarray(choice))
        found.append(choice)
    return found


def _candidates(x: float, y: float, width: float, height: float) -> np.ndarray:
    boxes = []
    for radius in _RADII:
        for angle in _ANGLES:
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            cx, cy = x + dx * (radius + width / 2), y + dy * (radius + height / 2)
            boxes.append((cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2))
    return np.asarray(boxes)


def _best(boxes: np.ndarray, taken: list[np.ndarray], soft: Sequence[Rect], bounds: Rect) -> Rect | None:
    free = (boxes[:, 0] >= bounds[0]) & (boxes[:, 1] >= bounds[1])
    free &= (boxes[:, 2] <= bounds[2]) & (boxes[:, 3] <= bounds[3])
    if taken and free.any():
        free &= _hits(boxes, np.stack(taken)) == 0
    if not free.any():
        return None
    cost = np.arange(len(boxes), dtype=float)
    if len(soft):
        cost += _COVERING * _hits(boxes, np.asarray(soft, dtype=float))
    left, top, right, bottom = (float(v) for v in boxes[int(np.argmin(np.where(free, cost, np.inf)))])
    return left, top, right, bottom


def _hits(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many of the others each box overlaps."""
    apart = (boxes[:, None, 0] >= others[None, :, 2]) | (boxes[:, None, 2] <= others[None, :, 0])
    apart |= (boxes[:, None, 1] >= others[None, :, 3]) | (boxes[:, None, 3] <= others[None, :, 1])
    return (~apart).sum(axis=1)
