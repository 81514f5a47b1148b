"""The objective: a sentence of terms, and the one place where terms become a loss.

    corruptions -> encoder -> bottlenecks -> decoder -> loss + sum of weight * penalty   (then constraints)

Reads  a sentence such as "mask(0.3) + relu() + l1(0.001)", or a recipe's name.
Gives  the terms by slot, what they ask of the batch and of the model, and the weighted, averaged loss per term.
Skips  weights and steps: the loop is in `learn`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ..errors import SentenceError, did_you_mean
from ..nets import Net, Plan
from ..registry import PARTS, names, quoted, read, spell
from .losses import Bernoulli, Columns, Normal, Squared
from .model import Model
from .recipes import RECIPES
from .sampled import SparseRows, picked, sparse_trace
from .sparse_pass import sparse_pass
from .trace import Context, Trace

SLOTS = ("view", "corruption", "bottleneck", "loss", "penalty", "constraint")
Asked = tuple[str, Tensor]
Steps = Generator[Asked, Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Objective:
    """The terms of one sentence, by slot.

    Order between slots has no meaning; within a slot terms act as written.
    """

    views: Any = None
    corruptions: tuple[Any, ...] = ()
    bottlenecks: tuple[Any, ...] = ()
    loss: Any = None
    penalties: tuple[Any, ...] = ()
    constraints: tuple[Any, ...] = ()

    @property
    def text(self) -> str:
        """The canonical sentence."""
        return spell(self.terms)

    @property
    def terms(self) -> list[Any]:
        """All terms, slot by slot."""
        single = [self.views] if self.views is not None else []
        loss = [self.loss] if self.loss is not None else []
        return [*single, *self.corruptions, *self.bottlenecks, *loss, *self.penalties, *self.constraints]

    @property
    def compares_views(self) -> bool:
        """Whether the batch holds two views of each sample."""
        return self.views is not None

    @property
    def is_gaussian(self) -> bool:
        """Whether a code is a distribution: the encoder gives means and log variances."""
        return any(term.name == "gaussian" for term in self.bottlenecks)

    def outputs(self, plan: Plan) -> int:
        """How many numbers the encoder gives, from which the bottlenecks make the code."""
        given = [term.outputs(plan.code_size) for term in self.bottlenecks if hasattr(term, "outputs")]
        return given[0] if given else plan.code_size

    @property
    def leaves_scale_open(self) -> bool:
        """Whether nothing but a projector reads the code, so that the scale of its units means nothing."""
        compared = all(getattr(term, "needs_views", False) for term in self.penalties)
        return self.compares_views and compared and self.loss is None and not self.bottlenecks

    @property
    def infers(self) -> bool:
        """Whether the code in training is inferred from the input and a linear decoder."""
        return any(getattr(term, "needs_linear_decoder", False) for term in self.bottlenecks)

    @property
    def auto_net(self) -> str:
        """What net="auto" means for this objective, where it is no recipe."""
        return "mlp()" if self.infers else "auto"

    def needs(self, what: str) -> bool:
        """Whether a term, or one inside views(), asks for "pairs", "labels" or "pictures"."""
        inside = self.views.terms if self.views is not None else ()
        return any(getattr(term, f"needs_{what}", False) for term in (*self.terms, *inside))

    @property
    def reads_others(self) -> list[str]:
        """The terms that compare a row with the others of its batch, so that one row alone is too few."""
        pairs = [term.name for term in self.terms if term.slot == "view" or getattr(term, "needs_pairs", False)]
        inside = self.views.terms if self.views is not None else ()
        return pairs + [term.name for term in (*self.terms, *inside) if getattr(term, "reads_others", False)]

    def limits(self) -> tuple[float, float]:
        """The range of the code's values."""
        low, high = float("-inf"), float("inf")
        for term in self.bottlenecks:
            low, high = term.limits(low, high)
        return low, high

    def resolve(self, plan: Plan) -> Objective:
        """This objective with its loss filled in, checked against the data and the code.

        errors  SentenceError for a sentence that cannot train: what is wrong, the value, what to do
        """
        loss = Squared() if self.infers and self.loss is None else self.loss
        if loss is None and not self.compares_views:
            loss = Columns() if plan.mixed else self._plain_loss(plan)
        resolved = dataclasses.replace(self, loss=loss)
        for term in resolved.terms:
            if hasattr(term, "check"):
                term.check(plan)
            if hasattr(term, "count"):
                term.count(plan.code_size)
            if hasattr(term, "check_beside"):
                term.check_beside(resolved)
        return resolved

    def _plain_loss(self, plan: Plan) -> Any:
        # beside a prior a fixed scale of the noise would decide how many units stay in use
        if self.is_gaussian:
            return Bernoulli() if plan.unit_range and plan.is_image else Normal()
        return Squared()

    def settle(self, encoded: Tensor, context: Context | None = None) -> Tensor:
        """The deterministic code of the encoder's output; context holds what the terms learned."""
        for term in self.bottlenecks:
            encoded = term.settle(encoded, context)
        return encoded

    def draw(self, encoded: Tensor, context: Context) -> Tensor:
        """The code of the encoder's output in training."""
        for term in self.bottlenecks:
            encoded = term.draw(encoded, context)
        return encoded

    def slope(self, encoded: Tensor) -> Tensor | None:
        """The bottlenecks' derivative where all are elementwise, else None."""
        total = torch.ones_like(encoded)
        for term in self.bottlenecks:
            here = term.slope(encoded) if hasattr(term, "slope") else None
            if here is None:
                return None
            total, encoded = total * here, term.settle(encoded, None)
        return total

    def charge(self, model: Model, x: Tensor | SparseRows, known: Tensor | None, context: Context) -> dict[str, Tensor]:
        """Every term's weighted mean over the batch: their sum is the loss.

        x      (batch, *shape) encoded clean samples, or SparseRows where `reads_sparse(model)`
        known  (batch, features) 1 where the target is known, or None when all of it is
        """
        return answered(self.steps(model, x, known, context), model.net)

    def steps(self, model: Model, x: Tensor | SparseRows, known: Tensor | None, context: Context) -> Steps:
        """`charge`, stopping wherever the net is asked, so that nets of one shape can answer together.

        yields   ("encode", seen) and, with a decoder, ("decode", code); each is sent what the net gives
        returns  every term's weighted mean over the batch
        """
        if self.compares_views:
            traces = yield from self._view_traces(model, cast(Tensor, x), known, context)
        else:
            traces = [(yield from self._trace(model, x, known, context))]
        terms: dict[str, Tensor] = {}
        if self.loss is not None:
            terms[self.loss.name] = self._mean(model, self.loss, traces)
        for penalty in self.penalties:
            terms[penalty.name] = penalty.weight * self._mean(model, penalty, traces)
        return terms

    def _mean(self, model: Model, term: Any, traces: list[Trace]) -> Tensor:
        module = model.module_of(term.name)
        if module is not None:
            traces = [dataclasses.replace(trace, module=module) for trace in traces]
        reads_both = getattr(term, "needs_views", False)
        per_sample = [term(trace) for trace in (traces[:1] if reads_both else traces)]
        return torch.stack([one.mean() for one in per_sample]).mean() if len(per_sample) > 1 else per_sample[0].mean()

    def _trace(
        self, model: Model, x: Tensor | SparseRows, known: Tensor | None, context: Context
    ) -> Generator[Asked, Tensor, Trace]:
        if isinstance(x, SparseRows):
            return sparse_trace(self, model, x, context)
        seen, charge = self.corrupted(x, known, context)
        return (yield from self._pass(model, x, seen, charge, context))

    def corrupted(self, x: Tensor, known: Tensor | None, context: Context) -> tuple[Tensor, Tensor | None]:
        """What the encoder is shown (batch, *shape), and how the loss is charged (batch, features) or None."""
        seen, charge = x, known
        for term in self.corruptions:
            seen, changed = term.corrupt(seen, context)
            if term.emphasis != 1:
                weight = torch.where(changed.flatten(1), term.emphasis, 1.0)
                charge = weight if charge is None else charge * weight
        return seen, charge

    def _pass(
        self, model: Model, x: Tensor, seen: Tensor, charge: Tensor | None, context: Context
    ) -> Generator[Asked, Tensor, Trace]:
        quick = sparse_pass(model, seen)
        encoded = (yield "encode", seen) if quick is None else quick[0]
        if self.infers:
            context = dataclasses.replace(context, x=x.flatten(1), dictionary=model.net.dictionary())
        code = self.draw(encoded, context) if quick is None else quick[1]
        some = picked(self, model, x, context)
        if some is not None:
            rebuilt: Tensor | None = some.rebuild(model.net.decoder, code)
        else:
            rebuilt = quick[2] if quick is not None else (yield "decode", code) if self.loss is not None else None
        trace = self.traced(model, x, (seen, encoded, code, rebuilt, charge), context)
        return trace if some is None else some.narrowed(trace)

    def traced(
        self,
        model: Model,
        x: Tensor,
        passed: tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None],
        context: Context,
    ) -> Trace:
        """The trace of one pass: passed holds what the encoder saw and gave, the code, what was rebuilt, the charge."""
        seen, encoded, code, rebuilt, charge = passed
        settled = any(getattr(term, "needs_settled", False) for term in self.penalties)
        contracts = any(term.name == "contractive" for term in self.penalties)
        weight = model.net.affine_weight() if contracts else None
        return Trace(
            x=x.flatten(1),
            code=code,
            seen=seen,
            encoded=encoded,
            rebuilt=rebuilt,
            charge=charge,
            encode=model.codes_alone,
            encoded_by_affine=weight,
            slope=self.slope(encoded) if weight is not None else None,
            slope_at=self.slope,
            decoder=model.net.decoder,
            loss=self.loss,
            settled=self.settle(encoded, context) if settled else None,
            context=context,
        )

    def _view_traces(
        self, model: Model, x: Tensor, known: Tensor | None, context: Context
    ) -> Generator[Asked, Tensor, list[Trace]]:
        # one pass over both views: a batch of twice the size costs less than two passes
        twice = None if known is None else torch.cat((known, known))
        both = yield from self._pass(model, torch.cat((x, x)), torch.cat(self.views.alter(x, context)), twice, context)
        first, second = model.terms["views"](both.code).chunk(2)
        return [dataclasses.replace(half, views=(first, second)) for half in both.halves()]

    def record(self, model: Model) -> list[str]:
        """Choices that the sentence or the net leaves open, in words (how a Jacobian is computed)."""
        closed = model.net.affine_weight() is not None and all(hasattr(term, "slope") for term in self.bottlenecks)
        noted = [model.net.note] if model.net.note else []
        return noted + [term.choice(closed) for term in self.penalties if hasattr(term, "choice")]


