"""dSprites, drawn: one white shape on black, all of whose factors are known.

Reads  factors: shape, scale, orientation, x, y.
Gives  pictures 64 x 64 x 1 of the same 737,280 combinations, in the same order, as the published file.
Skips  the published pixels: edges come from a point-in-shape test. The recipe was held against pictures of the
       original: upright squares are the same, turned ones, ellipses and hearts overlap by 92 to 99 % of their union.
"""

from __future__ import annotations

import numpy as np

from .grid import FactorGrid

WINDOW = 32  # a side that holds every shape at every turn
FIRST, STEP = 15.5, 32 / 31  # the centre's place in pixels: 15.5 to 47.5
SQUARE, TURNED = 10.0, 0.96  # half the side at scale 1; the original's renderer drops border pixels of turned squares
ELLIPSE = (13.0, 7.15)
HEART = (9.75, 9.25)  # half the width and height
# the classic heart curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t lies between these heights
HEART_LOW, HEART_HIGH = -17.0, 11.9729


class DSprites(FactorGrid):
    """dSprites' grid: shape 3 (square, ellipse, heart) x scale 6 (0.5 to 1) x orientation 40 x x 32 x y 32.

    Orientations run from 0 to a full turn with both ends, so the first and the last are the same picture; an upright
    square or ellipse repeats within the turn as well. Colour is white always, and no factor.
    Source: Matthey, Higgins, Hassabis and Lerchner 2017.
    """

    names = ("shape", "scale", "orientation", "x", "y")
    sizes = (3, 6, 40, 32, 32)
    shape = (64, 64, 1)

    def draw(self, factors: np.ndarray, out: np.ndarray) -> None:
        """Draw factors (n, 5) into black pictures (n, 64, 64, 1)."""
        shape, scale, turn, x, y = factors.T
        size = (0.5 + 0.1 * scale).astype(np.float32)[:, None, None]
        angle = (2 * np.pi * turn / 39).astype(np.float32)[:, None, None]
        centre = FIRST + STEP * np.stack([x, y], axis=1)
        corner = np.ceil(centre).astype(np.intp) - WINDOW // 2
        pixels = corner[:, :, None] + np.arange(WINDOW)
        across, down = (pixels - centre[:, :, None]).astype(np.float32).transpose(1, 0, 2)
        across, down = across[:, None, :], down[:, :, None]
        along = (np.cos(angle) * across + np.sin(angle) * down) / size
        aside = (np.cos(angle) * down - np.sin(angle) * across) / size
        turned = (turn % 39 > 0)[:, None, None]
        inside = np.zeros(along.shape, bool)
        for kind, test in enumerate((_square, _ellipse, _heart)):
            rows = shape == kind
            inside[rows] = test(along[rows], aside[rows], turned[rows])
        places = (np.arange(len(out))[:, None, None], pixels[:, 1, :, None], pixels[:, 0, None, :])
        out[(*places, 0)] = inside * np.uint8(255)


def _square(along: np.ndarray, aside: np.ndarray, turned: np.ndarray) -> np.ndarray:
    half = np.where(turned, SQUARE * TURNED, SQUARE)
    return (np.abs(along) <= half) & (np.abs(aside) <= half)


def _ellipse(along: np.ndarray, aside: np.ndarray, turned: np.ndarray) -> np.ndarray:
    del turned
    return (along / ELLIPSE[0]) ** 2 + (aside / ELLIPSE[1]) ** 2 <= 1


def _heart(along: np.ndarray, aside: np.ndarray, turned: np.ndarray) -> np.ndarray:
    # at |x| = 16 sin^3 t the curve has two heights, that of t and that of pi - t; the shape lies between them
    del turned
    share = np.minimum(np.abs(along) / HEART[0], 1)
    sine2 = np.cbrt(share) ** 2
    cosine2 = 1 - sine2
    cosine = np.sqrt(cosine2)
    even = -5 * (2 * cosine2 - 1) - (8 * cosine2 * cosine2 - 8 * cosine2 + 1)
    odd = 13 * cosine - 2 * cosine * (4 * cosine2 - 3)
    middle, half = (HEART_HIGH + HEART_LOW) / 2, (HEART_HIGH - HEART_LOW) / 2
    height = middle - aside / HEART[1] * half  # rows run down, the curve's y runs up
    return (np.abs(along) <= HEART[0]) & (height <= even + odd) & (height >= even - odd)
