"""A code with its head against the forest, compiled: what do both cost?  python benchmarks/forest_fair.py  (3 min)

Digits, 7 of 10 rows to learn from, the others scored once; nothing is chosen on them. Forest of 200 trees in Python and
compiled (skl2onnx), a code with a linear head in torch, compiled and int8, on one thread, in turns.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from machine import spread, write
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from codelayer import Autoencoder, Head, Headed
from codelayer.measure import linear_probe
from codelayer.ship.bench import bench
from codelayer.ship.models import compiled, open_model
from codelayer.ship.quantize import quantise

CODES = {
    "code of 32, undercomplete, linear head": ("undercomplete", "mlp(128, 64)"),
    "code of 32 with labels(1), linear head": ("squared() + labels(1)", "mlp(128, 64)"),
}


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    started = time.perf_counter()
    forest = RandomForestClassifier(200, random_state=0, n_jobs=1).fit(train_x, train_y)
    seconds = {"forest, 200 trees": time.perf_counter() - started}
    models: list[Any] = [("forest, 200 trees", forest)]
    for title, (objective, net) in CODES.items():
        started = time.perf_counter()
        coder = Autoencoder(32, objective, net=net, random_state=0).fit(train_x, train_y)
        codes = coder.transform(train_x)
        probe = linear_probe(codes, "class").fit(codes, train_y)
        seconds[title] = time.perf_counter() - started
        whole = Headed(coder, Head.from_probe(probe, "class"))
        graph = compiled(open_model(whole, name=title), train_x)
        models += [(title, whole)]
        done = quantise(graph, train_x, train_y)
        if done.chosen is not None:
            models.append((f"{title}, {done.chosen.name}", done.chosen.data))
    found = bench(models, test_x, batches=(256,), seconds=2.0)
    rows = []
    reference = found.cost("forest, 200 trees, compiled")
    for cost in found.costs:
        answers = cost.model.whole(test_x).argmax(1)
        right = (np.arange(10)[answers] == test_y).astype(float)
        half = 1.96 * right.std() / len(right) ** 0.5
        root = next((name for name in sorted(seconds, key=len, reverse=True) if cost.model.name.startswith(name)), "")
        rows.append(
            {
                **cost.record(),
                "score": [right.mean(), right.mean() - half, right.mean() + half],
                "training_seconds": seconds.get(root),
                "size_of_forest": cost.model.size_bytes / reference.model.size_bytes,
                "time_at_1": spread(_ratios(cost.engine[1], reference.engine[1])),
                "time_at_256": spread(_ratios(cost.engine[256], reference.engine[256])),
            }
        )
        print(cost.model.name, f"{right.mean():.3f}", cost.model.size_bytes, rows[-1]["time_at_256"], flush=True)
    write(
        "forest_fair",
        "A code with its head against the forest, compiled: what do both cost?",
        rows,
        threads=1,
        scored_rows=len(test_y),
        sentences=found.sentences,
    )


def _ratios(one: Any, other: Any) -> list[float]:
    return [a / b for a, b in zip(one.medians, other.medians, strict=True)]


if __name__ == "__main__":
    main()
