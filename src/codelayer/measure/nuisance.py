"""Nuisance: what should have been suppressed (speaker, device, day of capture), and how well it can still be read.

Reads  codes and one nuisance per row; labels where there are any, for the score that should stay high.
Gives  the area under the nuisance's label curve: lower is better, and no lower than chance.
Skips  removing it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .draws import class_index, scored_classes, task_of
from .folds import group_ids
from .record import Reading, metric
from .usefulness import COST, INTERVAL, area_reading

BOTH_SIDES = "the groups tell the nuisance: rows of one group stand on both sides here"


@metric(
    needs=("codes", "nuisance"),
    also=("labels", "groups"),
    worst=1.0,
    best=0.0,
    null="closed form: 1 / classes; for numbers shuffled rows",
    interval=INTERVAL,
    cost=COST,
    distrust="low for a code that tells nothing at all: read it beside `label`; other probes may still read it: `knn`",
    source="domain probes, Ganin et al. 2016; label curves, Locatello et al. 2019",
    uncalibrated="balanced accuracy: it cannot fall below 1 / classes, which stands beside it as chance",
)
def nuisance_area(
    codes: np.ndarray,
    nuisance: np.ndarray,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    draws: int = 20,
    largest: int = 100,
    seed: int = 0,
) -> Reading:
    """How well can be read from the code what it should have suppressed (lower is better)?

    The area of linear_area with the nuisance in the place of the label; whether it is a class or a number is seen from
    its values.
    returns  balanced accuracy, chance to 1, or R2.
             more: {"counts", "scores", "knn": the area by a kNN probe, "label": that of the label by a linear probe}
    errors   DataError: a nuisance with fewer than two classes of two rows, or numbers that are all equal
    """
    apart = groups if groups is None or _can_part(nuisance, groups) else None
    reading = area_reading(codes, nuisance, apart, "linear", None, draws, largest, seed)
    reading.more["knn"] = area_reading(codes, nuisance, apart, "knn", None, draws, largest, seed).value
    if labels is not None:
        # labels that cannot be scored are no reason to lose the nuisance
        with suppress(DataError):
            reading.more["label"] = area_reading(codes, labels, groups, "linear", None, draws, largest, seed).value
    note = BOTH_SIDES if groups is not None and apart is None else ""
    return replace(reading, note=note)


def _can_part(nuisance: np.ndarray, groups: np.ndarray) -> bool:
    # two classes at least must each have rows of two groups
    if task_of(nuisance) != "class":
        return True
    index, ids = class_index(nuisance, scored_classes(nuisance)), group_ids(groups)
    parted = [len(np.unique(ids[index == place])) > 1 for place in range(index.max() + 1)]
    return sum(parted) > 1
