"""Which quadrant a data set is in: how similar it is to what a net knows, how deep, how many labels, what has shifted.

Reads  features of the net's stages and of its random twin's, raw rows, labels; source rows where they are at hand.
Gives  `Diagnosis`: the numbers, and the words that follow from them by written rules.
Skips  advice: `advisor` short-lists and races.

    similarity  S = (last - twin's last) / max over stages of (stage - twin's)
    depth       the latest stage that is within one standard error of the best, over the number of stages
    similar     S >= .95 and depth 1;  different  S < .8 or depth < 1;  else unclear
    helps       the best of the stages and all of them together is ahead of the best of the twin's stages, all of them
                together and raw rows, by more than one standard error of that gap; and ahead of chance by more than one
                of its own (balanced accuracy: 1 / classes, R2: 0)
    no twin     of a net without parameters (an ONNX file) none can be drawn: in S the best score of raw rows, or chance
                where that is higher, takes the place of the twin's stages; in helps nothing does
    little      fewer than 20 labels per class, or doubling them would still win more than 2 points

Sources: Yosinski et al. 2014; the textbook's four quadrants; the rules' thresholds stand in docs/advisor.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from ..report import Progress
from .scoring import Fold, Once, Scored, always_new, beside, probe

SIMILAR, DIFFERENT, FEW, STILL_WINS = 0.95, 0.8, 20, 0.02
SHARES = (0.25, 0.5, 1.0)


@dataclass
class Diagnosis:
    """What the probes say.

    stages      in order; net, twin: stage -> Scored; the twin's are empty where none could be drawn
    together    all stages side by side; twin_together: the twin's, None where there is none
    raw         name -> Scored: forest and linear head on raw rows
    labels      per class, the smallest class; rows for numbers
    curve       share of the labels -> mean score of the best stage
    limit, gain, exponent  of the curve a - b n^-c: a, what doubling the labels would win, c; NaN where none was fitted
    distances   stage -> what `similarity.distances` gives; empty without source rows
    shift       "input", "task", "none", "unclear", or "" without source rows; why in `shift_why`
    """

    stages: tuple[str, ...]
    net: dict[str, Scored]
    twin: dict[str, Scored]
    together: Scored
    raw: dict[str, Scored]
    task: str
    labels: int
    chance: float
    curve: dict[float, float] = field(default_factory=dict)
    limit: float = float("nan")
    gain: float = float("nan")
    exponent: float = 0.5
    distances: dict[str, dict[str, float]] = field(default_factory=dict)
    shift: str = ""
    shift_why: str = ""
    twin_together: Scored | None = None

    @property
    def best(self) -> str:
        """The stage with the highest mean."""
        return max(self.stages, key=lambda stage: self.net[stage].mean)

    @property
    def latest(self) -> str:
        """The latest stage within one standard error of the best."""
        top = self.net[self.best]
        near = [s for s in self.stages if s == self.best or _near(top, self.net[s])]
        return near[-1]

    @property
    def depth(self) -> float:
        """Place of `latest` among the stages, (0, 1]."""
        return (self.stages.index(self.latest) + 1) / len(self.stages)

    @property
    def similarity(self) -> float:
        """S above; 0 where no stage is ahead of the twin's, or of what stands in for it."""
        instead = max([self.chance, *(one.mean for one in self.raw.values())])
        untrained = {stage: self.twin[stage].mean if self.twin else instead for stage in self.stages}
        gains = {stage: self.net[stage].mean - untrained[stage] for stage in self.stages}
        most = max(gains.values())
        return 0.0 if most <= 0 else max(0.0, gains[self.stages[-1]] / most)

    @property
    def verdict(self) -> str:
        """ "similar", "different" or "unclear"."""
        if self.similarity >= SIMILAR and self.depth == 1:
            return "similar"
        return "different" if self.similarity < DIFFERENT or self.depth < 1 else "unclear"

    @property
    def size(self) -> str:
        """ "little" or "much"."""
        return "little" if self.labels < FEW or self.gain > STILL_WINS else "much"

    @property
    def quadrant(self) -> str:
        """Size and similarity in words."""
        return f"{self.size} and {self.verdict}"

    @property
    def rival(self) -> tuple[str, Scored]:
        """The best of what does without the net's training: its twin's stages, raw rows."""
        found = {f"the untrained twin's {stage}": one for stage, one in self.twin.items()}
        if self.twin_together is not None:
            found["the untrained twin's all stages"] = self.twin_together
        found |= {f"{name} on raw rows": one for name, one in self.raw.items()}
        name = max(found, key=lambda one: found[one].mean)
        return name, found[name]

    @property
    def top(self) -> Scored:
        """The best of the net's stages and of all together."""
        return max([*self.net.values(), self.together], key=lambda one: one.mean)

    @property
    def known(self) -> dict[str, Scored]:
        """Scores by the names of the candidates whose they are."""
        found = {f"linear head on {stage}": one for stage, one in self.net.items()}
        return (
            found | {"linear head on all stages": self.together} | {f"{n} on raw rows": s for n, s in self.raw.items()}
        )

    @property
    def lead(self) -> tuple[float, float]:
        """How far the net's best probe is ahead of `rival`, with the standard error of that."""
        return self.top.beyond(self.rival[1])

    @property
    def helps(self) -> bool:
        """Whether the frozen net knows more of the labels than its twin and raw rows do, and more than nothing."""
        gap, error = self.lead
        return gap > error and gap > 0 and self.knows

    @property
    def knows(self) -> bool:
        """Whether the net's best probe is ahead of chance by more than one standard error."""
        return self.top.mean - self.chance > self.top.error

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        gap, error = self.lead
        return {
            "stages": [_stage_record(s, self.net, self.twin) for s in self.stages],
            "all_stages": self.together.record(),
            "all_stages_of_twin": None if self.twin_together is None else self.twin_together.record(),
            "raw": {name: one.record() for name, one in self.raw.items()},
            "similarity": self.similarity,
            "depth": self.depth,
            "verdict": self.verdict,
            "size": self.size,
            "labels": self.labels,
            "chance": self.chance,
            "best_stage": self.best,
            "latest_good_stage": self.latest,
            "helps": self.helps,
            "lead": {"over": self.rival[0], "mean": gap, "error": error},
            "curve": {str(share): value for share, value in self.curve.items()},
            "limit": None if np.isnan(self.limit) else self.limit,
            "gain_of_doubling": None if np.isnan(self.gain) else self.gain,
            "distances": self.distances,
            "shift": self.shift,
            "shift_why": self.shift_why,
        }