def answered(steps: Generator[Asked, Tensor, Any], net: Net) -> Any:
    """What the steps return, their questions answered by one net."""
    try:
        part, value = next(steps)
        while True:
            part, value = steps.send(net.encode(value) if part == "encode" else net.decode(value))
    except StopIteration as end:
        return end.value


def parse_objective(text: str) -> Objective:
    """The objective a sentence (not a recipe's name) says.

    errors  SentenceError: unknown term (with the closest name), a term twice, two losses, terms that do not fit
    """
    by_slot: dict[str, list[Any]] = {slot: [] for slot in SLOTS}
    try:
        parts = read(text, *SLOTS)
    except SentenceError as error:
        name = text.strip().removesuffix("()") if isinstance(text, str) and len(text) < 80 else ""
        if name in RECIPES:
            raise SentenceError(f"{name!r} is a recipe, no term", f"it stands for {RECIPES[name][0]}") from None
        if name.isidentifier() and name not in names(*SLOTS):
            known = [*RECIPES, *names(*SLOTS)]
            raise SentenceError(
                f"no objective or term is called {name!r}{did_you_mean(name, known)}",
                f"recipes: {', '.join(RECIPES)}; terms: {', '.join(names(*SLOTS))}",
            ) from None
        for recipe in RECIPES if isinstance(text, str) else ():
            if f"no term is called {recipe!r}" in str(error):
                problem = f"{recipe!r} is a recipe, no term"
                raise SentenceError(problem, f"it stands for {RECIPES[recipe][0]}") from None
        raise error
    seen: set[str] = set()
    for one in parts:
        if one.name in seen:
            problem = f"{one.name}() stands twice in {quoted(text)}"
            raise SentenceError(problem, "write it once, with the values you want")
        seen.add(one.name)
        by_slot[one.slot].append(one)
    if len(by_slot["loss"]) > 1:
        both = " and ".join(f"{one.name}()" for one in by_slot["loss"])
        raise SentenceError(f"{quoted(text)} has two losses, {both}", "keep one of them")
    objective = Objective(
        views=by_slot["view"][0] if by_slot["view"] else None,
        corruptions=tuple(by_slot["corruption"]),
        bottlenecks=tuple(by_slot["bottleneck"]),
        loss=by_slot["loss"][0] if by_slot["loss"] else None,
        penalties=tuple(by_slot["penalty"]),
        constraints=tuple(by_slot["constraint"]),
    )
    _check_fit(objective, text)
    return objective


