"""Labels as a tuning takes them: rows without one are left out, with a note.

Reads  y as it was given, and how many rows there are.
Gives  `Targets`: which rows count, class places or standardised numbers, and what to tell.
Skips  choosing between classes and numbers: the estimator says it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.labels import as_labels
from ..data.schema.cells import objects
from ..errors import DataError


@dataclass
class Targets:
    """What is learned.

    rows     places of the labelled rows
    values   one per labelled row: the class's place (int64) or (number - mean) / scale (float32)
    classes  the labels in order, or None for numbers
    notes    what a reader should know
    """

    rows: np.ndarray
    values: Tensor
    classes: np.ndarray | None = None
    mean: float = 0.0
    scale: float = 1.0
    notes: list[str] = field(default_factory=list)


def known_labels(y: Any, n: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Places of the labelled rows, their labels as they were given, and notes.

    errors  DataError: none, of another number, no label at all, all equal
    """
    if y is None:
        raise DataError("fine-tuning learns from labels, but none were given", "call fit(X, y)")
    found, notes = as_labels(y, n)
    if found is None:
        raise DataError("no row has a label", "label some rows of every class")
    if found.dtype.kind == "f":
        rows = np.flatnonzero(~np.isnan(found))
    else:
        rows = np.flatnonzero([one is not None for one in found.tolist()])
    given = y.detach().cpu().numpy() if hasattr(y, "detach") else y.to_numpy() if hasattr(y, "to_numpy") else y
    labels = np.asarray(given).reshape(-1) if not isinstance(given, list | tuple) else objects(given)
    labels = labels[rows]
    if labels.dtype == object:  # beside None numbers are objects; of several kinds all become texts
        kept = labels.tolist()
        labels = np.array(kept) if _of_one_kind(kept) else found[rows]
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    return rows, np.asarray(labels.tolist()) if labels.dtype == object else labels, notes


def _of_one_kind(cells: list[Any]) -> bool:
    return any(all(isinstance(one, kind) for one in cells) for kind in (str, bool | np.bool_))


def class_targets(y: Any, n: int) -> Targets:
    """Labels as classes.

    errors  DataError: as `known_labels`; every label its own class
    """
    rows, labels, notes = known_labels(y, n)
    classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) == len(rows) > 2 or len(classes) < 2:
        raise DataError(
            f"{len(rows)} labels of {len(classes)} classes: there is nothing that two rows share",
            "label at least two rows of most classes, or use FineTunedRegressor for numbers",
        )
    single = classes[counts == 1].tolist()
    if single:
        told = ", ".join(repr(one) for one in single[:5]) + (", ..." if len(single) > 5 else "")
        notes.append(f"{'class' if len(single) == 1 else 'classes'} {told} had a single label")
    return Targets(rows, torch.from_numpy(places.astype(np.int64)), classes, notes=notes)


def number_targets(y: Any, n: int) -> Targets:
    """Labels as numbers, standardised.

    errors  DataError: as `known_labels`; texts
    """
    rows, labels, notes = known_labels(y, n)
    if labels.dtype.kind not in "fiub":
        raise DataError(f"the labels are no numbers ({labels[0]!r})", "use FineTunedClassifier for classes")
    numbers = labels.astype(np.float64)
    mean, scale = float(numbers.mean()), float(numbers.std())
    return Targets(rows, torch.from_numpy(((numbers - mean) / scale).astype(np.float32)), None, mean, scale, notes)
