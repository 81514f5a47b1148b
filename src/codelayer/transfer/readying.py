"""All that a tuning needs before its first step, from options, rows and targets.

Reads  a backbone, labelled rows, the options of an estimator.
Gives  `readied`: the net that learns, groups and rates, the head's first weights.
Skips  the steps: `tuning`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.rows import rows_of, take
from ..errors import SentenceError
from ..learn.paces import Group, Paces, gradient_rates
from ..nets.backbone import Backbone, random_twin
from ..nets.backbone.norms import keeps_statistics
from .feeding import BLOCK, Feed, changes_of
from .parts import Parts
from .probing import probed_head
from .scales import calibrated
from .targets import Targets
from .tuned import chosen, groups_of, settings
from .tuning import Anchor, Joined, Tuning

BETA = 0.01  # of L2-SP, on the head
SAMPLE = 512  # rows whose gradient gives rates


@dataclass
class Readied:
    """A tuning before its first step.

    backbone  the net that will learn, a copy
    settings  epochs, batch_size, learning_rate
    notes     of the preprocessing, in words
    strength  C of the probe that gave the head, or None
    loss      of that probe on all rows, or None
    """

    backbone: Backbone
    tuning: Tuning
    settings: dict[str, Any]
    notes: list[str]
    strength: float | None = None
    loss: float | None = None


def readied(given: Backbone, options: Mapping[str, Any], rows: Any, targets: Targets, seed: int) -> Readied:
    """The tuning of a copy of a backbone.

    options  tune, rates, unfreeze, start, anchor, schedule, epochs, batch_size, learning_rate, augment
    errors   SentenceError, DataError: an option or rows that cannot be used
    """
    given.prepare(take(rows, slice(0, 1)))  # refuses what it cannot take
    notes, count = given.prepare.notes(rows), rows_of(rows)
    net, told = _net(given, options["tune"], rows, seed)
    notes += told
    found, numbers = chosen(net, options["tune"]), settings(options, count)
    feed = Feed(net, rows, found.after, changes_of(options["augment"]), seed)
    with torch.no_grad():
        width = feed.vectors(feed.batch(torch.arange(1))).shape[1]
    joined = Joined(net.net, width, 1 if targets.classes is None else len(targets.classes), seed)
    total = numbers["epochs"] * -(-count // numbers["batch_size"])
    groups = groups_of(found, options["rates"], bool(options["unfreeze"]), total)
    learning = {name for group in groups for name in group.parameters}
    for name, one in joined.named_parameters():
        one.requires_grad_(name in learning)
    probed = options["start"] == "probe" and options["tune"] != "scratch"
    closed = found.closed + (_statistics(net) if probed else [])  # a probe is fitted to the statistics that are there
    closed = [f"net.{leaf}".rstrip(".") for leaf in closed]
    paces = Paces(joined, groups, numbers["learning_rate"], total, options["schedule"], closed)
    anchor = None if options["anchor"] is None else _anchor(options, joined, groups[:-1])
    made = Tuning(joined, feed, targets.values, paces, numbers["epochs"], numbers["batch_size"], seed, anchor)
    ready = Readied(net, made, numbers, notes)
    if probed:
        _probe(ready, seed)
    if options["rates"] == "gradient":
        made.paces = _paced(made)
    return ready


def _net(given: Backbone, tune: Any, rows: Any, seed: int) -> tuple[Backbone, list[str]]:
    net = random_twin(given, seed) if tune == "scratch" else given.copy()
    if net.trained or net.calibrated:
        return net, []
    return calibrated(net, take(rows, slice(0, BLOCK)))


def _statistics(net: Backbone) -> list[str]:
    return [name for name, one in net.net.named_modules() if keeps_statistics(one)]


def _anchor(options: Mapping[str, Any], joined: Joined, groups: list[Group]) -> Anchor:
    given = options["anchor"]
    pair = given if isinstance(given, tuple | list) else (given, BETA)
    if len(pair) != 2 or not all(isinstance(one, int | float) and one >= 0 for one in pair):
        raise SentenceError(f"anchor={given!r} is not possible", "give alpha, or (alpha, beta), at least 0")
    if options["tune"] == "scratch":
        raise SentenceError('anchor with tune="scratch" is not possible', "random weights are nothing to stay near")
    known = dict(joined.named_parameters())
    start = {name: known[name].detach().clone() for group in groups for name in group.parameters}
    return Anchor(float(pair[0]), float(pair[1]), start)


def _probe(ready: Readied, seed: int) -> None:
    """The head's first weights are those of a probe."""
    tuning = ready.tuning
    features = all_vectors(tuning.feed)
    weight, bias, ready.strength = probed_head(features.numpy(), tuning.targets.numpy(), seed)
    head = tuning.joined.head
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
        scores = head(features)
        if tuning.targets.dtype == torch.int64:
            ready.loss = float(nn.functional.cross_entropy(scores, tuning.targets))
        else:
            ready.loss = float((scores[:, 0] - tuning.targets).square().mean())


def _paced(tuning: Tuning) -> Paces:
    """The same groups at rates from the gradient over an even sample of rows, in eval mode."""
    paces, rows = tuning.paces, len(tuning.feed)
    places = torch.unique(torch.linspace(0, rows - 1, min(rows, SAMPLE)).long())
    tuning.joined.eval()
    blocks, parts = places.split(min(BLOCK, tuning.batch_size)), Parts()
    while not _summed(tuning, blocks, parts):
        pass
    if parts.count > 1:
        told = f"for the rates, blocks of {len(blocks[0])} rows did not fit into memory and went through in parts of "
        tuning.parts.notes.append(f"{told}{-(-len(blocks[0]) // parts.count)}")
    groups = gradient_rates(tuning.joined, paces.groups)
    tuning.optimizer.clear()
    return Paces(tuning.joined, groups, paces.peak, paces.total, paces.schedule, paces.closed)


def _summed(tuning: Tuning, blocks: Sequence[Tensor], parts: Parts) -> bool:
    """Leave the gradient of the mean loss over all blocks in the net; False where memory ran out on the way."""
    count, rows = parts.count, sum(map(len, blocks))
    tuning.optimizer.clear()
    for some in blocks:

        def work(part: slice, some: Tensor = some) -> None:
            batch = tuning.feed.batch(some[part])
            (tuning.losses(batch, tuning.targets[some[part]]).sum() / rows).backward()

        parts.run(len(some), work)
        if parts.count != count:  # what failed has left gradients behind
            return False
    return True


def all_vectors(feed: Feed) -> Tensor:
    """The last stage's vectors of all rows, (rows, width), in eval mode and without changes."""
    feed.backbone.net.eval()
    made: list[Tensor] = []
    with torch.no_grad():
        for places in torch.arange(len(feed)).split(BLOCK):
            if feed.kept is None:
                plain = feed.backbone.prepare(take(feed.rows, np.asarray(places)))
            else:
                plain = feed.batch(places)
            made += feed.parts.run(len(places), lambda part, plain=plain: feed.vectors(plain[part]))
    return torch.cat(made)
