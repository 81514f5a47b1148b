"""Is "auto" as good as a small search?  python benchmarks/automatic_values.py  (an hour, one core)

Every data set is cut in three: rows to fit on, rows that choose among 18 triples of learning rate, batch size and
passes, and rows that judge. The best triple and "auto" are then fitted with fresh seeds. Score: the share of
the judging rows' variance that the code of `undercomplete` keeps. "auto" holds where it is at most 2 % below.
"""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from typing import Any

import numpy as np
import torch
from data_sets import KINDS, data_set
from machine import spread, write

from codelayer import Autoencoder
from codelayer.data.rows import rows_of, take
from codelayer.data.schema import Schema
from codelayer.study.rivals import default_code_size

RECIPE = "undercomplete"
RATES, BATCHES, PASSES = (0.001, 0.003, 0.01), (32, 128), (20, 60, 180)
SEEDS, ROWS = 5, 2500
AUTO = {"learning_rate": "auto", "batch_size": "auto", "epochs": "auto"}


def score(x: Any, parts: dict[str, np.ndarray], part: str, size: int, seed: int, values: dict[str, Any]) -> float:
    """Share of variance explained on one part of the rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coder = Autoencoder(size, RECIPE, random_state=seed, **values).fit(take(x, parts["fit"]))
    return float(coder.score(take(x, parts[part])))


def compare(name: str) -> dict[str, Any]:
    """The searched triple and "auto" on one data set."""
    x = data_set(name, ROWS).x
    order = np.random.default_rng(0).permutation(rows_of(x))
    cuts = np.split(order, [int(0.6 * len(order)), int(0.8 * len(order))])
    parts = {part: np.sort(rows) for part, rows in zip(("fit", "choose", "judge"), cuts, strict=True)}
    size = default_code_size(Schema.fit(x).features)
    started = time.perf_counter()
    grid = [
        {"learning_rate": rate, "batch_size": batch, "epochs": passes}
        for rate, batch, passes in itertools.product(RATES, BATCHES, PASSES)
    ]
    chosen = [score(x, parts, "choose", size, 0, values) for values in grid]
    best = grid[int(np.argmax(chosen))]
    searched = [score(x, parts, "judge", size, seed, best) for seed in range(1, SEEDS + 1)]
    auto = [score(x, parts, "judge", size, seed, AUTO) for seed in range(1, SEEDS + 1)]
    taken = Autoencoder(size, RECIPE).settings(int(0.9 * len(parts["fit"])))
    lost = 1 - float(np.median(auto)) / float(np.median(searched))
    return {
        "data": name,
        "rows": len(parts["fit"]),
        "searched_values": best,
        "auto_values": {key: taken[key] for key in AUTO},
        "searched": spread(searched),
        "auto": spread(auto),
        "lost": lost,
        "holds": lost <= 0.02,
        "seconds": time.perf_counter() - started,
        "grid": [{**values, "chosen_on": value} for values, value in zip(grid, chosen, strict=True)],
    }


def main(names: list[str]) -> None:
    """Every data set, or those named."""
    torch.set_num_threads(1)
    rows = []
    for name in names or list(KINDS):
        rows.append(compare(name))
        found = {key: value for key, value in rows[-1].items() if key != "grid"}
        print(found, flush=True)
        write(
            "automatic_values",
            'Is "auto" as good as a small search?',
            rows,
            recipe=RECIPE,
            seeds=SEEDS,
            searched=len(RATES) * len(BATCHES) * len(PASSES),
        )


if __name__ == "__main__":
    main(sys.argv[1:])
