"""One tuning: the steps that move a backbone's last stages and a head, resumable anywhere.

Reads  a net with its head, what it is fed with, targets, `Paces`.
Gives  `Joined`, `Tuning` (a generator of epochs, and the gradient of one batch).
Skips  what is tuned and at which rates: `tuned` plans that, `finetune` is the estimator.

Batch order, dropout and changes of pictures are drawn from (seed, epoch) or (seed, step), rates are a function of the
step: a tuning that is killed and resumed ends in the same bits on one CPU thread. A batch that does not fit into
memory is split into parts whose gradients add up to that of the whole, but for batch normalisation and dropout: each
part draws from (seed, step, part), whatever was tried before, and a checkpoint keeps the number of parts.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..learn.batches import batches_of, steps_of
from ..learn.checkpoint import Position, load_checkpoint, save_checkpoint
from ..learn.diverged import check_epoch, check_step
from ..learn.loop import Epoch, Interrupts, close_epoch
from ..learn.paces import AdamW, Paces
from ..nets.backbone.norms import reads_batch
from ..objective.trace import generator, stream_number
from .drawing import Drawn, own_draws
from .feeding import Feed
from .parts import Parts


class Joined(nn.Module):
    """A net and the linear head on its pooled last stage."""

    def __init__(self, net: nn.Module, width: int, outputs: int, seed: int) -> None:
        super().__init__()
        self.net = net
        self.head = nn.utils.skip_init(nn.Linear, width, outputs)
        stream = generator(seed, "head", 0)
        with torch.no_grad():
            self.head.weight.normal_(0.0, 0.5 * width**-0.5, generator=stream)
            self.head.bias.zero_()


@dataclass(frozen=True)
class Anchor:
    """L2-SP: alpha / 2 |w - w0|^2 on what was trained before, beta / 2 |w|^2 on the head (Li et al. 2018, eq. 2).

    alpha, beta  weights
    start        w0 by name in the joined net
    """

    alpha: float
    beta: float
    start: Mapping[str, Tensor]

    def add(self, joined: nn.Module) -> float:
        """Add the penalty's gradient to what has a gradient; the penalty there."""
        charged = 0.0
        for name, one in joined.named_parameters():
            if one.grad is None:
                continue
            weight, old = (self.alpha, self.start[name]) if name in self.start else (self.beta, None)
            away = one.detach() if old is None else one.detach() - old
            one.grad.add_(away, alpha=weight)
            charged += 0.5 * weight * float(away.square().sum())
        return charged


