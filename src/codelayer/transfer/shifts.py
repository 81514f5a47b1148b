"""What has shifted between the rows a net was trained on and the user's: told from features, and from labels of both.

Reads  an extractor, source rows and their labels where there are some, features of the target's labelled rows.
Gives  `tell_shift`: the kind of shift, why, and the distances of every stage; `stored_distances` without source rows.
Skips  the rule from numbers to words: `diagnosis.told_shift`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.rows import rows_of
from ..errors import DataError
from ..measure.draws import task_of
from ..measure.probes import score
from ..nets.backbone import Backbone
from .diagnosis import told_shift
from .features import FeatureExtractor
from .heads import make_head
from .labelled import classes_of
from .similarity import LEAST, distances, stored_distance, told_apart


def tell_shift(
    made: FeatureExtractor,
    source: Any,
    source_y: Any,
    stages: Mapping[str, np.ndarray],
    y: np.ndarray,
    chance: float,
    seed: int = 0,
) -> tuple[str, str, dict[str, dict[str, float]]]:
    """The kind of shift, why, and the distances of every stage, from source rows (and their labels, or None).

    The kind is told from classes: without labels of the source, and where the target's are numbers, it is "".
    source_y  None, NaN or "" where a row has none
    stages    of the target's labelled rows y
    errors    DataError: labels of another number than source rows; fewer than 10 rows
    """
    classes = None if source_y is None else _source_classes(source_y, rows_of(source))
    known = made.stage_features(source)
    apart = {stage: distances(known[stage], stages[stage], seed) for stage in stages}
    truth = None if task_of(y) == "number" else classes_of(y, len(y))
    if classes is None or truth is None:
        return "", "", apart
    rows = np.flatnonzero([one is not None for one in classes])
    labels, truth = np.array(classes[rows].tolist()), np.array(truth.tolist())
    same, zero = set(labels.tolist()) == set(truth.tolist()), float("nan")
    if same:
        last = made.stages_[-1]
        model = make_head("ridge", known[last].shape[1], len(labels), "class", 2, seed).fit(known[last][rows], labels)
        zero = score(truth, model.predict(stages[last]))
    return (*told_shift(zero, chance, same, told_apart(apart)), apart)


def stored_distances(net: Backbone, stages: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, dict[str, float]]:
    """Distances to what a net keeps of the rows it was trained on; none where it keeps nothing, or of too few rows."""
    kept = {stage: one for stage, one in net.statistics.items() if stage in stages and len(stages[stage]) >= LEAST}
    return {stage: stored_distance(one, stages[stage], seed) for stage, one in kept.items()}


def _source_classes(source_y: Any, n: int) -> np.ndarray | None:
    try:
        return classes_of(source_y, n)
    except DataError as error:
        raise DataError(f"source labels: {error.args[0].splitlines()[0]}", "give one per source row, or none") from None
