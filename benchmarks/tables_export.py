"""The section on exported models of docs/figures.md; benchmarks/tables.py puts it among the others."""

from __future__ import annotations

from rendering import about, load, table


def sections() -> list[str]:
    """One text per benchmark that has been run."""
    return [part for part in (export_difference(),) if part]


def export_difference() -> str:
    """The largest difference of each exported model."""
    result = load("export_difference")
    if result is None:
        return ""
    rows = []
    for one in result["rows"]:
        cells = f"{one['missing']:,} missing, {one['unseen']:,} unseen" if one["missing"] else "all known"
        told = f"{one['difference']:.1e}"
        rest = [f"{one['ties']}", f"{one['turned']}", f"{one['bytes'] / 1e6:.3f}"]
        rows.append([one["data"], one["model"], f"{one['rows']:,}", cells, told, *rest])
    return "\n\n".join(
        [
            "## Exported graphs against the models they were made from",
            "Learned from 2,500 rows without three of the categories, compared on others that hold them: the largest "
            "difference as a share of the code's scale (1e-4 is allowed), labels that differ because classes tie, and "
            "rows left out because rounding turned a unit at its threshold.",
            table(["data", "model", "rows", "cells", "largest difference", "ties", "turned", "MB"], rows),
            about(result),
        ]
    )
