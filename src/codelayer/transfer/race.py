"""The race: every candidate on the same folds, those that train by successive halving within a budget of seconds.

Reads  candidates, features by stage, rows, labels, folds.
Gives  a score per row for each, seconds spent, and who dropped out when.
Skips  the words: `advisor` tells.

Rungs give a candidate 1/9, 1/3 and all of its epochs; after each the better half (by mean less one standard error) goes
on. Training from scratch is first on every rung, so that a short budget holds it too. Nobody knows beforehand how long
a first rung takes: there every candidate has an equal part of what is left, so that a slow one ends itself and not the
others. A candidate goes on only where the seconds of its last rung, at the next rung's share, fit into what is left;
when its time is over, training stops after the epoch that it is in. Heads on frozen features cost little and stay.
Source: Jamieson and Talwalkar 2016 (successive halving).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data.rows import take
from ..errors import CodelayerError
from ..nets.backbone import Backbone
from ..report import Progress
from .candidates import DEFAULT, OWN, RAW, SCRATCH, TOGETHER, Candidate
from .heads import make_head
from .rawrows import forest
from .scoring import Fold, Joint, Once, Scored, always_new, scored

RUNGS = (1 / 9, 1 / 3, 1.0)
MOST_EPOCHS = 30


@dataclass
class Raced:
    """How one candidate fared.

    share    of its epochs at which `score` was found; 0 before there is one
    ended    why it did not go on, or ""
    seconds  spent on it; last: on its last rung; to_fit: one fit of all labelled rows at full length, foretold
    """

    candidate: Candidate
    score: Scored | None
    share: float = 0.0
    ended: str = ""
    seconds: float = 0.0
    to_fit: float = 0.0
    last: float = 0.0

    @property
    def told(self) -> Scored:
        """The score.

        errors  CodelayerError: there is none
        """
        if self.score is None:
            raise CodelayerError(f"{self.candidate.name} was not scored", self.ended or "run the race first")
        return self.score

    @property
    def finished(self) -> bool:
        """Whether it ran at full length."""
        return self.score is not None and not self.ended


class BudgetSpent(CodelayerError):
    """Training that was stopped because the budget is spent."""


@dataclass
class Race:
    """Everything that candidates need.

    net        stage -> (labelled rows, width)
    raw        (labelled rows, features), what heads and forests see of raw rows
    rows       labelled rows as the backbone takes them; y their labels
    known      candidate's name -> its score, where there is one already
    once       where scores that were found before a stop are kept
    folds      for heads; few: those of the first repeat, for candidates that train
    seconds    the budget
    """

    net: Mapping[str, np.ndarray]
    raw: np.ndarray
    rows: Any
    y: np.ndarray
    folds: Sequence[Fold]
    backbone: Backbone
    seconds: float
    task: str = "class"
    seed: int = 0
    clock: Callable[[], float] = time.perf_counter
    own: Any = None
    few: Sequence[Fold] = ()
    known: Mapping[str, Scored] = field(default_factory=dict)
    once: Once = always_new
    spent: float = field(default=0.0)
    until: float = field(default=float("inf"))

    def features(self, one: Candidate) -> np.ndarray:
        """What a frozen candidate sees."""
        if one.kind == RAW:
            return self.raw
        return self.joint(self.net) if one.stage == TOGETHER else self.net[one.stage]

    @cached_property
    def joint(self) -> Joint:
        """All stages side by side, scaled by the labelled rows."""
        return Joint(self.net)

    def head(self, one: Candidate, train: np.ndarray) -> Any:
        """An unfitted head of a raw or frozen candidate."""
        if one.head == "forest":
            return forest(self.task, self.seed)
        return self.head_on(self.features(one).shape[1], one.head, train)

    def head_on(self, width: int, head: str, train: np.ndarray) -> Any:
        """An unfitted head for features of a width."""
        least = int(np.unique(self.y[train], return_counts=True)[1].min()) if self.task == "class" else len(train)
        return make_head(head, width, len(train), self.task, least, self.seed)

    def cheap(self, one: Candidate) -> Raced:
        """Score a head on raw rows or frozen features; what the diagnosis knows already is not asked again."""
        score = self.known.get(one.name)
        if score is None:
            score = self.once(repr(one), lambda: self._cheap(one))
        return Raced(one, score, 1.0, seconds=score.seconds, to_fit=score.seconds / len(self.folds))

    def _cheap(self, one: Candidate) -> Scored:
        x = self.features(one)

        def fit(train: np.ndarray, test: np.ndarray) -> np.ndarray:
            return self.head(one, train).fit(x[train], self.y[train]).predict(x[test])

        return scored(fit, self.y, self.folds, self.task)

    def run(self, candidates: Sequence[Candidate], rungs: Sequence[float] = RUNGS) -> list[Raced]:
        """Score all; those that train go up the rungs while the budget lasts."""
        heads = [one for one in candidates if not one.trains]
        found = []
        with Progress("heads", len(heads), "heads") as progress:
            for one in heads:
                found.append(self.cheap(one))
                progress.update(len(found), one.name)
        running = [Raced(one, None) for one in candidates if one.trains]
        with Progress("race", len(rungs), "rungs") as progress:
            for at, share in enumerate(rungs):
                scratch_first = sorted(running, key=lambda one: one.candidate.kind != SCRATCH)
                for place, one in enumerate(scratch_first):
                    progress.update(at + place / len(running), one.candidate.name)
                    self._climb(one, share, rungs, len(running) - place)
                running = self._kept(running, last=at == len(rungs) - 1, found=found)
                progress.update(at + 1)
        return found + running

    def _climb(self, one: Raced, share: float, rungs: Sequence[float], to_come: int) -> None:
        """One rung of a candidate; in the first, of unknown length, it has an equal part of what is left for all."""
        if one.ended:
            return
        left = self.seconds - self.spent
        before = rungs.index(share) - 1
        foretold = one.last * share / rungs[before] if before >= 0 else 0.0
        if left <= 0 or foretold > left:
            one.ended = f"the budget of {self.seconds:.0f} s would not hold it at {share:.0%} of its epochs"
            return
        left = left if before >= 0 else left / to_come
        try:
            # what was stopped is kept with what was left then: asked for again, it is stopped again
            score = self.once(repr((one.candidate, share, left)), lambda: self._within(one.candidate, share, left))
        except CodelayerError as error:
            one.ended = str(error).splitlines()[0]
            return
        self.spent += score.seconds
        one.seconds += score.seconds
        if not len(score.points):
            part = "was spent" if before >= 0 else f"leaves {left:.0f} s for it"
            one.ended = f"stopped on the way to {share:.0%} of its epochs: the budget of {self.seconds:.0f} s {part}"
            return
        one.score, one.share, one.last = score, share, score.seconds
        one.to_fit = score.seconds / share / len(self.few or self.folds)

    def _within(self, one: Candidate, share: float, left: float) -> Scored:
        """The score, or one without points and the seconds it took, where training was stopped."""
        started = self.clock()
        try:
            return self.once(repr((one, share)), lambda: self._timed(one, share, left))
        except BudgetSpent:
            return Scored(np.zeros(0), self.clock() - started)

    def _timed(self, one: Candidate, share: float, left: float) -> Scored:
        started = self.clock()
        self.until = started + left
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score = self.trained(one, share)
        finally:
            self.until = float("inf")
        return replace(score, seconds=self.clock() - started)

    def go_on(self) -> None:
        """Called between epochs.

        errors  BudgetSpent: there is no time left
        """
        if self.clock() >= self.until:
            raise BudgetSpent("the budget is spent", "give a larger one")

    def _kept(self, running: list[Raced], last: bool, found: list[Raced]) -> list[Raced]:
        """The better half goes on; who does not is put with the others."""
        alive = [one for one in running if not one.ended and one.score is not None]
        found += [one for one in running if one not in alive]
        if last:
            return alive
        order = sorted(alive, key=_floor, reverse=True)
        keep = order[: max(1, len(order) // 2)]
        keep += [one for one in order if one.candidate.kind == SCRATCH and one not in keep]  # told at full length
        for one in (one for one in order if one not in keep):
            one.ended = f"behind at {one.share:.0%} of its epochs"
            found.append(one)
        return keep

    def trained(self, one: Candidate, share: float) -> Scored:
        """Score a candidate that trains, at a share of its epochs."""
        folds = self.few or self.folds
        if one.kind == OWN:
            codes = self.own_codes(share)
            return scored(lambda train, test: self._on_codes(codes, train, test), self.y, folds, self.task)

        def fit(train: np.ndarray, test: np.ndarray) -> np.ndarray:
            self.go_on()
            return self.tuned(one, train, share).predict(take(self.rows, test))

        return scored(fit, self.y, folds, self.task)

    def _on_codes(self, codes: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        return self.head_on(codes.shape[1], "ridge", train).fit(codes[train], self.y[train]).predict(codes[test])

    def tuned(self, one: Candidate, train: np.ndarray, share: float = 1.0) -> Any:
        """A fine-tuned net, learned from labelled rows `train`.

        errors  BudgetSpent: in a race, before the last epoch
        """
        from .finetune import FineTunedClassifier, FineTunedRegressor

        kind: Any = FineTunedClassifier if self.task == "class" else FineTunedRegressor
        options = dict(one.options)
        model = kind(self.backbone, random_state=self.seed, **options)
        epochs = self.epochs(len(train), share, scratch=one.kind == SCRATCH)
        for epoch in model.set_params(epochs=epochs).fit_epochs(take(self.rows, train), self.y[train]):
            if epoch.number < epochs:
                self.go_on()
        return model

    @staticmethod
    def epochs(rows: int, share: float, scratch: bool = False) -> int:
        """Passes over so many rows: some 150 steps' worth, 10 to 30; twice that from scratch."""
        whole = int(np.clip(round(150 * 32 / max(rows, 1)), 10, MOST_EPOCHS)) * (2 if scratch else 1)
        return max(1, round(whole * share))

    def own_codes(self, share: float) -> np.ndarray:
        """Codes of the labelled rows by an autoencoder of all rows there are."""
        if self.own is None:
            raise CodelayerError("there are no rows to learn a code from", "give unlabelled rows")
        return self.own(share, self.go_on)


