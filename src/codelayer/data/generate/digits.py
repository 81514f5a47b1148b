"""Translated digits: scikit-learn's 8 x 8 digits at every place of a larger, black picture.

Reads  scikit-learn's digits.
Gives  pictures whose factors are the digit and its place.
Skips  cutting: a digit is never moved over the edge.
"""

from __future__ import annotations

import numpy as np

from ...errors import DataError
from .grid import FactorGrid

SIDE = 8


class ShiftedDigits(FactorGrid):
    """The grid drawing 1797 x x x y: scikit-learn's digits at every shift of `step` pixels within the picture.

    side  of the picture in pixels, at least 8
    step  between neighbouring shifts in pixels
    A sample keeps the digit (0 to 9) in the place of the drawing's number: `names` are drawing, x, y, those of a
    sample digit, x, y.
    errors  DataError: a side below 8, a step below 1
    """

    def __init__(self, side: int = 16, step: int = 1) -> None:
        if side < SIDE or step < 1:
            raise DataError(f"digits of {SIDE} pixels on {side} at steps of {step}", "give side >= 8 and step >= 1")
        from sklearn.datasets import load_digits

        found = load_digits()
        self.digits = np.round(found.images * (255 / 16)).astype(np.uint8)
        self.labels = found.target.astype(np.int64)
        places = (side - SIDE) // step + 1
        self.step, self.shape = step, (side, side, 1)
        self.names, self.sizes = ("drawing", "x", "y"), (len(self.digits), places, places)

    def draw(self, factors: np.ndarray, out: np.ndarray) -> None:
        """Draw factors (n, 3) into black pictures (n, side, side, 1)."""
        drawing, x, y = factors.T
        inner = np.arange(SIDE)
        down = (self.step * y)[:, None, None] + inner[:, None]
        across = (self.step * x)[:, None, None] + inner
        out[np.arange(len(out))[:, None, None], down, across, 0] = self.digits[drawing]

    def told(self, index: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Digit, x and y of the samples, and their names."""
        factors = self.factors_of(index)
        return np.column_stack([self.labels[factors[:, 0]], factors[:, 1:]]), ("digit", "x", "y")
