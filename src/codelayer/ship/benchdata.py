"""The rows of `codelayer ship bench`, as they are typed: one --data for all, MODEL@ROWS for a model of its own.

Reads  words, and the sources they name.
Gives  `Entrant` records with their rows; every source is loaded once.
Skips  opening models (entrants).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data import load_data
from ..data.schema import Columns
from ..errors import DataError
from .entrants import Entrant

BETWEEN = "@"


def entrants(
    words: Sequence[str], data: str | None, label: str | None = None, drop: Sequence[str] = ()
) -> tuple[list[Entrant], list[str]]:
    """Models with their rows, and notes on the rows.

    words   MODEL or MODEL@ROWS; a path that is there and holds an @ is a model
    data    the rows of models without their own; None: each answers its own samples
    label, drop  columns to leave out, in every source that has them
    errors  DataError: rows that cannot be read, a column that no source has
    """
    split = [_split(word) for word in words]
    wanted = [source for source in dict.fromkeys([data, *(rows for _, rows in split)]) if source is not None]
    loaded, notes = _loaded(wanted, label, tuple(drop))
    own = [data if rows is None else rows for _, rows in split]
    pairs = zip(split, own, strict=True)
    return [Entrant(path, None if rows is None else loaded[rows]) for (path, _), rows in pairs], notes


def _split(word: str) -> tuple[str, str | None]:
    model, between, rows = word.rpartition(BETWEEN)
    if not between or Path(word).exists():
        return word, None
    if not model or not rows:
        raise DataError(f"{word!r} names no model with its rows", "write MODEL@ROWS, for example run@rows.csv")
    return model, rows


def _loaded(sources: Sequence[str], label: str | None, drop: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """The rows of every source without the columns that are no input; of several sources each may lack some of them."""
    found, notes, errors = {}, [], []
    nowhere = {*drop} if label is None else {label, *drop}
    for source in sources:
        try:
            one = load_data(source, label, drop=drop)
            nowhere = set()
        except DataError as error:
            if len(sources) == 1:
                raise
            errors.append(error)
            one = load_data(source)
            if isinstance(one.x, Columns):
                there = [name for name in (label, *drop) if name in one.x.names]
                nowhere -= {*there}
                one.x = one.x.drop(there)
        found[source] = one.x
        notes += [f"{source}: {note}" if len(sources) > 1 else note for note in one.notes]
    if nowhere:
        raise errors[0]
    return found, notes
