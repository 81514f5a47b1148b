"""Several fits in one pass: nets of one shape learn together as one stack of matrices.

Reads  unfitted autoencoders and the rows they share.
Gives  the same fits as one by one, within floating point: every draw depends on (seed, term, step) alone.
Skips  what cannot stand in a stack (views, convolutions, pairs of rows, runs with a folder): it is fitted by itself.
"""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..data.rows import rows_of
from ..data.schema import Schema
from ..errors import DataError
from ..objective import Model, parse_objective, recipe_of
from ..objective.trace import generator
from .adam import Adam
from .autoencoder import Autoencoder
from .batches import batches_of, even_sample, steps_of
from .checkpoint import Position
from .dead import warn_of_idle
from .diverged import check_epoch, check_step, reads_every_step
from .loop import VALIDATION_ROWS, close_epoch, schedule
from .settings import check_options, held_out, seed_of
from .sources import Rows
from .stack import Atoms, Stack, stackable
from .together import Batch, Terms, order_key


@dataclass
class Member:
    """One fit among several: its estimator, rows, held-out rows, seed, where it stands and what it warned of."""

    coder: Autoencoder
    x: Any
    rows: Rows
    held: Rows | None
    seed: int
    told: list[str]
    position: Position = field(default_factory=Position)

    @property
    def model(self) -> Model:
        """Its own net, whose weights are views of the stack."""
        return self.coder.model_

    @contextmanager
    def noting(self) -> Generator[None]:
        """Keep warnings as this member's own."""
        with _noting(self.told):
            yield


@contextmanager
def _noting(told: list[str]) -> Generator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    told += [str(one.message) for one in caught if issubclass(one.category, UserWarning)]


def fit_many(coders: Sequence[Autoencoder], X: Any, y: Any = None, groups: Any = None) -> list[Autoencoder]:
    """Fit every coder on rows X; those whose nets have one shape and equal settings learn in one pass.

    y, groups  of labels() and slowness(), as in `Autoencoder.fit`; sentences that hold them are fitted one by one
    errors     as `Autoencoder.fit`
    """
    for told in fit_noting(coders, X, y, groups):
        for sentence in told:
            warnings.warn(sentence, stacklevel=2)
    return list(coders)


def fit_noting(coders: Sequence[Autoencoder], X: Any, y: Any = None, groups: Any = None) -> list[list[str]]:
    """`fit_many`, with the warnings of each fit by itself."""
    wrong = next((one for one in coders if not isinstance(one, Autoencoder)), None) if _listed(coders) else coders
    if wrong is not None:
        raise DataError(
            f"fit_many() takes a list of Autoencoders, not {type(wrong).__name__}",
            'write fit_many([Autoencoder(16, "squared()")], X)',
        )
    noted: list[list[str]] = [[] for _ in coders]
    alike: dict[Any, list[Member]] = {}
    shared: dict[Any, tuple[Schema, Rows, Rows | None]] = {}
    for coder, told in zip(coders, noted, strict=True):
        member = _member(coder, X, shared, told)
        if member is None:
            with _noting(told):
                coder.fit(X, y, groups)
            continue
        shapes = tuple((name, tuple(one.shape)) for name, one in member.model.net.named_parameters())
        settings = tuple(coder.settings(member.rows.length).items())
        key = (coder.net_, shapes, settings, member.rows.length, coder._device())
        alike.setdefault(key, []).append(member)
    for members in alike.values():
        if len(members) == 1:
            members[0].told.clear()
            with members[0].noting():
                members[0].coder.fit(X)  # reads neither y nor groups
        else:
            _train(members)
            for one in members:
                one.coder.history_, one.coder.train_seconds_ = one.position.history, one.position.seconds
                with one.noting():
                    one.coder._finish(one.x, one.rows, one.seed)
    return noted


def _listed(coders: object) -> bool:
    return isinstance(coders, Sequence) and not isinstance(coders, str)


def _member(
    coder: Autoencoder, X: Any, shared: dict[Any, tuple[Schema, Rows, Rows | None]], told: list[str]
) -> Member | None:
    """The fit, prepared up to its first weights; None for one that needs its own loop."""
    check_options(coder.get_params())
    objective = parse_objective(recipe_of(coder.objective)[0])
    if coder.run is not None or objective.compares_views or objective.needs("pairs") or objective.needs("labels"):
        return None
    x = coder._rows(X, reset=True, at_least=2)
    seed = seed_of(coder.random_state)
    key = (seed, coder.validation, coder.scale, coder._device())
    if key not in shared:
        schema = Schema.fit(x, scale=coder.scale)
        kept, out = held_out(rows_of(x), coder.validation, seed)
        device = coder._device()
        held = Rows.some(x, out, schema, device) if len(out) else None
        shared[key] = (schema, Rows.some(x, kept, schema, device), held)
    coder.schema_, rows, held = shared[key]
    made: list[str] = []
    with _noting(made):
        coder._build(rows, seed)
    if not stackable(coder.model_):
        return None
    told += made
    return Member(coder, x, rows, held, seed, told)


