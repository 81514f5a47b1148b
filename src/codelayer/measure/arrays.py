"""What metrics are given, checked: rows of equal number, finite, in one order that depends on their content alone.

Reads  arrays (NumPy, CSR, tensors and frames by duck typing), mappings and lists of arrays, callables.
Gives  `checked`: what a metric needs by name, float32 or float64 where numbers are needed; rows whose label or factor
       is not known left out.
Skips  meaning: that is the metric's.

names    codes, x, rebuilt        numbers, one row per sample
         labels, coarse, nuisance one value per sample: a class or a number
         groups                   one value per sample: rows of one group never stand on both sides of a split
         factors                  (n, factors) ground truth, each column a number or a category
         layers                   stage name -> (n, units of the stage), in order
         seeds                    a list of codes of the same rows, from fits with other seeds
         encode, decode           callables: x -> codes, codes -> x
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from .draws import labelled

COLUMNS = ("labels", "coarse", "nuisance", "groups")
LABELS = ("labels", "coarse", "nuisance")
CALLABLES = ("encode", "decode")
MANY = ("layers", "seeds")
NAMES = ("codes", "x", "rebuilt", *COLUMNS, "factors", *MANY, *CALLABLES)


def checked(
    name: str, needs: Sequence[str], arrays: Mapping[str, Any], also: Sequence[str] = (), as_given: bool = False
) -> dict[str, Any]:
    """The arrays a metric needs, and those of `also` that are given (None where they are not).

    The rows are put in an order that depends on their content alone, unless they stay `as_given`.
    x keeps its shape where `encode` or `decode` is needed too, because they take samples as they are.
    errors  DataError: one is missing, they differ in rows, are not finite, or hold fewer than 3 rows
    """
    missing = [need for need in needs if arrays.get(need) is None]
    if missing:
        raise DataError(f"{name} needs {missing[0]}", f"give {', '.join(needs)}")
    given = [need for need in (*needs, *also) if arrays.get(need) is not None]
    flat = not set(CALLABLES) & set(given)
    ready = {need: _read(name, need, arrays[need], flat) for need in given}
    _check_rows(name, ready)
    known = known_rows({need: ready[need] for need in needs if need in ready})
    if known is not None:
        ready = {need: take(need, one, known) for need, one in ready.items()}
    flattened = [part for need, one in ready.items() for part in parts_of(need, one)]
    fewest = min((len(part) for part in flattened), default=3)
    if fewest < 3:
        raise DataError(f"{name} needs at least 3 rows, there are {fewest}", "measure on more (labelled) rows")
    if flattened and not as_given:
        order = canonical_order(flattened)
        ready = {need: take(need, one, order) for need, one in ready.items()}
    return {need: ready.get(need) for need in (*needs, *also)}


def known_rows(ready: Mapping[str, Any]) -> np.ndarray | None:
    """Rows whose labels and factors are all known, bool (n,); None where nothing of the kind is given."""
    known = [labelled(ready[need]) for need in LABELS if ready.get(need) is not None]
    if ready.get("factors") is not None:
        known.append(np.isfinite(ready["factors"]).all(1))
    return np.logical_and.reduce(known) if known else None


def take(need: str, value: Any, rows: np.ndarray) -> Any:
    """Rows of one thing a metric is given, whatever it is; callables stay."""
    if need in CALLABLES or value is None:
        return value
    if need == "layers":
        return {name: one[rows] for name, one in value.items()}
    return [one[rows] for one in value] if need == "seeds" else value[rows]


def plain(value: Any) -> np.ndarray:
    """A NumPy array from an array, a tensor, a frame or CSR rows (which become dense)."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "toarray"):
        value = value.toarray()
    return np.asarray(value)


def floats(name: str, value: Any, flat: bool = True) -> np.ndarray:
    """Finite float32 or float64 rows; flattened to (n, features) when flat.

    errors  DataError: not numbers, NaN or infinite, no column
    """
    array = plain(value)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} is of type {array.dtype}, not numbers", "give an array of numbers, one row per sample")
    if array.ndim == 0:
        raise DataError(f"{name} is a single value", "give an array with one row per sample")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    if flat or array.ndim == 1:
        array = array.reshape(len(array), -1) if len(array) else array.reshape(0, 1)
    if array.size == 0:
        raise DataError(f"{name} is empty (shape {array.shape})", "give at least 3 rows and one column")
    bad = ~np.isfinite(array).reshape(len(array), -1).all(1)
    if bad.any():
        where = f"in {bad.sum()} rows, first in row {bad.argmax()}"
        raise DataError(f"{name} has NaN or infinite values {where}", "remove or fill them")
    return array


