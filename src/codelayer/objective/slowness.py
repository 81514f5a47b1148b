"""Slowness: what changes slowly in time is what matters.

Reads  codes of a batch of pairs: rows 0 and 1, 2 and 3, ... are neighbours in time.
Gives  one number per sample, the same for all.
       A pair across two groups (context.groups), where one recording ends and the next begins, is not charged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..errors import SentenceError
from ..registry import part
from .corruptions import check_positive
from .trace import Trace


@part("penalty")
@dataclass(frozen=True)
class Slowness:
    """mean over pairs of sum_j (code_j(t) - code_j(t + 1))^2; rows stand in the order of time.

    weight  of the penalty
    Pairs of rows of two groups are left out: fit(X, groups=...), or --group.
    Beside views() it reads the projections as variance() does, with the mean over their units. A decoder or
    variance() keeps codes from collapsing; with a decoder, small codes and large atoms escape it in part: put
    unit_norm() beside it.
    Source: Wiskott and Sejnowski 2002, eq. 1; Mobahi, Collobert and Weston 2009.
    """

    weight: float = 1.0
    over = "batch"
    needs_pairs = True
    when_zero = "no neighbouring rows of a group have codes that differ; it needs rows in the order of time"

    def __post_init__(self) -> None:
        check_positive("slowness", "weight", self.weight)

    def check_beside(self, objective: Any) -> None:
        """Beside views(), refuse a code whose scale nothing holds: it would only shrink."""
        names = {term.name for term in objective.penalties}
        if objective.compares_views and objective.loss is None and "variance" not in names:
            raise SentenceError(
                "slowness() would shrink every code, and nothing here holds its scale", "add variance(25)"
            )

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) the same number for every sample; 0 for a single one. A last row without a partner is left out."""
        groups = trace.context.groups if trace.context is not None else None
        if trace.views is None:
            return _change(trace.code, groups).sum().expand(len(trace.code))
        a, b = trace.views
        return ((_change(a, groups).mean() + _change(b, groups).mean()) / 2).expand(len(trace.code))


def _change(codes: Tensor, groups: Tensor | None) -> Tensor:
    """(units,) mean squared change between partners of one group; 0 where there are none."""
    pairs = len(codes) // 2
    if not pairs:
        return codes.sum(0) * 0
    change = (codes[0 : 2 * pairs : 2] - codes[1 : 2 * pairs : 2]).square()
    if groups is None:
        return change.mean(0)
    together = (groups[0 : 2 * pairs : 2] == groups[1 : 2 * pairs : 2]).to(codes.dtype)
    return together @ change / together.sum().clamp_min(1)
