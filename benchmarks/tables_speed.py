"""The sections of docs/figures.md on the speed of training: several fits in one pass, and the share of the peak."""

from __future__ import annotations

from rendering import about, load, ratio, table


def fit_many() -> str:
    """Eight fits in one pass."""
    result = load("fit_many")
    if result is None:
        return ""
    columns = ["eight fits", "seconds, one by one", "seconds, in one pass", "faster by", "less processor time by"]
    rows = [
        [row["fits"], *[ratio(row[name]) for name in ("alone", "together", "faster_by", "less_processor_time_by")]]
        for row in result["rows"]
    ]
    made = f"Digits, `mlp(depth=2)`, code of 32, 20 epochs, one thread, {result['rounds']} rounds, the ways in turns. "
    return "\n\n".join(
        [
            "## Several fits in one pass",
            made + "The eight sentences: " + ", ".join(f"`{one}`" for one in result["sentences"]) + ".",
            table(columns, rows),
            about(result),
        ]
    )


def study_fits() -> str:
    """The fits of a study, together and one by one."""
    result = load("study_fits")
    if result is None:
        return ""
    (row,) = result["rows"]
    count, alone = sum(len(some) for some in row["lists"]), row["seconds_of_the_others_by_forecast"]
    names = ("alone_seconds", "together_seconds", "faster_by", "less_processor_time_by")
    others = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in alone.items())
    return "\n\n".join(
        [
            "## Fits of a study in one pass",
            f"`codelayer study digits`: the {count} fits that go together, in {len(row['lists'])} passes, one thread, "
            f"{result['rounds']} rounds in turns. All seeds of what stays alone, by forecast: {others}.",
            table(
                ["seconds, one by one", "seconds, together", "faster by", "less processor time by"],
                [[ratio(row[name]) for name in names]],
            ),
            about(result),
        ]
    )


def step_peak() -> str:
    """The share of the matrix product's peak that a step reaches."""
    result = load("step_peak")
    if result is None:
        return ""
    columns = [
        "batch",
        "ms per step",
        "share of peak",
        "best step, best peak",
        "share by the clock",
        "products alone",
        "ms of Adam",
    ]
    names = ("share_by_the_clock", "products_share_of_peak")
    rows = [
        [
            str(row["batch"]),
            ratio(row["step_ms"], 1),
            ratio(row["share_of_peak"]),
            f"{row['best_step_of_best_peak']:.2f}",
            *[ratio(row[name]) for name in names],
            ratio(row["adam_ms"], 1),
        ]
        for row in result["rows"]
    ]
    net = "-".join(str(width) for width in result["widths"])
    top = max(row["peak_gflops"]["high"] for row in result["rows"])
    return "\n\n".join(
        [
            "## A training step beside the matrix product's peak",
            f"{net} mirrored, `squared()`, the package's own loop, one thread, {result['rounds']} rounds in turns with "
            f"the peak: large square float32 products, {top:.0f} GFLOP/s at best. Counted are the products of a step "
            "alone. Processor time, but for the column by the clock.",
            table(columns, rows),
            about(result),
        ]
    )


def sections() -> list[str]:
    """The sections that have results."""
    return [part for part in (fit_many(), study_fits(), step_peak()) if part]
