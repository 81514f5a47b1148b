"""A card's look at single units: what each stands for, and what the decoder makes of edits.

Reads  `Given`: codes; x, factors, decode where there are any.
Gives  records of the units that vary most with their top samples, and decoded edits of the first few; plain values.
Skips  scores; drawing.

Samples are kept only where they are small pictures, so that a card stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import CodelayerError
from .given import Given
from .units import factor_probe, unit_table, vary

UNITS, EDITED, STEPS, TOP, SHOWN = 24, 6, 7, 5, 10
LARGEST, WIDE, FEW, PROBED = 32 * 32 * 3, 64, 4, 5000


def units_of(found: Given, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The units that vary most, widest first: as `unit_table`, with "samples", the top ones, where x are pictures.

    names  of the features of x
    """
    codes, factors = found.arrays["codes"], found.arrays.get("factors")
    x = found.arrays.get("x")
    flat = None if x is None else x.reshape(len(x), -1)
    columns: Any = flat if flat is not None and flat.shape[1] <= WIDE and x is not None and x.ndim == 2 else None
    if columns is not None and len(set(names)) == len(columns.T):
        columns = dict(zip(names, columns.T, strict=True))
    widest = _widest(codes)[:UNITS]
    named = None if factors is None else dict(zip(found.factors, factors.T, strict=True))
    try:
        table = unit_table(codes[:, widest], factors=named, columns=columns, top=TOP)
    except CodelayerError:
        return []
    for record, unit in zip(table, widest, strict=True):
        record["unit"] = int(unit)
        if is_picture(x):
            record["samples"] = [np.round(x[place], 3).tolist() for place in record["top"]] if x is not None else []
    return table


def edits_of(found: Given) -> list[dict[str, Any]]:
    """For the widest units {"unit", "values", "samples": decoded pictures, "factor", "others"}: see `vary`.

    Nothing without decode and small pictures.
    """
    codes, decode, x = found.arrays["codes"], found.arrays.get("decode"), found.arrays.get("x")
    if decode is None or x is None or not is_picture(x):
        return []
    start = codes[np.argsort(np.square(codes - codes.mean(0)).sum(1), kind="stable")[:FEW]]
    factors, read = found.arrays.get("factors"), None
    if factors is not None:
        named = dict(zip(found.factors, factors[:PROBED].T, strict=True))
        read = factor_probe(x[:PROBED], named)
    made = []
    for unit in _widest(codes)[:EDITED]:
        values = np.linspace(*np.quantile(codes[:, unit].astype(np.float64), (0.02, 0.98)), STEPS)
        try:
            told = vary(start, int(unit), values.tolist(), decode, read or _nothing)
        except (CodelayerError, ValueError, TypeError, RuntimeError):
            return []
        samples = [np.round(np.clip(one, 0, 1), 3).tolist() for one in told.samples[0]]
        record = {"unit": int(unit), "values": values.tolist(), "samples": samples}
        made.append(record | {"factor": told.named if read else "", "others": told.others if read else None})
    return made


def rebuilt_of(found: Given) -> dict[str, list[Any]]:
    """A few samples and what was rebuilt of them, {"x", "rebuilt"}; nothing unless they are small pictures."""
    x, rebuilt = found.arrays.get("x"), found.arrays.get("rebuilt")
    if x is None or rebuilt is None or not is_picture(x) or rebuilt.size != x.size:
        return {}
    some = np.unique(np.linspace(0, len(x) - 1, SHOWN).astype(int))
    both = {"x": x[some], "rebuilt": np.clip(rebuilt.reshape(x.shape)[some], 0, 1)}
    return {name: [np.round(one, 3).tolist() for one in rows] for name, rows in both.items()}


def is_picture(x: Any) -> bool:
    """Whether samples are pictures (H, W, channels) in [0, 1], small enough to be kept in a card."""
    if x is None or x.ndim != 4 or x.shape[3] not in (1, 3) or int(np.prod(x.shape[1:])) > LARGEST:
        return False
    return bool(x.min() >= 0 and x.max() <= 1)


def _widest(codes: np.ndarray) -> np.ndarray:
    return np.argsort(-codes.var(0, dtype=np.float64), kind="stable")


def _nothing(samples: np.ndarray) -> np.ndarray:
    return np.zeros((len(samples), 1))
