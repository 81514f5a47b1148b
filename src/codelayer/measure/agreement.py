"""Disentanglement without factors: do seeds agree on the units, and are units independent?

Reads  codes of the same rows from fits with other seeds; codes alone for total correlation.
Gives  UDR by rank correlation and by Lasso; Gaussian total correlation.
Skips  calling independence disentanglement: a turned code of equal variances is as independent as an aligned one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from ..errors import DataError
from .information import in_use, unit_scaled
from .record import Reading, metric
from .spread import jackknife_half, mean_half

NULL = "closed form: 0, because correlations within three deviations of chance count as none"
SEEDS = "leave-one-out over seeds (jackknife); none of two"
DISTRUST = "seeds that all find the same turned code agree as well; fewer than 5 seeds say little"


@metric(
    needs=("seeds",),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=SEEDS,
    cost="m^2 n d^2, m seeds",
    distrust=DISTRUST,
    source="Duan et al. 2020, section 4; Spearman correlation, units of low deviation left out",
)
def udr(seeds: list[np.ndarray], prune: float = 0.05) -> Reading:
    """Do fits with other seeds find the same units (UDR, rank correlation)?

    For each pair of seeds the matrix R of |Spearman correlation| of their units; its score is half the mean over rows
    of max^2 / sum plus half that over columns. A seed scores the median over its partners, the metric the mean of
    that over seeds.
    prune    units whose deviation is below this share of the largest of their seed are left out
    returns  0 to 1. more: {"seeds": the score of each, the highest is the one to take}
    errors   DataError: fewer than two seeds, a seed none of whose units varies
    """
    from scipy.stats import rankdata

    ready = [_standard(rankdata(one, axis=0)) for one in _alive(seeds, prune)]
    noise = 3 / len(ready[0]) ** 0.5

    def relation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        found = np.abs(a.T @ b) / len(a)
        return np.where(found > noise, found, 0.0)

    return _over_pairs(ready, relation)


@metric(
    needs=("seeds",),
    worst=0.0,
    best=1.0,
    null="closed form: 0, the penalty keeps weak relations out",
    interval=SEEDS,
    cost="m^2 d Lasso fits on at most 1,000 rows, m seeds",
    distrust=DISTRUST + "; a unit that follows another in a curve is missed",
    source="Duan et al. 2020, section 4, as in disentanglement_lib: Lasso, alpha = 0.1 on standardised codes",
    uncalibrated="the penalty takes 0.1 off every coefficient: seeds that agree wholly score 0.9, unrelated ones 0",
)
def udr_lasso(seeds: list[np.ndarray], alpha: float = 0.1, prune: float = 0.05, rows: int = 1000) -> Reading:
    """Do fits with other seeds find the same units (UDR, Lasso)?

    As udr, with R the |coefficients| of a Lasso from the units of one seed to each unit of the other.
    alpha    weight of the penalty
    prune    units whose deviation is below this share of the largest of their seed are left out
    rows     at most so many are used
    returns  0 to 1. more: {"seeds": the score of each}
    errors   DataError: fewer than two seeds, a seed none of whose units varies
    """
    from sklearn.linear_model import Lasso

    picked = np.random.default_rng(97).permutation(len(seeds[0]))[:rows]
    ready = [_standard(one[picked]) for one in _alive(seeds, prune)]

    def relation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.abs(np.atleast_2d(Lasso(alpha=alpha).fit(a, b).coef_)).T

    return _over_pairs(ready, relation)


@metric(
    needs=("codes",),
    worst=None,
    best=0.0,
    null="shuffled columns",
    interval="per-point values (delta method)",
    cost="n d^2",
    distrust="independent units need not be factors: a turned code scores as well; it sees straight relations only",
    source="Watanabe 1960; Gaussian, as in Locatello et al. 2019",
)
def total_correlation_nats(codes: np.ndarray) -> Reading:
    """How much do the units tell about one another (total correlation of a Gaussian, nats)?

    -1/2 log det of the units' correlation matrix. Units that never vary are left out.
    returns  0 independent, no upper end. more: {"per_unit": nats divided by units}
    errors   DataError: fewer than two units vary, units that are sums of others (the value is then infinite)
    """
    z, varies = unit_scaled(codes)
    if varies.sum() < 2:
        raise DataError(f"{varies.sum()} of {len(varies)} units vary", "total correlation needs at least two")
    z = z[:, varies]
    n, standard = len(z), _standard(z)
    values, axes = np.linalg.eigh(standard.T @ standard / n)
    if values[0] <= 1e-9 * values[-1]:
        raise DataError(_why_infinite(z, np.flatnonzero(varies)), "total correlation is infinite: leave such units out")
    value = max(-0.5 * float(np.log(values).sum()), 0.0)
    # what each row adds: the derivative of the log determinant, deviations held at 1
    points = value - 0.5 * (((standard @ axes) ** 2 / values).sum(1) - (standard**2).sum(1))
    half = mean_half(points)
    gone = int((~varies).sum())
    note = f"{gone} units that never vary are left out" if gone else ""
    more = {"per_unit": value / z.shape[1]}
    return Reading(value, max(value - half, 0.0), value + half, n, note=note, more=more, points=points)


def udr_of(relation: np.ndarray) -> float:
    """The score of one pair of seeds from |relation| (units of one, units of the other), 0 to 1."""

    def side(lines: np.ndarray) -> float:
        total = lines.sum(1)
        return float((lines.max(1) ** 2 / np.where(total > 0, total, 1)).mean())

    return (side(relation) + side(relation.T)) / 2


def _over_pairs(seeds: list[np.ndarray], relation: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Reading:
    # scores (seed, partner): the interval is for other seeds, so seeds are left out in turn, not rows
    m = len(seeds)
    scores = np.array(
        [[udr_of(relation(a, b)) if i != j else 0.0 for j, b in enumerate(seeds)] for i, a in enumerate(seeds)]
    )
    scores = (scores + scores.T) / 2
    each, n = _each_seed(scores), len(seeds[0])
    value, more = float(each.mean()), {"seeds": each.tolist()}
    if m < 3:
        return Reading(value, n=n, note=f"only {m} seeds: no interval", more=more)
    half = jackknife_half(np.array([_each_seed(np.delete(np.delete(scores, i, 0), i, 1)).mean() for i in range(m)]))
    return Reading(value, max(value - half, 0.0), value + half, n, note=f"only {m} seeds" if m < 5 else "", more=more)


def _each_seed(scores: np.ndarray) -> np.ndarray:
    return np.array([np.median(np.delete(line, i)) for i, line in enumerate(scores)])


def _alive(seeds: list[np.ndarray], prune: float) -> list[np.ndarray]:
    if len(seeds) < 2:
        raise DataError("agreement of one seed cannot be asked", "give the codes of at least two fits")
    return [unit_scaled(codes[:, in_use(codes, prune)])[0] for codes in seeds]


def _standard(z: np.ndarray) -> np.ndarray:
    z = z - z.mean(0)
    spread = z.std(0)
    return z / np.where(spread > 0, spread, 1)


def _why_infinite(z: np.ndarray, units: np.ndarray) -> str:
    standard = _standard(z)
    if len(z) <= z.shape[1]:
        return f"{z.shape[1]} units vary on {len(z)} rows, fewer than needed to tell them apart"
    same = np.triu(np.abs(standard.T @ standard / len(z)), 1) > 1 - 1e-9
    if same.any():
        i, j = np.argwhere(same)[0]
        return f"units {units[i]} and {units[j]} say the same"
    return "some units are sums of others"
