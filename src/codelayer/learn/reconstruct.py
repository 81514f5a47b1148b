"""From files to files: rows as a code rebuilds them, and each row's error. Memory is bounded by the batch.

Reads  any source, and a coder.
Gives  cleaned rows (.npy, .csv, .parquet) or pictures (a folder of .png), and a file of key and error.
Skips  judging: a large error says that a row is unlike those that were learned from, not that it is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from PIL import Image

from ..data.codefiles import ArrayFile, TableFile, code_table, write_skipped
from ..data.load import suffix_of
from ..data.schema import Schema
from ..errors import DataError
from .coder import Coder
from .files import TABLES, Watch, Written, checked_kind, rebuilt_array, rebuilt_table
from .streaming import Coding


@dataclass
class Reconstructed:
    """What was written, and how the errors lie.

    written  rows, notes, skipped rows
    errors   the file of errors
    median, largest, worst  of the errors that could be taken; the key of the largest
    """

    written: Written
    errors: Path
    median: float
    largest: float
    worst: Any


class _Sink(Protocol):
    def write(self, keys: np.ndarray, rebuilt: Any, good: np.ndarray) -> None: ...


def reconstruct_file(
    coder: Coder,
    source: str,
    out: str | Path,
    errors: str | Path | None = None,
    watch: Watch | None = None,
    set_aside: Collection[str] = (),
) -> Reconstructed:
    """Rebuild every row of a source from its code.

    out      .npy for arrays and pictures, .csv or .parquet for tables, a folder (no suffix) for pictures
    errors   .csv or .parquet of key and error, by default NAME-errors.csv beside `out`: the mean over the encoded
             numbers that are known of (rebuilt - encoded)^2, in squared units of the encoded input
    watch    called with the rows done so far
    set_aside  columns of the source that were left out of learning on purpose
    returns  what was written; errors  DataError: see `Coding`; another suffix; a code without a decoder is rebuilt
             by its ridge decoder
    """
    out = Path(out)
    listed = Path(errors) if errors is not None else out.with_name(f"{out.stem}-errors.csv")
    kind = checked_kind(listed, TABLES, source)
    if listed == out:
        raise DataError(f"{out} is named twice", "give --errors another name than --out")
    coding, found, names = Coding(coder, source, set_aside), [], []
    with _sink(coder, source, out) as sink, TableFile(listed) as table:
        for keys, good, rows, encoded in coding.batches():
            rebuilt, error = _rebuilt(coder, len(keys), good, rows, encoded)
            sink.write(keys, coder.schema_.inverse(rebuilt.reshape(-1, *coder.schema_.shape)), good)
            table.write(code_table(keys, {"error": error}, kind == ".csv"))
            found.append(error)
            names.append(keys)
            if watch is not None:
                watch(coding.rows)
    whole, keys = np.concatenate(found), np.concatenate(names)
    taken = np.isfinite(whole)
    if not taken.any():
        raise DataError(f"no row of {source} could be read", "see skipped.csv beside the output")
    worst = int(np.where(taken, whole, -np.inf).argmax())
    written = Written(coding.rows, coding.notes, coding.skipped, write_skipped(out, coding.skipped))
    return Reconstructed(written, listed, float(np.median(whole[taken])), float(whole[worst]), keys[worst])


def _rebuilt(
    coder: Coder, count: int, good: np.ndarray, rows: Any, encoded: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(count, features) encoded reconstructions and (count,) errors, NaN where a row could not be read."""
    whole = np.zeros((count, coder.schema_.features), np.float32)
    error = np.full(count, np.nan)
    if encoded is not None:
        flat = encoded.reshape(len(encoded), -1)
        whole[good] = coder.rebuilt(encoded)
        known = coder.schema_.known(rows)
        weight = np.ones_like(flat) if known is None else known
        charged = (weight * (whole[good] - flat) ** 2).sum(1, dtype=np.float64)
        error[good] = charged / np.maximum(weight.sum(1, dtype=np.float64), 1)
    return whole, error


@contextmanager
def _sink(coder: Coder, source: str, out: Path) -> Generator[_Sink]:
    if coder.schema_.kind == "image" and not out.suffix:
        yield _Pictures(out, source, coder.schema_)
        return
    is_table = coder.schema_.kind == "table"
    why = ": this bundle was learned on a table" if is_table else ""
    also = ", or a folder for .png files" if coder.schema_.kind == "image" else ""
    checked_kind(out, TABLES if is_table else (".npy",), source, why, also)
    with (TableFile if is_table else ArrayFile)(out) as file:
        yield _Table(file) if isinstance(file, TableFile) else _Array(file)


class _Table:
    def __init__(self, file: TableFile) -> None:
        self.file = file

    def write(self, keys: np.ndarray, rebuilt: Any, good: np.ndarray) -> None:
        text = suffix_of(self.file.path) != ".parquet"
        names = code_table(keys, {}, text).column(0)
        self.file.write(rebuilt_table(rebuilt, pa.array(names.to_pylist()), good))


class _Array:
    def __init__(self, file: ArrayFile) -> None:
        self.file = file

    def write(self, keys: np.ndarray, rebuilt: Any, good: np.ndarray) -> None:
        del keys
        self.file.write(rebuilt_array(rebuilt, good))


class _Pictures:
    """A folder of .png files, named by the keys; none is written outside of it. White is the encoded 1."""

    def __init__(self, folder: Path, source: str, schema: Schema) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder} is there already and not empty", "give a new folder")
        if Path(source).exists() and folder.exists() and folder.samefile(source):
            raise DataError(f"{folder} is the very folder that is read", "give another name")
        self.folder, self.schema = folder, schema

    def write(self, keys: np.ndarray, rebuilt: Any, good: np.ndarray) -> None:
        for key, picture in zip(keys[good].tolist(), rebuilt[good], strict=True):
            path = self.folder / self._name(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = picture if picture.dtype == np.uint8 else self._grey(picture)
            Image.fromarray(grey[..., 0] if grey.ndim == 3 and grey.shape[2] == 1 else grey).save(path)

    def _grey(self, picture: np.ndarray) -> np.ndarray:
        encoded = (picture.reshape(self.schema.shape) - self.schema.center) / self.schema.spread
        return np.rint(np.clip(encoded, 0, 1) * 255).astype(np.uint8)

    @staticmethod
    def _name(key: Any) -> str:
        if not isinstance(key, str):
            return f"{int(key):06d}.png"
        parts = [part for part in PurePosixPath(key.replace(os.sep, "/")).parts if part not in ("/", "..", ".")]
        name = PurePosixPath(*parts)
        return str(name if name.suffix.lower() == ".png" else name.with_name(f"{name.name}.png"))
