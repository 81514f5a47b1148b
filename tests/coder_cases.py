"""Every coder, and small data of every kind for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.baselines import KMeansFeatures, Pca, RandomProjection, RawFeatures
from codelayer.learn.manifold import Isomap
from codelayer.learn.sparse_coding import Dictionary, Lista
from codelayer.learn.sparse_coding.solvers import SOLVERS
from codelayer.objective import PICTURE_RECIPES, RECIPES

ROW_RECIPES = [name for name in RECIPES if name not in PICTURE_RECIPES]
GIVEN = np.random.default_rng(3).normal(size=(6, 5)) / 2
QUICK = {"epochs": 2, "batch_size": 16}


def rows(n: int = 90, features: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, features)) * [1, 10, 1, 5, 1, 2] + 3


def grey(n: int = 40, side: int = 8, channels: int | None = 1) -> np.ndarray:
    shape = (n, side, side) if channels is None else (n, side, side, channels)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def frame(n: int = 60) -> pd.DataFrame:
    """Numbers, categories and a time, each with something missing."""
    rng = np.random.default_rng(2)
    number = rng.normal(50, 10, n)
    number[::7] = np.nan
    colour = np.array(["red", "green", "blue", None], dtype=object)[rng.integers(0, 4, n)]
    when = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10_000, n), "h"))
    when[3] = pd.NaT
    return pd.DataFrame({"number": number, "colour": colour, "whole": rng.integers(0, 1000, n), "when": when})


def every_solver(units: int = 32) -> list:
    """A dictionary for every solver; the two that take small steps do not go to the very end."""
    return [
        Dictionary(units, solver=name, tolerance=1e-6 if name in ("ista", "fista") else 1e-12, random_state=0)
        for name in SOLVERS
    ]


def every_coder() -> list:
    """One quick coder of every recipe and baseline."""
    learned = [Autoencoder(4, name, random_state=0, **QUICK) for name in RECIPES]
    rivals = [RawFeatures(), Pca(4), RandomProjection(4, random_state=0), KMeansFeatures(4, random_state=0)]
    sparse = [*every_solver(4), Dictionary(4, solver="ista", iterations=10, tolerance=0, random_state=0)]
    sparse += [Dictionary(dictionary=GIVEN, epochs=2), Lista(4, epochs=2, random_state=0)]
    return [*learned, *rivals, *sparse, Isomap(4, random_state=0)]


def data_for(coder) -> np.ndarray:
    return grey() if getattr(coder, "objective", "") in PICTURE_RECIPES else rows()


def name_of(coder) -> str:
    return getattr(coder, "objective", type(coder).__name__)


def case_of(coder) -> str:
    """The name, and what of its options makes it another case."""
    if not isinstance(coder, Dictionary):
        return name_of(coder)
    return "Dictionary-" + ("given" if coder.dictionary is not None else f"{coder.solver}-{coder.iterations}")


def options_of(coder) -> dict:
    """Its options, arrays as lists, so that they compare."""
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in coder.get_params().items()}


CODERS = pytest.mark.parametrize("coder", every_coder(), ids=case_of)
