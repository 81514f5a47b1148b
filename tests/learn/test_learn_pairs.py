"""Batches of pairs, and slowness(): neighbours in time meet, every row at most once in an epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.batches import batches_of, even_sample, steps_of
from codelayer.learn.loop import held_out_loss
from codelayer.learn.settings import held_out
from codelayer.learn.sources import Rows
from codelayer.objective import Trace
from codelayer.objective.slowness import Slowness
from codelayer.objective.trace import generator

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus)")


def epoch(rows: int, size: int, number: int) -> list[torch.Tensor]:
    return list(batches_of(rows, steps_of(rows, size, True), True, generator(0, "order", number)))


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 31, 100])
@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_a_batch_of_pairs_holds_neighbours_and_no_row_twice(rows, size):
    for number in range(4):
        batches = epoch(rows, min(size, rows), number)
        assert len(batches) == steps_of(rows, min(size, rows), True) and all(len(one) >= 2 for one in batches)
        assert max(map(len, batches)) <= max(2, size) + 2
        used = torch.cat(batches)
        assert torch.equal(used[0::2] + 1, used[1::2]) and int(used.max()) < rows and int(used.min()) >= 0
        assert len(used.unique()) == len(used) >= rows - 2


def test_all_neighbours_meet_and_the_order_is_drawn():
    met = {int(t) for number in range(8) for one in epoch(21, 6, number) for t in one[0::2]}
    assert met == set(range(20))
    first = torch.cat(epoch(100, 10, 1))
    assert torch.equal(first, torch.cat(epoch(100, 10, 1))) and not torch.equal(first, torch.cat(epoch(100, 10, 2)))


def test_plain_batches_are_what_they_were():
    found = torch.cat(batches_of(50, steps_of(50, 8), False, generator(3, "order", 2)))
    assert torch.equal(found, torch.randperm(50, generator=generator(3, "order", 2)))
    assert steps_of(50, 8) == 7 and torch.equal(even_sample(10, 4), torch.tensor([0, 2, 5, 7]))


def test_an_even_sample_of_pairs_is_spread_over_all_rows():
    assert even_sample(101, 8, True).tolist() == [0, 1, 24, 25, 50, 51, 74, 75]
    assert even_sample(5, 100, True).tolist() == [0, 1, 2, 3] and even_sample(1, 100, True).tolist() == [0]


def test_the_last_rows_are_held_out_of_a_course_of_time():
    kept, held = held_out(50, 0.1, 3, in_order=True)
    assert kept.tolist() == list(range(45)) and held.tolist() == list(range(45, 50))


@pytest.mark.parametrize("n", [2, 9])
def test_slowness_equals_numpy_on_codes_and_takes_projections_where_there_are_some(n):
    code = torch.randn(n, 4, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    c = code.numpy()
    wanted = np.mean([((c[t] - c[t + 1]) ** 2).sum() for t in range(0, n - 1, 2)])
    found = Slowness()(Trace(x=code, code=code))
    assert found.shape == (n,) and found[0].item() == pytest.approx(wanted, rel=1e-12)
    both = Slowness()(Trace(x=code, code=0 * code, views=(code, 2 * code)))
    assert both[0].item() == pytest.approx(wanted / 4 * (1 + 4) / 2, rel=1e-12)
    code.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda c: Slowness()(Trace(x=c, code=c)), code)


def course(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """A slow wave mixed with faster, louder ones: Wiskott and Sejnowski's toy."""
    t = np.arange(n)
    slow = np.sin(2 * np.pi * t / 200)
    rng = np.random.default_rng(0)
    fast = rng.normal(size=(n, 3)) * 1.5
    return np.c_[slow, fast] @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 0.01 * rng.normal(size=(n, 4)), slow


@pytest.mark.parametrize("rest", ["squared() + unit_norm()", "views(noise(0.1)) + variance(25) + covariance(1)"])
def test_slowness_finds_the_slow_direction(rest):
    x, slow = course()
    found = []
    for weight in (10, 1e-9):
        made = Autoencoder(
            2, f"{rest} + slowness({weight})", "mlp()", 15, 64, learning_rate=0.01, scale="none", random_state=0
        )
        codes = np.c_[made.fit_transform(x), np.ones(len(x))]
        found.append(np.corrcoef(codes @ np.linalg.lstsq(codes, slow, rcond=None)[0], slow)[0, 1])
    assert found[0] > 0.98 and found[1] < 0.9


def test_the_held_out_loss_is_that_of_neighbours():
    x, _ = course(101)
    made = Autoencoder(2, "squared() + slowness(3)", "mlp()", epochs=2, random_state=0, validation=0.2).fit(x)
    tail = x[81:101]
    codes = made.transform(tail)
    encoded = made.schema_.encode(tail)
    error = ((made._decode_block(codes) - encoded) ** 2).sum(1).mean()
    slow = np.mean([((codes[t] - codes[t + 1]) ** 2).sum() for t in range(0, 19, 2)])
    loss = held_out_loss(made.model_, Rows(tail, made.schema_), 0)
    assert loss == pytest.approx(error + 3 * slow, rel=1e-5)
    assert loss == pytest.approx(min(one["validation"] for one in made.history_), rel=1e-5)


def test_two_rows_train_and_rows_that_never_change_are_told():
    assert np.isfinite(Autoencoder(1, "slowness(1)", epochs=1, batch_size=2).fit_transform(course(2)[0])).all()
    same = np.repeat(course(40)[0], 2, axis=0)[:3].repeat(20, axis=0)
    same[20:] = same[0]
    same[-1] += 1  # in no pair that is learned from
    with pytest.warns(UserWarning, match=r"slowness\(\) was 0 over the whole first epoch: no neighbouring rows"):
        Autoencoder(2, "slowness(1)", epochs=1, random_state=0).fit(same)
