"""The report of a study: one self-contained page, the answer first.

Reads  the findings.
Gives  report.html.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from ..data.rows import rows_of, take
from ..learn.coder import Coder
from ..report import Point, Report, Series, curves, image_rows, interval, map2d, number, scatter
from .findings import Findings
from .printed import saved_cell, score_text
from .rebuilt import show_rebuilt

MAP_ROWS = 1000
CAPTION = (
    "Every rival on the same rows, labels and draws; other figures come from the report part, which was read once, "
    "after the choice. The winner is set off: the smallest of those whose interval on the choosing rows includes the "
    "best. Codes and raw features are read by a linear probe on one common scale, logistic regression works on "
    "standardised columns."
)
NEIGHBOURS = 6


def write_page(found: Findings, verdict: dict[str, Any], coder: Coder) -> None:
    """Write report.html into the study's folder."""
    parts = found.parts
    page = Report(f"Which representation for {parts.data.name}?", "a study by Codelayer")
    page.lead(" ".join(verdict["sentences"]))
    page.command(verdict["command"])
    page.facts(
        [
            ("rows", rows_of(parts.data.x)),
            ("learned from", len(parts.train)),
            ("chosen by", len(parts.choose)),
            ("reported on", len(parts.report)),
            ("code size", found.width),
            ("seeds", found.study.seeds_used),
            ("label draws", found.study.draws * found.study.seeds_used),
        ]
    )
    for line in found.study.warnings_:
        page.warn(line)
    for name, told in found.race.told.items():
        if told:
            seeds = f" ({len(told)} seeds told so, each with its own count)" if len(told) > 1 else ""
            page.warn(f"{found.title(name)}: {told[0]}{seeds}")
    _table(page, found)
    if found.areas:
        _curves(page, found)
    _pareto(page, found)
    _properties(page, found)
    show_rebuilt(page, found, coder)
    _map(page, found, coder)
    _neighbours(page, found, coder)
    _methods(page, found, verdict)
    page.write(found.folder / "report.html")


def _order(found: Findings) -> list[str]:
    if found.areas:
        return sorted(found.areas, key=lambda name: -found.areas[name].value)
    return sorted(found.race.fidelity, key=lambda name: -found.race.fidelity[name].mean())


def _table(page: Report, found: Findings) -> None:
    title = "The table" if found.parts.task else "Fidelity, not usefulness"
    page.section(title)
    columns, rows, winner = table_cells(found)
    page.table(
        columns,
        rows,
        ("" if found.parts.task else "Fidelity is that of the choosing rows. ") + CAPTION,
        highlight=winner,
    )
    slow = [found.title(name) for name, cost in found.race.latency.items() if cost["overhead"]]
    if slow:
        page.text(
            "One row alone takes more than ten times as long as a row in a batch with: "
            + ", ".join(slow)
            + ". There the "
            "library's fixed cost per call dominates, not the model: compiled, each would be far quicker at one row."
        )


def table_cells(found: Findings) -> tuple[list[Any], list[list[Any]], int | None]:
    """Columns, rows and the winner's row of the main table; also printed on the terminal."""
    race = found.race
    names = _order(found)
    counts = found.parts.counts
    two = any(curve.aucs is not None for curve in race.reported["linear"].values())
    columns: list[Any] = ["rival"]
    if found.areas:
        columns += [("area", f"mean {found.score_name} over log labels, with its 95 % interval")]
        columns += [(f"@{count}", f"{found.score_name} with {count} {found.unit}") for count in counts]
        if two:
            columns.append((f"AUC@{counts[-1]}", f"area under the ROC curve with {counts[-1]} {found.unit}"))
        columns += [
            ("kNN area", "the same with a nearest-neighbour probe"),
            ("labels saved", "labels raw features need / labels this code needs for one score, mean over the curve"),
        ]
    else:
        columns += [("fidelity", "mean of trustworthiness and continuity on the choosing rows")]
    columns += [
        ("MB", "size with head"),
        ("ms at 1", "per row alone, head included"),
        ("ms in batch", "per row in batches of 256"),
        ("fit s", "seconds to fit once"),
    ]
    by_metric = {(row["rival"], row["metric"]): row for row in found.rows}
    rows = []
    for name in names:
        ceiling = " (the ceiling)" if name == "raw" and not found.areas else ""
        row: list[Any] = [found.title(name) + ceiling]
        if found.areas:
            area = found.areas[name]
            row.append((score_text(area.value, area.low, area.high), area.value))
            row += [band.value for band in found.bands[name]]
            row += [by_metric.get((name, f"linear_auc@{counts[-1]}"), {}).get("value")] if two else []
            knn = found.knn_areas.get(name)
            row += [None if knn is None else knn.value, saved_cell(by_metric.get((name, "labels_saved")))]
        else:
            row.append(float(race.fidelity[name].mean()))
        cost = race.latency.get(name, {})
        row += [
            race.size[name] / 1e6 if name in race.size else None,
            cost.get("latency_ms"),
            cost.get("batch_ms_per_row"),
            race.seconds.get(name),
        ]
        rows.append(row)
    if found.areas:
        rows.append(["chance", found.chance, *[found.chance] * len(counts)])
    winner = names.index(found.choice.winner) if found.choice.winner in names else None
    return columns, rows, winner


