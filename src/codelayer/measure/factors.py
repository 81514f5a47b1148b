"""Latent factors by information: does each factor have one unit, and each unit one factor?

Reads  codes and the factors that the samples were made from (or any columns that are known).
Gives  MIG with equal-mass bins and its null, the variant of disentanglement_lib, modularity with its null.
Skips  fitted models: those are in dci.py and factor_fits.py.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .information import (
    Places,
    entropies,
    equal_mass,
    equal_width,
    factor_places,
    information_by_luck,
    mutual_information,
    unit_scaled,
)
from .record import Reading, metric
from .spread import half_values, halves_of, values_half

COST = "n d K, K factors"
FEW_ROWS = 1000


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, because what shuffled rows give is subtracted",
    interval="half-subsamples",
    cost=COST + ", 5 shuffles and 20 halves",
    distrust="a factor that two units tell equally well (a duplicated code) scores 0; compare at equal bins and n",
    source="Chen et al. 2018, section 4.1; bins of equal mass, permutation null",
)
def mig(codes: np.ndarray, factors: np.ndarray, bins: int = 20, draws: int = 5, seed: int = 0) -> Reading:
    """Does one unit alone tell each factor (mutual information gap)?

    Mean over factors of (I1 - I2) / H: the two units with most information on the factor, over its entropy. From
    every I the mean over shuffled rows is taken off, and from H that of the first unit, so that 1 stays 1.
    bins     of equal mass per unit; a unit of at most 50 different values keeps them
    returns  0 no factor has a unit of its own, 1 each has. more: {"factors": the gap of each, "units": the first units}
    errors   DataError: a factor with one value
    """
    units, places = equal_mass(unit_scaled(codes)[0], bins), factor_places(factors)
    luck = information_by_luck(units, places, draws, seed)
    gaps, first = _gaps(mutual_information(units, places), luck, entropies(places))

    def halved(rows: np.ndarray) -> float:
        u, f = units.take(rows), places.take(rows)
        # with half the rows the bias is twice as large
        return float(_gaps(mutual_information(u, f), 2 * luck, entropies(f))[0].mean())

    return _reading(gaps, first, half_values(halved, len(codes), seed), len(codes))


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="shuffled rows",
    interval="half-subsamples",
    cost=COST + ", 20 halves",
    distrust="outliers stretch the bins; few rows and many bins add information that is not there; see mig",
    source="Chen et al. 2018, section 4.1, as in disentanglement_lib: 20 bins of equal width, plug-in",
)
def mig_dlib20(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> Reading:
    """Does one unit alone tell each factor (gap as disentanglement_lib computes it)?

    Mean over factors of (I1 - I2) / H, mutual information by counting in 20 bins of equal width.
    returns  0 to 1. more: {"factors": the gap of each, "units": the first units}
    errors   DataError: a factor with one value
    """
    units, places = equal_width(unit_scaled(codes)[0]), factor_places(factors)
    gaps, first = _gaps(mutual_information(units, places), 0.0, entropies(places))

    def halved(rows: np.ndarray) -> float:
        u, f = units.take(rows), places.take(rows)
        return float(_gaps(mutual_information(u, f), 0.0, entropies(f))[0].mean())

    return _reading(gaps, first, half_values(halved, len(codes), seed), len(codes))


@metric(
    needs=("codes", "factors"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, because information within chance counts as none",
    interval="what halves of the rows move the information by, each unit settled anew",
    cost=COST + ", 5 shuffles and 20 halves",
    distrust="units that tell nothing count as 0, so spare units lower it; duplicated units do not",
    source="Ridgeway and Mozer 2018, section 3; permutation null",
)
def modularity(codes: np.ndarray, factors: np.ndarray, bins: int = 20, draws: int = 5, seed: int = 0) -> Reading:
    """Does each unit tell one factor only?

    Mean over units of 1 - sum over the other factors of I^2 / (I1^2 (K - 1)), I1 the factor told best. From every I
    the mean over shuffled rows is taken off; what is within four deviations of it is 0, and a unit of zeros scores 0.
    returns  0 to 1. more: {"units": of each}
    errors   DataError: fewer than two factors, a factor with one value
    """
    units, places = equal_mass(unit_scaled(codes)[0], bins), factor_places(factors)
    if len(places.sizes) < 2:
        raise DataError("modularity needs at least two factors, there is one", "give more factors")
    luck = information_by_luck(units, places, draws, seed)

    # 2 n I of unrelated columns follows chi-square with (bins - 1) (values - 1) degrees of freedom
    noise = np.sqrt(2.0 * np.outer(units.sizes - 1, places.sizes - 1)) / (2 * len(codes))
    least = 4 * noise + 1e-9

    def of(some: np.ndarray) -> np.ndarray:
        return modularity_of(np.where(some > least, some, 0.0))

    found = mutual_information(units, places) - luck
    each = of(found)
    # which units count as told is settled anew, as other rows would settle it
    values = np.array([of(found + moved).mean() for moved in _moved(units, places, noise, seed)])
    value, half = float(each.mean()), values_half(values)
    # a unit on the edge of being told jumps: the ends hold the middle 95 % as well
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    low, high = max(min(value - half, low), 0.0), max(value + half, high)
    return Reading(value, low, high, len(codes), more={"units": each.tolist()}, replicates=values)


def _moved(units: Places, places: Places, noise: np.ndarray, seed: int) -> np.ndarray:
    """How other rows would move the matrix of information, (HALVES, units, factors), from halves of the rows.

    A half differs from all rows as all rows do from the truth where I is told. Where it is not, I is a square of noise:
    halves then differ by three times the variance of all rows, `noise` squared, of which two are taken off.
    """
    found = [mutual_information(units.take(rows), places.take(rows)) for rows in halves_of(len(units.place), seed)]
    moved = np.array(found) - np.mean(found, axis=0)
    spread = moved.var(axis=0, ddof=1)
    wanted = np.maximum(spread - 2 * noise**2, np.minimum(spread, noise**2))
    return moved * np.sqrt(wanted / np.where(spread > 0, spread, 1))


def modularity_of(information: np.ndarray) -> np.ndarray:
    """Modularity of each unit from a matrix (units, factors) of information, (units,)."""
    top = information.max(1)
    share = (information / np.where(top > 0, top, 1)[:, None]) ** 2
    return np.where(top > 0, 1 - (share.sum(1) - 1) / (information.shape[1] - 1), 0.0)


def _gaps(information: np.ndarray, luck: np.ndarray | float, entropy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gap of each factor and the unit that tells it best."""
    luck = np.broadcast_to(luck, information.shape)
    clean = np.maximum(information - luck, 0)
    first = clean.argmax(0)
    ordered = np.sort(clean, axis=0)
    second = ordered[-2] if len(ordered) > 1 else 0.0
    most = entropy - luck[first, np.arange(len(first))]
    return (ordered[-1] - second) / np.maximum(most, 0.05 * np.maximum(entropy, 1e-12)), first


def _reading(gaps: np.ndarray, first: np.ndarray, spread: tuple[np.ndarray, float], n: int) -> Reading:
    value, (values, half) = float(gaps.mean()), spread
    note = f"only {n} rows: information is uncertain below {FEW_ROWS:,}" if n < FEW_ROWS else ""
    more = {"factors": gaps.tolist(), "units": first.tolist()}
    return Reading(value, max(value - half, 0.0), value + half, n, note=note, more=more, replicates=values)
