"""Data: any source becomes samples with a Schema.

Order  schema, tables, rows, textfiles, arrayfiles, images, named, labels, load, streaming, splits, augment.
Skips  importing anything before it is asked for: `data.schema` needs numpy alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .load import Data, load_data
    from .rows import rows_of, take
    from .schema import Schema
    from .splits import duplicate_ids, split
    from .streaming import readable, stream
    from .tables import Table

__all__ = ["Data", "Schema", "Table", "duplicate_ids", "load_data", "readable", "rows_of", "split", "stream", "take"]

_HOMES = {
    "Data": "load",
    "load_data": "load",
    "Schema": "schema",
    "Table": "tables",
    "duplicate_ids": "splits",
    "split": "splits",
    "readable": "streaming",
    "stream": "streaming",
    "rows_of": "rows",
    "take": "rows",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
