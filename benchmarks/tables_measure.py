"""Sections of docs/figures.md about measures: one function per result."""

from __future__ import annotations

from rendering import about, load, ratio, table


def coranking_speed() -> str:
    """The pass of all neighbour metrics beside scikit-learn and zadu, and with anchors."""
    result = load("coranking_speed")
    if result is None:
        return ""
    exact = [row for row in result["rows"] if "times_ours" in row]
    rows = [[r["what"], ratio(r["seconds"]), ratio(r["times_ours"], 1), f"{r['mb']:.0f}"] for r in exact]
    anchors = [
        [f"{r['n']:,}", f"{r['seconds']:.1f}", f"{r['mb']:.0f}", f"{r['trustworthiness']:.4f}", r["note"]]
        for r in result["rows"]
        if r["what"] == "anchors"
    ]
    parts = [
        "## Neighbour metrics",
        f"5,000 rows of {result['columns']} columns, a code of 2, one thread: seconds of the processor, "
        f"{result['rounds']} rounds in turns. Ours is trustworthiness, continuity, MRRE, LCMC and R_NX with its whole "
        "area and their intervals.",
        table(["what", "seconds", "times ours", "MB"], rows),
    ]
    if anchors:
        parts += ["1,000 anchors:", table(["rows", "seconds", "MB", "trustworthiness", "note"], anchors)]
    return "\n\n".join([*parts, about(result)])


def walks() -> str:
    """Order and distances along translations."""
    result = load("walks")
    if result is None:
        return ""
    rows = [
        [r["data"], r["code"], *(f"{r[key]:.2f}" for key in ("in_order", "perfect", "growth", "step", "ends"))]
        for r in result["rows"]
    ]
    heads = ["samples", "code", "in order", "paths in perfect order", "growth", "step", "ends"]
    return "\n\n".join(
        [
            "## A walk along the manifold",
            f"Means over {result['paths']} straight paths of {result['steps']} steps: Spearman's correlation of the "
            "order found with the true one, share of paths in perfect order, Spearman's correlation of distance with "
            "steps between, and a step's and the ends' distance as a share of the median of random pairs.",
            table(heads, rows),
            about(result),
        ]
    )


def card_cost() -> str:
    """The label-free half of a card."""
    result = load("card_cost")
    if result is None:
        return ""
    (row,) = result["rows"]
    slowest = ", ".join(f"`{name}` {seconds:.1f} s" for name, seconds in row["slowest"].items())
    told = (
        f"{row['rows']:,} rows of {row['columns']} columns, codes as wide, `x` and `encode` given: {row['metrics']} "
        f"metrics beside raw features, PCA and chance, {result['processes']} processes, {result['rounds']} rounds. "
        f"Slowest, of the code alone: {slowest}."
    )
    return "\n\n".join(
        ["## The label-free half of a card", told, table(["seconds"], [[ratio(row["seconds"], 1)]]), about(result)]
    )


SECTIONS = (coranking_speed, card_cost, walks)


def sections() -> list[str]:
    """All sections, empty ones where a benchmark has not been run."""
    return [one() for one in SECTIONS]