def _check_fit(objective: Objective, text: str) -> None:
    low, high = objective.limits()
    if objective.is_gaussian and len(objective.bottlenecks) > 1:
        name = next(term.name for term in objective.bottlenecks if term.name != "gaussian")
        raise SentenceError(f"gaussian() stands beside {name}() in {quoted(text)}", "its code is a draw: keep one")
    for term in (*objective.bottlenecks, objective.loss, *objective.penalties):
        if hasattr(term, "check_beside"):
            term.check_beside(objective)
    for term in objective.penalties:
        if getattr(term, "needs_gaussian", False) and not objective.is_gaussian:
            raise SentenceError(f"{term.name}() needs a code with a mean and a variance", "put gaussian() before it")
        if hasattr(term, "check_range"):
            term.check_range(low, high)
        if getattr(term, "needs_views", False) and not objective.compares_views:
            raise SentenceError(
                f"{term.name}() compares two views of a sample", "put views(affine(0.2), noise(0.1)) before it"
            )
    if objective.compares_views:
        if objective.corruptions:
            name = objective.corruptions[0].name
            problem = f"{name}() stands beside views() in {quoted(text)}"
            raise SentenceError(problem, f"write it inside: views({name}(...))")
        if objective.loss is None and not any(getattr(t, "prevents_collapse", False) for t in objective.penalties):
            raise SentenceError(
                f"{quoted(text)} would let every code collapse to one point", "add variance(25) + covariance(1)"
            )
        if objective.loss is None and objective.constraints:
            name = objective.constraints[0].name
            problem = f"{name}() needs a decoder, but {quoted(text)} has none"
            raise SentenceError(problem, "leave it out, or add squared()")


def recipe_of(text: str) -> tuple[str, str]:
    """(objective text, net text) of a recipe's name, or (text, "auto") for a sentence."""
    return RECIPES.get(text.strip(), (text, "auto")) if isinstance(text, str) else (text, "auto")


def expand(text: str) -> str:
    """The sentence a recipe's name stands for; a sentence stays as it is."""
    return recipe_of(text)[0]


def term_classes() -> list[type]:
    """Every registered term, for the laws that hold for all of them."""
    return [cls for slot in (*SLOTS, "transform") for cls in PARTS.get(slot, {}).values()]
