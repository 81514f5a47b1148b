"""Neighbourhoods: are rows that are near each other in the data near each other in the code, and back?

Reads  codes and x of the same rows.
Gives  trustworthiness, continuity and neighbour overlap, exact up to 10,000 rows, from anchors above.
Skips  global measures (stress, correlation of distances): they punish a correct unrolling.

Ties at the k-th neighbour are shared: each tied row counts by its chance to be among the k. A code that is constant
therefore scores like a random one. Rows tied in rank share the middle rank.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .neighbors import EXACT_ROWS, Distances, anchor_rows, blocks
from .record import Reading, mean_reading, metric

SOURCE = "Venna and Kaski 2001; Kaski et al. 2003, equations 1 and 2"
COST = "n^2 (d + k) time, n memory; above 10,000 rows 1,000 anchors"
DISTRUST = "fewer than 100 rows, or k near half the rows; many tied or duplicated rows move it by up to 1e-4"


@metric(
    needs=("codes", "x"),
    worst=0.5,
    best=1.0,
    null="shuffled rows",
    interval="per-point values",
    cost=COST,
    distrust=DISTRUST,
    source=SOURCE,
)
def trustworthiness(
    codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0
) -> Reading:
    """Are the neighbours in the code true neighbours in the data?

    1 - 2 / (n k (2n - 3k - 1)) * sum over rows i and their k nearest codes j of max(0, rank_x(i, j) - k).
    codes    (n, units); x (n, features); Euclidean distances in both
    returns  1 best, about 0.5 for a random code; n is the number of rows (or anchors) averaged
    errors   DataError: n_neighbors not below half the rows
    """
    return _misplaced(codes, x, n_neighbors, anchors, seed)


@metric(
    needs=("codes", "x"),
    worst=0.5,
    best=1.0,
    null="shuffled rows",
    interval="per-point values",
    cost=COST,
    distrust=DISTRUST,
    source=SOURCE,
)
def continuity(codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0) -> Reading:
    """Are the neighbours in the data still neighbours in the code?

    Trustworthiness with codes and x exchanged.
    codes    (n, units); x (n, features)
    returns  1 best, about 0.5 for a random code
    errors   DataError: n_neighbors not below half the rows
    """
    return _misplaced(x, codes, n_neighbors, anchors, seed)


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null="shuffled rows",
    interval="per-point values",
    cost=COST,
    distrust="it has no common zero: chance is k / (n - 1); compare at equal n and k only",
    source="Lee and Verleysen 2009, Q_NX",
)
def neighbor_overlap(
    codes: np.ndarray, x: np.ndarray, n_neighbors: int = 10, anchors: int = 1000, seed: int = 0
) -> Reading:
    """What share of the k nearest rows is the same in the code and in the data?

    codes    (n, units); x (n, features)
    returns  0 to 1; overlap / k, not Jaccard's index
    errors   DataError: n_neighbors not below half the rows
    """
    chosen = _chosen(len(x), n_neighbors, anchors, seed)
    one, two = Distances(codes), Distances(x)
    shares = [
        np.einsum("ij,ij->i", _shares(one.block(part), n_neighbors), _shares(two.block(part), n_neighbors))
        for part in blocks(chosen, len(x))
    ]
    return mean_reading(np.concatenate(shares) / n_neighbors)


def _misplaced(found: np.ndarray, truth: np.ndarray, k: int, anchors: int, seed: int) -> Reading:
    # 1 - the scaled excess rank, in `truth`, of each row's k nearest rows in `found`
    n = len(found)
    chosen = _chosen(n, k, anchors, seed)
    one, two = Distances(found), Distances(truth)
    excess = [_excess(one.block(part), two.block(part), k) for part in blocks(chosen, n)]
    points = 1 - np.concatenate(excess) * (2 / (k * (2 * n - 3 * k - 1)))
    note = f"{len(chosen)} anchors of {n} rows" if len(chosen) < n else ""
    return mean_reading(points, note)


def _chosen(n: int, k: int, anchors: int, seed: int) -> np.ndarray:
    if not 1 <= k < n / 2:
        raise DataError(f"n_neighbors={k} is not below half of {n} rows", "use fewer neighbours, or more rows")
    return anchor_rows(n, anchors, EXACT_ROWS, seed)


def _excess(found: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    # sum over the k nearest in `found` of max(0, rank in `truth` - k), for a block (rows, n)
    columns = np.argpartition(found, k - 1, axis=1)[:, :k]
    edge = np.take_along_axis(found, columns, 1).max(1, keepdims=True)
    clear = np.count_nonzero(found <= edge, axis=1) == k
    out = np.empty(len(found))
    picked, columns = (truth, columns) if clear.all() else (truth[clear], columns[clear])
    tied = _has_ties(truth)
    total = np.zeros(len(columns))
    for j in range(k):
        far = np.take_along_axis(picked, columns[:, j, None], 1)
        ranks = (picked < far).sum(1) + 1.0
        if tied:
            ranks += ((picked == far).sum(1) - 1) / 2
        total += np.maximum(0, ranks - k)
    out[clear] = total
    for i in np.flatnonzero(~clear):
        place = np.flatnonzero(found[i] <= edge[i])
        line = np.sort(truth[i])
        before, upto = (np.searchsorted(line, truth[i, place], side) for side in ("left", "right"))
        out[i] = (np.maximum(0, (before + upto + 1) / 2 - k) * _tie_shares(found[i, place], edge[i], k)).sum()
    return out


def _has_ties(distances: np.ndarray) -> bool:
    # a few rows tell a grid (pixels, counts) from measured values; counting ties of all rows costs half as much again
    lines = np.sort(distances[:: max(1, len(distances) // 4)], axis=1)
    return bool((lines[:, 1:] == lines[:, :-1]).any())


def _tie_shares(distances: np.ndarray, edge: np.ndarray, k: int) -> np.ndarray:
    inside = distances < edge
    ties = len(distances) - int(inside.sum())
    return np.where(inside, 1.0, (k - inside.sum()) / ties)


def _shares(distances: np.ndarray, k: int) -> np.ndarray:
    # how much of each row counts among the k nearest: 1, 0, or a share where the k-th place is tied
    edge = np.partition(distances, k - 1, axis=1)[:, k - 1, None]
    shares = (distances <= edge).astype(np.float64)
    for i in np.flatnonzero(shares.sum(1) > k):
        tied = shares[i] > 0
        shares[i, tied] = _tie_shares(distances[i, tied], edge[i], k)
    return shares
