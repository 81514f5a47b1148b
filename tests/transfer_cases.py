"""Small nets and pictures for the tests of transfer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def plan(side: int = 16) -> dict:
    """Two stages at two sizes, a sum, and a head of three outputs."""
    conv = {"op": "conv", "groups": 1, "pad": "same", "act": "relu6"}
    return {
        "ops": [
            {**conv, "name": "a", "src": "input", "stride": 2},
            {**conv, "name": "b", "src": "a", "stride": 1, "groups": 4},
            {**conv, "name": "c", "src": "b", "stride": 1, "act": None},
            {"op": "add", "name": "sum", "src": ["a", "c"]},
            {**conv, "name": "d", "src": "sum", "stride": 2},
            {"op": "global_avg_pool", "name": "features", "src": "d"},
            {**conv, "name": "logits", "src": "features", "stride": 1, "act": None},
        ],
        "input_size": side,
        "input": "RGB/127.5-1, NCHW",
        "license": "CC0",
        "labels": ["one", "two", "three"],
    }


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays for `plan`: one of them stored as whole numbers with a scale."""
    rng = np.random.default_rng(seed)
    shapes = {"a": (4, 3, 3, 3), "b": (4, 1, 3, 3), "c": (4, 4, 1, 1), "d": (6, 4, 3, 3), "logits": (3, 6, 1, 1)}
    found = {f"{name}.weight": rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    found |= {f"{name}.bias": rng.normal(0, 0.1, shape[0]).astype(np.float32) for name, shape in shapes.items()}
    del found["d.weight"]
    found |= {"d.q": rng.integers(0, 256, shapes["d"], dtype=np.uint8)}
    found |= {"d.scale": np.array([0.004], np.float32), "d.zero": np.array([120], np.int16)}
    return found


def net_file(folder: Path, name: str = "net.npz", seed: int = 0, spec: dict | None = None) -> Path:
    """The small net as a file."""
    path = folder / name
    np.savez(path, spec=np.array(json.dumps(spec or plan())), **weights(seed))
    return path


def pictures(n: int = 60, side: int = 12, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures whose class is a bright bar: (n, side, side, 3) uint8 and labels in words."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.integers(0, 90, (n, side, side, 3))
    for row, label in enumerate(y):
        at = 1 + label * (side - 2) // classes
        x[row, at : at + 2] += 120
    return x.astype(np.uint8), np.array(["top", "middle", "bottom", "other"])[y]
