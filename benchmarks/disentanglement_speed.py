"""How fast are mutual information and DCI?  python benchmarks/disentanglement_speed.py  (a few minutes of CPU)

One thread (set OMP_NUM_THREADS=1), CPU seconds, contestants in alternating rounds. Mutual information: 10 codes and 5
factors, 10,000 rows, 20 bins, beside a loop over mutual_info_score of scikit-learn on the same bins. DCI: 5 factors of
3, 6, 40, 32 and 32 values, 10 codes, 2,000 rows. Then whether D moves with the number of rows, on a perfect code with
.3 of noise: the random forest's held-out permutation importance beside the impurity importance of boosted trees.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import spread, write
from sklearn.metrics import mutual_info_score

from codelayer.measure import METRICS
from codelayer.measure.information import Places, equal_mass, factor_places, mutual_information

QUESTION = "How fast are mutual information and DCI, and does D move with the number of rows?"
DSPRITES, SMALL = (3, 6, 40, 32, 32), (3, 6, 8, 10, 4)
ROUNDS, STEPS, SEEDS = 5, (500, 1000, 2000, 4000), 3


def code(n: int, sizes: tuple[int, ...], spare: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A perfect code with .3 of noise and units of noise alone, and its factors."""
    r, size = np.random.RandomState(seed), np.array(sizes)
    factors = np.stack([r.randint(one, size=n) for one in sizes], 1)
    perfect = (factors - (size - 1) / 2) / np.sqrt((size**2 - 1) / 12)
    return np.c_[perfect + 0.3 * r.randn(n, len(sizes)), r.randn(n, spare)], factors


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what came out."""
    started = time.process_time()
    made = call()
    return time.process_time() - started, made


def loop(units: Places, factors: Places) -> np.ndarray:
    """The same matrix, pair by pair."""
    return np.array([[mutual_info_score(u, f) for f in factors.place.T] for u in units.place.T])


def information() -> list[dict[str, Any]]:
    """The matrix, the loop, and the whole of mig."""
    z, factors = code(10_000, DSPRITES, spare=5)
    units, places = equal_mass(z), factor_places(factors)
    calls = {
        "matrix": lambda: mutual_information(units, places),
        "scikit-learn loop": lambda: loop(units, places),
        "mig (bins, 5 shuffles, 20 halves)": lambda: METRICS["mig"](codes=z, factors=factors),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    made: dict[str, Any] = {}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            took, made[name] = timed(call)
            seconds[name].append(took)
    differs = float(np.abs(made["matrix"] - made["scikit-learn loop"]).max())
    by = [slow / quick for slow, quick in zip(seconds["scikit-learn loop"], seconds["matrix"], strict=True)]
    ends = {name: spread([1000 * one for one in took]) for name, took in seconds.items()}
    return [{"work": name, "ms": one} for name, one in ends.items()] + [
        {"work": "matrix against loop", "faster_by": spread(by), "largest_difference": differs}
    ]


def dci() -> dict[str, Any]:
    """CPU seconds of the forest at the size of dSprites' factors."""
    took, values = [], []
    for seed in range(3):
        z, factors = code(2000, DSPRITES, spare=5, seed=seed)
        seconds, value = timed(lambda z=z, f=factors: METRICS["dci_disentanglement"](codes=z, factors=f))
        took.append(seconds)
        values.append(value)
    return {"work": "dci, 2,000 rows", "seconds": spread(took), "value": spread(values)}


def steady() -> list[dict[str, Any]]:
    """D of one kind of code by the number of rows to fit on; boosted trees, which are slow, up to 1,000."""
    rows = []
    for n in STEPS:
        found, boosted = [], []
        for seed in range(SEEDS):
            z, factors = code(3 * n // 2, SMALL, seed=seed)
            found.append(METRICS["dci_disentanglement"](codes=z, factors=factors, rows=3 * n // 2))
        z, factors = code(n, SMALL)
        if n <= STEPS[1]:
            boosted.append(METRICS["dci_gbt"](codes=z, factors=factors, rows=n))
        rows.append({"work": "steady", "n": n, "forest": spread(found), "boosted": boosted[0] if boosted else None})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write."""
    METRICS["mig"](*code(100, SMALL))
    rows = [*information(), dci()]
    print(*rows, sep="\n", flush=True)
    write("disentanglement_speed", QUESTION, [*rows, *steady()], rounds=ROUNDS, seeds_of_codes=SEEDS, threads=1)


if __name__ == "__main__":
    main()
