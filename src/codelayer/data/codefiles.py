"""Files of codes, and other files that grow row by row: read and written in batches.

Reads  codes in .npy, .npz (dense or CSR), .parquet and .csv; a column called "key" gives the keys.
Gives  (keys, codes) batches; `ArrayFile`, `SparseFile` and `TableFile`, which take their name only when they are whole.
Skips  refusing NaN: the codes of a row that could not be read are NaN, and stay so.
"""

from __future__ import annotations

import csv
import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from numpy.lib import format as npy

from ..errors import DataError
from .arrayfiles import SPARSE, Npz, npy_blocks
from .load import samples_in, suffix_of
from .textfiles import Lines, parquet_batches

pc: Any = pyarrow.compute  # its functions are made at run time, unseen by a type checker
KEY = "key"
Batch = tuple[np.ndarray | None, np.ndarray]


# --- reading --------------------------------------------------------------------------------------------------------


def code_batches(path: str | Path, rows: int = 4096, columns: Sequence[str] = ()) -> Iterator[Batch]:
    """(keys or None, codes (at most `rows`, units) float) of a file of codes, in order.

    columns  of a .parquet, .csv or .tsv file, those that are the code; a column of lists of numbers is a whole code
    errors  DataError: not there, of no known kind, not numbers, broken lines, no rows
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file of codes at {path}", "give a .npy, .npz, .parquet or .csv file")
    kinds = {".npy": _npy_codes, ".npz": _npz_codes, ".parquet": _parquet_codes, ".csv": _csv_codes, ".tsv": _csv_codes}
    if suffix_of(path) not in kinds:
        raise DataError(f"{path.name} is no file of codes", "codes are read from .npy, .npz, .parquet and .csv")
    if columns and suffix_of(path) in (".npy", ".npz"):
        raise DataError(f"{path.name} has no named columns to choose from", "leave columns out")
    empty = True
    for keys, codes in kinds[suffix_of(path)](path, rows, columns):
        empty = empty and not len(codes)
        yield keys, codes
    if empty:
        raise DataError(f"{path.name} has no rows", "give one row of codes per sample")


def read_codes(path: str | Path, columns: Sequence[str] = ()) -> Batch:
    """(keys or None, codes (n, units)) of a whole file; columns and errors as in `code_batches`."""
    batches = list(code_batches(path, columns=columns))
    keys = None if batches[0][0] is None else np.concatenate([one for one, _ in batches if one is not None])
    return keys, np.concatenate([codes for _, codes in batches])


def _npy_codes(path: Path, rows: int, columns: Sequence[str]) -> Iterator[Batch]:
    for block in npy_blocks(path, rows):
        yield None, _numbers(path, block)


def _npz_codes(path: Path, rows: int, columns: Sequence[str]) -> Iterator[Batch]:
    npz = Npz(path)
    if set(npz.entries) >= SPARSE:
        whole = npz.read_sparse()
        for start in range(0, whole.shape[0], rows):
            yield None, _numbers(path, whole[start : start + rows].toarray())
        return
    name = "codes" if "codes" in npz.entries else samples_in(npz)[0]
    for block in npz.blocks(name, rows):
        yield None, _numbers(path, block)


def _parquet_codes(path: Path, rows: int, columns: Sequence[str]) -> Iterator[Batch]:
    for table in parquet_batches(path, rows):
        yield _table_codes(path, table, columns)


def _csv_codes(path: Path, rows: int, columns: Sequence[str]) -> Iterator[Batch]:
    lines = Lines(path)
    for table in lines:
        if lines.skipped:
            raise DataError(f"row {lines.skipped[0][0]} of {path.name} has {lines.skipped[0][1]}", "write it again")
        for start in range(0, table.num_rows, rows):
            yield _table_codes(path, table.slice(start, rows), columns)


def _table_codes(path: Path, table: pa.Table, columns: Sequence[str]) -> Batch:
    units = list(columns) or [name for name in table.column_names if name != KEY]
    if not units:
        raise DataError(f"{path.name} has no columns of codes", "one column per unit is needed")
    unknown = [name for name in units if name not in table.column_names]
    if unknown:
        known = ", ".join(table.column_names[:20])
        raise DataError(f"{path.name} has no column {unknown[0]!r}", f"its columns are {known}")
    made = [part for name in units for part in _units(path, name, table.column(name))]
    keys = None
    if KEY in table.column_names:
        keys = np.array([str(key) for key in table.column(KEY).to_pylist()], object)
    return keys, np.stack(made, axis=1)


def _units(path: Path, name: str, column: pa.ChunkedArray) -> list[np.ndarray]:
    """The units in a column: one, or as many as each of its lists has."""
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or _is_fixed(column.type)):
        return [_unit(path, name, column)]
    lengths = pc.unique(pc.drop_null(pc.list_value_length(column))).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise DataError(
            f"the lists in column {name!r} of {path.name} have {lengths[:5]} numbers", "one code per row is needed"
        )
    return [_unit(path, name, pc.list_element(column, place)) for place in range(lengths[0])]


def _is_fixed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))


def _unit(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    try:
        if pa.types.is_string(column.type):
            column = pc.if_else(pc.equal(column, ""), None, column)
        kind = pa.float32() if pa.types.is_float32(column.type) else pa.float64()
        return column.cast(kind).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"column {name!r} of {path.name} holds no numbers", f"leave it out, or call it {KEY!r} if it names the rows"
        ) from None


def _numbers(path: Path, codes: np.ndarray) -> np.ndarray:
    if codes.dtype.kind not in "fiub":
        raise DataError(f"{path.name} is an array of type {codes.dtype}, not of numbers", "give codes as numbers")
    codes = codes.reshape(len(codes), -1) if codes.ndim != 2 else codes
    return codes if codes.dtype in (np.float32, np.float64) else codes.astype(np.float32)


# --- writing --------------------------------------------------------------------------------------------------------


class _Growing:
    """A file under a temporary name beside its own, which it takes when the `with` ends without an error."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise DataError(f"{self.path} is a folder", "give the name of a file")
        self._new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle: IO[bytes] = self._new.open("xb")
        except OSError as error:
            problem = f"{self.path} cannot be written: {error.strerror or error}"
            raise DataError(problem, "choose another place, or mend its permissions") from error
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end()
                self._handle.close()  # not forced to the disk: the same command makes it again
                os.replace(self._new, self.path)
        finally:
            self._let_go()
            self._new.unlink(missing_ok=True)

    def _end(self) -> None:
        """Write what comes last."""

    def _let_go(self) -> None:
        self._handle.close()


