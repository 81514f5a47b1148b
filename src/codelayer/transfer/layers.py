"""Layer transfer: which layers of a net are worth copying to another domain, or to other classes?

Reads  source rows with labels, target rows with labels, test rows of the target.
Gives  `layer_transfer`: for every treatment and seed the accuracy on the test rows, as a `LayerTransfer`.
Skips  choosing a fine-tuning for use: `advise` races those.

A source net is trained per seed. Of it the first or last k blocks are copied and held (or tuned), the rest is trained
anew on a few labelled target rows; beside these stand full copies of which one block, everything or only the head
learns. Where the target has the source's classes the shift is one of the input; back copies then keep the classifier.
Sources: Yosinski et al. 2014 (front copies); Lee et al. 2023 (which block to tune depends on the shift).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, SentenceError
from ..learn.run import RunFolder
from ..nets.backbone import Backbone
from ..report import Progress
from .blocknet import CHANNELS, block_net
from .copies import Learned, Lesson, Way, learned, learned_from_scratch
from .layerstate import LayerState
from .outcomes import INPUT, TASK, LayerTransfer, Outcome
from .treatments import Treatment, treatments

CHOOSING = 500  # target rows on which the number of blocks is chosen, at most
HELD = 0.1  # of the source rows, on which the source net is scored


def layer_transfer(
    source_x: Any,
    source_y: Any,
    target_x: Any,
    target_y: Any,
    test_x: Any,
    test_y: Any,
    labels_per_class: int | Sequence[int] = 5,
    seeds: int | Sequence[int] = 3,
    *,
    net: Backbone | None = None,
    channels: Sequence[int] = CHANNELS,
    steps: int = 100,
    source_steps: int = 400,
    batch_size: int = 32,
    learning_rate: float = 0.01,
    tune_copies: bool = False,
    run: str | Path | None = None,
) -> LayerTransfer:
    """Copy layers of a net in every way and see what it is worth on the target's test rows.

    source_x, source_y  pictures (n, height, width) or (n, height, width, channels), and their classes
    target_x, target_y  where labelled rows are drawn from; what is not drawn chooses the number of blocks
    test_x, test_y      never learned from, and nothing is chosen on them
    labels_per_class    labelled target rows of every class, or several such counts
    seeds               how many, or their numbers: of the source net, random parts and drawn rows
    net                 whose random twin is trained on the source; by default a `block_net` with these `channels`
    steps, source_steps, batch_size  of every treatment; of the source net; rows per step
    learning_rate       of every treatment, at the top of one cycle. Too few steps or too low a rate are held against
                        back copies: their front has the longest way to go
    tune_copies         also treatments whose copied blocks go on learning
    run                 a folder: what is finished there is not done again
    errors              DataError, SentenceError: rows, labels or numbers that cannot be used; RunError: another run
    """
    parts = Parts(
        _checked(source_x, source_y, "source"), _checked(target_x, target_y, "target"), _checked(test_x, test_y, "test")
    )
    counts = _numbers(labels_per_class, "labels_per_class")
    numbers = list(range(_numbers(seeds, "seeds")[0])) if isinstance(seeds, int) else _numbers(seeds, "seeds", least=0)
    for name, value in (("steps", steps), ("source_steps", source_steps), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SentenceError(f"{name}={value!r} is not possible", "give a whole number, at least 1")
    if isinstance(learning_rate, bool) or not 0 < learning_rate < float("inf"):
        raise SentenceError(f"learning_rate={learning_rate!r} is not possible", "it is above 0, usually 0.01")
    notes = parts.check(max(counts))
    shape = net if net is not None else block_net(parts.source[0], channels)
    settings = {
        "labels_per_class": counts,
        "seeds": numbers,
        "net": f"{len(shape.stages)} blocks: {shape.features_hash()[:16]}",
        "steps": steps,
        "source_steps": source_steps,
        "batch_size": batch_size,
        "learning_rate": float(learning_rate),
        "tune_copies": tune_copies,
    }
    job = _Job(parts, shape, counts, numbers, settings, notes)
    if run is None:
        return job.run(LayerState(None))
    with RunFolder(run, {"command": "transfer layers", **settings}, parts.fingerprint()) as folder:
        found = job.run(LayerState(folder.state))
        folder.finish()
        return found


Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Parts:
    """Pictures (n, H, W, C) and classes of the source, of the target, and of the test."""

    source: Rows
    target: Rows
    test: Rows

    @property
    def same_classes(self) -> bool:
        """Whether the target's classes are the source's."""
        return set(self.source[1].tolist()) == set(self.target[1].tolist())

    def check(self, labels: int) -> list[str]:
        """Refuse what cannot be compared; what a reader should know.

        errors  DataError: other shapes, a class too rare or unknown
        """
        shapes = [one[0].shape[1:] for one in (self.source, self.target, self.test)]
        for what, shape in zip(("target", "test"), shapes[1:], strict=True):
            if shape != shapes[0]:
                raise DataError(
                    f"source pictures are {_shape(shapes[0])}, {what} pictures {_shape(shape)}",
                    "bring them to one size and one number of channels first",
                )
        kinds = [one[0].dtype.kind for one in (self.source, self.target, self.test)]
        if len(set(kinds)) > 1:
            raise DataError("some pictures are whole numbers, others are not", "give all as uint8, or all in [0, 1]")
        classes, sizes = np.unique(self.target[1], return_counts=True)
        if len(classes) < 2 or len(np.unique(self.source[1])) < 2:
            raise DataError("source or target has a single class", "give rows of two classes at least")
        if sizes.min() < labels:
            rare = str(classes[sizes.argmin()])
            raise DataError(
                f"class {rare!r} has {sizes.min()} labelled target rows, of which {labels} are to be learned from",
                "ask for fewer labels per class, or label more rows",
            )
        unknown = sorted(set(self.test[1].tolist()) - set(classes.tolist()))
        if unknown:
            remedy = "label target rows of it, or leave it out"
            raise DataError(f"class {unknown[0]!r} is only in the test part", remedy)
        both = sorted(set(self.source[1].tolist()) & set(classes.tolist()))
        notes = []
        if both and not self.same_classes:
            notes.append(
                f"source and target share {len(both)} classes ({', '.join(both[:5])}) but not all: they are treated as "
                "new classes, with a new classifier"
            )
        seen = {one.tobytes() for some in (self.source, self.target) for one in some[0]}
        twice = sum(one.tobytes() in seen for one in self.test[0])
        if twice:
            notes.append(f"{twice} of {len(self.test[0])} test pictures are also among those learned from")
        return notes

    def fingerprint(self) -> str:
        """Of all pictures and classes."""
        digest = hashlib.blake2b(digest_size=16)
        for x, y in (self.source, self.target, self.test):
            digest.update(f"{x.shape} {x.dtype} {y.tolist()}".encode())
            digest.update(np.ascontiguousarray(x).data)
        return digest.hexdigest()


@dataclass
class _Job:
    parts: Parts
    net: Backbone
    counts: list[int]
    seeds: list[int]
    settings: dict[str, Any]
    notes: list[str]

    def run(self, state: LayerState) -> LayerTransfer:
        parts = self.parts
        todo = treatments(self.net.stages, parts.same_classes, bool(self.settings["tune_copies"]))
        outcomes, scores = [], []
        total = len(self.seeds) * (1 + len(self.counts) * len(todo))
        with Progress("layers", total, "nets") as progress:
            for seed in self.seeds:
                source, score = self.source(seed, state)
                scores.append(score)
                for labels in self.counts:
                    outcomes += self.treated(source, seed, labels, todo, state, progress)
        if any(not np.isfinite(one.choose) for one in outcomes):
            self.notes.append(
                "no labelled target row was left to choose the number of blocks on: sides are compared by their means "
                "over all numbers"
            )
        return LayerTransfer(
            outcomes,
            INPUT if parts.same_classes else TASK,
            len(self.net.stages),
            float(np.unique(parts.test[1], return_counts=True)[1].max() / len(parts.test[1])),
            scores,
            self.settings,
            self.notes,
        )

    def source(self, seed: int, state: LayerState) -> tuple[Learned, float]:
        """The source net of a seed and its accuracy on source rows that were held out."""
        x, y = self.parts.source
        order = np.random.default_rng([seed, 1]).permutation(len(x))
        held = order[: max(1, int(HELD * len(x)))]
        rows = np.sort(order[len(held) :])
        missing = set(y.tolist()) - set(y[rows].tolist())
        if missing:
            rows = np.arange(len(x))  # too few rows to hold any out
        found = state.source(seed, self.net, np.unique(y[rows]))
        if found is None:
            lesson = Lesson(x[rows], y[rows], self.settings["source_steps"], self.settings["batch_size"], seed)
            found = learned_from_scratch(self.net, lesson)
            state.keep_source(seed, found)
        return found, float((found.predict(x[held]) == y[held]).mean())

    def treated(
        self, source: Learned, seed: int, labels: int, todo: list[Treatment], state: LayerState, progress: Progress
    ) -> list[Outcome]:
        """Every treatment at one label count; those of one way are trained once."""
        x, y = self.parts.target
        drawn, spare = _drawn(y, labels, seed)
        # a seed of its own: random parts must not be those the source net began with
        told = self.settings
        lesson = Lesson(x[drawn], y[drawn], told["steps"], told["batch_size"], 10_000 + seed, told["learning_rate"])
        done: dict[Way, tuple[np.ndarray, float, float]] = {}
        found = []
        for one in todo:
            if one.way not in done:
                done[one.way] = state.outcome(seed, labels, one.name) or self._scored(source, one.way, lesson, spare)
            right, choose, seconds = done[one.way]
            state.keep_outcome(seed, labels, one.name, right, choose, seconds)
            tested = hashlib.blake2b(np.ascontiguousarray(self.parts.test[0]).data, digest_size=8).hexdigest()
            found.append(Outcome(one.name, one.kind, one.k, labels, seed, right, choose, tested, seconds))
            progress.update(progress.done + 1, note=f"seed {seed}, {one.name}")
        return found

    def _scored(self, source: Learned, way: Way, lesson: Lesson, spare: np.ndarray) -> tuple[np.ndarray, float, float]:
        started = time.perf_counter()
        net = learned(source, way, lesson)
        seconds = time.perf_counter() - started
        x, y = self.parts.target
        choose = float((net.predict(x[spare]) == y[spare]).mean()) if len(spare) else float("nan")
        test_x, test_y = self.parts.test
        return net.predict(test_x) == test_y, choose, seconds


def _drawn(y: np.ndarray, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, so many of each class, and rows of the rest to choose on; smaller draws lie in larger."""
    order = np.random.default_rng([seed, 2]).permutation(len(y))
    drawn = np.concatenate([order[y[order] == one][:labels] for one in np.unique(y)])
    spare = order[~np.isin(order, drawn)][:CHOOSING]
    return np.sort(drawn), np.sort(spare)


