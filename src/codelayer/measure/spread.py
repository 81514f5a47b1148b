"""Error bars: half a 95 % interval from values of rows, from parts of the rows, and the ends of a share.

Reads  numbers of rows, or a statistic and how many rows there are.
Gives  one rule for each kind of metric: a mean of rows (Student), a share near 0 or 1 (Wilson), any other statistic of
       the rows (random parts of them without replacement).
Skips  label curves (intervals.py), and shared neighbours (neighbors.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..errors import DataError

HALVES, SPLIT_HALVES = 20, 10
Z95 = 1.959963984540054


@lru_cache(maxsize=64)
def student95(values: int) -> float:
    """Student's 97.5 % quantile for the spread of so many values, at least 2: 1.96 for many, more for few."""
    from scipy.special import stdtrit

    return float(stdtrit(values - 1, 0.975))


def mean_half(points: np.ndarray) -> float:
    """Half the 95 % interval of the mean of per-row values (n,); 0 for one row."""
    n = len(points)
    return student95(n) * float(points.std(ddof=1, dtype=np.float64)) / n**0.5 if n > 1 else 0.0


def share_ends(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n rows: it has a width where all or none are.

    n  rows, or as many as their spread is worth; infinite where a share does not vary
    Source: Wilson 1927.
    """
    if np.isinf(n):
        return share, share
    add = Z95**2 / n
    middle, half = (share + add / 2) / (1 + add), Z95 * (share * (1 - share) / n + add / (4 * n)) ** 0.5 / (1 + add)
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)


def shares_ends(points: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of per-row shares (n,): Wilson's, with as many rows as their spread is worth.

    Rows of many independent things count for more than one each. Rows of one share between 0 and 1 do not vary (no
    width); rows that are all 0, or all 1, are worth n.
    """
    share, n = float(points.mean()), len(points)
    variance = float(points.var(ddof=1)) if np.ptp(points) > 0 else 0.0
    if variance == 0:
        return share_ends(share, float(n) if share in (0.0, 1.0) else np.inf)
    return share_ends(share, max(1.0, n * share * (1 - share) / variance))


def half_values(
    value_of: Callable[[np.ndarray], float], n: int, seed: int, halves: int = HALVES
) -> tuple[np.ndarray, float]:
    """A value on random halves of n rows, and half a 95 % interval from their spread.

    A half drawn without replacement varies about the whole as the whole does about the truth, or a little more: with
    Student's quantile on top gaps of information covered .99.
    """
    values = np.array([value_of(rows) for rows in halves_of(n, seed, halves)])
    return values, Z95 * float(np.std(values, ddof=1))


def values_half(values: np.ndarray) -> float:
    """Half a 95 % interval from values that vary as the statistic does, (two or more,)."""
    return student95(len(values)) * float(np.std(values, ddof=1))


def half_splits(value_of: Callable[[np.ndarray, int], float], n: int, seed: int) -> np.ndarray | None:
    """Values of random halves of n rows, each split twice, (SPLIT_HALVES, 2); None where a half leaves it undefined.

    value_of  (row numbers, number of the split) -> the value
    """
    try:
        found = [
            [value_of(rows, 2 * i + k) for k in range(2)] for i, rows in enumerate(halves_of(n, seed, SPLIT_HALVES))
        ]
    except DataError:
        return None
    return np.array(found, dtype=np.float64)


def split_values(
    value_of: Callable[[np.ndarray, int], float], each: np.ndarray, n: int, seed: int
) -> np.ndarray | None:
    """Replicates, (SPLIT_HALVES,), of a mean over random splits of n rows; None where a half leaves it undefined.

    A value of one split varies with the split as well, which the mean evens out: each half is split twice, what differs
    between the two is taken off, and what is left of it in the mean is put back.
    value_of  (row numbers, number of the split) -> the value
    each      the values of all rows, one per split, whose mean it is
    """
    halves, value = half_splits(value_of, n, seed), float(each.mean())
    if halves is None:
        return None
    spread, split = float(halves.mean(1).var(ddof=1)), float(halves.var(axis=1, ddof=1).mean()) / 2
    wanted = max(spread - split, 0.0) + float(each.var(ddof=1) if len(each) > 1 else 2 * split) / len(each)
    return _spread_to(value, halves.mean(1), wanted)


def split_share(each: np.ndarray, halves: np.ndarray, n: int) -> tuple[float, float, np.ndarray]:
    """The 95 % interval of a share that is a mean over random splits of n rows, and replicates, (SPLIT_HALVES,).

    A share near 1 misses little, and by how little it varies is told worse by the few misses of one data set than by
    the many of its halves. So the halves tell not the width but how many independent answers the share is worth: of
    one split, from what two splits of a half and the splits of all rows differ by; of the rows, from what halves differ
    by beyond that. Wilson's interval of so many answers has a width where all are right.
    each    the shares of all rows, one per split, whose mean it is
    halves  those of halves of the rows, (SPLIT_HALVES, 2), see half_splits
    """
    value, half = float(each.mean()), float(halves.mean())
    ours, theirs = len(each) - 1, len(halves)
    chances = theirs * half * (1 - half) + ours * value * (1 - value)
    of_split = theirs * float(halves.var(axis=1, ddof=1).mean()) + (float(each.var(ddof=1)) * ours if ours else 0.0)
    split = of_split / chances if chances > 0 else 0.0
    within = float(halves.var(axis=1, ddof=1).mean()) / 2
    rows = max(float(halves.mean(1).var(ddof=1)) - within, 0.0) / (half * (1 - half)) if 0 < half < 1 else 0.0
    worth = 1 / (rows + split / len(each)) if rows + split > 0 else float(n)
    low, high = share_ends(value, worth)
    return low, high, _spread_to(value, halves.mean(1), value * (1 - value) / worth)


def _spread_to(value: float, found: np.ndarray, wanted: float) -> np.ndarray:
    """Replicates moved to the value and to the variance that is wanted."""
    moved, spread = found - found.mean(), float(found.var(ddof=1))
    return value + moved * (wanted / spread) ** 0.5 if spread > 0 else np.full(len(found), value)


def on_all_rows(points: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Numbers of some rows as numbers of all, with the mean and the spread of the mean that they have: (n,).

    Codes that leave out other rows can then be compared row by row.
    kept  which rows the points are of, bool (n,)
    """
    found = np.full(len(kept), points.mean())
    found[kept] += (points - points.mean()) * (len(kept) / len(points))
    return found


def pseudo_values(value: float, without: np.ndarray) -> np.ndarray:
    """Numbers whose mean is the value and whose spread over m things is the jackknife's, from values without each (m,).

    Source: Tukey 1958, centred.
    """
    return value + (len(without) - 1) * (without.mean() - without)


def halves_of(n: int, seed: int, halves: int = HALVES) -> list[np.ndarray]:
    """Random halves of n rows, each in ascending order."""
    rng = np.random.default_rng([seed, 67])
    return [np.sort(rng.choice(n, n // 2, replace=False)) for _ in range(halves)]


def jackknife_half(without: np.ndarray) -> float:
    """Half a 95 % interval of a statistic from its values without each of m things in turn, (m,), at least 2.

    Source: Tukey 1958.
    """
    m = len(without)
    return student95(m) * float(np.sqrt((m - 1) / m * ((without - without.mean()) ** 2).sum()))
