"""Loading: any source becomes samples, labels and keys.

Reads  names (digits, dsprites:5000, ...), .csv .tsv .parquet .npy .npz files, picture folders, frames, arrays, tensors.
Gives  `Data`: rows in the order of the source, with notes on what was mended and who was left out.
Skips  scaling (schema), row-by-row reading (stream), sound and video.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import DataError, did_you_mean
from .arrayfiles import SPARSE, Npz, read_npy
from .images import common_shape, packed_pictures, picture_files, read_pictures
from .labels import as_labels, as_times, read_labels
from .named import DRAWN, EMBEDDED, NAMES, REMOTE, download, drawn, embedded, is_named, stored
from .rows import rows_of, take
from .schema import Columns
from .schema.arrays import as_array, column_ranges
from .tables import Table, is_frame
from .textfiles import Lines, parquet_batches

Key = str | int


@dataclass
class Data:
    """Samples and what is known about them; everything has one entry per row.

    x        ndarray, CSR or Table
    labels   float64 (NaN: unlabelled) or objects (None: unlabelled); None without labels
    keys     row numbers, file names or an id column
    groups   rows of one group must stay together; None without groups
    times    float64 or datetime64; None without times
    name     a short name of the source
    notes    what was mended on the way
    skipped  (key, reason) of samples that could not be read and are not in x
    origin   row numbers in the whole source of `total` rows, where this is a part of it
    factors  name -> column: what drawn pictures were drawn from; None where it is not known
    """

    x: Any
    labels: np.ndarray | None = None
    keys: Any = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    name: str = "data"
    notes: list[str] = field(default_factory=list)
    skipped: list[tuple[Key, str]] = field(default_factory=list)
    origin: np.ndarray | None = None
    total: int | None = None
    factors: dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return rows_of(self.x)

    def take(self, rows: np.ndarray) -> Data:
        """The rows, with everything known about them."""
        some = {
            name: None if value is None else np.asarray(value)[rows]
            for name, value in (
                ("labels", self.labels),
                ("keys", self.keys),
                ("groups", self.groups),
                ("times", self.times),
            )
        }
        factors = None if self.factors is None else {name: one[rows] for name, one in self.factors.items()}
        return dataclasses.replace(self, x=take(self.x, rows), factors=factors, **some)  # type: ignore[arg-type]


def load_data(
    source: Any,
    label: Any = None,
    group: str | None = None,
    time: str | None = None,
    drop: Sequence[str] = (),
    unlike_to: tuple[int, int] | None = None,
) -> Data:
    """Read a source whole.

    source  a name, a path, a frame, an array, CSR, a tensor, or Data (which passes through)
    label   a column; in an .npz an array (y by default beside x); a file of labels, row for row; or the labels
    group   a column or .npz array: its rows stay together in splits, and it is not learned from
    time    a column or .npz array: orders the rows, and is not learned from
    drop    columns to leave out
    unlike_to  (height, width) to which pictures of unlike sizes are brought; None is the size that most have
    errors  DataError: not found, not readable, empty, one row, unknown column, labels all equal, NaN in an array
    """
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    if isinstance(source, Data):
        return source if label is None else _finish(dataclasses.replace(source, labels=None), label)
    if isinstance(source, str | Path):
        if not str(source).strip():
            raise DataError("the name of the data is empty", "give a known name, a file or a folder")
        return _load_path(str(source), label, group, time, drop, unlike_to)
    if isinstance(source, Columns) or is_frame(source):
        table = source if isinstance(source, Columns) else Table.from_frame(source)
        return _from_table(table, "table", label, group, time, drop)
    _no_columns("an array", group, time, drop)
    return _finish(Data(_shaped(as_array(source), "the array"), name="array"), label)


def _shaped(x: Any, name: str) -> Any:
    """x, which holds samples of at least one number each.

    errors  DataError for a single number and for samples of no width
    """
    if x.ndim == 0 or 0 in x.shape[1:]:
        raise DataError(f"{name} has the shape {x.shape}, which holds no samples", "give an array (samples, features)")
    return x


def _load_path(
    source: str,
    label: Any,
    group: str | None,
    time: str | None,
    drop: tuple[str, ...],
    unlike_to: tuple[int, int] | None,
) -> Data:
    path = Path(source)
    kind = suffix_of(path)
    if is_named(source) and source.partition(":")[0] in DRAWN:
        _no_columns(source, group, time, drop)
        return _drawn(source, label)
    if source in NAMES and (found := _named(source)) is not None:
        x, labels = found
        if isinstance(x, Columns):
            columns = {"target": labels} | {name: x.column(name) for name in x.names}
            return _from_table(Table(columns), source, "target" if label is None else label, group, time, drop)
        _no_columns(source, group, time, drop)
        return _finish(Data(x, name=source), labels if label is None else label)
    if source in REMOTE:
        path, kind = stored(source) or path, ".npz"
    if not path.exists():
        raise DataError(
            f"{source!r} is not there{did_you_mean(source, NAMES)}", f"give a path, or one of {', '.join(NAMES)}"
        )
    name = source if source in REMOTE else path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name
    if path.is_dir():
        _no_columns("a picture folder", group, time, drop)
        return _from_folder(path, label, unlike_to)
    if kind in (".csv", ".tsv", ".parquet"):
        table, notes, skipped = _read_table(path, kind)
        data = _from_table(table, name, label, group, time, drop, skipped)
        return dataclasses.replace(data, notes=notes + data.notes)
    if kind == ".npz":
        return _from_npz(Npz(path), name, label, group, time, drop, unlike_to)
    if kind == ".npy":
        _no_columns(path.name, group, time, drop)
        return _finish(Data(_shaped(read_npy(path), path.name), name=name), label)
    raise DataError(f"{path.name} is of no known kind", "known are .csv .tsv (.gz) .parquet .npy .npz and folders")


def _drawn(source: str, label: Any) -> Data:
    found = drawn(source)
    data = Data(found.x, keys=found.rows, name=source.partition(":")[0], factors=found.columns)
    if isinstance(label, str) and not Path(label).is_file():
        if label not in found.names:
            raise _unknown(label, found.names, "factor")
        label = found.columns[label]
    return _finish(data, label)


def suffix_of(path: Path) -> str:
    """The suffix that tells the kind of a file, in small letters; "x.csv.gz" is a .csv."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return plain.suffix.lower()


