"""Pre-trained nets among the rivals of a study: their features, as codes.

Reads  names as `--backbone` takes them: NAME, NAME::STAGE, NAME::STAGE,STAGE or NAME::all.
Gives  `Nets`: a rival for each name, its forecast, what a reader should know of the rows in it, what it came from.
Skips  learning. Features are made once for each part of the rows and kept in the cache of `transfer/cache`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.rows import rows_of, take
from ..learn.forecast import Forecast, grown_by, resident
from ..nets.backbone import Backbone
from ..transfer.features import BLOCK, FeatureExtractor, schema_for
from ..transfer.opening import RANDOM, open_backbone
from .rivals import Rival

APART = "::"
TIMED_ROWS = 2 * BLOCK
LATENCY_BATCHES, BATCH = 8, 256  # what `measure.cost.timings` codes at least
COPIES = 3  # of the features of all rows, as scoring holds them


class Nets:
    """The nets a study was given, each opened once.

    names   as they were asked for, each once
    opened  name of a net -> Backbone

    errors  DataError, BundleError, SentenceError (a stage that is not there), each with the remedy
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(str(name) for name in names))
        self.opened: dict[str, Backbone] = {}
        for name in self.names:
            net, stages = parted(name)
            if net not in self.opened:
                self.opened[net] = open_backbone(net)
            self.opened[net].chosen(stages)

    def record(self) -> list[str]:
        """The names, each with a hash that is another one when the net, its preprocessing or its stages are."""
        hashes = {net: one.features_hash()[:16] for net, one in self.opened.items()}
        return [f"{name} (features {hashes[parted(name)[0]]})" for name in self.names]

    def rivals(self) -> list[Rival]:
        """One rival for each name; the weights of a random twin vary with the seed."""
        titles = [self._title(name, short_name(parted(name)[0])) for name in self.names]
        found = []
        for name, title in zip(self.names, titles, strict=True):
            net, stages = parted(name)
            told = title if titles.count(title) == 1 else self._title(name, net)
            chosen = self.opened[net].chosen(stages)
            varies = not self.opened[net].trained
            found.append(Rival(name, "code", varies=varies, backbone=net, stages=chosen, heading=told))
        return found

    def _title(self, name: str, net: str) -> str:
        stages = parted(name)[1]
        if stages is None:
            return f"{net}, last stage"
        if stages == "all":
            return f"{net}, all stages"
        if len(stages) > 1:
            return f"{net}, stages {', '.join(stages)}"
        return f"{net}, {'' if stages[0].startswith('stage') else 'stage '}{stages[0]}"

    def refuse(self, rows: Any) -> None:
        """Say at once that a net cannot take rows, also where a single one of them is wrong.

        errors  DataError
        """
        for backbone in self.opened.values():
            schema = schema_for(backbone, rows)
            if isinstance(rows, np.ndarray) and rows.dtype != np.uint8 and rows.size:
                flat = rows.reshape(len(rows), -1)
                ends = np.unique([flat.min(1).argmin(), flat.max(1).argmax()])
                backbone.prepare(schema.encode(take(rows, ends)))

    def foretold(self, rival: Rival, rows: Any, total: int) -> Forecast:
        """Seconds one fit and its coding take on one thread, and the most memory: a few blocks are timed.

        rows   to learn from, of which the first are coded
        total  rows that will be coded in all
        """
        few = take(rows, slice(0, TIMED_ROWS))
        coder = FeatureExtractor(self.opened[rival.backbone], rival.stages, cache=None, random_state=0)
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the notes, which `notes` tells once
            coder.fit(few)
        around = time.perf_counter() - started
        started = time.perf_counter()
        grown = grown_by(lambda: coder.transform(few))
        per_row = (time.perf_counter() - started) / rows_of(few)
        timed = LATENCY_BATCHES * min(BATCH, total)
        seconds = around + per_row * (total + timed)
        return Forecast(seconds, resident() + grown + COPIES * 4 * coder.units * total, 1, 0.0)

    def notes(self, rows: Any) -> list[str]:
        """What a reader should know of rows in these nets; what holds of several nets is said once."""
        told: dict[str, list[str]] = {}
        for name, backbone in self.opened.items():
            first = schema_for(backbone, rows).encode(take(rows, slice(0, BLOCK)))
            for note in backbone.prepare.notes(first):
                told.setdefault(note, []).append(short_name(name))
        return [f"{', '.join(dict.fromkeys(nets))}: {note}" for note, nets in told.items()]

    def facts(self) -> dict[str, dict[str, Any]]:
        """What each rival's net is, plain JSON: stages, licence, whether it is trained, hash of its weights."""
        hashes = {net: one.weights_hash() for net, one in self.opened.items()}
        return {
            rival.name: {
                "backbone": rival.backbone,
                "stages": list(rival.stages),
                "licence": self.opened[rival.backbone].licence,
                "trained": self.opened[rival.backbone].trained,
                # a twin's weights are drawn by the seed of each fit
                "weights_sha256": hashes[rival.backbone] if self.opened[rival.backbone].trained else None,
            }
            for rival in self.rivals()
        }


def parted(name: str) -> tuple[str, str | tuple[str, ...] | None]:
    """The net and its stages: None is the last one, "all" every one."""
    net, apart, stages = name.rpartition(APART)
    if not apart:
        return name, None
    return net, "all" if stages == "all" else tuple(one.strip() for one in stages.split(","))


def short_name(net: str) -> str:
    """A net as it is printed: the name of a file, not where it lies."""
    prefix, _, rest = net.partition(":")
    if prefix == RANDOM and rest:
        return f"{short_name(rest)} untrained"
    return Path(rest.partition("#")[0]).name if prefix == "file" and rest else net
