"""Tables: a frame or file becomes typed columns, each with its kind.

Reads  pandas, polars and pyarrow frames (through narwhals), arrow tables.
Gives  a `Table`: float64, datetime64[us] or texts; kinds numeric, category, time, text, id; notes on odd cells.
Skips  text and id columns (kept, but a schema leaves them out); dates that are not ISO; units such as "$3".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute

from ..errors import DataError
from .schema import Columns, Schema
from .schema.cells import MISSING, cell_of, number_of, objects, text_of, typed

pc: Any = pyarrow.compute  # its functions are made at run time, unseen by a type checker
_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[iI][nN][fF](inity)?)$"
_MOMENT = r"^\d{4}[-/]\d{2}[-/]\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$"
_ID_NAME = re.compile(r"(^|[\W_])(id|ids|uid|udi|uuid|guid|key|index|idx|unnamed: 0)$", re.IGNORECASE)
_NO_VALUE = ("?", "-", "--", ".", "n/a", "none", "missing", "unknown")


class Table(Columns):
    """Equally long named columns with their kinds, as read from a frame or a file."""

    @classmethod
    def from_frame(cls, frame: Any, kinds: Mapping[str, str] | None = None) -> Self:
        """Read a pandas, polars or pyarrow frame.

        kinds   what the named columns are, instead of guessing
        errors  DataError when it is no frame, or has no rows or columns
        """
        columns, notes = _frame_columns(frame)
        return cls._read(columns, notes, kinds or {})

    @classmethod
    def from_arrow(cls, table: pa.Table, kinds: Mapping[str, str] | None = None) -> Self:
        """Read an arrow table; what `from_frame` does, without asking for other frames."""
        names, notes = unique_names(table.column_names)
        return cls._read(dict(zip(names, table.columns, strict=True)), notes, kinds or {})

    @classmethod
    def _read(cls, columns: Mapping[str, Any], notes: list[str], kinds: Mapping[str, str]) -> Self:
        if not columns:
            raise DataError("the table has no columns", "give a table with a header and rows")
        values, found = {}, {}
        for name, raw in columns.items():
            values[name], kind, said = _infer(name, raw)
            found[name] = kinds.get(name, kind)
            notes += [f"column {name!r}: {note}" for note in said]
        return cls(values, found, notes)

    def to_arrow(self) -> pa.Table:
        """The columns as an arrow table; missing cells are null."""
        arrays = {name: pa.array(self.column(name), from_pandas=True) for name in self.names}
        return pa.table(
            {name: one.cast(pa.string()) if pa.types.is_null(one.type) else one for name, one in arrays.items()}
        )


Schema.table = Table  # so that inverse gives Tables wherever tables can be read


def is_frame(x: Any) -> bool:
    """Is x a pandas, polars or pyarrow frame (lazy ones too)?"""
    return isinstance(nw.from_native(x, pass_through=True), nw.DataFrame | nw.LazyFrame)


def unique_names(names: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Column names as distinct texts, and a note for each that had to change."""
    out: list[str] = []
    notes: list[str] = []
    for place, name in enumerate(names):
        text = str(name).strip().removeprefix("\ufeff") if name is not None else ""
        plain = text = text or f"unnamed: {place}"
        count = 1
        while text in out:
            text, count = f"{plain}.{count}", count + 1
        if text != str(name).strip().removeprefix("\ufeff"):
            notes.append(
                f"column {place + 1} is called {str(name)!r}{' again' if plain in out else ''}: read as {text!r}"
            )
        out.append(text)
    return out, notes


def known_columns(table: pa.Table, kinds: Mapping[str, str]) -> Table:
    """The columns of an arrow table that a schema knows, by its kinds; nothing is guessed from one batch."""
    names, _ = unique_names(table.column_names)
    columns: dict[str, np.ndarray] = {}
    for name, raw in zip(names, table.columns, strict=True):
        if name in kinds:
            columns[name] = _as_kind(raw, kinds[name])
    return Table(columns, {name: kinds[name] for name in columns})


def _as_kind(raw: pa.ChunkedArray, kind: str) -> np.ndarray:
    raw = _plain(raw)
    if not pa.types.is_string(raw.type):
        return _natural(raw)
    texts = _trimmed(raw)
    if kind == "numeric":
        try:
            return typed(_floats(texts))
        except pa.ArrowInvalid:  # odd cells: the schema decides whether they are few
            pass
    return objects([cell_of(cell) for cell in texts.to_pylist()])


