"""Table files: .csv, .tsv (also .gz) and .parquet, as arrow batches.

Reads  UTF-8 (with or without its mark), UTF-16 and, failing that, Latin-1; quoted commas and line ends;
       a file whose header has no comma but semicolons is read by those.
Gives  every cell of a text file as a text: what a column is, is decided over all of it (tables).
Skips  comments and several header lines. A line with too many or too few cells is handed back as missing.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..errors import DataError

NAMELESS = re.compile(r"__index_level_\d+__")

_BOMB_BYTES, _BOMB_RATIO = 2**30, 400


class Lines:
    """A delimited text file: iterate it for arrow tables of a few megabytes, all cells texts.

    skipped  (row number, reason) of lines with another number of cells than the header, as they are met
    notes    how it was read, where that is not plain
    fill     give such a line as a row of nulls, so that rows keep their numbers; else leave it out
    errors   DataError: empty, no row below the header, damaged, growing absurdly when unpacked
    """

    def __init__(self, path: Path, fill: bool = False) -> None:
        self.path, self.fill = path, fill
        self.skipped: list[tuple[int, str]] = []
        self.notes: list[str] = []
        try:
            with _unpacked(path) as handle:
                start = handle.read(2**22)
        except (OSError, EOFError, zlib.error) as fault:
            raise DataError(f"{path.name} cannot be read: {fault}", "write the file again") from None
        if not start.strip():
            raise DataError(f"{path.name} is empty", "give a file with a header and rows")
        self._encoding = self._find_encoding(start)
        self._header(start)

    def _find_encoding(self, start: bytes) -> str:
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        try:
            whole = start.rfind(b"\n") + 1 or len(start)
            start[:whole].decode("utf-8")
        except UnicodeDecodeError:
            self.notes.append(f"{self.path.name} is not UTF-8 and was read as Latin-1")
            return "latin-1"
        return "utf-8"

    def _header(self, start: bytes) -> None:
        text = start.decode(self._encoding, errors="replace").removeprefix("\ufeff")
        line = text.lstrip("\r\n").splitlines()[0]
        self._delimiter = "\t" if ".tsv" in self.path.suffixes else ","
        if self._delimiter == "," and "," not in line and line.count(";"):
            self._delimiter = ";"
        try:
            first = next(csv.reader(io.StringIO(text.lstrip("\r\n")), delimiter=self._delimiter))
        except (csv.Error, StopIteration) as fault:
            raise DataError(f"the first line of {self.path.name} cannot be read: {fault}", "give a header") from None
        self._width = len(first)
        self._headless = _all_data(first)
        self.names = [f"column {i + 1}" for i in range(self._width)] if self._headless else first
        if self._headless:
            self.notes.append(f"{self.path.name} has no header: its columns are called 'column 1', 'column 2', ...")

    def __iter__(self) -> Iterator[pa.Table]:
        self.skipped.clear()
        bad: list[tuple[int, str]] = []
        shift = 0 if self._headless else 1
        position = 0
        header = not self._headless
        with _unpacked(self.path) as handle:
            for batch in self._arrow(handle, bad, shift):
                table = pa.Table.from_batches([batch]).rename_columns([f"{i}" for i in range(self._width)])
                table, header = (table.slice(1), False) if header else (table, False)
                table = self._place(table, bad, position)
                position += table.num_rows if self.fill else self._seen
                if table.num_rows:
                    yield table.rename_columns(self.names)
        if bad and self.fill:
            rest = pa.table({f"{i}": pa.nulls(len(bad), pa.string()) for i in range(self._width)})
            yield rest.rename_columns(self.names)
        self.skipped += bad
        if not position and not bad:
            raise DataError(f"{self.path.name} has no rows below its header", "give at least one row")

    def _place(self, table: pa.Table, bad: list[tuple[int, str]], position: int) -> pa.Table:
        """Put nulls where lines of this table were bad."""
        order, count = list(range(table.num_rows)), 0
        while bad and bad[0][0] <= position + len(order):
            order.insert(bad[0][0] - position, -1)
            self.skipped.append(bad.pop(0))
            count += 1
        self._seen = len(order)
        if not count or not self.fill:
            return table
        rows = np.array(order)
        return table.take(pa.array(rows, mask=rows < 0))

    def _arrow(self, handle: Any, bad: list[tuple[int, str]], shift: int) -> Iterator[pa.RecordBatch]:
        def odd(row: pyarrow.csv.InvalidRow) -> str:
            bad.append(
                (row.number - 1 - shift, f"{row.actual_columns} cells where {row.expected_columns} were expected")
            )
            return "skip"

        names = [f"f{i}" for i in range(self._width)]
        try:
            yield from pyarrow.csv.open_csv(
                handle,
                pyarrow.csv.ReadOptions(
                    use_threads=False, autogenerate_column_names=True, block_size=2**22, encoding=self._encoding
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=self._width > 1,
                    invalid_row_handler=odd,
                ),
                pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            )
        except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError) as fault:
            raise DataError(f"{self.path.name} cannot be read: {str(fault).splitlines()[0][:160]}") from None


def parquet_batches(path: Path, rows: int) -> Iterator[pa.Table]:
    """Tables of at most `rows` rows, without the nameless index that pandas stores: the order rows once had may tell
    their label.

    errors  DataError: no parquet, truncated, or no rows
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if not file.metadata.num_rows or not file.metadata.num_columns:
                raise DataError(f"{path.name} has no rows", "give at least one row")
            kept = [name for name in file.schema_arrow.names if not NAMELESS.fullmatch(name)]
            for batch in file.iter_batches(batch_size=rows, columns=kept):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as fault:
        remedy = "it may be truncated: write the file again"
        raise DataError(f"{path.name} cannot be read: {str(fault).splitlines()[0][:160]}", remedy) from None


def _all_data(cells: list[str]) -> bool:
    """Is this first line a sample, not a header? Numbers of which some are fractions or stand there twice."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return False
    return len(cells) > 1 and (any(n != int(n) for n in numbers if abs(n) < 1e15) or len(set(numbers)) < len(numbers))


class _Bounded(io.RawIOBase):
    """An unpacked stream that refuses to grow absurdly."""

    def __init__(self, path: Path) -> None:
        self._handle = gzip.GzipFile(path)
        self._name, self._left = path.name, max(_BOMB_BYTES, _BOMB_RATIO * os.path.getsize(path))

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._handle.read(min(size, 2**22) if size >= 0 else 2**22)
        self._left -= len(piece)
        if self._left < 0:
            raise DataError(f"{self._name} grows absurdly when it is unpacked", "unpack it yourself if that is right")
        return piece

    def close(self) -> None:
        self._handle.close()
        super().close()


def _unpacked(path: Path) -> io.BufferedIOBase | io.RawIOBase:
    return _Bounded(path) if path.suffix.lower() == ".gz" else path.open("rb")
