"""Reconstruction sampling: exact in the mean, exact at share 1, sparse from the rows to the last layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.utils._python_dispatch import TorchDispatchMode

from codelayer.data.rows import rows_at_once
from codelayer.data.schema import Block, Schema
from codelayer.errors import SentenceError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.many import fit_many
from codelayer.learn.saved import load
from codelayer.learn.sources import Rows
from codelayer.nets import Plan, parse_net
from codelayer.objective import Context, Model, parse_objective
from codelayer.objective.losses import Bernoulli, Normal, Squared
from codelayer.objective.sampled import Sampled, SparseRows, encode_sparse, reads_sparse

FEATURES, UNITS, BATCH = 7, 3, 4


def model_of(text: str, net: str = "mlp(5, activation='tanh')", features: int = FEATURES, double: bool = True) -> Model:
    mean = np.linspace(0, 0.5, features, dtype=np.float32)
    layout = (Block("numeric", 0, features),)
    plan = Plan((features,), UNITS, layout, True, mean, np.zeros_like(mean), np.ones_like(mean))
    objective = parse_objective(text).resolve(plan)
    model = Model(plan, objective, parse_net(net, plan.shape, UNITS).build(plan, objective.outputs(plan), True))
    model.draw_weights(1)
    return model.double().train() if double else model.train()


def twin(text: str, like: Model, net: str = "mlp(5, activation='tanh')") -> Model:
    """A model of another sentence with the same weights."""
    made = model_of(text, net)
    made.net.load_state_dict(like.net.state_dict())
    return made


def dense_rows() -> torch.Tensor:
    """Rows in [0, 1] that use the columns 1, 4 and 5 of 7; one row is empty."""
    x = torch.zeros(BATCH, FEATURES, dtype=torch.float64)
    x[0, 1], x[0, 4], x[1, 4], x[3, 5] = 0.5, 1.0, 0.25, 0.75
    return x


def sparse_of(x: torch.Tensor) -> SparseRows:
    made = sparse.csr_matrix(x.numpy())
    values, columns, starts = (torch.from_numpy(one) for one in (made.data, made.indices, made.indptr))
    return SparseRows(values, columns.long(), starts.long(), x.shape[1])


def context_of(model: Model, step: int = 0) -> Context:
    return Context(3, step, 0.0, dict(model.terms.named_children()))


def loss_and_slope(model: Model, x: torch.Tensor | SparseRows, step: int = 0) -> torch.Tensor:
    """The loss, then its gradient by every weight of the net, as one vector."""
    loss = torch.stack(list(model.objective.charge(model, x, None, context_of(model, step)).values())).sum()
    slopes = torch.autograd.grad(loss, list(model.net.parameters()))
    return torch.cat([loss[None].detach(), *(slope.flatten() for slope in slopes)])


INSIDE = ["squared()", "huber(0.1)", "bernoulli()"]
NETS = ["mlp()", "mlp(5, activation='tanh')", "mlp(tied=True)", "mlp(5, tied=True)"]
FORMS = {"dense": lambda x: x, "sparse": sparse_of}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inside", INSIDE)
def test_the_mean_over_all_draws_is_the_full_loss_and_its_gradient(inside, form):
    x, full = dense_rows(), model_of(f"relu() + {inside} + l1(0.1)")
    model = twin(f"relu() + sampled(0.5, {inside}) + l1(0.1)", full)
    rows, term = FORMS[form](x), model.objective.loss
    used = torch.tensor([1, 4, 5])
    step_of: dict[tuple[int, ...], int] = {}
    for step in range(120):
        drawn = term.pick(used, FEATURES, context_of(model, step))
        assert drawn.columns[:3].tolist() == [1, 4, 5] and drawn.weight.tolist() == [[1, 1, 1, 2, 2]]
        step_of[tuple(sorted(drawn.columns[3:].tolist()))] = step
    assert len(step_of) == 6  # all pairs of the four columns that no row uses
    mean = torch.stack([loss_and_slope(model, rows, step) for step in step_of.values()]).mean(0)
    torch.testing.assert_close(mean, loss_and_slope(full, x), rtol=1e-12, atol=1e-13)


def test_every_set_of_zeros_is_drawn_equally_often():
    used, counts = torch.tensor([1, 4, 5]), np.zeros(FEATURES)
    for step in range(2000):
        counts[Sampled(0.3).pick(used, FEATURES, Context(0, step)).columns[3:].numpy()] += 1
    assert not counts[[1, 4, 5]].any() and counts.sum() == 4000  # 0.3 of 4 columns, rounded up
    np.testing.assert_allclose(counts[[0, 2, 3, 6]], 1000, atol=4 * np.sqrt(500))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("inside", INSIDE)
def test_share_one_is_the_full_loss(inside, net, form):
    x, full = dense_rows(), model_of(inside, net)
    found = loss_and_slope(twin(f"sampled(1, {inside})", full, net), FORMS[form](x))
    torch.testing.assert_close(found, loss_and_slope(full, x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("net", NETS)
def test_sparse_rows_are_encoded_and_charged_like_dense_ones(net):
    x, model = dense_rows(), model_of("gaussian() + sampled(0.5) + prior(1)", net.replace("tied=True", "depth=1"))
    torch.testing.assert_close(encode_sparse(model.net, sparse_of(x)), model.net.encode(x), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(loss_and_slope(model, sparse_of(x), 5), loss_and_slope(model, x, 5))
    empty = sparse_of(torch.zeros_like(x))
    torch.testing.assert_close(loss_and_slope(model, empty, 5), loss_and_slope(model, torch.zeros_like(x), 5))


def test_what_is_unknown_or_emphasised_counts_so_at_the_picked_columns():
    x, known = dense_rows(), torch.ones(BATCH, FEATURES, dtype=torch.float64)
    known[0, 4] = 0
    both = [
        model_of(f"mask(0.5, emphasis=3) + {loss}").objective.charge(model_of(loss), x, known, Context(3, 2))
        for loss in ("sampled(1)", "squared()")
    ]
    assert both[0]["sampled"].item() == pytest.approx(both[1]["squared"].item(), rel=1e-12)
    model = model_of("sampled(0.3)")
    assert model.objective.charge(model, x, 0 * known, Context())["sampled"].item() == 0


def test_coding_and_held_out_dense_rows_are_charged_whole():
    x, model = dense_rows(), model_of("sampled(0.3)").eval()
    charged = model.objective.charge(model, x, None, Context())["sampled"]
    expected = (model.net.decode(model.net.encode(x)) - x).square().sum(1).mean()
    torch.testing.assert_close(charged, expected)


def test_a_mask_hides_non_zeros_and_leaves_the_target():
    x = (torch.rand(400, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) < 0.2).double()
    rows = sparse_of(x)
    hidden = rows.masked(0.3, torch.Generator().manual_seed(1))
    again = rows.masked(0.3, torch.Generator().manual_seed(1))
    assert torch.equal(hidden.values, again.values) and hidden.used is rows.used
    assert (hidden.values == 0).double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(rows.dense(0)[:, :30], x)
    model = model_of("mask(0.9) + sampled(1)", features=30)
    seen = rows.masked(0.9, context_of(model).torch("mask"))
    code = encode_sparse(model.net, seen)
    expected = (model.net.decode(code) - x).square().sum(1).mean()
    torch.testing.assert_close(model.objective.charge(model, rows, None, context_of(model))["sampled"], expected)


class _Sizes(TorchDispatchMode):
    """The largest tensor that any operation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for one in found if isinstance(found, tuple | list) else (found,):
            self.largest = max(self.largest, one.numel() if isinstance(one, torch.Tensor) else 0)
        return found


