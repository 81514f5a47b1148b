"""What every stage of a net knows of the labels: cross-validated probes with standard errors.

Reads  features by stage, labels or numbers, groups.
Gives  `Scored` for each: mean, standard error, a value per row, so that two of them are compared in pairs.
Skips  choosing by them: `diagnosis` does.

A row is right or wrong in every repeat; its weight makes classes count alike, so that the mean is balanced accuracy.
The error is that of the mean over rows: it does not tell of other rows to learn from.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from ..errors import DataError
from ..learn.heads import plain_label
from ..measure.spread import Z95, share_ends
from .heads import make_head

FOLDS, REPEATS, MANY, FEWER = 5, 2, 500, 3
DRAWS = 20  # of groups to folds, before there are fewer folds
Fold = tuple[np.ndarray, np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray], np.ndarray]
Scorer = Callable[[], "Scored"]
Once = Callable[[str, Scorer], "Scored"]


@dataclass(frozen=True)
class Scored:
    """How well rows that were left out are told.

    points  (rows,) whose mean is balanced accuracy, or R2; they may lie outside [0, 1]
    seconds by the clock that it took, all folds together
    share   whether the mean is a share of rows, whose interval has a width also where all are right
    """

    points: np.ndarray
    seconds: float = 0.0
    share: bool = False

    @property
    def mean(self) -> float:
        """Balanced accuracy, or R2."""
        return float(self.points.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean over rows."""
        return float(self.points.std(ddof=1) / len(self.points) ** 0.5)

    def beyond(self, other: Scored) -> tuple[float, float]:
        """How far this one is ahead, and the standard error of that, over the same rows."""
        gap = self.points - other.points
        return float(gap.mean()), float(gap.std(ddof=1) / len(gap) ** 0.5)

    @property
    def ends(self) -> tuple[float, float]:
        """The 95 % interval of the mean over rows: Wilson's for a share, of as many rows as their spread is worth."""
        mean, error = self.mean, self.error
        if not self.share:
            return mean - Z95 * error, max(mean, min(1.0, mean + Z95 * error))
        worth = len(self.points) if error == 0 else max(1.0, mean * (1 - mean) / error**2)
        return share_ends(min(max(mean, 0.0), 1.0), worth)

    def record(self) -> dict[str, float]:
        """Plain numbers: mean, error, low and high of the 95 % interval."""
        low, high = self.ends
        return {"mean": self.mean, "error": self.error, "low": low, "high": high}


def always_new(name: str, make: Scorer) -> Scored:
    """A score by its name, made each time; `kept.KeptScores` keeps it instead."""
    return make()


def folds_of(
    y: np.ndarray,
    task: str = "class",
    groups: Any = None,
    seed: int = 0,
    folds: int | None = None,
    repeats: int | None = None,
) -> list[Fold]:
    """Splits of labelled rows: stratified for classes, whole groups where there are some.

    Every repeat leaves each row out once, and what is left out is of classes that are learned: scores of one repeat and
    of more are over the same rows.
    folds    None is 5 below 500 rows, else 3
    repeats  None is 2 below 500 rows, else 1
    errors   DataError: a class with one row, fewer groups than two, a class in one group alone, groups that no
             split parts so
    """
    n = len(y)
    repeats = (REPEATS if n < MANY else 1) if repeats is None else repeats
    folds = (FOLDS if n < MANY else FEWER) if folds is None else folds
    least = int(np.unique(y, return_counts=True)[1].min()) if task == "class" else n
    if least < 2:
        rare = np.unique(y)[np.unique(y, return_counts=True)[1].argmin()]
        raise DataError(
            f"class {plain_label(rare)!r} has one label: nothing can be learned from it and scored on it too",
            "label at least two rows of every class, or leave that class out",
        )
    if groups is not None:
        groups = np.asarray(groups)
        _check_groups(y, task, groups)
        return [one for repeat in range(repeats) for one in _grouped(y, task, groups, seed + repeat, folds)]
    kind: Any = StratifiedKFold if task == "class" else KFold
    count = max(2, min(folds, least))
    made = [kind(count, shuffle=True, random_state=seed + r).split(y, y) for r in range(repeats)]
    return [one for repeat in made for one in repeat]


