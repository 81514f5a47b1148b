"""All labels: what a probe tells when every row has one, and whether the boundaries are simple.

Reads  codes and labels of one set of rows, cut into folds; rows of one group stand in one fold.
Gives  the score of a linear probe, what a small non-linear probe adds to it, `cross_curve` for probes of your own.
Skips  tuning: the probes are fixed, and everything they learn (scale, selection, landmarks) they learn inside a fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import floats, plain
from .curves import Curve, label_curve, scores_of
from .draws import class_index, numbers, scored_classes, task_of
from .far_rows import far_note
from .folds import folds, group_ids
from .intervals import Interval, area_interval, area_points, paired_interval
from .neighbors import anchor_rows
from .probes import LinearProbe, Probe, linear_probe, probe_maker
from .record import Reading, metric, one_thread

NULL = "closed form: 1 / classes; for numbers 0"
UNCALIBRATED = "balanced accuracy: a random code scores 1 / classes, which stands beside it as chance"
INTERVAL = "resampled scored rows, or groups (what each row was answered stays)"
LEAK = "copies of one sample under different rows, unless groups= tells them"


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=0.0,
    best=1.0,
    null=NULL,
    interval=INTERVAL,
    cost="5 probe fits on at most 4,000 rows",
    distrust=f"{LEAK}; under 100 rows, where the fits differ by fold",
    source="logistic or ridge regression, 5 folds; Alain and Bengio 2017",
    uncalibrated=UNCALIBRATED,
)
def linear_score(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    rows: int = 4000,
    seed: int = 0,
) -> Reading:
    """How well does a linear probe do that sees the labels of four fifths of the rows?

    rows     above this many, that many are drawn
    returns  balanced accuracy, 0 to 1, or R2. more: {"accuracy"} for classes
    errors   DataError: fewer than two classes with two members, numbers that are all equal, all rows of one group
    """
    (codes, labels, groups), note = some_rows(rows, seed, codes, labels, groups)
    curve = cross_curve(codes, labels, seed=seed, task=task, groups=groups)
    note = "; ".join(one for one in (note, far_note("codes", codes)) if one)
    return curve_reading(curve, groups, seed, note)


@metric(
    needs=("codes", "labels"),
    also=("groups",),
    worst=None,
    best=None,
    null="closed form: 0, a linear probe that does as well",
    interval="resampled scored rows, or groups, paired between the probes",
    cost="10 probe fits on at most 2,000 rows, half of them with 100 features more",
    distrust="both probes near chance, or few rows: the larger probe then loses by its variance and the gap is below 0",
    source="Nystroem features: Williams and Seeger 2001; probes of two sizes: Hewitt and Liang 2019",
)
def boundary_gap(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    task: str | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Reading:
    """How much better is a small non-linear probe than a linear one (not at all where boundaries are simple)?

    The non-linear probe is the linear one on the codes and 100 radial features around rows of the fold.
    returns  difference of balanced accuracy or R2, above 0 where boundaries bend. more: {"linear", "curved"}
    errors   DataError: as linear_score
    """
    (codes, labels, groups), note = some_rows(rows, seed, codes, labels, groups)
    curves = {
        name: cross_curve(codes, labels, probe=probe, seed=seed, task=task, groups=groups)
        for name, probe in (("linear", linear_probe), ("curved", curved_probe))
    }
    found = paired_interval(curves["curved"], curves["linear"], groups, seed=seed)
    more = {name: curve.area for name, curve in curves.items()}
    points = area_points(curves["curved"]) - area_points(curves["linear"])
    return Reading(*found, int(curves["linear"].scored.sum()), 0.0, note, more, points)


class CurvedProbe:
    """A linear probe on the codes and on radial features around some of their rows.

    The features are exp(-d^2 / m), d the distance to a landmark, m the median of d^2, made white among the landmarks
    and scaled to the codes' mean variance.
    """

    def __init__(self, train_codes: np.ndarray, task: str, landmarks: int = 100, seed: int = 0) -> None:
        self.task = task
        self.center = train_codes.mean(0, dtype=np.float64)
        self.scale = float(np.sqrt(train_codes.var(0, dtype=np.float64).mean())) or 1.0
        scaled = self._scaled(train_codes)
        chosen = np.random.default_rng([seed, 41]).permutation(len(scaled))[:landmarks]
        self.landmarks = np.unique(scaled[chosen], axis=0)
        far = _squared(self.landmarks, self.landmarks)
        self.width = float(np.median(far[far > 0])) if (far > 0).any() else 1.0
        values, vectors = np.linalg.eigh(np.exp(-far / self.width))
        kept = values > 1e-6 * values.max()
        self.whiten = vectors[:, kept] / np.sqrt(values[kept])
        radial = self._radial(scaled)
        self.offset = radial.mean(0)
        self.size = float(np.sqrt(radial.var(0).mean())) or 1.0

    def fit(self, codes: np.ndarray, y: np.ndarray) -> CurvedProbe:
        """Learn from codes (n, units) and y (n,)."""
        width = self.landmarks.shape[1] + self.whiten.shape[1]
        self.linear = LinearProbe(np.zeros(width), 1.0, self.task).fit(self._features(codes), y)
        return self

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """The most probable class, or the number, (n,)."""
        return self.linear.predict(self._features(codes))

    def _features(self, codes: np.ndarray) -> np.ndarray:
        scaled = self._scaled(codes)
        return np.hstack([scaled, (self._radial(scaled) - self.offset) / self.size])

    def _scaled(self, codes: np.ndarray) -> np.ndarray:
        return (np.asarray(codes, dtype=np.float64) - self.center) / self.scale

    def _radial(self, scaled: np.ndarray) -> np.ndarray:
        return np.exp(-_squared(scaled, self.landmarks) / self.width) @ self.whiten


def curved_probe(train_codes: np.ndarray, task: str = "class") -> CurvedProbe:
    """An unfitted non-linear probe; landmarks and widths come from the unlabelled train codes (n, units)."""
    return CurvedProbe(np.asarray(train_codes), task)


def cross_curve(
    codes: Any,
    labels: Any,
    *,
    probe: str | Callable[[np.ndarray, str], Probe] = "linear",
    count: int = 5,
    seed: int = 0,
    task: str | None = None,
    groups: Any = None,
) -> Curve:
    """Every row answered by a probe that was made and fitted on the other folds.

    probe    "linear", "knn", or maker(train_codes, task): whatever it selects or scales, it does so inside the fold
    groups   (n,): rows of one group stand in one fold
    returns  a Curve of one draw and one count, for area_interval and paired_interval; a row whose class no other fold
             holds is not scored
    errors   DataError: shapes that do not fit, fewer than two folds or classes
    """
    codes, labels = floats("codes", codes), plain(labels)
    if len(codes) != len(labels):
        raise DataError(f"{len(codes)} codes and {len(labels)} labels", "give one label per row (None for no label)")
    task = task or task_of(labels)
    classes = scored_classes(labels) if task == "class" else None
    y = numbers(labels) if classes is None else class_index(labels, classes)
    truth = np.full(len(y), np.nan) if classes is None else np.full(len(y), -1, dtype=np.intp)
    answers = np.zeros(len(y), dtype=np.float64 if classes is None else np.int32)
    parts = folds(labels, count, seed, task, groups)
    with one_thread():
        for scored in parts:
            train = np.concatenate([one for one in parts if one is not scored])
            fitted = probe_maker(probe)(codes[train], task).fit(codes[train], y[train])
            answers[scored] = fitted.predict(codes[scored])
            known = np.isin(y[scored], y[train]) if classes is not None else np.ones(len(scored), dtype=bool)
            truth[scored[known]] = y[scored[known]]
    return answered(task, classes, answers[None], truth)


def answered(task: str, classes: np.ndarray | None, answers: np.ndarray, truth: np.ndarray) -> Curve:
    """A Curve of one draw from answers (steps, rows) to one truth (rows,); its counts are 1, 2, ... steps.

    errors  DataError: the scored rows hold fewer than two classes, or numbers that are all equal
    """
    known = truth[truth >= 0] if task == "class" else truth[np.isfinite(truth)]
    if len(np.unique(known)) < 2:
        raise DataError("the scored rows hold one class, or equal numbers", "score rows whose labels vary")
    return Curve(
        task, classes, tuple(range(1, len(answers) + 1)), answers[None], truth, scores_of(answers[None], truth, task)
    )


def chance_score(curve: Curve) -> float:
    """What guessing scores: 1 / classes among the scored rows; for numbers 0, the mean of all."""
    return 1.0 / len(np.unique(curve.truth[curve.scored])) if curve.task == "class" else 0.0


def curve_reading(curve: Curve, groups: Any = None, seed: int = 0, note: str = "") -> Reading:
    """The score of a curve of one count as a Reading, with plain accuracy beside it."""
    value, low, high = area_interval(curve, groups, seed=seed)
    more = {}
    if curve.task == "class":
        more["accuracy"] = float((curve.predictions[0, 0] == curve.truth)[curve.scored].mean())
    return Reading(value, low, high, int(curve.scored.sum()), chance_score(curve), note, more, area_points(curve))


def best_of(rivals: Mapping[str, Any], labels: Any, *, seed: int = 0, groups: Any = None) -> tuple[str, Interval]:
    """The best of many codes, chosen on one third of the rows and scored on another it was not chosen on.

    rivals   name -> (n, units): codes, or one code under many settings
    returns  (name, its area under the linear probe's label curve with interval) on the last third
    errors   DataError: no rival; as label_curve
    """
    if not rivals:
        raise DataError("there is no rival to choose from", "give a mapping: name -> codes")
    y = plain(labels)
    ids = None if groups is None else group_ids(groups, len(y))
    train, choose, report = folds(y, 3, seed, groups=groups)

    def curve(name: str, scored: np.ndarray) -> Curve:
        codes = floats(name, rivals[name])
        sides = (None, None) if ids is None else (ids[train], ids[scored])
        return label_curve(
            codes[train],
            y[train],
            codes[scored],
            y[scored],
            seed=seed,
            groups_train=sides[0],
            groups_eval=sides[1],
        )

    best = max(rivals, key=lambda name: curve(name, choose).area)
    return best, area_interval(curve(best, report), None if ids is None else ids[report], seed=seed)


def some_rows(most: int, seed: int, *arrays: Any) -> tuple[list[Any], str]:
    """At most so many rows of each array (None stays None), and the note that says so."""
    n = len(arrays[0])
    if n <= most:
        return list(arrays), ""
    chosen = anchor_rows(n, most, most, seed)
    return [None if one is None else one[chosen] for one in arrays], f"{most} of {n} rows"


def _squared(rows: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    far = (rows**2).sum(1)[:, None] + (landmarks**2).sum(1) - 2 * rows @ landmarks.T
    return np.maximum(far, 0)
