"""The section of docs/figures.md on `ship fit`: what it took, what it measured, what it chose."""

from __future__ import annotations

from rendering import about, load, shown, table


def ship_fit() -> str:
    """Candidates on the coupon log, best score first."""
    result = load("ship_fit")
    if result is None:
        return ""
    run, *bills = result["rows"]
    columns = [
        "candidate",
        "balanced accuracy",
        "ms, raw row to answer",
        "ms, compute alone",
        "MB",
        "MB resident",
        "fit s",
    ]
    rows = [
        [
            f"**{one['title']}**" if one["name"] == run["chosen"] else one["title"],
            shown(one["score"]),
            f"{one['end_to_end_ms']['p50']:.2f}",
            f"{one['engine_ms']['p50']:.3f}",
            f"{one['size_mb']:.3g}",
            f"{one['memory_mb']:.0f}",
            f"{one['training_seconds']:.1f}",
        ]
        for one in bills
    ]
    before, after = run["load_average_before_and_after"]
    took = (
        f"Coupon, edge, at most 2 ms and 1 MB, {result['workers']} worker processes: {run['clock_seconds']:.0f} s by "
        f"the clock while the load average went from {before:.1f} to {after:.1f}, "
        f"{run['processor_seconds']:.0f} s of processor time; the forecast was {run['forecast_seconds']:.0f} s. "
        "The choice is set bold."
    )
    return "\n\n".join(
        ["## Choosing what to ship", took, table(columns, rows), " ".join(run["sentences"]), about(result)]
    )


def sections() -> list[str]:
    """The section, where the benchmark has been run."""
    return [part for part in (ship_fit(),) if part]
