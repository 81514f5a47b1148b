"""Labels, groups and seed as the advisor takes them: checked before anything is computed.

Reads  what a caller gives: arrays, lists, columns.
Gives  task, labelled rows and their labels; groups as numbers; classes as texts, for two sets that are compared.
Skips  splits: `scoring` makes them.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ..data.labels import as_labels
from ..data.rows import rows_of
from ..data.schema.cells import objects, text_of
from ..data.tables import Table
from ..errors import DataError
from ..learn.heads import plain_label
from ..measure.draws import task_of
from .targets import known_labels

MOST_SEED = 2**31 - 1  # seeds of repeats and of new tries are a little larger, and end at 2^32


def checked_seed(seed: Any) -> int:
    """The seed as a plain number.

    errors  DataError: no whole number, below 0, too large
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) <= MOST_SEED:
        raise DataError(f"seed={seed!r} is not possible", f"it is a whole number from 0 to {MOST_SEED}")
    return int(seed)


def labels_of(X: Any, y: Any, task: str | None = None) -> tuple[str, np.ndarray, np.ndarray]:
    """Task ("class" or "number"), places of the rows that have a label, and their labels, as fine-tuning reads them.

    task    None: the labels decide
    errors  DataError: no label, all equal, another number than rows, a class with one label, another task, words as
            numbers
    """
    if task not in (None, "class", "number"):
        raise DataError(f"task={task!r} is not possible", 'it is "class" or "number"')
    if y is None:
        raise DataError("advice needs labels, but none were given", "label at least two rows of two classes")
    labelled, known, _ = known_labels(y, rows_of(X))
    if task == "number" and known.dtype.kind not in "fiub":
        raise DataError(f"the labels are no numbers ({known[0]!r})", 'leave task="number" away')
    if (task or task_of(known)) == "number":
        return "number", labelled, known.astype(np.float64)
    classes, counts = np.unique(known, return_counts=True)
    if counts.min() < 2:
        rare = classes[counts.argmin()]
        raise DataError(
            f"class {plain_label(rare)!r} has one label: nothing can be learned from it and scored on it too",
            "label at least two rows of every class, or leave that class out",
        )
    return "class", labelled, known


def groups_of(groups: Any, n: int, labelled: np.ndarray) -> np.ndarray | None:
    """The groups of the labelled rows as numbers from 0; None without groups.

    groups  one per row, numbers or texts, of all n rows
    errors  DataError: another number than rows, a labelled row without a group
    """
    if groups is None:
        return None
    column = _column(groups, n, "group")[labelled]
    missing = [one is None or one != one for one in column.tolist()]
    if any(missing):
        raise DataError(
            f"{sum(missing)} labelled rows have no group, first row {labelled[missing.index(True)]}",
            "give every labelled row a group: one of its own, where it belongs to no other row",
        )
    return np.unique(column, return_inverse=True)[1]


def classes_of(labels: Any, n: int) -> np.ndarray | None:
    """Labels as classes in words, (n,) of texts and None where there is none: 3, 3.0 and "3" are one class.

    errors  DataError: another number than rows
    """
    column = _column(labels, n, "label")
    if len({one for one in column.tolist() if one is not None and one == one}) > 1:
        found, _ = as_labels(column, n)  # among whole numbers -1 is no label
        column = column if found is None else found
    words = objects([None if one is None or one != one else text_of(one) for one in column.tolist()])
    return None if all(one is None for one in words) else words


def _column(given: Any, n: int, what: str) -> np.ndarray:
    """One cell per row: numbers with NaN, or texts with None, where there is none."""
    given = given.detach().cpu().numpy() if hasattr(given, "detach") else given
    given = given.to_numpy() if hasattr(given, "to_numpy") else given
    values = objects(list(given)) if isinstance(given, list | tuple) else np.asarray(given)
    if values.shape not in ((n,), (n, 1)):
        raise DataError(f"{what}s of shape {values.shape} do not fit {n} rows", f"give one {what} per row")
    return Table({what: values.reshape(-1)}).column(what)
