"""Codelayer: representation learning that is learned, measured, adapted and shipped.

The public names load when they are first used, so that `import codelayer` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data.load import Data
    from .data.schema import Schema
    from .data.splits import split
    from .data.tables import Table
    from .errors import BundleError, CodelayerError, DataError, ExportError, RunError, SentenceError
    from .learn.autoencoder import Autoencoder
    from .learn.baselines import KMeansFeatures, Pca, RandomProjection, RawFeatures
    from .learn.heads import Head, Headed
    from .learn.manifold import Isomap, Umap
    from .learn.many import fit_many
    from .learn.saved import load
    from .learn.sparse_coding import Dictionary, Lista
    from .objective import RECIPES, Objective
    from .study import Study

__version__ = "0.1.0"

_HOMES = {
    "Autoencoder": "learn.autoencoder",
    "BundleError": "errors",
    "CodelayerError": "errors",
    "Data": "data.load",
    "DataError": "errors",
    "Dictionary": "learn.sparse_coding",
    "ExportError": "errors",
    "Head": "learn.heads",
    "Headed": "learn.heads",
    "Isomap": "learn.manifold",
    "KMeansFeatures": "learn.baselines",
    "Lista": "learn.sparse_coding",
    "Objective": "objective",
    "Pca": "learn.baselines",
    "RECIPES": "objective",
    "RandomProjection": "learn.baselines",
    "RawFeatures": "learn.baselines",
    "RunError": "errors",
    "Schema": "data.schema",
    "SentenceError": "errors",
    "Study": "study",
    "Table": "data.tables",
    "Umap": "learn.manifold",
    "fit_many": "learn.many",
    "load": "learn.saved",
    "split": "data.splits",
}

__all__ = [
    "Autoencoder",
    "BundleError",
    "CodelayerError",
    "Data",
    "DataError",
    "Dictionary",
    "ExportError",
    "Head",
    "Headed",
    "Isomap",
    "KMeansFeatures",
    "Lista",
    "Objective",
    "Pca",
    "RECIPES",
    "RandomProjection",
    "RawFeatures",
    "RunError",
    "Schema",
    "SentenceError",
    "Study",
    "Table",
    "Umap",
    "fit_many",
    "load",
    "measure",
    "split",
]


def __getattr__(name: str) -> Any:
    if name == "measure":
        return importlib.import_module(".measure", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'codelayer' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
