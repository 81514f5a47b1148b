"""The advice as files: one HTML page, its figures as JSON, the winner as a bundle.

Reads  `Advice`.
Gives  report.html, advice.json, bundle.
Skips  anything that is not in the advice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..bundle import plain, write_atomic, writing
from ..errors import CodelayerError
from ..report import Report, Series, bars, curves
from ..report.terminal import duration
from .advisor import Advice


def write_advice(found: Advice, folder: Path, name: str) -> Iterator[str]:
    """Write all three; lines to print."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    page(found, name).write(folder / "report.html")
    text = json.dumps(plain({"data": name, **found.record()}), indent=1)
    write_atomic(folder / "advice.json", f"{text}\n".encode())
    yield f"report: {folder / 'report.html'}"
    try:
        found.model.save(folder / "bundle", {"advice": found.sentences[0], "data": name})
        yield f"bundle: {folder / 'bundle'} (codelayer predict {folder / 'bundle'} DATA --out FILE)"
    except CodelayerError as error:
        yield f"no bundle: {' '.join(str(error).split())}"


def page(found: Advice, name: str) -> Report:
    """The page."""
    d, facts = found.diagnosis, found.facts
    made = Report(f"How to use {found.backbone} for {name}", f"{facts['labelled']} labelled of {facts['rows']} rows")
    first, *rest = found.sentences
    made.lead(first)
    helps = d.helps
    made.facts(
        [
            ("quadrant", d.quadrant),
            ("similarity", d.similarity),
            ("depth", d.depth),
            ("frozen, it helps", "yes" if helps else "no"),
            ("took", duration(found.seconds["all"])),
        ]
    )
    for note in found.notes:
        made.warn(note)
    made.section("Why")
    for line in rest:
        made.text(line)
    _stages(made, found)
    _candidates(made, found)
    _evidence(made, found)
    return made


def _stages(made: Report, found: Advice) -> None:
    d = found.diagnosis
    made.section("What each stage knows")
    places = np.arange(1, len(d.stages) + 1)
    lines = []
    for title, scores, strong in (("this net", d.net, True), ("the same net untrained", d.twin, False)):
        if not scores:
            continue
        means = np.array([scores[s].mean for s in d.stages])
        low, high = np.array([scores[s].ends for s in d.stages]).T
        lines.append(Series(title, places, means, low, high, emphasis=strong, dashed=not strong))
    name = "balanced accuracy" if d.task == "class" else "R2"
    drawn = curves(lines, "stage, from the input on", name, log_x=False, chance=d.chance)
    made.figure(
        drawn,
        f"A linear head on every stage, cross-validated, with 95 % intervals over rows. Stages: {', '.join(d.stages)}.",
    )
    if d.curve:
        per = "labels per class" if d.task == "class" else "labelled rows"
        shares = np.array(list(d.curve)) * d.labels
        drawn = curves([Series(d.best, shares, list(d.curve.values()), emphasis=True)], per, name, chance=d.chance)
        made.figure(drawn, f"The best stage with fewer labels; the fitted curve tends to {d.limit:.3f}.")


def _candidates(made: Report, found: Advice) -> None:
    d = found.diagnosis
    made.section("The race")
    shown = [one for one in found.raced if one.score is not None]
    ended = [f"{one.candidate.name}{'' if one.finished else ' (ended early)'}" for one in shown]
    drawn = bars(
        ended,
        [one.told.mean for one in shown],
        *zip(*(one.told.ends for one in shown), strict=True),
        chance=d.chance if d.task == "class" else None,
        x_label="balanced accuracy" if d.task == "class" else "R2",
        highlight=next((at for at, one in enumerate(shown) if one is found.chosen), None),
    )
    made.figure(drawn, "Every candidate on the same rows. Intervals are over rows: not over other rows to learn from.")
    rows = [
        [
            one.candidate.name,
            None if one.score is None else one.score.mean,
            None if one.score is None else one.score.error,
            one.share,
            one.seconds,
            one.to_fit / 60,
            one.candidate.why,
            one.ended,
        ]
        for one in found.raced
    ]
    columns = [
        "candidate",
        "score",
        "standard error",
        "share of epochs",
        "seconds",
        "minutes for one fit",
        "why",
        "ended",
    ]
    at = next(at for at, one in enumerate(found.raced) if one is found.chosen)
    made.table(columns, rows, "What was raced, and what it cost.", highlight=at)


def _evidence(made: Report, found: Advice) -> None:
    d = found.diagnosis
    if d.distances:
        made.section("Distance to the source rows")
        names = {
            "auc": "AUC",
            "a_distance": "proxy A-distance",
            "mmd": "MMD",
            "mmd_p": "p of MMD",
            "frechet": "Frechet",
        }
        names["frechet_alike"] = "Frechet of rows like those learned from"
        first = next(iter(d.distances.values()))
        keys = [key for key in names if key in first]
        rows = [[stage, *(one[key] for key in keys)] for stage, one in d.distances.items()]
        made.table(
            ["stage", *(names[key] for key in keys)],
            rows,
            "Whether source and target are told apart. Over data sets these hardly follow what transfer is worth."
            + ("" if "auc" in first else " The source is known by the statistics in its bundle alone."),
        )
    weak = found.facts["weak"]
    if weak:
        made.section("Scores without training", closed=True)
        rows = [[f"LogME of {stage}", value] for stage, value in weak["logme"].items()]
        rows += [] if weak["leep"] is None else [["LEEP of the net's own head", weak["leep"]]]
        made.table(
            ["score", "nats per row"],
            rows,
            "A weak guide, shown as such: LogME costs as much as a probe, which is the better one.",
        )
    made.section("How it was done", closed=True)
    net = found.facts["net"]
    made.text(
        f"Weights {net['weights_sha256'][:16]}, licence {net['licence']}, preprocessing {net['preprocessing']}. "
        f"Seed {found.facts['seed']}. Rules and thresholds: docs/advisor.md."
    )
