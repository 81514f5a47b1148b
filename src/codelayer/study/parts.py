"""The three fixed parts of a study's rows: train, choose, report.

Reads  the data, and a test set where the user has one.
Gives  rows and labels per part; which label rows a probe may see (paired between rivals); counts of labels.
Skips  the report part until `open_report` is called, once, after the winner is chosen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..data.load import Data
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..data.splits import duplicate_ids, found_in, split
from ..errors import DataError
from ..learn.coder import fingerprint
from ..measure.draws import label_counts, label_draws, labelled, task_of

DRAWS = 21
MOST_LABELLED_ROWS = 2000
QUICK_LABELLED_ROWS = 500
MOST_SCORED_ROWS = 10_000
QUICK_ROWS = 10_000


@dataclass
class Parts:
    """The rows of a study by part.

    task     "class", "number" or None (no labels)
    train, choose, report   row numbers in `data` (report: in `test` when that is given)
    counts   labels per class (rows, for numbers) of the label curves
    """

    data: Data
    test: Data | None
    task: str | None
    train: np.ndarray
    choose: np.ndarray
    report: np.ndarray
    duplicates: int
    seed: int
    counts: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list)
    opened: bool = False

    def rows(self, part: str) -> Any:
        """The raw rows of a part."""
        return take(self._source(part).x, self.index(part))

    def labels(self, part: str) -> np.ndarray | None:
        """The labels of a part, or None."""
        labels = self._source(part).labels
        return None if labels is None else np.asarray(labels)[self.index(part)]

    def known_labels(self, part: str) -> np.ndarray:
        """The labels of a part of a study that has labels."""
        labels = self.labels(part)
        if labels is None:
            raise DataError(f"the {part} part has no labels", "give a label column")
        return labels

    def groups(self, part: str) -> np.ndarray | None:
        """The groups of a part, or None."""
        groups = self._source(part).groups
        return None if groups is None else np.asarray(groups)[self.index(part)]

    def keys(self, part: str) -> list[str]:
        """The keys of a part's rows."""
        keys = self._source(part).keys
        return [str(keys[i]) for i in self.index(part)]

    def index(self, part: str) -> np.ndarray:
        """The row numbers of a part."""
        if part == "report" and not self.opened:
            raise RuntimeError("the report part is read once, at the end")
        return {"train": self.train, "choose": self.choose, "report": self.report}[part]

    def open_report(self) -> None:
        """From here on the report part can be read: the winner is chosen."""
        self.opened = True

    def _source(self, part: str) -> Data:
        return self.test if part == "report" and self.test is not None else self.data

    def picked(self, seed: int, draws: int) -> dict[int, list[np.ndarray]]:
        """count -> train rows whose label a probe may see, the same for every rival."""
        y = self.known_labels("train")
        return {count: label_draws(y, count, self.seed * 1000 + seed, draws, self.task) for count in self.counts}


def make_parts(
    data: Data, test: Data | None, task: str | None, seed: int, most_labelled: int = MOST_LABELLED_ROWS
) -> Parts:
    """Cut the data into parts; groups and exact duplicates stay on one side.

    most_labelled  labelled rows that a probe is given at most
    errors  DataError: too few rows, labels that are all equal, too few labels
    """
    n = rows_of(data.x)
    if n < 20:
        raise DataError(f"{n} rows are too few for a study", "bring at least 20; some hundred make it worth reading")
    task = _task(data, task)
    same = duplicate_ids(data.x)
    sizes = (0.75, 0.25) if test is not None else (0.6, 0.2, 0.2)
    labels = None if task != "class" else data.labels
    cut = split(n, sizes, labels=labels, groups=data.groups, times=data.times, same=same, seed=seed)
    train, choose = cut[0], cut[1]
    report = np.arange(rows_of(test.x)) if test is not None else cut[2]
    parts = Parts(data, test, task, train, choose, report, n - len(np.unique(same)), seed)
    if test is not None:
        _part_from_test(parts, test)
    spare = np.concatenate([_limit(parts, name) for name in ("choose", "report")])
    _learn_from(parts, spare, same)
    if task is not None:
        _count_labels(parts, most_labelled)
    return parts


def shortened(data: Data, seed: int, most: int = QUICK_ROWS) -> Data:
    """At most that many rows, drawn by the seed; the very same data where there are no more."""
    n = rows_of(data.x)
    if n <= most:
        return data
    rows = np.sort(np.random.default_rng([seed, 19]).permutation(n)[:most])
    return replace(data.take(rows), origin=rows, total=n)


