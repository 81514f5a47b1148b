"""Do 95 % intervals of usefulness and hierarchy cover the truth?  benchmarks/interval_coverage.py  (15 min)

Truth: the mean of the metric over 100 data sets of the same law and size (n = 300). Coverage: the share of those data
sets whose interval holds it. Classes: three Gaussians in 6 dimensions, told apart about four times in five. Numbers: a
linear function of the code with noise of half its variance. Stages: the code with less and less noise.

With --only the rows of these metrics take the place of the old ones in the results.

One thread (set OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from machine import RESULTS, write

from codelayer.measure import METRICS

ROWS, UNITS = 300, 6
CLASSES = (
    "linear_area", "knn_area", "linear_score", "knn_score", "neighborhood_hit", "boundary_gap", "cluster_agreement",
    "logme", "h_score", "new_concepts", "robust_area", "nuisance_area", "cka", "layer_gain", "coarse_lead",
)  # fmt: skip
NUMBERS = ("linear_area", "knn_area", "linear_score", "knn_score", "logme", "layer_gain")


def classes(rng: np.random.Generator) -> dict[str, Any]:
    """Three overlapping classes, the code with a bend, three stages, a coarse label and a nuisance."""
    labels = rng.permutation(ROWS) % 3
    places = 2.0 * np.eye(3)[labels]
    codes = rng.standard_normal((ROWS, UNITS))
    codes[:, :3] += places
    nuisance = (codes[:, 4] + rng.standard_normal(ROWS) > 0).astype(int)
    stages = {f"stage {i}": codes + noise * rng.standard_normal(codes.shape) for i, noise in enumerate((2.0, 1.0, 0.0))}
    given = {"codes": codes, "x": codes @ MIX + 0.5 * rng.standard_normal((ROWS, 8)), "labels": labels}
    return given | {"coarse": labels // 2, "nuisance": nuisance, "layers": stages, "encode": turned}


def numbers(rng: np.random.Generator) -> dict[str, Any]:
    """A number that the code tells with noise."""
    codes = rng.standard_normal((ROWS, UNITS))
    told = codes @ np.linspace(1, 0, UNITS)
    stages = {f"stage {i}": codes + noise * rng.standard_normal(codes.shape) for i, noise in enumerate((2.0, 1.0, 0.0))}
    return {"codes": codes, "labels": told + 0.7 * rng.standard_normal(ROWS) * told.std(), "layers": stages}


MIX = np.random.default_rng(0).standard_normal((UNITS, 8))


def turned(x: np.ndarray) -> np.ndarray:
    """The encoder: back to the units of the code."""
    return x @ np.linalg.pinv(MIX)


def coverage(
    names: Sequence[str],
    task: str,
    make: Callable[[np.random.Generator], dict[str, Any]],
    repeats: int,
    seeded: bool = False,
) -> list[dict[str, Any]]:
    """How often each interval holds the mean, and its mean width; printed. One data set serves all metrics.

    seeded  another seed for each data set: what a metric draws (altered samples, splits) varies too
    """
    seconds, found = dict.fromkeys(names, 0.0), {name: np.empty((repeats, 3)) for name in names}
    for i in range(repeats):
        given = make(np.random.default_rng([7, i]))
        for name in names:
            settings = {"seed": i} if seeded and "seed" in METRICS[name].settings else {}
            begun, one = time.perf_counter(), METRICS[name].read(given, settings)
            found[name][i] = one.value, one.low, one.high
            seconds[name] += time.perf_counter() - begun
    rows = []
    for name in names:
        values, low, high = found[name].T
        truth = float(values.mean())
        row = {
            "metric": name,
            "labels": task,
            "truth": round(truth, 4),
            "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 3),
            "mean_width": round(float((high - low).mean()), 4),
            "width_of_95_percent": round(float(np.subtract(*np.quantile(values, (0.975, 0.025)))), 4),
            "repeats": repeats,
            "seconds": round(seconds[name], 1),
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """All metrics."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    rows = []
    for task, make, names in (("classes", classes, CLASSES), ("numbers", numbers, NUMBERS)):
        rows += coverage([name for name in names if not given.only or name in given.only], task, make, given.repeats)
    question = "Do 95 % intervals cover the mean over data sets of one law?"
    write("interval_coverage", question, merged("interval_coverage", rows), n=ROWS)


def merged(result: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the last run with these in the place of those of the same metric and law, in the order measured."""
    path = RESULTS / f"{result}.json"
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    new = {(row["metric"], row["labels"]): row for row in rows}
    kept = [new.pop((row["metric"], row["labels"]), row) for row in old]
    return kept + list(new.values())


if __name__ == "__main__":
    main()
