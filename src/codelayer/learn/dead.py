"""Dead and collapsed units, idle penalties: what of a code or an objective does nothing, and what to do about it.

Source of the remedies: Gao et al. 2024, appendix A; Makhzani and Frey 2013, section 3.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from ..objective import Objective

History = Sequence[Mapping[str, float]]
COLLAPSED = 0.01  # nats a unit keeps about a row, below which it says nothing
SAME = 1e-3  # of the least a penalty can charge: what is above that pulls at hardly any step


def dead_units(codes: np.ndarray) -> np.ndarray:
    """The units whose values never vary over the rows, (dead,) int; codes is (rows, units).

    A unit is dead when its range is below one millionth of the largest absolute value of the whole code.
    """
    spread = codes.max(0) - codes.min(0)
    return np.flatnonzero(spread <= 1e-6 * max(float(np.abs(codes).max(initial=0.0)), 1e-12))


def unit_problems(
    objective: Objective, units: int, dead: np.ndarray, collapsed: np.ndarray, history: History = ()
) -> list[str]:
    """A sentence for each way in which units say nothing: dead ones, and those that fell to the prior.

    history  the terms of every epoch
    """
    told = []
    if len(dead) and not set(dead) <= set(collapsed):
        told.append(f"{len(dead)} of {units} units are dead (they never vary); {remedy(objective, history)}")
        if len(dead) == units:
            slower = "" if _never_on(history) else "; or lower the learning_rate"
            told = [f"{told[0]}{slower}: now every row has the same code, which says nothing"]
    if len(collapsed):
        share = f"{len(collapsed)} of {units} units have collapsed to the prior (below {COLLAPSED} nats)"
        told.append(f"{share}; {remedy(objective)}")
    return told


def _never_on(history: History) -> bool:
    return bool(history) and history[0].get("l0") == 0


def remedy(objective: Objective, history: History = ()) -> str:
    """What to try, by the objective's terms and by what they were in every epoch."""
    names = {term.name for term in objective.terms}
    if "topk" in names or "batch_topk" in names:
        more = "ask for more units at a time (a larger k) or for fewer units (a smaller code_size)"
        return more if "transposed" in names else f"add transposed(), or {more}"
    if "gaussian" in names:
        return "choose a smaller code_size, or write prior() with a smaller weight, a warmup=0.2 or free_bits=0.1"
    if "jumprelu" in names and ("l0" not in names or _never_on(history)):
        return "lower the threshold of jumprelu()"
    if "l0" in names:
        return "lower the weight of l0(), or choose a smaller code_size"
    if "l1" in names:
        return "lower the weight of l1(), or choose a smaller code_size"
    if "kl" in names:
        return "lower the weight of kl() or raise its target"
    if "contractive" in names:
        return "lower the weight of contractive()"
    if "relu" in names:
        return "lower the learning_rate, or leave relu() out"
    return "choose a smaller code_size: the data may have fewer dimensions than the code"


def warn_of_idle(objective: Objective, terms: Mapping[str, float], units: int) -> None:
    """Warn of every penalty that was as low as it can be over the whole first epoch: it changed nothing.

    terms  mean of every term over the epoch. A penalty says in `when_zero` what would make it work, or "" where 0 is
           as good as it gets; and in `least(units)` what it charges at least, where that is not 0
    units  of the code
    """
    for penalty in objective.penalties:
        advice = getattr(penalty, "when_zero", "raise its weight or loosen its limits, or leave it out")
        least = penalty.weight * penalty.least(units) if hasattr(penalty, "least") else 0.0
        value = terms.get(penalty.name)
        if value is None or not advice or abs(value - least) > SAME * least:
            continue
        was = "0" if least == 0 else f"{least:.4g}, the least it can be,"
        warnings.warn(f"{penalty.name}() was {was} over the whole first epoch: {advice}", stacklevel=4)
