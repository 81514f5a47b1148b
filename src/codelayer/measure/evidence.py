"""Evidence: how well a linear model of the codes explains the labels, without training one.

Reads  codes and labels, all at once: nothing is held out, the evidence pays for its own parameters.
Gives  LogME, and the H-score (regularised, plain) with TransRate beside it.
Skips  an absolute meaning: these numbers rank codes on one data set, and depend on width and scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .draws import class_index, numbers, scored_classes, task_of
from .neighbors import EXACT_ROWS, anchor_rows
from .record import Reading, metric
from .spread import values_half

HALVES = 10
STEPS = 11
DISTRUST = "between codes of other width or scale, or other data; with few labels codes may rank otherwise"
DISTORTION = 1e-4


@metric(
    needs=("codes", "labels"),
    worst=None,
    best=None,
    null="shuffled rows",
    interval="half-subsamples of the rows",
    cost="n d^2; above 10,000 rows 10,000 are drawn",
    distrust=DISTRUST,
    source="You et al. 2021",
)
def logme(
    codes: np.ndarray, labels: np.ndarray, task: str | None = None, rows: int = EXACT_ROWS, seed: int = 0
) -> Reading:
    """How much evidence do the codes give for a linear model of the labels (per row, in nats)?

    The largest log evidence of Bayesian linear regression over the precisions of weights and noise, divided by rows;
    the mean over one-hot classes, or that of numbers with mean 0 and deviation 1.
    returns  higher is better; more: {"rows"}
    errors   DataError: fewer than two classes with two members, numbers that are all equal
    """
    codes, targets = _targets(codes, labels, task, rows, seed)
    return _with_halves(_log_evidence, codes, targets, seed)


@metric(
    needs=("codes", "labels"),
    worst=0.0,
    best=None,
    null="shuffled rows",
    interval="half-subsamples of the rows",
    cost="n d^2 + d^3; above 10,000 rows 10,000 are drawn",
    distrust=DISTRUST,
    source="Ibrahim, Ponomareva and Mazumder 2022; plain: Bao et al. 2019; TransRate: Huang et al. 2022",
)
def h_score(codes: np.ndarray, labels: np.ndarray, rows: int = EXACT_ROWS, seed: int = 0) -> Reading:
    """How much of the codes' variance, made white, lies between classes?

    tr(S^-1 (1 - a) B): S the covariance shrunk by a (Ledoit and Wolf), B the covariance of the class means.
    returns  0 to classes - 1. more: {"plain": without shrinkage, "trans_rate"}
    errors   DataError: labels are numbers, fewer than two classes with two members, constant codes
    """
    if task_of(labels) != "class":
        raise DataError("h_score needs classes, the labels are numbers", "use logme")
    codes, targets = _targets(codes, labels, "class", rows, seed)
    rate = _trans_rate(codes, targets)
    # free of scale: a power of two changes no digit, and keeps fourth powers finite
    codes = np.ldexp(codes, -int(np.frexp(np.abs(codes).max())[1]))
    reading = _with_halves(lambda c, t: _h_score(c, t, True), codes, targets, seed)
    more = {"plain": _h_score(codes, targets, False), "trans_rate": rate if np.isfinite(rate) else None}
    return replace(reading, low=max(reading.low or 0.0, 0.0), more=more)


def _targets(
    codes: np.ndarray, labels: np.ndarray, task: str | None, rows: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    # codes (n, units) and targets (n, classes) or (n, 1), of rows that have one
    codes = codes.astype(np.float64)
    if not np.isfinite(np.square(codes).sum()) or not np.square(codes).sum() > 1e-300:
        raise DataError("the codes are all 0, or too large or small to be squared", "rescale them")
    if (task or task_of(labels)) == "class":
        y = class_index(labels, scored_classes(labels))
        kept, targets = y >= 0, np.eye(y.max() + 1)[y]
    else:
        values = numbers(labels)
        kept = np.isfinite(values)
        spread = values[kept].std()
        if not spread > 0:
            raise DataError("the labels are all equal", "numbers that vary are needed")
        targets = ((values - values[kept].mean()) / spread)[:, None]
    codes, targets = codes[kept], targets[kept]
    chosen = anchor_rows(len(codes), rows, rows, seed)
    return codes[chosen], targets[chosen]


def _with_halves(
    score: Callable[[np.ndarray, np.ndarray], float], codes: np.ndarray, targets: np.ndarray, seed: int
) -> Reading:
    value, rng, tries = score(codes, targets), np.random.default_rng([seed, 47]), []
    for _ in range(HALVES):
        part = rng.permutation(len(codes))[: len(codes) // 2]
        tries.append(score(codes[part], targets[part]))
    half = values_half(np.array(tries))
    return Reading(value, value - half, value + half, len(codes), replicates=np.array(tries))


def _log_evidence(codes: np.ndarray, targets: np.ndarray) -> float:
    n, units = codes.shape
    # squared singular values of the codes, and the targets' squared shares along the left singular vectors
    if units <= n:
        squares, right = np.linalg.eigh(codes.T @ codes)
        kept = squares > 1e-12 * squares.max()
        squares = squares[kept]
        shares = (right[:, kept].T @ (codes.T @ targets)) ** 2 / squares[:, None]
    else:
        squares, left = np.linalg.eigh(codes @ codes.T)
        kept = squares > 1e-12 * squares.max()
        squares, shares = squares[kept], (left[:, kept].T @ targets) ** 2
    rest = np.maximum((targets**2).sum(0) - shares.sum(0), 0)
    found = [_evidence(squares, shares[:, j], rest[j], n, units) for j in range(targets.shape[1])]
    return float(np.mean(found))


def _evidence(squares: np.ndarray, shares: np.ndarray, rest: float, n: int, units: int) -> float:
    alpha = beta = 1.0
    for _ in range(STEPS):
        ratio = alpha / beta
        used = (squares / (squares + ratio)).sum()
        weight = (squares * shares / (ratio + squares) ** 2).sum()
        error = (shares / (1 + squares / ratio) ** 2).sum() + rest
        alpha, beta = used / (weight + 1e-5), (n - used) / (error + 1e-5)
        if abs(alpha / beta - ratio) <= 1e-3 * ratio:
            break
    used = (squares / (squares + alpha / beta)).sum()
    weight = (squares * shares / (alpha / beta + squares) ** 2).sum()
    error = (shares / (1 + squares * beta / alpha) ** 2).sum() + rest
    volume = np.log(alpha + beta * squares).sum() + (units - len(squares)) * np.log(alpha)
    whole = units * np.log(alpha) + n * np.log(beta) - volume - beta * error - alpha * weight - n * np.log(2 * np.pi)
    return float(whole / (2 * n))


def _h_score(codes: np.ndarray, targets: np.ndarray, shrunk: bool) -> float:
    from sklearn.covariance import ledoit_wolf

    centred = codes - codes.mean(0)
    if not np.abs(centred).max() > 0:
        raise DataError("the codes are constant", "h_score needs codes that vary")
    cover, amount = ledoit_wolf(centred, assume_centered=True) if shrunk else (np.cov(codes, rowvar=False), 0.0)
    means = targets @ ((targets.T @ centred) / np.maximum(targets.sum(0), 1)[:, None])
    between = np.atleast_2d(np.cov(means, rowvar=False))
    inverse = np.linalg.pinv(np.atleast_2d(cover), rcond=1e-15 if shrunk else 1e-10, hermitian=True)
    return float((1 - amount) * (inverse * between).sum())


def _trans_rate(codes: np.ndarray, targets: np.ndarray) -> float:
    # coding rate of all codes minus the mean of the classes' own
    centred = codes - codes.mean(0)
    parts = [centred[targets[:, j] > 0] for j in range(targets.shape[1])]
    return _rate(centred) - float(np.mean([_rate(part) for part in parts]))


def _rate(codes: np.ndarray) -> float:
    n, units = codes.shape
    gram = codes.T @ codes if units <= n else codes @ codes.T
    return float(0.5 * np.linalg.slogdet(np.eye(len(gram)) + gram / (n * DISTORTION))[1])
