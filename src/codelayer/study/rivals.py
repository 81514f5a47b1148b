"""The rivals of a study: who runs, in which order, and what each is expected to take.

Reads  the sample's shape, the user's own sentences and codes.
Gives  `Rival` records (plain, sent to worker processes) and the objects they stand for.
"""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..errors import DataError, did_you_mean
from ..learn.autoencoder import Autoencoder
from ..learn.baselines import KMeansFeatures, Pca, RandomProjection, RawFeatures
from ..learn.forecast import Forecast
from ..learn.forecast import forecast as forecast_of_fit
from ..learn.manifold import MANIFOLDS, check_umap
from ..objective import PICTURE_RECIPES, RECIPES, expand
from ..transfer.features import FeatureExtractor

BASELINE_ORDER = ("raw", "pca", "random_projection", "kmeans")
# those that are as good as the best learned code on some data set of benchmarks/where_learning_pays.py
RECIPE_ORDER = ("invariant", "undercomplete", "denoising", "sparse", "variational", "psd", "scarf", "contractive")
OTHER_RECIPES = ("invariant_mild", "k_sparse", "deep")
TABLE_RECIPES = ("scarf",)  # columns are swapped between rows, which pictures do not bear
# a process compiles UMAP when it first uses it, so that measuring would take as long: these are from USPS on one core
MEASURED_SECONDS = 0.3  # of steps, per rival
UMAP_COMPILES, UMAP_PER_LANDMARK = 60.0, 0.015  # seconds
TITLES = {
    "raw": "raw features",
    "pca": "PCA",
    "random_projection": "random projection",
    "kmeans": "k-means features",
    "isomap": "Isomap (at most 2,000 landmarks)",
    "umap": "UMAP (at most 2,000 landmarks)",
    "logistic": "logistic regression",
    "forest": "random forest",
}


@dataclass(frozen=True)
class Rival:
    """One line of the table.

    name      short and unique
    role      "code" (makes codes), "control" (a supervised model on raw features), "given" (codes from a file)
    sentence  the objective, for learned codes
    varies    whether its fit depends on the seed
    minutes   forecast of all its fits, or None
    bytes     forecast of the most memory one fit takes, 0 where it is not known
    backbone  the pre-trained net whose features these are, and `stages` those of its stages
    heading   the name as it is printed, where it is not the name itself
    """

    name: str
    role: str
    sentence: str = ""
    code_size: int = 0
    varies: bool = True
    epochs: int | str = "auto"
    path: str = ""
    minutes: float | None = None
    bytes: int = 0
    backbone: str = ""
    stages: tuple[str, ...] = ()
    heading: str = ""

    @property
    def title(self) -> str:
        """The name as it is printed."""
        return self.heading or TITLES.get(self.name, self.name)

    @property
    def name_of_file(self) -> str:
        """The name as a file may have it."""
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.name)
        if safe == self.name and len(safe) < 60:
            return safe
        return f"{safe[:40]}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @property
    def learned(self) -> bool:
        """Whether it is an autoencoder."""
        return bool(self.sentence)

    def build(self, seed: int) -> Any:
        """An unfitted coder.

        errors  SentenceError for a sentence that cannot be read
        """
        if self.backbone:
            return FeatureExtractor(self.backbone, list(self.stages), random_state=seed)
        if self.name == "raw":
            return RawFeatures()
        if self.name == "pca":
            return Pca(self.code_size, random_state=seed)
        if self.name == "random_projection":
            return RandomProjection(self.code_size, random_state=seed)
        if self.name == "kmeans":
            return KMeansFeatures(self.code_size, random_state=seed)
        if self.name in MANIFOLDS:
            return MANIFOLDS[self.name](self.code_size, random_state=seed)
        return Autoencoder(self.code_size, self.sentence, epochs=self.epochs, random_state=seed)


