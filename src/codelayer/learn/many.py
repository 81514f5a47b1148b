"""Several fits in one pass: nets of one shape learn together as one stack of matrices.

Reads  unfitted autoencoders and the rows they share.
Gives  the same fits as one by one, within floating point: every draw depends on (seed, term, step) alone.
Skips  what cannot stand in a stack (views, convolutions, pairs of rows, runs with a folder): it is fitted by itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..data.rows import rows_of
from ..data.schema import Schema
from ..nets.net import Tied
from ..objective import Context, Model, parse_objective, recipe_of
from ..objective.objective import Steps
from ..objective.sampled import Sampled
from ..objective.sparse_pass import FEWEST_UNITS
from ..objective.trace import generator
from .adam import Adam
from .autoencoder import Autoencoder
from .batches import batches_of, steps_of
from .checkpoint import Position
from .diverged import check_step
from .loop import finish_epoch, schedule
from .settings import check_options, held_out, seed_of
from .sources import Rows

WIDEST = 1024


@dataclass
class Member:
    """One fit among several: its estimator, rows, held-out rows, seed and where it stands."""

    coder: Autoencoder
    x: Any
    rows: Rows
    held: Rows | None
    seed: int
    position: Position

    @property
    def model(self) -> Model:
        """Its own net, whose weights are views of the stack."""
        return self.coder.model_


def fit_many(coders: Sequence[Autoencoder], X: Any) -> list[Autoencoder]:
    """Fit every coder on rows X; those whose nets have one shape and equal settings learn in one pass.

    errors  as `Autoencoder.fit`
    """
    groups: dict[Any, list[Member]] = {}
    shared: dict[Any, tuple[Schema, Rows, Rows | None]] = {}
    for coder in coders:
        member = _member(coder, X, shared)
        if member is None or not _stackable(member.model):
            coder.fit(X)
            continue
        shapes = tuple((name, tuple(one.shape)) for name, one in member.model.net.named_parameters())
        settings = tuple(coder.settings(member.rows.length).items())
        groups.setdefault((coder.net_, shapes, settings, member.rows.length), []).append(member)
    for members in groups.values():
        if len(members) == 1:
            members[0].coder.fit(X)
        else:
            _train(members)
            for one in members:
                one.coder.history_, one.coder.train_seconds_ = one.position.history, one.position.seconds
                one.coder._finish(one.x, one.rows, one.seed)
    return list(coders)


def _member(coder: Autoencoder, X: Any, shared: dict[Any, tuple[Schema, Rows, Rows | None]]) -> Member | None:
    """The fit, prepared up to its first weights; None for one that needs its own loop."""
    check_options(coder.get_params())
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
    objective = parse_objective(recipe_of(coder.objective)[0])
    if coder.run is not None or objective.compares_views or objective.needs("pairs") or objective.needs("labels"):
        return None
    coder._build(rows, seed)
    return Member(coder, x, rows, held, seed, Position())


def _stackable(model: Model) -> bool:
    known = (nn.Sequential, nn.ModuleDict, nn.Flatten, nn.Linear, Tied, nn.ReLU, nn.GELU, nn.Tanh, nn.Sigmoid)
    modules = [one for whole in (model.net.stages, model.net.decoder) if whole is not None for one in whole.modules()]
    plain = all(isinstance(one, (*known, nn.Softplus)) for one in modules)
    narrow = model.plan.code_size <= WIDEST and model.net.decoder is not None
    few = model.plan.code_size >= FEWEST_UNITS and any(term.name == "topk" for term in model.objective.bottlenecks)
    whole = not few and not isinstance(model.objective.loss, Sampled)  # the others do not ask their net as a whole
    return plain and narrow and whole and not model.objective.infers


class Stack:
    """The weights of several nets of one shape, laid on one another; the nets' own weights become views of them."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.nets = [model.net for model in models]
        named = [dict(net.named_parameters()) for net in self.nets]
        self.weights = {name: nn.Parameter(torch.stack([one[name].detach() for one in named])) for name in named[0]}
        self.own = [[(one[name], self.weights[name]) for name in self.weights] for one in named]
        for place, pairs in enumerate(self.own):
            for mine, whole in pairs:
                mine.data = whole.data[place]
        self.mean = torch.stack([net.mean for net in self.nets]).unsqueeze(1)
        self.names = {id(module): name for name, module in self.nets[0].named_modules()}

    def encode(self, seen: Tensor) -> Tensor:
        """(nets, batch, *shape) -> (nets, batch, outputs)."""
        return self._walk(list(self.nets[0].stages.values()), seen - self.mean)

    def decode(self, code: Tensor) -> Tensor:
        """(nets, batch, units) -> (nets, batch, features)."""
        return self._walk([self.nets[0].decoder], code)

    def _walk(self, modules: Sequence[Any], h: Tensor) -> Tensor:
        for module in modules:
            if isinstance(module, nn.Sequential):
                h = self._walk(list(module), h)
            elif isinstance(module, nn.Flatten):
                h = h.flatten(2)
            elif isinstance(module, Tied):
                h = torch.baddbmm(self._of(module, "bias"), h, self.weights[f"{self.names[id(module.layer)]}.weight"])
            elif isinstance(module, nn.Linear):
                weight = self.weights[f"{self.names[id(module)]}.weight"].transpose(1, 2)
                h = torch.baddbmm(self._of(module, "bias"), h, weight) if module.bias is not None else h @ weight
            else:
                h = module(h)
        return h

    def _of(self, module: nn.Module, part: str) -> Tensor:
        return self.weights[f"{self.names[id(module)]}.{part}"].unsqueeze(1)

    def join_gradients(self, place: int, show: bool) -> None:
        """Add what a net's own weights were charged (a contractive penalty reads them) to the stack's gradients.

        show  let the net's own weights hold the sum, for a constraint to change
        """
        for mine, whole in self.own[place]:
            if mine.grad is not None and whole.grad is not None:
                whole.grad[place] += mine.grad
            mine.grad = whole.grad[place] if show and whole.grad is not None else None

    def forget(self) -> None:
        """Forget what the nets' own weights hold as gradients."""
        for pairs in self.own:
            for mine, _ in pairs:
                mine.grad = None

    def let_go(self) -> None:
        """Give every net weights of its own again."""
        for pairs in self.own:
            for mine, _ in pairs:
                mine.data, mine.grad = mine.data.clone(), None


