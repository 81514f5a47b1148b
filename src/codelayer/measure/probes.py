"""Probes: the small models that ask a code what it knows.

Reads  codes (n, units) and labels of a few rows; the scale comes from the unlabelled train codes.
Gives  fitted probes with fit / predict / predict_proba; the linear one as plain arrays (coef, intercept, classes).
Skips  tuning on scored rows: the settings are fixed, or chosen by leave-one-out inside the labelled rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..errors import DataError, did_you_mean

ALPHAS = tuple(10.0**power for power in range(-3, 6))


class Probe(Protocol):
    """What a label curve asks of a probe."""

    def fit(self, codes: np.ndarray, y: np.ndarray) -> Any: ...

    def predict(self, codes: np.ndarray) -> np.ndarray: ...


class LinearProbe:
    """Logistic regression (classes) or ridge (numbers) on codes that are centred and share ONE scale.

    One scale for all units, taken from the unlabelled codes, so that no unit is blown up: PCA is not whitened.
    Classes: squared L2 penalty with C = `strength` on the scaled codes. Numbers: ridge, its strength by leave-one-out.
    Fitted   coef (outputs, units) and intercept (outputs,) act on codes as they are; the outputs are log odds, one
             per class (softmax gives probabilities), or the number. classes is None for numbers.
    """

    def __init__(self, center: np.ndarray, scale: float, task: str = "class", strength: float = 1.0) -> None:
        self.center, self.scale, self.task, self.strength = center, scale, task, strength

    def fit(self, codes: np.ndarray, y: np.ndarray) -> LinearProbe:
        """Learn from codes (n, units) and y (n,); classes may be any sortable values.

        errors  DataError: one class only
        """
        scaled = (np.asarray(codes) - self.center) / self.scale
        basis = None
        if 2 * len(scaled) <= scaled.shape[1]:
            # an L2-penalised solution lies in the span of the rows: solving there is exact, and small
            basis, upper = np.linalg.qr(scaled.T)
            scaled = upper.T
        coef, intercept = self._classes(scaled, y) if self.task == "class" else self._number(scaled, y)
        if basis is not None:
            coef = coef @ basis.T
        self.coef = coef / self.scale
        self.intercept = intercept - self.coef @ self.center
        return self

    def outputs(self, codes: np.ndarray) -> np.ndarray:
        """Log odds (n, classes), or the number (n, 1)."""
        return np.asarray(codes) @ self.coef.T + self.intercept

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """The most probable class, or the number, (n,)."""
        outputs = self.outputs(codes)
        return outputs[:, 0] if self.classes is None else self.classes[outputs.argmax(1)]

    def predict_proba(self, codes: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes), in the order of `classes`."""
        outputs = self.outputs(codes)
        odds = np.exp(outputs - outputs.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def _classes(self, scaled: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.classes: np.ndarray | None
        self.classes, places = np.unique(y, return_inverse=True)
        if len(self.classes) < 2:
            raise DataError(f"a probe was given one class only ({y[0]})", "label rows of at least two classes")
        coef, intercept = _logistic(scaled, places, len(self.classes), self.strength)
        if len(self.classes) == 2:
            coef, intercept = np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
        return coef.astype(scaled.dtype), intercept.astype(scaled.dtype)

    def _number(self, scaled: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import RidgeCV

        y = np.asarray(y, dtype=np.float64)
        spread = float(y.std()) or 1.0
        model = RidgeCV(alphas=ALPHAS).fit(scaled, (y - y.mean()) / spread)
        self.classes = None
        return np.atleast_2d(model.coef_) * spread, np.atleast_1d(model.intercept_) * spread + y.mean()


def _logistic(x: np.ndarray, places: np.ndarray, classes: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and intercepts of L2-penalised logistic regression, one line per class (one in all for two classes).

    The same objective, start and L-BFGS as scikit-learn's LogisticRegression(C=strength, tol=1e-4), without its fixed
    cost per evaluation, which is ten times the arithmetic on few rows.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    (n, features), lines = x.shape, classes if classes > 2 else 1
    rows, penalty, side = np.arange(n), 1.0 / (strength * n), (2 * places - 1)[:, None].astype(x.dtype)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        whole = flat.reshape(lines, features + 1)
        weight = whole[:, :-1]
        odds = x @ weight.T.astype(x.dtype) + whole[:, -1].astype(x.dtype)
        if lines == 1:
            value = float(np.logaddexp(0, -side * odds).sum(dtype=np.float64))
            slope = -side * expit(-side * odds)
        else:
            odds -= odds.max(1, keepdims=True)
            share = np.exp(odds)
            total = share.sum(1, keepdims=True)
            value = float(np.log(total).sum(dtype=np.float64) - odds[rows, places].sum(dtype=np.float64))
            slope = share / total
            slope[rows, places] -= 1
        grad = np.empty_like(whole)
        grad[:, :-1] = slope.T @ x / n + penalty * weight
        grad[:, -1] = slope.sum(0) / n
        return value / n + 0.5 * penalty * float((weight * weight).sum()), grad.ravel()

    # stopped early on wide, nearly separable rows: the score no longer moves there
    limits = {"maxiter": 200, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
    found = minimize(loss, np.zeros(lines * (features + 1)), jac=True, method="L-BFGS-B", options=limits).x
    whole = found.reshape(lines, features + 1)
    return whole[:, :-1], whole[:, -1]


class KnnProbe:
    """The vote (classes) or mean (numbers) of the k nearest labelled rows, Euclidean.

    k is at most the labels of the smallest class, so one label per class works. Of classes with equal votes the first
    in sorted order is taken.
    """

    def __init__(self, task: str = "class", k: int = 5) -> None:
        self.task, self.k = task, k

    def fit(self, codes: np.ndarray, y: np.ndarray) -> KnnProbe:
        """Remember codes (n, units) and y (n,)."""
        self.codes = np.asarray(codes)
        self.classes: np.ndarray | None = None
        if self.task == "class":
            self.classes, places = np.unique(y, return_inverse=True)
            self.values = np.eye(len(self.classes), dtype=np.float32)[places]
            self.used = min(self.k, int(np.bincount(places).min()))
        else:
            self.values = np.asarray(y, dtype=np.float64)[:, None]
            self.used = min(self.k, len(self.values))
        return self

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """The class with most votes, or the mean of the neighbours' numbers, (n,)."""
        votes = self.outputs(codes)
        return votes[:, 0] if self.classes is None else self.classes[votes.argmax(1)]

    def predict_proba(self, codes: np.ndarray) -> np.ndarray:
        """Shares of the votes (n, classes), in the order of `classes`."""
        return self.outputs(codes)

    def outputs(self, codes: np.ndarray) -> np.ndarray:
        """Mean of the k nearest rows' one-hot classes, or of their numbers; blocks bound the memory."""
        codes = np.asarray(codes)
        center = self.codes.min(0)
        bank = self.codes - center
        squares = np.einsum("ij,ij->i", bank, bank)
        step = max(1, 2**22 // len(bank))
        out = np.empty((len(codes), self.values.shape[1]), dtype=self.values.dtype)
        for i in range(0, len(codes), step):
            # the row's own square shifts a whole line and changes no order
            far = squares - 2 * ((codes[i : i + step] - center) @ bank.T)
            near = far.argmin(1)[:, None] if self.used == 1 else np.argpartition(far, self.used - 1, axis=1)
            out[i : i + step] = self.values[near[:, : self.used]].mean(1)
        return out


def linear_probe(train_codes: np.ndarray, task: str = "class") -> LinearProbe:
    """An unfitted linear probe whose center and one common scale come from the unlabelled train codes (n, units)."""
    train_codes = np.asarray(train_codes)
    center = train_codes.mean(0, dtype=np.float64)
    size = float(np.abs(train_codes).max(initial=0.0)) or 1.0  # squares of very large or small codes would be lost
    spread = size * float(np.sqrt((train_codes / size).var(0, dtype=np.float64).mean()))
    kind = train_codes.dtype if train_codes.dtype.kind == "f" else np.float64
    return LinearProbe(center.astype(kind), spread if spread > 0 else 1.0, task)


def knn_probe(train_codes: np.ndarray, task: str = "class") -> KnnProbe:
    """An unfitted kNN probe; it needs nothing from the unlabelled codes."""
    del train_codes
    return KnnProbe(task)


PROBES: dict[str, Callable[[np.ndarray, str], Probe]] = {"linear": linear_probe, "knn": knn_probe}


def probe_maker(probe: str | Callable[[np.ndarray, str], Probe]) -> Callable[[np.ndarray, str], Probe]:
    """The maker of a probe from its name, or the callable itself: maker(train_codes, task) gives an unfitted probe."""
    if not isinstance(probe, str):
        return probe
    if probe not in PROBES:
        raise DataError(f"no probe is called {probe!r}{did_you_mean(probe, PROBES)}", f"known: {', '.join(PROBES)}")
    return PROBES[probe]


def score(y: np.ndarray, predicted: np.ndarray, task: str = "class") -> float:
    """Balanced accuracy (mean recall of the classes in y, 0 to 1) or R2 (at most 1, 0 for the mean of y).

    errors  DataError: y has one value only
    """
    y, predicted = np.asarray(y), np.asarray(predicted)
    if len(y) == 0 or len(y) != len(predicted):
        raise DataError(f"{len(y)} labels and {len(predicted)} predictions cannot be scored", "give one per row")
    if task == "class":
        _, places = np.unique(y, return_inverse=True)
        sizes = np.bincount(places)
        if len(sizes) < 2:
            raise DataError("the scored rows hold one class only", "score rows of at least two classes")
        return float((np.bincount(places, weights=y == predicted) / sizes).mean())
    y = y.astype(np.float64)
    total = float(((y - y.mean()) ** 2).sum())
    if total == 0:
        raise DataError("the scored labels are all equal", "R2 needs labels that vary")
    return 1.0 - float(((y - predicted.astype(np.float64)) ** 2).sum()) / total


def auc(y: np.ndarray, confidence: np.ndarray) -> float:
    """Area under the ROC curve, 0 to 1, chance .5: how often a row of the second class ranks above one of the first.

    y           two classes; the larger in sorted order is the second
    confidence  (n,) probability or score of the second class; ties count one half
    """
    from scipy.stats import rankdata

    values, places = np.unique(np.asarray(y), return_inverse=True)
    if len(values) != 2:
        raise DataError(f"auc needs two classes, the labels have {len(values)}", "use score for more classes")
    above = int(places.sum())
    ranks = rankdata(confidence)[places == 1].sum()
    return float((ranks - above * (above + 1) / 2) / (above * (len(places) - above)))
