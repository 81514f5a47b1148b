"""Coding a source of any length: batch by batch, one row of codes for every row that came in, in order.

Reads  what `data.stream` reads, and a coder.
Gives  (keys, codes); notes on columns and categories that differ from training; which rows could not be read.
Skips  writing: `data.codefiles` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet

from ..data.load import suffix_of
from ..data.rows import take
from ..data.schema import Columns
from ..data.streaming import readable, stream
from ..data.textfiles import Lines
from ..errors import DataError
from .coder import Coder

BATCH_BYTES = 64 << 20
MOST_ROWS = 4096
Batch = tuple[np.ndarray, np.ndarray, Any, np.ndarray | None]


class Coding:
    """The codes of a source: iterate it once for (keys, codes (rows, units) float32).

    coder    what makes the codes
    source   whatever `data.stream` reads
    set_aside  columns that were left out on purpose (the label, say): nothing new about them

    rows     how many rows have come so far
    skipped  (key, reason) of rows that could not be read: their codes are NaN
    notes    what differs from training; complete after the last batch
    errors   DataError while iterating: a column of another type, another shape, a damaged file, no rows
    """

    def __init__(self, coder: Coder, source: Any, set_aside: Collection[str] = ()) -> None:
        self.coder, self.source, self.set_aside = coder, source, set_aside
        self.rows = 0
        self._stream = stream(source, coder.schema_, batch_rows(coder))
        self._broken: set[int] = set()
        self._absent: set[str] = set()
        self._new: list[str] = []
        self._unseen: dict[str, int] = {}

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for keys, good, _, encoded in self.batches():
            made = None if encoded is None else self.coder.encode_samples(encoded)
            if made is None or len(made) < len(keys):
                codes = np.full((len(keys), self.coder._n_features_out), np.nan, np.float32)
                codes[good] = np.nan if made is None else made
            else:
                codes = made
            yield keys, codes

    def batches(self) -> Iterator[Batch]:
        """Every batch before it is coded: keys, which rows could be read, those rows, and the same encoded."""
        self._look()
        for batch in _ahead(self._encoded()):
            self.rows += len(batch[0])
            yield batch
        if not self.rows:
            raise DataError(f"{self.source} has no rows", "give at least one")

    def _encoded(self) -> Iterator[Batch]:
        start = 0
        for keys, x in self._stream:
            good = readable(x) if self._stream.skipped else np.ones(len(keys), bool)
            good[[row - start for row in self._broken if 0 <= row - start < len(keys)]] = False
            start += len(keys)
            whole = bool(good.all())
            some = x if whole else take(x, good)
            encoded = self.coder.schema_.encode(some) if good.any() else None
            if encoded is not None:
                self._note(some, encoded)
            yield keys, good, some, encoded

    @property
    def skipped(self) -> list[tuple[Any, str]]:
        """(key, reason) of the rows that could not be read."""
        return self._stream.skipped

    @property
    def notes(self) -> list[str]:
        """What differed from training, in words."""
        notes = [f"column {name!r} is not there and counts as missing" for name in sorted(self._absent)]
        notes += [f"column {name!r} is new and was passed over" for name in self._new]
        for name, count in self._unseen.items():
            notes.append(f"column {name!r} holds an unseen category in {count:,} of {self.rows:,} rows")
        return notes

    def _look(self) -> None:
        """Read the names of a table's columns, and where its lines are broken: a batch does not tell."""
        path = Path(self.source) if isinstance(self.source, str | Path) else None
        if path is None or not path.is_file() or self.coder.schema_.kind != "table":
            return
        names: list[str] = []
        if suffix_of(path) in (".csv", ".tsv"):
            lines = Lines(path)
            for _ in lines:
                pass
            names = lines.names
            self._broken = {row for row, _ in lines.skipped}
        elif suffix_of(path) == ".parquet":
            try:
                names = pyarrow.parquet.read_schema(path).names
            except (pyarrow.ArrowException, OSError):
                return  # the stream says what is wrong with it
        known = {column.name for column in self.coder.schema_.columns}
        if names and known.isdisjoint(name.strip() for name in names):
            raise DataError(
                f"{path.name} is not what was learned from: none of its columns was there in training",
                f"missing: {', '.join(column.name for column in self.coder.schema_.columns)}",
            )
        known |= set(self.set_aside)
        self._new = [name for name in dict.fromkeys(names) if name.strip() not in known]

    def _note(self, x: Any, encoded: np.ndarray) -> None:
        if not isinstance(x, Columns):
            return
        schema = self.coder.schema_
        self._absent |= {c.name for c in schema.columns if c.labels() and c.name not in x.names}
        for block in schema.layout:
            if block.kind == "category":  # the last two of its columns are unknown and missing
                count = int(encoded[:, block.stop - 2].sum())
                if count:
                    self._unseen[block.name] = self._unseen.get(block.name, 0) + count


def _ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches, the next one being made while this one is used."""
    done = object()
    with ThreadPoolExecutor(1, "codelayer-reader") as reader:
        waiting = reader.submit(next, batches, done)
        while (batch := waiting.result()) is not done:
            waiting = reader.submit(next, batches, done)
            yield batch


def batch_rows(coder: Coder) -> int:
    """Rows of one batch: whole blocks of the coder, so that codes have the bits `transform` gives; about 64 MB."""
    fitting = BATCH_BYTES // (4 * max(1, coder.schema_.features))
    return int(np.clip(fitting // 256 * 256, 256, MOST_ROWS))