def _train(members: list[Member]) -> None:
    first = members[0]
    stack = Stack([one.model for one in members])
    settings = first.coder.settings(first.rows.length)
    learned = [weight for one in members for weight in one.model.terms.parameters()]
    optimizer = Adam([*stack.weights.values(), *learned])
    steps = steps_of(first.rows.length, settings["batch_size"], False)
    total = max(1, settings["epochs"] * steps)
    for epoch in range(settings["epochs"]):
        active = [one for one in members if not one.position.stopped]
        if not active:
            break
        started = time.perf_counter()
        orders = {
            one.seed: batches_of(one.rows.length, steps, False, generator(one.seed, "order", epoch)) for one in members
        }
        for one in members:
            one.model.train()
        for step in range(steps):
            pace = settings["learning_rate"] * schedule(epoch * steps + step, total)
            _step(members, stack, optimizer, [orders[one.seed][step] for one in members], pace, total)
        share = (time.perf_counter() - started) / len(members)
        for one in active:
            one.position.seconds += share
            finish_epoch(one.model, one.position, one.held, settings["patience"], one.seed, share)
    stack.let_go()
    for one in members:
        if one.position.best_weights:
            one.model.load_state_dict(one.position.best_weights)
        one.model.eval()


def _step(members: list[Member], stack: Stack, optimizer: Adam, batches: list[Tensor], pace: float, total: int) -> None:
    runs: list[Steps] = []
    read: dict[int, tuple[Tensor, Tensor | None]] = {}  # members of one seed read the same rows
    for one, batch in zip(members, batches, strict=True):
        if id(batch) not in read:
            read[id(batch)] = one.rows.batch(batch)
        x, known = read[id(batch)]
        modules = dict(one.model.terms.named_children())
        at = one.position.step
        context = Context(one.seed, at, at / total, modules, rows=one.rows.length)
        runs.append(one.model.objective.steps(one.model, x, known, context))
    encoded = stack.encode(torch.stack([next(run)[1] for run in runs])).unbind()
    codes = [run.send(one)[1] for run, one in zip(runs, encoded, strict=True)]
    rebuilt = stack.decode(torch.stack(codes)).unbind()
    charged = [_last(run, one) for run, one in zip(runs, rebuilt, strict=True)]
    losses = [torch.stack(list(terms.values())).sum() for terms in charged]
    for one, loss, terms in zip(members, losses, charged, strict=True):
        check_step(loss, terms, one.position)
    optimizer.clear()
    torch.stack(losses).sum().backward()
    for place, one in enumerate(members):
        stack.join_gradients(place, show=bool(one.model.objective.constraints))
        for constraint in one.model.objective.constraints:
            constraint.before_step(one.model.net)
    optimizer.step(pace)
    stack.forget()
    for one, terms, batch in zip(members, charged, batches, strict=True):
        for constraint in one.model.objective.constraints:
            constraint.after_step(one.model.net)
        one.position.add(terms, len(batch))


def _last(run: Steps, rebuilt: Tensor) -> dict[str, Tensor]:
    try:
        run.send(rebuilt)
    except StopIteration as end:
        return end.value
    raise RuntimeError("an objective asked its net a third time")
