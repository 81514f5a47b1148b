"""A new network that begins with the first or the last stages of a trained one.

Reads  a backbone, labelled rows, how many stages are copied from which end, whether they are held.
Gives  `copy_layers`: a net with its linear head, trained on the rows.
Skips  which number is best: `layers` compares them.

Source: Yosinski et al. 2014.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..data.rows import rows_of, take
from ..errors import SentenceError
from ..nets.backbone import Backbone
from .copies import Learned, Lesson, Way, learned
from .finetune import plain_rows
from .opening import open_backbone
from .targets import class_targets


def copy_layers(
    backbone: str | Path | Backbone,
    X: Any,
    y: Any,
    first: int = 0,
    last: int = 0,
    tune: bool = False,
    steps: int = 200,
    batch_size: int = 32,
    learning_rate: float = 0.003,
    seed: int = 0,
) -> Learned:
    """Copy the first or last stages of a net into a new one and train the rest, with a linear head, on labelled rows.

    X, y         rows as the net takes them; their classes, None or "" where a row has none
    first, last  how many stages are copied from the front, or from the back; the others are drawn at random and scaled
                 on the rows; 0 and 0 is training from scratch
    tune         whether what was copied learns as well; held stages keep their bits, running statistics too
    steps        about so many, in whole passes
    errors       SentenceError: more stages than there are, or both ends at once; DataError: rows or labels

    The net given stays as it is. `Learned.predict` tells classes; `Learned.net` is a backbone like any other.
    """
    source = open_backbone(backbone, seed=seed)
    stages = list(source.stages)
    for name, number in (("first", first), ("last", last)):
        if type(number) is not int or not 0 <= number <= len(stages):
            raise SentenceError(f"{name}={number!r} is not possible", f"the net has {len(stages)} stages")
    if first and last:
        raise SentenceError(f"first={first} and last={last} at once", "copy from one end")
    if type(steps) is not int or steps < 1 or type(batch_size) is not int or batch_size < 1:
        raise SentenceError(f"steps={steps!r}, batch_size={batch_size!r} are not possible", "both are at least 1")
    rows = plain_rows(X)
    targets = class_targets(y, rows_of(rows))
    classes: Any = targets.classes
    copied = tuple(stages[:first] if first else stages[len(stages) - last :])
    lesson = Lesson(take(rows, targets.rows), classes[targets.values], steps, batch_size, seed, learning_rate)
    empty = Learned(source, np.empty((0, 0)), np.empty(0), np.empty(0))
    return learned(empty, Way(copied, () if tune else copied), lesson)
