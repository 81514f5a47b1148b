"""The sections of docs/figures.md on the advisor: what its choice costs, and whether it says no."""

from __future__ import annotations

from typing import Any

from rendering import about, load, table


def regret() -> str:
    """What choices cost among heads on frozen features."""
    result = load("advisor_frozen")
    if result is None:
        return ""
    counts = sorted(result["rows"][0]["by_count"], key=int)
    columns = [
        "way",
        "mean",
        "on later targets",
        *(f"at {count}" for count in counts),
        "worst",
        "above .05",
        "worse than the advisor by",
        "over targets",
    ]
    ordered = sorted(result["rows"], key=lambda row: row["mean"])
    rows = [
        [
            row["way"],
            f"{row['mean']:.4f}",
            f"{row['on_later_targets']:.4f}",
            *(f"{row['by_count'][count]:.4f}" for count in counts),
            f"{row['worst']:.3f}",
            f"{row['over_5_points']:.0%}",
            "" if row["way"] == "the advisor" else _gap(row["worse_than_advisor"]),
            "" if row["way"] == "the advisor" else "[{low:+.4f}, {high:+.4f}]".format(**row["worse_over_targets"]),
        ]
        for row in ordered
    ]
    failures = [
        [one["net"], one["target"], str(one["count"]), one["chosen"], one["best"], f"{one['regret']:.3f}"]
        for one in result["worst"]
    ]
    return "\n\n".join(
        [
            "## What the advisor's choice costs",
            f"Among heads on frozen features and on raw rows, over {result['cells']} cells (nets x targets x labels "
            f"per class x {result['draws']} draw(s) of labelled rows; asked were 600, of 5 draws). Regret is the "
            "balanced accuracy of the best of them on rows that chose nothing, less that of the one chosen; a way that "
            "is fixed is always the same. The later targets are those not yet seen when the advisor's rule was last "
            f"changed. The first interval is a bootstrap over {result['pairs']} pairs of net and target, the other "
            "over targets, which all nets share: that one speaks of other targets. Where the textbook says that a net "
            "should be fine-tuned (with 20 and 100 labels nearly always), the last stage's linear head stands in for "
            "it here; the next table has the fine-tuned nets.",
            table(columns, rows),
            "The ten worst choices of the advisor:",
            table(["net", "target", "labels per class", "chosen", "best", "regret"], failures),
            about(result),
        ]
    )


def tuned() -> str:
    """What choices cost where nets may be fine-tuned."""
    result = load("advisor_tuned")
    if result is None:
        return ""
    counts = sorted(result["rows"][0]["by_count"], key=int)
    rows = [
        [
            row["way"],
            f"{row['mean']:.4f}",
            *(f"{row['by_count'][count]:.4f}" for count in counts),
            f"{row['worst']:.3f}",
            f"{row['over_5_points']:.0%}",
            "" if row["way"] == "the advisor" else _gap(row["worse_than_advisor"]),
        ]
        for row in sorted(result["rows"], key=lambda row: row["mean"])
    ]
    failures = [
        [one["target"], str(one["count"]), one["quadrant"], one["chosen"], one["best"], f"{one['regret']:.3f}"]
        for one in result["worst"]
    ]
    quadrants = "; ".join(
        f"{one['quadrant']}: {one['cells']} cells of {len(one['targets'])} targets" for one in result["quadrants"]
    )
    return "\n\n".join(
        [
            "## What the advisor's choice costs where nets may be fine-tuned",
            f"MobileNet v1 0.25 at 64 pixels, {result['cells']} cells of {result['targets']} targets and "
            f"{result['draws']} draw(s) of labelled rows; every way is fitted on all labelled rows and scored on 500 "
            "that chose nothing, and the advisor has two minutes to race. The interval is a bootstrap over targets. "
            f"Quadrants that were told: {quadrants}. These cells were made before the rules for when a net helps and "
            "for the budget were mended on the same day; among frozen heads that moved 3 of 120 choices.",
            table(
                [
                    "way",
                    "mean",
                    *(f"at {count}" for count in counts),
                    "worst",
                    "above .05",
                    "worse than the advisor by",
                ],
                rows,
            ),
            "The ten worst choices of the advisor:",
            table(["target", "labels per class", "quadrant", "chosen", "best", "regret"], failures),
            about(result),
        ]
    )


def _gap(gap: dict[str, Any]) -> str:
    return f"{gap['mean']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


def planted() -> str:
    """Whether a net of no use is told, and the kind of shift named."""
    result = load("advisor_planted")
    if result is None:
        return ""
    rows = [
        [row["question"], row["case"], f"{row['share']:.2f} [{row['low']:.2f}, {row['high']:.2f}]", str(row["n"])]
        for row in result["rows"]
    ]
    return "\n\n".join(
        [
            "## Does the advisor say no?",
            "A random net in the place of a trained one, and shuffled labels: asked is that at least .90 are told. "
            "Trained nets may or may not help: most targets are no photographs. The kind of shift is asked for rows of "
            "a target beside other rows of it (none), the same altered in five ways (input), other classes (task).",
            table(["question", "case", "share (Wilson)", "cases"], rows),
            about(result),
        ]
    )


def twin() -> str:
    """ImageNet weights beside random ones, frozen and fine-tuned."""
    result = load("mobilenet_twin")
    if result is None:
        return ""
    found = {(row["way"], row["target"], row["count"]): row for row in result["rows"]}
    ways = list(dict.fromkeys(row["way"] for row in result["rows"]))
    places = list(dict.fromkeys((row["target"], row["count"]) for row in result["rows"]))
    columns = ["way", *(f"{target}, {count} labels" for target, count in places)]
    rows = [[way, *(_score(found.get((way, *place))) for place in places)] for way in ways]
    return "\n\n".join(
        [
            "## What ImageNet weights are worth",
            f"MobileNet v1 0.25 at {result['size']} pixels beside the same net with random weights; balanced accuracy "
            "on up to 500 rows that chose nothing, labels per class, mean of the draws of labelled rows with Student's "
            "95 % interval. With so few rows a net trained from scratch may stay near chance: that rival is weak here.",
            table(columns, rows),
            about(result),
        ]
    )


def _score(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    half = row["half"]
    return f"{row['mean']:.3f}" if half is None else f"{row['mean']:.3f} ± {half:.3f} (n {row['n']})"


def minutes() -> str:
    """What advice on many pictures takes."""
    result = load("advice_time")
    if result is None:
        return ""
    (row,) = result["rows"]
    parts = row["parts"]
    told = (
        f"Advice on {row['rows']:,} labelled pictures of CIFAR-10 (MobileNet v1 0.25 at 64 pixels, stages in the "
        f"cache, {row['budget']:.0f} s for candidates that train, one thread): {row['seconds']:.0f} s, of which "
        f"{parts['diagnosis']:.0f} to diagnose, {parts['race']:.0f} to race and {parts['refit']:.0f} to fit the "
        f"winner; 600 were asked for. Making the stages of the net takes {row['making_stages']:.0f} s, reading them "
        f"from the cache {row['cache_hit_seconds']:.2f} s (2 asked)."
    )
    return "\n\n".join(["## What advice takes", told, about(result)])


def sections() -> list[str]:
    """The sections that have results."""
    return [part for part in (regret(), tuned(), planted(), twin(), minutes()) if part]
