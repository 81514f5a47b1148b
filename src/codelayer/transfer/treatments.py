"""The treatments of layer transfer: what is copied from the front, from the back, or tuned alone.

Reads  the stages of a net, whether the target has the source's classes.
Gives  `Treatment`s, each with its `Way`; several may share one, which is then trained once.
Skips  training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .copies import KEPT, NEW, TUNED, Way

FRONT, BACK, ONE = "front", "back", "tune one block"
FRONT_TUNED, BACK_TUNED = "front, tuned", "back, tuned"
ALL, HEAD, ZERO = "tune all", "head only", "zero-shot"


@dataclass(frozen=True)
class Treatment:
    """One way to begin, by name.

    kind  "front", "back", "front, tuned", "back, tuned", "tune one block", "tune all", "head only", "zero-shot"
    k     copied blocks, or the number of the block that is tuned, from 1; None elsewhere
    """

    kind: str
    k: int | None
    way: Way

    @property
    def name(self) -> str:
        """As it stands in tables: "front 2"."""
        return self.kind if self.k is None else f"{self.kind} {self.k}"


def treatments(stages: Sequence[str], same_classes: bool, tune_copies: bool = False) -> list[Treatment]:
    """All treatments of a net with these stages.

    same_classes  an input shift: back copies keep the classifier, and the whole copy can be used as it is
    tune_copies   also copies that go on learning
    """
    stages, n = tuple(stages), len(stages)
    kept, tuned = (KEPT, TUNED) if same_classes else (NEW, NEW)
    found = [Treatment(FRONT, k, Way(stages[:k], stages[:k])) for k in range(n + 1)]
    found += [Treatment(BACK, k, Way(stages[n - k :], stages[n - k :], kept)) for k in range(n + 1)]
    if tune_copies:
        found += [Treatment(FRONT_TUNED, k, Way(stages[:k], ())) for k in range(1, n)]
        found += [Treatment(BACK_TUNED, k, Way(stages[n - k :], (), tuned)) for k in range(1, n)]
    for at, stage in enumerate(stages, 1):
        found.append(Treatment(ONE, at, Way(stages, tuple(one for one in stages if one != stage), kept)))
    found += [Treatment(ALL, None, Way(stages, (), tuned)), Treatment(HEAD, None, Way(stages, stages, tuned))]
    return [*found, Treatment(ZERO, None, Way(stages, stages, KEPT))] if same_classes else found