def _named(name: str) -> tuple[Any, np.ndarray] | None:
    if name in EMBEDDED:
        return embedded(name)
    return None if stored(name) else download(name)


def _read_table(path: Path, kind: str) -> tuple[Table, list[str], list[tuple[Key, str]]]:
    if kind == ".parquet":
        return Table.from_arrow(pa.concat_tables(parquet_batches(path, 2**16))), [], []
    lines = Lines(path)
    parts = list(lines)
    skipped: list[tuple[Key, str]] = list(lines.skipped)
    rows = sum(part.num_rows for part in parts)
    if len(skipped) > rows:
        raise DataError(
            f"{path.name} is no table: {len(skipped)} of {len(skipped) + rows} lines have {skipped[0][1]}",
            "the first line must be the header, with one name per column",
        )
    notes = (
        [f"{len(skipped)} lines were left out, the first (row {skipped[0][0]}) had {skipped[0][1]}"] if skipped else []
    )
    return Table.from_arrow(pa.concat_tables(parts)), lines.notes + notes, skipped


def _from_table(
    table: Columns,
    name: str,
    label: Any,
    group: str | None,
    time: str | None,
    drop: tuple[str, ...],
    skipped: Sequence[tuple[Key, str]] = (),
) -> Data:
    for column in (group, time, *drop):
        if column is not None and column not in table.names:
            raise _unknown(column, table.names, "column")
    is_column = isinstance(label, str) and label in table.names
    if isinstance(label, str) and not is_column and not Path(label).is_file():
        raise _unknown(label, table.names, "column")
    keys = _keys(table, {place for place, _ in skipped})
    data = Data(
        table.drop([*drop, *(column for column in (group, time, label if is_column else None) if column is not None)]),
        keys=keys,
        groups=None if group is None else table.column(group),
        times=None if time is None else as_times(table.column(time), time),
        name=name,
        notes=list(table.notes),
        skipped=list(skipped),
    )
    if not data.x.names:
        raise DataError("no column is left to learn from", "drop fewer columns")
    if time is not None:
        data.notes.append(f"column {time!r} orders the rows and is not learned from")
    if is_column and table.kinds[label] == "time":
        raise DataError(f"column {label!r} holds times, which are no labels", "name a column of classes or numbers")
    return _finish(data, table.column(label) if is_column else label)


def _keys(table: Columns, gone: set[Key]) -> np.ndarray:
    """The first id column when it is complete and without repetition, else row numbers of the source."""
    for name in table.names:
        if table.kinds[name] == "id":
            cells = [str(int(v)) if isinstance(v, float) and v == v else v for v in table.column(name).tolist()]
            if all(isinstance(cell, str) for cell in cells) and len(set(cells)) == len(cells):
                return np.array(cells, object)
    rows = np.arange(len(table) + len(gone))
    return rows[~np.isin(rows, list(gone))] if gone else rows