def _floor(one: Raced) -> float:
    return -np.inf if one.score is None else one.score.mean - one.score.error


def order_of(raced: Sequence[Raced]) -> list[Raced]:
    """Best first: who is surely furthest ahead of the default, then the default, then the others by mean.

    Surely is the lower end of the gap's 95 % interval over the same rows: on few labels the highest mean is often luck,
    and all stages side by side are a safe choice.
    """
    able = sorted((one for one in raced if one.finished), key=lambda one: -_mean(one))
    default = next((one for one in able if one.candidate.name == DEFAULT), None)
    if default is None:
        return able
    ahead = sorted(((_surely(one, default), at) for at, one in enumerate(able) if one is not default), reverse=True)
    first = [able[at] for sure, at in ahead if sure > 0]
    return [*first, default, *(one for one in able if one not in first and one is not default)]


def choice(raced: Sequence[Raced], helps: bool) -> Raced:
    """The best of `order_of`; where the net does not help, raw rows if they are within one standard error of it.

    errors  CodelayerError: nothing finished
    """
    order = order_of(raced)
    if not order:
        raise CodelayerError("no candidate finished", "give a larger budget")
    raw = next((one for one in order if one.candidate.kind == RAW), None)
    if helps or raw is None or order[0].score is None:
        return order[0]
    gap, error = order[0].told.beyond(raw.told)
    return raw if gap <= error else order[0]


def _surely(one: Raced, default: Raced) -> float:
    if one.score is None or default.score is None:
        return -np.inf
    gap, error = one.score.beyond(default.score)
    return gap - 1.96 * error


def _mean(one: Raced) -> float:
    return -np.inf if one.score is None else one.score.mean
