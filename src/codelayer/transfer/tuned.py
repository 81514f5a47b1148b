"""What is tuned, how fast and from when: options in words become parameter groups.

Reads  a backbone and the options of a fine-tuning.
Gives  `Chosen` (the parameters of each stage that learn, the last frozen stage), groups, the values of "auto".
Skips  the steps: `tuning`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SentenceError, did_you_mean
from ..learn.groups import leaves, stage_leaves
from ..learn.paces import Group, layer_rates, opened_in_turn
from ..nets.backbone import Backbone
from ..nets.backbone.norms import is_norm

WORDS = ("head", "last", "all", "norms", "scratch")
STEPS, FEWEST, MOST = 200, 6, 30
RATES = {"head": 0.01, "probe": 0.0003, "scratch": 0.003, "random": 0.001}


@dataclass(frozen=True)
class Chosen:
    """Which parts of a backbone learn.

    stages  stage -> names of parameters that learn, from the input on; none where only the head does
    open    stage -> leaves that are in training mode while it learns
    closed  leaves that are held throughout
    after   the last stage of those before the first that learns, or None
    """

    stages: dict[str, list[str]]
    open: dict[str, list[str]]
    closed: list[str]
    after: str | None


def chosen(backbone: Backbone, tune: Any) -> Chosen:
    """What `tune` asks for.

    tune    "head"; "last", or how many stages from the end (stages without parameters do not count); "all" or
            "scratch"; "norms"; the name of one stage
    errors  SentenceError: no such stage, too many, nothing in it that can learn
    """
    names, ends, own = backbone.by_stage(), stage_leaves(backbone), leaves(backbone.net)
    parameters = {name for name, one in backbone.net.named_parameters() if one.is_floating_point()}
    wanted = _stages(backbone, tune, [one for one in backbone.stages if parameters & set(names[one])])
    if tune == "norms":
        modules = dict(backbone.net.named_modules())
        norms = [name for name, one in modules.items() if is_norm(one)]
        parameters &= {f"{name}.{one}" for name in norms for one, _ in modules[name].named_parameters(recurse=False)}
    stages = {one: [name for name in names[one] if name in parameters] for one in wanted}
    stages = {one: found for one, found in stages.items() if found}
    if tune != "head" and not stages:
        what = "normalisation layer" if tune == "norms" else "parameter"
        raise SentenceError(f"{backbone.name} has no {what} that tune={tune!r} could move", 'use tune="head"')
    learning = {name for found in stages.values() for name in found}
    opened = {one: [leaf for leaf in ends[one] if tune != "norms" or learning & set(own[leaf])] for one in stages}
    free = {leaf for found in opened.values() for leaf in found}
    first = min((backbone.stages.index(one) for one in stages), default=len(backbone.stages))
    return Chosen(
        stages,
        opened,
        [leaf for found in ends.values() for leaf in found if leaf not in free],
        backbone.stages[first - 1] if first else None,
    )


def _stages(backbone: Backbone, tune: Any, able: list[str]) -> tuple[str, ...]:
    known = backbone.stages
    if isinstance(tune, int) and not isinstance(tune, bool):
        if not 1 <= tune <= len(able):
            raise SentenceError(
                f"tune={tune} is not possible", f"{backbone.name} has {len(able)} stages with parameters"
            )
        return tuple(able[-tune:])
    if tune in ("head", "last"):
        return tuple(able[-1:]) if tune == "last" else ()
    if tune in ("all", "norms", "scratch"):
        return known
    if not isinstance(tune, str) or tune not in known:
        close = did_you_mean(str(tune), [*WORDS, *known])
        raise SentenceError(
            f"tune={tune!r} is not possible{close}",
            f"use {', '.join(WORDS)}, a number of stages, or {', '.join(known)}",
        )
    return (tune,)


def groups_of(found: Chosen, rates: Any, unfreeze: bool, total: int) -> list[Group]:
    """Groups of the joined net, from the input on, the head last; rates "gradient" are set later.

    errors  SentenceError: rates that are neither a number of at least 1 nor "gradient"
    """
    groups = [
        Group(
            stage,
            tuple(f"net.{name}" for name in names),
            tuple(f"net.{leaf}".rstrip(".") for leaf in found.open[stage]),
        )
        for stage, names in found.stages.items()
    ]
    groups.append(Group("head", ("head.weight", "head.bias"), ("head",)))
    if rates != "gradient":
        number = isinstance(rates, int | float) and not isinstance(rates, bool)
        if not (number and 1 <= rates < math.inf):
            raise SentenceError(
                f"rates={rates!r} is not possible", 'use 1.0 for one rate, 2.6 for less in every layer, or "gradient"'
            )
        groups = layer_rates(groups, float(rates))
    return opened_in_turn(groups, total) if unfreeze else groups


def _inside(names: list[str]) -> tuple[str, ...]:
    return tuple(f"net.{name}".rstrip(".") for name in names)


def settings(options: Any, rows: int) -> dict[str, Any]:
    """epochs, batch_size and learning_rate; "auto" is resolved by the rules below.

    - batch_size: rows / 8, as a power of 2 between 8 and 32
    - epochs: 200 steps, at least 6 and at most 30 passes; from scratch twice as many
    - learning_rate: 0.003 from scratch, 0.0003 from a probe, 0.01 for a random head alone, 0.001 else

    options  those of the estimator
    rows     that are learned from
    errors   SentenceError naming the option and its value
    """
    batch, epochs, rate = options["batch_size"], options["epochs"], options["learning_rate"]
    for name, value in (("batch_size", batch), ("epochs", epochs)):
        if value != "auto" and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise SentenceError(f"{name}={value!r} is not possible", f"{name} is a whole number, at least 1")
    if rate != "auto" and (isinstance(rate, str | bool) or not 0 < rate < math.inf):
        raise SentenceError(f"learning_rate={rate!r} is not possible", "it is above 0, usually 0.001")
    if batch == "auto":
        batch = min(32, max(8, 2 ** round(math.log2(max(rows, 1) / 8))))
    batch = min(int(batch), rows)
    if epochs == "auto":
        epochs = min(MOST, max(FEWEST, round(STEPS * batch / rows)))
        epochs *= 2 if options["tune"] == "scratch" else 1
    if rate == "auto":
        tune, start = options["tune"], options["start"]
        rate = RATES["scratch" if tune == "scratch" else "head" if tune == "head" and start == "random" else start]
    return {"epochs": int(epochs), "batch_size": batch, "learning_rate": float(rate)}
