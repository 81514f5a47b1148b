"""Latent factors by simple probes: one unit at a time (SAP), and all together (explicitness).

Reads  codes and factors.
Gives  SAP as a gap of R2, as a gap of linear SVM accuracy, and explicitness as held-out ranking.
Skips  forests: those are in dci.py.
"""

from __future__ import annotations

import warnings

import numpy as np

from ..errors import DataError
from .folds import halves
from .information import equal_mass, factor_places, mutual_information, unit_scaled
from .probes import LinearProbe
from .record import Reading, metric
from .spread import half_values, mean_half

TRIED = 32


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="closed form: 0 as n grows; with few rows the gap of two accidental fits",
    interval="half-subsamples",
    cost="n d K, 20 halves",
    distrust="only straight lines count, and categories are taken as numbers; a duplicated perfect code scores 0",
    source="Kumar, Sattigeri and Balakrishnan 2018, section 3; R2 of a straight line",
)
def sap(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> Reading:
    """Does one unit alone follow each factor in a straight line (SAP, R2)?

    Mean over factors of R2 of the best unit minus R2 of the second best, each a straight line on one unit.
    returns  0 to 1. more: {"factors": the gap of each, "units": the best units}
    errors   DataError: a factor with one value
    """
    factor_places(factors)
    z, y = unit_scaled(codes)[0], unit_scaled(factors)[0]
    squares = _r2(z, y)
    gaps = _gap(squares)
    values, half = half_values(lambda rows: float(_gap(_r2(z[rows], y[rows])).mean()), len(z), seed)
    value = float(gaps.mean())
    more = {"factors": gaps.tolist(), "units": squares.argmax(0).tolist()}
    return Reading(value, max(value - half, 0.0), value + half, len(z), more=more, replicates=values)


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="shuffled rows",
    interval="per-point values of the held-out rows, one split",
    cost="up to 32 K linear SVM fits on at most 1,000 rows",
    distrust="it cannot reach 1 for factors in order; use sap beside it",
    source="Kumar, Sattigeri and Balakrishnan 2018, section 3, as in disentanglement_lib: LinearSVC, C = 0.01",
    uncalibrated="one unit and a linear SVM cannot cut out the middle values of an ordered factor: a perfect code of 5 "
    "factors scores .19 to .35 (shuffled rows stand beside it)",
)
def sap_svm(codes: np.ndarray, factors: np.ndarray, rows: int = 2000, seed: int = 0) -> Reading:
    """Does one unit alone tell each factor's value (SAP, linear SVM)?

    Mean over factors of the accuracy of the best unit minus that of the second best, a linear SVM on one unit, half
    the rows to fit on and half held out.
    rows     at most so many are used; of each factor's units the 32 with most information on it are tried
    returns  0 to 1. more: {"factors": the gap of each, "units": the best units}
    errors   DataError: a factor with one value in the rows to fit on
    """
    from sklearn.svm import LinearSVC

    places = factor_places(factors)
    # a scale of its own order is kept, because the penalty depends on it; beyond that nothing can be fitted
    size = np.abs(codes).max()
    z = codes.astype(np.float64) if 1e-3 < size < 1e6 else unit_scaled(codes)[0]
    picked = np.random.default_rng([seed, 79]).permutation(len(z))[:rows]
    train, held = picked[: len(picked) // 2], picked[len(picked) // 2 :]
    units = equal_mass(unit_scaled(codes)[0])
    likely = mutual_information(units, places)
    hits, points = np.zeros((z.shape[1], len(places.sizes))), np.zeros(len(held))
    for j, y in enumerate(places.place.T):
        if len(np.unique(y[train])) < 2:
            raise DataError(f"factor {j} has one value in the {len(train)} rows to fit on", "measure on more rows")
        right = np.zeros((min(TRIED, z.shape[1]), len(held)))
        tried = np.argsort(-likely[:, j], kind="stable")[:TRIED]
        for place, i in enumerate(tried):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = LinearSVC(C=0.01, class_weight="balanced", random_state=seed).fit(z[train, i : i + 1], y[train])
            right[place] = model.predict(z[held, i : i + 1]) == y[held]
        hits[tried, j] = right.mean(1)
        best = np.argsort(-right.mean(1), kind="stable")[:2]
        points += (right[best[0]] - (right[best[1]] if len(best) > 1 else 0)) / len(places.sizes)
    gaps, half = _gap(hits), mean_half(points)
    value, more = float(gaps.mean()), {"factors": gaps.tolist(), "units": hits.argmax(0).tolist()}
    return Reading(value, max(value - half, 0.0), value + half, len(held), more=more, points=points)


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, half of all pairs are ranked right by luck",
    interval="per-point values (what each held-out row adds to the ranking), over the splits",
    cost="5 K logistic regressions on at most 2,500 rows",
    distrust="a turned code scores as well as an aligned one: it asks what is there, not where",
    source="Ridgeway and Mozer 2018, section 3",
)
def explicitness(codes: np.ndarray, factors: np.ndarray, rows: int = 5000, draws: int = 5, seed: int = 0) -> Reading:
    """Can a linear probe on all units tell every value of every factor (explicitness)?

    2 AUC - 1, one value against the rest by the probabilities of logistic regression, on the half of the rows it was
    not fitted on; mean over values, then factors. Units that never vary are left out.
    rows     at most so many are used
    draws    splits into halves
    returns  0 to 1. more: {"factors": of each, "auc": (1 + value) / 2, the scale of disentanglement_lib}
    errors   DataError: no unit varies, a factor with one value, or with too few rows of each
    """
    z, varies = unit_scaled(codes)
    if not varies.any():
        raise DataError("no unit varies", "every unit is dead: see dead_share")
    places = factor_places(factors)
    picked = np.random.default_rng([seed, 83]).permutation(len(z))[:rows]
    z = z[picked][:, varies]
    z = (z - z.mean(0)) / z.std(0)
    told = places.place[picked].T
    points = np.array([[_ranked(z, y, seed + i, j) for j, y in enumerate(told)] for i in range(draws)])
    each = points.mean(2)
    value, points = float(each.mean()), points.mean((0, 1))
    more = {"factors": each.mean(0).tolist(), "auc": (1 + value) / 2}
    half = mean_half(points)
    return Reading(value, value - half, value + half, len(z), more=more, points=points)


