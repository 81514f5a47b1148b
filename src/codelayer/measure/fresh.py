"""A fresh process: how long until the first answer, and how much memory does it take?

Reads  two pieces of Python: what is imported, and what loads and answers.
Gives  `Start`: seconds from the start of the process to the answer, what the model adds to it, peak memory.
Skips  systems without /proc: memory is None there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError

SECONDS = 300
_BEFORE = """
import json, sys, time
def _memory(what):
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next((1024 * int(line.split()[1]) for line in lines if line.startswith(what)), None)
    except OSError:
        return None
"""
_BETWEEN = """
_imported, _started = _memory("VmRSS"), time.perf_counter()
"""
_AFTER = """
_taken = time.perf_counter() - _started
print(json.dumps({"answer": _taken, "imported": _imported, "rss": _memory("VmRSS"), "peak": _memory("VmHWM")}))
"""


@dataclass(frozen=True)
class Start:
    """What a fresh process took.

    seconds    from the start of the process to the first answer, imports included: the median of the repeats
    low, high  the quickest and the slowest of the repeats
    answer_seconds  of it, loading and answering
    memory_bytes  resident memory that loading and answering added
    peak_bytes    the most that was resident, the interpreter and libraries included
    """

    seconds: float
    low: float
    high: float
    answer_seconds: float
    memory_bytes: int | None
    peak_bytes: int | None


def fresh_start(imports: str, answers: str, arguments: Sequence[str] = (), repeats: int = 3, threads: int = 1) -> Start:
    """Run `imports`, then `answers`, in a fresh interpreter, some times over.

    imports, answers  statements; sys.argv[1:] are `arguments`
    errors  DataError with the last line of what the process said, when it fails
    """
    program = f"{_BEFORE}{imports}{_BETWEEN}{answers}{_AFTER}"
    found, walls = [], []
    for _ in range(repeats):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=_environment(threads),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        walls.append(time.perf_counter() - started)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise DataError(f"a fresh process failed: {said[:300]}", "open the model by itself to see why")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    added = [one["rss"] - one["imported"] for one in found if one["imported"] is not None]
    peaks = [one["peak"] for one in found if one["peak"] is not None]
    return Start(
        float(np.median(walls)),
        min(walls),
        max(walls),
        float(np.median([one["answer"] for one in found])),
        int(np.median(added)) if added else None,
        max(peaks) if peaks else None,
    )


def _environment(threads: int) -> dict[str, str]:
    home = str(Path(__file__).parents[2])
    kept = os.environ.get("PYTHONPATH")
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return os.environ | counts | {"PYTHONPATH": home if kept is None else os.pathsep.join([home, kept])}
