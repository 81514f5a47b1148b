"""Invariance: does the code stay where it is when the sample is altered without becoming another?

Reads  a callable `encode`, samples x in their own shape, the name of a transformation or a function of your own.
Gives  how little the code moves, against how far apart two samples are; the transformations that fit a shape.
Skips  choosing what should not matter: that is yours to say; by default what a shape suggests.

shift, rotation   pictures (n, H, W, C) or grey (n, H, W); noise: any x; swap (columns): rows (n, features);
append            rows of bytes 0 to 255 padded with zeros
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..data import augment
from ..errors import DataError, did_you_mean
from .arrays import checked
from .record import Z95, Reading, metric, one_thread
from .smoothness import encoded, sampled

ROWS = 1000
SHIFT, ROTATION, NOISE, SWAP, APPEND = 0.1, 15.0, 0.2, 0.1, 0.25
BORROWED = {"noise": 1.0, "swap": 0.5}  # the share of a move whose size comes from other rows
Encode = Callable[[np.ndarray], np.ndarray]
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@metric(
    needs=("encode", "x"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, a code that moves as far as to another sample",
    interval="per-point values (delta method)",
    cost="up to 4 m encodings, m <= 1,000 rows",
    distrust="a transformation that does change the meaning; above 0 is easy for noise: compare with raw features",
    source="1 - E|f(Tx) - f(x)|^2 / E|f(x) - f(x')|^2; Goodfellow et al. 2009 on what to test",
)
def invariance(encode: Encode, x: np.ndarray, transform: str = "auto", rows: int = ROWS, seed: int = 0) -> Reading:
    """How little does the code move when the sample is altered, beside the way to another sample?

    1 - E|f(Tx) - f(x)|^2 / E|f(x) - f(x')|^2, x' another sample.
    transform  "shift" (by up to a tenth of the sides), "rotation" (by up to 15 degrees), "noise" (a fifth of each
               feature's deviation), "swap" (a tenth of the entries from other rows), "append" (up to a quarter of a
               file's length in random bytes); "auto": all that fit the shape, never "append", and their mean
    returns    1 the code does not move, 0 as far as another sample, below 0 farther. more: {transformation: value}
    errors     DataError: an unknown name, one that does not fit x, nothing altered, constant codes
    """
    rng = np.random.default_rng([seed, 67])
    sample = sampled(x, rows, rng)
    base = encoded(encode, sample)
    points, more = [], {}
    for name, change in changes(x, transform).items():
        moved = with_size(squared_moves(encode, sample, base, change, rng, name), name, sample)
        points.append(moved)
        more[name] = _ratio(moved, base).value
    return replace(_ratio(np.mean(points, 0), base), more=more)


def invariance_under(encode: Encode, x: Any, change: Change, rows: int = ROWS, seed: int = 0) -> Reading:
    """Invariance under a transformation of your own.

    encode   x -> codes (n, units)
    x        samples (n, *shape)
    change   (x, generator) -> altered x, of the same shape
    returns  a Reading like that of the metric `invariance`
    errors   DataError: as invariance
    """
    given = checked("invariance_under", ("encode", "x"), {"encode": encode, "x": x})
    rng = np.random.default_rng([seed, 67])
    with one_thread():
        sample = sampled(given["x"], rows, rng)
        base = encoded(encode, sample)
        return _ratio(squared_moves(encode, sample, base, change, rng, "change"), base)


def changes(x: np.ndarray, transform: str = "auto") -> dict[str, Change]:
    """The transformations by name: the one asked for, or for "auto" those that the shape of x suggests.

    x        samples (n, *shape): four dimensions are pictures, two are rows of a table; of three dimensions (grey
             pictures or series) only noise is tried unasked
    returns  name -> function (x, generator) -> altered x
    errors   DataError: an unknown name, one that does not fit x
    """
    fitting = {2: ("swap", "noise"), 4: ("shift", "rotation", "noise")}.get(x.ndim, ("noise",))
    known = {
        "shift": partial(_picture, partial(augment.shift, share=SHIFT)),
        "rotation": partial(_picture, partial(augment.rotate, degrees=ROTATION)),
        "noise": partial(augment.noise, scale=NOISE * x.std(0, dtype=np.float64)),
        "swap": partial(augment.swap, share=SWAP),
        "append": partial(augment.append_bytes, share=APPEND),
    }
    if transform == "auto":
        return {name: _keyed(known[name]) for name in fitting}
    if transform not in known:
        close = did_you_mean(transform, known)
        raise DataError(f"no transformation is called {transform!r}{close}", f"known: auto, {', '.join(known)}")
    if transform in ("shift", "rotation") and x.ndim not in (3, 4):
        raise DataError(
            f"{transform} needs pictures, x has shape {x.shape}", "give (n, height, width) or (n, height, width, C)"
        )
    if transform in ("swap", "append") and x.ndim != 2:
        raise DataError(f"{transform} needs rows (n, features), x has shape {x.shape}", "use shift, rotation or noise")
    if transform == "append" and not ((x >= 0) & (x <= 255) & (x == np.round(x))).all():
        raise DataError("append needs bytes, x has values outside 0, 1, ... 255", "give rows of bytes padded with 0")
    return {transform: _keyed(known[transform])}


def squared_moves(
    encode: Encode, sample: np.ndarray, base: np.ndarray, change: Change, rng: np.random.Generator, name: str
) -> np.ndarray:
    """|f(Tx) - f(x)|^2 for each row, (n,), in units of the largest |f(x)|; base are the codes of the sample.

    errors  DataError: the transformation gives another shape, or leaves every row as it is
    """
    gap = (altered_codes(encode, sample, base, change, rng, name) - base) / _largest(base)
    return np.einsum("ij,ij->i", gap, gap)


def with_size(moved: np.ndarray, name: str, sample: np.ndarray) -> np.ndarray:
    """How far each row moved (n,), and what it adds to the moves of others, with the same mean.

    Noise takes its size from the spread of the rows, and swapped entries come from other rows: a row far out moves
    the others further.
    """
    if name not in BORROWED:
        return moved
    rows = sample.reshape(len(sample), -1).astype(np.float64)
    spread = rows.std(0)
    far = np.square((rows - rows.mean(0))[:, spread > 0] / spread[spread > 0]).mean(1)
    return moved + BORROWED[name] * float(moved.mean()) * (far - far.mean())


def altered_codes(
    encode: Encode, sample: np.ndarray, base: np.ndarray, change: Change, rng: np.random.Generator, name: str
) -> np.ndarray:
    """The codes of the altered sample, (n, units); errors as squared_moves."""
    altered = np.asarray(change(sample, rng))
    if altered.shape != sample.shape:
        raise DataError(
            f"the transformation {name} made shape {altered.shape} of {sample.shape}", "it must keep the shape"
        )
    if (altered == sample).all():
        raise DataError(f"the transformation {name} changes no row", "nothing can be said about it on these rows")
    return encoded(encode, altered.astype(sample.dtype), base)


def _largest(base: np.ndarray) -> float:
    return float(np.abs(base).max()) or 1.0


def _keyed(change: Callable[..., np.ndarray]) -> Change:
    return lambda x, rng: change(x, rng=rng)


def _picture(change: Callable[..., np.ndarray], x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # grey pictures get a channel, and lose it again
    wide = x[..., None] if x.ndim == 3 else x
    return change(wide.astype(np.float32), rng=rng).reshape(x.shape).astype(x.dtype)


def _ratio(moved: np.ndarray, base: np.ndarray) -> Reading:
    # two different rows are on average twice their variance (by n - 1) apart
    if (base == base[0]).all():
        raise DataError("encode gives the same code for all samples", "there is nothing to be invariant about")
    n = len(base)
    own = base / _largest(base)
    own -= own.mean(0)
    apart = 2 * np.einsum("ij,ij->i", own, own) * n / (n - 1)
    ratio = float(moved.mean() / apart.mean())
    points = 1 - ratio - (moved - ratio * apart) / apart.mean()
    half = Z95 * float(points.std(ddof=1)) / n**0.5
    return Reading(1 - ratio, 1 - ratio - half, 1 - ratio + half, n, chance=0.0, points=points)
