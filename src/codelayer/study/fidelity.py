"""The ranking without labels: fidelity, not usefulness.

Reads  codes of equal width on the `choose` part.
Gives  the code that keeps neighbourhoods best: the mean of trustworthiness and continuity (10 neighbours).
Skips  usefulness: without labels nobody can know it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..data.rows import take
from ..measure import METRICS
from ..measure.intervals import Interval
from .choose import Choice

if TYPE_CHECKING:
    from .race import Race

SAMPLE = 3000


def fidelity(codes: np.ndarray, flat: np.ndarray) -> float:
    """Mean of trustworthiness and continuity, in [0, 1]; about 0.5 for a random code."""
    k = min(10, max(1, len(codes) // 3))
    options = {"n_neighbors": k}
    arrays = {"codes": codes, "x": flat}
    return (
        METRICS["trustworthiness"].read(arrays, options).value + METRICS["continuity"].read(arrays, options).value
    ) / 2


def choose_without_labels(race: Race, barred: dict[str, str]) -> Choice:
    """The smallest of the codes whose fidelity is, within its spread over half-samples and seeds, the best."""
    n = len(race.parts.choose)
    rng = np.random.default_rng([race.seed, 23])
    some = np.sort(rng.permutation(n)[:SAMPLE])
    rows = take(race.parts.rows("choose"), some)
    flat = race.coder("raw").transform(rows)
    halves = [np.sort(rng.permutation(len(some))[: max(4, len(some) // 2)]) for _ in range(6)]
    for rival in race.rivals:
        if rival.role == "given":
            codes = [race.given(rival, "choose")[some]]
        else:
            codes = [race.coder(rival.name, s).transform(rows) for s in range(race.fits_of(rival))]
        race.fidelity[rival.name] = np.mean([[fidelity(z[half], flat[half]) for half in halves] for z in codes], axis=0)
    for rival in race.rivals:  # a wide code keeps more, whatever it is: one of another width is shown, not ranked
        if rival.backbone and race.width and race.units[rival.name] != race.width:
            barred[rival.name] = f"codes of {race.width} numbers are ranked, these are {race.units[rival.name]}"
    ranked = {name: values for name, values in race.fidelity.items() if name != "raw"}
    allowed = {name: values for name, values in ranked.items() if name not in barred} or ranked
    best = max(allowed, key=lambda name: allowed[name].mean())
    behind: dict[str, Interval] = {}
    for name, values in allowed.items():
        difference = allowed[best] - values
        # a half-sample's spread is that of the whole sample, up to the finite correction: n/2 of n rows
        error = 1.96 * difference.std(ddof=1) if name != best else 0.0
        behind[name] = Interval(
            float(difference.mean()), float(difference.mean() - error), float(difference.mean() + error)
        )
    ties = tuple(name for name in allowed if behind[name].low <= 0 <= behind[name].high)
    winner = min(ties, key=lambda name: (race.size.get(name, math.inf), name))
    rows_in_turn = rng.permutation(len(some))
    race.fidelity_chance = fidelity(flat[rows_in_turn], flat)
    return Choice(winner, best, ties, behind, barred)
