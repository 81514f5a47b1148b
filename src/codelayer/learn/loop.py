"""The training loop: a generator. `for epoch in train(...)`: plots and stopping are the caller's own lines.

Reads  a model, rows, numbers.
Gives  one `Epoch` per pass; at the end the model holds its best weights (on the held-out rows, when there are any).
Skips  callbacks. What is drawn depends on (seed, term, step) alone, so a checkpoint carries no generator state and
       a run killed at any step and resumed ends bit-identical on one CPU thread.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from ..objective import Context, Model
from ..objective.sampled import reads_sparse
from ..objective.trace import generator
from .adam import Adam
from .batches import batches_of, even_sample, steps_of
from .checkpoint import Position, load_checkpoint, save_checkpoint
from .dead import warn_of_idle
from .diverged import Diverged, check_epoch, check_step, finite_weights, is_finite
from .sources import Rows

VALIDATION_ROWS = 2000


@dataclass(frozen=True)
class Epoch:
    """One finished pass over the training rows.

    number      counted from 1
    terms       weighted mean of every term over the pass; their sum is the loss
    validation  the loss on the held-out rows, or None
    best        whether this is the best validation so far
    stopped     whether patience has run out after this epoch
    seconds     of training steps alone, this epoch
    """

    number: int
    terms: dict[str, float]
    validation: float | None
    best: bool
    stopped: bool
    seconds: float

    @property
    def loss(self) -> float:
        """The sum of the terms."""
        return sum(self.terms.values())


@dataclass
class Interrupts:
    """Ctrl-C, held back until the step under way is finished; where it is ignored or unheard, it stays so."""

    asked: bool = False
    previous: Any = field(default=None, repr=False)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    @contextmanager
    def held(self) -> Generator[Interrupts]:
        """Hold Ctrl-C back; outside the main thread there is nothing to hold."""
        here = threading.current_thread() is threading.main_thread()
        if not here or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
            yield self
            return
        self.previous = signal.signal(signal.SIGINT, self._note)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, self.previous)


def train(
    model: Model,
    rows: Rows,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int = 0,
    held_out: Rows | None = None,
    patience: int | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    steady: bool = False,
    position: Position | None = None,
) -> Generator[Epoch]:
    """Train `model` on `rows`, yielding after every epoch; the model is then ready to code (in eval mode).

    epochs, batch_size, learning_rate  passes, samples per step, the peak of a warm-up and cosine schedule for Adam
    seed          of every draw
    held_out      rows on which the best weights are chosen; None keeps the last
    patience      epochs without improvement after which training stops, None for never
    checkpoint    a .zip written every `checkpoint_seconds`, on Ctrl-C and on `break`; continued from when it is there
    steady        keep the learning rate as it is, without warm-up and cosine
    position      where the loop notes how far it is; given by a caller who wants its history and seconds
    errors        Diverged (a SentenceError) when a term is no longer finite, with its name and the step; the state
                  before that step is in the checkpoint, the model is that of the last epoch of finite losses
    """
    optimizer = Adam(model.parameters())
    position = Position() if position is None else position
    if checkpoint is not None and checkpoint.exists():
        load_checkpoint(checkpoint, model, optimizer, position)
    in_pairs = model.objective.needs("pairs")
    steps_per_epoch = steps_of(rows.length, batch_size, in_pairs)
    total = max(1, epochs * steps_per_epoch)
    saved_at, newest = time.monotonic(), {} if position.step_in_epoch else finite_weights(model)
    try:
        while position.epoch < epochs and not position.stopped:
            model.train()
            started, before = time.perf_counter(), position.seconds
            interrupts = Interrupts()
            with interrupts.held():
                stream = generator(seed, "order", position.epoch)
                batches = batches_of(rows.length, steps_per_epoch, in_pairs, stream)
                for batch in batches[position.step_in_epoch :]:
                    pace = learning_rate * (1.0 if steady else schedule(position.step, total))
                    _step(model, optimizer, rows, batch, position, seed, pace, total)
                    if newest:  # a step from them had a finite loss
                        position.good_weights, newest = newest, {}
                    position.seconds = before + time.perf_counter() - started
                    due = checkpoint is not None and time.monotonic() - saved_at >= checkpoint_seconds
                    if checkpoint is not None and due and is_finite(model):
                        save_checkpoint(checkpoint, model, optimizer, position)
                        saved_at = time.monotonic()
                    if interrupts.asked:
                        raise KeyboardInterrupt
                seconds = time.perf_counter() - started
                epoch = finish_epoch(model, position, held_out, patience, seed, seconds)
            newest = finite_weights(model)
            if epoch.number == 1 and not steady:
                warn_of_idle(model.objective, epoch.terms, model.plan.code_size)
            position.seconds = before + time.perf_counter() - started
            yield epoch
            if interrupts.asked:
                raise KeyboardInterrupt
    except (GeneratorExit, KeyboardInterrupt, Diverged) as end:
        if checkpoint is not None and is_finite(model):
            save_checkpoint(checkpoint, model, optimizer, position)
        if not is_finite(model) or isinstance(end, Diverged):
            model.load_state_dict(position.good_weights, strict=bool(position.good_weights))
        raise
    finally:
        if position.best_weights:
            model.load_state_dict(position.best_weights)
        model.eval()


def _step(
    model: Model,
    optimizer: Adam,
    rows: Rows,
    batch: Tensor,
    position: Position,
    seed: int,
    pace: float,
    total: int,
) -> None:
    x, known = rows.batch(batch, reads_sparse(model))
    progress = position.step / total
    modules = dict(model.terms.named_children())
    labels, groups = rows.answers(batch), rows.groups(batch)
    context = Context(seed, position.step, progress, modules, rows.length, labels=labels, groups=groups)
    terms = model.objective.charge(model, x, known, context)
    loss = torch.stack(list(terms.values())).sum() if len(terms) > 1 else next(iter(terms.values()))
    check_step(loss, terms, position)
    optimizer.clear()
    loss.backward()
    for constraint in model.objective.constraints:
        constraint.before_step(model.net)
    optimizer.step(pace)
    for constraint in model.objective.constraints:
        constraint.after_step(model.net)
    position.add(terms, len(batch))


def schedule(step: int, total: int) -> float:
    """The share of the peak learning rate at a step: linear warm-up over 5 %, then a cosine down to 1 %."""
    warm = max(1.0, 0.05 * total)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1.0, total - warm)))


def finish_epoch(
    model: Model, position: Position, held_out: Rows | None, patience: int | None, seed: int, seconds: float
) -> Epoch:
    """Close one pass: its means, the held-out loss, the best weights so far, whether patience has run out."""
    check_epoch(position)
    validation = None if held_out is None else held_out_loss(model, held_out, seed)
    return close_epoch(model, position, validation, patience, seconds)


def close_epoch(
    model: nn.Module, position: Position, validation: float | None, patience: int | None, seconds: float
) -> Epoch:
    """`finish_epoch` where the held-out loss is known."""
    terms, best = position.end_epoch(), False
    if validation is not None:
        best = validation < position.best
        if best:
            position.best, position.stale = validation, 0
            position.best_weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        else:
            position.stale += 1
        position.stopped = patience is not None and position.stale >= patience
    scored = {} if validation is None else {"validation": validation}
    position.history.append({"epoch": position.epoch, **terms, **scored})
    return Epoch(position.epoch, terms, validation, best, position.stopped, seconds)


def held_out_loss(model: Model, rows: Rows, seed: int) -> float:
    """The loss on held-out rows, an even sample of at most VALIDATION_ROWS; the draws are the same in every epoch."""
    model.eval()
    modules = dict(model.terms.named_children())
    sample = even_sample(rows.length, VALIDATION_ROWS, model.objective.needs("pairs"))
    total, used = 0.0, len(sample)
    with torch.no_grad():
        for part in sample.split(1000):
            x, known = rows.batch(part, reads_sparse(model))
            labels, groups = rows.answers(part), rows.groups(part)
            context = Context(seed, -1, 1.0, modules, rows.length, labels=labels, groups=groups)
            total += float(sum(model.objective.charge(model, x, known, context).values())) * len(part)
    return total / used
