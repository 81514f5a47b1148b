"""The sections on sparse codes of docs/figures.md; benchmarks/tables.py puts them among the others."""

from __future__ import annotations

from rendering import about, load, ratio, table


def sections() -> list[str]:
    """One text per benchmark that has been run."""
    return [part for part in (dead_units(), topk_step()) if part]


def dead_units() -> str:
    """Dead share, FVU and L0 by remedy."""
    result = load("dead_units")
    if result is None:
        return ""
    rows = []
    for one in result["rows"]:
        size = f"{one['features']} x 16 = {one['units']:,} units"
        what = f"{one['data']}, {size}, {one['epochs']} passes over {one['rows']:,} rows"
        cells = [
            f"{one[key]['mean']:.3f} [{max(0, one[key]['low']):.3f}, {one[key]['high']:.3f}]" for key in ("dead", "fvu")
        ]
        centred = "yes" if one["centred"] else "no"
        rows.append([what, centred, f"`{one['objective']}`", *cells, f"{one['l0']['mean']:.1f}"])
    return "\n\n".join(
        [
            "## Dead units at sixteen units per feature",
            f"Share of units that are on for none of the held-out rows, share of variance not rebuilt (FVU) and active "
            f"units per row (L0), on held-out rows; means and 95 % intervals of {result['seeds']} seeds.",
            table(["data", "centred", "objective", "dead", "FVU", "L0"], rows),
            about(result),
        ]
    )


def topk_step() -> str:
    """A training step by the kept units alone beside the dense one."""
    result = load("topk_step")
    if result is None:
        return ""
    rows = [
        [one["size"], ratio(one["sparse_ms"], 0), ratio(one["dense_ms"], 0), ratio(one["sparse_is_faster_by"])]
        for one in result["rows"]
    ]
    return "\n\n".join(
        [
            "## A training step of topk()",
            f"Whole steps with Adam, one thread, {result['rounds']} rounds in turns; at most 1 unit of 256 is kept.",
            table(["size", "ms", "dense, ms", "faster by"], rows),
            about(result),
        ]
    )
