"""The verdict in sentences: which, by how much, at how many labels, what more labels would bring, what to paste next.

Reads  findings.
Gives  plain sentences; every figure in them comes from the report part, with its interval.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..measure.draws import labelled
from ..measure.intervals import Interval
from ..report import interval, number
from .findings import Findings
from .rivals import Rival, quoted

CENSORED = {"": "", "at least": "at least ", "at most": "at most ", "both": "about "}
FEW_SCORED = 100


def sentences(found: Findings) -> list[str]:
    """The answer first; then by how much, at which number of labels, and what more labels would bring."""
    if found.parts.task is None:
        return _fidelity_sentences(found)
    race, choice = found.race, found.choice
    name, title = choice.winner, found.title(choice.winner)
    counts = found.parts.counts
    at = _at(found, name, len(counts) - 1)
    role = race.rival(name).role
    if name == "raw":
        code = race.best_code
        lines = [
            f"Use the raw features: no code {'within the budget ' if choice.barred else ''}was better on the rows "
            f"that chose. The best code, {found.title(code)}, changes the area under the label curve by "
            f"{_signed(found.gain)} on fresh rows."
        ]
    elif role == "control":
        lines = [f"Use the {title} on the raw features: {_than_raw(found)} No code did better for its size."]
    else:
        lines = [f"Use {_code_words(race.rival(name), title, race.units.get(name, found.width))}: {_than_raw(found)}"]
    lines.append(
        f"With {_count(counts[-1], found)} it reaches {at} {found.score_name} (chance {number(found.chance)})"
        f"{_raw_beside(found, name)}."
    )
    others = [found.title(one) for one in choice.ties if one != name]
    if others:
        lines.append(
            f"As good within the interval, but larger: {', '.join(others)}."
            if name != "raw"
            else f"Within the interval of the best: {', '.join(others)}."
        )
    lines += _label_lines(found, name)
    lines += _budget_lines(found)
    if name in choice.barred:
        lines[0] = f"Nothing is within the budget; without one: {lines[0]}"
    if name == "raw" or role == "control":
        lines.append(f"The saved bundle holds the best code, {found.title(race.best_code)}, with a linear head.")
    if name == "forest":
        lines.append("The forest itself is saved beside it, and predict uses it.")
    return lines


def _budget_lines(found: Findings) -> list[str]:
    barred = found.choice.barred
    if not barred:
        return []
    told = "; ".join(f"{found.title(name)}: {why}" for name, why in barred.items())
    beyond = found.race.best_code in barred
    return [f"Over the budget: {told}.", *(["No code is within it, not even the one that is saved."] if beyond else [])]


def _code_words(rival: Rival, title: str, width: int) -> str:
    kind = f"the code {title}" if rival.learned or rival.role == "given" else f"{title}"
    kind = f"the features of {title}" if rival.backbone else kind
    return f"{kind} ({width} numbers per row)" if rival.role == "code" else kind


def _than_raw(found: Findings) -> str:
    gain = found.gain or Interval(0.0, 0.0, 0.0)
    word = "above" if gain.value >= 0 else "below"
    sure = "" if gain.low > 0 or gain.high < 0 else " (the interval includes no difference)"
    return f"its label curve lies {_signed(gain)} {word} that of the raw features{sure}."


def _signed(gain: Interval | None) -> str:
    if gain is None:
        return ""
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _at(found: Findings, name: str, place: int) -> str:
    band = found.bands[name][place]
    return interval(band.value, band.low, band.high)


def _raw_beside(found: Findings, name: str) -> str:
    if name == "raw":
        return ""
    return f"; raw features reach {_at(found, 'raw', len(found.parts.counts) - 1)}"


def _count(count: int, found: Findings) -> str:
    if found.parts.task == "class":
        return f"{count:,} label{'s' if count > 1 else ''} per class"
    return f"{count:,} labelled rows"


def _label_lines(found: Findings, name: str) -> list[str]:
    counts, bands = found.parts.counts, found.bands[name]
    lines = []
    saved = found.saved
    if saved is not None and name != "raw" and saved.get("ratio"):
        bound, ratio = CENSORED[saved.get("censored", "")], saved["ratio"]
        if ratio > 1.05:
            lines.append(
                f"Over the whole curve (geometric mean) raw features need {bound}{number(ratio)} times as many labels "
                "for the same score."
            )
        elif ratio < 0.95:
            lines.append(
                f"Over the whole curve (geometric mean) it needs {number(1 / ratio)} times as many labels as raw "
                "features for the same score."
            )
    if len(counts) > 1:
        step = bands[-1].value - bands[-2].value
        lines.append(
            f"More labels: from {counts[-2]:,} to {counts[-1]:,} {found.unit} it rose by {step:+.3f}; "
            f"{_further(counts, bands, len(found.parts.report))}"
        )
    total = int(labelled(found.parts.data.labels).sum())
    scored = len(found.parts.report)
    lines.append(f"{total:,} labelled rows were used; the scores come from the {scored:,} rows of the report part.")
    return lines


def _further(counts: tuple[int, ...], bands: list[Interval], scored: int) -> str:
    slope = (bands[-1].value - bands[-2].value) / (np.log10(counts[-1]) - np.log10(counts[-2]))
    ceiling = 1.0
    reach = min(ceiling, bands[-1].value + slope)
    if scored < FEW_SCORED:
        return f"what more would bring cannot be told from {scored} scored rows."
    if slope <= 0.002:
        return "further labels are not likely to add much."
    return f"if it went on like that, {10 * counts[-1]:,} would reach about {reach:.2f} (a guess, not a measurement)."


def _fidelity_sentences(found: Findings) -> list[str]:
    race, choice = found.race, found.choice
    values = {name: float(v.mean()) for name, v in race.fidelity.items()}
    name = choice.winner
    lines = [
        f"Fidelity, not usefulness: without labels nobody can say which code helps a later task. "
        f"Of the codes of {race.units.get(name, found.width)} numbers, {found.title(name)} is the smallest of those "
        f"that keep neighbourhoods best: {values[name]:.3f} (mean of trustworthiness and continuity; 1 is raw "
        f"features, {race.fidelity_chance:.2f} chance)."
    ]
    others = [found.title(one) for one in choice.ties if one != name]
    if others:
        lines.append(f"As good within the spread: {', '.join(others)}.")
    lines.append("Label a few rows and study again with --label: some 20 labels per class already tell much.")
    return lines


def command(found: Findings) -> str:
    """The line to paste next."""
    folder = found.folder.as_posix()
    source = found.study.data if isinstance(found.study.data, str | Path) else "DATA"
    bundle_path = quoted(f"{folder}/bundle")
    if found.parts.task is not None and found.choice.winner == "forest":
        return f"codelayer predict {quoted(folder)} {quoted(str(source))} --out predictions.csv"
    if (
        found.parts.task is not None
        and found.race.rival(found.choice.winner).role == "code"
        and found.choice.winner != "raw"
    ):
        return f"codelayer predict {bundle_path} {quoted(str(source))} --out predictions.csv"
    return f"codelayer encode {bundle_path} {quoted(str(source))} --out codes.npy"
