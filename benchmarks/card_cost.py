"""What does a card cost?  python benchmarks/card_cost.py  (about 3 min)

The label-free half of the card: 10,000 rows of 256 columns (noisy points on a curved sheet of 10 dimensions), codes of
256 columns made by a fixed nonlinear map, x and encode given, no labels, no factors; two processes, whose bits are
those of one. Raw features, PCA of equal width and chance are part of the card. Rounds on one card after the other.
"""

from __future__ import annotations

import time

import numpy as np
from machine import spread, write

from codelayer.measure import card

ROWS, COLUMNS, LATENT, ROUNDS = 10_000, 256, 10, 3
RNG = np.random.default_rng(0)
OUT = RNG.normal(size=(COLUMNS, COLUMNS)).astype(np.float32) / COLUMNS**0.5


def rows() -> np.ndarray:
    """(ROWS, COLUMNS) float32."""
    hidden = np.tanh(RNG.normal(size=(ROWS, LATENT)) @ RNG.normal(size=(LATENT, COLUMNS)))
    return (hidden + 0.05 * RNG.normal(size=hidden.shape)).astype(np.float32)


def encode(x: np.ndarray) -> np.ndarray:
    """Codes as wide as x."""
    return np.maximum(np.asarray(x, np.float32) @ OUT, 0)


def main() -> None:
    """Measure and write the result."""
    x = rows()
    codes, seconds, cpu, by_metric = encode(x), [], [], {}
    for _ in range(ROUNDS):
        started, used = time.perf_counter(), time.process_time()
        found = card(codes, x=x, encode=encode, processes=2)
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
        by_metric = {row["name"]: row["seconds"] for row in found["metrics"]}
        print(f"{seconds[-1]:.1f} s, {len(found['metrics'])} metrics", flush=True)
    slowest = dict(sorted(by_metric.items(), key=lambda one: -one[1])[:8])
    record = {"rows": ROWS, "columns": COLUMNS, "metrics": len(by_metric), "seconds": spread(seconds)}
    question = "What does the label-free half of a card cost?"
    write(
        "card_cost", question, [{**record, "parent_cpu": spread(cpu), "slowest": slowest}], processes=2, rounds=ROUNDS
    )


if __name__ == "__main__":
    main()
