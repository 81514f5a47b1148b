"""The candidates of `ship fit`: models of several sizes that could be shipped, from linear to learned.

Reads  the sample's shape, the task, the names that are wanted.
Gives  `Candidate` records: plain, in order, sent to worker processes.
Skips  fitting them (fits.py) and choosing (choose.py).
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..data.schema import Schema
from ..errors import DataError, did_you_mean
from ..learn.autoencoder import Autoencoder
from ..study.rivals import default_code_size

SMALL = 8  # units of a small code
FORESTS = ((200, None), (50, 8), (20, 8))  # trees, levels at most
BOOSTED = ((100, 31), (40, 8))  # rounds, leaves at most
QUICK_SHARE = 4


@dataclass(frozen=True)
class Candidate:
    """One model that is fitted, measured and may be chosen.

    name       short and unique: a family, and a size behind "_"
    kind       "linear", "forest", "boosting" or "code"
    title      as it is printed
    trees      of a forest, or rounds of boosting
    limit      levels of a tree, or its leaves in boosting; None: none
    sentence   the objective of a code
    code_size  units of a code
    epochs     of a code
    """

    name: str
    kind: str
    title: str
    trees: int = 0
    limit: int | None = None
    sentence: str = ""
    code_size: int = 0
    epochs: int | str = "auto"

    @property
    def family(self) -> str:
        """The name without its size."""
        return self.name.partition("_")[0]

    def coder(self, seed: int) -> Autoencoder:
        """The unfitted code of a candidate of that kind."""
        return Autoencoder(self.code_size, self.sentence, epochs=self.epochs, random_state=seed)


def line_up(schema: Schema, task: str, wanted: Sequence[str] = (), quick: bool = False) -> list[Candidate]:
    """All candidates for rows of that schema, the plain ones first; with `wanted` those names and families alone.

    quick   the smallest and the largest of each family, codes with a quarter of the passes
    errors  DataError: a name that is not known, LightGBM named where it is not installed
    """
    found = [Candidate("raw", "linear", f"raw features, {'logistic' if task == 'class' else 'ridge'} regression")]
    found += [_forest(trees, levels) for trees, levels in FORESTS]
    found += [_boosted(rounds, leaves) for rounds, leaves in BOOSTED]
    found += _codes(schema)
    for name in wanted:
        known = [*dict.fromkeys([*(one.family for one in found), *(one.name for one in found)])]
        if name not in known:
            raise DataError(f"no candidate is called {name!r}{did_you_mean(name, known)}", f"known: {', '.join(known)}")
    if wanted:
        found = [one for one in found if one.name in wanted or one.family in wanted]
    if importlib.util.find_spec("lightgbm") is None:
        if any(one.kind == "boosting" and {one.name, one.family} & {*wanted} for one in found):
            raise DataError("lightgbm is not installed", 'pip install "codelayer[ship]", or leave it out')
        found = [one for one in found if one.kind != "boosting"]
    return found if wanted or not quick else [one for one in found if one.name not in _left_out(found)]


def shortened(one: Candidate, train_rows: int) -> Candidate:
    """A code with a quarter of the passes it would take over that many rows; others as they are."""
    if one.kind != "code":
        return one
    coder = one.coder(0)
    epochs = coder.settings(train_rows - int(train_rows * coder.validation))["epochs"]
    return replace(one, epochs=max(3, epochs // QUICK_SHARE))


def without_boosting() -> str:
    """What to say where LightGBM is not installed, or ""."""
    return "" if importlib.util.find_spec("lightgbm") else "it is not installed: pip install lightgbm"


def _forest(trees: int, levels: int | None) -> Candidate:
    deep = "" if levels is None else f" of at most {levels} levels"
    name = f"forest_{trees}" if levels is None else f"forest_{trees}x{levels}"
    return Candidate(name, "forest", f"random forest, {trees} trees{deep}", trees, levels)


def _boosted(rounds: int, leaves: int) -> Candidate:
    return Candidate(
        f"lightgbm_{rounds}x{leaves}", "boosting", f"LightGBM, {rounds} rounds of {leaves} leaves", rounds, leaves
    )


def _codes(schema: Schema) -> list[Candidate]:
    large = default_code_size(schema.features)
    small = min(SMALL, max(2, large // 2), large)
    plain = "invariant" if schema.kind == "image" else "denoising"
    made = [("undercomplete", "undercomplete", small), (plain, plain, large)]
    made += [("labelled", labelled_sentence(schema), size) for size in dict.fromkeys((small, large))]
    return [
        Candidate(f"{family}_{size}", "code", f"{family} code of {size}", sentence=sentence, code_size=size)
        for family, sentence, size in made
    ]


def labelled_sentence(schema: Schema) -> str:
    """A denoising code that the labels shape: a label weighs as much as the whole row, to one digit."""
    power = 10 ** int(math.log10(schema.features))
    return f"mask(0.2) + labels({schema.features // power * power}.0)"


def _left_out(found: Sequence[Candidate]) -> set[Any]:
    families: dict[str, list[str]] = {}
    for one in found:
        families.setdefault(one.family, []).append(one.name)
    middle = {name for names in families.values() for name in names[1:-1]}
    return middle | {one.name for one in found if one.family in ("denoising", "invariant")}