def _curves(page: Report, found: Findings) -> None:
    page.section("Label curves")
    counts = found.parts.counts
    strong = {found.choice.winner, "raw", found.race.best_code}
    series = [
        Series(
            found.title(name),
            counts,
            [band.value for band in found.bands[name]],
            [band.low for band in found.bands[name]],
            [band.high for band in found.bands[name]],
            emphasis=name in strong,
            dashed=found.race.rival(name).role == "control",
        )
        for name in _order(found)
    ]
    page.figure(
        curves(series, found.unit, found.score_name, chance=found.chance),
        f"{found.score_name} of a linear probe as labels grow, with 95 % intervals over label draws, seeds and scored "
        "rows. Supervised controls are dashed.",
    )


def _pareto(page: Report, found: Findings) -> None:
    page.section("Score against cost")
    for label, costs in (
        ("ms per row, alone", {name: cost["latency_ms"] for name, cost in found.race.latency.items()}),
        ("MB with head", {name: size / 1e6 for name, size in found.race.size.items() if size}),
    ):
        points = []
        for name in _order(found):
            if name not in costs:
                continue
            if found.areas:
                area = found.areas[name]
                points.append(
                    Point(found.title(name), costs[name], area.value, area.low, area.high, name == found.choice.winner)
                )
            else:
                points.append(
                    Point(
                        found.title(name),
                        costs[name],
                        float(found.race.fidelity[name].mean()),
                        emphasis=name == found.choice.winner,
                    )
                )
        what = f"area under the label curve ({found.score_name})" if found.areas else "fidelity"
        page.figure(scatter(points, label, what), "Nothing lies above and to the left of the stepped line.")


def _properties(page: Report, found: Findings) -> None:
    page.section("Properties of the codes")
    names = [name for name in _order(found) if name in found.race.metrics]
    if not names:
        page.text("No code could be measured.")
        return
    measured = [row for name in names for row in found.race.metrics[name]]
    metrics = list(dict.fromkeys(row["metric"] for row in measured))  # not every code has every one
    columns: list[Any] = ["code", *[metric.replace("_", " ") for metric in metrics]]
    rows = []
    for name in names:
        values = {row["metric"]: row for row in found.race.metrics[name]}
        rows.append([found.title(name), *[_cell(values.get(metric)) for metric in metrics]])
    chance = {row["metric"]: row["chance"] for row in reversed(measured)}
    rows.append(["chance", *[chance.get(metric) for metric in metrics]])
    page.table(
        columns,
        rows,
        "Measured on the report part; intervals where the metric has one. What each asks: codelayer measure --list.",
    )


def _cell(row: dict[str, Any] | None) -> Any:
    if row is None or row["value"] is None:
        return None
    if row["low"] is None or row["high"] is None:
        return row["value"]
    return (interval(row["value"], row["low"], row["high"]), row["value"])


def _map(page: Report, found: Findings, coder: Coder) -> None:
    page.section("A map of the code")
    n = len(found.parts.report)
    chosen = np.sort(np.random.default_rng([found.study.seed, 29]).permutation(n)[:MAP_ROWS])
    codes = coder.transform(take(found.parts.rows("report"), chosen)).astype(np.float64)
    if codes.shape[1] < 2:
        codes = np.hstack([codes, np.zeros((len(codes), 2 - codes.shape[1]))])
    if len(codes) >= 60:
        points = TSNE(2, init="pca", perplexity=min(30, len(codes) / 4), random_state=found.study.seed).fit_transform(
            codes
        )
        how = "t-SNE of the code"
    else:
        points, how = PCA(2, random_state=0).fit_transform(codes), "the first two principal components of the code"
    labels = found.parts.labels("report")
    keys = np.array(found.parts.keys("report"), dtype=object)[chosen]
    shown = None if labels is None else [_label(value) for value in np.asarray(labels)[chosen]]
    page.figure(
        map2d(
            points, shown, names=list(keys), legend="label", as_number=found.parts.task == "number" if shown else None
        ),
        f"{found.title(found.race.best_code)}: {how}, {len(points):,} rows of the report part. Distances between "
        "far groups mean little in such a map.",
    )


