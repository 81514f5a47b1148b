"""Rows drawn from a fitted gaussian() code, units that fell to the prior, and variational fits that were stopped."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from codelayer.data.tables import Table
from codelayer.errors import CodelayerError, DataError, SentenceError
from codelayer.learn import loop
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.saved import load

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|collapsed)")
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 2)) @ RNG.normal(size=(2, 6)) * [1, 10, 1, 5, 1, 2] + 3
GREY = RNG.integers(0, 256, (60, 6, 6, 1), dtype=np.uint8)
TABLE = Table(
    {
        "price": np.where(RNG.random(200) < 0.1, np.nan, RNG.normal(50, 10, 200)),
        "colour": np.array(["red", "green", "blue", None], object)[RNG.integers(0, 4, 200)],
        "size": np.array(["s", "m"], object)[RNG.integers(0, 2, 200)],
    }
)
QUICK = {"epochs": 3, "batch_size": 20, "random_state": 0}


def fitted(x, text: str = "gaussian() + prior(1)", net: str = "mlp(8)", **options) -> Autoencoder:
    return Autoencoder(3, text, net, **(QUICK | options)).fit(x)


def test_drawn_rows_come_in_the_kind_and_the_units_of_the_input():
    rows = fitted(ROWS).sample(7, random_state=1)
    assert rows.shape == (7, 6) and rows.dtype == np.float64
    pictures = fitted(GREY, net="conv(4)").sample(5, random_state=1)
    assert pictures.shape == (5, 6, 6, 1) and pictures.dtype == np.uint8
    table = fitted(TABLE, net="table()").sample(50, random_state=1)
    assert isinstance(table, Table) and table.names == TABLE.names and len(table) == 50
    assert set(table.column("size")) <= {"s", "m", None}
    assert 20 < np.nanmean(table.column("price")) < 80


def test_drawn_rows_have_the_moments_of_the_data_once_it_is_learned():
    x = ROWS + 0.4 * ROWS.std(0) * RNG.normal(size=ROWS.shape)
    coder = fitted(x, net="mlp()", epochs=50, batch_size=50, learning_rate=0.1, validation=0)
    clean, noise = np.corrcoef(ROWS, rowvar=False), 0.16 * np.eye(6)
    for wanted, options in ((clean + noise, {}), (clean, {"noise": False})):
        drawn = (coder.sample(4000, random_state=0, **options) - ROWS.mean(0)) / ROWS.std(0)
        assert np.abs(drawn.mean(0)).max() < 0.2
        np.testing.assert_allclose(np.cov(drawn, rowvar=False), wanted, atol=0.15)


def test_a_table_is_drawn_with_its_shares_and_deviations_where_means_and_modes_have_neither():
    rng = np.random.default_rng(5)
    kind = np.array(["a", "b", "c"], object)[rng.choice(3, 600, p=[0.5, 0.3, 0.2])]
    price = np.where(rng.random(600) < 0.25, np.nan, rng.normal(50, 10, 600))
    table = Table({"kind": kind, "price": price, "weight": rng.normal(-3, 2, 600)})
    coder = fitted(table, epochs=10, batch_size=50, learning_rate=0.01)
    drawn, plain = coder.sample(3000, random_state=0), coder.sample(3000, random_state=0, noise=False)
    for name, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        assert np.mean(drawn.column("kind") == name) == pytest.approx(share, abs=0.07)
    assert np.isnan(drawn.column("price")).mean() == pytest.approx(0.25, abs=0.07)
    for name in ("price", "weight"):  # the likelihood's deviation is 1, beside what the means vary by
        found, known = drawn.column(name), table.column(name)
        assert 0.9 < np.nanstd(found) / np.nanstd(known) < 1.5
        assert np.nanmean(found) == pytest.approx(np.nanmean(known), abs=0.3 * np.nanstd(known))
        assert np.nanstd(plain.column(name)) < 0.7 * np.nanstd(found)
    assert np.mean(plain.column("kind") == "a") > 0.9


def test_pictures_and_losses_that_are_no_likelihood_are_drawn_without_noise():
    for x, text in ((GREY, "gaussian() + prior(1)"), (ROWS, "gaussian() + prior(1) + squared()")):
        coder = fitted(x, text)
        drawn = coder.sample(5, random_state=1), coder.sample(5, random_state=1, noise=False)
        np.testing.assert_array_equal(*drawn)


def test_a_seed_repeats_its_rows_and_another_draws_others():
    coder = fitted(ROWS)
    first = coder.sample(9, random_state=4)
    np.testing.assert_array_equal(first, coder.sample(9, random_state=4))
    assert not np.array_equal(first, coder.sample(9, random_state=5))
    assert not np.array_equal(coder.sample(9), coder.sample(9))
    assert coder.sample(np.int64(1), random_state=0).shape == (1, 6)


def test_what_cannot_be_drawn_from_is_told():
    for text in ("squared()", "gaussian()", "relu()"):
        with pytest.raises(SentenceError, match="gives no distribution to draw rows from\n  fit with gaussian"):
            fitted(ROWS, text).sample(3)
    with pytest.raises(NotFittedError):
        Autoencoder(objective="variational").sample(3)
    coder = fitted(ROWS)
    for n in (0, -1, 2.5, True, "many"):
        with pytest.raises(DataError, match="rows cannot be drawn"):
            coder.sample(n)
    assert issubclass(DataError, CodelayerError)


@pytest.mark.parametrize(
    "x, net", [(ROWS, "mlp(8)"), (GREY, "conv(4)"), (TABLE, "table()")], ids=["rows", "pictures", "table"]
)
@pytest.mark.parametrize("text", ["variational", "gaussian() + prior(2, warmup=0.5) + total_correlation(1) + dip(0.1)"])
def test_a_gaussian_code_is_deterministic_and_comes_back_from_a_bundle(x, net, text, tmp_path):
    coder = fitted(x, text, net)
    codes = coder.transform(x)
    assert codes.shape == (len(x), 3)
    np.testing.assert_array_equal(codes, coder.transform(x))
    np.testing.assert_array_equal(codes, pickle.loads(pickle.dumps(coder)).transform(x))
    coder.save(tmp_path / "one.zip")
    back = load(tmp_path / "one.zip")
    np.testing.assert_array_equal(codes, back.transform(x))
    again = back.sample(4, random_state=2), coder.sample(4, random_state=2)
    columns = [[one.column(name) for name in TABLE.names] for one in again] if x is TABLE else again
    np.testing.assert_array_equal(*columns)
    assert back.score(x) == coder.score(x) and back.record_["collapsed_units"] == coder.record_["collapsed_units"]
    back.partial_fit(x)
    assert coder.layers(x, ["encoded"])["encoded"].shape == (len(x), 6)


# --- collapsed units ------------------------------------------------------------------------------------------------


def test_units_that_fell_to_the_prior_are_told_with_a_remedy():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        coder = fitted(ROWS, "gaussian() + prior(100)", epochs=10, learning_rate=0.03, net="mlp()")
    told = [str(one.message) for one in caught]
    assert coder.record_["collapsed_units"] == 3
    assert len(told) == 1 and told[0].startswith("3 of 3 units have collapsed to the prior (below 0.01 nats); choose a")
    assert "free_bits" in told[0]


def test_free_bits_keep_units_in_use_and_other_codes_never_collapse():
    coder = fitted(ROWS, "gaussian() + prior(100, free_bits=0.5)", epochs=10, learning_rate=0.01)
    assert coder.record_["collapsed_units"] == 0
    assert fitted(ROWS, "squared()").record_["collapsed_units"] == 0


# --- stopped fits ---------------------------------------------------------------------------------------------------


class Stopped(Exception):
    """The process ended here."""


@pytest.mark.parametrize("at", [1, 4, 8])
@pytest.mark.parametrize(
    "x, net, text",
    [
        (ROWS[:80], "mlp(8)", "gaussian() + prior(1, warmup=0.5) + total_correlation(2) + dip(0.1, kind=2)"),
        (ROWS[:80], "mlp(8)", "mask(0.2) + gaussian() + normal() + prior(1, capacity=2.0, warmup=1.0)"),
        (GREY, "conv(4)", "gaussian() + prior(1, free_bits=0.1)"),
        (TABLE, "table()", "mask(0.2) + columns()"),
    ],
    ids=["rows", "normal", "pictures", "table"],
)
def test_a_fit_that_ended_at_any_step_goes_on_to_the_bits_of_the_unbroken_one(x, net, text, at, tmp_path, monkeypatch):
    whole = fitted(x, text, net)
    run = Autoencoder(3, text, net, run=tmp_path / "run", **QUICK)
    step, count = loop._step, 0

    def dying(*arguments: object) -> None:
        nonlocal count
        if count == at:
            raise Stopped
        count += 1
        step(*arguments)

    monkeypatch.setattr(loop, "_step", dying)
    with pytest.raises(Stopped):
        for _ in run.fit_epochs(x, checkpoint_seconds=0.0):
            pass
    assert Path(tmp_path / "run" / "checkpoints" / "training.zip").exists()
    monkeypatch.setattr(loop, "_step", step)
    run.fit(x)
    assert run.history_ == whole.history_
    ours, theirs = run._state()[1], whole._state()[1]
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