def test_a_step_makes_nothing_of_the_size_of_the_batch_times_the_features():
    features, batch = 5000, 256
    x = sparse.random(batch, features, 4e-4, format="csr", random_state=0, dtype=np.float32)
    model = model_of("mask(0.2) + relu() + sampled(0.02) + l1(0.01)", "mlp(4)", features, double=False)
    values, columns, starts = (torch.from_numpy(one) for one in (x.data, x.indices, x.indptr))
    with _Sizes() as sizes:
        terms = model.objective.charge(
            model, SparseRows(values, columns.long(), starts.long(), features), None, context_of(model)
        )
        sum(terms.values()).backward()
    assert sizes.largest < 0.15 * batch * features


READ = ["sampled()", "mask(0.3) + relu() + topk(2) + sampled() + l1(0.1)", "gaussian() + sampled() + prior(1)"]
READ += ["sigmoid() + sampled(0.1, bernoulli()) + kl(0.1)"]
WHOLE = ["squared()", "noise(0.1) + sampled()", "mask(0.3, emphasis=2) + sampled()", "sampled() + contractive(0.1)"]


@pytest.mark.parametrize("text", READ + WHOLE)
def test_which_sentences_read_sparse_rows(text):
    assert reads_sparse(model_of(text)) == (text in READ)