def _label(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return int(value) if float(value).is_integer() else float(value)
    return value


def _neighbours(page: Report, found: Findings, coder: Coder) -> None:
    page.section("Nearest neighbours")
    parts = found.parts
    train = parts.rows("train")
    some = np.arange(rows_of(train))
    if len(some) > 20_000:
        some = np.sort(np.random.default_rng(0).permutation(some)[:20_000])
    bank = take(train, some)
    rng = np.random.default_rng([found.study.seed, 31])
    queries = np.sort(rng.permutation(len(parts.report))[:5])
    rows = take(parts.rows("report"), queries)
    count = min(NEIGHBOURS, len(some))
    near = (
        NearestNeighbors(n_neighbors=count)
        .fit(coder.transform(bank))
        .kneighbors(coder.transform(rows), return_distance=False)
    )
    labels, known = parts.labels("report"), parts.labels("train")
    told = [[_told(labels, q), *[_told(known, some[j]) for j in row]] for q, row in zip(queries, near, strict=True)]
    if found.schema.kind == "image":
        pictures = [
            [coder.schema_.encode(take(rows, np.array([i])))[0], *list(coder.schema_.encode(take(bank, near[i])))]
            for i in range(len(queries))
        ]
        page.figure(
            image_rows(pictures, columns=["query", "nearest"], notes=told, apart=1),
            "Rows of the report part and the nearest rows of the training part, by the code; labels below.",
        )
        return
    keys = parts.keys("train")
    mine = parts.keys("report")
    table = [
        [
            f"{mine[q]} ({told[i][0]})" if told[i][0] else mine[q],
            *[f"{keys[some[j]]} ({t})" if t else keys[some[j]] for j, t in zip(near[i], told[i][1:], strict=True)],
        ]
        for i, q in enumerate(queries)
    ]
    page.table(
        ["row (label)", *[f"nearest {i + 1}" for i in range(count)]],
        table,
        "Rows of the report part and the nearest rows of the training part, by the code.",
    )


def _told(labels: np.ndarray | None, row: int) -> str:
    if labels is None:
        return ""
    value = labels[row]
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "unlabelled"
    return (
        str(_label(value)) if not isinstance(value, float | np.floating) or float(value).is_integer() else number(value)
    )


def _methods(page: Report, found: Findings, verdict: dict[str, Any]) -> None:
    page.section("What was not measured, and why")
    study = found.study
    missing = [*study.missing_, *[(found.title(n), why) for n, why in found.choice.barred.items()]]
    for name, metrics in found.race.metrics.items():
        missing += [(f"{row['metric']} of {found.title(name)}", row["note"]) for row in metrics if row["value"] is None]
    if found.parts.task is None:
        missing.append(("usefulness for a task", "there are no labels; bring some with --label"))
    missing.append(("disentanglement", "it needs known factors of variation"))
    missing.append(("memory and energy", "only size and time are measured"))
    page.table(["what", "why"], [list(pair) for pair in missing], "")
    page.section("How it was done", closed=True)
    learned = [
        [rival.title, rival.sentence if rival.sentence != rival.name else _sentence(rival.name)]
        for rival in found.race.rivals
        if rival.learned
    ]
    page.table(["rival", "objective"], learned, "The sentences of the learned codes.")
    if found.study.nets_.names:
        page.table(
            ["net", "stages", "licence", "sha256 of its weights"],
            [
                [found.title(name), ", ".join(one["stages"]), one["licence"], one["weights_sha256"] or "drawn by seed"]
                for name, one in verdict["backbones"].items()
            ],
            "The pre-trained nets whose features raced.",
        )
    page.text(
        f"Rows fell into three parts with seed {study.seed}; groups and exact duplicates were kept together. Codes, "
        f"probes and controls learned from the training part; the winner was chosen on the second; every figure above "
        f"is from the third. The study took {number(found.seconds)} seconds on {verdict['machine']['cores']} cores."
    )


def _sentence(name: str) -> str:
    from ..objective import expand

    return expand(name)
