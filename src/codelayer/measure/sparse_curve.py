"""Sparsity beside reconstruction: how much of x is left when few units may speak?

Reads  codes and x of the same rows; a `decode` where there is one.
Gives  the curve of reconstruction against the share of units kept, one number from it, and `beside`, which puts the
       reconstruction next to any reading of sparsity.
Skips  judging the decoder: without one a ridge decoder, fitted on other rows, answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import checked, floats
from .reconstruction import explained_share, share_reading, squared_gaps, unit_range
from .record import Reading, metric, one_thread

ROWS = 2000
RIDGE = 1e-2
TENTH = 0.1
Decode = Callable[[np.ndarray], np.ndarray]


@metric(
    needs=("codes", "x"),
    worst=0.0,
    best=1.0,
    null="closed form: 0, every sample answered by the mean",
    interval="per-point values (delta method)",
    cost="8 ridge decoders on at most 2,000 rows (or 4 d), or 8 decodings of them",
    distrust="keeping the largest values is not the best choice of k units; it assumes that 0 means silent",
    source="rate curves of sparse codes, Olshausen and Field 1996; here explained variance against L0",
    also=("decode",),
    uncalibrated="the identity code keeps a tenth of its units too, and what they bring back depends on the data",
)
def sparse_rebuild(codes: np.ndarray, x: np.ndarray, decode: Decode | None = None, seed: int = 0) -> Reading:
    """How much of x comes back from the tenth of the units that are largest?

    In each row all but the ceil(d / 10) largest |h| are put to 0; the share of the variance of x that `decode`, or a
    ridge decoder fitted on other rows, then explains.
    codes    (n, units); x (n, *shape)
    decode   codes -> x, optional
    returns  1 perfect, 0 as good as the mean. more: {"kept": units kept, "l0": share of units active, "share": share
             of the variance explained} for 1 to all units, and "by": "decode" or "ridge"
    errors   DataError: x is constant, decode gives another width
    """
    counts = _counts(codes.shape[1])
    found = _curve(codes, x, decode, counts, seed)
    tenth = found[counts.index(math.ceil(TENTH * codes.shape[1]))][1]
    return replace(tenth, chance=0.0, more=_told(counts, found, decode))


def rebuild_curve(
    codes: Any, x: Any, decode: Decode | None = None, kept: Sequence[int] | None = None, seed: int = 0
) -> dict[str, Any]:
    """Reconstruction against sparsity: in each row only the k largest |h| are kept.

    codes    (n, units); x (n, *shape)
    decode   codes -> x; without it a ridge decoder is fitted on one half of the rows and answers the other
    kept     the numbers k, by default about eight from 1 to all units
    returns  {"kept", "l0": mean share of units active, "share": share of the variance of x explained, "by"}
    errors   DataError: rows that differ, x constant, k outside 1 to the number of units
    """
    arrays = checked("rebuild_curve", ("codes", "x"), {"codes": codes, "x": x, "decode": decode}, ("decode",))
    codes, x = arrays["codes"], arrays["x"]
    counts = list(kept) if kept is not None else _counts(codes.shape[1])
    if not counts or not all(1 <= k <= codes.shape[1] for k in counts):
        raise DataError(f"kept={counts} is not possible", f"each lies in 1 to {codes.shape[1]}, the number of units")
    with one_thread():
        return _told(counts, _curve(codes, x, decode, counts, seed), decode)


def keep_largest(codes: np.ndarray, k: int) -> np.ndarray:
    """Codes (n, units) with all but the k largest |h| of each row put to 0."""
    if k >= codes.shape[1]:
        return codes
    small = np.argpartition(np.abs(codes), codes.shape[1] - k - 1, axis=1)[:, : codes.shape[1] - k]
    out = codes.copy()
    np.put_along_axis(out, small, 0, 1)
    return out


def beside(reading: Reading, codes: np.ndarray, x: np.ndarray | None, rebuilt: np.ndarray | None) -> Reading:
    """A reading of sparsity with the reconstruction at that sparsity in `more`, where x is given.

    returns  more: {"rebuilt": share of the variance of x explained, "rebuilt_by": "rebuilt" (the decoder's answer) or
             "ridge" (a ridge decoder, fitted on other rows)}; nothing where x does not vary
    """
    if x is None:
        return reading
    try:
        if rebuilt is not None:
            found, by = explained_share.function(x, rebuilt), "rebuilt"
        else:
            rows = _some(len(x), codes.shape[1], 0)
            found, by = share_reading(unit_range(x[rows]), _gaps(codes[rows], x[rows], None)), "ridge"
    except DataError:
        return reading
    if not np.isfinite(found.value):
        return reading
    return replace(reading, more=reading.more | {"rebuilt": found.value, "rebuilt_by": by})


def _curve(
    codes: np.ndarray, x: np.ndarray, decode: Decode | None, counts: Sequence[int], seed: int
) -> list[tuple[float, Reading]]:
    # for each k the share of units active, and what is explained
    rows = _some(len(codes), codes.shape[1], seed)
    codes, flat = codes[rows], x[rows].reshape(len(rows), -1)
    scaled, found = unit_range(flat), []
    for k in counts:
        some = keep_largest(codes, k)
        reading = share_reading(scaled, _gaps(some, flat, decode))
        if not np.isfinite([reading.low, reading.high]).all():
            raise DataError("what decode gives is far too large for x", "decode must give x back, in its own scale")
        found.append((float((some != 0).mean()), reading))
    return found


def _told(counts: Sequence[int], found: list[tuple[float, Reading]], decode: Decode | None) -> dict[str, Any]:
    shares = [one.value for _, one in found]
    return {"kept": list(counts), "l0": [l0 for l0, _ in found], "share": shares, "by": "decode" if decode else "ridge"}


def _counts(units: int) -> list[int]:
    spaced = np.geomspace(1, units, min(8, units)).round().astype(int)
    return sorted({*spaced.tolist(), math.ceil(TENTH * units)})


def _some(n: int, units: int, seed: int) -> np.ndarray:
    # at most 2,000 rows, more where a ridge decoder of so many units needs them; in an order of their own
    most = min(n, max(ROWS, 4 * units))
    return np.random.default_rng([seed, 43]).choice(n, most, replace=False)


def _gaps(codes: np.ndarray, flat: np.ndarray, decode: Decode | None) -> np.ndarray:
    # squared error of each row, in the scale of unit_range(flat)
    scaled = unit_range(flat)
    if decode is None:
        return _ridge_gaps(unit_range(codes), scaled)
    try:
        back = floats("what decode gives", decode(codes))
    except DataError:
        raise
    except Exception as error:  # whatever a caller's function may raise
        told = f"decode failed on codes of {codes.shape[1]} units: {type(error).__name__}: {error}"
        raise DataError(told, "give the decoder of these codes, a function of (n, units)") from error
    if back.shape != flat.shape:
        raise DataError(
            f"decode gave an array of shape {back.shape} for {flat.shape[0]} samples of {flat.shape[1]} features",
            "it must give x back",
        )
    low = flat.min(0).astype(np.float64)
    return squared_gaps(scaled, (back - low) / (float((flat - low).max()) or 1.0))


def _ridge_gaps(codes: np.ndarray, x: np.ndarray) -> np.ndarray:
    # each half of the rows is answered by the decoder of the other; one penalty, 0.01 of the mean variance per row
    from scipy.linalg import solve

    out, middle = np.empty(len(x)), len(x) // 2
    for train, rest in ((slice(0, middle), slice(middle, None)), (slice(middle, None), slice(0, middle))):
        center, mean = codes[train].mean(0), x[train].mean(0)
        inner = codes[train] - center
        gram = inner.T @ inner
        gram[np.diag_indices_from(gram)] += RIDGE * (np.trace(gram) / len(gram) or 1.0)
        weight = solve(gram, inner.T @ (x[train] - mean), assume_a="pos")
        out[rest] = squared_gaps(x[rest], (codes[rest] - center) @ weight + mean)
    return out