def words(n: int = 200, features: int = 60, seed: int = 0) -> sparse.csr_matrix:
    """Rows of one of three topics, each with its own columns."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, features))
    for row, topic in zip(x, rng.integers(0, 3, n), strict=True):
        row[topic * 20 + rng.choice(20, 8, replace=False)] = rng.integers(1, 4, 8)
    return sparse.csr_matrix(x)


@pytest.mark.parametrize("scale", ["block", "columns", "none"])
def test_rows_are_served_sparse_and_scaled_as_the_schema_does(scale):
    x = words()
    schema = Schema.fit(x, scale=scale)
    rows, some = Rows(x, schema), torch.tensor([5, 0, 17])
    found, known = rows.batch(some, sparse=True)
    assert known is None and len(found) == 3
    whole = sparse.csr_matrix((found.values, found.columns, found.starts), (3, 60)).toarray()
    np.testing.assert_allclose(whole, schema.encode(x[[5, 0, 17]]), rtol=1e-6)
    assert isinstance(rows.batch(some)[0], torch.Tensor)
    dense = Rows(x.toarray(), schema)
    assert isinstance(dense.batch(some, sparse=True)[0], torch.Tensor)


@pytest.mark.parametrize("text", ["sampled(0.2)", "mask(0.3) + relu() + sampled(0.2) + l1(0.001)"])
def test_a_sampled_fit_keeps_what_a_full_fit_keeps(text, tmp_path):
    x, options = words(), {"epochs": 40, "learning_rate": 0.01, "random_state": 0, "net": "mlp(16)"}
    coder = Autoencoder(4, text, **options).fit(x)
    full = Autoencoder(4, text.replace("sampled(0.2)", "squared()"), **options).fit(x)
    assert coder.score(x) > 0.9 * full.score(x) > 0.1
    again = Autoencoder(4, text, **options).fit(x)
    np.testing.assert_array_equal(again.transform(x), coder.transform(x.toarray()))
    coder.save(tmp_path / "b")
    np.testing.assert_array_equal(load(tmp_path / "b").partial_fit(x).transform(x), coder.partial_fit(x).transform(x))


def test_several_sampled_fits_are_fitted_one_by_one():
    x = words()
    made = [Autoencoder(3, text, epochs=2, random_state=0) for text in ("sampled(0.2)", "squared()", "sampled(0.5)")]
    alone = Autoencoder(3, "sampled(0.5)", epochs=2, random_state=0).fit(x)
    np.testing.assert_array_equal(fit_many(made, x)[2].transform(x), alone.transform(x))


def test_wide_rows_are_looked_at_few_at_a_time():
    assert rows_at_once(100) == 4096 and rows_at_once(8192) == 4096 and rows_at_once(8192, 10_000) == 4096
    assert rows_at_once(50_000) == 640 and rows_at_once(10**7) == 64


@pytest.mark.parametrize(
    "text, said",
    [
        ("sampled(0)", "share"),
        ("sampled(1.5)", "share"),
        ("sampled(0.1, normal())", "cannot hold normal"),
        ("sampled(0.1, loss=3)", "cannot hold 3"),
        ("views(noise(0.1)) + sampled()", "beside views"),
        ("sampled() + nested()", "nested"),
        ("relu() + sampled() + revive()", "no such residual"),
        ("sampled() + squared()", "two losses"),
    ],
)
def test_what_cannot_be_sampled_is_refused_in_a_sentence(text, said):
    with pytest.raises(SentenceError, match=said) as error:
        parse_objective(text)
    assert len(str(error.value).splitlines()) == 2


def test_a_decoder_without_a_last_linear_layer_is_refused_and_the_loss_inside_checks_its_data():
    shape = (6, 6, 1)
    plan = replace(model_of("squared()", features=36).plan, shape=shape)
    objective = parse_objective("sampled()").resolve(plan)
    with pytest.raises(SentenceError, match="ends in a linear layer"):
        Model(plan, objective, parse_net("conv(4)", shape, UNITS).build(plan, UNITS, True))
    with pytest.raises(SentenceError, match=r"needs inputs in \[0, 1\]"):
        parse_objective("sampled(0.1, bernoulli())").resolve(replace(plan, unit_range=False))
    rare = torch.tensor([0.0, 1e-4, 0.5])
    torch.testing.assert_close(Sampled(0.1, Bernoulli()).link(rare, plan).sigmoid(), rare.clamp_min(1e-6))
    assert Sampled(0.1).loss == Squared() and Normal.name == "normal"
    assert parse_objective("sampled(0.1, bernoulli())").text == "sampled(0.1, loss=bernoulli())"
