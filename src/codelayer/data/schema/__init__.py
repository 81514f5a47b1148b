"""The schema: how samples become the float32 numbers that everything downstream sees, and how they come back.

Reads  arrays (n, features), pictures (n, H, W[, C]), sequences (n, T, C), CSR rows, or named `Columns`.
Gives  `encode` (n, *shape), `known`, `inverse`, notes for the user, and plain JSON for the bundle.
Skips  labels, which it never looks at; files (load); guessing what a column is from its texts (tables).
Needs  numpy alone: a torch-free runtime is packed from this folder, errors, registry and bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError, did_you_mean
from .arrays import as_array, column_ranges, moments, not_finite, one_range, row_blocks
from .cells import objects
from .column import Block, Column, fit_column
from .columns import Columns
from .saved import schema_fields, schema_json

__all__ = ["Block", "Column", "Columns", "Schema"]

SCALES = ("auto", "block", "columns", "none")
EXACT = ("float32", "float16", "uint8", "int8", "uint16", "int16", "bool")  # single precision holds these exactly


@dataclass(frozen=True, eq=False)
class Schema:
    """Constants learned from training rows that turn samples into float32 and back.

    kind        "array", "image", "sequence" or "table"
    shape       of one encoded sample: (features,), images (H, W, C), sequences (T, C)
    scale       "block", "columns" or "none": what "auto" decided, or what was asked for
    center      encoded = (value - center) / spread, one number or one per entry of the last axis; empty for tables
    spread      see center
    dtype       "uint8" (images, grey levels), "float32" or "float64": what `inverse` gives
    flat        the images came without a channel axis
    unit_range  the encoded training rows lie in [0, 1]
    columns     of a table, in order, also those left out
    notes       what was left out, and why
    """

    kind: str
    shape: tuple[int, ...]
    scale: str
    center: np.ndarray
    spread: np.ndarray
    dtype: str = "float64"
    flat: bool = False
    unit_range: bool = False
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    table: ClassVar[type[Columns]] = Columns  # what `inverse` gives for tables; data.tables puts its own here

    @classmethod
    def fit(cls, x: Any, scale: str = "auto") -> Schema:
        """Learn the constants of x: ndarray, tensor, CSR or Columns. uint8 with 3 or 4 axes are pictures.

        scale   "block" one range for all, "columns" each standardised, "none", or "auto": one block when the
                columns that change mostly share one range, pictures always
        errors  DataError: no rows, no plain numbers, NaN or infinities in an array, no column left
        """
        if scale not in SCALES:
            raise DataError(
                f"scale={scale!r} is not known{did_you_mean(str(scale), SCALES)}", f"it is one of {', '.join(SCALES)}"
            )
        x = x if isinstance(x, Columns) else as_array(x)
        if x.shape[0] == 0 if not isinstance(x, Columns) else len(x) == 0:
            raise DataError("there are no rows", "give at least one sample")
        if isinstance(x, Columns):
            return _fit_table(x, scale)
        return _fit_array(x, scale)

    @property
    def features(self) -> int:
        """Numbers in one encoded sample."""
        return int(np.prod(self.shape))

    @cached_property
    def _single(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Center and spread in single precision, where that rounds a code by less than a hundred thousandth."""
        if self.kind == "table" or (np.abs(self.center) > 64 * np.abs(self.spread)).any():
            return None
        return np.asarray(self.center, np.float32), np.asarray(self.spread, np.float32)

    @cached_property
    def layout(self) -> tuple[Block, ...]:
        """The blocks of the flattened encoded sample, left to right."""
        if self.kind != "table":
            return (Block("numeric", 0, self.features),)
        found: list[Block] = []
        for column in self.columns:
            found += column.blocks(found[-1].stop if found else 0)
        return tuple(found)

    @property
    def names(self) -> list[str]:
        """Names of the encoded features."""
        if self.kind != "table":
            return [f"x{i}" for i in range(self.features)]
        return [label for column in self.columns for label in column.labels()]

    def encode(self, x: Any) -> np.ndarray:
        """Samples as float32 (n, *shape).

        A table column that is not there counts as missing, a new one is passed over, an unseen category is unknown.
        errors  DataError: another width, a column of another type, NaN or infinities in an array
        """
        if self.kind == "table":
            return self._encode_table(x)[0]
        x = self._same_shape(x)
        out = np.empty((x.shape[0], *self.shape), np.float32)
        for rows in row_blocks(x.shape[0], self.features):
            part = x[rows].toarray() if hasattr(x, "tocsr") else x[rows]
            part = part.reshape(len(part), *self.shape)
            center, spread = self._single if self._single and part.dtype in EXACT else (self.center, self.spread)
            with np.errstate(over="ignore", invalid="ignore"):
                centered = np.subtract(part, center, dtype=center.dtype)
                np.divide(centered, spread, out=out[rows], casting="same_kind")
                # one fast pass; a sum may overflow where no number does, so look again
                if not np.isfinite(out[rows].sum()) and not np.isfinite(out[rows]).all():
                    raise _cannot_encode(x[rows], rows.start)
        return out

    def known(self, x: Any) -> np.ndarray | None:
        """float32 (n, features), 0 where the value is missing and must not be charged; None when all are known."""
        if self.kind != "table":
            return None
        known = self._encode_table(x)[1]
        return None if known.all() else known.astype(np.float32)

    def encode_row(self, row: Mapping[str, Any]) -> np.ndarray:
        """One sample from a dict, float32 (1, *shape): equal to its row of a batch.

        Tables read their columns by name; an array is given by its feature names x0, x1, ... or under "x".
        """
        if self.kind == "table":
            return self.encode(Columns({name: objects([value]) for name, value in row.items()}))
        if "x" in row:
            return self.encode(np.asarray(row["x"])[None])
        absent = [name for name in self.names if name not in row]
        if absent:
            raise DataError(f"the row lacks {absent[0]!r}", 'give every feature, or the whole sample under "x"')
        return self.encode(np.array([[row[name] for name in self.names]]).reshape(1, *self._raw_shape()))

    def inverse(self, encoded: Any) -> Any:
        """Encoded samples (n, *shape) or (n, features) in the units and the kind of the input.

        Arrays come dense, uint8 pictures as uint8 (rounded, clipped), tables with the columns that were encoded.
        """
        encoded = as_array(encoded)
        if encoded.size != encoded.shape[0] * self.features:
            raise DataError(f"encoded rows of shape {encoded.shape[1:]} do not fit", f"they have shape {self.shape}")
        if self.kind == "table":
            return self._decode_table(encoded.reshape(len(encoded), -1))
        encoded = encoded.reshape(len(encoded), *self.shape)
        out = np.empty(encoded.shape, self.dtype)
        for rows in row_blocks(len(encoded), self.features):
            plain = encoded[rows].astype(np.float64) * self.spread + self.center
            out[rows] = np.clip(np.rint(plain), 0, 255) if self.dtype == "uint8" else plain
        return out[..., 0] if self.flat else out

    def check(self, x: Any) -> list[str]:
        """Can x be encoded? Notes on what differs from training: new and missing columns, unseen categories.

        errors  DataError as in `encode`
        """
        if self.kind != "table":
            self._same_shape(x)
            return []
        used = {column.name for column in self.columns if column.labels()}
        self._encode_table(x.take(slice(0, 0)) if isinstance(x, Columns) else x)
        known = {column.name for column in self.columns}
        notes = [f"column {name!r} is not there and counts as missing" for name in sorted(used - set(x.names))]
        notes += [f"column {name!r} is new and was passed over" for name in x.names if name not in known]
        for column in self.columns:
            if column.name not in x.names or not column.labels():
                continue
            encoded = column.encode(x.column(column.name))[0]
            unseen = int(encoded[:, -2].sum()) if column.kind == "category" else 0
            if unseen:
                notes.append(f"column {column.name!r} holds an unseen category in {unseen} of {len(x)} rows")
        return notes

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; `from_json` of it encodes to the same bits."""
        return schema_json(self)

    @classmethod
    def from_json(cls, data: Any) -> Schema:
        """The schema that `to_json` wrote.

        errors  BundleError when anything in it is not as `to_json` writes it
        """
        return cls(**schema_fields(data))

    def _raw_shape(self) -> tuple[int, ...]:
        return self.shape[:-1] if self.flat else self.shape

    def _same_shape(self, x: Any) -> Any:
        if isinstance(x, Columns):
            raise DataError(
                f"this was fitted on an array of shape (n, {', '.join(map(str, self.shape))}), not on a table",
                "give an array of that shape",
            )
        x = as_array(x)
        if x.shape[1:] not in (self.shape, self._raw_shape()):
            got, want = (f"({', '.join(map(str, ('n', *s)))})" for s in (x.shape[1:], self._raw_shape()))
            raise DataError(f"the array has shape {got}, but had {want} when this was fitted", f"give shape {want}")
        return x

    def _encode_table(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(x, Columns):
            raise DataError("this was fitted on a table, not on an array", "give a frame or Table with its columns")
        used = [column for column in self.columns if column.labels()]
        if not any(column.name in x.names for column in used):
            wanted = ", ".join(repr(column.name) for column in used[:4])
            raise DataError("none of the columns this was fitted on is there", f"it reads {wanted}")
        out = np.empty((len(x), *self.shape), np.float32)
        known = np.ones((len(x), *self.shape), bool)
        gone = objects([None] * len(x))
        for column in used:
            values = x.column(column.name) if column.name in x.names else gone
            encoded, sure = column.encode(values)
            block = self._blocks_of[column.name]
            out[:, block.start : block.start + encoded.shape[1]] = encoded
            known[:, block.start : block.stop] = sure[:, None]
        return out, known

    @cached_property
    def _blocks_of(self) -> dict[str, Block]:
        return {block.name: block for block in reversed(self.layout)}

    def _decode_table(self, encoded: np.ndarray) -> Columns:
        used = [column for column in self.columns if column.labels()]
        starts = [self._blocks_of[column.name].start for column in used]
        plain = {c.name: c.decode(encoded[:, s : s + len(c.labels())]) for c, s in zip(used, starts, strict=True)}
        return type(self).table(plain, {column.name: column.kind for column in used})


def _cannot_encode(part: Any, start: int) -> DataError:
    low = part.data if hasattr(part, "tocsr") else part
    if np.isfinite(low).all():
        return DataError(
            f"a number after row {start} is too far from the training rows to be scaled", "mend it or leave the row out"
        )
    return not_finite(part, start)


def _fit_array(x: Any, scale: str) -> Schema:
    kind, flat = _array_kind(x)
    sparse = hasattr(x, "tocsr")
    x = x[..., None] if flat else x
    low, high = column_ranges(x)
    grey = kind == "image" and x.dtype == np.uint8
    if kind == "image" and scale in ("auto", "block"):
        scale, low, high = "block", *_picture_range(low, high, grey)
    elif scale == "auto":
        scale = "block" if kind == "array" and one_range(low, high) else "columns"
    if scale == "columns" and not sparse:
        center, spread = moments(x)
        center, spread = np.where(low < high, center, low), np.where((low < high) & (spread > 0), spread, 1.0)
    elif scale == "none":
        center, spread = np.zeros(1), np.ones(1)
    elif sparse:  # no centring: the zeros must stay zeros
        center, spread = np.zeros(1), np.maximum(np.abs(low), np.abs(high))
        spread = np.where(spread > 0, spread, 1.0) if scale == "columns" else np.array([spread.max() or 1.0])
    else:
        center = np.array([low.min()])
        spread = np.array([high.max() - low.min() or 1.0])
    inside = bool(((low - center) / spread >= 0).all() and ((high - center) / spread <= 1).all())
    dtype = "uint8" if grey else "float32" if x.dtype == np.float32 else "float64"
    notes = () if kind != "sequence" else (_in_time(x.shape),)
    return Schema(kind, tuple(x.shape[1:]), scale, center, spread, dtype, flat, inside, notes=notes)


def _in_time(shape: tuple[int, ...]) -> str:
    return (
        f"numbers of shape {shape} are read as courses of {shape[1]} times and {shape[2]} channels; "
        "if they are pictures, give them an axis of channels: x[..., None]"
    )


def _array_kind(x: Any) -> tuple[str, bool]:
    if x.ndim < 2 or 0 in x.shape:
        raise DataError(f"an array of shape {x.shape} has no samples with features", "give (samples, features)")
    whole = x.dtype.kind in "iub"
    if x.ndim == 2:
        return "array", False
    if x.ndim == 3:
        return ("image", True) if whole else ("sequence", False)
    if x.ndim == 4:
        return "image", False
    raise DataError(f"an array with {x.ndim} axes is not understood", "give (n, features), (n, T, C) or (n, H, W, C)")


def _picture_range(low: np.ndarray, high: np.ndarray, grey: bool) -> tuple[np.ndarray, np.ndarray]:
    if grey:
        return np.zeros(1), np.full(1, 255.0)
    if low.min() >= 0 and high.max() <= 1:
        return np.zeros(1), np.ones(1)
    return low, high


def _fit_table(table: Columns, scale: str) -> Schema:
    columns = [fit_column(name, table.kinds[name], table.column(name)) for name in table.names]
    numeric = [column for column in columns if column.kind == "numeric"]
    low, high = (np.array([getattr(column, side) for column in numeric]) for side in ("low", "high"))
    rest = any(column.labels() and column.kind != "numeric" for column in columns)
    if scale == "auto":
        scale = "block" if not rest and one_range(low, high) else "columns"
    if scale != "columns" and numeric:
        start = low.min() if scale == "block" else 0.0
        width = (high.max() - start or 1.0) if scale == "block" else 1.0
        columns = [
            replace(column, mean=float(start), scale=float(width)) if column.kind == "numeric" else column
            for column in columns
        ]
    shape = (sum(len(column.labels()) for column in columns),)
    left = [(column.name, column.kind) for column in columns if not column.labels()]
    if not shape[0]:
        raise DataError(
            f"no column is left to learn from: {', '.join(f'{name} ({kind})' for name, kind in left[:6])}",
            "text, id and constant columns are left out; give at least one number, category or time that changes",
        )
    words = {"constant": "never changes", "text": "is free text", "id": "is an id"}
    notes = [f"column {name!r} {words[kind]} and was left out" for name, kind in left]
    notes += [
        f"column {column.name!r} has more than {len(column.vocabulary)} categories: the rarer ones are read as unknown"
        for column in columns
        if column.kind == "category" and len(set(table.column(column.name).tolist()) - {None}) > len(column.vocabulary)
    ]
    inside = not any(c.kind == "time" for c in columns) and bool(
        scale == "block" or not numeric or (scale == "none" and low.min() >= 0 and high.max() <= 1)
    )
    return Schema(
        "table", shape, scale, np.zeros(0), np.zeros(0), "float64", False, inside, tuple(columns), tuple(notes)
    )
