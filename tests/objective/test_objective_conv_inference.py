"""Convolutional predictive sparse decomposition: its operators, its inferred codes, its estimator."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from codelayer import Autoencoder, load
from codelayer.errors import SentenceError
from codelayer.learn.sparse_coding import ista
from codelayer.learn.sparse_coding.problem import objective as energy
from codelayer.nets import Plan, parse_net
from codelayer.objective import Context, Model, parse_objective
from codelayer.objective.inference import infer

PSD = "shrink(0.1) + infer(0.1) + predict(1) + unit_norm()"
# picture, size, stride, filters
SHAPES = [((6, 5, 1), 3, 1, 3), ((7, 6, 2), 3, 2, 4), ((5, 8, 1), 4, 3, 5), ((4, 4, 3), 4, 1, 2), ((3, 3, 1), 1, 1, 2)]


def model_of(
    shape: tuple[int, ...], size: int, stride: int, filters: int, text: str = PSD, gain: bool = False
) -> Model:
    net = parse_net(f"conv_dictionary({size}, stride={stride}, gain={gain})", shape, 1)
    features = int(np.prod(shape))
    zeros = np.zeros(features, np.float32)
    plan = Plan(shape, filters * int(np.prod(net.grid(shape))), (), True, zeros + 0.3, zeros, zeros + 1)
    objective = parse_objective(text).resolve(plan)
    model = Model(plan, objective, net.build(plan, objective.outputs(plan), True))
    model.draw_weights(2)
    return model.double()


def brute_atoms(model: Model, size: int, stride: int) -> np.ndarray:
    """(features, units): every filter at every place, written into the picture pixel by pixel."""
    high, wide, channels = model.plan.shape
    filters = model.net.decoder.weight.detach().numpy().T.reshape(-1, channels, size, size)
    atoms = []
    for one in filters:
        for top in range(0, -(-(high - size) // stride) * stride + 1, stride):
            for left in range(0, -(-(wide - size) // stride) * stride + 1, stride):
                picture = np.zeros((high, wide, channels))
                for c in range(channels):
                    for i in range(size):
                        for j in range(size):
                            if top + i < high and left + j < wide:
                                picture[top + i, left + j, c] = one[c, i, j]
                atoms.append(picture.ravel())
    return np.array(atoms).T


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_the_operators_are_the_dense_dictionary_and_its_transpose(case):
    model = model_of(*case)
    (maps, bias), atoms = model.net.dictionary(), torch.from_numpy(brute_atoms(model, *case[1:3]))
    assert atoms.shape == (model.plan.features, model.plan.code_size)
    code, x = normal(4, atoms.shape[1]), normal(4, atoms.shape[0])
    torch.testing.assert_close(maps.down(code), code @ atoms.t(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(maps.up(x), x @ atoms, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.net.decode(code), code @ atoms.t() + bias)
    torch.testing.assert_close(bias, torch.full_like(bias, 0.3))
    most = torch.linalg.matrix_norm(atoms, 2).square()
    assert most <= maps.curvature() <= 1.1001 * most


@pytest.mark.parametrize("pull", [0.0, 1.0])
@pytest.mark.parametrize("case", SHAPES[:3], ids=str)
def test_the_inferred_maps_are_those_of_ista_on_the_dense_dictionary(case, pull):
    model = model_of(*case)
    maps, atoms = model.net.dictionary()[0], brute_atoms(model, *case[1:3])
    x, guess = normal(6, model.plan.features), normal(6, model.plan.code_size) / 3
    stacked = np.concatenate([atoms, np.sqrt(pull) * np.eye(atoms.shape[1])])
    target = np.concatenate([x.numpy(), np.sqrt(pull) * guess.numpy()], axis=1)
    best = ista(target, stacked, 0.2, iterations=200_000, tolerance=1e-14)
    with torch.no_grad():
        course = [energy(target, infer(x, maps, guess, 0.2, pull, k).numpy(), stacked, 0.2) for k in (1, 5, 20, 1500)]
        found = infer(x, maps, guess, 0.2, pull, 1500).numpy()
    np.testing.assert_allclose(course[-1], energy(target, best, stacked, 0.2), atol=1e-6)
    assert all((after <= before + 1e-9).all() for before, after in pairwise(course))
    if pull:  # then the least is one point
        np.testing.assert_allclose(found, best, atol=1e-6)


def test_the_gradients_of_a_step_are_those_of_the_dense_formula():
    case = SHAPES[1]
    model = model_of(*case, text="infer(0.1, steps=400) + predict(0.7)")
    x = normal(5, *case[0]).sigmoid()
    terms = model.objective.charge(model, x, None, Context())
    guess, (maps, bias) = model.net.encode(x), model.net.dictionary()
    with torch.no_grad():
        code = infer(x.flatten(1) - bias, maps, guess, 0.1, 1.0, 400)
    torch.testing.assert_close(terms["predict"], 0.7 * (code - guess).square().sum(1).mean())
    sum(terms.values()).backward()
    atoms = torch.from_numpy(brute_atoms(model, *case[1:3]))
    to_atoms = 2 * (code @ atoms.t() + bias - x.flatten(1)).t() @ code / 5  # (features, units)
    weight = model.net.decoder.weight
    # a filter's gradient is the sum of its atoms' gradients, each read at its place
    for k in range(weight.shape[1]):
        one = torch.zeros_like(weight)
        one[:, k] = normal(len(weight))
        kept = weight.detach().clone()
        weight.data = one
        direction = torch.from_numpy(brute_atoms(model, *case[1:3]))
        weight.data = kept
        assert (weight.grad * one).sum().item() == pytest.approx((to_atoms * direction).sum().item(), rel=1e-9)


def test_unit_norm_holds_every_filter_at_length_one():
    model = model_of(*SHAPES[1])
    with torch.no_grad():
        model.net.decoder.weight.mul_(3)
    model.objective.constraints[0].after_step(model.net)
    torch.testing.assert_close(model.net.decoder.weight.norm(dim=0), torch.ones(4, dtype=torch.float64))


def test_the_gain_scales_a_tanh_per_filter():
    model = model_of(*SHAPES[1], gain=True)
    encoder = model.net.stages["encoded"]
    assert bool((model.net.encode(50 * normal(3, 7, 6, 2)).abs() <= 1).all())
    with torch.no_grad():
        before = model.net.encode(normal(3, 7, 6, 2)).reshape(3, 4, -1)
        encoder.log_gain[2] = np.log(5.0)
        after = model.net.encode(normal(3, 7, 6, 2)).reshape(3, 4, -1)
    torch.testing.assert_close(after[:, 2], 5 * before[:, 2])
    torch.testing.assert_close(after[:, :2], before[:, :2])


def spots(n: int = 120, side: int = 9) -> np.ndarray:
    """Pictures with one or two crosses at any place."""
    rng, made = np.random.default_rng(0), np.zeros((n, side, side, 1), np.float32)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    for picture in made[..., 0]:
        for _ in range(rng.integers(1, 3)):
            top, left = rng.integers(0, side - 2, 2)
            picture[top : top + 3, left : left + 3] += 0.5 * cross
    return made


@pytest.mark.parametrize("net", ["conv_dictionary(3, stride=2)", "conv_dictionary(3, stride=2, gain=True)"])
def test_pictures_are_coded_rebuilt_and_come_back_from_a_bundle(net, tmp_path):
    x = spots()
    coder = Autoencoder(4 * 4 * 4, "psd", net, epochs=12, learning_rate=0.02, random_state=0)
    course = [epoch.terms for epoch in coder.fit_epochs(x)]
    assert course[-1]["predict"] < 0.5 * course[0]["predict"] and course[-1]["squared"] < 0.5 * course[0]["squared"]
    codes = coder.transform(x)
    assert codes.shape == (120, 64) and (codes == 0).mean() > 0.2 and coder.score(x) > 0.5
    assert coder.inverse_transform(codes).shape == x.shape
    order = np.random.default_rng(1).permutation(120)
    np.testing.assert_array_equal(coder.transform(x[order]), codes[order])
    coder.save(tmp_path / "b")
    np.testing.assert_array_equal(load(tmp_path / "b").transform(x), codes)


@pytest.mark.parametrize(
    "net, code_size, said",
    [
        ("conv_dictionary(3, stride=2)", 50, r"no multiple of the 4 x 4 places of a filter\n  choose code_size=48"),
        ("conv_dictionary(10)", 50, "do not fit into a 9 x 9 picture"),
        ("conv_dictionary(3, stride=4)", 50, "stride is 1 to size"),
        ("conv_dictionary(0)", 50, "size is at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(net, code_size, said):
    with pytest.raises(SentenceError, match=said) as error:
        Autoencoder(code_size, "psd", net, epochs=1).fit(spots())
    assert len(str(error.value).splitlines()) == 2


def test_rows_and_two_outputs_per_unit_are_refused():
    with pytest.raises(SentenceError, match="needs pictures"):
        Autoencoder(4, "psd", "conv_dictionary(2)", epochs=1).fit(np.eye(6))
    with pytest.raises(SentenceError, match="gaussian.. reads two"):
        Autoencoder(16, "gaussian() + prior(1)", "conv_dictionary(3, stride=2)", epochs=1).fit(spots())
