"""Nets of which some stages are copied from a trained one, and which of their parts then learn.

Reads  a trained net with its linear head, a `Way` (what is copied, what is held, what happens to the head).
Gives  `Learned` nets: `learned_from_scratch` and `learned` by a way; what is held keeps its bits.
Skips  which ways there are and how they compare: `treatments`, `layers`.

All that is not copied is the random twin of the source net, scaled on the target's labelled rows: equal seeds give
equal random parts, equal order of rows and equal rates, so that ways differ only in what they copy and hold.
Sources: Yosinski et al. 2014 (copying and freezing the first layers); Lee et al. 2023 (tuning one block).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..learn.groups import stage_leaves
from ..learn.paces import Group, Paces
from ..nets.backbone import Backbone, calibrate, random_twin
from .feeding import BLOCK, Feed
from .tuning import Joined, Tuning

NEW, TUNED, KEPT = "new", "copied and tuned", "copied and held"


@dataclass(frozen=True)
class Way:
    """What a target net has of its source.

    copied  stages that begin as the source's
    held    stages that never learn; they are copied
    head    "new", "copied and tuned" or "copied and held"
    """

    copied: tuple[str, ...]
    held: tuple[str, ...]
    head: str = NEW


@dataclass(frozen=True)
class Learned:
    """A net with its linear head.

    weight, bias  (classes, width), (classes,) of the head on the pooled last stage
    classes       what its outputs tell apart, in order
    """

    net: Backbone
    weight: np.ndarray
    bias: np.ndarray
    classes: np.ndarray

    def predict(self, x: Any) -> np.ndarray:
        """(rows,) classes."""
        last, found = self.net.last, []
        for start in range(0, len(x), 4 * BLOCK):
            vectors = self.net.vectors(x[start : start + 4 * BLOCK], last)[last]
            found.append((vectors @ self.weight.T + self.bias).argmax(1))
        return self.classes[np.concatenate(found)]


@dataclass(frozen=True)
class Lesson:
    """Rows to learn from, and for how long.

    x, y        rows as the net takes them; their classes
    steps       about so many, in whole passes
    batch_size  rows of a step, at most
    seed        of random parts, and of the order of rows
    rate        learning rate at the top of one cycle, of every part that learns
    """

    x: np.ndarray
    y: np.ndarray
    steps: int
    batch_size: int
    seed: int
    rate: float = 0.003


def learned_from_scratch(net: Backbone, lesson: Lesson) -> Learned:
    """The random twin of a net, all of it trained."""
    return learned(Learned(net, np.empty((0, 0)), np.empty(0), np.empty(0)), Way((), ()), lesson)


def learned(source: Learned, way: Way, lesson: Lesson) -> Learned:
    """A net that begins with what `way` copies of the source, trained on the lesson's rows.

    The source stays as it is.
    """
    classes, places = np.unique(lesson.y, return_inverse=True)
    net = begun(source.net, way.copied, lesson)
    if way.head == KEPT and set(way.held) == set(net.stages):
        return Learned(net, source.weight, source.bias, source.classes)
    if way.head != NEW:
        classes, places = source.classes, np.searchsorted(source.classes, lesson.y)
    tuning = _tuning(net, way, lesson, places, len(classes), source)
    for _ in tuning.run():
        pass
    net.trained = True
    head = tuning.joined.head
    return Learned(net, head.weight.detach().numpy().copy(), head.bias.detach().numpy().copy(), classes)


def begun(source: Backbone, copied: Sequence[str], lesson: Lesson) -> Backbone:
    """The net before its first step: stages as in the source, the others random and scaled on the lesson's rows."""
    if set(copied) == set(source.stages):
        return source.copy()
    twin = random_twin(source, lesson.seed)
    calibrate(twin, twin.prepare(lesson.x[:BLOCK]))
    names = source.by_stage()
    state, there = source.net.state_dict(), twin.net.state_dict()
    with torch.no_grad():
        for stage in source.chosen(copied) if copied else ():
            for name in names[stage]:
                if name in there:  # buffers that are not saved are made by the net itself
                    there[name].copy_(state[name])
    return twin


def _tuning(net: Backbone, way: Way, lesson: Lesson, places: np.ndarray, outputs: int, source: Learned) -> Tuning:
    learning = [stage for stage in net.stages if stage not in way.held]
    first = net.stages.index(learning[0]) if learning else len(net.stages)
    feed = Feed(net, lesson.x, net.stages[first - 1] if first else None, seed=lesson.seed)
    joined = _joined(net, feed, way, outputs, lesson.seed, source)
    batch = min(lesson.batch_size, len(lesson.x))
    per_pass = -(-len(lesson.x) // batch)
    epochs = max(1, round(lesson.steps / per_pass))
    groups, closed = _groups(net, learning, way.head != KEPT)
    known = dict(joined.named_parameters())
    for one in known.values():
        one.requires_grad_(False)
    for group in groups:
        for name in group.parameters:
            known[name].requires_grad_(True)
    paces = Paces(joined, groups, lesson.rate, epochs * per_pass, closed=closed)
    targets = torch.from_numpy(np.asarray(places, np.int64))
    return Tuning(joined, feed, targets, paces, epochs, batch, lesson.seed)


def _joined(net: Backbone, feed: Feed, way: Way, outputs: int, seed: int, source: Learned) -> Joined:
    with torch.no_grad():
        width = feed.vectors(feed.batch(torch.arange(1))).shape[1]
        joined = Joined(net.net, width, outputs, seed)
        if way.head != NEW:
            joined.head.weight.copy_(torch.from_numpy(source.weight))
            joined.head.bias.copy_(torch.from_numpy(source.bias))
    return joined


def _groups(net: Backbone, learning: Sequence[str], head: bool) -> tuple[list[Group], list[str]]:
    """Groups of the joined net, and the leaves that are held throughout."""
    ends, names = stage_leaves(net), net.by_stage()
    floating = {name for name, one in net.net.named_parameters() if one.is_floating_point()}
    groups = [
        Group(stage, tuple(f"net.{one}" for one in names[stage] if one in floating), _prefixed(ends[stage]))
        for stage in learning
    ]
    closed = [leaf for stage, found in ends.items() if stage not in learning for leaf in _prefixed(found)]
    if head:
        groups.append(Group("head", ("head.weight", "head.bias"), ("head",)))
    else:
        closed.append("head")
    return groups, closed


def _prefixed(found: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"net.{leaf}" for leaf in found)
