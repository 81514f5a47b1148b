"""What every benchmark records beside its figures: machine, versions, date; and how results are written."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Cores, processor, memory and the versions that matter."""
    model = platform.processor() or platform.machine()
    memory = None
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
        total = next(
            line for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines() if "MemTotal" in line
        )
        memory = round(int(total.split()[1]) / 2**20, 1)
    found = {one.metadata["Name"].lower() for one in importlib.metadata.distributions()}
    names = [name for name in ("torch", "numpy", "scikit-learn", "onnxruntime", "codelayer") if name in found]
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "memory_gib": memory,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
        "date": time.strftime("%Y-%m-%d"),
        "load_average_at_start": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def write(name: str, question: str, rows: list[dict[str, Any]], **facts: Any) -> Path:
    """results/NAME.json: the question, the machine, the settings and one record per figure."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"question": question, "machine": machine(), **facts, "rows": rows}
    path.write_text(json.dumps(content, indent=1, default=float) + "\n", encoding="utf-8")
    return path


def spread(values: list[float]) -> dict[str, float]:
    """Median and the range of repeated measurements."""
    return {
        "median": float(np.median(values)),
        "low": float(np.min(values)),
        "high": float(np.max(values)),
        "n": len(values),
    }