class ArrayFile(_Growing):
    """A .npy file to which rows are added; shape and type are those of the first batch."""

    _shape: tuple[int, ...] = ()
    _dtype = np.dtype(np.float32)

    def write(self, rows: np.ndarray) -> None:
        """Add rows (batch, ...)."""
        if not self.rows:
            self._shape, self._dtype = rows.shape[1:], rows.dtype
            _write_header(self._handle, (0, *self._shape), self._dtype)
        self._handle.write(np.ascontiguousarray(rows, self._dtype).data)
        self.rows += len(rows)

    def _end(self) -> None:
        self._handle.seek(0)  # numpy pads the header so that the number of rows can grow in its place
        _write_header(self._handle, (self.rows, *self._shape), self._dtype)


class SparseFile(_Growing):
    """A .npz file as scipy.sparse.save_npz writes CSR, to which rows are added; memory holds one batch."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.filled, self._units = 0, 0
        kinds = {"data": np.float32, "indices": np.int32, "indptr": np.int64}
        self._types = {name: np.dtype(kind) for name, kind in kinds.items()}
        self._parts: dict[str, IO[bytes]] = {}
        for name in kinds:
            self._parts[name] = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115 (closed by _let_go)
        self._add("indptr", np.zeros(1))

    def write(self, rows: np.ndarray) -> None:
        """Add dense rows (batch, units); only what is not zero is kept."""
        where, unit = np.nonzero(rows)
        self._add("data", rows[where, unit])
        self._add("indices", unit)
        self._add("indptr", self.filled + np.cumsum(np.bincount(where, minlength=len(rows))))
        self.filled += len(unit)
        self._units = rows.shape[1]
        self.rows += len(rows)

    @property
    def share(self) -> float:
        """The share of entries that are not zero."""
        return self.filled / max(1, self.rows * self._units)

    def _add(self, part: str, values: np.ndarray) -> None:
        self._parts[part].write(np.ascontiguousarray(values, self._types[part]).data)

    def _end(self) -> None:
        lengths = {"data": self.filled, "indices": self.filled, "indptr": self.rows + 1}
        with zipfile.ZipFile(self._handle, "w", zipfile.ZIP_STORED) as archive:
            for name, part in self._parts.items():
                part.seek(0)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_header(member, (lengths[name],), self._types[name])
                    shutil.copyfileobj(part, member)
            for name, value in (("format", np.array(b"csr")), ("shape", np.array([self.rows, self._units], np.int64))):
                with archive.open(f"{name}.npy", "w") as member:
                    npy.write_array(member, value, allow_pickle=False)

    def _let_go(self) -> None:
        super()._let_go()
        for part in self._parts.values():
            part.close()


class TableFile(_Growing):
    """A .csv or .parquet file to which rows are added; its columns are those of the first batch."""

    _writer: Any = None

    def write(self, rows: pa.Table) -> None:
        """Add rows; in a .csv, NaN is an empty cell."""
        text = suffix_of(self.path) != ".parquet"
        if text:
            rows = pa.table({name: _without_nan(rows.column(name)) for name in rows.column_names})
        if self._writer is None:
            self._schema = rows.schema
            make = pyarrow.csv.CSVWriter if text else pyarrow.parquet.ParquetWriter
            self._writer = make(self._handle, self._schema)
        self._writer.write_table(rows.cast(self._schema))
        self.rows += rows.num_rows

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()


def code_table(keys: Iterable[Any], columns: Mapping[str, Any], text: bool) -> pa.Table:
    """Keys and columns as an arrow table; row numbers stay numbers where the file is text, else keys are texts."""
    keys = list(keys)
    plain = text and all(isinstance(key, int | np.integer) for key in keys)
    first = pa.array([int(key) for key in keys] if plain else [str(key) for key in keys])
    return pa.table({KEY: first, **{name: pa.array(values) for name, values in columns.items()}})


def write_skipped(out: str | Path, skipped: Iterable[tuple[Any, str]]) -> Path | None:
    """skipped.csv beside the output: key, reason and output of every row that could not be read; its path, or None.

    The lines that an earlier command left there for this output are replaced, those of other outputs stay.
    """
    path, name, head = Path(out).parent / "skipped.csv", Path(out).name, ["key", "reason", "output"]
    lines = [[key, reason, name] for key, reason in skipped]
    earlier: list[list[str]] = []
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace", newline="") as handle:
            earlier = list(csv.reader(handle))
        if earlier[:1] != [head] and not lines:
            return None  # somebody else's file
    others = [line for line in earlier[1:] if line[-1:] != [name]] if earlier[:1] == [head] else []
    if lines or others:
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows([head, *others, *lines])
    else:
        path.unlink(missing_ok=True)
    return path if lines else None


def _write_header(handle: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    about = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(handle, about)


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column
