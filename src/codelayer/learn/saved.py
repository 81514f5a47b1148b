"""Bring back what was saved: `codelayer.load`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import bundle
from . import (  # noqa: F401  (each registers its kind)
    autoencoder,
    baselines,
    headed_forest,
    heads,
    manifold,
    sparse_coding,
)


def set_aside(path: str | Path) -> list[str]:
    """The columns that were left out on purpose when a bundle was learned: the label, the group, what was dropped."""
    found = bundle.read(path).facts.get("set_aside")
    return [str(name) for name in found] if isinstance(found, list) else []


def load(path: str | Path) -> Any:
    """The object a bundle holds (an Autoencoder, a baseline, a code with its head), ready to transform.

    path    a folder or a .zip written by `save`, `codelayer learn` or `codelayer study`
    errors  BundleError: damaged, altered, too new, of an unknown kind, or carrying anything but data
    """
    return bundle.restore(bundle.read(path))


def bundle_in(path: str | Path) -> Path:
    """The bundle itself, where the folder of a study was given."""
    inside = Path(path) / "bundle"
    return inside if (inside / bundle.ABOUT).exists() and not (Path(path) / bundle.ABOUT).exists() else Path(path)


def predictor_in(path: str | Path) -> Path:
    """What predicts, where the folder of a study was given: the forest if it won, else the best code with its head."""
    forest = Path(path) / "forest"
    inside = (forest / bundle.ABOUT).exists() and not (Path(path) / bundle.ABOUT).exists()
    return forest if inside else bundle_in(path)


def coder_in(path: str | Path) -> Any:
    """The coder in a bundle or in the folder of a study, without its head."""
    found = load(bundle_in(path))
    return found.code if isinstance(found, heads.Headed) else found
