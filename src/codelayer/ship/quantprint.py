"""The report of a quantisation, for a terminal.

Reads  a `Quantised`.
Gives  a table of every variant, the refusals with their figures, the choice.
"""

from __future__ import annotations

from typing import Any

from ..report import number, table_text
from .quantize import Quantised

COLUMNS = ["variant", "MB", "share of size", "code error %", "probe loss, points", "time at 1", "time in batch", ""]


def quantised_text(done: Quantised) -> str:
    """What `codelayer ship quantise` prints."""
    rows: list[list[Any]] = [
        ["float32", done.size_bytes / 1e6, 1.0, None, None, f"{number(done.pace_one.p50_ms)} ms",
         f"{number(done.pace_batch.p50_ms)} ms", ""]
    ]  # fmt: skip
    highlight = None
    for one in done.variants:
        if one is done.chosen:
            highlight = len(rows)
        error = None if one.code_error is None else 100 * one.code_error
        share = one.size_bytes / done.size_bytes if one.size_bytes else None
        verdict = "kept" if one.kept else "refused"
        size = one.size_bytes / 1e6 if one.size_bytes else None
        times = [_ratio(one.time_one), _ratio(one.time_batch)]
        rows.append([one.name, size, share, error, _points(one.probe_loss), *times, verdict])
    probe = "" if done.probe_score is None else f"; the probe scores {done.probe_score:.3f} on the float code"
    parts = [
        table_text(COLUMNS, rows, highlight=highlight),
        "",
        f"times are ratios to float32, with the lowest and highest round; batches of {done.pace_batch.batch_size}; "
        f"{done.rows:,} rows compared, {done.calibrated:,} others calibrated{probe}; "
        f"CPU: {' '.join(done.cpu) or 'not known'}",
        *[f"refused: {one.name}: {'; '.join(one.reasons)}" for one in done.variants if not one.kept],
    ]
    if done.chosen is None:
        parts.append("no variant pays here: keep the float32 graph")
    else:
        parts.append(f"chosen: {done.chosen.name}, {done.chosen.size_bytes / done.size_bytes:.2f} times the size")
    return "\n".join(parts)


def _ratio(one: tuple[float, float, float] | None) -> str:
    return "" if one is None else f"{one[0]:.2f}x [{one[1]:.2f}, {one[2]:.2f}]"


def _points(one: tuple[float, float, float] | None) -> str:
    return "" if one is None else f"{one[0]:+.2f} [{one[1]:+.2f}, {one[2]:+.2f}]"