def _from_npz(
    npz: Npz,
    name: str,
    label: Any,
    group: str | None,
    time: str | None,
    drop: tuple[str, ...],
    unlike_to: tuple[int, int] | None,
) -> Data:
    if set(npz.entries) >= SPARSE:
        _no_columns(npz.path.name, group, time, drop)
        return _finish(Data(npz.read_sparse(), name=name), label)
    for array in (group, time, *drop):
        if array is not None and array not in npz.entries:
            raise _unknown(array, npz.entries, "array")
    place, beside = samples_in(npz, {label, group, time, *drop} if isinstance(label, str) else {group, time, *drop})
    keys, skipped, notes, good = None, [], [], None
    if place == "jpeg":
        pictures = packed_pictures(npz.read("jpeg"), npz.read("offset"))
        shape, notes = common_shape(pictures, unlike_to)
        keys = np.arange(len(pictures))
        x, good, skipped = read_pictures(pictures, keys.tolist(), shape)
        if skipped:
            keys = keys[good]
            notes.append(f"{len(skipped)} unreadable pictures were left out")
    else:
        x = _shaped(npz.read(place), place)
    if label is None and beside in npz.entries:
        label = beside
    elif isinstance(label, str) and label not in npz.entries and not Path(label).is_file():
        raise _unknown(label, npz.entries, "array")
    named = {
        array: npz.read(array) for array in (group, time, label) if isinstance(array, str) and array in npz.entries
    }
    if good is not None:
        named = {array: values[good] if len(values) == len(good) else values for array, values in named.items()}
    data = Data(x, keys=keys, name=name, notes=notes, skipped=skipped)
    data.groups = None if group is None else named[group]
    data.times = None if time is None else as_times(Columns({time: named[time]}).column(time), time)
    return _finish(data, named[label] if isinstance(label, str) and label in named else label)


def samples_in(npz: Npz, taken: Collection[Any] = ()) -> tuple[str, str]:
    """The array of samples in an .npz, and the name its labels have by default.

    errors  DataError when several arrays could be it
    """
    for place, beside in (("x", "y"), ("X", "y"), ("x_train", "y_train"), ("jpeg", "y")):
        if place in npz.entries and (place != "jpeg" or "offset" in npz.entries):
            return place, beside
    wide = [name for name, one in npz.entries.items() if len(one.shape) >= 2 and name not in taken]
    if len(wide) != 1:
        listed = ", ".join(f"{name} {one.shape}" for name, one in list(npz.entries.items())[:8])
        raise DataError(f"{npz.path.name} holds {listed}: which are the samples?", "call that array x")
    return wide[0], "y"


def _from_folder(folder: Path, label: Any, unlike_to: tuple[int, int] | None) -> Data:
    files = picture_files(folder)
    if not files:
        raise DataError(
            f"the folder {folder.name} holds no pictures", "give png, jpeg, bmp, gif, webp, tiff or ppm files"
        )
    keys = [path.relative_to(folder).as_posix() for path in files]
    shape, notes = common_shape(files, unlike_to)
    x, good, skipped = read_pictures(files, keys, shape)
    if skipped:
        notes.append(f"{len(skipped)} unreadable pictures were left out: {skipped[0][0]} ({skipped[0][1]})")
    tops = np.array([key.split("/")[0] if "/" in key else None for key in keys], object)
    if label is None or label == "folder":
        classes = {top for top in tops[good] if top is not None}
        if len(classes) == 1 and label is None:
            notes.append("all pictures lie in one folder, so that they have no labels")
        labels: Any = tops if len(classes) > 1 or label == "folder" else None
    else:
        labels = read_labels(Path(label), len(files)) if isinstance(label, str | Path) else label
    if labels is not None and len(labels) == len(files):
        labels = np.asarray(labels)[good]
    kept = np.array(keys, object)[good]
    return _finish(Data(x, keys=kept, name=folder.resolve().name, notes=notes, skipped=skipped), labels)


def _finish(data: Data, label: Any) -> Data:
    """Check the samples and join the labels, which may still be a file."""
    if not isinstance(data.x, Columns):
        data.x = as_array(data.x)
    n = rows_of(data.x)
    if n < 2:
        raise DataError(f"{data.name} has {'one row' if n else 'no rows'}", "nothing can be learned from it: give more")
    if not isinstance(data.x, Columns):
        if data.x.ndim > 1 and 0 not in data.x.shape:
            column_ranges(data.x)
        if data.x.ndim < 2:
            raise DataError(f"{data.name} is an array with one axis", "give (samples, features)")
    if data.keys is None:
        data.keys = np.arange(n)
    if label is not None:
        given = read_labels(Path(label), n) if isinstance(label, str | Path) else label
        data.labels, notes = as_labels(given, n)
        data.notes = [*data.notes, *notes]
    for word, values in (("groups", data.groups), ("times", data.times)):
        if values is not None and len(values) != n:
            raise DataError(f"{word}: {len(values)} entries for {n} samples", "give one per sample")
    return data


def _no_columns(what: str, group: str | None, time: str | None, drop: tuple[str, ...]) -> None:
    for column in (group, time, *drop):
        if column is not None:
            raise DataError(f"{what} has no column {column!r}", "only tables and .npz files have named columns")


def _unknown(name: str, known: Any, word: str) -> DataError:
    known = list(known)
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return DataError(
        f"no {word} is called {name!r}{did_you_mean(name, known)}", f"known: {', '.join(known[:12])}{more}"
    )
