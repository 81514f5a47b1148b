"""One column of a table: what was learned about it, its encoded form, and the way back.

Reads  typed values (cells).
Gives  (n, width) float32; numbers scaled, categories one-hot with unknown and missing, times as parts.
Skips  text, id and constant columns: their width is 0.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from .cells import as_numbers, as_seconds, as_texts, objects

VOCABULARY = 128
DAY = 86400.0
WAVES = {"hour": DAY, "weekday": 7 * DAY}  # seconds in one turn
_MONDAY = 4 * DAY  # 1970-01-05


@dataclass(frozen=True)
class Block:
    """Columns start to stop of the flattened encoded sample; kind is "numeric", "category" or "indicator"."""

    kind: str
    start: int
    stop: int
    name: str = ""


@dataclass(frozen=True)
class Column:
    """What was learned about one column.

    kind         "numeric", "category", "time", "text", "id" or "constant"
    mean, scale  numeric: encoded = (value - mean) / scale; time: the same for its age, in days before `high`
    low, high    the range seen; of a time in seconds since 1970
    vocabulary   category: the known texts, sorted; time: its parts, of "age", "hour", "weekday"
    has_missing  numeric and time: an indicator column follows
    """

    name: str
    kind: str
    mean: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0
    vocabulary: tuple[str, ...] = ()
    has_missing: bool = False

    def labels(self) -> list[str]:
        """Names of the encoded columns, a missing indicator last."""
        if self.kind == "category":
            return [f"{self.name}={text}" for text in self.vocabulary] + [
                f"{self.name} unknown",
                f"{self.name} missing",
            ]
        names = {"numeric": [self.name], "time": []}.get(self.kind, [])
        for part in self.vocabulary if self.kind == "time" else ():
            names += (
                [f"{self.name} age"] if part == "age" else [f"{self.name} {part} {wave}" for wave in ("sin", "cos")]
            )
        return names + [f"{self.name} missing"] * (self.has_missing and bool(names))

    def blocks(self, start: int) -> list[Block]:
        """The column's place in the encoded sample, from `start` on."""
        stop = start + len(self.labels())
        if self.kind == "category":
            return [Block("category", start, stop, self.name)]
        if stop == start:
            return []
        known = [Block("numeric", start, stop - self.has_missing, self.name)]
        return known + [Block("indicator", stop - 1, stop, self.name)] * self.has_missing

    def encode(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Typed values as (n, width) float32, and (n,) bool: is the value known (always, of a category).

        errors  DataError when the column has another type than in training
        """
        if self.kind == "category":
            return self._one_hot(values), np.ones(len(values), bool)
        seconds = as_numbers(values, self.name) if self.kind == "numeric" else as_seconds(values, self.name)
        plain = seconds if self.kind == "numeric" else (self.high - seconds) / DAY
        with np.errstate(over="ignore"):
            parts = [((plain - self.mean) / self.scale).astype(np.float32)]
        known = np.isfinite(parts[0])
        for part in self.vocabulary[1:]:
            angle = (np.where(known, seconds, 0.0) - _MONDAY) * (2 * math.pi / WAVES[part])
            parts += [np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)]
        parts = [np.where(known, one, np.float32(0)) for one in parts]
        return np.stack(parts + [(~known).astype(np.float32)] * self.has_missing, axis=1), known

    def _one_hot(self, values: np.ndarray) -> np.ndarray:
        place = {text: index for index, text in enumerate(self.vocabulary)}
        unknown, missing = len(place), len(place) + 1
        texts = as_texts(values, self.name, self.vocabulary)
        at = np.array([missing if text is None else place.get(text, unknown) for text in texts], np.int64)
        out = np.zeros((len(at), len(place) + 2), np.float32)
        out[np.arange(len(at)), at] = 1
        return out

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """(n, width) numbers as typed values: the likeliest category, missing where its indicator says so."""
        if self.kind == "category":
            return objects([*self.vocabulary, None, None])[encoded.argmax(axis=1)]
        plain = encoded[:, 0].astype(np.float64) * self.scale + self.mean
        if self.has_missing:
            plain = np.where(encoded[:, -1] > 0.5, np.nan, plain)
        if self.kind == "numeric":
            return plain
        stamps = np.full(len(plain), "NaT", "datetime64[us]")
        seconds = self.high - plain * DAY
        fits = np.abs(seconds) < 2.5e11  # the years 0 to 9999, nearly
        stamps[fits] = np.rint(seconds[fits] * 1e6).astype(np.int64).astype("datetime64[us]")
        return stamps


def fit_column(name: str, kind: str, values: np.ndarray) -> Column:
    """Learn one column; one that never changes becomes "constant"."""
    if kind in ("text", "id"):
        return Column(name, kind)
    if kind == "category":
        counts = Counter(text for text in as_texts(values, name, ("0",)) if text is not None)
        if not counts or (len(counts) == 1 and counts.total() == len(values)):
            return Column(name, "constant")
        often = sorted(counts, key=lambda text: (-counts[text], text))[:VOCABULARY]
        return Column(name, kind, vocabulary=tuple(sorted(often)), has_missing=counts.total() < len(values))
    seconds = as_numbers(values, name) if kind == "numeric" else as_seconds(values, name)
    seen = seconds[np.isfinite(seconds)]
    gaps = len(seen) < len(seconds)
    if not len(seen) or (seen.min() == seen.max() and not gaps):
        return Column(name, "constant")
    low, high = float(seen.min()), float(seen.max())
    plain = seen if kind == "numeric" else (high - seen) / DAY
    parts = ("age", *(p for p in WAVES if np.ptp(np.mod(seen, WAVES[p])) > 0)) if kind == "time" else ()
    scale = float(plain.std()) if low < high else 1.0
    return Column(name, kind, float(plain.mean()), scale or 1.0, low, high, parts, gaps)
