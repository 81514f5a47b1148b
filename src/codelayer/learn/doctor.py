"""Before training: will units of this code die, or lie idle, on these rows? What to do about it, in one sentence each.

Reads  encoded rows, what the net subtracts from them, the width of the code and its sentence.
Gives  warnings; nothing is changed.
Skips  units that died in training: they are in dead.py.
Source: arXiv 2605.31518 (the ratio of mean to deviation predicts dead units); Gao et al. 2024, appendix A.
"""

from __future__ import annotations

import math

import numpy as np

from ..data.rows import rows_at_once
from ..objective import Model, Objective
from .sources import Rows

LOOKED_AT = 4096
LARGE_RATIO = 1.0
WIDE = 4
LEAST_KEPT = 1 / 128  # docs/log.md: with less, a third of the units and more are never on, transposed() or not
SPARSE = ("relu", "topk", "batch_topk", "jumprelu")
KEEPING = ("topk", "batch_topk")


def mean_ratio(encoded: np.ndarray, centre: np.ndarray | float = 0.0) -> float:
    """|mean - centre| / |deviation| over rows (rows, features): how far the rows lie off the point that is subtracted.

    Rows that do not vary have the ratio infinity, or 0 where they lie on the centre.
    """
    off = float(np.linalg.norm(encoded.mean(0, dtype=np.float64) - centre))
    spread = float(np.linalg.norm(encoded.std(0, dtype=np.float64)))
    if off <= 1e-6 * max(1.0, float(np.abs(encoded).max(initial=0.0))):
        return 0.0
    return off / spread if spread > 0 else float("inf")


def off_centre(encoded: np.ndarray, centre: np.ndarray | float, sparse: bool) -> str | None:
    """A warning where rows (rows, features) lie far off what the net subtracts, (features,), and units can die."""
    ratio = mean_ratio(encoded, centre)
    if not sparse or ratio <= LARGE_RATIO:
        return None
    return (
        f"the mean of the encoder's input is {ratio:.3g} times its deviation, and units that read the wrong side of it "
        "are never on; centre the input: scale='columns', or a net that subtracts every column's mean, such as mlp()"
    )


def too_wide(encoded: np.ndarray, code_size: int, sparse: bool, prepared: bool) -> str | None:
    """A warning where a sparse code is far wider than its rows (rows, features) and does not start as the transpose."""
    features = encoded.shape[1]
    if not sparse or prepared or code_size < WIDE * features:
        return None
    return (
        f"{code_size} sparse units for {features} encoded features: many may never be on (mean over deviation of the "
        f"raw input: {mean_ratio(encoded):.3g}); add transposed(), and revive() where the learning_rate is above 0.003"
    )


def too_few_kept(features: int, code_size: int, kept: int | None) -> str | None:
    """A warning where a code far wider than its rows keeps so few units of a row that the others cannot learn."""
    if kept is None or code_size < WIDE * features or kept >= LEAST_KEPT * code_size:
        return None
    return (
        f"{kept} of {code_size} units are kept for a row ({kept / code_size:.2%}): in a short training many will never "
        f"be on, with transposed() too; keep about a hundredth, k={math.ceil(code_size / 100)}, or ask for fewer units"
    )


def surplus(features: int, code_size: int, objective: Objective) -> str | None:
    """A warning where a sentence that is a loss and nothing else has more units than features."""
    if code_size <= features or objective.terms != [objective.loss]:
        return None
    return (
        f"code_size={code_size} is more than the {features} encoded features, and {objective.text} "
        "cannot use the surplus; choose a smaller code or add a sparse or denoising term"
    )


def without_partner(objective: Objective) -> list[str]:
    """A warning for each term whose partner is missing, so that it does not do what it is for."""
    told, kept = [], [f"{term.name}()" for term in objective.bottlenecks if term.name in KEEPING]
    compares = any(getattr(t, "needs_views", False) or getattr(t, "needs_pairs", False) for t in objective.penalties)
    if objective.compares_views and not compares:
        told.append("views() stands without a term that compares views; add invariance(25), or write only what alters")
    if objective.is_gaussian and not any(getattr(term, "needs_gaussian", False) for term in objective.penalties):
        told.append("gaussian() stands without prior(): nothing keeps its noise, which shrinks to 0; add prior(1)")
    if len(kept) > 1:
        told.append(f"{' and '.join(kept)} both choose which units are kept; leave one out")
    return told


def examine(training: Rows, model: Model) -> list[str]:
    """All warnings for these rows and this model."""
    objective, plan = model.objective, model.plan
    looked_at = min(training.length, rows_at_once(plan.features, LOOKED_AT))
    first = training.block(slice(0, looked_at)).reshape(-1, plan.features)
    names = {term.name for term in objective.terms}
    sparse = bool(names & set(SPARSE))
    kept = min((t.count(plan.code_size) for t in objective.bottlenecks if t.name in KEEPING), default=None)
    centre = np.broadcast_to(model.net.mean.cpu().numpy(), plan.shape).reshape(-1)
    found = (
        surplus(plan.features, plan.code_size, objective),
        off_centre(first, centre, sparse),
        too_wide(first, plan.code_size, sparse, "transposed" in names),
        too_few_kept(plan.features, plan.code_size, kept),
    )
    return without_partner(objective) + [sentence for sentence in found if sentence]
