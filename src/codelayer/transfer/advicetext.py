"""The advice in words.

Reads  `Advice`.
Gives  sentences: what to do, the quadrant with its numbers, whether the net helps, the runner-up, from scratch, when
       the advice would change.
Skips  pictures: `advicepage` draws.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..report.terminal import duration
from .candidates import DEFAULT, FROZEN, RAW, SCRATCH, TUNED, short_list
from .diagnosis import FEW, STILL_WINS, Diagnosis
from .scoring import Scored

if TYPE_CHECKING:
    from .advisor import Advice
    from .race import Raced


MOST_TIMES = 100


def sentences(found: Advice) -> list[str]:
    """The answer first, then its reasons."""
    d, first = found.diagnosis, found.chosen
    told = [f"Use {first.candidate.name}: {scored_text(first, d)}, by cross-validation inside {_rows(found)}."]
    told += [helping(found), quadrant(d)]
    if d.shift:
        told.append(f"Shift: {d.shift}: {d.shift_why}.")
    told += [_runner_up(found), _scratch(found), _cheaper(found), _textbook(found), changes(d), _cost(found)]
    return [one for one in told if one]


def scored_text(one: Raced, d: Diagnosis) -> str:
    """A score with its interval."""
    name = "balanced accuracy" if d.task == "class" else "R2"
    if one.score is None:
        return "not scored"
    low, high = one.score.ends
    chance = f" (chance {d.chance:.3f})" if d.task == "class" else ""
    return f"{name} {one.score.mean:.3f} [{low:.3f}, {high:.3f}]{chance}"


def _rows(found: Advice) -> str:
    return f"{found.facts['labelled']} labelled rows"


def helping(found: Advice) -> str:
    """Whether the net helps: frozen, and, where a tuned one was raced at full length, tuned."""
    d = found.diagnosis
    gap, error = d.lead
    over = f"{d.rival[0]} ({d.rival[1].mean:.3f})"
    if d.helps:
        told = f"its best frozen probe is {gap:+.3f} (standard error {error:.3f}) ahead of {over}{_untwinned(d)}"
        return f"This backbone helps: {told}."
    without = f"its best frozen probe is {gap:+.3f} (standard error {error:.3f}) against {over}{_untwinned(d)}"
    if not d.knows:
        without += f", and with {d.top.mean:.3f} (standard error {d.top.error:.3f}) not surely ahead of chance"
    tuned = _best(found, TUNED)
    scratch = _best(found, SCRATCH)
    if tuned is not None and tuned.score is not None:
        bar = d.rival[1] if scratch is None or scratch.score is None else _higher(scratch.score, d.rival[1])
        ahead, luck = tuned.score.beyond(bar)
        if ahead > luck and tuned.score.mean - d.chance > tuned.score.error:
            return f"Frozen, this backbone does not help: {without}; as a start for fine-tuning it does ({ahead:+.3f})."
    told = f"This backbone does not help, as far as {_rows(found)} tell: {without}."
    kept = found.chosen.candidate.kind == FROZEN and found.facts["strategy"] == "race"
    return f"{told} It is used all the same: raw rows are more than one standard error behind." if kept else told


def _untwinned(d: Diagnosis) -> str:
    return "" if d.twin else ", while no untrained twin of it could be drawn"


def _higher(one: Scored, other: Scored) -> Scored:
    return one if one.mean >= other.mean else other


def quadrant(d: Diagnosis) -> str:
    """The quadrant and the numbers that decided it."""
    gain = "" if np.isnan(d.gain) else f", doubling them would win {d.gain:+.3f}"
    labels = f"{d.labels} labels in the smallest class" if d.task == "class" else f"{d.labels} labelled rows"
    place = f"{d.latest} is the latest stage within one standard error of the best ({d.best})"
    return (
        f"Quadrant: {d.size} target data ({labels}{gain}), {d.verdict} to what the net knows (similarity "
        f"{d.similarity:.2f}, depth {d.depth:.2f}: {place})."
    )


def _runner_up(found: Advice) -> str:
    others = [one for one in found.raced if one.finished and one is not found.chosen]
    if not others or found.chosen.score is None:
        return ""
    second = others[0]
    gap, error = found.chosen.told.beyond(second.told)
    way = "ahead" if gap >= 0 else "behind"
    apart = f"{abs(gap):.3f} {way} (standard error {error:.3f})"
    told = f"Runner-up: {second.candidate.name} ({second.told.mean:.3f}); over the same rows the choice is {apart}"
    if gap < 0 and found.chosen.candidate.name == DEFAULT:
        return f"{told}, which may be luck: all stages are left only for what is ahead of them at 95 %."
    if gap < 0 and found.chosen.candidate.kind == RAW:
        return f"{told}: where the net does not help, raw rows within one standard error are taken."
    return f"{told}."


def _scratch(found: Advice) -> str:
    one = next((one for one in found.raced if one.candidate.kind == SCRATCH), None)
    if one is None:
        none = "With a budget of 0 no net was trained: fine-tuning and training from scratch were left out."
        return none if found.facts["budget_seconds"] == 0 else ""
    if one.score is None:
        return f"Training from scratch was not scored: {one.ended}."
    at = "" if one.share == 1 else f" at {one.share:.0%} of its epochs ({one.ended})"
    minutes = f"{one.to_fit / 60:.2g} min for one fit"
    return f"Training from scratch reaches {one.score.mean:.3f}{at}, {minutes}."


def _cheaper(found: Advice) -> str:
    """The cheapest to serve within one standard error."""
    first = found.chosen
    if first.score is None:
        return ""
    near = []
    for one in found.raced:
        if one.finished and one is not first and one.candidate.to_serve < first.candidate.to_serve:
            gap, error = first.told.beyond(one.told)
            if gap <= error:
                near.append(one)
    if not near:
        return ""
    least = min(near, key=lambda one: one.candidate.to_serve)
    return f"Cheaper to serve and within one standard error: {least.candidate.name} ({least.told.mean:.3f})."


def _textbook(found: Advice) -> str:
    one, sentence = found.textbook
    d = found.diagnosis
    odd = []
    if d.size == "little" and d.labels >= FEW:
        unit = "labels per class" if d.task == "class" else "labelled rows"
        odd.append(f"for it {FEW} {unit} are much, whatever more of them would win")
    if d.verdict == "unclear":
        odd.append("what is neither similar nor different counts as similar there")
    told = f"; its rules are others than those of the quadrant above: {', and '.join(odd)}" if odd else ""
    return f"The textbook would say ({sentence}): {one.name}{told}."


def changes(d: Diagnosis) -> str:
    """At which number of labels the short list would change, and how; the rest of the diagnosis is held as it is."""
    unit = "labels per class" if d.task == "class" else "labelled rows"
    new, gone = other_list(d)
    words = _list_words(new, gone)
    if d.size == "much":
        if not words:
            return f"With fewer than {FEW} {unit} the short list would stay the same."
        return f"With fewer than {FEW} {unit} {words}."
    if not words:
        return "With more labels alone the short list would stay the same."
    at = changes_at(d)
    if at is None:
        number = f"at which number cannot be told: {d.labels} {unit} give no curve"
    elif at > MOST_TIMES * d.labels:
        number = f"at more than {MOST_TIMES * d.labels} {unit}, for doubling them still wins"
    else:
        number = f"ask again at about {at} {unit}"
    return f"With more labels {words}: {number}."


def other_list(d: Diagnosis) -> tuple[list[str], list[str]]:
    """What would be new on the short list, and what gone from it, were the data little instead of much, or much."""
    more = replace(d, labels=max(d.labels, FEW), gain=0.0)
    fewer = replace(d, labels=min(d.labels, FEW - 1))
    now, then = ([one.name for one in short_list(case)] for case in (d, fewer if d.size == "much" else more))
    return [one for one in then if one not in now], [one for one in now if one not in then]


def _list_words(new: list[str], gone: list[str]) -> str:
    words = [f"{', '.join(new)} would be short-listed too"] if new else []
    words += [f"{', '.join(gone)} would not be short-listed"] if gone else []
    return " and ".join(words)


def changes_at(d: Diagnosis) -> int | None:
    """Labels per class at which target data counts as much; None where the curve does not tell.

    From the fitted curve a - b n^-c: doubling wins b n^-c (1 - 2^-c), which falls to STILL_WINS as n grows.
    """
    if np.isnan(d.gain):
        return None
    if d.gain <= STILL_WINS:
        return FEW
    times = (d.gain / STILL_WINS) ** (1 / d.exponent)
    return max(FEW, int(min(np.ceil(d.labels * times), 1e9)))


def _cost(found: Advice) -> str:
    s = found.seconds
    return (
        f"It took {duration(s['all'])}: {duration(s['diagnosis'])} to diagnose, {duration(s['race'])} to race "
        f"(budget {duration(found.facts['budget_seconds'])}), {duration(s['refit'])} to fit the winner."
    )


def _best(found: Advice, kind: str) -> Raced | None:
    mine = [one for one in found.raced if one.candidate.kind == kind and one.finished]
    return max(mine, key=lambda one: one.told.mean) if mine else None
