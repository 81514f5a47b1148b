"""Every loss and penalty has the gradient that finite differences find."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from term_cases import net_of, samples, trace
from torch.func import functional_call

from codelayer.nets import Net
from codelayer.objective import Context, Trace
from codelayer.objective.contrast import Contrast
from codelayer.objective.inference import Predict
from codelayer.objective.labels import Labels
from codelayer.objective.losses import Huber
from codelayer.objective.penalties import L1, Contractive, Covariance, Invariance, Kl, Variance
from codelayer.objective.slowness import Slowness
from codelayer.objective.sparse_penalties import L0, Nested, Revive
from codelayer.objective.variational import Dip, Prior, TotalCorrelation
from codelayer.registry import PARTS

LOSSES, PENALTIES = list(PARTS["loss"].values()), list(PARTS["penalty"].values())


@pytest.mark.parametrize("cls", LOSSES)
def test_a_losss_gradient_passes_finite_differences(cls):
    one, term = trace(3), Huber(delta=0.7) if cls is Huber else cls()
    assert torch.autograd.gradcheck(lambda r: term(replace(one, rebuilt=r)), one.rebuilt.requires_grad_(True))


GRADIENT = {
    Prior: (("encoded",), Prior(), Prior(capacity=3.0), Prior(free_bits=0.6)),
    Dip: (("encoded",), Dip(), Dip(kind=2)),
    TotalCorrelation: (("encoded", "code"), TotalCorrelation()),
    L1: (("code",), L1()),
    Kl: (("code",), Kl()),
    Predict: (("code",), Predict()),
    Labels: (("code",), Labels()),
    Nested: (("code",), Nested(1.0, (1, 3)), Nested()),
    Invariance: (("views",), Invariance()),
    Variance: (("views",), Variance()),
    Covariance: (("views",), Covariance()),
    Contrast: (("views",), Contrast()),
    Slowness: (("views",), Slowness()),
    Revive: (("encoded",), Revive(after=1, k=2)),
}
# of the weights, below; and a count, whose pseudo-derivative tests/objective/test_sparse_terms.py holds to its formula
OTHERWISE = {Contractive, L0}


@pytest.mark.parametrize("cls", PENALTIES)
def test_a_penaltys_gradient_passes_finite_differences(cls):
    if cls in OTHERWISE:
        return
    read, *terms = GRADIENT[cls]  # a term that is not here has no such test yet
    one = trace(3)
    if cls is Revive:
        one = replace(one, code=torch.zeros_like(one.code), encoded=one.code)  # all units are dead
    given = [view for name in read for view in (getattr(one, name) if name == "views" else (getattr(one, name),))]
    given = tuple(value.detach().clone().requires_grad_(True) for value in given)

    def charge(term, *values: torch.Tensor) -> torch.Tensor:
        changed = {"views": values} if read == ("views",) else dict(zip(read, values, strict=True))
        return term(replace(one, **changed))

    for term in terms:
        assert bool(charge(term, *given).any())
        assert torch.autograd.gradcheck(partial(charge, term), given)


@pytest.mark.parametrize("text", ["mlp()", "mlp(3, activation='tanh')"])
@pytest.mark.parametrize("probes", [0, 2])
def test_the_contractive_gradient_passes_finite_differences_in_the_weights(text, probes):
    net, x = net_of(text), samples(2)
    names = [name for name, _ in net.named_parameters() if name.startswith("stages")]
    start = tuple(dict(net.named_parameters())[name].detach().clone().requires_grad_(True) for name in names)

    def charge(*weights: torch.Tensor) -> torch.Tensor:
        held = dict(zip(names, weights, strict=True))

        def encode(rows: torch.Tensor) -> torch.Tensor:
            return functional_call(_Encoder(net), {f"net.{k}": v for k, v in held.items()}, (rows,))

        affine = held[names[0]] if text == "mlp()" else None
        encoded = encode(x)
        slope = encoded.sigmoid() * (1 - encoded.sigmoid()) if affine is not None else None
        one = Trace(
            x=x,
            code=encoded,
            seen=x,
            encode=lambda rows: encode(rows).sigmoid(),
            encoded_by_affine=affine,
            slope=slope,
            context=Context(1, 1),
        )
        return Contractive(probes=probes)(one)

    assert torch.autograd.gradcheck(charge, start)


class _Encoder(torch.nn.Module):
    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net.encode(x)
