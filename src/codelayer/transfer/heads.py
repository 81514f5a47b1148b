"""Heads on the features of a stage: linear, nearest mean, nearest neighbours, support vectors.

Reads  features (rows, width) and labels, or numbers.
Gives  scikit-learn estimators by name; the strength of the penalty is searched inside the rows they are fitted on.
Skips  which stage: `scoring` asks all of them.

A probe whose penalty was not searched says little of a net (s3prl #578: 65 % at the default rate, 81 % at the best).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.utils.validation import check_is_fitted

from ..errors import DataError, did_you_mean
from ..measure.probes import LinearProbe

KEPT = 256  # principal components of a wide stage, found on the rows of the fit alone
SPREAD = tuple(10.0**power for power in (-2, -1, 0, 1, 2))  # strengths, over the number of features
ALPHAS = tuple(10.0**power for power in range(-2, 6))
SUPPORT = (0.0001, 0.001, 0.01)
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


class _LogOdds(ClassifierMixin, BaseEstimator):
    """What gives log odds in the order of `classes_` gives probabilities and classes too."""

    classes_: np.ndarray

    def decision_function(self, X: Any) -> np.ndarray:
        """Log odds, (rows, classes)."""
        raise NotImplementedError

    def predict_proba(self, X: Any) -> np.ndarray:
        """(rows, classes), each row sums to 1."""
        odds = self.decision_function(X)
        odds = np.exp(odds - odds.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class, (rows,)."""
        return self.classes_[self.decision_function(X).argmax(1)]


class LinearHead(_LogOdds):
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


def _probe(x: np.ndarray, strength: float) -> LinearProbe:
    return LinearProbe(np.zeros(x.shape[1]), 1.0, "class", strength)


def _loss(x: np.ndarray, places: np.ndarray, train: np.ndarray, test: np.ndarray, strength: float) -> float:
    """Negative log likelihood of rows that were left out."""
    probe = _probe(x, strength).fit(x[train], places[train])
    shares = np.clip(probe.predict_proba(x[test]), 1e-9, 1)
    place = {label: at for at, label in enumerate(np.asarray(probe.classes).tolist())}
    told = [place.get(label, -1) for label in places[test].tolist()]
    return -float(np.sum([np.log(shares[row, at]) if at >= 0 else np.log(1e-9) for row, at in enumerate(told)]))


class RidgeHead(_LogOdds):
    """Least squares on +1 and -1, its strength by leaving one row out in closed form; scores scaled to be log odds.

    The scale is one number, chosen so that the rows left out are told with the least loss; it moves no decision.

    Attributes
    ----------
    strength_ : float, alpha of the fit; temperature_ : float, by which scores are multiplied
    classes_ : (classes,); coef_, intercept_ : (classes, features), (classes,); one line for two classes
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from features X, standardised already, and classes y."""
        rule = RidgeClassifierCV(ALPHAS, store_cv_results=True).fit(X, y)
        self.classes_, self.strength_ = rule.classes_, float(rule.alpha_)
        at = int(np.argmin(np.abs(np.array(ALPHAS) - rule.alpha_)))
        results: Any = rule.cv_results_  # squared errors, (rows, outputs, strengths) or (rows, strengths)
        errors = np.sqrt(results.reshape(len(results), -1, len(ALPHAS))[..., at])
        self.temperature_ = _temperature(errors, np.asarray(y), self.classes_)
        self.coef_ = self.temperature_ * np.atleast_2d(rule.coef_)
        self.intercept_ = self.temperature_ * np.atleast_1d(rule.intercept_)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Log odds, (rows, classes)."""
        check_is_fitted(self)
        scores = np.asarray(X) @ self.coef_.T + self.intercept_
        return scores if len(self.classes_) > 2 else np.concatenate([-scores, scores], 1) / 2


def _temperature(errors: np.ndarray, y: np.ndarray, classes: np.ndarray) -> float:
    """The scale of scores at which rows left out lose least; errors (rows, outputs) are their distances from +1, -1.

    A score left out lies that far below 1 for its own class and above -1 for the others; beyond the target is rare and
    read as before it, which makes the scale cautious.
    """
    truth = y[:, None] == classes[None, :]
    if errors.shape[1] == 1:
        margin = 1 - errors
        odds, places = np.concatenate([-margin, margin], 1) / 2, np.ones(len(y), int)
    else:
        odds, places = np.where(truth, 1 - errors, errors - 1), truth.argmax(1)

    def loss(power: float) -> float:
        scaled = odds * np.exp(power)
        top = scaled.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled - top).sum(1)) + top[:, 0] - scaled[np.arange(len(y)), places]))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 5), method="bounded").x))


class NearestMean(ClassifierMixin, BaseEstimator):
    """The class whose mean is nearest; the rule that needs least.

    Attributes
    ----------
    classes_ : (classes,); means_ : (classes, features)
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Means of classes."""
        X, y = np.asarray(X), np.asarray(y)
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == one].mean(0) for one in self.classes_])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(rows,)."""
        check_is_fitted(self)
        return self.classes_[(2 * np.asarray(X) @ self.means_.T - (self.means_**2).sum(1)).argmax(1)]


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
        return RidgeHead() if classes else RidgeCV(ALPHAS)
    if name == "nearest_mean":
        return NearestMean()
    if name == "knn":
        return KNeighborsClassifier(min(5, least)) if classes else KNeighborsRegressor(min(5, max(1, rows // 2)))
    folds = min(FOLDS, least if classes else rows // 2)
    kind: Any = LinearSVC if classes else LinearSVR
    model = kind(C=SUPPORT[1], dual="auto", random_state=seed, max_iter=2000)
    if folds < 2:
        return model
    split: Any = StratifiedKFold if classes else KFold
    return GridSearchCV(model, {"C": list(SUPPORT)}, cv=split(folds, shuffle=True, random_state=seed))


def folded(model: Pipeline) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A fitted head with its scaling as one linear map: weight (features, outputs), intercept (outputs,), classes.

    Scores of two classes stand in two columns. errors: DataError for heads that are no linear map (neighbours)
    """
    head: Any = model.named_steps["head"]
    head = getattr(head, "best_estimator_", head)
    if isinstance(head, NearestMean):
        means: np.ndarray = head.means_
        weight, intercept = 2 * means.T, -np.square(means).sum(1)
    elif hasattr(head, "coef_"):
        weight, intercept = np.atleast_2d(head.coef_).T, np.atleast_1d(head.intercept_)
    else:
        raise DataError(f"{type(head).__name__} is no linear map", "keep the pipeline itself")
    classes = getattr(head, "classes_", None)
    if classes is not None and len(classes) == 2 and weight.shape[1] == 1:
        weight, intercept = np.concatenate([-weight, weight], 1) / 2, np.concatenate([-intercept, intercept]) / 2
    if "components" in model.named_steps:
        pca = model.named_steps["components"]
        weight = pca.components_.T @ weight
        intercept = intercept - pca.mean_ @ weight
    scale = model.named_steps["scale"]
    weight = weight / scale.scale_[:, None]
    return weight, intercept - scale.mean_ @ weight, classes
