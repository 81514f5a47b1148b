"""Small data and small studies that several tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from codelayer import Study

SMALL = ("pca", "undercomplete")


def clusters(n: int = 240, classes: int = 3, features: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows in Gaussian clusters, and their classes as words."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(classes, features))[y] * 1.5 + rng.normal(size=(n, features))
    return x, np.array([f"class {i}" for i in y], dtype=object)


def study(folder: Path, data: Any, **options: Any) -> dict[str, Any]:
    """A quick study in this process, silent, with few rivals."""
    said: list[str] = []
    options = {"rivals": SMALL, "workers": 1, "quick": True, "say": said.append, **options}
    verdict = Study(data, out=folder, **options).run()
    return {**verdict, "said": said}
