"""Label curves: how well a probe does on a code as labels grow, over many draws of labels.

Reads  codes and labels of train rows (labels are drawn from them) and of the rows to score.
Gives  every prediction (draws, counts, rows), so that rivals can be compared row by row and draw by draw.
Skips  choosing: which rivals, which part of the rows, and who wins belong to the study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import floats
from .draws import DRAWS, class_index, label_counts, label_draws, numbers, scored_classes, task_of
from .folds import refuse_shared
from .probes import Probe, auc, probe_maker
from .record import one_thread


@dataclass(frozen=True)
class Curve:
    """A label curve with everything needed to resample it.

    counts       labels per class (rows, for numbers), ascending
    predictions  (draws, counts, rows): places in `classes`, or numbers
    truth        (rows,): places in `classes`, -1 where not scored; or numbers, NaN where not scored
    scores       (draws, counts): balanced accuracy or R2
    aucs         (draws, counts) for two classes, else None
    """

    task: str
    classes: np.ndarray | None
    counts: tuple[int, ...]
    predictions: np.ndarray
    truth: np.ndarray
    scores: np.ndarray
    aucs: np.ndarray | None = None

    @property
    def scored(self) -> np.ndarray:
        """Which rows count, bool (rows,)."""
        return self.truth >= 0 if self.task == "class" else np.isfinite(self.truth)

    @property
    def mean(self) -> np.ndarray:
        """Mean score at each count, (counts,)."""
        return self.scores.mean(0)

    @property
    def areas(self) -> np.ndarray:
        """Normalised area of each draw, (draws,)."""
        return np.asarray(curve_area(self.scores, self.counts))

    @property
    def area(self) -> float:
        """Mean normalised area over the draws."""
        return float(self.areas.mean())


def label_curve(
    codes_train: Any,
    y_train: Any,
    codes_eval: Any,
    y_eval: Any,
    *,
    probe: str | Callable[[np.ndarray, str], Probe] = "linear",
    counts: Sequence[int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    task: str | None = None,
    picked: Mapping[int, Sequence[np.ndarray]] | None = None,
    groups_train: Any = None,
    groups_eval: Any = None,
) -> Curve:
    """Fit a probe on few labels, many times, and score it on rows it has not seen.

    codes_train  (n, units); all rows give the scale, only drawn rows show their label
    probe        "linear", "knn", or maker(train_codes, task) -> object with fit and predict; each fit starts anew
    counts       default: label_counts(y_train)
    picked       count -> index arrays, instead of label_draws(y_train, count, seed, draws)
    groups_train, groups_eval  groups of the rows, where there are any: none may stand on both sides
    errors       DataError: shapes that do not fit, no row to score, a group on both sides
    """
    if groups_train is not None and groups_eval is not None:
        refuse_shared(groups_train, groups_eval)
    train, scored_codes = floats("codes_train", codes_train), floats("codes_eval", codes_eval)
    _check(train, y_train, scored_codes, y_eval)
    task = task or task_of(y_train)
    classes = scored_classes(y_train) if task == "class" else None
    y, truth = (numbers(v) if classes is None else class_index(v, classes) for v in (y_train, y_eval))
    _check_truth(truth, task)
    steps = tuple(sorted(picked or counts or label_counts(y_train, task=task)))
    picked = picked or {count: label_draws(y_train, count, seed, draws, task) for count in steps}
    draws = min(len(picked[count]) for count in steps)
    kind = np.float64 if classes is None else np.int32
    predictions = np.empty((draws, len(steps), len(truth)), dtype=kind)
    wants_auc = classes is not None and len(classes) == 2
    sure = np.full(predictions.shape, np.nan, dtype=np.float32) if wants_auc else None
    make = probe_maker(probe)
    with one_thread():
        fitted = make(train, task)
        for j, count in enumerate(steps):
            for i in range(draws):
                rows = picked[count][i]
                fitted.fit(train[rows], y[rows])
                _answer(fitted, scored_codes, predictions[i, j], None if sure is None else sure[i, j])
        scores = scores_of(predictions, truth, task)
    aucs = None if sure is None or not np.isfinite(sure).all() else _aucs(sure, truth)
    return Curve(task, classes, steps, predictions, truth, scores, aucs)


def join_curves(curves: Sequence[Curve]) -> Curve:
    """One curve from several over the same counts and rows (the seeds of a rival): their draws stand side by side."""
    first = curves[0]
    for other in curves[1:]:
        same_rows(first, other)
    aucs = [curve.aucs for curve in curves if curve.aucs is not None]
    return Curve(
        first.task,
        first.classes,
        first.counts,
        np.concatenate([curve.predictions for curve in curves]),
        first.truth,
        np.concatenate([curve.scores for curve in curves]),
        np.concatenate(aucs) if len(aucs) == len(curves) else None,
    )


def same_rows(a: Curve, b: Curve) -> None:
    """Raise DataError unless two curves score the same rows at the same counts."""
    if a.counts != b.counts or a.task != b.task or not np.array_equal(a.truth, b.truth, equal_nan=a.task != "class"):
        raise DataError(
            "two label curves differ in their counts or scored rows", "compare curves made with equal rows and counts"
        )


def scores_of(predictions: np.ndarray, truth: np.ndarray, task: str) -> np.ndarray:
    """Balanced accuracy or R2 over the last axis of predictions (..., rows), scored rows only."""
    if task == "class":
        rows = truth >= 0
        hits = predictions[..., rows] == truth[rows]
        present = np.unique(truth[rows])
        return np.stack([hits[..., truth[rows] == place].mean(-1) for place in present], axis=-1).mean(-1)
    rows = np.isfinite(truth)
    y = truth[rows]
    return 1 - ((predictions[..., rows] - y) ** 2).sum(-1) / ((y - y.mean()) ** 2).sum()


def area_weights(counts: Sequence[int]) -> np.ndarray:
    """The weight of each count in the normalised area over log10 labels (trapezoids), (counts,), sum 1."""
    if len(counts) == 1:
        return np.ones(1)
    places = np.log10(np.asarray(counts, dtype=np.float64))
    steps = np.diff(places)
    if (steps <= 0).any():
        raise DataError(f"label counts {list(counts)} do not ascend", "sort them, each once")
    weights = np.zeros(len(counts))
    weights[:-1] += steps / 2
    weights[1:] += steps / 2
    return weights / (places[-1] - places[0])


def curve_area(scores: np.ndarray, counts: Sequence[int]) -> np.ndarray | float:
    """Mean height of the label curve over log10 labels: scores (..., counts) -> (...); with one count that score."""
    area = np.asarray(scores, dtype=np.float64) @ area_weights(counts)
    return float(area) if area.ndim == 0 else area


def label_efficiency(raw: np.ndarray, code: np.ndarray, counts: Sequence[int]) -> dict[str, Any]:
    """How many labels raw features need for one label on the code, at equal score.

    raw, code  (counts,) mean scores of the two label curves
    At each count c the code scores s; raw features first reach s at L labels (interpolated on log labels; a curve that
    dips is taken at its running maximum; where it is flat at s, L is the count nearest to c). ratio = L / c.
    returns  by_count: list of {labels, score, raw_needs, ratio, censored}; ratio: their geometric mean;
             censored: "" exact; "at least": raw never reached some score, L is then the largest count;
             "at most": raw was above it at the smallest count already, L is then the smallest; "both": both occur
    """
    places = np.log10(np.asarray(counts, dtype=np.float64))
    best = np.maximum.accumulate(np.asarray(raw, dtype=np.float64))
    rows: list[dict[str, Any]] = []
    for place, count, target in zip(places, counts, np.asarray(code, dtype=np.float64).tolist(), strict=True):
        need, censored = _labels_for(target, place, best, places)
        rows.append(
            {
                "labels": int(count),
                "score": target,
                "raw_needs": float(10**need),
                "ratio": float(10 ** (need - place)),
                "censored": censored,
            }
        )
    kinds = {str(row["censored"]) for row in rows} - {""}
    ratio = float(np.exp(np.mean([np.log(row["ratio"]) for row in rows])))
    return {"ratio": ratio, "censored": "both" if len(kinds) == 2 else next(iter(kinds), ""), "by_count": rows}


def _labels_for(target: float, own: float, best: np.ndarray, places: np.ndarray) -> tuple[float, str]:
    level = places[best == target]
    if len(level):
        # a curve that is flat at the target: of all the counts that give it, the nearest to that of the code
        return float(np.clip(own, level[0], level[-1])), ""
    above = np.flatnonzero(best >= target)
    if not len(above):
        return float(places[-1]), "at least"
    j = int(above[0])
    if j == 0:
        return float(places[0]), "at most"
    share = (target - best[j - 1]) / (best[j] - best[j - 1])
    return float(places[j - 1] + share * (places[j] - places[j - 1])), ""


def _answer(probe: Any, codes: np.ndarray, predicted: np.ndarray, sure: np.ndarray | None) -> None:
    if sure is None or not hasattr(probe, "predict_proba"):
        predicted[:] = probe.predict(codes)
        return
    chances = np.asarray(probe.predict_proba(codes))
    predicted[:] = chances.argmax(1)
    if chances.shape[1] == 2:
        sure[:] = chances[:, 1]


def _aucs(sure: np.ndarray, truth: np.ndarray) -> np.ndarray | None:
    rows = truth >= 0
    if len(np.unique(truth[rows])) < 2:
        return None
    return np.array([[auc(truth[rows], one[rows]) for one in draw] for draw in sure])


def _check(train: np.ndarray, y_train: Any, scored: np.ndarray, y_eval: Any) -> None:
    for name, codes, y in (("train", train, y_train), ("scored", scored, y_eval)):
        if len(codes) != len(y):
            raise DataError(
                f"{len(codes)} {name} codes and {len(y)} labels", "give one label per row (None for no label)"
            )
    if train.shape[1] != scored.shape[1]:
        units = f"{train.shape[1]} and of {scored.shape[1]} units"
        raise DataError(f"codes of {units}", "use one encoder for both parts")


def _check_truth(truth: np.ndarray, task: str) -> None:
    if task == "class" and len(np.unique(truth[truth >= 0])) < 2:
        raise DataError("the rows to score hold fewer than two of the classes", "score rows of at least two classes")
    if task != "class" and len(np.unique(truth[np.isfinite(truth)])) < 2:
        raise DataError("the labels to score are all equal or missing", "R2 needs labels that vary")
