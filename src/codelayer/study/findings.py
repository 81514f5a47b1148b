"""The findings of a finished race: every figure of the report part, from which page, verdict and files are written.

Reads  the race, its choice and the report part.
Gives  areas, bands, gains and labels saved, each with its interval and chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.schema import Schema
from ..measure.curves import Curve, label_efficiency
from ..measure.intervals import Interval, area_interval, chance_area, curve_bands, paired_interval
from .choose import Choice
from .parts import Parts

if TYPE_CHECKING:
    from .race import Race
    from .study import Study


@dataclass
class Findings:
    """Everything the page and the verdict are written from."""

    study: Study
    parts: Parts
    race: Race
    choice: Choice
    schema: Schema
    width: int
    folder: Path
    seconds: float
    areas: dict[str, Interval]
    bands: dict[str, list[Interval]]
    knn_areas: dict[str, Interval]
    gain: Interval | None
    saved: dict[str, Any] | None
    chance: float | None
    rows: list[dict[str, Any]]

    @property
    def score_name(self) -> str:
        """What is scored."""
        return "balanced accuracy" if self.parts.task == "class" else "R2"

    @property
    def unit(self) -> str:
        """What a label count counts."""
        return "labels per class" if self.parts.task == "class" else "labelled rows"

    def title(self, name: str) -> str:
        """A rival's printed name."""
        return self.race.title(name)


def find(
    study: Study,
    parts: Parts,
    race: Race,
    choice: Choice,
    schema: Schema,
    width: int,
    folder: Path,
    seconds: float,
) -> Findings:
    """Take every figure from the report part."""
    linear, knn = race.reported["linear"], race.reported["knn"]
    groups = parts.groups("report")
    areas = {name: area_interval(curve, groups) for name, curve in linear.items()}
    bands = {name: curve_bands(curve, groups) for name, curve in linear.items()}
    knn_areas = {name: area_interval(curve, groups) for name, curve in knn.items()}
    gain = saved = chance = None
    if linear:
        other = choice.winner if choice.winner != "raw" else race.best_code
        gain = paired_interval(linear[other], linear["raw"], groups)
        saved = label_efficiency(linear["raw"].mean, linear[other].mean, linear["raw"].counts)
        chance = _chance(parts, linear["raw"])
    return Findings(
        study, parts, race, choice, schema, width, folder, seconds, areas, bands, knn_areas, gain, saved, chance, []
    )


def _chance(parts: Parts, raw: Curve) -> float:
    if parts.task == "class":
        return 1.0 / len(np.unique(raw.truth[raw.scored]))
    rng = np.random.default_rng(0)
    small = rng.standard_normal((len(parts.train), 1)), rng.standard_normal((len(parts.report), 1))
    return chance_area(
        small[0], parts.labels("train"), small[1], parts.labels("report"), counts=raw.counts, task="number"
    )
