"""Streaming: any source in batches, one row out per row in, memory bounded by the batch.

Reads  what `load_data` reads, and single picture files.
Gives  (keys, x) where x goes straight into `schema.encode`; `skipped` grows as rows cannot be read.
Skips  labels. An unreadable picture is a row of NaN, a broken line a row of missing cells: see `readable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import DataError
from .arrayfiles import SPARSE, Npz, npy_blocks
from .images import SUFFIXES, Picture, packed_pictures, picture_files, read_pictures
from .load import Key, load_data, samples_in, suffix_of
from .named import is_named, stored
from .rows import rows_of, take
from .schema import Columns, Schema
from .schema.arrays import not_finite
from .schema.cells import LARGEST, text_of
from .tables import Table, is_frame, known_columns
from .textfiles import Lines, parquet_batches


class Stream:
    """An iterable of (keys, x); afterwards `skipped` holds (key, reason) of the rows that could not be read.

    It may be iterated again; keys are row numbers, file names, or the table's id column.
    """

    def __init__(self, source: Any, schema: Schema, batch_rows: int = 1024) -> None:
        if batch_rows < 1:
            raise DataError(f"batch_rows={batch_rows} is not possible", "give 1 or more")
        self.source, self.schema, self.batch_rows = source, schema, batch_rows
        self.skipped: list[tuple[Key, str]] = []

    def __iter__(self) -> Iterator[tuple[np.ndarray, Any]]:
        self.skipped.clear()
        source = self.source
        if isinstance(source, str | Path):
            path = Path(source)
            if is_named(str(source)):
                found = stored(str(source))
                if found is None:
                    data = load_data(str(source))
                    return self._slices(data.x, data.keys)
                path = found
            return self._path(path)
        if is_frame(source):
            return self._tables([_as_arrow(source)])
        if hasattr(source, "x") and hasattr(source, "keys") and not isinstance(source, Columns):
            return self._slices(source.x, source.keys)
        return self._slices(source, None)

    def _path(self, path: Path) -> Iterator[tuple[np.ndarray, Any]]:
        kind = suffix_of(path)
        if not path.exists():
            raise DataError(f"{str(path)!r} is not there", "give a path or a known name")
        if path.is_dir() or kind in SUFFIXES:
            files = picture_files(path) if path.is_dir() else [path]
            if not files:
                raise DataError(f"the folder {path.name} holds no pictures", "give a folder with pictures")
            root = path if path.is_dir() else path.parent
            return self._pictures(files, [file.relative_to(root).as_posix() for file in files])
        if kind in (".csv", ".tsv"):
            return self._lines(Lines(path, fill=True))
        if kind == ".parquet":
            return self._tables(parquet_batches(path, self.batch_rows))
        if kind == ".npy":
            return self._arrays(npy_blocks(path, self.batch_rows))
        if kind != ".npz":
            raise DataError(f"{path.name} is of no known kind", "known: .csv .tsv (.gz) .parquet .npy .npz, pictures")
        npz = Npz(path)
        if set(npz.entries) >= SPARSE:
            return self._slices(npz.read_sparse(), None)
        place = self._samples(npz)
        if place == "jpeg":
            pictures = packed_pictures(npz.read("jpeg"), npz.read("offset"))
            return self._pictures(pictures, range(len(pictures)))
        return self._arrays(npz.blocks(place, self.batch_rows))

    def _samples(self, npz: Npz) -> str:
        """The array of samples: where several could be it, the one of the fitted shape."""
        try:
            return samples_in(npz)[0]
        except DataError:
            fitted = (self.schema.shape, self.schema.shape[:-1])
            fitting = [name for name, one in npz.entries.items() if len(one.shape) > 1 and one.shape[1:] in fitted]
            if len(fitting) != 1:
                raise
            return fitting[0]

    def _slices(self, x: Any, keys: Any) -> Iterator[tuple[np.ndarray, Any]]:
        n = rows_of(x)
        keys = np.arange(n) if keys is None else np.asarray(keys)
        for start in range(0, n, self.batch_rows):
            rows = slice(start, start + self.batch_rows)
            yield keys[rows], take(x, rows)

    def _arrays(self, blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        start = 0
        for x in blocks:
            if x.dtype.kind == "f":
                with np.errstate(over="ignore", invalid="ignore"):
                    suspect = not np.isfinite(x.sum())  # one fast pass; a sum may overflow, so look again
                if suspect and not (np.abs(x) < LARGEST).all():
                    raise not_finite(x, start)
            yield np.arange(start, start + len(x)), x
            start += len(x)

    def _pictures(self, pictures: Any, keys: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if self.schema.kind != "image":
            raise _other_kind(self.schema, "pictures")
        shape = self.schema.shape
        for start in range(0, len(pictures), self.batch_rows):
            some = list(keys[start : start + self.batch_rows])
            part: list[Picture] = pictures[start : start + self.batch_rows]
            x, good, skipped = read_pictures(part, some, shape)
            x = x.astype(np.float32) / 255 if self.schema.dtype != "uint8" else x
            if skipped:
                self.skipped += skipped
                whole = np.full((len(part), *shape), np.nan, np.float32)
                whole[good] = x
                x = whole
            yield np.array(some, object if isinstance(some[0], str) else np.int64), x

    def _lines(self, lines: Lines) -> Iterator[tuple[np.ndarray, Columns]]:
        yield from self._tables(_rebatched(lines, self.batch_rows))
        self.skipped += lines.skipped

    def _tables(self, tables: Iterable[pa.Table]) -> Iterator[tuple[np.ndarray, Columns]]:
        if self.schema.kind != "table":
            raise _other_kind(self.schema, "a table")
        kinds = {column.name: column.kind for column in self.schema.columns}
        ids = [name for name, kind in kinds.items() if kind == "id"][:1]
        start = 0
        for table in tables:
            for row in range(0, table.num_rows, self.batch_rows):
                x = known_columns(table.slice(row, self.batch_rows), kinds)
                keys = np.arange(start, start + len(x))
                if ids and ids[0] in x.names:
                    keys = _id_keys(x, ids[0], keys)
                start += len(x)
                yield keys, x


def stream(source: Any, schema: Schema, batch_rows: int = 1024) -> Stream:
    """Read a source in batches of at most `batch_rows` rows, in order, one row out for each row in.

    errors  DataError while iterating: not found, damaged, another kind than the schema, NaN in an array
    """
    return Stream(source, schema, batch_rows)


def readable(x: Any) -> np.ndarray:
    """(n,) bool: which rows of a batch from `stream` could be read. Tables and CSR: all."""
    if isinstance(x, Columns) or hasattr(x, "tocsr") or x.dtype.kind != "f":
        return np.ones(rows_of(x), bool)
    return ~np.isnan(x.reshape(len(x), -1)).any(axis=1)


def _id_keys(x: Columns, name: str, rows: np.ndarray) -> np.ndarray:
    cells = x.column(name).tolist()
    return np.array(
        [str(r) if v is None or v != v else text_of(v) for v, r in zip(cells, rows.tolist(), strict=True)], object
    )


def _other_kind(schema: Schema, given: str) -> DataError:
    fitted = {"array": "an array", "image": "pictures", "sequence": "sequences", "table": "a table"}[schema.kind]
    return DataError(f"this was fitted on {fitted}, not on {given}", "give the kind it was fitted on")


def _as_arrow(frame: Any) -> pa.Table:
    return Table.from_frame(frame).to_arrow()


def _rebatched(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        if count >= rows:
            whole = pa.concat_tables(held)
            full = count - count % rows
            yield whole.slice(0, full)
            held, count = [whole.slice(full)], count - full
    if count:
        yield pa.concat_tables(held)