@dataclass
class Tuning:
    """What one fit moves, with what, and how far it is.

    joined    the net with its head
    feed      the rows
    targets   (rows,) class places (int64) or standardised numbers (float32)
    paces     groups and rates; `optimizer` has the same groups
    seed      of order, dropout and changes
    parts     how batches are split, and the notes of it
    position  how far the loop is
    """

    joined: Joined
    feed: Feed
    targets: Tensor
    paces: Paces
    epochs: int
    batch_size: int
    seed: int
    anchor: Anchor | None = None
    parts: Parts = field(default_factory=Parts)
    position: Position = field(default_factory=Position)

    def __post_init__(self) -> None:
        self.optimizer = AdamW(self.paces.members, decay=0.0 if self.anchor else 0.01)
        self._moving = list(self.joined.net.buffers())
        self._before = [one.clone() for one in self._moving]
        self._own = own_draws(self.joined)
        self._groups = [one for one in self.joined.net.modules() if isinstance(one, nn.GroupNorm)]

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass."""
        return steps_of(len(self.feed), self.batch_size)

    def run(self, checkpoint: Path | None = None, checkpoint_seconds: float = 30.0) -> Generator[Epoch]:
        """Tune, yielding after every pass; at the end the net is in eval mode and nothing is held.

        checkpoint  a .zip written every `checkpoint_seconds`, on Ctrl-C, on `break` and at the end; continued from
                    when it is there
        errors      Diverged (a SentenceError) when the loss is no longer finite
        """
        position, saved_at = self.position, time.monotonic()
        if checkpoint is not None and checkpoint.exists():
            load_checkpoint(checkpoint, self.joined, self.optimizer, position)
            self.parts.count, self.parts.notes = position.parts, list(position.notes)
        try:
            while position.epoch < self.epochs:
                started, before = time.perf_counter(), position.seconds
                interrupts = Interrupts()
                with interrupts.held():
                    self.joined.train()  # what is held stays as it is
                    stream = generator(self.seed, "order", position.epoch)
                    order = batches_of(len(self.feed), self.steps_per_epoch, False, stream)
                    for places in order[position.step_in_epoch :]:
                        self._step(places)
                        position.seconds = before + time.perf_counter() - started
                        if checkpoint is not None and time.monotonic() - saved_at >= checkpoint_seconds:
                            self._save(checkpoint)
                            saved_at = time.monotonic()
                        if interrupts.asked:
                            raise KeyboardInterrupt
                    check_epoch(position)
                    seconds = time.perf_counter() - started
                    epoch = close_epoch(self.joined, position, None, None, seconds)
                yield epoch
                if interrupts.asked:
                    raise KeyboardInterrupt
            if checkpoint is not None:
                self._save(checkpoint)
        except (GeneratorExit, KeyboardInterrupt):
            if checkpoint is not None:
                self._save(checkpoint)
            raise
        finally:
            self.paces.release()

    def _save(self, checkpoint: Path) -> None:
        self.position.parts, self.position.notes = self.parts.count, list(self.parts.notes)
        save_checkpoint(checkpoint, self.joined, self.optimizer, self.position)

    def _step(self, places: Tensor) -> None:
        position = self.position
        rates = self.paces.at(position.step)
        terms = self.gradient(places, position.step)
        check_step(terms["loss"], terms, position)
        self.optimizer.move(rates)
        position.add(terms, len(places))

    def gradient(self, places: Tensor, step: int) -> dict[str, Tensor]:
        """Leave the gradient of the mean loss over the rows at `places` in the net; loss and anchor.

        The batch is split where memory runs out; batch normalisation then sees the parts, and dropout draws for each.
        """
        rows, split, drew = len(places), self.parts.count, False
        if self._moving:
            torch._foreach_copy_(self._before, self._moving)

        def again() -> None:
            self.optimizer.clear()
            for one, old in zip(self._moving, self._before, strict=True):
                if not torch.equal(one, old):
                    one.copy_(old)

        def work(part: slice) -> Tensor:
            nonlocal drew
            term = f"dropout/{part.start}" if part.start else "dropout"
            with Drawn(stream_number(self.seed, term, step), self._own) as drawn:
                batch = self.feed.batch(places, step, part)
                loss = self.losses(batch, self.targets[places[part]]).sum() / rows
                loss.backward()
            drew |= drawn.some
            return loss.detach()

        self.optimizer.clear()
        losses = self.parts.run(rows, work, again)
        if self.parts.count != split:
            self._note_split(rows, drew)
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        if self.anchor is None:
            return {"loss": loss}
        return {"loss": loss, "anchor": torch.tensor(self.anchor.add(self.joined))}

    def losses(self, batch: Tensor, targets: Tensor) -> Tensor:
        """The loss of every row of a batch, (rows,): cross-entropy, or the squared error of standardised numbers."""
        with _sloped(self._groups):
            scores = self.joined.head(self.feed.vectors(batch))
        if targets.dtype == torch.int64:
            return nn.functional.cross_entropy(scores, targets, reduction="none")
        return (scores[:, 0] - targets).square()

    def _note_split(self, rows: int, drew: bool) -> None:
        size = -(-rows // self.parts.count)
        told = f"a batch of {rows} rows did not fit into memory and is split into parts of {size}: gradients add up "
        moving = any(reads_batch(one) and one.training for one in self.joined.net.modules())
        told += "to that of the whole batch"
        apart = ["batch normalisation, which sees the statistics of each part alone"] if moving else []
        apart += ["dropout, which draws for each part anew"] if drew else []
        self.parts.notes.append(told + (f", but for {' and for '.join(apart)}" if apart else ""))


@contextmanager
def _sloped(groups: list[nn.GroupNorm]) -> Generator[None]:
    """Inputs of these layers have a gradient: torch 2.13 ends the process where one that is channels last has none."""

    def given(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
        first = inputs[0]
        if not torch.is_grad_enabled() or first.requires_grad:
            return None
        return (first.detach().requires_grad_(), *inputs[1:])

    with ExitStack() as hooks:
        for one in groups:
            hooks.callback(one.register_forward_pre_hook(given).remove)
        yield
