"""Which rows carry a label: counts of labels, draws of labelled rows, and what kind a label is.

Reads  labels as they come: strings, integers, floats, None.
Gives  index arrays, the same for every rival, so that rivals are compared on equal labels.
Skips  classes with fewer than two members: they cannot be learned from and scored at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError

DRAWS = 20


def labelled(y: Any) -> np.ndarray:
    """Which rows have a label, bool (n,).

    None, NaN and "" are no label; -1 is none among integers that are otherwise >= 0, if two other values are left.
    """
    y = _array(y)
    if y.dtype.kind == "f":
        return ~np.isnan(y)
    if y.dtype.kind in "US":
        return y != np.zeros(1, y.dtype)[0]
    if y.dtype.kind == "M":
        return ~np.isnat(y)
    if y.dtype.kind == "O":
        return np.array([not (v is None or v != v or (isinstance(v, str) and not v.strip())) for v in y], dtype=bool)
    if y.dtype.kind == "i" and (y == -1).any():
        rest = y[y != -1]
        if len(rest) and rest.min() >= 0 and len(np.unique(rest)) > 1:
            return y != -1
    return np.ones(len(y), dtype=bool)


def task_of(y: Any) -> str:
    """ "number" for non-integer floats or over 100 distinct numbers, else "class"."""
    known = _array(y)
    known = known[labelled(known)]
    if known.dtype.kind == "O":
        if not all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in known):
            return "class"
        known = known.astype(np.float64)
    if known.dtype.kind == "f":
        return "number" if (known != np.round(known)).any() or len(np.unique(known)) > 100 else "class"
    return "number" if known.dtype.kind in "iu" and len(np.unique(known)) > 100 else "class"


def numbers(y: Any) -> np.ndarray:
    """Labels as float64 (n,), NaN where there is none.

    errors  DataError: a label that is not a number, or is infinite
    """
    y = _array(y)
    out = np.full(len(y), np.nan)
    known = labelled(y)
    try:
        out[known] = y[known].astype(np.float64)
    except (ValueError, TypeError):
        raise DataError("the labels are not numbers", "use task='class', or give numbers") from None
    if np.isinf(out).any():
        raise DataError(f"the labels hold infinity, first in row {int(np.isinf(out).argmax())}", "remove such rows")
    return out


def scored_classes(y: Any) -> np.ndarray:
    """The classes with at least two members, sorted.

    errors  DataError: fewer than two such classes
    """
    y = _array(y)
    known = y[labelled(y)]
    values, sizes = _unique(known)
    if len(values) < 2:
        raise DataError(f"all {len(known)} labels are equal or missing", "labels of at least two classes are needed")
    values = values[sizes >= 2]
    if len(values) < 2:
        raise DataError(
            "fewer than two classes have two members", "label more rows of each class, or use task='number'"
        )
    return values


def class_index(y: Any, classes: np.ndarray) -> np.ndarray:
    """The place of each label in `classes`, int (n,); -1 for no label and for other classes."""
    y = _array(y)
    known = labelled(y)
    place = {value: i for i, value in enumerate(classes.tolist())}
    return np.array([place.get(v, -1) if ok else -1 for v, ok in zip(y.tolist(), known, strict=True)], dtype=np.intp)


def label_counts(y: Any, largest: int | None = None, task: str | None = None) -> list[int]:
    """1, 5, 10, 50, 100, 500, ... labels per class, up to the smallest class; for numbers 10, 50, 100, ... rows.

    largest  leave out counts above this
    errors   DataError: too few labels for one count
    """
    if (task or task_of(y)) == "class":
        index = class_index(y, scored_classes(y))
        limit, first = int(np.bincount(index[index >= 0]).min()), 1
    else:
        limit, first = int(np.isfinite(numbers(y)).sum()), 10
        if limit < 4:
            raise DataError(f"only {limit} rows have a number to predict", "label at least 4 rows")
    top = limit if largest is None else max(min(limit, largest), min(limit, first))
    ladder = [step * 10**power for power in range(12) for step in (1, 5)]
    return [count for count in ladder if first <= count <= top] or [top]


def label_draws(y: Any, count: int, seed: int = 0, draws: int = DRAWS, task: str | None = None) -> list[np.ndarray]:
    """Rows whose label a probe may see: `draws` index arrays, each `count` rows of every class (or rows, for numbers).

    Draw i depends on (seed, i) alone; the rows of a smaller count are among those of a larger one.
    errors  DataError: a class has fewer than `count` rows
    """
    if count < 1 or draws < 1:
        raise DataError(f"{draws} draws of {count} labels cannot be made", "both must be at least 1")
    if (task or task_of(y)) == "class":
        classes = scored_classes(y)
        index = class_index(y, classes)
        pools = [np.flatnonzero(index == place) for place in range(len(classes))]
        names = [f"class {value!r}" for value in classes.tolist()]
    else:
        pools, names = [np.flatnonzero(np.isfinite(numbers(y)))], ["the label column"]
    for pool, name in zip(pools, names, strict=True):
        if len(pool) < count:
            raise DataError(f"{name} has {len(pool)} labelled rows, {count} were asked for", "use label_counts(y)")
    picked = []
    for i in range(draws):
        rng = np.random.default_rng([seed, i])
        picked.append(np.concatenate([rng.permutation(pool)[:count] for pool in pools]))
    return picked


def _array(y: Any) -> np.ndarray:
    if hasattr(y, "detach"):
        y = y.detach().cpu().numpy()
    y = np.asarray(y)
    if y.ndim != 1:
        raise DataError(f"labels have shape {y.shape}", "give one label per row")
    return y


def _unique(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        found, sizes = np.unique(values, return_counts=True)
    except TypeError:  # mixed types have no order of their own
        tally: dict[Any, int] = {}
        for value in values.tolist():
            tally[value] = tally.get(value, 0) + 1
        ordered = sorted(tally, key=lambda v: (type(v).__name__, str(v)))
        found, sizes = np.empty(len(ordered), dtype=object), np.array([tally[v] for v in ordered])
        found[:] = ordered
    return found, sizes
