"""The tables of docs/figures.md about learning, and docs/learning.md:  python benchmarks/tables_learning.py"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of repeated measurements (seeds) with its 95 % interval by Student's t."""
    mean, n = float(np.mean(values)), len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else 0.0
    return mean, mean - half, mean + half
