"""How many labels does a code save?  python benchmarks/labels_saved.py digits|mnist [--quick]  (2 and 30 min, 2 cores)

Runs the real study with its defaults in a process of its own and records its table: balanced accuracy of a linear probe
on the report part (read once) at each number of labels per class, with 95 % intervals, beside raw features and PCA;
the seconds it took and the largest memory of the processes together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
from machine import write


def resident_mb(root: int) -> float:
    """Memory of a process and all its descendants, in MB, shared pages counted once (proportional set size)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    family, total = {root}, 0
    while True:
        more = {child for child, parent in parents.items() if parent in family} - family
        if not more:
            break
        family |= more
    for member in family:
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def main() -> None:
    """Run one study and write its table."""
    data, quick = sys.argv[1], "--quick" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        command = [sys.executable, "-m", "codelayer", "study", data, "--out", str(out), *(["--quick"] if quick else [])]
        load = os.getloadavg()
        started = time.perf_counter()
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = [0.0]

        def watch() -> None:
            while running.poll() is None:
                peak[0] = max(peak[0], resident_mb(running.pid))
                time.sleep(2)

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = running.wait()
        watcher.join()
        seconds = time.perf_counter() - started
        if status:
            raise SystemExit(f"the study ended with status {status}")
        verdict = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
        rows = pq.read_table(out / "results.parquet").to_pylist()
    keep = ("linear@", "linear_area", "knn_area", "labels_saved", "size_mb", "latency_ms", "train_seconds")
    figures = [row for row in rows if row["metric"].startswith(keep)]
    for row in figures:
        if row["metric"].startswith("linear@") and row["rival"] in ("raw", "pca", "kmeans", verdict["best_code"]):
            print(f"{row['rival']:14s} {row['metric']:12s} {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]")
    print(verdict["verdict"])
    print(f"{seconds:.0f} s, {peak[0]:.0f} MB")
    facts = {key: verdict[key] for key in ("winner", "best_code", "sentences", "code_size", "seeds", "draws", "seed")}
    name = f"labels_saved_{data}{'_quick' if quick else ''}"
    write(
        name,
        "How many labels does a code save?",
        figures,
        command=f"codelayer study {data}{' --quick' if quick else ''}",
        seconds=seconds,
        peak_memory_mb=peak[0],
        load_before=load,
        **facts,
    )


if __name__ == "__main__":
    main()
