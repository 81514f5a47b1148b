"""A room with one solid in it, drawn by following rays: the factors of 3D Shapes.

Reads  factors: hues of floor, wall and object, scale, shape, orientation.
Gives  pictures 64 x 64 x 3 of 480,000 combinations.
Skips  the published pixels: same factors, sizes and order, another renderer.

Where a ray ends and how bright it is there depends on scale, shape and orientation alone (480 combinations, each
followed once and kept); a picture then only looks its colours up.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .grid import FactorGrid

SIDE, MARCHES, ROOM = 64, 40, 3.2
EYE, TARGET, NARROW = np.array([0.0, 2.0, -3.0]), np.array([0.0, 0.7, 0.0]), 1.7
LIGHT = np.array([-0.45, 0.75, -0.5]) / np.linalg.norm([-0.45, 0.75, -0.5])


class Shapes3d(FactorGrid):
    """The grid floor hue 10 x wall hue 10 x object hue 10 x scale 8 x shape 4 x orientation 15.

    Shapes are cube, cylinder, sphere and capsule; the room and what is in it turn together, from -30 to 30 degrees.
    Source of the factors: Burgess and Kim 2018 (3D Shapes).
    """

    names = ("floor hue", "wall hue", "object hue", "scale", "shape", "orientation")
    sizes = (10, 10, 10, 8, 4, 15)
    shape = (SIDE, SIDE, 3)

    def draw(self, factors: np.ndarray, out: np.ndarray) -> None:
        """Draw factors (n, 6) into pictures (n, 64, 64, 3)."""
        colours = _hues()
        for row, target in zip(factors.tolist(), out, strict=True):
            what, bright = _view(*row[3:])
            target[:] = (colours[row[:3]][what] * bright[:, :, None]).astype(np.uint8)


@lru_cache(maxsize=1)
def _hues() -> np.ndarray:
    """Ten colours around the circle of hues, (10, 3), 0 to 255."""
    turns = np.arange(10)[:, None] / 10 * 6
    return (255 * np.clip(np.abs((turns + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)).astype(np.float32)


@lru_cache(maxsize=512)
def _view(scale: int, shape: int, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """What every ray meets (0 floor, 1 wall, 2 object) and how bright it is, (64, 64) each."""
    angle = np.deg2rad(-30 + 60 * turn / 14)
    cosine, sine = np.cos(angle), np.sin(angle)
    around = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    size = 0.75 + 0.5 * scale / 7
    directions = _rays() @ around.T
    at = np.broadcast_to(around @ EYE, directions.shape)
    for _ in range(MARCHES):
        at = at + directions * _nearest(at, shape, size).min(0)[:, None]
    what = _nearest(at, shape, size).argmin(0)
    light = np.clip(_normals(at, shape, size) @ (around @ LIGHT), 0, 1)
    bright = (0.45 + 0.55 * light).astype(np.float32)
    return what.reshape(SIDE, SIDE), bright.reshape(SIDE, SIDE)


@lru_cache(maxsize=1)
def _rays() -> np.ndarray:
    """Directions from the eye through the 64 x 64 pixels, (4096, 3), of length 1."""
    ahead = (TARGET - EYE) / np.linalg.norm(TARGET - EYE)
    right = np.array([1.0, 0, 0])
    up = np.cross(ahead, right)
    place = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    rows, columns = np.meshgrid(-place, place, indexing="ij")
    rays = NARROW * ahead + columns[:, :, None] * right + rows[:, :, None] * up
    return (rays / np.linalg.norm(rays, axis=2, keepdims=True)).reshape(-1, 3)


def _nearest(at: np.ndarray, shape: int, size: float) -> np.ndarray:
    """Distances of points (n, 3) from floor, walls and object, (3, n)."""
    walls = ROOM - np.abs(at[:, ::2]).max(1)
    return np.stack([at[:, 1], walls, _solid(at / size, shape) * size])


def _solid(at: np.ndarray, shape: int) -> np.ndarray:
    """Signed distances of points (n, 3) from a solid of height 1.2 that stands on the floor."""
    high = 0.6
    x, y, z = at[:, 0], at[:, 1] - high, at[:, 2]
    aside = np.hypot(x, z)
    if shape == 0:
        return _box(np.abs(np.stack([x, y, z])) - high)
    if shape == 1:
        return _box(np.stack([aside - high, np.abs(y) - high]))
    if shape == 2:
        return np.sqrt(x * x + y * y + z * z) - high
    return np.hypot(aside, np.maximum(np.abs(y) - high / 2, 0)) - high / 2


def _box(outside: np.ndarray) -> np.ndarray:
    return np.sqrt((np.maximum(outside, 0) ** 2).sum(0)) + np.minimum(outside.max(0), 0)


def _normals(at: np.ndarray, shape: int, size: float) -> np.ndarray:
    steps = 1e-4 * np.eye(3)
    slopes = [_nearest(at + step, shape, size).min(0) - _nearest(at - step, shape, size).min(0) for step in steps]
    normals = np.stack(slopes, axis=1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
