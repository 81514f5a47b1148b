"""Units one by one: what each stands for, and what moves when it is turned.

Reads  codes; factors or columns that are known, keys; a decoder and something that reads factors off what it makes.
Gives  `unit_table` (top samples, associations, share active), `vary` (control), `factor_probe` (reads factors).
Skips  pictures: a report draws the samples that `vary` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import factor_table, floats, plain
from .information import entropies, equal_mass, information_by_luck, mutual_information, unit_scaled
from .record import one_thread

ACTIVE, MOVED, WEAK = 1e-3, 0.1, 0.01


def unit_table(
    codes: Any, factors: Any = None, columns: Any = None, keys: Any = None, top: int = 5, strongest: int = 3
) -> list[dict[str, Any]]:
    """What each unit stands for, one JSON-ready record per unit.

    codes      (n, units)
    factors    (n, factors) with numbers or categories, or name -> column; a row with an unknown factor is left out of
               the factors' strengths
    columns    (n, features) numbers, or name -> column: features of the samples
    keys       (n,) names of the samples, default row numbers
    top        how many samples, those with the largest values first
    strongest  how many factors and columns are listed at most
    returns    {"unit", "active": share of rows above 1e-3 of the unit's largest size, "low", "high": 5 % and 95 %
               quantiles, "top": keys, "factors": [[name, share of the factor's entropy told, 0 to 1, chance taken
               off]], "columns": [[name, correlation, -1 to 1]]}, strongest first; what is below .01 is not listed
    errors     DataError: rows that do not fit, numbers that are not finite
    """
    if top < 0 or strongest < 0:
        raise DataError(f"top={top} and strongest={strongest} are not possible", "both are at least 0")
    rows = floats("codes", codes)
    names = np.arange(len(rows)) if keys is None else plain(keys)
    known = None if factors is None else factor_table(factors)
    features = None if columns is None else factor_table(columns, "column")
    for what, many in (("keys", names), ("factors", known and known[0]), ("columns", features and features[0])):
        if many is not None and len(many) != len(rows):
            raise DataError(f"{len(many)} {what} for {len(rows)} codes", "give one per row of the codes")
    with one_thread():
        z, varies = unit_scaled(rows)
        told = None if known is None else (_told(z, known[0]), known[1])
        along = None if features is None else (_correlations(z, features[0]), features[1])
    size = np.abs(rows)
    active = (size > ACTIVE * size.max(0)).mean(0)
    table = []
    for unit in range(rows.shape[1]):
        order = np.argsort(-rows[:, unit], kind="stable")[:top] if varies[unit] else []
        low, high = np.quantile(rows[:, unit].astype(np.float64), (0.05, 0.95))
        record: dict[str, Any] = {"unit": unit, "active": float(active[unit]), "low": float(low), "high": float(high)}
        record["top"] = [names[i].item() if hasattr(names[i], "item") else names[i] for i in order]
        for word, found in (("factors", told), ("columns", along)):
            record[word] = [] if found is None else _strongest(found[0][unit], found[1], strongest)
        table.append(record)
    return table


@dataclass(frozen=True)
class Varied:
    """What `vary` found.

    unit     which was varied, `values` those it was given
    codes    (rows, values, units), samples what the decoder makes of them, (rows, values, *shape)
    factors  (rows, values, factors): what was read off the samples, `names` of the factors
    moved    (factors,) how far each moved, as a share of its range; mean over rows
    """

    unit: int
    values: np.ndarray
    codes: np.ndarray
    samples: np.ndarray
    factors: np.ndarray
    names: list[str]
    moved: np.ndarray

    @property
    def named(self) -> str:
        """The factor that moved most, "" where none moved by a tenth of its range."""
        return self.names[int(self.moved.argmax())] if self.moved.max() >= MOVED else ""

    @property
    def others(self) -> int:
        """How many other factors moved by a tenth of their range or more; 0 is a unit that controls one thing."""
        return max(int((self.moved >= MOVED).sum()) - 1, 0)


def vary(
    codes: Any,
    unit: int,
    values: Sequence[float],
    decode: Callable[[np.ndarray], Any],
    read_factors: Callable[[np.ndarray], Any],
    ranges: Any = None,
) -> Varied:
    """Give one unit other values, decode, and see which factors move, and how many others.

    codes         (rows, units) of a few samples, the starting points
    unit          which, 0 to units - 1
    values        what it is given, at least two
    decode        codes (n, units) -> samples (n, *shape)
    read_factors  samples (n, *shape) -> (n, factors), or name -> column: see `factor_probe`
    ranges        (factors,) the range of each factor; default: the range over the edited and the untouched samples,
                  which needs a few different rows
    errors        DataError: no such unit, fewer than two values, answers with another number of rows
    """
    start, steps = floats("codes", codes), np.asarray(values, dtype=np.float64)
    if not 0 <= unit < start.shape[1]:
        raise DataError(f"there is no unit {unit}", f"give 0 to {start.shape[1] - 1}")
    if steps.ndim != 1 or len(steps) < 2 or not np.isfinite(steps).all():
        raise DataError(f"values of shape {steps.shape} cannot be tried", "give at least two numbers")
    edited = np.repeat(start[:, None], len(steps), axis=1)
    edited[:, :, unit] = steps
    everything = np.concatenate([edited.reshape(-1, start.shape[1]), start])
    samples = _answer("decode", decode, everything)
    table, names = factor_table(_answer("read_factors", read_factors, samples))
    many = len(start) * len(steps)
    read = table[:many].reshape(len(start), len(steps), -1)
    span = table.max(0) - table.min(0) if ranges is None else np.asarray(ranges, dtype=np.float64)
    if span.shape != (len(names),):
        raise DataError(f"ranges of shape {span.shape} for {len(names)} factors", "give one range per factor")
    moved = (read.max(1) - read.min(1)).mean(0) / np.where(span > 0, span, 1)
    shown = samples[:many].reshape(len(start), len(steps), *samples.shape[1:])
    return Varied(unit, steps, edited, shown, read, names, moved)


def factor_probe(x: Any, factors: Any) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A reader of factors: the factors of the nearest of the samples x, Euclidean, for `vary`.

    x        (n, *shape) samples whose factors are known; thousands, because the nearest one answers
    factors  (n, factors), or name -> column
    errors   DataError: rows that do not fit
    """
    from .probes import KnnProbe

    bank = floats("x", x)
    table, names = factor_table(factors)
    if len(table) != len(bank):
        raise DataError(f"{len(table)} rows of factors for {len(bank)} samples", "give one per sample")
    nearest = KnnProbe("number", 1).fit(bank, np.arange(len(bank)))

    def read(samples: np.ndarray) -> dict[str, np.ndarray]:
        places = nearest.predict(floats("samples", samples).astype(bank.dtype)).astype(np.intp)
        return dict(zip(names, table[places].T, strict=True))

    return read


