"""Files of rows in, files of codes and answers out, block by block.

Reads  .npy; .csv and .tsv (UTF-8, with a header where the rows have names); .json (an array of objects) and .jsonl.
Gives  blocks of rows as a model takes them; .npy and .csv files that take their name only when they are whole.
Skips  guessing: what a column is stands in the schema. A row that cannot be read ends the work, where codelayer would
       go on and list it.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from .bundle import writing
from .data.arrayfiles import npy_blocks
from .data.schema import Schema
from .errors import DataError

MOST_JSON = 1 << 30
MOST_LINE = 1 << 26
KINDS = (".npy", ".csv", ".tsv", ".json", ".jsonl", ".ndjson")
HEADER = 128


def read_blocks(path: str | Path, schema: Schema, size: int) -> Iterator[Any]:
    """Blocks of at most `size` rows of a file, in order: an array, or a list of dicts.

    errors  DataError: another suffix, not there, damaged, no rows, a row of another width
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise DataError(f"{path} is not read", f"give a file that ends in {', '.join(KINDS)}")
    if not path.is_file():
        raise DataError(f"there is no file at {path}", "check the path")
    if kind == ".npy":
        yield from _npy(path, size)
        return
    try:
        records = {".json": _json, ".csv": _delimited, ".tsv": _delimited}.get(kind, _lines)(path, schema)
        count = 0
        while block := list(itertools.islice(records, size)):
            count += len(block)
            yield block if isinstance(block[0], dict) else np.asarray(block, np.float64)
    except DataError:
        raise
    except (ValueError, csv.Error, RecursionError, OverflowError) as error:  # json's ValueError: too many digits
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())[:160]}", "write it again") from None
    if not count:
        raise DataError(f"{path} has no rows", "give at least one")


def _npy(path: Path, size: int) -> Iterator[np.ndarray]:
    count = 0
    for block in npy_blocks(path, size):
        if block.ndim < 2 or block.dtype.kind not in "buif":
            raise DataError(f"{path} does not hold rows of numbers", "give an array (rows, features)")
        count += len(block)
        yield block
    if not count:
        raise DataError(f"{path} has no rows", "give at least one")


def _delimited(path: Path, schema: Schema) -> Iterator[Any]:
    """Dicts of a table's cells, or lists of numbers."""
    table = schema.kind == "table"
    csv.field_size_limit(MOST_LINE)
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        names: list[str] | None = None
        places: list[int] = []
        for row in rows:
            if not row:
                continue
            if names is None:
                names = [name.strip() for name in row]
                places = [] if table else _places(names, schema.names)
                if table or not all(_is_number(name) for name in names):
                    if table and len(set(names)) < len(names):
                        raise DataError(f"{path} has two columns of one name", "name them apart")
                    continue
            if len(row) != len(names):
                raise DataError(
                    f"line {rows.line_num} of {path} has {len(row)} cells where {len(names)} were expected", "mend it"
                )
            cells = [row[place] for place in places] or row
            yield dict(zip(names, row, strict=True)) if table else _numbers(cells, path, rows.line_num)


def _places(names: list[str], features: list[str]) -> list[int]:
    """Where an array's features stand, where all of them are named in the header; else none: rows are read in order."""
    there = {name: place for place, name in enumerate(names)}
    all_named = len(there) == len(names) and all(name in there for name in features)
    return [there[name] for name in features] if all_named else []


def _numbers(cells: Sequence[str], path: Path, line: int) -> list[float]:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        raise DataError(f"line {line} of {path} holds something else than numbers", "the rows are an array") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json(path: Path, schema: Schema) -> Iterator[Any]:
    if path.stat().st_size > MOST_JSON:
        raise DataError(f"{path} is larger than 1 GB", "give one object per line, in a .jsonl file")
    rows = json.loads(path.read_bytes())
    if not isinstance(rows, list):
        raise DataError(f"{path} is not an array of rows", "write [{...}, {...}], or one object per line in a .jsonl")
    for place, row in enumerate(rows):
        yield _record(row, schema, f"row {place} of {path}")


def _lines(path: Path, schema: Schema) -> Iterator[Any]:
    with open(path, encoding="utf-8-sig") as file:
        for place, line in enumerate(iter(lambda: file.readline(MOST_LINE), "")):
            if line.strip():
                yield _record(json.loads(line), schema, f"line {place + 1} of {path}")


def _record(row: Any, schema: Schema, where: str) -> dict[str, Any]:
    if isinstance(row, list) and schema.kind != "table":
        return {"x": row}
    if not isinstance(row, dict):
        raise DataError(f"{where} is no object", 'write {"column": value, ...}')
    return row


# --- writing --------------------------------------------------------------------------------------------------------


def write_npy(path: str | Path, blocks: Iterable[np.ndarray]) -> int:
    """Write blocks (rows, ...) of one type and shape as one .npy file; returns the rows.

    errors  RunError: full disk, no permission; and what `blocks` raises: then nothing is written
    """
    count, about = 0, None
    with _whole(path, "wb") as file:
        for block in blocks:
            if about is None:
                about = block.dtype.str, block.shape[1:]
                file.write(bytes(HEADER))
            count += len(block)
            file.write(np.ascontiguousarray(block).tobytes())
        file.seek(0)
        dtype, shape = about or ("<f4", ())
        told = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {(count, *shape)!r}, }}"
        file.write(b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little"))
        file.write(told.ljust(HEADER - 11).encode("ascii") + b"\n")
    return count


def write_csv(path: str | Path, names: Sequence[str], blocks: Iterable[Iterable[Sequence[Any]]]) -> int:
    """Write rows as a .csv file below a header, each with its number as key; returns the rows.

    errors  as `write_npy`
    """
    count = 0
    with _whole(path, "w") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["key", *names])
        for block in blocks:
            for row in block:
                lines.writerow([count, *[_cell(value) for value in row]])
                count += 1
    return count


def _cell(value: Any) -> Any:
    return f"{value:.9g}" if isinstance(value, float | np.floating) else value


@contextmanager
def _whole(path: str | Path, mode: str) -> Iterator[IO[Any]]:
    """A file under another name, which takes its own when all went well."""
    path = Path(path)
    new = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    words: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with writing(path):
        try:
            with open(new, mode, **words) as file:
                yield file
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)
