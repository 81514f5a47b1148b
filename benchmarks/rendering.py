"""What all tables of docs/figures.md are made with: a result file, the machine's line, Markdown tables, numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def load(name: str) -> dict[str, Any] | None:
    """One result file, or None when that benchmark has not been run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def about(result: dict[str, Any]) -> str:
    """The machine in one line, and the seeds and minutes where they are known."""
    one = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
    load_average = one.get("load_average_at_start")
    busy = f"; load average {load_average[0]:.1f} when it was written" if load_average else ""
    run = (
        f"{result['seeds']} seeds, {result['seconds'] / 60:.0f} minutes; "
        if {"seeds", "seconds"} <= set(result)
        else ""
    )
    return f"*{run}{one['processor']}, {one['cores']} cores, {one['memory_gib']} GiB; {versions}; {one['date']}{busy}.*"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def ratio(one: dict[str, float], digits: int = 2) -> str:
    """median [low, high] of rounds."""
    return f"{one['median']:.{digits}f} [{one['low']:.{digits}f}, {one['high']:.{digits}f}]"


def shown(span: Sequence[float], digits: int = 3, sign: bool = False) -> str:
    """value [low, high] of an interval."""
    style = f"{'+' if sign else ''}.{digits}f"
    return f"{span[0]:{style}} [{span[1]:{style}}, {span[2]:{style}}]"
