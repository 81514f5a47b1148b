"""What is measured of every code on the report part, beside its label curve.

Reads  codes, encoded rows and the coder itself.
Gives  (metric, value, low, high, n, chance, seconds) rows; what could not be measured and why.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..errors import CodelayerError
from ..measure import METRICS

SAMPLE = 4000
UNLABELLED = ("trustworthiness", "continuity", "hoyer", "l0_share", "dead_share", "dimension_mle", "local_smoothness")


def measure_code(
    codes: np.ndarray, flat: np.ndarray, encode: Any, rebuilt: np.ndarray | None, seed: int
) -> list[dict[str, Any]]:
    """The label-free metrics of one code.

    codes    (n, units); flat (n, features) encoded rows; rebuilt (n, features) or None
    encode   maps encoded rows (m, features) to codes, or None
    """
    chosen = np.arange(len(codes))
    if len(chosen) > SAMPLE:
        chosen = np.sort(np.random.default_rng([seed, 13]).permutation(len(codes))[:SAMPLE])
    arrays = {"codes": codes[chosen], "x": flat[chosen], "encode": encode}
    found = []
    for name in UNLABELLED:
        if encode is None and "encode" in METRICS[name].needs:
            continue
        given = dict(arrays)
        if name == "local_smoothness":
            given["x"] = flat[chosen][:500]
        found.append(read(name, given, seed))
    if rebuilt is not None:
        found.append(read("explained_share", {"x": flat, "rebuilt": rebuilt}, seed))
        found.append(read("squared_error", {"x": flat, "rebuilt": rebuilt}, seed))
    return found


def read(name: str, arrays: dict[str, Any], seed: int) -> dict[str, Any]:
    """One metric as a row; a metric that cannot be taken gives a note instead of a value."""
    metric, started = METRICS[name], time.perf_counter()
    try:
        reading = metric.read({need: arrays[need] for need in metric.needs})
    except CodelayerError as error:
        return {
            "metric": name,
            "value": None,
            "low": None,
            "high": None,
            "n": 0,
            "chance": None,
            "seconds": 0.0,
            "note": str(error).splitlines()[0],
        }
    chance = reading.chance
    if chance is None and metric.shuffle == "rows" and "codes" in metric.needs:
        order = np.random.default_rng([seed, 17]).permutation(len(arrays["codes"]))
        shuffled = {need: arrays[need][order] if need == "codes" else arrays[need] for need in metric.needs}
        chance = metric.read(shuffled).value
    return {
        "metric": name,
        "value": reading.value,
        "low": reading.low,
        "high": reading.high,
        "n": reading.n,
        "chance": chance,
        "seconds": time.perf_counter() - started,
        "note": reading.note,
    }


def merge_seeds(seeds: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row per metric from the rows of each seed: means, and the widest interval of the seeds."""
    merged = []
    for rows in zip(*seeds, strict=True):
        values = [row["value"] for row in rows if row["value"] is not None]
        if not values:
            merged.append(rows[0])
            continue
        low = [row["low"] for row in rows if row["low"] is not None]
        high = [row["high"] for row in rows if row["high"] is not None]
        chance = [row["chance"] for row in rows if row["chance"] is not None]
        merged.append(
            {
                **rows[0],
                "value": float(np.mean(values)),
                "low": min(low) if low else None,
                "high": max(high) if high else None,
                "chance": float(np.mean(chance)) if chance else None,
                "seconds": float(sum(row["seconds"] for row in rows)),
            }
        )
    return merged
