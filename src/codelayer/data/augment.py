"""Augmentations: other pictures, rows or files of the same thing.

Reads  a batch, how strong, and a NumPy generator. Pictures are (n, H, W, C) float32 in [0, 1]; noise takes any array,
       swap and append_bytes take rows (n, features).
Gives  a new batch of the same shape; each sample draws its own change, always the same count of numbers.
Skips  what learning corrupts (in objective, on tensors), cropping and colour.
"""

from __future__ import annotations

import math

import numpy as np


def affine(
    x: np.ndarray,
    strength: float,
    rng: np.random.Generator,
    rotation: float | None = None,
    shear: float | None = None,
) -> np.ndarray:
    """Turn, scale, shift and shear each picture about its centre; what comes from outside is 0.

    strength  scale 1 +- strength; shift up to strength times half the side, each way
    rotation  up to so many degrees, either way; 100 * strength when None
    shear     up to so much; 1.5 * strength when None
    returns   float32 (n, H, W, C), bilinear
    """
    n, height, width, _ = x.shape
    turn, size, right, down, lean = rng.uniform(-1, 1, (5, n)).astype(np.float32)
    turn = turn * np.float32(math.radians(100 * strength if rotation is None else rotation))
    lean = lean * np.float32(1.5 * strength if shear is None else shear)
    size = 1 / np.maximum(1 + size * np.float32(strength), np.float32(0.05))
    cos, sin = np.cos(turn) * size, np.sin(turn) * size
    column = np.arange(width, dtype=np.float32) - (width - 1) / 2
    row = np.arange(height, dtype=np.float32) - (height - 1) / 2
    u, v = column[None, None, :], row[None, :, None]
    a, b, c, d = (m[:, None, None] for m in (cos, cos * lean - sin, sin, sin * lean + cos))
    right, down = ((s * np.float32(strength * side / 2))[:, None, None] for s, side in ((right, width), (down, height)))
    at_x = a * u + b * v + (right + np.float32((width - 1) / 2))
    at_y = c * u + d * v + (down + np.float32((height - 1) / 2))
    return _bilinear(x, at_x, at_y)


def shift(x: np.ndarray, share: float, rng: np.random.Generator, among: tuple[int, int] | None = None) -> np.ndarray:
    """Move each picture by up to `share` of its sides, each way, in fractions of a pixel; what comes in is 0.

    among  (first, rows) where x is a part of a batch of so many rows: it then changes as it does in the whole
    """
    n, height, width, _ = x.shape
    rows, own = _own(n, among)
    right, down = rng.uniform(-share, share, (2, rows))[:, own].astype(np.float32)[:, :, None, None]
    column, row = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    full = np.zeros((n, height, width), np.float32)
    return _bilinear(x, full + column - right * width, full + row - down * height)


def _own(n: int, among: tuple[int, int] | None) -> tuple[int, slice]:
    """How many rows draw, and which of them are these n."""
    first, rows = among or (0, n)
    return rows, slice(first, first + n)


def rotate(x: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Turn each picture about its centre by up to so many degrees, either way; what comes in is 0."""
    return affine(x, 0.0, rng, rotation=degrees, shear=0.0)


def _bilinear(x: np.ndarray, at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
    """Values at (n, H, W) places, 0 outside: a frame of zeros holds whatever lies farther out."""
    n, height, width, channels = x.shape
    framed = np.zeros((n, height + 3, width + 3, channels), np.float32)
    framed[:, 1:-2, 1:-2] = x
    at_x = np.clip(at_x + 1, 0, width + 1)
    at_y = np.clip(at_y + 1, 0, height + 1)
    left, top = at_x.astype(np.int32), at_y.astype(np.int32)
    right, down = (at_x - left.astype(np.float32))[..., None], (at_y - top.astype(np.float32))[..., None]
    place = top * (width + 3) + left + (np.arange(n, dtype=np.int32) * ((height + 3) * (width + 3)))[:, None, None]
    flat = framed.reshape(-1, channels)
    upper = flat[place] * (1 - right) + flat[place + 1] * right
    lower = flat[place + (width + 3)] * (1 - right) + flat[place + (width + 4)] * right
    return upper * (1 - down) + lower * down


def flip(x: np.ndarray, chance: float, rng: np.random.Generator, among: tuple[int, int] | None = None) -> np.ndarray:
    """Mirror each picture left to right with this chance, in [0, 1]; `among` as for `shift`."""
    rows, own = _own(len(x), among)
    turned = rng.uniform(size=rows)[own] < chance
    return np.where(turned[:, None, None, None], x[:, :, ::-1], x)


def brightness(x: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Multiply each picture by 1 +- strength and clip to [0, 1]: black stays black."""
    gain = 1 + strength * rng.uniform(-1, 1, len(x)).astype(np.float32)
    return np.clip(x * gain[:, None, None, None].astype(np.float32), 0, 1)


def noise(x: np.ndarray, scale: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of this standard deviation: one number, or one for each feature."""
    return (x + scale * rng.standard_normal(x.shape)).astype(x.dtype)


def swap(x: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Give a share of the entries of rows (n, features) the value of the same column in another row, drawn evenly."""
    other = rng.integers(len(x), size=x.shape)
    return np.where(rng.random(x.shape) < share, np.take_along_axis(x, other, 0), x)


def append_bytes(x: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Write random bytes behind the end of each file: rows (n, length) of bytes 0 to 255, padded with zeros.

    A file ends with its last byte that is not 0. Up to `share` of its length is appended (at least one byte), and no
    more than the padding has room for.
    """
    place = np.arange(x.shape[1])
    end = np.where(x != 0, place + 1, 0).max(1)
    added = np.maximum(1, np.ceil(share * end)).astype(int)
    behind = (place >= end[:, None]) & (place < (end + added)[:, None])
    return np.where(behind, rng.integers(0, 256, x.shape).astype(x.dtype), x)
