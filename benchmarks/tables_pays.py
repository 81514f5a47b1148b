"""Sections of docs/figures.md: where learning a code pays, and whether "auto" is as good as a search."""

from __future__ import annotations

from typing import Any

from rendering import about, load, ratio, shown, table
from svg_plots import differences

AGAINST = {"raw": "raw features", "pca": "PCA", "kmeans": "k-means features", "forest": "forest on raw features"}


def outcome(span: list[float]) -> str:
    """win, tie or loss of a paired difference."""
    return "win" if span[1] > 0 else "loss" if span[2] < 0 else "tie"


def _judged(span: list[float]) -> str:
    return f"{shown(span, sign=True)} {outcome(span)}"


def where_learning_pays() -> str:
    """The best learned code of every data set against what needs no learning."""
    result = load("where_learning_pays")
    if result is None:
        return ""
    rows = result["rows"]
    lines = [
        [
            f"{row['data']} ({row['kind']})",
            f"`{row['best_learned']}`",
            shown(row["area"][row["best_learned"]]),
            *(_judged(row["best_minus"][one]) for one in AGAINST),
        ]
        for row in rows
    ]
    return "\n\n".join(
        [
            "## Where learning pays",
            "Area under the label curve (balanced accuracy, 5 to 100 labels per class, normalised) of the best learned "
            "code, chosen on other rows, and what it gains over what needs no learning: paired, 95 % intervals over "
            "draws, seeds and rows. Five seeds on digits, dry_bean and electricity, three on the others.",
            table(["data", "best learned code", "area", *AGAINST.values()], lines),
            tallied(rows),
            "Every rival's area on the same rows:",
            table(["data", *(names := sorted_rivals(rows))], [_areas(row, names) for row in rows]),
            _earned(rows),
            about(result),
        ]
    )


def pays_page() -> list[str]:
    """The section of docs/learning.md."""
    result = load("where_learning_pays")
    if result is None:
        return []
    rows = result["rows"]
    return [
        "## Where learning pays",
        "Is the best learned code better than what needs no learning? On the rows that judge, with 5 to 100 labels per "
        "class, over data of many kinds; the best learned code was chosen on other rows.",
        "![Gain in area of the best learned code on every data set, with intervals](pictures/where_learning_pays.svg)",
        tallied(rows),
        "What it gains in area under the label curve (balanced accuracy); green is a win, orange a loss, grey a tie:",
        table(
            ["data", "best learned code", *(f"over {title}" for title in AGAINST.values())],
            [
                [
                    f"{row['data']} ({row['kind']})",
                    f"`{row['best_learned']}`",
                    *(
                        f"{shown(row['best_minus'][one], sign=True)} {outcome(row['best_minus'][one])}"
                        for one in AGAINST
                    ),
                ]
                for row in rows
            ],
        ),
    ]


def draw() -> None:
    """docs/pictures/where_learning_pays.svg."""
    result = load("where_learning_pays")
    if result is not None:
        rows = result["rows"]
        spans = [(f"{r['data']}: {r['best_learned']}", [r["best_minus"][one] for one in AGAINST]) for r in rows]
        differences("where_learning_pays", spans, [f"over {title}" for title in AGAINST.values()])


def tallied(rows: list[dict[str, Any]]) -> str:
    """Wins, ties and losses in one sentence."""
    parts = []
    for one, title in AGAINST.items():
        found = [outcome(row["best_minus"][one]) for row in rows]
        parts.append(f"{found.count('win')} wins, {found.count('tie')} ties, {found.count('loss')} losses on {title}")
    return f"Of {len(rows)} data sets: " + "; ".join(parts) + "."


def sorted_rivals(rows: list[dict[str, Any]]) -> list[str]:
    """All rivals, those with the best mean area first."""
    names = {name for row in rows for name in row["area"]}
    means = {name: [row["area"][name][0] for row in rows if name in row["area"]] for name in names}
    return sorted(names, key=lambda name: (-sum(name in row["area"] for row in rows), -sum(means[name])))


def _areas(row: dict[str, Any], names: list[str]) -> list[str]:
    best = max(row["area"], key=lambda name: row["area"][name][0])
    cells = []
    for name in names:
        value = f"{row['area'][name][0]:.3f}" if name in row["area"] else ""
        cells.append(f"**{value}**" if name == best else value)
    return [row["data"], *cells]


def earned(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Sentence -> the data sets on which it is the best learned code, or as good within the interval."""
    names = sorted({name for row in rows for name in row["sentences"]})
    return {
        name: [
            row["data"]
            for row in rows
            if name in row["sentences"] and (name == row["best_learned"] or row["best_minus"][name][1] <= 0)
        ]
        for name in names
    }


def _earned(rows: list[dict[str, Any]]) -> str:
    told = [f"`{name}` {', '.join(found) or 'nowhere'}" for name, found in earned(rows).items()]
    return "As good as the best learned code within the interval: " + "; ".join(told) + "."


def automatic_values() -> str:
    """ "auto" beside the searched values."""
    result = load("automatic_values")
    if result is None:
        return ""
    lines = []
    for row in result["rows"]:
        best, auto = row["searched_values"], row["auto_values"]
        lines.append(
            [
                row["data"],
                f"{row['rows']:,}",
                _values(best),
                _values(auto),
                ratio(row["searched"], 3),
                ratio(row["auto"], 3),
                f"{row['lost']:+.1%}" + ("" if row["holds"] else " (over 2 %)"),
            ]
        )
    held = sum(row["holds"] for row in result["rows"])
    return "\n\n".join(
        [
            "## Automatic values",
            f"`{result['recipe']}`: share of variance explained on rows that judge alone, median and range of "
            f"{result['seeds']} seeds, with the best of {result['searched']} triples of learning rate, batch size and "
            'passes (chosen on other rows) and with "auto". '
            f"Within 2 % on {held} of {len(lines)} data sets.",
            table(["data", "rows", "searched", "auto", "score searched", "score auto", "lost"], lines),
            about({key: value for key, value in result.items() if key != "seeds"}),
        ]
    )


def _values(values: dict[str, float]) -> str:
    return f"{values['learning_rate']:g}, {values['batch_size']}, {values['epochs']}"


def sections() -> list[str]:
    """The sections for docs/figures.md."""
    return [part for part in (where_learning_pays(), automatic_values()) if part]


if __name__ == "__main__":
    draw()