def _check_groups(y: np.ndarray, task: str, groups: np.ndarray) -> None:
    if len(np.unique(groups)) < 2:
        raise DataError("all rows are of one group", "give rows of at least two groups")
    for label in np.unique(y) if task == "class" else ():
        if len(np.unique(groups[y == label])) < 2:
            raise DataError(
                f"class {plain_label(label)!r} lies in one group: left out together, it cannot be told by what is left",
                "label rows of that class in another group too, leave that class out, or do without groups",
            )


def _grouped(y: np.ndarray, task: str, groups: np.ndarray, seed: int, folds: int) -> list[Fold]:
    """One repeat of whole groups; a split that leaves out a class altogether is drawn anew, then with fewer folds."""
    most = len(y) if task != "class" else int(np.unique(y, return_counts=True)[1].max())
    kinds: list[Any] = [GroupKFold] if task != "class" else [StratifiedGroupKFold, GroupKFold]
    for count in range(min(folds, len(np.unique(groups)), most), 1, -1):
        for kind in kinds:
            for draw in range(1 if kind is StratifiedGroupKFold else DRAWS):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of classes with fewer rows than folds: they lie in two groups
                    made = list(kind(count, shuffle=True, random_state=seed + 1000 * draw).split(y, y, groups))
                if all(len(test) and (task != "class" or np.isin(y[test], y[train]).all()) for train, test in made):
                    return made
    raise DataError(
        "no split keeps groups together and has rows of every class to learn from",
        "label rows of every class in more groups, or do without groups",
    )


def scored(fit: Fit, y: np.ndarray, folds: Sequence[Fold], task: str = "class") -> Scored:
    """What `fit(train rows, test rows)` predicts for rows left out, scored row by row, and how long it took."""
    started = time.perf_counter()
    right, times = np.zeros(len(y)), np.zeros(len(y))
    for train, test in folds:
        told = np.asarray(fit(train, test))
        right[test] += (told == y[test]) if task == "class" else _explained(told.astype(float), y[test], y)
        times[test] += 1
    seen = times > 0
    points = right[seen] / times[seen]
    weighted = points * row_weights(y[seen]) if task == "class" else points
    return Scored(weighted, time.perf_counter() - started, task == "class")


def row_weights(y: np.ndarray) -> np.ndarray:
    """One weight per row, of mean 1, so that every class counts alike."""
    _, places, sizes = np.unique(y, return_inverse=True, return_counts=True)
    return len(y) / len(sizes) / sizes[places]


def _explained(told: np.ndarray, truth: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 1 - (truth - told) ** 2 / max(float(np.var(y)), 1e-300)


def probe(
    features: np.ndarray, y: np.ndarray, folds: Sequence[Fold], head: str = "ridge", task: str = "class", seed: int = 0
) -> Scored:
    """One head on one array of features, (rows, width)."""

    def fit(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        least = int(np.unique(y[train], return_counts=True)[1].min()) if task == "class" else len(train)
        model = make_head(head, features.shape[1], len(train), task, least, seed)
        return model.fit(features[train], y[train]).predict(features[test])

    return scored(fit, y, folds, task)


class Joint:
    """Stages side by side, every column with deviation 1: large values drown no other stage, a wide one counts more.

    stages  stage -> (rows, width): rows from which means and scales are taken
    Source: the simplest form of Head2Toe (Evci et al. 2022), without its choice among columns.
    """

    def __init__(self, stages: Mapping[str, np.ndarray]) -> None:
        self.centre = {stage: one.mean(0, dtype=np.float64) for stage, one in stages.items()}
        self.scale = {stage: _scale_of(one) for stage, one in stages.items()}

    def __call__(self, stages: Mapping[str, np.ndarray]) -> np.ndarray:
        """(rows, sum of widths) float32."""
        parts = [(stages[stage] - centre) / self.scale[stage] for stage, centre in self.centre.items()]
        return np.concatenate(parts, axis=1).astype(np.float32)


def _scale_of(values: np.ndarray) -> np.ndarray:
    deviation = values.std(0, dtype=np.float64)
    return np.maximum(deviation, 1e-3 * max(float(deviation.max(initial=0.0)), 1e-12))


def beside(stages: Mapping[str, np.ndarray]) -> np.ndarray:
    """Stages side by side, scaled by their own rows."""
    return Joint(stages)(stages)