def _frame_columns(frame: Any) -> tuple[dict[str, Any], list[str]]:
    if hasattr(frame, "set_axis") and hasattr(frame, "columns"):  # pandas allows a name twice, narwhals does not
        names, notes = unique_names(list(frame.columns))
        frame = frame.set_axis(names, axis=1)
    elif isinstance(frame, pa.Table):
        names, notes = unique_names(frame.column_names)
        frame = frame.rename_columns(names)
    else:
        names, notes = None, []
    wrapped = nw.from_native(frame, pass_through=True)
    if isinstance(wrapped, nw.LazyFrame):
        wrapped = wrapped.collect()
    if not isinstance(wrapped, nw.DataFrame):
        raise DataError(f"a {type(frame).__name__} is not a frame", "give a pandas, polars or pyarrow frame")
    if names is None:
        names, notes = unique_names(wrapped.columns)
    columns = [wrapped[name] for name in wrapped.columns]
    loose = (nw.Object, nw.Unknown)
    return {
        name: one.to_list() if isinstance(one.dtype, loose) else _arrow(one)
        for name, one in zip(names, columns, strict=True)
    }, notes


def _arrow(series: Any) -> Any:
    try:
        return series.to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return series.to_list()


def _plain(raw: Any) -> pa.ChunkedArray:
    raw = raw if isinstance(raw, pa.ChunkedArray) else pa.chunked_array([raw])
    if pa.types.is_dictionary(raw.type):
        raw = raw.cast(raw.type.value_type)
    texts = (pa.types.is_large_string, pa.types.is_string_view, pa.types.is_boolean)
    return raw.cast(pa.string()) if any(is_one(raw.type) for is_one in texts) else raw


