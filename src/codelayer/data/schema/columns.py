"""Columns: the plain table that a schema reads and gives back.

Reads  name -> values.
Gives  equally long typed columns, each with its kind.
Skips  frames and files (tables).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ...errors import DataError
from .cells import typed


class Columns:
    """Equally long named columns: float64, datetime64[us], or objects (str or None).

    columns  name -> values, made `typed`
    kinds    name -> "numeric", "category", "time", "text" or "id"; by type where it is not said
    notes    what the user should know about how they were read
    """

    def __init__(
        self, columns: Mapping[str, Any], kinds: Mapping[str, str] | None = None, notes: Sequence[str] = ()
    ) -> None:
        self._columns = {str(name): typed(_listed(str(name), values)) for name, values in columns.items()}
        lengths = {len(values) for values in self._columns.values()}
        if len(lengths) > 1:
            raise DataError(f"the columns are {sorted(lengths)} rows long", "give every column the same rows")
        self._length = lengths.pop() if lengths else 0
        natural = {"f": "numeric", "M": "time", "O": "category"}
        self.kinds = {
            name: (kinds or {}).get(name, natural[values.dtype.kind]) for name, values in self._columns.items()
        }
        self.notes = tuple(notes)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows: {', '.join(f'{n} {k}' for n, k in self.kinds.items())})"

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return list(self._columns)

    def column(self, name: str) -> np.ndarray:
        """The values of one column."""
        return self._columns[name]

    def take(self, rows: np.ndarray | slice) -> Self:
        """The rows, in the order asked for."""
        return type(self)._made({name: values[rows] for name, values in self._columns.items()}, self)

    def drop(self, names: Sequence[str]) -> Self:
        """All columns but these."""
        return type(self)._made({name: v for name, v in self._columns.items() if name not in set(names)}, self)

    @classmethod
    def _made(cls, columns: dict[str, np.ndarray], old: Columns) -> Self:
        new = cls({}, notes=old.notes)
        new._columns, new._length = columns, len(next(iter(columns.values()))) if columns else len(old)
        new.kinds = {name: old.kinds[name] for name in columns}
        return new


def _listed(name: str, values: Any) -> Sequence[Any] | np.ndarray:
    values = np.asarray(values) if hasattr(values, "__array__") else values
    listed = values.ndim == 1 if isinstance(values, np.ndarray) else isinstance(values, Sequence)
    if not listed or isinstance(values, str | bytes):
        raise DataError(f"column {name!r} is no list of values", "give each column one value per row")
    return values