def _answer(name: str, call: Callable[[np.ndarray], Any], given: np.ndarray) -> Any:
    found = call(given)
    if isinstance(found, Mapping) or hasattr(found, "columns"):
        return found
    array = plain(found)
    if array.ndim == 0 or len(array) != len(given):
        raise DataError(f"{name} answered {len(given)} rows with shape {array.shape}", "one row per row is needed")
    return array


def _told(z: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Share of each factor's entropy that each unit tells, chance taken off, (units, factors)."""
    out = np.zeros((z.shape[1], factors.shape[1]))
    for j, column in enumerate(factors.T):
        known = np.isfinite(column)
        places = equal_mass(column[known][:, None]) if known.any() else None
        if places is None or places.sizes[0] < 2:
            continue
        units = equal_mass(z[known])
        luck = information_by_luck(units, places, 3, 0)
        found = np.maximum(mutual_information(units, places) - luck, 0)
        out[:, j] = (found / np.maximum(entropies(places) - luck, 1e-12))[:, 0].clip(0, 1)
    return out


def _correlations(z: np.ndarray, columns: np.ndarray) -> np.ndarray:
    if not np.isfinite(columns).all():
        raise DataError("a column has NaN or infinite values", "fill them or leave the column out")
    y = unit_scaled(columns)[0]
    z, y = z - z.mean(0), y - y.mean(0)
    power = np.sqrt(np.outer((z * z).sum(0), (y * y).sum(0)))
    return z.T @ y / np.where(power > 0, power, 1)


def _strongest(strength: np.ndarray, names: list[str], most: int) -> list[list[Any]]:
    order = np.argsort(-np.abs(strength), kind="stable")[:most]
    return [[names[j], float(strength[j])] for j in order if abs(strength[j]) >= WEAK]