def _checked(x: Any, y: Any, what: str) -> Rows:
    """Pictures (n, H, W, C) and their classes; rows without a label are left out."""
    pictures = x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)
    if not pictures.ndim:
        raise DataError(f"the {what} is a table, not pictures", "give an .npz file or a folder of pictures")
    if pictures.ndim == 3:
        pictures = pictures[..., None]
    if pictures.ndim != 4 or pictures.dtype.kind not in "fiub" or pictures.shape[3] not in (1, 3):
        raise DataError(
            f"{what} rows of shape {pictures.shape} and type {pictures.dtype} are no pictures",
            "give arrays (n, height, width) or (n, height, width, 1 or 3)",
        )
    if y is None:
        raise DataError(f"the {what} has no labels", "name them")
    labels = np.asarray(y, object)
    if labels.shape != (len(pictures),):
        raise DataError(f"{len(pictures)} {what} pictures have labels of shape {labels.shape}", "give one per picture")
    known = np.array([one is not None and one == one and one != "" for one in labels], bool)
    if not known.any():
        raise DataError(f"no {what} row has a label", "label some")
    return pictures[known], np.array([_text(one) for one in labels[known]])


def _text(label: Any) -> str:
    """A class as text: 3, 3.0 and "3" are one class, whatever file they come from."""
    return str(int(label)) if isinstance(label, int | float | np.number) and float(label).is_integer() else str(label)


def _numbers(given: Any, name: str, least: int = 1) -> list[int]:
    found = [given] if isinstance(given, int) else list(given)
    if not found or any(isinstance(one, bool) or not isinstance(one, int) or one < least for one in found):
        raise SentenceError(f"{name}={given!r} is not possible", f"give whole numbers, at least {least}")
    return list(dict.fromkeys(found))


def _shape(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]} with {shape[2]} channel{'s' if shape[2] > 1 else ''}"
