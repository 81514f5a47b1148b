"""Array files: .npy and .npz, read whole or row by row, without ever running what is in them.

Reads  .npy and .npz of numbers and texts; CSR as scipy.sparse.save_npz writes it.
Gives  arrays, or blocks of rows while memory stays bounded by the block.
Skips  pickled objects (refused), and arrays whose declared size is absurd (refused before anything is read).
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..errors import DataError

MAX_BYTES = 2**36
_BOMB_BYTES, _BOMB_RATIO = 2**28, 400
SPARSE = frozenset({"data", "indices", "indptr", "shape", "format"})


@dataclass(frozen=True)
class Entry:
    """What one stored array declares: its shape, type and order, and where its numbers start."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    start: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def npy_entry(handle: IO[bytes], name: str, size: int) -> Entry:
    """Read the header of a .npy stream of `size` bytes.

    errors  DataError: not an array, objects, or a declared size that the file does not have
    """
    try:
        version = npy.read_magic(handle)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(handle)
    except (ValueError, EOFError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise DataError(f"{name} is not a NumPy array", "write it with numpy.save or numpy.savez") from None
    if dtype.hasobject:
        raise DataError(
            f"{name} is an array of objects, which only running code from the file could read",
            "save plain numbers or texts",
        )
    entry = Entry(tuple(int(n) for n in shape), fortran, dtype, handle.tell())
    if min(entry.shape, default=0) < 0 or entry.nbytes > MAX_BYTES:
        raise DataError(f"{name} declares {entry.nbytes:,} bytes", "at most 64 GiB are read")
    if entry.start + entry.nbytes > size:
        raise DataError(f"{name} is truncated: {entry.nbytes:,} bytes are declared, {size - entry.start:,} are there")
    return entry


def read_npy(path: Path) -> np.ndarray:
    """The array in a .npy file.

    errors  DataError as in `npy_entry`
    """
    with path.open("rb") as handle:
        entry = npy_entry(handle, path.name, os.fstat(handle.fileno()).st_size)
        return _read_all(handle, entry)


def npy_blocks(path: Path, rows: int) -> Iterator[np.ndarray]:
    """Blocks of at most `rows` rows of a .npy file, each read when it is asked for."""
    with path.open("rb") as handle:
        entry = npy_entry(handle, path.name, os.fstat(handle.fileno()).st_size)
        if not entry.fortran:
            yield from _blocks(handle, entry, rows)
            return
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    for start in range(0, len(stored), rows):
        yield np.ascontiguousarray(stored[start : start + rows])


class Npz:
    """An .npz file: `entries` says what is in it, `read` gives one array, `blocks` its rows bit by bit.

    errors  DataError: not a zip, objects, an absurd declared size
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if info.filename.endswith(".npy"):
                        self.entries[info.filename.removesuffix(".npy")] = self._entry(archive, info)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as fault:
            raise DataError(f"{path.name} is not a readable .npz: {fault}", "write it with numpy.savez") from None
        if not self.entries:
            raise DataError(f"{path.name} holds no arrays", "write it with numpy.savez(x=..., y=...)")

    def _entry(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
        name = f"{info.filename.removesuffix('.npy')!r} in {self.path.name}"
        with archive.open(info) as handle:
            entry = npy_entry(handle, name, info.file_size)
        if entry.nbytes > max(_BOMB_BYTES, _BOMB_RATIO * info.compress_size):
            raise DataError(
                f"{name} grows from {info.compress_size:,} to {entry.nbytes:,} bytes, which no real data does",
                "save it with numpy.savez, without compression",
            )
        return entry

    def read(self, name: str) -> np.ndarray:
        """One array."""
        with self._opened(name) as handle:
            handle.read(self.entries[name].start)
            return _read_all(handle, self.entries[name])

    def blocks(self, name: str, rows: int) -> Iterator[np.ndarray]:
        """Blocks of at most `rows` rows of one array."""
        if self.entries[name].fortran:
            whole = self.read(name)
            yield from (whole[start : start + rows] for start in range(0, len(whole), rows))
            return
        with self._opened(name) as handle:
            handle.read(self.entries[name].start)
            yield from _blocks(handle, self.entries[name], rows)

    def read_sparse(self) -> Any:
        """The CSR matrix that scipy.sparse.save_npz wrote.

        errors  DataError when its parts do not fit each other
        """
        from scipy.sparse import load_npz

        try:
            x = load_npz(self.path).tocsr()
            x.check_format(full_check=True)
        except (ValueError, TypeError, OSError, KeyError, IndexError, MemoryError, zipfile.BadZipFile) as fault:
            problem = f"{self.path.name} is no valid sparse matrix: {fault}"
            raise DataError(problem, "write it with scipy.sparse.save_npz") from None
        return x

    def _opened(self, name: str) -> _Member:
        return _Member(self.path, f"{name}.npy")


class _Member:
    """A member of a zip, open for reading; damage becomes a DataError."""

    def __init__(self, path: Path, member: str) -> None:
        self._name = f"{member.removesuffix('.npy')!r} in {path.name}"
        self._archive = zipfile.ZipFile(path)
        self._handle = self._archive.open(member)

    def read(self, size: int) -> bytes:
        try:
            return self._handle.read(size)
        except Exception as fault:  # zlib, zip and system errors alike: the file is damaged
            raise DataError(f"{self._name} is damaged: {fault}", "write the file again") from None

    def __enter__(self) -> _Member:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()
        self._archive.close()


def _blocks(handle: Any, entry: Entry, rows: int) -> Iterator[np.ndarray]:
    if not entry.shape:
        raise DataError("a single number is no table of samples", "give an array (samples, features)")
    width = entry.nbytes // entry.shape[0] if entry.shape[0] else 0
    for start in range(0, entry.shape[0], rows):
        count = min(rows, entry.shape[0] - start)
        yield _array(_exactly(handle, count * width), entry, (count, *entry.shape[1:]))


def _read_all(handle: Any, entry: Entry) -> np.ndarray:
    flat = _array(_exactly(handle, entry.nbytes), entry, (math.prod(entry.shape),))
    return flat.reshape(entry.shape, order="F" if entry.fortran else "C")


def _exactly(handle: Any, size: int) -> bytearray:
    out = bytearray()
    while len(out) < size:
        piece = handle.read(min(2**24, size - len(out)))
        if not piece:
            raise DataError(f"the file ends {size - len(out):,} bytes early", "it is truncated: write it again")
        out += piece
    return out


def _array(data: bytearray, entry: Entry, shape: tuple[int, ...]) -> np.ndarray:
    array = (
        np.frombuffer(data, entry.dtype).reshape(shape)
        if entry.dtype.itemsize and data
        else np.empty(shape, entry.dtype)
    )
    return array if entry.dtype.isnative else array.astype(entry.dtype.newbyteorder("="))
