"""Eleven defects found in other libraries, one test each: ours must not have them.

The numbers are those of the list they were collected in; every value is computed here a second time, in numpy.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import erf, expit
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import codelayer
from codelayer.errors import CodelayerError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.diverged import Diverged
from codelayer.learn.loop import held_out_loss
from codelayer.learn.sources import Rows
from codelayer.objective import RECIPES, Context, Trace
from codelayer.objective.penalties import Kl
from codelayer.objective.sparse_penalties import Revive, Silence
from codelayer.objective.variational import stratified_weights

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus|collapsed|more than)")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 3)) @ RNG.normal(size=(3, 6)) + 0.1 * RNG.normal(size=(96, 6))


def coder(objective: str = "undercomplete", **options) -> Autoencoder:
    return Autoencoder(3, objective, **({"epochs": 3, "batch_size": 16, "random_state": 0} | options))


def charged(made: Autoencoder, rows: np.ndarray, step: int = 0) -> dict[str, torch.Tensor]:
    """Every term's weighted mean over these rows, as one training step has it."""
    x = torch.from_numpy(made.schema_.encode(rows)).to(next(made.model_.parameters()).dtype)
    context = Context(5, step, 1.0, dict(made.model_.terms.named_children()), rows=len(X))
    return made.model_.objective.charge(made.model_, x, None, context)


def test_defect_01_the_kl_has_a_gradient_at_the_defaults():
    """PyOD's VAE clamps the KL to a capacity of 0 by default: it trains without any."""
    made = coder("gaussian() + prior()", net="mlp()").prepare(X)
    layer = made.model_.net.stages["encoded"][0]
    encoded = (made.schema_.encode(X) - made.model_.net.mean.numpy()) @ layer.weight.detach().numpy().T
    mean, log_variance = np.split(encoded + layer.bias.detach().numpy(), 2, axis=1)
    nats = (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1) / 2
    found = charged(made, X)["prior"]
    assert found.item() == pytest.approx(nats.mean(), rel=1e-5) and nats.mean() > 0.1
    found.backward()
    assert (layer.weight.grad.norm(dim=1) > 1e-3).all()  # both means and log variances
    strong = coder("gaussian() + prior(20)", net="mlp()").prepare(X)
    charged(strong, X)["prior"].backward()  # and the weight has an effect
    np.testing.assert_allclose(strong.model_.net.stages["encoded"][0].weight.grad, 20 * layer.weight.grad, rtol=1e-5)
    assert "prior" in RECIPES["variational"][0]


def test_defect_02_stratified_weights_sit_on_the_diagonal():
    """beta-TCVAE's code, copied by many, strides by B in place of B + 1: 1/N lands in column 0."""
    weights = stratified_weights(8, 1000).numpy()
    assert np.diag(weights) == pytest.approx(np.full(8, 0.001), rel=1e-12)
    rest = weights[~np.eye(8, dtype=bool)]
    assert rest == pytest.approx(np.full(56, 0.999 / 7), rel=1e-12)
    assert weights.sum(1) == pytest.approx(np.ones(8), rel=1e-12)


