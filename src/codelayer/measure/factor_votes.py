"""FactorVAE and BetaVAE scores from stored codes: which factor was held fixed, told from a batch of codes.

Reads  codes and factors, of samples that were encoded once.
Gives  both accuracies, batches drawn from the stored rows that share a value; nothing is encoded again.
Skips  the simulator: rows of one batch come from one half of the rows, votes are learned on the other half, so that a
       value with few rows cannot be learned by heart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import DataError
from .information import Places, factor_places, in_use, unit_scaled
from .probes import linear_probe
from .record import Reading, metric
from .spread import half_splits, split_share

LEAST = 4
NULL = "closed form: 1 / factors"
INTERVAL = "Wilson's of as many votes as halves of the rows and splits of them say the votes are worth"
Sides = tuple[np.ndarray, np.ndarray]
Score = Callable[[Sides, np.random.Generator], float]
ERRORS = "measure on more rows, or give the factor fewer values"


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=INTERVAL,
    cost="draws x 3,000 batches of 64 codes of d units",
    distrust="two units for one factor count as well as one",
    source="Kim and Mnih 2018, section 4; batches from stored rows, units of low deviation left out",
    uncalibrated="an accuracy over K factors, published as it is: a random code scores 1 / K, beside it as chance",
)
def factor_vae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    prune: float = 0.05,
    batch: int = 64,
    votes: int = 2000,
    draws: int = 5,
    seed: int = 0,
) -> Reading:
    """Does the unit that varies least tell which factor was held fixed (FactorVAE score)?

    Among rows that share a value of one factor the unit of least variance, relative to its variance over all rows,
    is the vote; the score is the accuracy of the factor that each unit mostly stands for, on other rows.
    prune    units whose deviation is below this share of the largest unit's are left out
    batch    rows of a batch, at most those that share the value
    votes    to learn from in each split; half as many are scored
    returns  1 / K by luck to 1. more: {"corrected": 0 by luck to 1, "units": how many are not left out}
    errors   DataError: no unit varies, fewer than two factors, a factor without a value on four rows of each half
    """
    z, places = _ready(codes, factors, prune)

    def score(sides: Sides, rng: np.random.Generator) -> float:
        votes_of = []
        for side, count in zip(sides, (votes, votes // 2), strict=True):
            fixed, rows, weight = _batches(places, side, count, batch, rng)
            spread = _variances(z, rows, weight)
            votes_of.append((fixed, spread.argmin(1)))
        tally = np.zeros((z.shape[1], len(places.sizes)))
        np.add.at(tally, (votes_of[0][1], votes_of[0][0]), 1)
        return float((tally.argmax(1)[votes_of[1][1]] == votes_of[1][0]).mean())

    return _reading(score, len(places.sizes), z, draws, seed)


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=INTERVAL,
    cost="draws x 1,500 batches of 64 pairs of codes of d units, one logistic regression each",
    distrust="it saturates: noisy and merged codes reach 1 as well",
    source="Higgins et al. 2017, section 3; pairs from stored rows",
    uncalibrated="an accuracy over K factors, published as it is: a random code scores 1 / K, beside it as chance",
)
def beta_vae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    prune: float = 0.05,
    batch: int = 64,
    votes: int = 1000,
    draws: int = 5,
    seed: int = 0,
) -> Reading:
    """Can a linear probe tell which factor pairs of rows share (BetaVAE score)?

    The mean of |z - z'| over pairs that share a value of one factor is one point; the score is the accuracy of
    logistic regression on such points, made of other rows than it was fitted on.
    prune    units whose deviation is below this share of the largest unit's are left out
    batch    pairs of one point
    votes    points to fit on in each split; half as many are scored
    returns  1 / K by luck to 1. more: {"corrected": 0 by luck to 1, "units": how many are not left out}
    errors   DataError: no unit varies, fewer than two factors, a factor without a value on four rows of each half
    """
    z, places = _ready(codes, factors, prune)
    z = z / z.std(0)

    def score(sides: Sides, rng: np.random.Generator) -> float:
        points = []
        for side, count in zip(sides, (votes, votes // 2), strict=True):
            fixed, rows = _pairs(places, side, count, batch, rng)
            points.append((fixed, np.abs(z[rows[..., 0]] - z[rows[..., 1]]).mean(1)))
        probe = linear_probe(points[0][1]).fit(points[0][1], points[0][0])
        return float((probe.predict(points[1][1]) == points[1][0]).mean())

    return _reading(score, len(places.sizes), z, draws, seed)


def _ready(codes: np.ndarray, factors: np.ndarray, prune: float) -> tuple[np.ndarray, Places]:
    """Units that are in use, each scaled to [0, 1], and the factors."""
    places = factor_places(factors)
    if len(places.sizes) < 2:
        raise DataError("which factor is fixed cannot be asked of one factor", "give at least two factors")
    return unit_scaled(codes[:, in_use(codes, prune)])[0], places


def _split(rows: np.ndarray, seed: tuple[int, ...]) -> tuple[Sides, np.random.Generator]:
    rng = np.random.default_rng([*seed])
    mixed = rng.permutation(rows)
    return (mixed[: len(rows) // 2], mixed[len(rows) // 2 :]), rng


def _groups(places: Places, side: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each factor the rows of one half by value, where each value that has four rows starts, and how many."""
    groups = []
    for j, column in enumerate(places.place.T):
        order = side[np.argsort(column[side], kind="stable")]
        counts = np.bincount(column[order], minlength=int(places.sizes[j]))
        starts = np.cumsum(counts) - counts
        enough = counts >= LEAST
        if not enough.any():
            raise DataError(f"factor {j} has no value with {LEAST} rows in each half of {len(side)}", ERRORS)
        groups.append((order, starts[enough], counts[enough]))
    return groups


