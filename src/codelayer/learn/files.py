"""From files to files: encode, decode and predict with memory bounded by the batch.

Reads  any source, or a file of codes; a coder, or a code with its head.
Gives  .npy, .npz (CSR), .parquet and .csv, each there only when it is whole; skipped.csv beside it where needed.
Skips  saying what happened: `Written` holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..data.codefiles import ArrayFile, SparseFile, TableFile, code_batches, code_table, write_skipped
from ..errors import DataError
from .coder import Coder
from .heads import Head, Headed
from .streaming import Coding

TABLES = (".csv", ".parquet")
ARRAYS = (".npy", ".npz")
Watch = Callable[[int], Any]


@dataclass
class Written:
    """What a command wrote.

    rows     how many
    notes    what differed from training
    skipped  (key, reason) of rows that could not be read: empty in the output
    listed   the file that lists them, or None
    """

    rows: int
    notes: list[str] = field(default_factory=list)
    skipped: Sequence[tuple[Any, str]] = ()
    listed: Path | None = None


def encode_file(
    coder: Coder, source: str, out: str | Path, watch: Watch | None = None, set_aside: Collection[str] = ()
) -> Written:
    """Code a source into a file, one row out for each row in, in order.

    out     .npy; .npz for CSR; .parquet or .csv with a key column first
    watch   called with the rows done so far
    set_aside  columns of the source that were left out of learning on purpose
    errors  DataError: see `Coding`; another suffix
    """
    kind = checked_kind(out, (*ARRAYS, *TABLES), source)
    coding = Coding(coder, source, set_aside)
    if kind in TABLES:
        with TableFile(out) as table:
            for keys, codes in _watched(coding, watch):
                units = {f"unit{i}": unit for i, unit in enumerate(codes.T)}
                table.write(code_table(keys, units, kind == ".csv"))
        return _written(coding, out)
    with (SparseFile if kind == ".npz" else ArrayFile)(out) as array:
        for _, codes in _watched(coding, watch):
            array.write(codes)
    done = _written(coding, out)
    if isinstance(array, SparseFile) and array.share > 0.5:
        done.notes.append(f"{array.share:.0%} of the entries are not zero: these codes are not sparse, .npy is smaller")
    return done


def predict_file(
    model: Headed, source: str, out: str | Path, watch: Watch | None = None, set_aside: Collection[str] = ()
) -> Written:
    """Predict every row of a source into a .csv or .parquet file.

    Columns: key, label and p_CLASS for every class; or key and number. Empty where a row could not be read.
    errors  DataError: see `Coding`; another suffix
    """
    kind = checked_kind(out, TABLES, source)
    coding = Coding(model.code, source, set_aside)
    with TableFile(out) as table:
        for keys, codes in _watched(coding, watch):
            table.write(code_table(keys, _predicted(model.head, codes), kind == ".csv"))
    return _written(coding, out)


def decode_file(coder: Coder, codes: str, out: str | Path) -> Written:
    """Rebuild rows from a file of codes, in the kind and units of the data.

    out     .npy for arrays and pictures; .csv or .parquet for tables, with the keys if the codes have them
    errors  DataError: not codes of this coder; another suffix
    """
    is_table = coder.schema_.kind == "table"
    why = ": this bundle was learned on a table" if is_table else ": this bundle was not learned on a table"
    checked_kind(out, TABLES if is_table else ARRAYS[:1], codes, why)
    skipped: list[tuple[Any, str]] = []
    with (TableFile if is_table else ArrayFile)(out) as file:
        for keys, batch in code_batches(codes):
            good = _finite(batch)
            rebuilt = coder.inverse_transform(np.where(good[:, None], batch, 0).astype(np.float32))
            names = np.arange(file.rows, file.rows + len(batch)) if keys is None else keys
            skipped += [(key, "its code is not finite") for key in names[~good].tolist()]
            file.write(rebuilt_table(rebuilt, keys, good) if is_table else rebuilt_array(rebuilt, good))
    return Written(file.rows, [], skipped, write_skipped(out, skipped))


def checked_kind(out: str | Path, kinds: Sequence[str], source: str, why: str = "", also: str = "") -> str:
    """The suffix of an output, before anything is read.

    errors  DataError: not one of `kinds`, or the output is the very file that is read
    """
    out = Path(out)
    if out.suffix.lower() not in kinds:
        raise DataError(f"{out} cannot be written{why}", f"give a name that ends in {' or '.join(kinds)}{also}")
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise DataError(f"{out} is the very file that is read", "give another name")
    return out.suffix.lower()


def _watched(coding: Coding, watch: Watch | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for keys, codes in coding:
        yield keys, codes
        if watch is not None:
            watch(coding.rows)


def _written(coding: Coding, out: str | Path) -> Written:
    return Written(coding.rows, coding.notes, coding.skipped, write_skipped(out, coding.skipped))


def _predicted(head: Head, codes: np.ndarray) -> dict[str, Any]:
    good = _finite(codes)
    if head.task == "number":
        return {"number": np.where(good, head.predict(codes), np.float32(np.nan))}
    chances = np.full((len(codes), len(head.classes)), np.nan, np.float32)
    chances[good] = head.predict_proba(codes[good])
    names = [_class_name(one) for one in head.classes]
    best = [names[place] if ok else None for place, ok in zip(chances.argmax(axis=1), good, strict=True)]
    return {"label": pa.array(best, pa.string()), **{f"p_{name}": chances[:, i] for i, name in enumerate(names)}}


def _finite(codes: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(codes).all(axis=1))


def _class_name(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def rebuilt_table(rebuilt: Any, keys: Any, good: np.ndarray) -> pa.Table:
    """A rebuilt Table as an arrow table, its keys first (None for none), empty cells where a row is not good."""
    table = rebuilt.to_arrow()
    if not good.all():
        table = table.take(pa.array([i if ok else None for i, ok in enumerate(good.tolist())], pa.int64()))
    if keys is not None and "key" not in table.column_names:
        table = table.add_column(0, "key", pa.array(keys))
    return table


def rebuilt_array(rebuilt: np.ndarray, good: np.ndarray) -> np.ndarray:
    """A rebuilt array, NaN (0 for whole numbers) where a row is not good."""
    rebuilt[~good] = 0 if rebuilt.dtype.kind in "iu" else np.nan
    return rebuilt