def line_up(
    schema: Schema,
    code_size: int,
    objectives: tuple[str, ...],
    codes: tuple[str, ...],
    task: str | None,
    wanted: tuple[str, ...] = (),
    nets: Sequence[Rival] = (),
) -> list[Rival]:
    """All rivals, in the order in which a time limit keeps them.

    nets  the features of pre-trained nets, of which `nets.Nets` makes rivals
    Beyond RECIPE_ORDER recipes race only where they are wanted, and so do manifold learners.
    """
    pictures = schema.kind == "image"
    rivals = [Rival("raw", "code", varies=False), Rival("pca", "code", code_size=code_size, varies=False)]
    rivals += [Rival(name, "code", code_size=code_size) for name in ("random_projection", "kmeans")]
    rivals += [Rival(name, "code", code_size=code_size) for name in MANIFOLDS if name in wanted]
    if task == "class":
        rivals.append(Rival("logistic", "control", varies=False))
    if task is not None:
        rivals.append(Rival("forest", "control"))
    rivals += nets
    taken = {rival.name for rival in rivals}
    for path in codes:
        name = _unique(Path(path).stem, taken)
        rivals.append(Rival(name, "given", varies=False, path=path))
    for text in objectives:
        name = _unique(text if text in RECIPES else expand(text), taken)
        rivals.append(Rival(name, "code", text, code_size))
    recipes = [*RECIPE_ORDER, *(name for name in OTHER_RECIPES if name in wanted)]
    unfit = TABLE_RECIPES if pictures else PICTURE_RECIPES
    recipes = [name for name in recipes if name not in unfit or name in wanted]
    rivals += [Rival(name, "code", name, code_size) for name in recipes if name not in taken]
    return rivals


def keep_named(rivals: list[Rival], wanted: tuple[str, ...], objectives: tuple[str, ...]) -> list[Rival]:
    """The rivals of the given names, raw features and the user's own; all when no names are given.

    errors  DataError for an unknown name; CodelayerError for umap where umap-learn is not installed
    """
    others = [name for name in OTHER_RECIPES if name not in PICTURE_RECIPES]
    known = [*dict.fromkeys([*(rival.name for rival in rivals), *others, *MANIFOLDS])]
    if "umap" in wanted:
        check_umap()
    for name in wanted:
        if name not in known:
            raise DataError(
                f"no rival is called {name!r}{did_you_mean(name, known)}", f"known here: {', '.join(known)}"
            )
    if not wanted:
        return rivals
    own = {rival.name for rival in rivals if rival.role == "given" or rival.backbone or rival.sentence in objectives}
    return [rival for rival in rivals if rival.name in {"raw", *wanted, *own}]


def _unique(name: str, taken: set[str]) -> str:
    found, count = name, 2
    while found in taken:
        found, count = f"{name} ({count})", count + 1
    taken.add(found)
    return found


def default_code_size(features: int) -> int:
    """Half the encoded columns, within 2 to 64 and never more than the columns."""
    return max(1, min(features, max(2, min(64, features // 2))))


def forecast(rival: Rival, rows: Any) -> float:
    """Seconds one fit of a rival will take on one thread, as the workers have; 0 for what takes next to nothing.

    Of an autoencoder a few steps are measured, of Isomap a fit on half the landmarks; UMAP's time is a guess.
    """
    return foretold(rival, rows).seconds


def foretold(rival: Rival, rows: Any) -> Forecast:
    """Seconds as `forecast` tells them, and the most memory the fit will take (0 where it is not known)."""
    if rival.name == "umap":
        return _known(UMAP_COMPILES + UMAP_PER_LANDMARK * min(rival.build(0).landmarks, rows_of(rows)))
    if not rival.learned and rival.name != "isomap":
        return _known(0.0)
    if rival.learned:
        return on_one_thread(lambda: forecast_of_fit(rival.build(0), rows, seconds=MEASURED_SECONDS))
    return on_one_thread(lambda: _known(_forecast_isomap(rival, rows)))


def on_one_thread(work: Callable[[], Forecast]) -> Forecast:
    """What `work` gives, run as a worker runs it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work()
    finally:
        torch.set_num_threads(threads)


def _known(seconds: float) -> Forecast:
    return Forecast(seconds, 0, 1, 0.0)


def _forecast_isomap(rival: Rival, rows: Any) -> float:
    """A fit takes four times, and codes take twice, as long as with half the landmarks; `rows` are 3/5 of all rows."""
    coder, n = rival.build(0), rows_of(rows)
    most = min(coder.landmarks, n)
    few = take(rows, np.unique(np.linspace(0, n - 1, max(2, most // 2)).astype(int)))
    started = time.perf_counter()
    coder.fit(few)
    learned = time.perf_counter()
    coder.transform(few)
    coding = (time.perf_counter() - learned) / rows_of(few) * n * 5 / 3
    return 4 * (learned - started) + 2 * coding


def seed_of(study_seed: int, seed: int) -> int:
    """The random_state of a rival's fit number `seed`."""
    return int(check_random_state(study_seed * 7919 + seed).randint(2**31 - 1))


def quoted(text: str | None) -> str:
    """A word as a shell takes it."""
    return shlex.quote(str(text))
