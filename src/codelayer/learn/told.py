"""What a finished fit has to say, in lines.

Reads  a fitted Autoencoder and the rows it was fitted on.
Gives  text: the sentence, what the code keeps, dead units, how a Jacobian was computed, where it is saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..bundle import size_bytes
from ..data.rows import rows_of, take
from ..report.terminal import duration
from ..report.text import number
from .autoencoder import Autoencoder
from .dead import remedy
from .settings import held_out

VARIANCE_ROWS = 10_000


def learned_lines(coder: Autoencoder, x: Any, out: str, epochs_seen: int) -> list[str]:
    """The lines that end `codelayer learn`; epochs_seen are those of this call."""
    record: dict[str, Any] = coder.record_
    n = rows_of(x)
    epochs = max(int(record["epochs_run"]), epochs_seen)
    held = held_out(n, coder.validation, record["seed"], coder.model_.objective.needs("pairs"))[1]
    rows = (held if len(held) else np.arange(n))[:VARIANCE_ROWS]
    kept = coder.score(take(x, rows))
    dead = int(record["dead_units"])
    advice = f"; {remedy(coder.model_.objective, coder.history_)}" if dead else ""
    if dead == coder.code_size:
        advice = f": every row has the same code, which says nothing{advice}"
    stopped = epochs < int(record["epochs"])
    early = f" (of {record['epochs']}: held-out rows stopped improving)" if stopped and len(held) else ""
    return [
        f"learned: {record['objective']} on {record['net']}, {epochs} epochs{early} in {duration(record['seconds'])}",
        *(f"how:     {choice}" for choice in record["choices"]),
        f"keeps:   {number(kept)} of the variance of {len(rows):,} {'held-out ' if len(held) else ''}rows",
        f"dead:    {dead or 'none'} of the {coder.code_size} units{advice}",
        f"saved:   {out} ({number(size_bytes(out) / 1e6)} MB)",
    ]