def _stage_record(stage: str, net: Mapping[str, Scored], twin: Mapping[str, Scored]) -> dict[str, Any]:
    return {"stage": stage, "net": net[stage].record(), "twin": twin[stage].record() if twin else None}


def _near(top: Scored, other: Scored) -> bool:
    gap, error = top.beyond(other)
    return gap <= error


def diagnose(
    net: Mapping[str, np.ndarray],
    twin: Mapping[str, np.ndarray],
    raw: Mapping[str, Scored],
    y: np.ndarray,
    folds: list[Fold],
    task: str = "class",
    seed: int = 0,
    once: Once = always_new,
) -> Diagnosis:
    """Probes of every stage of the net and of its twin, on the same folds.

    net, twin  stage -> (rows, width); an empty twin where none can be drawn
    raw        scores of raw rows on the same folds
    once       where scores that are known are found
    """
    stages = tuple(net)
    with Progress("probes", len(stages) + len(twin) + (2 if twin else 1), "stages") as progress:

        def probed(name: str, features: np.ndarray) -> Scored:
            found = once(f"linear head on {name}", lambda: probe(features, y, folds, task=task, seed=seed))
            progress.update(progress.done + 1, name)
            return found

        mine = {stage: probed(stage, net[stage]) for stage in stages}
        other = {stage: probed(f"the untrained twin's {stage}", twin[stage]) for stage in twin}
        together = probed("all stages", beside(net))
        rival = probed("the untrained twin's all stages", beside(twin)) if twin else None
    sizes = np.unique(y, return_counts=True)[1] if task == "class" else np.array([len(y)])
    chance = 1 / len(sizes) if task == "class" else 0.0
    found = Diagnosis(stages, mine, other, together, dict(raw), task, int(sizes.min()), chance, twin_together=rival)
    found.curve = learning_curve(net[found.best], y, folds, task, seed)
    found.limit, found.gain, found.exponent = extrapolated(found.curve)
    return found