def _ranked(z: np.ndarray, y: np.ndarray, seed: int, j: int) -> np.ndarray:
    """(rows,) numbers whose mean is 2 AUC - 1 of one factor on one half of the rows, mean over its values.

    A row of that half adds how it stands to those of other values, any other row the mean. Source: DeLong, DeLong
    and Clarke-Pearson 1988.
    """
    kept = np.flatnonzero(np.isin(y, np.flatnonzero(np.bincount(y) >= 4)))
    if len(np.unique(y[kept])) < 2:
        raise DataError(f"factor {j} has fewer than two values with four rows", "measure on more rows")
    n, z, y = len(z), z[kept], y[kept]
    train, held = halves(y, seed, "class")
    # a weak penalty: it asks what a straight line can tell, not how few rows it needs
    probe = LinearProbe(z[train].mean(0), 1.0, strength=10.0).fit(z[train], y[train])
    chances = probe.predict_proba(z[held])
    adds = np.mean([_standing(y[held] == v, chances[:, i]) for i, v in enumerate(np.unique(y[train]))], axis=0)
    points = np.full(n, 2 * float(adds.mean()) - 1)
    points[kept[held]] += 2 * (adds - adds.mean()) * (n / len(held))
    return points


def _standing(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(rows,) numbers whose mean is the AUC, and which vary as it does: the share of the others that a row beats."""
    from scipy.stats import rankdata

    out, places = np.empty(len(scores)), rankdata(scores)
    beaten = places[positive] - rankdata(scores[positive])
    beating = positive.sum() - places[~positive] + rankdata(scores[~positive])
    area = float(beaten.mean()) / (~positive).sum()
    for side, shares in ((positive, beaten / (~positive).sum()), (~positive, beating / positive.sum())):
        out[side] = area + (shares - area) / side.mean()
    return out


def _r2(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared correlation of every unit with every factor; 0 for what does not vary."""
    z, y = z - z.mean(0), y - y.mean(0)
    power = np.outer((z * z).sum(0), (y * y).sum(0))
    return (z.T @ y) ** 2 / np.where(power > 0, power, 1)


def _gap(strength: np.ndarray) -> np.ndarray:
    ordered = np.sort(strength, axis=0)
    return ordered[-1] - (ordered[-2] if len(ordered) > 1 else 0.0)
