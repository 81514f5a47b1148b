"""Laws of every loss and penalty: rule 2, independent values, finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from term_cases import (
    BY_BATCH,
    BY_SAMPLE,
    CHARGED,
    FEATURES,
    UNITS,
    exact,
    net_of,
    normal,
    plan,
    repeated,
    samples,
    trace,
)
from torch.func import jacrev, vmap

from codelayer.data.schema import Block
from codelayer.nets import parse_net
from codelayer.objective import Context, Model, Trace, parse_objective
from codelayer.objective.bottlenecks import Gelu, Relu, Sigmoid, Softplus, Tanh, Topk
from codelayer.objective.contrast import Contrast
from codelayer.objective.inference import Predict
from codelayer.objective.labels import Labels
from codelayer.objective.losses import Bernoulli, Columns, Huber, Normal, Squared
from codelayer.objective.penalties import L1, Contractive, Covariance, Invariance, Kl, Variance
from codelayer.objective.sampled import Sampled
from codelayer.objective.slowness import Slowness
from codelayer.objective.sparse_penalties import L0, Nested, Revive
from codelayer.objective.variational import Dip, Prior, TotalCorrelation
from codelayer.registry import PARTS

# --- rule 2 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", CHARGED)
def test_a_term_says_over_what_and_gives_one_number_per_sample(cls):
    assert cls.over in ("sample", "batch") and cls.__doc__
    for n in (2, 5):
        value = cls()(trace(n))
        assert value.shape == (n,) and bool(torch.isfinite(value).all())


@pytest.mark.parametrize("net", ["mlp()", "mlp(depth=3, activation='tanh')"])
@pytest.mark.parametrize("cls", BY_SAMPLE)
def test_repeating_every_sample_twice_changes_no_value(cls, net):
    one, term = trace(5, net), exact(cls)
    for how in (lambda t: t.repeat_interleave(2, 0), lambda t: torch.cat([t, t])):
        torch.testing.assert_close(term(repeated(one, how)), how(term(one)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cls", BY_SAMPLE)
def test_a_sample_is_charged_alone(cls):
    one, term = trace(6), exact(cls)
    torch.testing.assert_close(term(repeated(one, lambda t: t[1:3])), term(one)[1:3], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cls", BY_BATCH)
def test_batch_terms_charge_every_sample_the_same(cls):
    value = cls()(trace(10))
    assert bool((value == value[0]).all())
    doubled = cls()(repeated(trace(10), lambda t: torch.cat([t, t])))
    if cls is Contrast:  # its rivals are the batch: twice as many of them, and a twin that cannot be told apart
        assert bool((doubled[:10] > value + 0.5).all())
    else:
        torch.testing.assert_close(doubled[:10], value, rtol=1e-12, atol=1e-12)  # population statistics, 1/n


def kl_brute(one: Trace, target: float) -> float:
    total = 0.0
    for unit in one.code.numpy().T:
        q = sum(unit) / len(unit)
        total += target * np.log(target / q) + (1 - target) * np.log((1 - target) / (1 - q))
    return total


def variance_brute(one: Trace) -> float:
    total = 0.0
    for view in one.views:
        for unit in view.numpy().T:
            mean = sum(unit) / len(unit)
            deviation = np.sqrt(sum((value - mean) ** 2 for value in unit) / len(unit) + 1e-4)
            total += max(0.0, 1 - deviation) / view.shape[1] / 2
    return total


def covariance_brute(one: Trace) -> float:
    total = 0.0
    for view in one.views:
        z, units = view.numpy(), view.shape[1]
        for i in range(units):
            for j in range(units):
                if i != j:
                    shared = sum(
                        (a - z[:, i].mean()) * (b - z[:, j].mean()) for a, b in zip(z[:, i], z[:, j], strict=True)
                    )
                    total += (shared / len(z)) ** 2 / units
    return total


def dip_brute(one: Trace, diagonal: float = 10.0) -> float:
    mean, total = one.encoded.numpy()[:, :UNITS], 0.0
    for i in range(UNITS):
        for j in range(UNITS):
            cov = sum((a - mean[:, i].mean()) * (b - mean[:, j].mean()) for a, b in mean[:, [i, j]]) / len(mean)
            total += diagonal * (cov - 1) ** 2 if i == j else cov**2
    return total


def total_correlation_brute(one: Trace) -> float:
    mean, deviation = one.encoded.numpy()[:, :UNITS], np.exp(one.encoded.numpy()[:, UNITS:] / 2)
    total = 0.0
    for z in one.code.numpy():  # the batch is all rows: q(code) is the plain mean over them
        each = np.exp(-(((z - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
        total += np.log(each.prod(1).mean()) - np.log(each.mean(0)).sum()
    return total / len(mean)


def contrast_brute(one: Trace, temperature: float) -> float:
    """Chen et al. 2020, eq. 1, as written: every pair, both directions."""
    z, n, total = np.concatenate([view.numpy() for view in one.views]), len(one.views[0]), 0.0

    def alike(i: int, k: int) -> float:
        return z[i] @ z[k] / np.sqrt((z[i] @ z[i]) * (z[k] @ z[k])) / temperature

    for i in range(2 * n):
        j = (i + n) % (2 * n)
        total -= np.log(np.exp(alike(i, j)) / sum(np.exp(alike(i, k)) for k in range(2 * n) if k != i))
    return total / (2 * n)


def slowness_brute(one: Trace) -> float:
    changes = [
        [sum((a - b) ** 2 for a, b in zip(view[t], view[t + 1], strict=True)) for t in range(0, len(view) - 1, 2)]
        for view in (view.numpy() for view in one.views)
    ]
    return sum(sum(some) / len(some) for some in changes) / 2 / one.views[0].shape[1]


@pytest.mark.parametrize("n", [3, 17])
def test_batch_terms_equal_brute_force(n):
    one = trace(n)
    brute = {Kl: kl_brute(one, 0.2), Variance: variance_brute(one), Covariance: covariance_brute(one)}
    brute |= {Dip: dip_brute(one), TotalCorrelation: total_correlation_brute(one)}
    brute |= {Contrast: contrast_brute(one, 0.5), Slowness: slowness_brute(one)}
    assert set(brute) == set(BY_BATCH)
    for cls, expected in brute.items():
        term = cls(target=0.2) if cls is Kl else cls()
        assert term(one)[0].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


# --- independent values ---------------------------------------------------------------------------------------------


def huber_numpy(x, r, delta):
    far = np.abs(x - r)
    return np.where(far <= delta, far**2 / 2, delta * (far - delta / 2))


def bernoulli_numpy(x, r):
    p = 1 / (1 + np.exp(-r))
    return -(x * np.log(p) + (1 - x) * np.log(1 - p))


def columns_numpy(x, r):
    error = (x - r) ** 2 / 2
    odds = np.exp(r[:, 2:5])
    error[:, 2:5] = -x[:, 2:5] * np.log(odds / odds.sum(1, keepdims=True))
    error[:, 6:] = bernoulli_numpy(x[:, 6:], r[:, 6:])
    return error


INDEPENDENT = {
    Squared: (Squared(), lambda x, r: (x - r) ** 2),
    Huber: (Huber(delta=0.7), lambda x, r: huber_numpy(x, r, 0.7)),
    Bernoulli: (Bernoulli(), bernoulli_numpy),
    Columns: (Columns(), columns_numpy),
    Sampled: (Sampled(), lambda x, r: (x - r) ** 2),
    Normal: (Normal(), lambda x, r: (x - r) ** 2 / 2 + np.log(2 * np.pi) / 2),
}


@pytest.mark.parametrize("charged", [False, True])
@pytest.mark.parametrize("cls", list(PARTS["loss"].values()))
def test_a_loss_equals_numpy(cls, charged):
    term, closed = INDEPENDENT[cls]
    one = trace(8) if charged else replace(trace(8), charge=None)
    errors = closed(one.x.numpy(), one.rebuilt.numpy()) * (one.charge.numpy() if charged else 1)
    np.testing.assert_allclose(term(one).numpy(), errors.sum(1), rtol=1e-9)


def labels_numpy(one):
    given, head = one.context.labels.numpy(), one.module.head
    scores = one.code.numpy() @ head.weight.numpy().T + head.bias.numpy()
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return [0.0 if np.isnan(given[i]) else -np.log(chances[i, int(given[i])]) for i in range(len(given))]


def prior_numpy(one):
    mean, variance = one.encoded.numpy()[:, :UNITS], np.exp(one.encoded.numpy()[:, UNITS:])
    return (mean**2 + variance - 1 - np.log(variance)).sum(1) / 2


def nested_numpy(one):
    cut = [np.where(np.arange(UNITS) < width, one.code, 0) for width in (1, 2)]  # 1/16 to 1/2 of four units
    rebuilt = [one.decoder(torch.from_numpy(code)).numpy() for code in cut]
    return sum((one.charge.numpy() * (one.x.numpy() - some) ** 2).sum(1) for some in rebuilt)


PENALTIES = {
    L1: lambda one: np.abs(one.code.numpy()).sum(1),
    Invariance: lambda one: ((one.views[0] - one.views[1]).numpy() ** 2).mean(1),
    Predict: lambda one: ((one.code - one.settled).numpy() ** 2).sum(1),
    Labels: labels_numpy,
    Prior: prior_numpy,
    Nested: nested_numpy,
    L0: lambda one: (one.encoded.numpy() > 0.1).sum(1),
}


@pytest.mark.parametrize("cls", BY_SAMPLE)
def test_a_penalty_of_every_sample_equals_numpy(cls):
    if cls in INDEPENDENT or cls in (Contractive, Revive):  # Jacobians are below, revive() in test_sparse_terms
        return
    one = trace(8, settle=torch.tanh)
    np.testing.assert_allclose(cls()(one).detach().numpy(), PENALTIES[cls](one), rtol=1e-9)


def test_kl_by_hand():
    code = torch.tensor([[0.0, 0.5], [0.2, 0.5]])  # unit means 0.1 and 0.5
    charge = Kl(target=0.1)(Trace(x=code, code=code))
    assert charge.shape == (2,)
    assert charge[0].item() == pytest.approx(0.3681, abs=1e-4)  # .1 ln .2 + .9 ln 1.8


@pytest.mark.parametrize("cls", list(PARTS["loss"].values()))
def test_a_losss_link_is_the_inverse_of_its_reading(cls):
    mean = torch.tensor([0.4, 0.7, 0.2, 0.3, 0.5, 0.1, 0.6])
    back = cls().read(cls().link(mean, plan())[None], plan())
    torch.testing.assert_close(back[0], mean)


def test_the_decoder_starts_at_the_mean_of_the_training_rows():
    net = net_of("mlp(depth=2)")
    torch.testing.assert_close(
        net.decode(torch.zeros(1, UNITS, dtype=torch.float64)).float(), torch.full((1, FEATURES), 0.25)
    )


def jacobian(encode, x: torch.Tensor) -> torch.Tensor:
    """(batch, units, *shape), every sample by itself."""
    return vmap(jacrev(lambda row: encode(row[None])[0]))(x)


SETTLES = {
    "identity": (),
    "sigmoid": (Sigmoid(),),
    "relu": (Relu(),),
    "topk": (Topk(2),),
    "both": (Sigmoid(), Topk(0.5)),
    "tanh": (Tanh(),),
    "softplus": (Softplus(),),
    "gelu": (Gelu(),),
}


@pytest.mark.parametrize("name", SETTLES)
def test_the_closed_contractive_form_equals_the_jacobian(name):
    text = {
        "identity": "",
        "sigmoid": "sigmoid() +",
        "relu": "relu() +",
        "topk": "topk(2) +",
        "both": "sigmoid() + topk(0.5) +",
    }
    objective = parse_objective(f"{text.get(name, f'{name}() +')} contractive(0.1)")
    net, x = net_of("mlp()"), samples(9)
    weight, slope = net.affine_weight(), objective.slope(net.encode(x))
    found = Contractive()(Trace(x=x, code=x, encoded_by_affine=weight, slope=slope))
    expected = jacobian(lambda rows: objective.settle(net.encode(rows)), x).square().sum((1, 2))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("text", ["mlp(depth=3, activation='tanh')", "mlp(5, 6, activation='gelu')"])
def test_the_exact_deep_jacobian_equals_jacrev(text):
    net, x = net_of(text), samples(6)
    found = Contractive(probes=0)(Trace(x=x, code=x, seen=x, encode=lambda rows: net.encode(rows).sigmoid()))
    expected = jacobian(lambda rows: net.encode(rows).sigmoid(), x).square().sum((1, 2))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_a_contractive_conv_net_is_charged_for_every_picture_by_itself():
    shape = (5, 4, 2)
    whole = plan(shape, layout=(Block("numeric", 0, 40),))
    objective = parse_objective("sigmoid() + contractive(0.1, probes=0)").resolve(whole)
    model = Model(whole, objective, parse_net("conv(3, 4)", shape, UNITS).build(whole, UNITS, True)).double()
    model.draw_weights(0)
    x = normal(6, *shape).sigmoid()
    model.train()
    for _ in range(30):  # the running statistics come near those of the batch
        model.net.encode(x)
    before = {name: value.clone() for name, value in model.net.state_dict().items() if "running" in name}
    found = Contractive(probes=0)(Trace(x=x, code=x, seen=x, encode=model.codes_alone))
    assert all(torch.equal(value, model.net.state_dict()[name]) for name, value in before.items())
    assert all(part.training for part in model.modules())
    model.eval()
    expected = jacobian(model.codes, x).square().flatten(1).sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert bool((found > 1e-3).all())


@pytest.mark.parametrize("probes", [1, 3])
def test_the_probed_jacobian_is_unbiased(probes):
    one = trace(4)
    truth = Contractive(probes=0)(one).detach()
    draws = torch.stack(
        [Contractive(probes=probes)(replace(one, context=Context(seed=5, step=step))).detach() for step in range(300)]
    )
    error = (draws.mean(0) - truth) / (draws.std(0) / len(draws) ** 0.5)
    assert bool((error.abs() < 4).all())
    assert draws.std(0).min() > 0