def test_defect_03_auxk_gives_the_decoder_bias_exactly_zero_gradient():
    """SAELens and sparsify added the decoder's bias to a residual that excludes it already; k came from the units."""
    units, features = 40, 6
    made = Autoencoder(units, "topk(2) + revive(1, after=1)", "mlp()", random_state=0).prepare(X)
    made.model_.double().train()
    silence = made.model_.module_of("revive")
    assert isinstance(silence, Silence)
    silence.samples.fill_(1000)
    x = torch.from_numpy(made.schema_.encode(X[:4])).double()
    decoder, bias = made.model_.net.decoder, list(made.model_.net.decoder.parameters())[-1]
    with torch.no_grad():
        bias.add_(3.0)
    encoded = made.model_.net.encode(x)
    code = torch.zeros(4, units, dtype=torch.float64)
    code[:, 0] = 1.0  # on, so that all others are dead
    rebuilt = decoder(code.requires_grad_(True))
    one = Trace(x=x, code=code, encoded=encoded, rebuilt=rebuilt, decoder=decoder, context=Context(modules={
        "revive": silence}))  # fmt: skip
    value = Revive(1, after=1)(one)
    atoms, z = decoder[-1].weight.detach().numpy(), encoded.detach().numpy().copy()
    z[:, 0] = -np.inf
    kept = np.zeros((4, units))
    for row in range(4):
        best = np.argsort(-z[row])[: features // 2]  # half the features, not half the units
        kept[row, best] = z[row, best]
    residual = (x - rebuilt).detach().numpy()
    answer, left = kept @ atoms.T, (residual**2).sum(1)
    shorter = np.minimum(1, np.sqrt(left / (answer**2).sum(1)))
    whole = ((x.numpy() - silence.mean.numpy()) ** 2).sum(1)
    expected = ((residual - shorter[:, None] * answer) ** 2).sum(1) * whole / left
    assert value.detach().numpy() == pytest.approx(expected, rel=1e-6)
    slopes = torch.autograd.grad(value.sum(), (bias, code), allow_unused=True)
    # None is no gradient at all: neither the bias nor, through x - rebuilt, the living code takes part
    assert all(slope is None or not slope.any() for slope in slopes)


def test_defect_04_the_transform_of_a_variational_code_is_deterministic():
    """pythae's embed() draws: two calls differ."""
    made = coder("variational").fit(X)
    torch.manual_seed(1)
    first = made.transform(X)
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, made.transform(X))
    with torch.no_grad():
        mean = made.model_.net.encode(torch.from_numpy(made.schema_.encode(X)))[:, :3].numpy()
    np.testing.assert_allclose(first, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(made.inverse_transform(first), made.inverse_transform(made.transform(X)))


def test_defect_05_clone_grid_search_noisy_validation_and_a_loss_that_is_a_mean():
    """encdr cannot be cloned, validates without its noise, and its VAE sums over the batch; names were not exported."""
    made = coder("mask(0.5)")
    assert clone(made).get_params() == made.get_params()
    search = GridSearchCV(made, {"code_size": [1, 3]}, cv=2).fit(X)
    assert (
        np.isfinite(search.cv_results_["mean_test_score"]).all() and np.isfinite(cross_val_score(made, X, cv=2)).all()
    )
    assert codelayer.Autoencoder is Autoencoder
    # the held-out loss is that of masked rows: it differs from that of clean ones, and equals a second computation
    made = coder("mask(0.5)").fit(X)
    rows = Rows(X, made.schema_)
    x = made.schema_.encode(X)
    clean = ((made._decode_block(made.transform(X)) - x) ** 2).sum(1).mean()
    seen = made.model_.objective.corruptions[0].corrupt(torch.from_numpy(x), Context(7, -1, 1.0))[0].numpy()
    noisy = ((made._decode_block(made.encode_samples(seen)) - x) ** 2).sum(1).mean()
    assert held_out_loss(made.model_, rows, 7) == pytest.approx(noisy, rel=1e-5)
    assert abs(noisy - clean) > 0.02 * clean and not made.model_.training
    # twice the rows, the same loss
    made = coder("variational").fit(X)
    once, twice = charged(made, X), charged(made, np.concatenate([X, X]))
    assert twice["prior"].item() == pytest.approx(once["prior"].item(), rel=1e-5)


@pytest.mark.parametrize("scale", ["none", "auto", "block", "columns"])
def test_defect_06_a_checkpoint_needs_no_scaling(scale, tmp_path):
    """dictionary_learning's backups fail unless activations are normalised."""
    options = {"scale": scale, "validation": 0, "epochs": 4}
    for epoch in coder(run=tmp_path / "run", **options).fit_epochs(X, checkpoint_seconds=0):
        if epoch.number == 2:
            break
    assert (tmp_path / "run" / "checkpoints" / "training.zip").exists()
    continued = coder(run=tmp_path / "run", **options).fit(X)
    np.testing.assert_array_equal(continued.transform(X), coder(**options).fit(X).transform(X))
    assert len(continued.history_) == 4


def test_defect_07_a_loss_that_is_no_number_stops_the_run_and_eval_is_undone_by_train():
    """overcomplete goes on after NaN, leaving the epoch unfinished in silence; its eval() drops dropout for good."""
    made = coder(learning_rate=1e30, validation=0)
    with np.errstate(all="ignore"), pytest.raises(Diverged, match=r"no longer finite at step \d+, in epoch \d+\n"):
        made.fit(X)
    assert all(one.isfinite().all() for one in made.model_.parameters())
    pictures = np.random.default_rng(1).random((24, 6, 6, 1)).astype(np.float32)
    for text, x in (("views(noise(0.3)) + variance(25)", pictures), ("gaussian() + prior()", X), ("mask(0.5)", X)):
        made = coder(text, net="conv(4)" if x.ndim == 4 else "auto").prepare(x)
        made.model_.train()
        before = {name: value.item() for name, value in charged(made, x).items()}
        modes = [one.training for one in made.model_.modules()]
        held_out_loss(made.model_, Rows(x, made.schema_), 0)
        assert not any(one.training for one in made.model_.modules())
        made.model_.train()
        assert [one.training for one in made.model_.modules()] == modes
        assert {name: value.item() for name, value in charged(made, x).items()} == before


@pytest.mark.parametrize(
    "objective", ["undercomplete", "views(noise(0.1)) + variance(25)", "slowness(1)", "variational"]
)
def test_defect_08_a_batch_larger_than_the_data_trains(objective):
    """PyOD drops the last batch: with fewer rows than a batch there is none, and an unbound loss."""
    made, still = coder(objective, batch_size=10_000, epochs=2), coder(objective, batch_size=10_000).prepare(X[:7])
    made.fit(X[:7])
    assert len(made.history_) == 2 and made.record_["batch_size"] == 7
    assert all(np.isfinite(list(one.values())).all() for one in made.history_)
    moved = zip(made.model_.parameters(), still.model_.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in moved)
    assert coder(objective, batch_size=10_000).partial_fit(X[:7]).partial_fit(X[:1]).transform(X[:1]).shape == (1, 3)


ACTIVATIONS = {
    "": lambda z: z,
    "sigmoid() + ": expit,
    "tanh() + ": np.tanh,
    "relu() + ": lambda z: np.maximum(z, 0),
    "softplus() + ": lambda z: np.logaddexp(0, z),
    "gelu() + ": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
}


@pytest.mark.parametrize("text", ACTIVATIONS)
@pytest.mark.parametrize("weight", ["3", "0.3"])
def test_defect_09_the_contractive_penalty_of_each_activation_is_a_frobenius_norm(text, weight):
    """Copies take the sigmoid's formula under relu, square the sum, take a mean, or divide whole numbers."""
    made = coder(f"{text}contractive({weight})", net="mlp()", scale="none").prepare(X)
    made.model_.double()
    layer = made.model_.net.stages["encoded"][0]
    w, b, centre = (one.detach().numpy() for one in (layer.weight, layer.bias, made.model_.net.mean))
    rows, h, act = X[:7] * 2, 1e-5, ACTIVATIONS[text]

    def code(x: np.ndarray) -> np.ndarray:
        return act((x - centre) @ w.T + b)

    moved = [(code(rows + h * e) - code(rows - h * e)) / (2 * h) for e in np.eye(6)]
    jacobian = np.stack(moved, axis=2)  # (rows, units, features)
    norm = (jacobian**2).sum((1, 2)).mean()
    context = Context(0, 0, 1.0, {})
    found = made.model_.objective.charge(made.model_, torch.from_numpy(rows), None, context)["contractive"].item()
    assert found == pytest.approx(float(weight) * norm, rel=1e-6)
    z = (rows - centre) @ w.T + b
    sigmoids = ((expit(z) * (1 - expit(z))) ** 2 @ (w**2).sum(1)).mean()
    wrong = [(jacobian.sum((1, 2)) ** 2).mean(), (jacobian**2).mean((1, 2)).mean(), norm // 1]
    for one in [*wrong, *([sigmoids] if text != "sigmoid() + " else [])]:
        assert abs(found - float(weight) * one) > 1e-3 * found


def test_defect_10_the_kl_is_over_the_batch_average_with_the_right_brackets():
    """Copies charge the KL of every sample's own activity, or write p log p / q for p log (p / q)."""
    rho = RNG.uniform(0.02, 0.9, size=(9, 4))
    p, q = 0.05, rho.mean(0)
    wanted = sum(p * np.log(p / one) + (1 - p) * np.log((1 - p) / (1 - one)) for one in q)
    code = torch.from_numpy(rho).requires_grad_(True)
    found = Kl(1.0, target=p)(Trace(x=code, code=code))
    assert found.detach().numpy() == pytest.approx(np.full(9, wanted), rel=1e-12)
    (slope,) = torch.autograd.grad(found.mean(), code)
    assert slope.numpy() == pytest.approx(np.tile(((1 - p) / (1 - q) - p / q) / 9, (9, 1)), rel=1e-9)
    alone = (p * np.log(p / rho) + (1 - p) * np.log((1 - p) / (1 - rho))).sum(1).mean()
    brackets = sum(p * np.log(p) / one + (1 - p) * np.log(1 - p) / (1 - one) for one in q)
    assert abs(wanted - alone) > 0.01 and abs(wanted - brackets) > 0.01
    level = torch.full((5, 2), p, dtype=torch.float64)
    assert Kl(target=p)(Trace(x=level, code=level))[0].item() == pytest.approx(0, abs=1e-12)


BY_SAMPLE = "relu() + l1(0.1) + contractive(0.2, probes=0)", "gaussian() + prior(2)", "sigmoid() + huber()"


@pytest.mark.parametrize("text", BY_SAMPLE)
def test_defect_11_the_loss_and_its_gradient_do_not_change_with_the_batch_size(text):
    """sparsify divided by the number of micro-batches once too often."""
    made = coder(text, net="mlp()").prepare(X)
    made.model_.double().train()
    weights = list(made.model_.parameters())

    def slopes(rows: np.ndarray) -> list[np.ndarray]:
        loss = sum(charged(made, rows).values())
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        return [loss.detach().numpy(), *(np.zeros(1) if one is None else one.numpy() for one in found)]

    near = {"rtol": 1e-9, "atol": 1e-9}
    if "gaussian" in text:  # as good as without its draw, which differs by a row's place in the batch
        with torch.no_grad():
            made.model_.net.stages["encoded"][0].weight[3:].zero_()
            made.model_.net.stages["encoded"][0].bias[3:].fill_(-20.0)
        near = {"rtol": 1e-6, "atol": 1e-3}
    whole, parts = slopes(X), [slopes(part) for part in np.split(X, 4)]
    for place, one in enumerate(whole):
        np.testing.assert_allclose(np.mean([part[place] for part in parts], 0), one, **near)
    sizes = [coder(text, batch_size=size, epochs=1, learning_rate=1e-12, validation=0).fit(X) for size in (5, 96)]
    one, other = (made.history_[0] for made in sizes)
    assert all(one[name] == pytest.approx(other[name], rel=1e-4) for name in one if name != "normal")


def test_defects_are_told_as_the_users_mistake_where_they_are_one():
    """No bare NameError or unbound variable: what a user can cause is a CodelayerError of two lines."""
    for options in ({"batch_size": 0}, {"learning_rate": float("nan")}, {"validation": 1.0}):
        with pytest.raises(CodelayerError) as error:
            coder(**options).fit(X)
        assert len(str(error.value).splitlines()) == 2
