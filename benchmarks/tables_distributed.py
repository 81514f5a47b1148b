"""The table of docs/figures.md about combinations that no probe has seen."""

from __future__ import annotations

from rendering import about, load, shown, table
from tables_learning import mean_interval


def sections() -> list[str]:
    """One text per benchmark that has been run."""
    return [part for part in (unseen(),) if part]


def unseen() -> str:
    """Held-out combinations of bars, by kind and width of the code."""
    result = load("distributed_codes")
    if result is None:
        return ""
    rows = result["rows"]
    widths = sorted({row["units"] for row in rows})
    lines = []
    for code in dict.fromkeys(row["code"] for row in rows):
        cells = []
        for units in widths:
            found = [row["combination"] for row in rows if (row["code"], row["units"]) == (code, units)]
            cells.append(f"{found[0]:.3f}" if code == "chance" else shown(mean_interval(found)))
        lines.append([code, *cells])
    return "\n\n".join(
        [
            "## Combinations never seen",
            "Pictures of eight bars; a quarter of the 256 combinations is held out. Share of held-out pictures of "
            "which linear probes on the code name all eight bars, by units of the code (see "
            "[distributed codes](measures/distributed.md)); mean over seeds with Student's 95 % interval.",
            table(["code", *[f"{units} units" for units in widths]], lines),
            about(result),
        ]
    )
