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
        [f"{r['n']:,}", ratio(r["seconds"], 1), str(r["seconds"]["n"]), f"{r['mb']:.0f}",
         f"{r['trustworthiness']:.4f}", r["note"]]
        for r in result["rows"]
        if r["what"] == "anchors"
    ]  # fmt: skip
    parts = [
        "## Neighbour metrics",
        f"5,000 rows of {result['columns']} columns, a code of 2, one thread: seconds of the processor, "
        f"{result['rounds']} rounds in turns. Ours is trustworthiness, continuity, MRRE, LCMC and R_NX with their "
        "intervals; then the same and the whole area of R_NX, which needs a pass of its own.",
        table(["what", "seconds", "times ours", "MB"], rows),
    ]
    if anchors:
        told = "1,000 anchors, with the area; MB are those above the data:"
        parts += [told, table(["rows", "seconds", "rounds", "MB", "trustworthiness", "note"], anchors)]
    return "\n\n".join([*parts, about(result)])


def walks() -> str:
    """Order and distances along translations."""
    result = load("walks")
    if result is None:
        return ""
    keys = ("in_order", "perfect", "growth", "straight", "step", "ends")
    rows = [[r["data"], r["code"], *(spanned(r[key]) for key in keys)] for r in result["rows"]]
    passes = " and ".join(f"{many} passes for {name}" for name, many in result["passes"].items())
    heads = ["samples", "code", "in order", "perfect order", "growth", "straightness", "step", "ends"]
    return "\n\n".join(
        [
            "## A walk along the manifold",
            f"Codes of {result['units']} units, learned without labels from films in which a digit moves by a pixel, "
            f"or a tone glides by 0.4 semitones, from frame to frame. Then {result['paths']} walks of {result['steps']}"
            " steps with digits and tones of no film; of one step little overlaps the next. In order: Spearman's "
            "correlation of the order found with the true one; the share of walks in perfect order; growth: Spearman's "
            "correlation of distance with the steps between; straightness: distance of the ends over the length of "
            "the path; a step's and the ends' distance as a share of the median of random pairs. Means and 95 % "
            f"intervals of {result['seeds']} seeds. The autoencoder is `{result['plain']}`, the slow code "
            f"`{result['slow']}`, both on `{result['net']}`, {passes}; how many was chosen on other films and walks.",
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


def interval_coverage_manifold() -> str:
    """Nominal 95 % against the share of data sets whose interval holds the truth."""
    result = load("interval_coverage_manifold")
    if result is None:
        return ""
    rows = [
        [f"`{r['metric']}`", r["labels"], f"{r['truth']:.3f}", f"{r['coverage']:.3f}", f"{r['mean_width']:.3f}",
         f"{r['width_of_95_percent']:.3f}"]
        for r in result["rows"]
    ]  # fmt: skip
    heads = ["metric", "law", "truth", "coverage", "mean width", "width of the middle 95 % of values"]
    return "\n\n".join(
        [
            "## Intervals of neighbourhoods, dimension and factors",
            f"The share of {result['rows'][0]['repeats']} data sets of {result['n']} rows of one law whose 95 % "
            "interval holds the mean over all of them; 0.90 to 0.98 is asked for. The laws are in "
            "`benchmarks/interval_coverage_manifold.py`.",
            table(heads, rows),
            about(result),
        ]
    )


def interval_coverage_all() -> str:
    """Nominal 95 % against the share of data sets whose interval holds the truth, for all other metrics."""
    result = load("interval_coverage_all")
    if result is None:
        return ""
    rows = [
        [f"`{r['metric']}`", r["labels"], f"{r['truth']:.3f}",
         f"{r['coverage']:.2f} [{r['coverage_low']:.2f}, {r['coverage_high']:.2f}]", str(r["repeats"]),
         f"{r['mean_width']:.3f}", f"{r['width_of_95_percent']:.3f}"]
        for r in result["rows"]
    ]  # fmt: skip
    heads = ["metric", "law", "truth", "coverage", "data sets", "mean width", "width of the middle 95 % of values"]
    return "\n\n".join(
        [
            "## Intervals of all other metrics",
            f"As above, on data sets of {result['n']} rows (`other` 400, `own` 500, `line` 350), with Wilson's 95 % "
            "interval of the share: what so few data sets can tell. What a metric draws is drawn anew for each. No "
            "rule was chosen on `other`, `own` and `line`. A score that is 1 in most data sets (`beta_vae_score` on "
            "`whole`) can only be covered nearly always or nearly never. The laws are in "
            "`benchmarks/interval_coverage_all.py`.",
            table(heads, rows),
            about(result),
        ]
    )


def paired_tests() -> str:
    """How often equal codes are told apart by luck, and planted differences found."""
    result = load("paired_tests")
    if result is None:
        return ""
    rows = []
    for r in result["rows"]:
        cells = [spanned(r[what]) for what in ("equal", "planted")]
        rows.append([f"`{r['metric']}`", *cells, f"{r['repeats']}, {r['repeats_planted']}"])
    return "\n\n".join(
        [
            "## Paired tests of two codes",
            f"Data sets of {result['n']} rows: the share of them in which two equal codes, which differ by the noise "
            "of their rows alone, have p < .05 (at most .05 is asked for), and the share in which a planted difference "
            "has. One test by itself, before Holm. The laws are in `benchmarks/paired_tests.py`.",
            table(["metric", "equal codes", "planted difference", "data sets"], rows),
            about(result),
        ]
    )


def spanned(one: dict[str, float]) -> str:
    """A mean with its interval."""
    return f"{one['value']:.2f} [{one['low']:.2f}, {one['high']:.2f}]"


SECTIONS = (coranking_speed, card_cost, walks, interval_coverage_manifold, interval_coverage_all, paired_tests)


def sections() -> list[str]:
    """All sections, empty ones where a benchmark has not been run."""
    return [one() for one in SECTIONS]
