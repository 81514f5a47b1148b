"""A grid of factors: every combination has a number, and a picture that is drawn when it is asked for.

Reads  numbers of combinations, or the factors themselves.
Gives  FactorGrid (len, factors_of, index_of, pictures, sample) and Generated (pictures with their factors).
Skips  drawing: each grid of the package does its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError

BLOCK = 1024


class Generated(NamedTuple):
    """Samples with the factors they were drawn from.

    x        (n, height, width, channels) uint8, 0 to 255
    factors  (n, factors) int64, each a place among the factor's values
    names    of the factors
    rows     (n,) which combinations of the grid they are
    """

    x: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]
    rows: np.ndarray

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The factors by name, as metrics read them."""
        return dict(zip(self.names, self.factors.T, strict=True))


class FactorGrid:
    """Every combination of some factors; the last factor changes fastest.

    names  of the factors, sizes how many values each has, shape (height, width, channels) of a picture
    """

    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    shape: tuple[int, int, int] = (64, 64, 1)

    def __len__(self) -> int:
        """How many combinations there are."""
        return int(np.prod(self.sizes))

    def factors_of(self, index: Any) -> np.ndarray:
        """The factors of combinations, (n, factors) int64; one number gives (factors,).

        errors  DataError: outside 0 to len - 1
        """
        index = np.asarray(index)
        if index.dtype.kind not in "iu" or (index.size and not 0 <= index.min() <= index.max() < len(self)):
            raise DataError(f"{_shown(index)} is no row of this grid", f"give whole numbers from 0 to {len(self) - 1}")
        return np.stack(np.unravel_index(index, self.sizes), axis=-1)

    def index_of(self, factors: Any) -> np.ndarray:
        """The numbers of combinations, (n,) int64, from factors (n, factors); one row of factors gives one number.

        errors  DataError: a factor that has no such value
        """
        factors = np.asarray(factors)
        if factors.dtype.kind not in "iu" or factors.shape[-1:] != (len(self.sizes),):
            raise DataError(
                f"factors have shape {factors.shape} and type {factors.dtype}",
                f"give whole numbers, one column for each of {', '.join(self.names)}",
            )
        wrong = ((factors < 0) | (factors >= np.array(self.sizes))).reshape(-1, len(self.sizes)).any(0)
        if wrong.any():
            j = int(wrong.argmax())
            raise DataError(
                f"the factor {self.names[j]} has no value {_shown(factors[..., j])}", f"give 0 to {self.sizes[j] - 1}"
            )
        return np.ravel_multi_index(tuple(np.moveaxis(factors, -1, 0)), self.sizes)

    def pictures(self, index: Any) -> np.ndarray:
        """The pictures of combinations, (n, height, width, channels) uint8."""
        index = np.atleast_1d(np.asarray(index))
        factors = self.factors_of(index)
        out = np.zeros((len(index), *self.shape), np.uint8)
        for start in range(0, len(index), BLOCK):
            self.draw(factors[start : start + BLOCK], out[start : start + BLOCK])
        return out

    def draw(self, factors: np.ndarray, out: np.ndarray) -> None:
        """Draw factors (n, factors) into black pictures (n, height, width, channels) uint8."""
        raise NotImplementedError

    def told(self, index: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """What a sample keeps beside its picture: its factors and their names."""
        return self.factors_of(index), self.names

    def sample(self, n: int, seed: int = 0) -> Generated:
        """n different combinations drawn at random, with their factors.

        errors  DataError: more than there are
        """
        if not 1 <= n <= len(self):
            raise DataError(f"{n} of {len(self)} combinations cannot be drawn", f"give n from 1 to {len(self)}")
        rows = np.random.default_rng([seed, 53]).choice(len(self), n, replace=False)
        return self.generated(rows)

    def generated(self, index: Any) -> Generated:
        """The pictures of combinations with their factors."""
        rows = np.atleast_1d(np.asarray(index))
        factors, names = self.told(rows)
        return Generated(self.pictures(rows), factors, names, rows)

    def batches(self, index: Any, size: int = BLOCK) -> Iterator[Generated]:
        """The same in pieces of at most `size` rows, so that a whole grid can be walked."""
        rows = np.atleast_1d(np.asarray(index))
        for start in range(0, len(rows), size):
            yield self.generated(rows[start : start + size])


def _shown(values: np.ndarray | Sequence[Any]) -> str:
    flat = np.asarray(values).reshape(-1)
    return str(flat[0]) if flat.size == 1 else f"one of {flat[:3].tolist()}{' ...' if flat.size > 3 else ''}"
