"""Contraction: how fast does the code move, at the samples and farther and farther from them?

Reads  a callable `encode` and samples x.
Gives  the squared Frobenius norm of the encoder's Jacobian (as it is, and free of scale), the contraction curve.
Skips  gradients: differences of codes along random directions, so that any callable can be measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .record import Reading, mean_reading, metric
from .smoothness import encoded, pair_ratios, sampled, step_ratios, typical
from .spread import half_values

RADII = (0.01, 0.03, 0.1, 0.3, 1.0)
STEP = 0.01
Encode = Callable[[np.ndarray], np.ndarray]
JACOBIAN = "Rifai et al. 2011 (contractive auto-encoders); random directions: Hutchinson 1990"


@metric(
    needs=("encode", "x"),
    worst=None,
    best=0.0,
    null="closed form: a map that keeps distances, at the scale of the code (relative_jacobian is their ratio)",
    interval="per-point values",
    cost="(2 directions + 1) m encodings, m <= 500 rows",
    distrust="halving the code quarters it: compare fits of one scale, or relative_jacobian; kinks are averaged over",
    source=JACOBIAN,
)
def jacobian_norm(encode: Encode, x: np.ndarray, rows: int = 500, directions: int = 8, seed: int = 0) -> Reading:
    """How fast does the code move at the samples (squared Frobenius norm of the Jacobian)?

    Mean over rows of |J u|^2 with u ~ N(0, I), whose mean is |J|_F^2; J u from the difference of two codes, a
    hundredth of the data's spread to either side. With at most `directions` features each feature is stepped along
    instead: exact up to the difference.
    encode   x (n, *shape) -> codes (n, units), deterministic
    returns  at least 0, in squared units of the code per squared unit of x
    """
    sample = sampled(x, rows, np.random.default_rng([seed, 53]))
    flat, codes = sample.reshape(len(sample), -1).astype(np.float64), encoded(encode, sample)
    reading = mean_reading(_squared_slopes(encode, sample, codes, directions, seed))
    wide = _spread(flat)
    chance = flat.shape[1] * _spread(codes) / wide if wide > 0 else None
    return replace(reading, chance=chance, note="" if reading.value else "the code does not move at all")


@metric(
    needs=("encode", "x"),
    worst=None,
    best=0.0,
    null="closed form: 1, a map that keeps distances",
    interval="per-point values (delta method)",
    cost="(2 directions + 1) m encodings, m <= 500 rows",
    distrust="rows that are few or lie in clumps: their spread, by which it is divided, is not how far codes can go",
    source=JACOBIAN + "; made free of scale by the variances of x and of the code",
)
def relative_jacobian(encode: Encode, x: np.ndarray, rows: int = 500, directions: int = 8, seed: int = 0) -> Reading:
    """How fast does the code move in a random direction, beside how far it moves between samples?

    |J|_F^2 / D, divided by (variance of the code, summed over units) / (variance of x, summed over the D features).
    returns  1 for a map that keeps distances; below 1 the code attends to the directions in which samples differ
    errors   DataError: x or its codes are constant
    """
    sample = sampled(x, rows, np.random.default_rng([seed, 53]))
    flat, codes = sample.reshape(len(sample), -1).astype(np.float64), encoded(encode, sample)
    if (flat == flat[0]).all() or (codes == codes[0]).all():
        what = "x is" if (flat == flat[0]).all() else "the codes are"
        raise DataError(f"{what} constant", "relative_jacobian needs samples and codes that differ")
    parts = [_squared_slopes(encode, sample, codes, directions, seed) / flat.shape[1], _off(flat), _off(codes)]
    slope, wide, narrow = (float(one.mean()) for one in parts)
    value = slope * wide / narrow
    # the delta method: each row counts in all three means
    rest = value * ((parts[1] / wide - 1) - (parts[2] / narrow - 1))
    return replace(mean_reading(parts[0] * (wide / narrow) + rest), value=value, chance=1.0)


@metric(
    needs=("encode", "x"),
    worst=None,
    best=0.0,
    null="closed form: 1, a map that keeps distances",
    interval="half-subsamples of the rows",
    cost="(5 directions + 1) m encodings, m <= 300 rows",
    distrust="large radii leave the data, where nothing was trained; random directions see little of a thin manifold",
    source="contraction curves, Rifai et al. 2011, section 5.3; made free of scale",
)
def contraction(encode: Encode, x: np.ndarray, rows: int = 300, directions: int = 4, seed: int = 0) -> Reading:
    """How much are distances in the code shorter than in x, around the samples?

    Mean of |f(x + s) - f(x)| / |s| over random s on spheres of growing radius, divided by the median of the same
    ratio over random pairs of samples; the value is the mean over the radii.
    returns  1 for a map that keeps distances, lower contracts more. more: the curve {"radius": in units of the median
             distance between two samples, "ratio": as in the paper, "relative": divided}
    errors   DataError: x or its codes are constant
    """
    rng = np.random.default_rng([seed, 59])
    sample = sampled(x, rows, np.random.default_rng([seed, 53]))
    flat, base = sample.reshape(len(sample), -1).astype(np.float64), encoded(encode, sample)
    pairs = pair_ratios(flat, base, rng)
    across = typical(pairs)
    apart = np.linalg.norm(flat - flat[rng.permutation(len(flat))], axis=1)
    unit = float(np.median(apart[apart > 0]))
    ratios = [step_ratios(encode, sample, base, radius * unit, directions, rng).mean(1) for radius in RADII]
    means = [float(one.mean()) for one in ratios]
    more = {"radius": list(RADII), "ratio": means, "relative": [one / across for one in means]}
    each = np.mean(ratios, 0)
    value = float(each.mean()) / across
    values, half = half_values(lambda some: float(each[some].mean()) / typical(pairs[some]), len(each), seed)
    return Reading(value, max(value - half, 0.0), value + half, len(each), 1.0, more=more, replicates=values)


def _off(rows: np.ndarray) -> np.ndarray:
    """(rows,) squared distance from the mean."""
    return np.square(rows - rows.mean(0)).sum(1)


def _spread(rows: np.ndarray) -> float:
    return float(rows.var(0).sum())


def _squared_slopes(encode: Encode, sample: np.ndarray, codes: np.ndarray, directions: int, seed: int) -> np.ndarray:
    # (rows,): mean over directions of |J u|^2, or its sum over the axes where they are few
    rng, n, width = np.random.default_rng([seed, 61]), len(sample), sample[0].size
    flat = sample.reshape(n, -1).astype(np.float64)
    scale = np.sqrt(_spread(flat) / width) or float(np.abs(flat).max()) or 1.0
    exact = width <= directions
    out = np.zeros(n)
    for j in range(width if exact else directions):
        along = np.tile(np.eye(width)[j], (n, 1)) if exact else rng.standard_normal((n, width))
        step = (STEP * scale * along).reshape(sample.shape)
        ends = [(sample + side * step).astype(sample.dtype) for side in (1, -1)]
        taken = np.linalg.norm((ends[0].astype(np.float64) - ends[1]).reshape(n, -1), axis=1)
        if not taken.any():
            raise DataError("steps are lost in the rounding of x", "subtract its mean, or give float64")
        one = encoded(encode, ends[0], codes)
        moved = np.linalg.norm(one - encoded(encode, ends[1], one), axis=1)
        out += (moved / np.where(taken > 0, taken, np.inf) * np.linalg.norm(along, axis=1)) ** 2
    return out if exact else out / directions
