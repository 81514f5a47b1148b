"""Smoothness: how much does the code move when the sample moves a little?

Reads  a callable `encode` and samples x.
Gives  how far codes move for small random steps, relative to how far they move between two random samples.
Skips  upper bounds (products of spectral norms): they need the weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import DataError
from .arrays import floats
from .neighbors import nearest
from .record import Reading, metric
from .spread import half_values

STEPS = (0.01, 0.1, 1.0)
VALUE_STEP = 0.1


@metric(
    needs=("encode", "x"),
    worst=None,
    best=0.0,
    null="closed form: 1, an encoder that moves as much for a small step as between samples",
    interval="half-subsamples of the rows, paired anew",
    cost="(3 directions + 1) m encodings, m <= 500 rows",
    distrust="random directions are a lower bound of the worst one; steps leave the data, where nothing was trained",
    source="local Lipschitz estimate, Alvarez-Melis and Jaakkola 2018, equation 3, made free of scale",
)
def local_smoothness(
    encode: Callable[[np.ndarray], np.ndarray], x: np.ndarray, rows: int = 500, directions: int = 4, seed: int = 0
) -> Reading:
    """How much does the code move for a small step, relative to two random samples?

    |f(x + s) - f(x)| / |s| for random s, |s| = 0.1 of the median distance between neighbours, divided by the median
    of |f(x) - f(x')| / |x - x'| over random pairs; the value is the median over rows, directions averaged.
    encode   x (n, *shape) -> codes (n, units), deterministic
    returns  1 for a distance-keeping map, lower is smoother, at least 0.
             more: {"0.01": {"median", "q95"}, "0.1": ..., "1.0": ...} by length of the step
    errors   DataError: x or its codes are constant
    """
    rng = np.random.default_rng([seed, 29])
    sample = sampled(x, rows, rng)
    flat = sample.reshape(len(sample), -1).astype(np.float64)
    base = encoded(encode, sample)
    across = typical(pair_ratios(flat, base, rng))
    gap = median_gap(flat)
    more, middle = {}, np.empty(0)
    for step in STEPS:
        ratios = step_ratios(encode, sample, base, step * gap, directions, rng) / across
        more[str(step)] = {"median": float(np.median(ratios.mean(1))), "q95": float(np.quantile(ratios, 0.95))}
        middle = ratios.mean(1) if step == VALUE_STEP else middle
    value = float(np.median(middle))

    def halved(some: np.ndarray) -> float:
        # paired anew: a half of the pairs would forget that every row is in two
        pairs = pair_ratios(flat[some], base[some], np.random.default_rng([seed, 103]))
        return float(np.median(middle[some])) * across / typical(pairs)

    values, half = half_values(halved, len(flat), seed)
    return Reading(value, max(value - half, 0.0), value + half, len(flat), 1.0, more=more, replicates=values)


def sampled(x: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many rows of x, drawn without replacement, in their order."""
    return x[np.sort(rng.choice(len(x), min(rows, len(x)), replace=False))]


def encoded(encode: Callable[[np.ndarray], np.ndarray], x: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """What encode gives for x: float64 (n, units), one finite code per sample or a DataError.

    like    codes that encode gave before: the width must be theirs
    """
    codes = floats("what encode gives", encode(x)).astype(np.float64)
    if len(codes) != len(x):
        raise DataError(f"encode gave {len(codes)} codes for {len(x)} samples", "it must give one code per sample")
    if like is not None and codes.shape[1] != like.shape[1]:
        raise DataError(
            f"encode gave codes of {like.shape[1]} units, then of {codes.shape[1]}", "it must give one width always"
        )
    return codes


def pair_ratios(flat: np.ndarray, base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(rows,) |f(x) - f(x')| / |x - x'| of each row and a random other one; NaN where these are equal."""
    other = rng.permutation(len(flat))
    far = np.linalg.norm(flat - flat[other], axis=1)
    moved = np.linalg.norm(base - base[other], axis=1)
    return np.where(far > 0, moved / np.where(far > 0, far, 1), np.nan)


def typical(pairs: np.ndarray) -> float:
    """The median of ratios of random pairs: what makes a smoothness free of scale.

    errors  DataError: no pair differs, or most codes are equal
    """
    known = pairs[np.isfinite(pairs)]
    if not len(known):
        raise DataError("x is constant", "smoothness needs samples that differ")
    across = float(np.median(known))
    if across == 0:
        raise DataError("encode gives the same code for most samples", "there is nothing to be smooth about")
    return across


def median_gap(flat: np.ndarray) -> float:
    """The median distance from a row to its nearest other row, duplicates left out."""
    far, _ = nearest(flat, 1)
    gaps = far[far > 0]
    if not len(gaps):
        raise DataError("every sample has an exact duplicate", "give samples that differ")
    return float(np.median(gaps))


def step_ratios(
    encode: Callable[[np.ndarray], np.ndarray],
    sample: np.ndarray,
    base: np.ndarray,
    length: float,
    directions: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """How far the code moved per length of the step that was really taken, in random directions: (rows, directions)."""
    out = np.empty((len(sample), directions))
    for j in range(directions):
        step = rng.standard_normal((len(sample), sample[0].size))
        step *= length / np.linalg.norm(step, axis=1, keepdims=True)
        moved = (sample + step.reshape(sample.shape)).astype(sample.dtype)
        taken = np.linalg.norm((moved.astype(np.float64) - sample).reshape(len(sample), -1), axis=1)
        out[:, j] = np.linalg.norm(encoded(encode, moved, base) - base, axis=1) / np.where(taken > 0, taken, np.inf)
    return out