def fingerprint_of(data: Data, test: Data | None) -> str:
    """Text that differs where rows, labels, groups or times differ, of the data or of the test set."""
    digest = hashlib.blake2b(digest_size=16)
    schema = Schema.fit(data.x)
    for part in (data, *([] if test is None else [test])):
        digest.update(fingerprint(part.x, schema).encode())
        for values in (part.labels, part.groups, part.times):
            digest.update(repr(None if values is None else list(values)).encode())
    return digest.hexdigest()


def _task(data: Data, task: str | None) -> str | None:
    if data.labels is None or not labelled(data.labels).any():
        return None
    found = task or task_of(data.labels)
    values = np.asarray(data.labels)[labelled(data.labels)]
    if len({str(value) for value in values.tolist()}) < 2:
        raise DataError(
            f"every label is {values[0]!r}",
            "bring labels of at least two classes, or leave --label out to study fidelity",
        )
    return found


def _part_from_test(parts: Parts, test: Data) -> None:
    """Leave out of the data what is in the test file too: rows that are equal, or of one of its groups."""
    known = found_in(parts.data.x, test.x)
    if parts.data.groups is not None and test.groups is not None:
        known |= np.isin(np.asarray(parts.data.groups).astype(str), np.asarray(test.groups).astype(str))
    if not known.any():
        return
    parts.train, parts.choose = (rows[~known[rows]] for rows in (parts.train, parts.choose))
    if min(len(parts.train), len(parts.choose)) < 10:
        raise DataError(
            f"{int(known.sum()):,} of the {len(known):,} rows are in the test file as well (or share its groups)",
            "give a test file of other rows",
        )
    parts.notes.append(f"{int(known.sum()):,} rows that the test file holds too were left out of learning and choosing")


def _learn_from(parts: Parts, spare: np.ndarray, same: np.ndarray) -> None:
    """Rows without a label train codes, but not those that repeat a scored row or share its group."""
    if not len(spare):
        return
    scored = parts.choose if parts.test is not None else np.concatenate([parts.choose, parts.report])
    tied = np.isin(same[spare], same[scored])
    if parts.data.groups is not None:
        groups = np.asarray(parts.data.groups).astype(str)
        tied |= np.isin(groups[spare], groups[scored])
    parts.train = np.sort(np.concatenate([parts.train, spare[~tied]]))


def _limit(parts: Parts, name: str) -> np.ndarray:
    """Score only rows with a label, and never more than a stated number of them; returns the unlabelled of the data."""
    spare = np.empty(0, np.int64)
    index = getattr(parts, name)
    source = parts.test if name == "report" and parts.test is not None else parts.data
    if parts.task is not None and source.labels is not None:
        kept = index[labelled(np.asarray(source.labels)[index])]
        if not len(kept):
            raise DataError(f"no row of the {name} part has a label", "label more rows")
        if source is parts.data:
            spare = index[~labelled(np.asarray(source.labels)[index])]
        index = kept
    elif parts.task is not None:
        raise DataError("the test file has no labels", "give it the same label column as the data")
    if len(index) > MOST_SCORED_ROWS:
        chosen = np.random.default_rng([parts.seed, 11]).permutation(len(index))[:MOST_SCORED_ROWS]
        parts.notes.append(
            f"{MOST_SCORED_ROWS:,} of the {len(index):,} rows of the {name} part are scored, drawn at random"
        )
        index = index[np.sort(chosen)]
    setattr(parts, name, index)
    return spare


def _more_labels(sizes: np.ndarray) -> str:
    alone = np.median(sizes) < 2
    return "if the labels are quantities, use --task number; else label more rows" if alone else "label more rows"


def _count_labels(parts: Parts, most: int) -> None:
    y = parts.known_labels("train")
    if parts.task == "class":
        known = labelled(y)
        values, sizes = np.unique(np.asarray(y)[known].astype(str), return_counts=True)
        single = values[sizes < 2]
        if len(single):
            names = ", ".join(single[:5])
            parts.notes.append(f"classes with one labelled row to learn from are not scored: {names}")
        classes = max(1, int((sizes >= 2).sum()))
        if classes < 2:
            raise DataError("fewer than two classes have two labelled rows to learn from", _more_labels(sizes))
        there = np.asarray(parts.known_labels("choose")).astype(str)
        if len(np.intersect1d(there, values[sizes >= 2])) < 2:
            raise DataError(
                "the rows to choose by hold fewer than two of the classes that can be learned", _more_labels(sizes)
            )
    else:
        classes = 1
    parts.counts = tuple(label_counts(y, largest=max(1, most // classes), task=parts.task))
    more = [count for count in label_counts(y, task=parts.task) if count > parts.counts[-1]]
    if more:
        unit = "labels per class" if parts.task == "class" else "labelled rows"
        told = ", ".join(f"{count:,}" for count in more)
        parts.notes.append(f"this is a study of few labels: it goes to {parts.counts[-1]:,} {unit}, not to {told}")