def learning_curve(
    features: np.ndarray, y: np.ndarray, folds: list[Fold], task: str = "class", seed: int = 0
) -> dict[float, float]:
    """Mean score with a quarter, a half and all of the rows to learn from, as far as no class is left out."""
    rng, found = np.random.default_rng([seed, 3]), {}
    for share in SHARES:
        fewer = [(_part(train, y, share, task, rng), test) for train, test in folds]
        if all(part is not None for part, _ in fewer):
            found[share] = probe(
                features, y, [(part, test) for part, test in fewer if part is not None], task=task
            ).mean
    return found


def _part(train: np.ndarray, y: np.ndarray, share: float, task: str, rng: np.random.Generator) -> np.ndarray | None:
    if share == 1:
        return train
    if task != "class":
        some = rng.choice(train, max(4, round(share * len(train))), replace=False) if len(train) >= 8 else None
        return None if some is None else np.sort(some)
    parts = []
    for label in np.unique(y[train]):
        mine = train[y[train] == label]
        count = round(share * len(mine))
        if count < 1:
            return None
        parts.append(rng.choice(mine, count, replace=False))
    return np.sort(np.concatenate(parts))


def extrapolated(curve: Mapping[float, float]) -> tuple[float, float, float]:
    """The limit a of a - b n^-c through the curve, what twice the labels would win, and c; NaN for fewer than 3 points.

    Source: the power law of learning curves, Hestness et al. 2017.
    """
    if len(curve) < 3:
        return float("nan"), float("nan"), 0.5
    shares, scores = np.array(list(curve)), np.array(list(curve.values()))
    if np.ptp(scores) < 1e-9 or scores[-1] <= scores[0]:
        return float(scores[-1]), 0.0, 0.5

    def law(n: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return a - b * n ** (-c)

    try:
        start = (min(1.0, scores[-1] + 0.05), max(0.01, 0.05), 0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # three points, three numbers: their covariance is not asked for
            (a, b, c), _ = curve_fit(law, shares, scores, start, bounds=([scores[-1] - 0.02, 0, 0.05], [1.0001, 2, 3]))
    except (RuntimeError, ValueError):
        return float("nan"), float("nan"), 0.5
    return float(a), float(law(np.array(2.0), a, b, c) - law(np.array(1.0), a, b, c)), float(c)


def told_shift(zero_shot: float, chance: float, same_classes: bool, auc: float) -> tuple[str, str]:
    """What has shifted between source and target, and why, where source rows with labels are at hand.

    zero_shot     accuracy on target rows of a probe learned on source rows, NaN for other classes
    same_classes  whether source and target have the same classes
    auc           how well a classifier tells source from target rows, .5 to 1; .5 where they do not surely differ, see
                  `similarity.told_apart`
    """
    if not same_classes:
        return "task", "the classes are others than the source's"
    if auc < 0.6:
        return "none", f"source and target rows are hardly told apart (AUC {auc:.2f})"
    why = f"the classes are the same, and source and target rows are told apart (AUC {auc:.2f})"
    more = f"; a probe from the source reaches {zero_shot:.2f} here (chance {chance:.2f})"
    return "input", why + more
