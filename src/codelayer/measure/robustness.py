"""Robustness: what is left of a probe's score when the input is corrupted or shifted after training?

Reads  x as it is given to `encode`, and labels; a probe is fitted on codes of clean rows.
Gives  the score on codes of corrupted rows, over severities and kinds of corruption, relative to the clean score.
Skips  training with corruptions; kinds that do not fit: pictures (n, H, W, C) in [0, 1] get theirs, rows of columns
       theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data.augment import affine, brightness
from ..errors import DataError, did_you_mean
from .all_labels import answered, chance_score, some_rows
from .arrays import floats
from .curves import Curve
from .draws import class_index, numbers, scored_classes, task_of
from .folds import folds
from .intervals import curve_replicates, interval_of
from .probes import linear_probe
from .record import Reading, metric

SEVERITIES = (0.1, 0.2, 0.4, 0.8)
LEAST = 0.05


@metric(
    needs=("encode", "x", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null="closed form: 0, a probe at chance at every severity",
    interval="resampled scored rows, or groups, paired with the clean ones",
    cost="1 + kinds x 4 passes of encode over at most 2,000 rows, 5 probe fits",
    distrust="a clean score near chance: a small number is then divided by a small number; kinds that cannot occur",
    source="relative corruption error: Hendrycks and Dietterich 2019",
    uncalibrated="what is left of the clean score: a random encoder that is smooth can keep all of the little it has",
    untested="the signs of scale and offset are drawn once for all rows, which do not tell what another draw would do",
)
def robust_area(
    encode: Callable[[np.ndarray], Any],
    x: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    kinds: Sequence[str] | None = None,
    task: str | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Reading:
    """What share of a linear probe's score above chance is left when the input is corrupted?

    A probe sees clean codes of four fifths of the rows; the others are corrupted with severity .1, .2, .4, .8.
    kinds    noise (severity x deviation of x), mask (share of values at their mean), scale (each column times
             1 +- severity), offset (each column moved by severity x its deviation, one sign for all rows);
             for pictures shift (severity / 2 of the side), rotation (up to 90 degrees x severity), brightness.
             Default: noise, mask, and what fits x
    returns  1 nothing is lost, 0 chance; mean over kinds and severities.
             more: {"clean", "chance", "severities", "curves": kind -> scores, "kept": kind -> share}
    errors   DataError: an unknown kind, a clean score near chance, an encode that gives other rows or another width
    """
    (x, labels, groups), note = some_rows(rows, seed, x, labels, groups)
    names = chosen_kinds(x, kinds or ())
    curve = corrupted_curve(encode, x, labels, groups, names, task, seed)
    chance, clean = chance_score(curve), float(curve.mean[0])
    if clean - chance < LEAST:
        raise DataError(f"the probe scores {clean:.3f} on clean rows, chance is {chance:.3f}", "it has nothing to lose")
    found = curve_replicates(curve, groups, seed=seed)
    left = (found[:, 1:].mean(1) - chance) / np.where(found[:, 0] > chance, found[:, 0] - chance, np.nan)
    steps = curve.mean[1:].reshape(len(names), -1)
    value, low, high = interval_of((float(steps.mean()) - chance) / (clean - chance), left)
    more = {"clean": clean, "chance": chance, "severities": list(SEVERITIES)}
    more["curves"] = {name: [float(v) for v in line] for name, line in zip(names, steps, strict=True)}
    more["kept"] = {n: float((line.mean() - chance) / (clean - chance)) for n, line in zip(names, steps, strict=True)}
    return Reading(value, low, high, int(curve.scored.sum()), 0.0, note, more)


def corrupted_curve(
    encode: Callable[[np.ndarray], Any],
    x: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    kinds: Sequence[str],
    task: str | None,
    seed: int,
) -> Curve:
    """Answers to clean rows, then to each kind at each severity: a Curve of these steps.

    Five probes are fitted, each on the clean codes of four folds; it answers the fifth, clean and corrupted.
    """
    task = task or task_of(labels)
    classes = scored_classes(labels) if task == "class" else None
    y = numbers(labels) if classes is None else class_index(labels, classes)
    truth = np.full(len(y), np.nan) if classes is None else np.full(len(y), -1)
    clean = _codes(encode, x, None)
    probes, parts = [], folds(labels, 5, seed, task, groups)
    for scored in parts:
        train = np.concatenate([one for one in parts if one is not scored])
        probes.append(linear_probe(clean[train], task).fit(clean[train], y[train]))
        known = np.isin(y[scored], y[train]) if classes is not None else np.ones(len(scored), dtype=bool)
        truth[scored[known]] = y[scored[known]]
    ends = (np.nanmin(y), np.nanmax(y)) if classes is None else (0, len(classes))

    def answers(codes: np.ndarray) -> np.ndarray:
        # a number far outside what was ever labelled is cut, so that one row cannot decide an R2
        out = np.zeros(len(y))
        for probe, scored in zip(probes, parts, strict=True):
            out[scored] = np.clip(probe.predict(codes[scored]), *ends)
        return out

    lines = [answers(clean)]
    for place, kind in enumerate(kinds):
        for severity in SEVERITIES:
            rng = np.random.default_rng([seed, 59, place])
            lines.append(answers(_codes(encode, corrupted(x, kind, severity, rng), clean.shape[1])))
    return answered(task, classes, np.stack(lines), truth)


def chosen_kinds(x: np.ndarray, kinds: Sequence[str] = ()) -> tuple[str, ...]:
    """The kinds of corruption asked for, or those that fit x.

    errors  DataError: an unknown kind, one for pictures where x is none
    """
    picture = x.ndim == 4 and float(x.min()) >= 0 and float(x.max()) <= 1
    fitting = ("noise", "mask", *(PICTURES if picture else COLUMNS if x.ndim == 2 else ()))
    for kind in kinds:
        if kind not in KINDS:
            near = did_you_mean(kind, KINDS)
            raise DataError(f"no corruption is called {kind!r}{near}", f"known: {', '.join(KINDS)}")
        if kind not in fitting:
            raise DataError(f"{kind} does not fit x of shape {x.shape}", f"fitting: {', '.join(fitting)}")
    return tuple(kinds) or fitting


def corrupted(
    x: np.ndarray, kind: str, severity: float, rng: np.random.Generator, like: np.ndarray | None = None
) -> np.ndarray:
    """Rows changed by a kind of corruption: same shape and kind of number.

    severity  0 changes nothing
    like      rows that give the mean and deviation of each value, default x
    """
    return KINDS[kind](x, severity, rng, x if like is None else like).astype(x.dtype)


def _noise(x: np.ndarray, severity: float, rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    moved = x + severity * float(like.std(dtype=np.float64)) * rng.standard_normal(x.shape)
    return np.clip(moved, 0, 1) if x.ndim == 4 and like.min() >= 0 and like.max() <= 1 else moved


def _mask(x: np.ndarray, severity: float, rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    return np.where(rng.random(x.shape) < severity, like.mean(0, dtype=np.float64), x)


def _scale(x: np.ndarray, severity: float, rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    del like
    return x * (1 + severity * rng.choice((-1.0, 1.0), x.shape[1]))


def _offset(x: np.ndarray, severity: float, rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    return x + severity * like.std(0, dtype=np.float64) * rng.choice((-1.0, 1.0), x.shape[1])


def _shift(x: np.ndarray, severity: float, rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    # affine would also scale: this moves by severity / 2 of the side, in whole pixels, either way
    del like
    out = np.zeros_like(x)
    reach = [round(severity * side / 2) for side in x.shape[1:3]]
    down, right = (rng.choice((-1, 1), len(x)) * one for one in reach)
    for i, (v, u) in enumerate(zip(down, right, strict=True)):
        height, width = x.shape[1] - abs(v), x.shape[2] - abs(u)
        source = x[i, max(0, -v) : max(0, -v) + height, max(0, -u) : max(0, -u) + width]
        out[i, max(0, v) : max(0, v) + height, max(0, u) : max(0, u) + width] = source
    return out


def _rotation(x: np.ndarray, severity: float, rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    del like
    return affine(x.astype(np.float32), 0.0, rng, rotation=90 * severity, shear=0.0)


def _brightness(x: np.ndarray, severity: float, rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    del like
    return brightness(x, severity, rng)


COLUMNS, PICTURES = ("scale", "offset"), ("shift", "rotation", "brightness")
KINDS = {
    "noise": _noise,
    "mask": _mask,
    "scale": _scale,
    "offset": _offset,
    "shift": _shift,
    "rotation": _rotation,
    "brightness": _brightness,
}


def _codes(encode: Callable[[np.ndarray], Any], x: np.ndarray, width: int | None) -> np.ndarray:
    codes = floats("what encode gives", encode(x)).astype(np.float64)
    if len(codes) != len(x) or (width is not None and codes.shape[1] != width):
        before = "" if width is None else f", {width} units before"
        raise DataError(
            f"encode gave {len(codes)} codes of {codes.shape[1]} units for {len(x)} samples{before}",
            "it must give one code per sample, always of one width",
        )
    return codes
