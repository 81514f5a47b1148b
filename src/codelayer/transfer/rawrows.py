"""Raw rows as a rival: what a forest and a linear head make of them without any net.

Reads  rows as an extractor takes them, encoded in [0, 1] or by a schema.
Gives  `raw_features`, pictures no larger than 32 x 32 as flat rows; `raw_scores` of both on folds.
Skips  learning a code: the race has a candidate for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ..data.schema import Schema
from .scoring import Fold, Once, Scored, always_new, probe, scored

PIXELS = 32
TREES = 100
BLOCK = 64


def small_pictures(x: np.ndarray) -> np.ndarray:
    """Pictures (n, H, W) or (n, H, W, C) as float32 in [0, 1], no larger than 32 x 32, (n, H, W, C).

    They are shrunk block by block: at full size only BLOCK of them are floats at once.
    """
    schema = Schema.fit(x, scale="auto" if x.dtype == np.uint8 else "none")
    tall, wide = x.shape[1:3]
    if max(tall, wide) <= PIXELS:
        return schema.encode(x)
    share = PIXELS / max(tall, wide)
    size = (max(1, round(tall * share)), max(1, round(wide * share)))
    return np.concatenate([_shrunk(schema.encode(x[at : at + BLOCK]), size) for at in range(0, len(x), BLOCK)])


def _shrunk(encoded: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    planes = torch.from_numpy(encoded).permute(0, 3, 1, 2)
    shrunk = torch.nn.functional.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)
    return np.ascontiguousarray(shrunk.permute(0, 2, 3, 1).numpy())


def raw_features(x: Any, schema: Schema | None = None) -> np.ndarray:
    """Rows as heads and forests see them, (rows, features) float32."""
    if isinstance(x, np.ndarray) and x.ndim in (3, 4) and schema is None:
        found = small_pictures(x)
    else:
        found = (schema or Schema.fit(x)).encode(x)
    return found.reshape(len(found), -1)


def forest(task: str = "class", seed: int = 0) -> Any:
    """An unfitted forest of 100 trees, on one thread."""
    kind: Any = RandomForestClassifier if task == "class" else RandomForestRegressor
    return kind(TREES, random_state=seed, n_jobs=1)


def raw_scores(
    raw: np.ndarray,
    y: np.ndarray,
    folds: Sequence[Fold],
    task: str = "class",
    seed: int = 0,
    once: Once = always_new,
) -> dict[str, Scored]:
    """A forest and a linear head, on the same folds as everything else."""

    def fit(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        return forest(task, seed).fit(raw[train], y[train]).predict(raw[test])

    return {
        "forest": once("forest on raw rows", lambda: scored(fit, y, folds, task)),
        "linear head": once("linear head on raw rows", lambda: probe(raw, y, folds, task=task, seed=seed)),
    }
