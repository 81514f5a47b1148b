"""Codes on the unit sphere: do they spread evenly, and do views of one sample land together?

Reads  codes; or a callable `encode` with samples x, which are altered as in `invariance`.
Gives  uniformity and alignment.
Skips  the length of codes: each is divided by its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .invariance import altered_codes, changes, with_size
from .neighbors import anchor_rows
from .record import Z95, Reading, mean_reading, metric
from .smoothness import encoded, sampled
from .spread import on_all_rows

EXACT_ROWS = 4000
BLOCK = 512
SOURCE = "Wang and Isola 2020, section 4"


@metric(
    needs=("codes",),
    worst=0.0,
    best=None,
    null="closed form: codes spread evenly over the sphere of so many units",
    interval="per-point values (delta method)",
    cost="n^2 d time, n memory; above 4,000 rows 1,000 anchors",
    distrust="it rises with the number of units: compare at equal width, and read chance, which even codes reach",
    source=SOURCE + ", t = 2",
)
def uniformity(codes: np.ndarray, t: float = 2.0, anchors: int = 1000, seed: int = 0) -> Reading:
    """How evenly do the codes spread over the unit sphere (lower is more even)?

    log of the mean over pairs of rows of exp(-t |u - v|^2), u and v the codes divided by their lengths.
    returns  0 where all codes point one way, down to about chance. Rows of zeros are left out
    errors   DataError: fewer than 3 rows that are not zero, t not above 0
    """
    if not t > 0:
        raise DataError(f"t={t} is not possible", "it must be above 0, usually 2")
    from scipy.special import hyp0f1

    rows, kept = _unit_rows(codes)
    gone = len(codes) - len(rows)
    n, chosen = len(rows), anchor_rows(len(rows), anchors, EXACT_ROWS, seed)
    points = np.empty(len(chosen))
    for start in range(0, len(chosen), BLOCK):
        part = chosen[start : start + BLOCK]
        near = np.exp(2 * t * np.minimum(rows[part] @ rows.T - 1, 0))
        points[start : start + len(part)] = (near.sum(1) - near[np.arange(len(part)), part]) / (n - 1)
    mean = float(points.mean())
    value = float(np.log(mean))
    # a pair is counted from both ends: each row weighs twice, anchors only once more
    half = Z95 * float(points.std(ddof=1)) / mean * (1 / len(chosen) + 3 / n) ** 0.5
    chance = float(np.log(hyp0f1(codes.shape[1] / 2, t**2)) - 2 * t)
    note = f"{gone} rows of zeros left out" if gone else ""
    ends = value - half, min(value + half, max(value, 0.0))
    found = value + (points / mean - 1) * (1 + 3 * len(chosen) / n) ** 0.5
    per_row = on_all_rows(found, kept) if len(chosen) == n else found if kept.all() else None
    return Reading(value, *ends, len(chosen), chance, note, points=per_row)


@metric(
    needs=("encode", "x"),
    worst=None,
    best=0.0,
    null="closed form: two different samples",
    interval="per-point values",
    cost="up to 4 m encodings, m <= 1,000 rows",
    distrust="a code that points one way is perfectly aligned: read it beside uniformity",
    source=SOURCE + ", alpha = 2",
)
def alignment(
    encode: Callable[[np.ndarray], np.ndarray], x: np.ndarray, transform: str = "auto", rows: int = 1000, seed: int = 0
) -> Reading:
    """How near are the codes of a sample and of an altered one, on the unit sphere?

    Mean of |u - v|^2, u and v the codes of x and of its view, divided by their lengths.
    transform  as in the metric `invariance`; "auto": the mean over all that fit the shape of x
    returns    0 to 4, 0 views land on their sample. more: {transformation: value}
    errors     DataError: as invariance; codes of zeros only
    """
    rng = np.random.default_rng([seed, 71])
    sample = sampled(x, rows, rng)
    base = encoded(encode, sample)
    points, more = [], {}
    for name, change in changes(x, transform).items():
        view = altered_codes(encode, sample, base, change, rng, name)
        points.append(with_size(((_directions(view) - _directions(base)) ** 2).sum(1), name, sample))
        more[name] = float(points[-1].mean())
    known, _ = _unit_rows(base)
    apart = 2 * (1 - float((known.mean(0) ** 2).sum())) * len(known) / (len(known) - 1)
    return replace(mean_reading(np.mean(points, 0)), chance=apart, more=more)


def _directions(codes: np.ndarray) -> np.ndarray:
    # a code of zeros has no direction and stays where it is
    size = np.abs(codes).max(1, keepdims=True).astype(np.float64)
    rows = codes / np.where(size > 0, size, 1)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def _unit_rows(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # the directions of rows that have one, and which rows these are
    rows = _directions(codes)
    kept = np.asarray(rows.any(1))
    if kept.sum() < 3:
        raise DataError(f"only {kept.sum()} codes are not zero", "a code of zeros has no direction on the sphere")
    return rows[kept], kept
