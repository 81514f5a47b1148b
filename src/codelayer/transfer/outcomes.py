"""What came out of layer transfer: accuracies with intervals, and whether the back or the front is better to copy.

Reads  which test rows every treatment got right, per seed.
Gives  `Outcome`, `LayerTransfer` (rows, `better`, a JSON record), `merged` results.
Skips  training (`layers`), the page (`layerspage`).

Intervals are 95 %, of a bootstrap over seeds and test rows at once. Seeds that were scored on the same test rows see
the same resampled rows. Few resampled seeds spread too little, by the square root of (n - 1) / n for n of them
(Hesterberg 2015, section 4.3): deviations are widened by its inverse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError
from ..measure.intervals import RESAMPLES, Interval, interval_of
from .treatments import BACK, FRONT, ONE

INPUT, TASK = "input shift", "task shift"


@dataclass(frozen=True)
class Outcome:
    """One treatment in one seed.

    treatment, kind, k  as in `Treatment`
    labels  labelled target rows per class
    right   (test rows,) whether each was predicted right
    choose  accuracy on labelled target rows that were neither learned from nor tested on; NaN without such rows
    tested  names the test rows: equal texts, equal rows
    seconds that its training took
    """

    treatment: str
    kind: str
    k: int | None
    labels: int
    seed: int
    right: np.ndarray
    choose: float
    tested: str
    seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        """Share of test rows that are right."""
        return float(self.right.mean())


@dataclass
class LayerTransfer:
    """Every treatment's accuracy on the target's test rows.

    outcomes  one per treatment, label count and seed
    shift     "input shift" (the target has the source's classes) or "task shift" (it has others)
    blocks    of the net
    chance    accuracy of always naming the commonest test class, the mean over test parts
    source_accuracy  of every seed's source net on source rows that were held out
    settings  what else it was made with
    notes     what a reader should know
    """

    outcomes: list[Outcome]
    shift: str
    blocks: int
    chance: float
    source_accuracy: list[float] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> list[int]:
        """Label counts, the smallest first."""
        return sorted({one.labels for one in self.outcomes})

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One record per label count and treatment: treatment, kind, k, accuracy, low, high, per seed."""
        found = []
        for labels in self.counts:
            some = [one for one in self.outcomes if one.labels == labels]
            for name in dict.fromkeys(one.treatment for one in some):
                mine = [one for one in some if one.treatment == name]
                span = spread([(one.right.astype(float), one.tested) for one in mine])
                first = mine[0]
                found.append(
                    {"labels": labels, "treatment": name, "kind": first.kind, "k": first.k}
                    | {"accuracy": span.value, "low": span.low, "high": span.high}
                    | {"seeds": [one.accuracy for one in mine]}
                    | {"seconds": float(np.mean([one.seconds for one in mine]))}
                )
        return found

    @cached_property
    def better(self) -> list[dict[str, Any]]:
        """Per label count: the best back copy minus the best front copy.

        Copies of at least one and not all blocks compete. In every seed the number of blocks is the one that is best on
        the choosing rows; without such rows ("chosen" is false) the mean over all numbers stands for each side.
        """
        return [self._contest(labels) for labels in self.counts] if self.blocks > 1 else []

    def _contest(self, labels: int) -> dict[str, Any]:
        seeds = list(dict.fromkeys((one.seed, one.tested) for one in self.outcomes))
        some = [one for one in self.outcomes if one.labels == labels]
        chosen = all(math.isfinite(one.choose) for one in some)
        pairs, numbers = [], {BACK: [], FRONT: []}
        for seed in seeds:
            sides = {}
            for kind in (BACK, FRONT):
                mine = [one for one in some if (one.seed, one.tested) == seed and one.kind == kind]
                mine = [one for one in mine if one.k and one.k < self.blocks]
                if chosen:
                    mine = [max(mine, key=lambda one: (one.choose, -(one.k or 0)))]
                    numbers[kind].append(mine[0].k)
                sides[kind] = np.mean([one.right for one in mine], 0)
            pairs.append((sides[BACK] - sides[FRONT], seed[1]))
        span = spread(pairs)
        return {
            "labels": labels,
            "back_minus_front": [span.value, span.low, span.high],
            "per_seed": [float(one.mean()) for one, _ in pairs],
            "chosen": chosen,
            "back_k": numbers[BACK],
            "front_k": numbers[FRONT],
            "verdict": "back" if span.low > 0 else "front" if span.high < 0 else "open",
        }

    @property
    def sentences(self) -> list[str]:
        """What came out, in words, per label count."""
        return [_told(self, one) for one in self.better]

    def best(self, labels: int, kind: str) -> dict[str, Any]:
        """The row of a kind with the highest mean accuracy on the test rows (an optimist's choice, for tables)."""
        mine = [row for row in self.rows if row["labels"] == labels and row["kind"] == kind]
        if not mine:
            raise DataError(f"no treatment of kind {kind!r} at {labels} labels", "see `rows`")
        return max(mine, key=lambda row: row["accuracy"])

    def record(self) -> dict[str, Any]:
        """Plain JSON of everything but the single predictions."""
        names = ("shift", "blocks", "chance", "source_accuracy", "settings", "rows", "better", "sentences", "notes")
        return {name: getattr(self, name) for name in names}


def _told(whole: LayerTransfer, one: Mapping[str, Any]) -> str:
    value, low, high = one["back_minus_front"]
    span = f"{100 * value:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"
    side = {
        "back": "copying the last blocks beats copying the first",
        "front": "copying the first blocks beats copying the last",
        "open": "whether to copy the first or the last blocks stays open",
    }[one["verdict"]]
    how = "best number of blocks each" if one["chosen"] else "mean over numbers of blocks"
    tuned = whole.best(one["labels"], ONE)
    return (
        f"{whole.shift.capitalize()}, {one['labels']} labels per class: {side} (back minus front {span}, {how}). "
        f"Of full copies of which one block learns, block {tuned['k']} came first: {tuned['accuracy']:.3f} "
        f"[{tuned['low']:.3f}, {tuned['high']:.3f}]."
    )


def spread(found: Sequence[tuple[np.ndarray, str]], resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean over seeds of the mean over rows, with its 95 % interval.

    found  per seed: (rows,) numbers, and the name of these rows; seeds with equal names share their resampled rows
    """
    rng = np.random.default_rng([seed, 17])
    n = len(found)
    value = float(np.mean([one.mean() for one, _ in found]))
    means = np.empty((resamples, n))
    for name in dict.fromkeys(name for _, name in found):
        places = [at for at, (_, other) in enumerate(found) if other == name]
        rows = np.stack([found[at][0] for at in places])
        drawn = rng.multinomial(rows.shape[1], np.full(rows.shape[1], 1 / rows.shape[1]), size=resamples)
        means[:, places] = drawn @ rows.T / rows.shape[1]
    shares = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    replicates = (shares * means).sum(1)
    wider = math.sqrt(n / (n - 1)) if n > 1 else 1.0
    return interval_of(value, value + wider * (replicates - value))


def merged(results: Sequence[LayerTransfer]) -> LayerTransfer:
    """Results of equal shift and net, such as several splits of one data set, as one.

    errors  DataError: none, or of unlike kinds
    """
    kinds = {(one.shift, one.blocks, tuple(one.counts)) for one in results}
    if len(kinds) != 1:
        raise DataError(f"{len(kinds)} kinds of results cannot be put together", "merge equal shifts, nets and counts")
    outcomes = [replace(one, seed=1000 * at + one.seed) for at, result in enumerate(results) for one in result.outcomes]
    first = results[0]
    return LayerTransfer(
        outcomes,
        first.shift,
        first.blocks,
        float(np.mean([one.chance for one in results])),
        [one for result in results for one in result.source_accuracy],
        first.settings,
        list(dict.fromkeys(note for one in results for note in one.notes)),
    )
