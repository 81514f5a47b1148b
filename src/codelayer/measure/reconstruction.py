"""Reconstruction: how much of the data can be brought back from the code?

Reads  x with the decoder's answer `rebuilt`, or x with codes alone.
Gives  the share of variance explained and the squared error per sample.
Skips  likelihoods: those belong to the losses.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import DataError
from .record import Reading, mean_reading, metric
from .spread import mean_half

RIDGES = (1e-4, 1e-2, 1.0, 100.0)


@metric(
    needs=("x", "rebuilt"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, every sample answered by the mean",
    interval="per-point values (delta method)",
    cost="n D",
    distrust="it can be high for a code that is useless for the labels: it follows the features of largest variance",
    source="Pearson 1896",
)
def explained_share(x: np.ndarray, rebuilt: np.ndarray) -> Reading:
    """What share of the variance of x does the reconstruction explain?

    1 - sum |x - rebuilt|^2 / sum |x - mean|^2.
    x, rebuilt  (n, features)
    returns     1 perfect, 0 as good as the mean, below 0 worse
    errors      DataError: x is constant
    """
    top = float(np.abs(x).max()) or 1.0
    return share_reading(x / top, squared_gaps(x / top, rebuilt / top))


@metric(
    needs=("x", "rebuilt"),
    worst=None,
    best=0.0,
    null="closed form: the error of answering with the mean",
    interval="per-point values",
    cost="n D",
    distrust="it depends on the scale and number of features: compare on equal x only",
    source="Hinton and Salakhutdinov 2006",
)
def squared_error(x: np.ndarray, rebuilt: np.ndarray) -> Reading:
    """How far is the reconstruction from the sample (squared distance, summed over features)?

    x, rebuilt  (n, features)
    returns     mean over samples, in squared units of x, at least 0
    """
    return replace(mean_reading(squared_gaps(x, rebuilt)), chance=float(_spread(x).mean()))


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null="shuffled rows",
    interval="per-point values (delta method)",
    cost="n d (d + D)",
    distrust="it asks what a linear decoder brings back: a curved code can hold more than that",
    source="ridge regression, Hoerl and Kennard 1970, on two halves of the rows",
)
def linear_rebuild(codes: np.ndarray, x: np.ndarray, seed: int = 0) -> Reading:
    """What share of the variance of x can a linear decoder bring back, on rows it was not fitted on?

    A ridge decoder fitted on each half of the rows answers the other; its penalty (1e-4, 1e-2, 1 or 100 of the codes'
    mean variance, per row) is chosen by leave-one-out inside the half.
    codes    (n, units); x (n, features)
    returns  1 perfect, about 0 for a random code, below 0 worse than the mean
    errors   DataError: x is constant
    """
    order = np.random.default_rng([seed, 23]).permutation(len(x))
    one, two = order[: len(x) // 2], order[len(x) // 2 :]
    codes, x = unit_range(codes), unit_range(x)
    errors = np.empty(len(x))
    for train, rest in ((one, two), (two, one)):
        errors[rest] = squared_gaps(x[rest], _ridge(codes[train], x[train], codes[rest]))
    return share_reading(x, errors)


def _ridge(codes: np.ndarray, x: np.ndarray, rest: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import RidgeCV

    strength = len(codes) * (float(codes.var(0).mean()) or 1.0)
    model = RidgeCV(alphas=[one * strength for one in RIDGES]).fit(codes, x)
    return model.predict(rest).reshape(len(rest), -1)


def unit_range(rows: np.ndarray) -> np.ndarray:
    """Rows shifted and scaled as a whole into [0, 1], float64: no share depends on it, large squares would overflow."""
    rows = rows.astype(np.float64)
    rows -= rows.min(0)
    return rows / (float(rows.max()) or 1.0)


def squared_gaps(x: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """The squared distance of each row to its reconstruction, (n,)."""
    gap = x.astype(np.float64) - rebuilt
    return np.einsum("ij,ij->i", gap, gap)


def _spread(x: np.ndarray) -> np.ndarray:
    return squared_gaps(x, x.mean(0, dtype=np.float64))


def share_reading(x: np.ndarray, errors: np.ndarray) -> Reading:
    """The share of the variance of x that squared errors (n,) leave explained, with its delta-method interval.

    errors  squared distance of each row to its reconstruction
    """
    spread = _spread(x)
    if (x == x[0]).all() or not spread.any():
        raise DataError("x is constant", "there is no variance to explain")
    ratio = errors.mean() / spread.mean()
    half = mean_half(errors - ratio * spread) / float(spread.mean())
    value = float(1 - ratio)
    return Reading(value, value - half, value + half, len(x), points=1 - errors / spread.mean())