def _batches(
    places: Places, side: np.ndarray, count: int, batch: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors held fixed (count,), rows of each batch (count, batch), and which of them count, 0 or 1."""
    groups = _groups(places, side)
    fixed = rng.integers(len(groups), size=count)
    rows, weight = np.empty((count, batch), np.intp), np.zeros((count, batch))
    for b, j in enumerate(fixed.tolist()):
        order, starts, counts = groups[j]
        value = int(rng.integers(len(starts)))
        start, size = starts[value], int(counts[value])
        # without replacement: a row drawn twice would lower the variance of every unit
        places_in = rng.choice(size, batch, replace=False) if size >= batch else np.arange(batch) % size
        rows[b], weight[b, : min(size, batch)] = order[start + places_in], 1
    return fixed, rows, weight


def _pairs(
    places: Places, side: np.ndarray, count: int, batch: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Factors held fixed (count,), and rows (count, batch, 2) of pairs of different rows that share its value."""
    groups = _groups(places, side)
    fixed = rng.integers(len(groups), size=count)
    rows = np.empty((count, batch, 2), np.intp)
    for j, (order, starts, counts) in enumerate(groups):
        mine = np.flatnonzero(fixed == j)
        value = rng.integers(len(starts), size=(len(mine), batch))
        size = counts[value]
        first = np.floor(rng.random(size.shape) * size).astype(np.intp)
        second = (first + 1 + np.floor(rng.random(size.shape) * (size - 1)).astype(np.intp)) % size
        rows[mine] = order[np.stack([starts[value] + first, starts[value] + second], axis=-1)]
    return fixed, rows


def _variances(z: np.ndarray, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Variance of every unit in every batch over its variance on all rows, (batches, units)."""
    from scipy.sparse import csr_matrix

    centred = z - z.mean(0)
    count, batch = rows.shape
    picks = csr_matrix((weight.ravel(), rows.ravel(), np.arange(count + 1) * batch), shape=(count, len(z)))
    size = weight.sum(1)[:, None]
    mean = (picks @ centred) / size
    return ((picks @ centred**2) - size * mean**2) / (size - 1) / z.var(0)


def _reading(score: Score, factors: int, z: np.ndarray, draws: int, seed: int) -> Reading:
    """The mean over splits of all rows; how it varies is told by random halves of the rows, split in turn."""
    everything, chance = np.arange(len(z)), 1 / factors
    each = np.array([score(*_split(everything, (seed, 89, i))) for i in range(draws)])
    value = float(each.mean())
    corrected = {"corrected": max((value - chance) / (1 - chance), 0.0), "units": z.shape[1]}
    halves = half_splits(lambda rows, i: score(*_split(rows, (seed, 97, i))), len(z), seed)
    if halves is None:
        note = "no interval: some values of a factor are too rare for halves of the rows"
        return Reading(value, n=len(z), chance=chance, note=note, more=corrected)
    # batches of one value are nearly the same batch: thousands of votes are worth few
    low, high, replicates = split_share(each, halves, len(z))
    return Reading(value, low, high, len(z), chance, more=corrected, replicates=replicates)
