"""How far the user's rows lie from those a net was trained on, where some of those are at hand.

Reads  features of source and target rows at one stage, or the source's stored mean and covariance.
Gives  proxy A-distance with the AUC it comes from, unbiased MMD with a permutation p, Frechet distance.
Skips  deciding by them: over data sets such distances hardly follow what transfer is worth (Spearman -.24 to -.09 in
       one study of ten settings), and the A-distance is near 2 for any two data sets.

Whether two sets of rows are surely apart is told by the p of the MMD, which holds its level whatever the rows are. The
interval of the AUC is over rows: the AUC of a cross-validated classifier varies with the rows it learned from as well.

Sources: Ben-David et al. 2010 (A-distance), Gretton et al. 2012 (MMD, lemma 6), Dowson and Landau 1982 (Frechet),
Newcombe 2006 (score interval of an AUC).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold

from ..errors import DataError
from ..measure.probes import auc, linear_probe
from ..measure.spread import Z95

MOST, COMPONENTS, FOLDS, PERMUTATIONS = 1000, 64, 5, 1000
LEAST, LEVEL, ALIKE = 10, 0.05, 10


def distances(source: np.ndarray, target: np.ndarray, seed: int = 0) -> dict[str, float]:
    """All three at one stage, of equally many rows of each (at most 1,000), standardised together.

    Stages wider than half as many components as rows (at most 64) are brought to so many.
    source, target  (rows, width)
    returns         {"a_distance": 0 to 2, "auc": .5 (alike) to 1, "auc_low", "auc_high", "mmd", "mmd_p", "frechet",
                    "rows"}
    errors          DataError: fewer than 10 rows of either, or other widths
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape[1:] != target.shape[1:]:
        raise DataError(f"features of width {source.shape[1]} and {target.shape[1]} cannot be compared", "one stage")
    n = min(len(source), len(target), MOST)
    if n < LEAST:
        raise DataError(f"{n} rows tell no distance", f"give at least {LEAST} of source and target")
    rng = np.random.default_rng([seed, 5])
    both = np.concatenate([one[rng.permutation(len(one))[:n]] for one in (source, target)])
    spread = both.std(0)
    both = (both - both.mean(0)) / np.maximum(spread, 1e-3 * max(float(spread.max()), 1e-300))
    components = min(COMPONENTS, n // 2)
    if both.shape[1] > components:
        both = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(both)
    side = np.repeat([0, 1], n)
    value, p = mmd(both[:n], both[n:], seed)
    return {**a_distance(both, side, seed), "mmd": value, "mmd_p": p, "frechet": frechet(both[:n], both[n:]), "rows": n}


def stored_distance(kept: Mapping[str, np.ndarray], target: np.ndarray, seed: int = 0) -> dict[str, float]:
    """The Frechet distance of rows to stored statistics of others, in deviations of those, at one stage.

    kept    index, mean, deviation (columns,) and sketch (r, columns), whose product with itself is near the covariance;
            what it lacks of the variances is put on the diagonal
    target  (rows, width)
    returns {"frechet", "frechet_alike", "rows"}; alike: the mean for as many normal rows of just those statistics
    errors  DataError: fewer than 10 rows
    """
    if len(target) < LEAST:
        raise DataError(f"{len(target)} rows tell no distance", f"give at least {LEAST}")
    deviation = np.asarray(kept["deviation"], np.float64)
    some = np.flatnonzero(deviation > 1e-3 * max(float(deviation.max()), 1e-300))
    rows = (np.asarray(target, np.float64)[:, kept["index"][some]] - kept["mean"][some]) / deviation[some]
    sketch = np.asarray(kept["sketch"], np.float64)[:, some] / deviation[some]
    spread = sketch.T @ sketch
    spread += np.diag(np.maximum(0.0, 1 - np.diag(spread)))
    known = {"mean": np.zeros(len(some)), "covariance": spread}
    rng = np.random.default_rng([seed, 23])
    drawn = [rng.multivariate_normal(known["mean"], spread, len(rows), method="eigh") for _ in range(ALIKE)]
    alike = float(np.mean([frechet(known, one) for one in drawn]))
    return {"frechet": frechet(known, rows), "frechet_alike": alike, "rows": len(rows)}


def told_apart(apart: Mapping[str, Mapping[str, float]]) -> float:
    """The highest AUC among stages at which source and target rows surely differ; .5 where they do at none.

    Surely: the permutation p of the MMD, times the number of stages (Bonferroni), is at most .05.
    apart  stage -> what `distances` gives
    """
    return max([0.5, *(one["auc"] for one in apart.values() if one["mmd_p"] * len(apart) <= LEVEL)])


def a_distance(both: np.ndarray, side: np.ndarray, seed: int = 0) -> dict[str, float]:
    """2 (1 - 2 error) of a linear classifier that tells the sides apart, and its AUC with an interval.

    both  (rows, width); side: (rows,) 0 or 1, as many of each
    """
    told = np.zeros(len(side))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(both, side):
        probe = linear_probe(both[train]).fit(both[train], side[train])
        told[test] = probe.predict_proba(both[test])[:, 1]
    wrong = float(np.mean((told > 0.5) != side))
    area = auc(side, told)
    low, high = auc_ends(area, int((side == 1).sum()), int((side == 0).sum()))
    return {"a_distance": max(0.0, 2 * (1 - 2 * wrong)), "auc": area, "auc_low": low, "auc_high": high}


def auc_ends(area: float, ones: int, zeros: int) -> tuple[float, float]:
    """The 95 % interval of an AUC over rows: the values whose own error the AUC found is 1.96 of away from.

    It has a width at 0 and at 1 too.
    Source: Newcombe 2006, part 2, the score form, with the error of Hanley and McNeil 1982.
    """

    def beyond(value: float) -> float:
        return abs(area - value) - Z95 * _auc_error(value, ones, zeros)

    inside = min(max(area, 1e-9), 1 - 1e-9)  # at 0 and 1 themselves the error is 0
    low = 0.0 if beyond(0.0) <= 0 else float(brentq(beyond, 0.0, inside))
    return low, 1.0 if beyond(1.0) <= 0 else float(brentq(beyond, inside, 1.0))


def _auc_error(area: float, ones: int, zeros: int) -> float:
    """Hanley and McNeil 1982, equation 2."""
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (ones - 1) * (first - area**2) + (zeros - 1) * (second - area**2)
    return (max(spread, 0.0) / (ones * zeros)) ** 0.5


def mmd(source: np.ndarray, target: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Unbiased squared MMD with Gaussian kernels around the median distance, and a permutation p."""
    n, both = len(source), np.concatenate([source, target])
    far = squareform(pdist(both, "sqeuclidean"))
    median = float(np.median(far[np.triu_indices(len(far), 1)])) or 1.0
    kernel = sum(np.exp(-far / (median * scale)) for scale in (0.5, 1.0, 2.0))
    rng = np.random.default_rng([seed, 11])
    value = float(_mmd(kernel, np.arange(len(both))[:, None] < n)[0])
    luck = _mmd(kernel, np.stack([rng.permutation(len(both)) < n for _ in range(PERMUTATIONS)], axis=1))
    return value, float(1 + (luck >= value).sum()) / (1 + PERMUTATIONS)


def _mmd(kernel: Any, first: np.ndarray) -> np.ndarray:
    """One value for each column of `first`, (rows, values) bool: which rows are the first set's."""
    signs = first.astype(np.float64)
    n, m = signs.sum(0), (1 - signs).sum(0)
    left, whole, diagonal = kernel @ signs, kernel.sum(1), np.diag(kernel)
    mine, cross = (signs * left).sum(0), (signs * (whole[:, None] - left)).sum(0)
    other = whole.sum() - mine - 2 * cross
    own = diagonal @ signs
    return (mine - own) / (n * (n - 1)) + (other - (diagonal.sum() - own)) / (m * (m - 1)) - 2 * cross / (n * m)


def frechet(source: np.ndarray | Mapping[str, np.ndarray], target: np.ndarray | Mapping[str, np.ndarray]) -> float:
    """|mean difference|^2 + tr(S + T - 2 (S T)^1/2) of two sets of rows, or of their stored means and covariances.

    source, target  (rows, width), or {"mean": (width,), "covariance": (width, width)}
    """
    (m, s), (o, t) = _moments(source), _moments(target)
    values = np.linalg.eigvals(s @ t)
    root = float(np.sqrt(np.clip(values.real, 0, None)).sum())
    return max(0.0, float(((m - o) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root))


def _moments(one: Any) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(one, Mapping):
        return np.asarray(one["mean"], np.float64), np.asarray(one["covariance"], np.float64)
    return one.mean(0), np.atleast_2d(np.cov(one, rowvar=False))
