"""Beside rows: groups for slowness(), and labels for labels(), the class's place or the standardised number.

Reads  y of fit(X, y): None, NaN or "" (and -1 among classes that are whole numbers of at least 0) mean no label.
       groups of fit(X, groups=...): rows of two groups are no neighbours in time.
Gives  `RowLabels` and `Beside`, NaN for no label; and the learned head as a `Head`.
Skips  y of a sentence without labels(), and groups of one without slowness().
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.labels import as_labels
from ..data.splits import group_codes
from ..errors import DataError, SentenceError
from ..nets import Target
from ..objective import parse_objective, recipe_of
from .heads import Head

MOST_CLASSES = 100


@dataclass(frozen=True)
class RowLabels:
    """One value per row.

    values  (rows,) float32: the class's place or the standardised number, NaN where there is no label
    target  what they mean
    """

    values: np.ndarray
    target: Target

    def some(self, where: np.ndarray) -> RowLabels:
        """Those of the rows at `where`."""
        return RowLabels(self.values[where], self.target)


def row_labels(objective: str, y: Any, rows: int, known: Target | None = None) -> RowLabels | None:
    """What labels() learns from, or None for a sentence without it.

    known   what an earlier pass learned: classes and scale stay
    errors  SentenceError: labels() without y, or without one label; DataError: of another length, all equal, or of a
            class that an earlier pass did not know
    """
    if not parse_objective(recipe_of(objective)[0]).needs("labels"):
        return None
    if y is None:
        raise SentenceError(
            "labels() learns from labels, but none were given",
            "call fit(X, y), with None, NaN or '' in y where a row has no label",
        )
    if known is not None:
        return _as_known(y, rows, known)
    found, notes = as_labels(y, rows)
    if found is None:
        raise SentenceError(f"labels() learns from labels, but {notes[-1]}", "give some in y, or leave labels() out")
    return _first(found)


@dataclass(frozen=True)
class Beside:
    """What a fit is given beside its rows, each None where the sentence has no use for it.

    labels  what labels() learns from
    groups  (rows,) whole numbers: slowness() compares no rows of two groups
    """

    labels: RowLabels | None = None
    groups: np.ndarray | None = None

    def some(self, where: np.ndarray) -> Beside:
        """That of the rows at `where`."""
        labels = None if self.labels is None else self.labels.some(where)
        return Beside(labels, None if self.groups is None else self.groups[where])

    def hashed(self) -> bytes:
        """Bytes that differ when what is learned from differs."""
        labels = b"" if self.labels is None else repr(self.labels.target).encode() + self.labels.values.tobytes()
        return labels + (b"" if self.groups is None else b"groups" + self.groups.tobytes())


def beside(objective: str, y: Any, groups: Any, rows: int, known: Target | None = None) -> Beside:
    """Labels and groups as the sentence uses them.

    known   what labels() learned in an earlier pass
    errors  as `row_labels`; DataError for groups of another length
    """
    return Beside(row_labels(objective, y, rows, known), _row_groups(objective, groups, rows))


def _row_groups(objective: str, groups: Any, rows: int) -> np.ndarray | None:
    if groups is None or not parse_objective(recipe_of(objective)[0]).needs("pairs"):
        return None
    shape = np.shape(groups)
    if len(shape) != 1:
        raise DataError(f"groups of shape {shape} do not fit {rows} samples", "give one per sample, in one dimension")
    codes = group_codes(groups)
    if codes is None or codes.shape != (rows,):
        raise DataError(f"groups: {len(groups)} entries for {rows} samples", "give one per sample")
    return codes


def _first(found: np.ndarray) -> RowLabels:
    here = _given(found)
    if found.dtype.kind != "f":
        classes = sorted({str(one) for one in found[here].tolist()})
        _warn_unshared(len(classes), len(found))
        return RowLabels(_places(found, classes), Target("class", tuple(classes)))
    numbers = np.unique(found[here])
    if (numbers != np.round(numbers)).any() or len(numbers) > MOST_CLASSES:
        mean, scale = float(found[here].mean()), float(found[here].std())
        return RowLabels(((found - mean) / scale).astype(np.float32), Target("number", (), mean, scale))
    classes = [int(one) for one in numbers.tolist()]
    _warn_unshared(len(classes), len(found))
    return RowLabels(_places(found, classes), Target("class", tuple(classes)))


def _warn_unshared(classes: int, rows: int) -> None:
    if classes == rows > 2:
        told = f"labels() has {classes} classes for {rows} rows: every row has its own, and nothing is shared"
        warnings.warn(f"{told}; give labels that rows have in common, or numbers", stacklevel=5)


def _as_known(y: Any, rows: int, known: Target) -> RowLabels:
    # read together with labels that are known, so that one class alone, or none, is read as before
    before = list(known.classes) if known.task == "class" else [known.mean - 0.5, known.mean + 0.25]
    plain = y.tolist() if hasattr(y, "tolist") else list(y)
    found, _ = as_labels([*before, *plain], rows + len(before))
    found = np.asarray(found)[len(before) :]
    if known.task == "class":
        return RowLabels(_places(found, list(known.classes)), known)
    if found.dtype.kind != "f":
        raise DataError("the labels are texts, but were numbers before", "give numbers")
    return RowLabels(((found - known.mean) / known.scale).astype(np.float32), known)


def _given(found: np.ndarray) -> np.ndarray:
    return ~np.isnan(found) if found.dtype.kind == "f" else np.array([one is not None for one in found.tolist()])


def _places(found: np.ndarray, classes: list[Any]) -> np.ndarray:
    place = {one: i for i, one in enumerate(classes)}
    values = np.full(len(found), np.nan, np.float32)
    for row in np.flatnonzero(_given(found)):
        if found[row] not in place:
            raise DataError(f"label {str(found[row])!r} is no class of the first pass", f"known: {str(classes)[:80]}")
        values[row] = place[found[row]]
    return values


def learned_head(coder: Any) -> Head:
    """The head that labels() learned beside an Autoencoder's code, in units of the labels.

    errors  SentenceError for a coder without one
    """
    target, module = coder.model_.plan.target, coder.model_.module_of("labels")
    if target is None or module is None:
        raise SentenceError(f"{coder.objective_} learned no head", "add labels(1), and fit(X, y)")
    weight = module.head.weight.detach().cpu().numpy().T
    intercept = module.head.bias.detach().cpu().numpy()
    if target.task == "number":
        weight, intercept = weight * target.scale, intercept * target.scale + target.mean
    return Head(target.task, target.classes, weight.astype(np.float32), intercept.astype(np.float32))
