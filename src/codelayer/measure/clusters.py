"""Clusters: do groups that k-means finds in the code agree with the classes?

Reads  codes and labels; k-means sees the codes alone.
Gives  adjusted mutual information, with the adjusted Rand index and plain mutual information beside it.
Skips  the number of clusters: it is the number of classes.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .draws import class_index, scored_classes, task_of
from .neighbors import EXACT_ROWS, anchor_rows
from .record import Reading, metric
from .spread import values_half

HALVES = 20


@metric(
    needs=("codes", "labels"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, corrected for chance",
    interval="half-subsamples of the rows, clusters kept",
    cost="n d classes, 10 starts of k-means",
    distrust="classes of several clumps or unequal size: k-means cuts round clumps of like size, a probe does not",
    source="Vinh, Epps and Bailey 2010 (AMI); Hubert and Arabie 1985 (ARI)",
)
def cluster_agreement(
    codes: np.ndarray, labels: np.ndarray, starts: int = 10, most: int = EXACT_ROWS, seed: int = 0
) -> Reading:
    """Do the clusters of k-means, as many as classes, agree with the classes?

    most     above this many rows, that many are drawn
    returns  adjusted mutual information: 1 equal, 0 chance (it can fall below). more: {"ari", "nmi"}
    errors   DataError: labels are numbers, fewer than two classes with two members, fewer different codes than classes
    """
    if task_of(labels) != "class":
        raise DataError("cluster_agreement needs classes, the labels are numbers", "use knn_score or linear_score")
    y = class_index(labels, scored_classes(labels))
    codes, y = codes[y >= 0].astype(np.float64), y[y >= 0]
    chosen = anchor_rows(len(codes), most, most, seed)
    rows, y = _scaled(codes[chosen]), y[chosen]
    found, centres = _clusters(rows, int(y.max()) + 1, starts, seed)
    reading = agreement(y, found, seed)
    # where two codes are compared, clusters that other rows would move count as well
    anew = [_alike(y[part], _from(rows[part], centres)) for part in _parts(len(y), seed)]
    return replace(reading, replicates=np.array(anew))


def agreement(y: np.ndarray, found: np.ndarray, seed: int = 0) -> Reading:
    """How well two ways of sorting the same rows agree, both (n,) integers, with the interval from half-subsamples."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    value = _alike(y, found)
    half = values_half(np.array([_alike(y[part], found[part]) for part in _parts(len(y), seed)]))
    more = {"ari": float(adjusted_rand_score(y, found)), "nmi": float(normalized_mutual_info_score(y, found))}
    return Reading(value, value - half, value + half, len(y), 0.0, more=more)


def _parts(n: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 43])
    return [rng.permutation(n)[: n // 2] for _ in range(HALVES)]


def _alike(y: np.ndarray, found: np.ndarray) -> float:
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(y, found))


def _scaled(codes: np.ndarray) -> np.ndarray:
    codes = codes - codes.mean(0)
    return codes / (np.abs(codes).max() or 1.0)


def _clusters(codes: np.ndarray, count: int, starts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each row, and the centres."""
    from sklearn.cluster import KMeans

    different = len(np.unique(codes, axis=0))
    if different < count:
        raise DataError(f"{different} different codes for {count} classes", "k-means needs as many codes as clusters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = KMeans(count, n_init=starts, random_state=seed).fit(codes)
    return model.labels_, model.cluster_centers_


def _from(codes: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The cluster of each row, where k-means begins at these centres."""
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KMeans(len(centres), init=centres, n_init=1).fit_predict(codes)
