"""What do neighbourhood measures cost, beside scikit-learn and zadu?  python benchmarks/coranking_speed.py

Exact at 5,000 rows of 64 columns and a code of 2: trustworthiness, continuity, MRRE, LCMC and R_NX up to 100
neighbours; and the same with the whole area of R_NX. Bars: 1 s and 100 MB, with the area 3 s; the peers take their
turns in the same run, and their trustworthiness must be ours. Then 1,000 anchors, all with the area, at 20,000, 100,000
and 1,000,000 rows: 2, 15 and 200 s, at most 1 GB above the data. A million rows take one round. Seconds of the
processor, one thread; zadu is left out, with a line that says so, where it is not installed.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import spread, write
from sklearn.datasets import make_blobs
from sklearn.manifold import trustworthiness

from codelayer.measure import METRICS, Reading, ranks
from codelayer.measure.record import one_thread

COLUMNS, NEIGHBOURS = 64, 10
NAMES = ("trustworthiness", "continuity", "mrre_false", "mrre_missing", "lcmc", "rnx")
OURS = "codelayer, up to 100 neighbours"
ANCHORED = (20_000, 100_000, 1_000_000)
ONCE = 1_000_000  # rows that take one round


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten clouds in 64 columns, and their first two principal axes."""
    x = make_blobs(n, COLUMNS, centers=10, cluster_std=8, random_state=0)[0]
    some = x[:5000] - x[:5000].mean(0)
    axes = np.linalg.svd(some, full_matrices=False)[2][:2]
    return x, x @ axes.T


def ours(x: np.ndarray, codes: np.ndarray, names: tuple[str, ...] = NAMES) -> Reading:
    """These metrics from nothing; returns trustworthiness."""
    ranks._KEPT.found.clear()
    return {name: METRICS[name].read({"codes": codes, "x": x}) for name in names}["trustworthiness"]


def near(x: np.ndarray, codes: np.ndarray) -> float:
    """Every metric of up to 100 neighbours."""
    return ours(x, codes).value


def whole(x: np.ndarray, codes: np.ndarray) -> float:
    """The same and the area."""
    return ours(x, codes, (*NAMES, "rnx_area")).value


def scikit_learn(x: np.ndarray, codes: np.ndarray) -> float:
    """Trustworthiness alone."""
    return float(trustworthiness(x, codes, n_neighbors=NEIGHBOURS))


def zadu(x: np.ndarray, codes: np.ndarray) -> float:
    """Trustworthiness, continuity, MRRE and LCMC."""
    from zadu import zadu as peer

    names = ("tnc", "mrre", "lcmc")
    found = peer.ZADU([{"id": name, "params": {"k": NEIGHBOURS}} for name in names], x).measure(codes)
    return float(found[0]["trustworthiness"])


def memory(work: Callable[[], Any]) -> float:
    """Most MB that Python and NumPy hold during the work."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


def exact(rounds: int) -> list[dict[str, Any]]:
    """Ours and the peers at 5,000 rows, taking turns."""
    x, codes = data(5000)
    runs = {OURS: near, "codelayer, and the area": whole, "scikit-learn, trustworthiness": scikit_learn}
    try:
        zadu(x[:200], codes[:200])
        runs["zadu, without R_NX"] = zadu
    except ImportError:
        print("zadu is not installed: left out")
    times: dict[str, list[float]] = {name: [] for name in runs}
    values: dict[str, float] = {}
    with one_thread():
        for _ in range(rounds):
            for name, run in runs.items():
                begun = time.process_time()
                values[name] = run(x, codes)
                times[name].append(time.process_time() - begun)
    rows = []
    for name, run in runs.items():
        faster = [b / a for a, b in zip(times[OURS], times[name], strict=True)]
        row = {"what": name, "n": 5000, "seconds": spread(times[name]), "times_ours": spread(faster)}
        row |= {"mb": memory(lambda run=run: run(x, codes)), "trustworthiness": values[name]}
        rows.append(row)
        print(f"{name}: {np.median(times[name]):.2f} s, {row['mb']:.0f} MB, T = {values[name]:.12f}", flush=True)
    return rows


def anchored(n: int, rounds: int) -> dict[str, Any]:
    """Ours with 1,000 anchors and the area; memory is traced in the last round, which costs next to no time."""
    x, codes = data(n)
    rounds = 1 if n >= ONCE else rounds
    times: list[float] = []
    for turn in range(rounds):
        if turn == rounds - 1:
            tracemalloc.start()
        begun = time.process_time()
        reading = ours(x, codes, (*NAMES, "rnx_area"))
        times.append(time.process_time() - begun)
    mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"{n:,} rows: {times} s, {mb:.0f} MB, T = {reading.value:.4f}; {reading.note}", flush=True)
    row = {"what": "anchors", "n": n, "seconds": spread(times), "mb": mb, "trustworthiness": reading.value}
    return row | {"note": reading.note}


def main() -> None:
    """Take the turns and write the results."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    largest = int(sys.argv[2]) if len(sys.argv) > 2 else ANCHORED[-1]
    rows = exact(rounds) + [anchored(n, rounds) for n in ANCHORED if n <= largest]
    write("coranking_speed", "What do neighbourhood measures cost?", rows, threads=1, rounds=rounds, columns=COLUMNS)


if __name__ == "__main__":
    main()
