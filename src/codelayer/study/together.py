"""Which fits of a study learn in one pass, as one stack of matrices (learn/many.py).

Reads  the tasks of a study and the rows they learn from.
Gives  lists of tasks, each the work of one worker: fits of small plain nets of one shape together, others alone.
Skips  nets that are large enough to keep a core busy by themselves, and fits that are long or under way: those have a
       checkpoint of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import bundle
from ..data.rows import rows_of
from ..data.schema import Schema
from ..nets import parse_net
from ..objective import parse_objective, recipe_of
from .jobs import Task

MOST_WORK = 4e6  # multiply-adds of coding one batch, above which the products alone fill the time
MOST_FITS = 8
LONGEST = 3.0  # minutes a rival is forecast to take, above which its fits keep checkpoints of their own


def fit_lists(tasks: Sequence[Task], train_x: Any, workers: int) -> list[list[Task]]:
    """The tasks in lists to be fitted together, the slowest list first, so that the workers end together."""
    schema = Schema.fit(train_x)
    alone: list[list[Task]] = []
    alike: dict[Any, list[Task]] = {}
    for task in tasks:
        key = stack_key(task, schema, rows_of(train_x))
        if key is None:
            alone.append([task])
        else:
            alike.setdefault(key, []).append(task)
    lists = [*alone]
    for fits in alike.values():
        fits.sort(key=lambda task: task.seed)  # fits of one seed share their draws
        size = min(MOST_FITS, math.ceil(len(fits) / workers))
        lists += [fits[i : i + size] for i in range(0, len(fits), size)]
    lists.sort(key=lambda some: -sum(task.rival.minutes or 0.0 for task in some))
    return lists


def stack_key(task: Task, schema: Schema, rows: int) -> Any:
    """Equal for fits whose nets have one shape and which gain by learning together; None for the others."""
    rival = task.rival
    if (
        not rival.learned
        or (rival.minutes or 0.0) > LONGEST
        or (task.place / bundle.ABOUT).exists()
        or task.run.exists()
    ):
        return None
    text, net_text = recipe_of(rival.sentence)
    objective = parse_objective(text)
    if objective.compares_views or objective.infers or objective.needs("pairs") or objective.needs("labels"):
        return None
    coder = rival.build(0)
    net = parse_net(objective.auto_net if net_text == "auto" else net_text, schema.shape, rival.code_size, False)
    batch = coder.settings(rows - int(rows * coder.validation))["batch_size"]
    work = getattr(net, "multiply_adds", None) if net.name == "mlp" else None
    if work is None or batch * work(schema.shape, rival.code_size) > MOST_WORK:
        return None
    return net, objective.is_gaussian, rival.code_size, rival.epochs
