"""The contractive penalty of higher order: equal to Jacobians by autograd, in every way of computing it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import jacrev, vmap

from codelayer.data.schema import Block
from codelayer.learn.autoencoder import Autoencoder
from codelayer.nets import Plan, parse_net
from codelayer.objective import Context, Model, Trace, parse_objective
from codelayer.objective.objective import answered
from codelayer.objective.penalties import Contractive

FEATURES, UNITS = 7, 5
ELEMENTWISE = ["", "sigmoid() +", "tanh() +", "softplus() +", "gelu() +", "relu() +", "tanh() + softplus() +"]


def model_of(text: str, net: str = "mlp()", shape: tuple[int, ...] = (FEATURES,)) -> Model:
    width = int(np.prod(shape))
    flat = np.full(width, 0.25, np.float32)
    plan = Plan(shape, UNITS, (Block("numeric", 0, width),), False, flat, flat - 1, flat + 1)
    model = Model(plan, parse_objective(text).resolve(plan), parse_net(net, shape, UNITS).build(plan, UNITS, True))
    model.draw_weights(1)
    return model.double().eval()


def rows(n: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *(shape or (FEATURES,)), generator=torch.Generator().manual_seed(n), dtype=torch.float64)


def jacobian(model: Model, x: torch.Tensor) -> torch.Tensor:
    return vmap(jacrev(lambda row: model.codes(row[None])[0]))(x).flatten(2)


def trace(model: Model, x: torch.Tensor, step: int = 0) -> Trace:
    """As the objective makes it."""
    return answered(model.objective._pass(model, x, x, None, Context(3, step)), model.net)


def expected(model: Model, x: torch.Tensor, term: Contractive, step: int = 0) -> torch.Tensor:
    """|J(x)|^2 + hessian |J(x) - J(x + e)|^2 with the draw that the term makes."""
    stream = Context(3, step).torch("contractive/hessian")
    shift = term.epsilon * torch.randn(x.shape, generator=stream, dtype=x.dtype)
    here, there = jacobian(model, x), jacobian(model, x + shift)
    return here.square().sum((1, 2)) + term.hessian * (here - there).square().sum((1, 2))


@pytest.mark.parametrize("text", ELEMENTWISE)
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_the_closed_form_equals_jacobians(text, epsilon):
    term = Contractive(0.1, hessian=0.7, epsilon=epsilon)
    model, x = model_of(f"{text} contractive(0.1)"), rows(9)
    one = trace(model, x)
    assert one.encoded_by_affine is not None and one.slope is not None
    torch.testing.assert_close(term(one), expected(model, x, term), rtol=1e-10, atol=1e-12)


def test_the_closed_form_equals_jacobians_where_units_are_chosen():
    term = Contractive(0.1, hessian=2.0, epsilon=0.5)
    model, x = model_of("sigmoid() + topk(2) + contractive(0.1)"), rows(9)
    torch.testing.assert_close(term(trace(model, x)), expected(model, x, term), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("net", ["mlp(depth=3, activation='tanh')", "mlp(6, 4, activation='gelu')"])
def test_the_exact_deep_form_equals_jacobians(net):
    term = Contractive(0.1, probes=0, hessian=0.7, epsilon=0.3)
    model, x = model_of("sigmoid() + contractive(0.1, probes=0)", net), rows(6)
    assert trace(model, x).slope is None
    torch.testing.assert_close(term(trace(model, x)), expected(model, x, term), rtol=1e-10, atol=1e-12)
    plain = Contractive(0.1, probes=0)
    torch.testing.assert_close(plain(trace(model, x)), jacobian(model, x).square().sum((1, 2)), rtol=1e-10, atol=1e-12)


def test_it_holds_for_pictures_too():
    term = Contractive(0.1, probes=0, hessian=0.7, epsilon=0.3)
    model, x = model_of("sigmoid() + contractive(0.1)", "conv(3)", (4, 4, 1)), rows(3, 4, 4, 1)
    torch.testing.assert_close(term(trace(model, x)), expected(model, x, term), rtol=1e-10, atol=1e-12)
    term = Contractive(0.1, hessian=0.7)  # one affine layer on a flattened picture
    model = model_of("sigmoid() + contractive(0.1)", "mlp()", (4, 4, 1))
    torch.testing.assert_close(term(trace(model, x)), expected(model, x, term), rtol=1e-10, atol=1e-12)


def test_probes_are_unbiased():
    term, model, x = Contractive(0.1, probes=2, hessian=3.0, epsilon=0.5), model_of("tanh()", "mlp(6)"), rows(3)
    many = x.repeat(300, 1)  # every sample has its own shift; the directions are drawn per sample too
    error = (term(trace(model, many)) - expected(model, many, term)).detach().reshape(300, 3)
    assert bool(((error.mean(0) / (error.std(0) / 300**0.5)).abs() < 4).all()) and error.std() > 0


def test_a_small_shift_measures_the_second_derivative():
    # E |J(x) - J(x + e)|^2 = epsilon^2 sum_ijk (d^2 code_j / dx_i dx_k)^2 + O(epsilon^4)
    model, x, epsilon = model_of("tanh() + contractive(0.1)"), rows(4), 1e-3
    second = vmap(jacrev(jacrev(lambda row: model.codes(row[None])[0])))(x).square().sum((1, 2, 3))
    one = trace(model, x.repeat(2000, 1))
    added = Contractive(0.1, hessian=1.0, epsilon=epsilon)(one) - Contractive(0.1)(one)
    found = (added / epsilon**2).detach().reshape(2000, 4)
    assert bool((((found.mean(0) - second) / (found.std(0) / 2000**0.5)).abs() < 4).all())


@pytest.mark.parametrize("net", ["mlp()", "mlp(4, activation='tanh')"])
def test_its_gradient_passes_finite_differences(net):
    term, x = Contractive(0.1, probes=0, hessian=0.7, epsilon=0.5), rows(2)
    model = model_of("sigmoid() + contractive(0.1, probes=0)", net)
    weight = next(iter(model.net.parameters()))
    (found,) = torch.autograd.grad(term(trace(model, x)).sum(), weight)
    for place in ((0, 0), (1, 3), (3, 6)):
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight[place] += step
            values.append(term(trace(model, x)).sum().item())
            with torch.no_grad():
                weight[place] -= step
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(found[place].item(), rel=1e-6, abs=1e-8)


def test_a_linear_code_has_no_second_order():
    model, x = model_of("contractive(0.1)"), rows(4)
    torch.testing.assert_close(Contractive(hessian=5.0)(trace(model, x)), Contractive()(trace(model, x)))


def test_a_deep_encoder_without_a_gradient_at_the_shifted_sample_is_finite():
    model, x = model_of("relu() + contractive(0.1)", "mlp(4)"), rows(3)
    with torch.no_grad():
        model.net.stages["hidden1"][0].bias.fill_(-1000.0)
    value = Contractive(probes=0, hessian=1.0)(trace(model, x))
    assert bool((value == 0).all())


def test_the_record_says_how_it_was_computed():
    x = np.random.default_rng(0).normal(size=(40, 5))

    def told(text: str, net: str) -> list[str]:
        return Autoencoder(3, text, net, epochs=1, random_state=0).fit(x).record_["choices"]

    twice = "; its change from one shifted copy of the batch per step"
    assert told("gelu() + contractive(0.1)", "mlp()") == ["contractive: closed form"]
    assert told("tanh() + contractive(0.1, hessian=0.1)", "mlp()") == [f"contractive: closed form{twice}"]
    assert told("contractive(0.1, probes=0, hessian=1)", "mlp(4)") == [f"contractive: exact Jacobian{twice}"]
    assert told("contractive(0.1, hessian=1)", "mlp(4)") == [f"contractive: 1 random probe per step{twice}"]
