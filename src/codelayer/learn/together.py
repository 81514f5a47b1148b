"""The terms of several sentences on one stack: what is equal among neighbours is computed once for all of them.

Reads  members (model, rows, seed) sorted so that equal terms stand side by side, and their stack of weights.
Gives  `Terms.charge`: every term's weighted mean over the batch, of every member, as one vector.
Skips  nothing a sentence may hold but views, pairs, labels and inference: a term that is not known to read rows alone
       is asked member by member, with the trace of its own pass.

Rows of several members are rows of one long batch to a term that treats every row by itself: an elementwise
bottleneck, topk(), a loss without weights, l1(). A statistic of the batch that reads the code alone is mapped over
the members. Members of one seed that corrupt alike are shown one draw.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..objective import Context, Model
from ..objective.trace import Trace
from ..registry import spell
from .sources import Rows
from .stack import Stack


class Fit(Protocol):
    """What is read of a member."""

    @property
    def model(self) -> Model: ...

    rows: Rows
    seed: int


@dataclass(frozen=True)
class Span:
    """Neighbouring members with equal terms.

    joint  whether the terms take the rows of all of them at once
    """

    terms: tuple[Any, ...]
    start: int
    stop: int
    joint: bool

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Batch:
    """What all members read at one step.

    clean  (nets, batch, *shape)
    seen   the same, as the encoder is shown it
    charge per member (batch, features) or None
    """

    clean: Tensor
    seen: Tensor
    charge: list[Tensor | None]

    @property
    def rows(self) -> int:
        """Rows per member."""
        return self.clean.shape[1]


def order_key(model: Model) -> tuple[str, ...]:
    """Members sorted by this have equal terms side by side."""
    one = model.objective
    return (spell([one.loss]), spell(one.bottlenecks), spell(one.penalties), spell(one.constraints), one.text)


class Terms:
    """The terms of all members of a stack."""

    def __init__(self, members: Sequence[Fit], stack: Stack) -> None:
        self.models, self.seeds, self.stack = [one.model for one in members], [one.seed for one in members], stack
        self.modules = [dict(model.terms.named_children()) for model in self.models]
        self.rows_in_all = members[0].rows.length
        sentences = [model.objective for model in self.models]
        self.shown = _numbered([(one.seed, id(one.rows), _drawn_alike(one)) for one in members])
        self.bottlenecks = self._spans([one.bottlenecks for one in sentences], self._draws_by_row)
        emphasis = [any(term.emphasis != 1 for term in one.corruptions) for one in sentences]
        losses = [(one.loss,) for one in sentences]
        self.losses = self._spans(losses, self._charges_by_row, emphasis)
        most = max(len(one.penalties) for one in sentences)
        slots = [[one.penalties[i : i + 1] for one in sentences] for i in range(most)]
        self.penalties = [span for slot in slots for span in self._spans(slot, self._reads_code) if span.terms]
        apart = [s for s in (*self.bottlenecks, *self.losses, *self.penalties) if not s.joint]
        self.apart = sorted({place for span in apart for place in range(span.start, span.stop)})
        charged = [*self.losses, *self.penalties]
        self.names = [(place, s.terms[0].name) for s in charged for place in range(s.start, s.stop)]

    def _spans(self, terms: list[Any], joint: Callable[[Any, int], bool], also: Sequence[Hashable] = ()) -> list[Span]:
        key = (lambda i: (terms[i], also[i])) if also else (lambda i: terms[i])
        spans = []
        for _, run in itertools.groupby(range(len(terms)), key):
            places = list(run)
            whole = all(joint(term, place) for place in places for term in terms[places[0]])
            spans.append(Span(tuple(terms[places[0]]), places[0], places[-1] + 1, whole))
        return spans

    def _draws_by_row(self, term: Any, place: int) -> bool:
        # a bottleneck that has a slope is a function of the row
        return hasattr(term, "slope") and term.name not in self.modules[place]

    def _charges_by_row(self, term: Any, place: int) -> bool:
        module = self.modules[place].get(term.name)
        return term.over == "sample" and (module is None or not _state(module))

    def _reads_code(self, term: Any, place: int) -> bool:
        return getattr(term, "reads_code_alone", False) and term.name not in self.modules[place]

    # --- one step -----------------------------------------------------------------------------------------------

    def contexts(self, step: int, progress: float) -> Callable[[int], Context]:
        """place -> the context of that member's terms at a step."""
        return lambda place: Context(self.seeds[place], step, progress, self.modules[place], rows=self.rows_in_all)

    def read(self, rows: Sequence[Rows], batches: Sequence[Tensor], context: Callable[[int], Context]) -> Batch:
        """The rows of one step, corrupted; rows and batches are given per member."""
        clean: dict[tuple[int, int], tuple[Tensor, Tensor | None]] = {}
        shown: dict[int, tuple[Tensor, Tensor | None]] = {}
        keys = [(id(some), id(batch)) for some, batch in zip(rows, batches, strict=True)]
        for place, key in enumerate(keys):
            if key not in clean:
                clean[key] = rows[place].batch(batches[place])
            if self.shown[place] not in shown:
                shown[self.shown[place]] = self.models[place].objective.corrupted(*clean[key], context(place))
        seen = [shown[number] for number in self.shown]
        stacked = torch.stack([clean[key][0] for key in keys])
        return Batch(stacked, torch.stack([one for one, _ in seen]), [charge for _, charge in seen])

    def charge(self, batch: Batch, context: Callable[[int], Context]) -> Tensor:
        """(charged,) every term's weighted mean over the batch, in the order of `names`."""
        encoded = self.stack.encode(batch.seen)
        sizes = [len(span) for span in self.bottlenecks]
        parts = encoded.split(sizes) if len(sizes) > 1 else (encoded,)
        drawn = [self._drawn(span, part, context) for span, part in zip(self.bottlenecks, parts, strict=True)]
        code = torch.cat(drawn) if len(drawn) > 1 else drawn[0]
        rebuilt = self.stack.decode(code)
        trace = Trace(x=batch.clean.flatten(2), code=code, seen=batch.seen, encoded=encoded, rebuilt=rebuilt)
        own = self._own_traces(batch, trace, context) if self.apart else {}
        sizes = [len(span) for span in self.losses]
        parts = rebuilt.split(sizes) if len(sizes) > 1 else (rebuilt,)
        found = [self._lost(*pair, trace, batch.charge, own) for pair in zip(self.losses, parts, strict=True)]
        charged = [self._penalised(span, self._part(span, drawn, code), own) for span in self.penalties]
        return torch.cat([*found, *charged])

    def _drawn(self, span: Span, encoded: Tensor, context: Callable[[int], Context]) -> Tensor:
        if not span.terms:
            return encoded
        if not span.joint:
            each = zip(range(span.start, span.stop), encoded.unbind(), strict=True)
            return torch.stack([self.models[place].objective.draw(one, context(place)) for place, one in each])
        code = encoded.flatten(0, 1)
        for term in span.terms:
            code = term.draw(code, context(span.start))
        return code.unflatten(0, encoded.shape[:2])

    def _own_traces(self, batch: Batch, trace: Trace, context: Callable[[int], Context]) -> dict[int, Trace]:
        each = [whole.unbind() for whole in (batch.seen, trace.encoded, trace.code, trace.rebuilt) if whole is not None]
        found = {}
        for place in self.apart:
            model, seen, encoded, code, rebuilt = self.models[place], *(one[place] for one in each)
            passed = (seen, encoded, code, rebuilt, batch.charge[place])
            found[place] = model.objective.traced(model, batch.clean[place], passed, context(place))
        return found

    def _lost(
        self, span: Span, rebuilt: Tensor, trace: Trace, charge: list[Tensor | None], own: dict[int, Trace]
    ) -> Tensor:
        (loss,) = span.terms
        if not span.joint:
            return self._asked(span, own)
        where = slice(span.start, span.stop)
        x = trace.x[where].flatten(0, 1)
        joint = Trace(
            x=x,
            code=trace.code[where].flatten(0, 1),
            rebuilt=rebuilt.flatten(0, 1),
            charge=_joined(charge[where], len(x) // len(span)),
            module=self.modules[span.start].get(loss.name),
        )
        return loss(joint).unflatten(0, (len(span), -1)).mean(1)

    def _part(self, span: Span, drawn: list[Tensor], code: Tensor) -> Tensor:
        """The codes of a span: as they were drawn where one draw holds them, which spares a sum of gradients."""
        for one, piece in zip(self.bottlenecks, drawn, strict=True):
            if one.start <= span.start and span.stop <= one.stop:
                return piece if len(one) == len(span) else piece[span.start - one.start : span.stop - one.start]
        return code[span.start : span.stop]

    def _penalised(self, span: Span, code: Tensor, own: dict[int, Trace]) -> Tensor:
        (penalty,) = span.terms
        if not span.joint:
            return penalty.weight * self._asked(span, own)
        if penalty.over == "sample":
            flat = code.flatten(0, 1)
            return penalty.weight * penalty(Trace(flat, flat)).unflatten(0, (len(span), -1)).mean(1)
        if len(span) == 1:
            return penalty.weight * penalty(Trace(code[0], code[0])).mean().reshape(1)
        return penalty.weight * torch.vmap(lambda one: penalty(Trace(one, one)).mean())(code)

    def _asked(self, span: Span, own: dict[int, Trace]) -> Tensor:
        (term,) = span.terms
        traces = [replace(own[i], module=self.models[i].module_of(term.name)) for i in range(span.start, span.stop)]
        return torch.stack([term(trace).mean() for trace in traces])


def _joined(charge: Sequence[Tensor | None], rows: int) -> Tensor | None:
    """The charges of members on one another; None where all of all targets are charged 1."""
    known = next((one for one in charge if one is not None), None)
    if known is None:
        return None
    return torch.cat([known.new_ones(rows, known.shape[1]) if one is None else one for one in charge])


def _state(module: nn.Module) -> bool:
    return any(True for _ in itertools.chain(module.parameters(), module.buffers()))


def _drawn_alike(member: Fit) -> Hashable:
    """Equal for members of one seed whose corruptions draw alike."""
    terms = member.model.objective.corruptions
    learns = any(True for term in terms for one in [member.model.module_of(term.name)] if one for _ in one.parameters())
    return id(member) if learns else terms


def _numbered(keys: Sequence[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]
