"""Heads on the features of a stage: linear, nearest mean, nearest neighbours, support vectors.

Reads  features (rows, width) and labels, or numbers.
Gives  scikit-learn estimators by name; the strength of the penalty is searched inside the rows they are fitted on.
Skips  which stage: `scoring` asks all of them.

A probe whose penalty was not searched says little of a net (s3prl #578: 65 % at the default rate, 81 % at the best).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.utils.validation import check_is_fitted

from ..errors import DataError, did_you_mean
from ..measure.probes import LinearProbe

KEPT = 256  # principal components of a wide stage, found on the rows of the fit alone
SPREAD = tuple(10.0**power for power in (-2, -1, 0, 1, 2))  # strengths, over the number of features
ALPHAS = tuple(10.0**power for power in range(-2, 6))
SUPPORT = (0.1, 1.0, 10.0)
FOLDS = 3
FLOOR = 1e-3  # of the largest deviation: columns that hardly vary are not blown up
TASKS = ("class", "number")


class Scaled(StandardScaler):
    """Columns with mean 0 and deviation 1, but for those that hardly vary."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Mean and deviation of X."""
        super().fit(X, y, sample_weight)
        scale: Any = self.scale_
        self.scale_ = np.maximum(scale, FLOOR * float(scale.max())) if scale.size and scale.max() > 0 else scale
        return self


class LinearHead(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression whose strength is chosen by stratified folds of its own rows.

    Parameters
    ----------
    folds : int, default=3
        At most so many, fewer where a class has fewer rows; with one row per class the middle strength is taken.
    seed : int, default=0
        Of the folds.

    Attributes
    ----------
    strength_ : float, C of the fit
    classes_ : (classes,)
    coef_, intercept_ : (classes, features), (classes,)
    """

    def __init__(self, folds: int = FOLDS, seed: int = 0) -> None:
        self.folds = folds
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from features X, standardised already, and classes y.

        errors  DataError: one class only
        """
        X, y = np.asarray(X, np.float64), np.asarray(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        grid = [one / max(1, X.shape[1]) for one in SPREAD]
        folds = min(self.folds, int(np.bincount(places).min()))
        self.strength_ = grid[len(grid) // 2]
        if folds > 1:
            split = list(StratifiedKFold(folds, shuffle=True, random_state=self.seed).split(X, places))
            losses = [sum(_loss(X, places, a, b, one) for a, b in split) for one in grid]
            self.strength_ = grid[int(np.argmin(losses))]
        probe = _probe(X, self.strength_).fit(X, places)
        self.coef_, self.intercept_ = probe.coef, probe.intercept
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Log odds, (rows, classes)."""
        check_is_fitted(self)
        return np.asarray(X, np.float64) @ self.coef_.T + self.intercept_

    def predict_proba(self, X: Any) -> np.ndarray:
        """(rows, classes), each row sums to 1."""
        odds = self.decision_function(X)
        odds = np.exp(odds - odds.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class, (rows,)."""
        return self.classes_[self.decision_function(X).argmax(1)]


def _probe(x: np.ndarray, strength: float) -> LinearProbe:
    return LinearProbe(np.zeros(x.shape[1]), 1.0, "class", strength)


def _loss(x: np.ndarray, places: np.ndarray, train: np.ndarray, test: np.ndarray, strength: float) -> float:
    """Negative log likelihood of rows that were left out."""
    probe = _probe(x, strength).fit(x[train], places[train])
    shares = np.clip(probe.predict_proba(x[test]), 1e-9, 1)
    place = {label: at for at, label in enumerate(np.asarray(probe.classes).tolist())}
    told = [place.get(label, -1) for label in places[test].tolist()]
    return -float(np.sum([np.log(shares[row, at]) if at >= 0 else np.log(1e-9) for row, at in enumerate(told)]))


class NearestMean(ClassifierMixin, RegressorMixin, BaseEstimator):
    """The class whose mean is nearest; the rule that needs least."""

    def fit(self, X: Any, y: Any) -> Self:
        """Means of classes."""
        self.rule_ = NearestCentroid().fit(X, y)
        self.classes_ = self.rule_.classes_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(rows,)."""
        check_is_fitted(self)
        return self.rule_.predict(X)


def make_head(name: str, width: int, rows: int, task: str = "class", least: int = 2, seed: int = 0) -> Pipeline:
    """An unfitted head, with its scaling.

    name   "linear", "ridge" (the same by closed form, its strength by leaving one out), "nearest_mean", "knn", "svm"
    width  of the features; rows: at most so many will be learned from
    least  rows of the smallest class
    errors DataError for an unknown name, or one that the task does not know
    """
    known = {"class": ("linear", "ridge", "nearest_mean", "knn", "svm"), "number": ("ridge", "knn", "svm")}
    if task not in TASKS or name not in known[task]:
        raise DataError(
            f"no head for a {task} is called {name!r}{did_you_mean(name, known.get(task, ()))}",
            f"known: {', '.join(known.get(task, TASKS))}",
        )
    steps: list[tuple[str, Any]] = [("scale", Scaled())]
    if min(width, rows) > KEPT:
        steps.append(("components", PCA(KEPT, svd_solver="randomized", random_state=seed)))
    return Pipeline([*steps, ("head", _head(name, task, rows, least, seed))])


def _head(name: str, task: str, rows: int, least: int, seed: int) -> Any:
    classes = task == "class"
    if name == "linear":
        return LinearHead(seed=seed)
    if name == "ridge":
        return RidgeClassifierCV(ALPHAS) if classes else RidgeCV(ALPHAS)
    if name == "nearest_mean":
        return NearestMean()
    if name == "knn":
        return KNeighborsClassifier(min(5, least)) if classes else KNeighborsRegressor(min(5, max(1, rows // 2)))
    folds = min(FOLDS, least if classes else rows // 2)
    model: Any = SVC(kernel="linear") if classes else SVR(kernel="linear")
    if folds < 2:
        return model
    split: Any = StratifiedKFold if classes else KFold
    grid = [one / 10 for one in SUPPORT] if classes else list(SUPPORT)
    return GridSearchCV(model, {"C": grid}, cv=split(folds, shuffle=True, random_state=seed))