class Group:
    """Members that learn together: their stack of weights, their terms, their optimiser."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = sorted(members, key=lambda one: order_key(one.model))
        first = self.members[0]
        self.stack = Stack([one.model for one in self.members])
        self.terms = Terms(self.members, self.stack)
        self.learned = [weight for one in self.members for weight in one.model.terms.parameters()]
        self.optimizer = Adam([self.stack.flat, *self.learned])
        self.settings = first.coder.settings(first.rows.length)
        self.steps = steps_of(first.rows.length, self.settings["batch_size"])
        self.total = max(1, self.settings["epochs"] * self.steps)
        self.sums = torch.zeros(len(self.terms.names), device=self.stack.mean.device)
        self.held: list[Batch] | None = None
        self.constraints, self.shown = self._constraints()

    def _constraints(self) -> tuple[list[tuple[Any, Any]], list[int]]:
        """(constraint, the net or stack of atoms it sets right), and the members whose own gradients one may change."""
        found: list[tuple[Any, Any]] = []
        shown: list[int] = []
        sentences = [one.model.objective.constraints for one in self.members]
        for constraints, run in itertools.groupby(range(len(sentences)), lambda place: sentences[place]):
            places = list(run)
            for one in constraints:
                if one.reads_atoms_alone:
                    found.append((one, Atoms(self.stack, places[0], places[-1] + 1)))
                else:
                    found += [(one, self.members[place].model.net) for place in places]
                    shown += places
        return found, sorted(set(shown))

    # --- learning -----------------------------------------------------------------------------------------------

    def learn(self, epoch: int) -> None:
        """One pass over the rows."""
        for one in self.members:
            one.model.train()
        orders = {
            one.seed: batches_of(one.rows.length, self.steps, False, generator(one.seed, "order", epoch))
            for one in self.members
        }
        rows = [one.rows for one in self.members]
        for number in range(self.steps):
            step = epoch * self.steps + number
            context = self.terms.contexts(step, step / self.total)
            batch = self.terms.read(rows, [orders[one.seed][number] for one in self.members], context)
            charged = self.terms.charge(batch, context)
            total = charged.sum()
            if reads_every_step(total.device) and not math.isfinite(total.item()):
                self._check(charged, step)
            self.stack.gradient.zero_()
            for weight in self.learned:
                weight.grad = None
            total.backward()
            self._move(self.settings["learning_rate"] * schedule(step, self.total))
            self.sums += charged.detach() * batch.rows

    def _check(self, charged: Tensor, step: int) -> None:
        """Find whose term is no longer finite; the sum of all may be too large where none is."""
        for one, terms in zip(self.members, self._by_member(charged), strict=True):
            one.position.step = step
            check_step(torch.stack(list(terms.values())).sum(), terms, one.position)

    def _by_member(self, charged: Tensor) -> list[dict[str, Tensor]]:
        found: list[dict[str, Tensor]] = [{} for _ in self.members]
        for (place, name), value in zip(self.terms.names, charged.detach().unbind(), strict=True):
            found[place][name] = value
        return found

    def _move(self, pace: float) -> None:
        self.stack.join_gradients(self.terms.apart, self.shown)
        for constraint, net in self.constraints:
            constraint.before_step(net)
        self.optimizer.step(pace)
        self.stack.forget({*self.terms.apart, *self.shown})
        for constraint, net in self.constraints:
            constraint.after_step(net)

    # --- after a pass -------------------------------------------------------------------------------------------

    def close(self, seconds: float) -> None:
        """End the epoch of every member: means, held-out loss, best weights, patience."""
        losses = self._held_out()
        for place, (one, sums) in enumerate(zip(self.members, self._by_member(self.sums), strict=True)):
            at = one.position
            at.sums, at.samples, at.step = sums, one.rows.length, at.step + self.steps
            check_epoch(at)
            epoch = close_epoch(one.model, at, losses[place], self.settings["patience"], seconds / len(self.members))
            if epoch.number == 1:
                with one.noting():
                    warn_of_idle(one.model.objective, epoch.terms, one.model.plan.code_size)
        self.sums.zero_()

    def _held_out(self) -> list[float] | list[None]:
        """As `loop.held_out_loss`; the rows and their draws are the same in every epoch, and are kept."""
        held = [one.held for one in self.members if one.held is not None]
        if not held:
            return [None] * len(self.members)
        context = self.terms.contexts(-1, 1.0)
        for one in self.members:
            one.model.eval()
        with torch.no_grad():
            if self.held is None:
                parts = even_sample(held[0].length, VALIDATION_ROWS).split(1000)
                self.held = [self.terms.read(held, [part] * len(held), context) for part in parts]
            charged = [self.terms.charge(batch, context) * batch.rows for batch in self.held]
        rows = sum(batch.rows for batch in self.held)
        return [float(sum(terms.values())) / rows for terms in self._by_member(torch.stack(charged).sum(0))]

    def without_stopped(self) -> Group | None:
        """The group of those that go on, None when all have stopped."""
        going = [place for place, one in enumerate(self.members) if not one.position.stopped]
        if len(going) == len(self.members):
            return self
        self.stack.let_go()
        if not going:
            return None
        rest = Group([self.members[place] for place in going])
        ours, theirs = rest.optimizer, self.optimizer
        at = {id(one): place for place, one in enumerate(theirs.parameters)}
        for mine, other in ((ours.mean, theirs.mean), (ours.square, theirs.square), (ours.steps, theirs.steps)):
            for place, one in enumerate(ours.parameters[1:], start=1):  # what a term learns is its own, and stays
                mine[place] = other[at[id(one)]]
        for mine, other in ((ours.mean[0], theirs.mean[0]), (ours.square[0], theirs.square[0])):
            for part, whole in zip(rest.stack.views(mine).values(), self.stack.views(other).values(), strict=True):
                part.copy_(whole[going])
        ours.steps[0] = theirs.steps[0]
        return rest


def _train(members: list[Member]) -> None:
    group: Group | None = Group(members)
    for epoch in range(group.settings["epochs"]):
        started = time.perf_counter()
        group.learn(epoch)
        group.close(time.perf_counter() - started)
        for one in group.members:
            one.position.seconds += (time.perf_counter() - started) / len(group.members)
        group = group.without_stopped()
        if group is None:
            break
    if group is not None:
        group.stack.let_go()
    for one in members:
        if one.position.best_weights:
            one.model.load_state_dict(one.position.best_weights)
        one.model.eval()
