"""What a card is given: arrays of one set of rows, checked one by one, and the same with a rival in the code's place.

Reads  codes, and whatever else there is (see `arrays`).
Gives  `Given`: arrays that fit one another, why others do not, notes; `rivals`: raw features and PCA of equal width.
Skips  stopping for one thing that does not fit: it is left out with a sentence, and what does not need it is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import CALLABLES, COLUMNS, MANY, factor_table, floats, plain, take
from .draws import labelled, scored_classes, task_of
from .record import one_thread

FEW = 3
ALIKE = 0.01  # of the largest code: what rounding or another batch may change


@dataclass(frozen=True)
class Given:
    """Arrays by name; of several nuisances, one at a time.

    absent     name -> why it cannot be used
    nuisances  name -> column; "" where there was one column without a name
    """

    arrays: dict[str, Any]
    absent: dict[str, str] = field(default_factory=dict)
    nuisances: dict[str, np.ndarray] = field(default_factory=dict)
    factors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    task: str | None = None

    def with_codes(self, codes: np.ndarray) -> Given:
        """The same rows with another code, of which nothing but the code is known."""
        kept = {name: one for name, one in self.arrays.items() if name not in ("decode", "encode", "rebuilt", *MANY)}
        return replace(self, arrays=kept | {"codes": codes})

    def naming(self, nuisance: str) -> dict[str, Any]:
        """The arrays, one nuisance among them."""
        found = self.nuisances.get(nuisance)
        return self.arrays if found is None else self.arrays | {"nuisance": found}

    def why_not(self, needs: tuple[str, ...]) -> tuple[list[str], str]:
        """The arrays that are lacking, and the sentence that says so."""
        lacking = [need for need in needs if need not in self.arrays and not (need == "nuisance" and self.nuisances)]
        told = next((self.absent[need] for need in lacking if need in self.absent), "")
        return lacking, told or f"{' and '.join(lacking)} not given"


def given(codes: Any, task: str | None, others: Mapping[str, Any]) -> Given:
    """What the card can use of what it was given.

    errors  DataError: codes that are no finite numbers, or fewer than 3 rows
    """
    arrays: dict[str, Any] = {"codes": floats("codes", codes)}
    if len(arrays["codes"]) < FEW:
        raise DataError(f"codes has {len(arrays['codes'])} rows", f"a card needs at least {FEW}")
    found = Given(arrays)
    for name, value in others.items():
        if value is None:
            continue
        try:
            _add(found, name, value)
        except DataError as error:
            found.absent[name] = str(error)
    for name, why in found.absent.items():
        found.notes.append(f"{name} is left out: {why.splitlines()[0]}")
    _check_widths(found)
    return _with_task(found, task) if "labels" in arrays else found


def _add(found: Given, name: str, value: Any) -> None:
    rows = len(found.arrays["codes"])
    if name == "nuisance" and isinstance(value, Mapping):
        for one, column in value.items():
            found.nuisances[str(one)] = _rows(f"nuisance {one}", _column(f"nuisance {one}", column), rows)
    elif name == "nuisance":
        found.nuisances[""] = _rows(name, _column(name, value), rows)
    elif name in COLUMNS:
        found.arrays[name] = _rows(name, _column(name, value), rows)
    elif name == "factors":
        table, names = factor_table(value)
        varies = [len(np.unique(column[np.isfinite(column)])) > 1 for column in _rows(name, table, rows).T]
        alike = [one for one, kept in zip(names, varies, strict=True) if not kept]
        if alike:
            found.notes.append(f"factors with one value are left out: {', '.join(alike)}")
        if not any(varies):
            raise DataError("every factor has one value", "give factors that vary")
        found.arrays[name] = table[:, varies]
        found.factors[:] = [one for one, kept in zip(names, varies, strict=True) if kept]
    elif name in CALLABLES:
        if not callable(value):
            raise DataError(f"{name} is a {type(value).__name__}, not callable", "give a function of arrays")
        found.arrays[name] = value
    elif name == "layers":
        if not isinstance(value, Mapping):
            raise DataError(f"layers is a {type(value).__name__}", "give a mapping: stage name -> (n, units), in order")
        layers = {
            str(stage): _rows(f"layer {stage}", floats(f"layer {stage}", one), rows) for stage, one in value.items()
        }
        found.arrays[name] = layers
    elif name == "seeds":
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        if not listed and not (isinstance(value, np.ndarray) and value.ndim == 3):
            raise DataError(f"seeds is a {type(value).__name__}", "give a list of codes (n, units), one per seed")
        told = [f"the code of seed {place}" for place in range(len(value))]
        found.arrays[name] = [_rows(what, floats(what, one), rows) for what, one in zip(told, value, strict=True)]
    else:
        found.arrays[name] = _rows(name, floats(name, value, flat=name != "x"), rows)


def _column(name: str, value: Any) -> np.ndarray:
    array = plain(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}", "give one value per row")
    return array


def _rows(name: str, value: np.ndarray, rows: int) -> np.ndarray:
    if len(value) != rows:
        raise DataError(f"codes has {rows} rows, {name} has {len(value)}", "row i of each must be the same sample")
    return value


def _check_widths(found: Given) -> None:
    """Leave out an `encode` that makes other codes than these, or a `decode` that makes other samples."""
    arrays, probe = found.arrays, {"encode": ("x", "codes"), "decode": ("codes", "x")}
    for name, (source, target) in probe.items():
        if name not in arrays or source not in arrays or target not in arrays:
            continue
        try:
            made = floats(f"what {name} gives", arrays[name](arrays[source][:2]))
            wanted = arrays[target][:2].reshape(2, -1).shape[1]
            if made.shape != (2, wanted):
                told = f"{name} made {made.shape[1]} columns of {len(made)} rows from 2 rows, {target} has {wanted}"
                raise DataError(told, f"give the {name}r of these codes")
            size = float(np.abs(arrays["codes"]).max()) or 1.0
            if name == "encode" and np.abs(made / size - arrays["codes"][:2] / size).max() > ALIKE:
                raise DataError("encode makes other codes of the first rows of x", "give the encoder of these codes")
        except Exception as error:  # whatever a caller's function may raise is no reason to lose the card
            why = str(error) if isinstance(error, DataError) else f"{name} failed: {type(error).__name__}: {error}"
            del arrays[name]
            found.absent[name] = why
            found.notes.append(f"{name} is left out: {why.splitlines()[0]}")


def _with_task(found: Given, task: str | None) -> Given:
    labels, notes = found.arrays["labels"], found.notes
    known = labelled(labels)
    if known.sum() < len(known):
        notes.append(f"{len(known) - known.sum()} rows without a label are left out where labels are needed")
    if not known.any():
        del found.arrays["labels"]
        found.absent["labels"] = "no row has a label"
        return found
    task = task or task_of(labels)
    if task == "class":
        try:
            kept = np.isin(labels[known].astype(str), scored_classes(labels).astype(str))
        except DataError:  # every metric says so in its own line
            return replace(found, task=task)
        if not kept.all():
            notes.append(f"{(~kept).sum()} rows of classes with one member are not scored")
    return replace(found, task=task)


def rivals(found: Given) -> dict[str, Given]:
    """The same rows with raw features, and with a PCA of equal width, in the place of the code; nothing without x."""
    if "x" not in found.arrays:
        return {}
    from sklearn.decomposition import PCA

    x = found.arrays["x"]
    flat = x.reshape(len(x), -1)
    with one_thread():
        solver = "covariance_eigh" if len(flat) >= flat.shape[1] else "full"
        pca = PCA(min(found.arrays["codes"].shape[1], *flat.shape), svd_solver=solver).fit(flat)
        reduced = pca.transform(flat)
    made = {"raw": flat, "pca": reduced}
    encodes = {"raw": _flat, "pca": lambda rows: pca.transform(_flat(rows))}
    decodes = {
        "raw": lambda codes: np.asarray(codes).reshape(-1, *x.shape[1:]),
        "pca": lambda codes: pca.inverse_transform(np.asarray(codes)).reshape(-1, *x.shape[1:]),
    }
    out = {}
    for name, codes in made.items():
        one = found.with_codes(codes)
        extra: dict[str, Any] = {"encode": encodes[name], "decode": decodes[name]}
        extra["rebuilt"] = flat if name == "raw" else pca.inverse_transform(reduced)
        out[name] = replace(one, arrays=one.arrays | extra)
    return out


def shuffled(found: Given, what: str, seed: int) -> Given:
    """The same with shuffled rows of the code (it no longer belongs to its row), or each unit shuffled by itself."""
    codes, rng = found.arrays["codes"], np.random.default_rng([seed, 37])
    mixed = codes[rng.permutation(len(codes))] if what == "rows" else rng.permuted(codes, axis=0)
    kept = {name: one for name, one in found.arrays.items() if name not in MANY}
    if what == "rows" and "layers" in found.arrays:
        kept["layers"] = take("layers", found.arrays["layers"], rng.permutation(len(codes)))
    return replace(found, arrays=kept | {"codes": mixed})


def _flat(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows).reshape(len(rows), -1)


Encode = Callable[[np.ndarray], np.ndarray]
