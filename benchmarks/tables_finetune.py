"""The section of docs/figures.md on the cost of a step of fine-tuning."""

from __future__ import annotations

from rendering import about, load, ratio, table


def step() -> str:
    """A step beside a bare loop."""
    result = load("finetune_step")
    if result is None:
        return ""
    columns = ["net", "tuned", "ms per step", "bare, ms per step", "times bare", "half of the rounds"]
    rows = [
        [
            row["net"],
            "all stages" if row["tune"] == "all" else "the last stage",
            ratio(row["codelayer_ms"], 1),
            ratio(row["bare_ms"], 1),
            ratio(row["times_bare"]),
            f"{row['times_bare_quartiles'][0]:.2f} to {row['times_bare_quartiles'][2]:.2f}",
        ]
        for row in result["rows"]
    ]
    return "\n\n".join(
        [
            "## A step of fine-tuning",
            f"Beside a bare loop of torch with the same groups, rates and fused AdamW, batch 32, one thread, "
            f"{result['rounds']} rounds of ten steps in turns; the bar is {result['rows'][0]['bar']}. Where the last "
            "stage alone is tuned, the stages before it are run once and kept; the bare loop runs them at every step.",
            table(columns, rows),
            about(result),
        ]
    )


def sections() -> list[str]:
    """The sections that have results."""
    return [part for part in (step(),) if part]