def _natural(raw: pa.ChunkedArray) -> np.ndarray:
    kind = raw.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return raw.cast(pa.float64(), safe=False).to_numpy()
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        moments = raw.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False)
        return moments.cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]")
    if pa.types.is_duration(kind):
        seconds = raw.cast(pa.duration("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        return seconds.to_numpy() / 1e6
    if pa.types.is_null(kind):
        return objects([None] * len(raw))
    return objects([None if cell is None else str(cell) for cell in raw.to_pylist()])


def _infer(name: str, raw: Any) -> tuple[np.ndarray, str, list[str]]:
    """Values, kind and notes of one raw column: arrow, or a list of Python objects."""
    if isinstance(raw, list):
        return _infer_objects(name, raw)
    flagged = pa.types.is_dictionary(raw.type) or pa.types.is_boolean(raw.type)
    raw = _plain(raw)
    if pa.types.is_string(raw.type):
        return _infer_texts(name, _trimmed(raw), flagged)
    values = _natural(raw)
    if values.dtype.kind == "O" and not pa.types.is_null(raw.type):
        return values, "text", [] if pa.types.is_time(raw.type) else [f"cells of type {raw.type} are not read"]
    if values.dtype.kind != "f":
        return values, "time" if values.dtype.kind == "M" else "category", []
    return _numbers(name, values, flagged)


def _numbers(name: str, values: np.ndarray, flagged: bool = False) -> tuple[np.ndarray, str, list[str]]:
    wild = int(np.isinf(values).sum())
    values = typed(values)
    notes = [f"{wild} infinite cell{'s' * (wild > 1)} count as missing"] if wild else []
    if flagged:
        return objects([None if v != v else text_of(v) for v in values.tolist()]), "category", notes
    is_id = _ID_NAME.search(name) and len(values) >= 10 and len(np.unique(values)) == len(values)
    return values, "id" if is_id and (values == np.floor(values)).all() else "numeric", notes


def _infer_objects(name: str, cells: list[Any]) -> tuple[np.ndarray, str, list[str]]:
    """Python objects: mostly numbers is a number column whose odd cells are missing; else by their texts."""
    read = [cell_of(cell) for cell in cells]
    kinds = Counter(type(cell) for cell in read if cell is not None)
    if set(kinds) == {np.datetime64}:
        return typed(read), "time", []
    if kinds[float] * 2 > kinds.total():
        wild = sum(isinstance(cell, float) and cell in (np.inf, -np.inf) for cell in cells)
        numbers = np.array([_to_number(cell) for cell in read])
        odd = [cell for cell, value in zip(read, numbers, strict=True) if cell is not None and value != value]
        values, kind, notes = _numbers(name, numbers)
        notes += [f"{wild} infinite cells count as missing"] if wild else []
        return values, kind, notes + _odd(odd, "numbers")
    texts = [cell if cell is None or isinstance(cell, str) else text_of(cell) for cell in read]
    return _infer_texts(name, pa.chunked_array([pa.array(texts, pa.string())]), False)


def _to_number(cell: Any) -> float:
    if isinstance(cell, float):
        return cell
    return {"true": 1.0, "false": 0.0}.get(cell, number_of(cell)) if isinstance(cell, str) else np.nan


def _trimmed(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = pc.utf8_trim_whitespace(raw)
    return pc.if_else(pc.is_in(texts, value_set=pa.array(sorted(MISSING))), None, texts)


def _floats(texts: pa.ChunkedArray) -> np.ndarray:
    return texts.cast(pa.float64()).to_numpy()


def _infer_texts(name: str, texts: pa.ChunkedArray, flagged: bool) -> tuple[np.ndarray, str, list[str]]:
    present = len(texts) - texts.null_count
    if flagged or not present:
        return _text_cells(texts), "category", []
    numeric = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), False)
    share = pc.sum(numeric).as_py() / present
    if share == 1 or (share >= 0.5 and _mostly_numbers(texts, numeric, share)):
        values, kind, notes = _numbers(name, _floats(pc.if_else(numeric, texts, None)))
        odd = texts.filter(pc.and_(pc.invert(numeric), texts.is_valid())).to_pylist()
        return values, kind, notes + _odd(odd, "numbers")
    moment = pc.fill_null(pc.match_substring_regex(texts, _MOMENT), False)
    if pc.sum(moment).as_py() >= 0.95 * present:
        stamps = _moments(pc.if_else(moment, texts, None))
        cells = texts.to_pylist()
        odd = [cell for cell, gone in zip(cells, np.isnat(stamps), strict=True) if cell is not None and gone]
        return stamps, "time", _odd(odd, "times")
    return _text_cells(texts), _text_kind(name, texts, present), []


def _mostly_numbers(texts: pa.ChunkedArray, numeric: pa.ChunkedArray, share: float) -> bool:
    """Are the texts that are no numbers odd cells, rather than categories such as "50plus" among ages?"""
    odd = pc.unique(texts.filter(pc.and_(pc.invert(numeric), texts.is_valid()))).to_pylist()
    if len(odd) == 1 and odd[0].lower() in _NO_VALUE:
        return True
    distinct = pc.count_distinct(texts.filter(numeric)).as_py()
    return share >= 0.95 or distinct > 20 or distinct * 2 > pc.sum(numeric).as_py()


def _moments(texts: pa.ChunkedArray) -> np.ndarray:
    texts = pc.replace_substring(texts, "/", "-")
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _natural(texts.cast(kind))
        except pa.ArrowInvalid:
            continue
    return np.array([_moment(cell) for cell in texts.to_pylist()], "datetime64[us]")


def _moment(cell: str | None) -> np.datetime64:
    try:
        moment = None if cell is None else cell_of(datetime.fromisoformat(cell))
        return moment if isinstance(moment, np.datetime64) else np.datetime64("NaT")
    except (ValueError, OverflowError):
        return np.datetime64("NaT")


def _text_cells(texts: pa.ChunkedArray) -> np.ndarray:
    return objects(texts.to_pylist())


def _text_kind(name: str, texts: pa.ChunkedArray, present: int) -> str:
    distinct = pc.count_distinct(texts, mode="only_valid").as_py()
    if distinct <= 20 and (distinct < present or present < 10):
        return "category"
    if distinct * 2 <= present:
        return "category"
    length = pc.mean(pc.utf8_length(texts)).as_py()
    spaced = pc.mean(pc.match_substring(texts, " ").cast(pa.int8())).as_py()
    if length > 40 or (spaced > 0.5 and length > 15):
        return "text"
    return "id" if distinct > 0.9 * present or _ID_NAME.search(name) else "category"


def _odd(cells: list[Any], want: str) -> list[str]:
    if not cells:
        return []
    shown = ", ".join(repr(str(cell)[:20]) for cell in list(dict.fromkeys(cells))[:3])
    return [f"{len(cells)} cell{'s' * (len(cells) > 1)} that are no {want} count as missing ({shown})"]