def factor_table(value: Any, word: str = "factor") -> tuple[np.ndarray, list[str]]:
    """Factors as numbers (n, factors) float64, NaN where not known, and their names.

    value   (n, factors) array, one column (n,), a mapping name -> column, or a frame; categories become their places
            in sorted order
    word    of the names of columns without one: "factor 0", ...
    errors  DataError: no column, more than two dimensions, columns of unequal length
    """
    if isinstance(value, Mapping) or hasattr(value, "columns"):
        names = [str(name) for name in (value.columns if hasattr(value, "columns") else value)]
        columns = [plain(value[name]) for name in (value.columns if hasattr(value, "columns") else value)]
    else:
        array = plain(value)
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise DataError(f"factors have shape {array.shape}", "give (n, factors), one column per factor")
        columns = [array[:, j] for j in range(array.shape[1])]
        names = [f"{word} {j}" for j in range(array.shape[1])]
    if not columns or len({len(one) for one in columns}) > 1:
        raise DataError(
            f"factors are {len(columns)} columns of {sorted({len(one) for one in columns})} rows",
            "give at least one column, all of equal length",
        )
    return np.stack([_numbered(one) for one in columns], axis=1), names


def canonical_order(arrays: list[np.ndarray]) -> np.ndarray:
    """Row order by content: equal for every permutation of the same rows, equal rows side by side."""
    return np.lexsort([_key(array) for array in reversed(arrays)])


def _read(name: str, need: str, value: Any, flat: bool) -> Any:
    if need in CALLABLES:
        if not callable(value):
            taken = "x" if need == "encode" else "codes"
            raise DataError(
                f"{name} needs {need} as a callable, got {type(value).__name__}", f"give a function of {taken}"
            )
        return value
    if need in COLUMNS:
        return _column(need, value)
    if need == "factors":
        return factor_table(value)[0]
    if need == "layers":
        if not isinstance(value, Mapping) or not value:
            raise DataError(
                f"layers is of type {type(value).__name__}", "give a mapping: stage name -> (n, units), in order"
            )
        return {str(stage): floats(f"layer {stage}", one) for stage, one in value.items()}
    if need == "seeds":
        if isinstance(value, np.ndarray) and value.ndim == 3:
            value = list(value)
        if isinstance(value, np.ndarray) or not isinstance(value, Sequence) or not len(value):
            raise DataError(f"seeds is of type {type(value).__name__}", "give a list of codes (n, units), one per seed")
        return [floats(f"the code of seed {place}", one) for place, one in enumerate(value)]
    return floats(need, value, flat=flat)


def _check_rows(name: str, ready: Mapping[str, Any]) -> None:
    lengths = {need: len(part) for need, one in ready.items() for part in parts_of(need, one)}
    unequal = {len(part) for need, one in ready.items() for part in parts_of(need, one)}
    if len(unequal) > 1:
        told = ", ".join(f"{need} has {n}" for need, n in lengths.items())
        raise DataError(f"{name} needs arrays of equally many rows: {told}", "row i of each must be the same sample")
    if {"x", "rebuilt"} <= set(ready) and ready["x"].shape != ready["rebuilt"].shape:
        shapes = f"{ready['x'].shape[1]} and {ready['rebuilt'].shape[1]}"
        raise DataError(f"x and rebuilt have {shapes} features", "rebuilt is the decoder's answer to x")


def parts_of(need: str, value: Any) -> list[np.ndarray]:
    """The arrays of rows in one thing that is given: none for a callable, several for layers and seeds."""
    if need in CALLABLES or value is None:
        return []
    if need in MANY:
        return list(value.values()) if isinstance(value, Mapping) else list(value)
    return [value]


def _key(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        return np.unique(array.astype(str), return_inverse=True)[1].reshape(-1)
    rows = array.reshape(len(array), -1)
    weights = np.cos(np.arange(rows.shape[1]) * 1.7320508 + 0.5)
    step = max(1, 2**22 // rows.shape[1])
    # a product with BLAS would round a row differently by its place in the block; this sum does not
    parts = [np.multiply(rows[i : i + step], weights).sum(1) for i in range(0, len(rows), step)]
    return np.concatenate(parts)


def _column(need: str, value: Any) -> np.ndarray:
    array = plain(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{need} have shape {array.shape}", f"give one value of {need} per row")
    return array


def _numbered(column: np.ndarray) -> np.ndarray:
    """A factor as float64: numbers as they are, anything else as its place among the sorted values."""
    if column.dtype.kind in "fiub":
        return column.astype(np.float64)
    known = labelled(column)
    out = np.full(len(column), np.nan)
    out[known] = np.unique(column[known].astype(str), return_inverse=True)[1].reshape(-1)
    return out
