"""Sparse codes: each term against an independent computation, its gradient, and what it remembers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

import codelayer
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.doctor import mean_ratio, off_centre, too_few_kept, too_wide
from codelayer.nets import Plan, parse_net
from codelayer.objective import Context, Model, Trace, parse_objective
from codelayer.objective.bottlenecks import Topk
from codelayer.objective.losses import Bernoulli, Squared
from codelayer.objective.sparse_bottlenecks import BatchTopk, JumpRelu
from codelayer.objective.sparse_pass import sparse_pass
from codelayer.objective.sparse_penalties import L0, Nested, Revive

F, U = 6, 8


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plan(features: int = F, units: int = U) -> Plan:
    zeros = np.zeros(features, np.float32)
    return Plan((features,), units, (), False, zeros + 0.25, zeros - 1, zeros + 1)


def model_of(text: str, net: str = "mlp()", features: int = F, units: int = U) -> Model:
    whole = plan(features, units)
    objective = parse_objective(text).resolve(whole)
    made = Model(whole, objective, parse_net(net, whole.shape, units).build(whole, units, True))
    made.draw_weights(3)
    return made.double().train()


def context(model: Model) -> Context:
    return Context(1, 0, 0.0, dict(model.terms.named_children()))


# --- batch_topk -----------------------------------------------------------------------------------------------------


def test_batch_topk_keeps_the_largest_of_the_batch_and_remembers_the_smallest_kept():
    term, module, smallest = BatchTopk(3), BatchTopk(3).module(plan()).double(), []
    here = Context(modules={"batch_topk": module})
    for seed in range(5):
        x = normal(7, U, seed=seed)
        code = term.draw(x, here).numpy()
        kept = np.sort(x.numpy().ravel())[-21:]
        assert np.count_nonzero(code) == 21 and set(code[code != 0]) == set(kept)
        smallest.append(kept[0])
    assert module.value.item() == pytest.approx(np.mean(smallest), rel=1e-12)
    x = normal(50, U, seed=9)
    settled = term.settle(x, here)
    np.testing.assert_array_equal(settled, np.where(x >= np.mean(smallest), x, 0))
    assert torch.equal(term.settle(x[[4]], here)[0], settled[4])  # every row by itself
    module.eval()
    assert torch.equal(term.draw(x, here), settled) and module.batches == 5  # held-out rows are coded as afterwards


def test_batch_topk_before_training_is_topk_and_its_gradient_passes_finite_differences():
    x = normal(5, U)
    assert torch.equal(BatchTopk(2).settle(x, None), Topk(2).settle(x, None))
    assert torch.autograd.gradcheck(lambda z: BatchTopk(2).draw(z, None), x.requires_grad_(True))


def test_the_running_threshold_follows_the_last_hundred_batches():
    module = BatchTopk().module(plan())
    for value in np.r_[np.full(300, 5.0), np.full(700, 1.0)]:
        module.note(torch.tensor(value, dtype=torch.float32))
    assert module.value.item() == pytest.approx(1 + 4 * 0.99**700, abs=1e-3)


# --- jumprelu and l0 ------------------------------------------------------------------------------------------------


def jump(start: float = 0.3, bandwidth: float = 0.4):
    module = JumpRelu(start, bandwidth).module(plan()).double()
    with torch.no_grad():
        module.threshold += 0.1 * torch.arange(U)
    return module, Context(modules={"jumprelu": module})


def test_jumprelu_and_l0_equal_numpy_forwards_and_in_their_pseudo_derivatives():
    module, here = jump()
    z, weight = normal(40, U).requires_grad_(True), normal(40, U, seed=1)
    x, theta, w = z.detach().numpy(), module.threshold.detach().numpy(), weight.numpy()
    code = JumpRelu(0.3, 0.4).draw(z, here)
    np.testing.assert_array_equal(code.detach(), np.where(x > theta, x, 0))
    inside = np.abs(x - theta) < 0.2
    (code * weight).sum().backward()
    np.testing.assert_allclose(z.grad, w * (x > theta), rtol=1e-12)
    np.testing.assert_allclose(module.threshold.grad, (-theta / 0.4 * inside * w).sum(0), rtol=1e-12)
    module.threshold.grad = z.grad = None
    count = L0()(Trace(x=z, code=code, encoded=z, context=here))
    np.testing.assert_array_equal(count.detach(), (x > theta).sum(1))
    (count * weight[:, 0]).sum().backward()
    np.testing.assert_allclose(module.threshold.grad, (-1 / 0.4 * inside * w[:, :1]).sum(0), rtol=1e-12)
    assert z.grad is None or not z.grad.any()


def test_the_pseudo_derivative_is_the_finite_difference_of_the_mean_over_many_samples():
    module, here = jump(bandwidth=0.2)
    z = normal(400_000, U)
    JumpRelu(0.3, 0.2).draw(z, here).mean(0).sum().backward()
    theta, step = module.threshold.detach(), 0.1
    ends = [(z * (z > theta + move)).mean(0) for move in (step, -step)]
    torch.testing.assert_close(module.threshold.grad, (ends[0] - ends[1]) / (2 * step), rtol=0.02, atol=1e-3)


def test_l0_alone_raises_thresholds_and_they_are_saved(tmp_path):
    x = np.random.default_rng(0).normal(size=(200, F)).astype(np.float32)
    options = {"net": "mlp()", "epochs": 8, "learning_rate": 0.02, "random_state": 0}
    made = [Autoencoder(U, f"jumprelu(0.1, 0.3) + l0({w})", **options).fit(x) for w in (1e-6, 1.0)]
    active = [(one.transform(x) != 0).mean() for one in made]
    assert active[1] < 0.8 * active[0]
    made[1].save(tmp_path / "b")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "b").transform(x), made[1].transform(x))


# --- nested ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["mlp()", "mlp(5, activation='tanh')", "mlp(tied=True)"])
@pytest.mark.parametrize("loss", [Squared(), Bernoulli()])
def test_nested_equals_brute_force(net, loss):
    decoder, code, x = model_of("squared()", net).net.decoder, normal(9, U), normal(9, F, seed=1).sigmoid()
    term = Nested(1.0, (2, 0.5, 7))
    found = term(Trace(x=x, code=code, decoder=decoder, loss=loss))
    expected = 0.0
    for width in (2, 4, 7):
        cut = code.clone()
        cut[:, width:] = 0
        out = decoder(cut).detach().numpy()
        p = 1 / (1 + np.exp(-out))
        nats = -(x.numpy() * np.log(p) + (1 - x.numpy()) * np.log(1 - p))
        expected = expected + ((x.numpy() - out) ** 2 if isinstance(loss, Squared) else nats).sum(1)
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-10)


def test_nested_has_shares_by_default_and_a_gradient():
    assert Nested().count(32) == [2, 4, 8, 16] and Nested().count(3) == [1, 2] and Nested().count(1) == []
    decoder, x = model_of("squared()").net.decoder, normal(3, F)
    code = normal(3, U).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda c: Nested()(Trace(x=x, code=c, decoder=decoder, loss=Squared())), code)


def test_the_first_units_of_a_nested_code_rebuild_better_than_those_of_a_plain_one():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(300, 8)) * [8, 4, 2, 1, 1, 1, 1, 1] @ np.linalg.qr(rng.normal(size=(8, 8)))[0]).astype("f4")
    options = {"net": "mlp()", "epochs": 30, "learning_rate": 0.02, "scale": "none", "random_state": 0}
    errors = []
    for text in ("squared()", "nested(1, widths=(1, 2, 4))"):
        made = Autoencoder(8, text, **options).fit(x)
        code = made.transform(x)
        code[:, 2:] = 0
        errors.append(np.square(made.inverse_transform(code) - x).mean())
    assert errors[1] < 0.5 * errors[0]


# --- revive ---------------------------------------------------------------------------------------------------------


def dead_model(net: str) -> tuple[Model, Context]:
    model = model_of("topk(2) + revive(1, k=2, after=5)", net)
    with torch.no_grad():
        model.net.decoder[-1].bias.copy_(normal(F))
    here = context(model)
    here.modules["revive"].samples[:3] = 1000
    return model, here


@pytest.mark.parametrize("net", ["mlp()", "mlp(5, activation='tanh')", "mlp(tied=True)"])
def test_revive_equals_numpy_and_puts_exactly_no_gradient_on_a_decoder_bias(net):
    model, here = dead_model(net)
    x = normal(40, F, seed=2)
    encoded = model.net.encode(x) * torch.linspace(0.1, 50, 40, dtype=torch.float64)[:, None]
    encoded.retain_grad()
    code = torch.zeros(40, U, dtype=torch.float64)
    code[:, 5] = 1.0  # the first three units stay dead
    rebuilt = model.net.decode(code)
    one = Trace(x=x, code=code, encoded=encoded, rebuilt=rebuilt, decoder=model.net.decoder, context=here)
    value = Revive(1, k=2, after=500)(one)
    z, used = encoded.detach().numpy(), np.zeros((40, U))
    for row in range(40):
        for unit in sorted(range(3), key=lambda j: -z[row, j])[:2]:
            used[row, unit] = z[row, unit]
    answer = [model.net.decode(torch.as_tensor(u)) for u in (used, np.zeros((40, U)))]
    left, adds = x.numpy() - rebuilt.detach().numpy(), (answer[0] - answer[1]).detach().numpy()
    size = np.minimum(1, np.linalg.norm(left, axis=1) / np.linalg.norm(adds, axis=1))[:, None]
    assert (size == 1).any() and ((size < 1).any() or "tanh" in net)  # tanh bounds an answer
    whole = ((x.numpy() - 0.25) ** 2).sum(1)  # 0.25 is the plan's mean
    expected = whole * ((left - size * adds) ** 2).sum(1) / (left**2).sum(1)
    np.testing.assert_allclose(value.detach(), expected, rtol=1e-6)
    value.sum().backward()
    biases = [one.grad for name, one in model.net.decoder.named_parameters() if name.endswith("bias")]
    assert biases and all(grad is None or not grad.any() for grad in biases)
    rows = model.net.stages["encoded"][-1].bias.grad
    assert rows[:3].any() and not rows[3:].any()  # only dead units learn: the residual is detached
    along = (encoded.grad.numpy() * used).sum(1)  # an answer that is too long is turned, not shortened
    if net == "mlp()":
        assert np.abs(along[size[:, 0] < 1]).max() < 1e-12 < np.abs(along[size[:, 0] == 1]).min()


def test_revive_counts_samples_and_is_zero_while_nothing_is_dead_and_on_held_out_rows():
    model, here = dead_model("mlp()")
    x, silence = normal(4, F), here.modules["revive"]
    silence.samples.zero_()
    code = torch.zeros(4, U, dtype=torch.float64)
    code[1, 2] = -1.0
    one = Trace(x=x, code=code, encoded=x @ x[:1].t() + code, rebuilt=x * 0, decoder=model.net.decoder, context=here)
    assert not Revive(1, after=5)(one).any()
    assert silence.samples.tolist() == [4, 4, 0, 4, 4, 4, 4, 4]
    model.eval()
    assert not Revive(1, after=1)(one).any() and silence.samples[0] == 4
    model.train()
    assert Revive(1, after=5)(one).all() and silence.samples[0] == 8


def test_counters_and_thresholds_survive_a_stop_in_the_same_bits(tmp_path):
    x = np.random.default_rng(0).normal(size=(80, F)).astype(np.float32)
    text = "batch_topk(1) + revive(after=40) + unit_norm()"
    options = {"net": "mlp()", "epochs": 6, "batch_size": 16, "validation": 0, "random_state": 1}
    for epoch in Autoencoder(24, text, run=tmp_path / "run", **options).fit_epochs(x, checkpoint_seconds=1e9):
        if epoch.number == 3:
            break
    continued, whole = Autoencoder(24, text, run=tmp_path / "run", **options).fit(x), Autoencoder(24, text, **options)
    state = whole.fit(x).model_.state_dict()
    assert state["terms.revive.samples"].max() > 40 and state["terms.batch_topk.batches"] == 30
    for name, value in codelayer.load(tmp_path / "run").model_.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert continued.history_ == whole.history_ and whole.history_[-1]["revive"] > 0


def sparse_rows(n: int = 400, features: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(64, features))
    active = (rng.random((n, 64)) < 0.05) * rng.gamma(2, 1, size=(n, 64))
    return (active @ (atoms / np.linalg.norm(atoms, axis=1, keepdims=True))).astype(np.float32)


def dead_share(text: str, **options) -> float:
    x = sparse_rows()
    made = Autoencoder(256, text, "mlp()", validation=0, batch_size=32, random_state=0, **options).fit(x)
    return 1 - (made.transform(x) != 0).any(0).mean()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_revive_lowers_the_dead_share_at_sixteen_times_as_many_units_as_features():
    plain, revived = (
        dead_share(f"relu() + l1(1.0) + unit_norm(){more}", epochs=12, learning_rate=0.03)
        for more in ("", " + revive(1, after=400)")
    )
    assert plain > 0.05 and revived < 0.5 * plain


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_transposed_start_lowers_the_dead_share_of_topk():
    plain, transposed = (dead_share(f"topk(4){more}", epochs=8) for more in ("", " + transposed()"))
    assert plain > 0.2 and transposed < 0.5 * plain


# --- constraints ----------------------------------------------------------------------------------------------------


def test_transposed_starts_every_unit_at_its_atom():
    net = model_of("topk(2) + transposed() + unit_norm()", "mlp(5)").net
    atoms = net.decoder[0].weight.detach()
    torch.testing.assert_close(net.stages["encoded"][0].weight.detach(), atoms.t() / atoms.norm(dim=0)[:, None])
    torch.testing.assert_close(atoms.norm(dim=0), torch.ones(U, dtype=torch.float64))


@pytest.mark.parametrize("net", ["mlp()", "mlp(tied=True)"])
def test_unit_norm_removes_the_gradient_along_each_atom_and_nothing_else(net):
    made = model_of("relu() + unit_norm()", net)
    weight, along = made.net.atoms()
    made.objective.constraints[0].after_step(made.net)  # length 1 in double precision
    weight.grad = normal(*weight.shape, seed=5)
    before = weight.grad.clone()
    made.objective.constraints[0].before_step(made.net)
    atoms = weight.detach()
    assert (weight.grad * atoms).sum(along).abs().max() < 1e-12
    removed = before - weight.grad
    torch.testing.assert_close(removed, (removed * atoms).sum(along, keepdim=True) * atoms)


# --- the sparse pass ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["mlp()", "mlp(12)", "mlp(tied=True)"])
@pytest.mark.parametrize("text", ["topk(3)", "relu() + topk(8) + l1(0.01)", "topk(4) + revive(1, after=1, k=3)"])
def test_the_sparse_pass_equals_the_dense_one(net, text, monkeypatch):
    x, found = normal(20, 10).float(), []
    for dense in (False, True):
        model = model_of(text, net, features=10, units=512).float()
        monkeypatch.setattr("codelayer.objective.sparse_pass.SHARE", 0.0 if dense else 1 / 64)
        assert (sparse_pass(model, x) is None) == dense
        terms = model.objective.charge(model, x, None, context(model))
        sum(terms.values()).backward()
        found.append([*terms.values(), *(one.grad for one in model.parameters())])
    for quick, slow in zip(*found, strict=True):
        torch.testing.assert_close(quick, slow, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", ["topk(0.5)", "topk(3) + relu()", "batch_topk(3)", "sigmoid() + topk(3)"])
def test_other_sentences_take_the_dense_pass(text):
    assert sparse_pass(model_of(text, units=512), normal(4, F)) is None
    narrow = model_of("topk(3)", units=512)
    assert sparse_pass(narrow, normal(4, F)) is not None and sparse_pass(narrow.eval(), normal(4, F)) is None


# --- the estimator --------------------------------------------------------------------------------------------------


def test_codes_come_as_csr_too_block_by_block():
    x = sparse_rows(300)
    made = Autoencoder(24, "topk(2)", "mlp()", epochs=1, random_state=0).fit(x)
    type(made).block_rows, before = property(lambda self: 128), type(made).block_rows
    try:
        found = made.transform_sparse(x)
        assert sparse.issparse(found) and found.format == "csr" and found.dtype == np.float32 and found.nnz == 600
        np.testing.assert_array_equal(found.toarray(), made.transform(x))
    finally:
        type(made).block_rows = before


def test_the_doctor_sees_rows_far_off_the_centre_and_wide_codes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4)) + 3
    assert mean_ratio(x) == pytest.approx(3, rel=0.1) and mean_ratio(x, x.mean(0)) == 0
    assert mean_ratio(np.ones((5, 2))) == np.inf and mean_ratio(np.zeros((5, 2))) == 0
    assert "2.98 times" in off_centre(x, 0.0, True) and "centre the input" in off_centre(x, 0.0, True)
    assert off_centre(x, x.mean(0), True) is None and off_centre(x, 0.0, False) is None
    assert "add transposed(), and revive() where" in too_wide(x, 64, True, False)
    assert too_wide(x, 64, True, True) is None and too_wide(x, 15, True, False) is None
    with pytest.warns(UserWarning, match=r"64 sparse units for 4 encoded features: .* add transposed\(\)"):
        Autoencoder(64, "topk(2)", "mlp()", random_state=0).prepare(x)


@pytest.mark.parametrize("bottleneck", ["topk", "batch_topk", "relu() + topk"])
def test_the_doctor_sees_when_too_few_of_many_units_are_kept(bottleneck):
    x = np.random.default_rng(0).normal(size=(500, 4))
    assert too_few_kept(4, 256, 2) is None and too_few_kept(4, 256, None) is None and too_few_kept(65, 256, 1) is None
    assert "1 of 256 units are kept for a row (0.39%)" in too_few_kept(4, 256, 1)
    with pytest.warns(UserWarning, match=r"1 of 256 units .* keep about a hundredth, k=3,"):
        Autoencoder(256, f"{bottleneck}(1) + transposed()", "mlp()", random_state=0).prepare(x)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Autoencoder(256, f"{bottleneck}(0.01) + transposed()", "mlp()", random_state=0).prepare(x)
    assert not any("kept for a row" in str(one.message) for one in told)


# --- sentences ------------------------------------------------------------------------------------------------------
