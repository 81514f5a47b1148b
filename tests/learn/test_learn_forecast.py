"""The forecast of a fit: near what the fit takes, and without a trace in it."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer import Autoencoder, Table
from codelayer.learn import forecast as module
from codelayer.learn.forecast import Forecast, forecast, overtime, resident, shortfall

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 12))


def test_a_forecast_leaves_the_coder_and_its_fit_as_they_are(tmp_path):
    coder = Autoencoder(3, net="mlp(8)", epochs=2, random_state=0, run=tmp_path / "run")
    told = forecast(coder, X, seconds=0.05)
    assert not hasattr(coder, "model_") and not (tmp_path / "run").exists()
    assert told.epochs == 2 and told.seconds > 0 and told.bytes > 0
    plain = Autoencoder(3, net="mlp(8)", epochs=2, random_state=0).fit(X).transform(X)
    after = coder.set_params(run=None).fit(X).transform(X)
    assert np.array_equal(plain, after)


@pytest.mark.parametrize(("rows", "epochs"), [(400, 10), (400, 200), (4000, 10)])
def test_every_step_of_every_epoch_is_counted(rows, epochs):
    coder = Autoencoder(3, net="mlp(8)", epochs=epochs, batch_size=32, random_state=0)
    told = forecast(coder, np.resize(X, (rows, 12)), seconds=0.01)
    assert told.epochs == epochs
    assert told.seconds > epochs * -(-(rows - rows // 10) // 32) * told.step_seconds


def test_memory_grows_with_the_rows_that_a_fit_copies():
    few, many = RNG.normal(size=(2_000, 50)), RNG.normal(size=(400_000, 50)).astype(np.float32)
    told = [forecast(Autoencoder(3, net="mlp(8)", epochs=1), x, seconds=0.05).bytes for x in (few, many)]
    assert told[1] - told[0] > 1.5 * many.nbytes


@pytest.mark.parametrize("sentence", ["slowness(1) + squared()", "squared() + labels(1)", "gaussian() + prior(1)"])
def test_every_kind_of_sentence_can_be_forecast(sentence):
    y = (X[:, 0] > 0).astype(int)
    coder = Autoencoder(3, sentence, net="mlp(8)", epochs=2)
    assert forecast(coder, X, y, np.arange(400) // 100, seconds=0.01).seconds > 0


def test_tables_pictures_and_frames_can_be_forecast():
    table = Table({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "u", "v").astype(object)})
    assert forecast(Autoencoder(2, net="mlp(4)", epochs=1), table, seconds=0.01).bytes > 0
    pictures = RNG.integers(0, 255, (50, 8, 8, 1)).astype(np.uint8)
    assert forecast(Autoencoder(2, net="conv(4)", epochs=1), pictures, seconds=0.01).bytes > 0


def test_a_machine_without_a_record_of_memory_still_gets_a_forecast(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "STATUS", tmp_path / "none")
    monkeypatch.setattr(module, "PEAKS", tmp_path / "none" / "neither")
    assert forecast(Autoencoder(2, net="mlp(4)", epochs=1), X, seconds=0.01).bytes > module.INTERPRETER
    assert resident() == module.INTERPRETER


def test_budgets_that_do_not_hold_are_said(monkeypatch):
    monkeypatch.setattr(module, "available_bytes", lambda device: 10**9)
    told = Forecast(600.0, 3 * 10**9, 5, 0.1)
    assert shortfall(told, workers=2) == "about 6.0 GB will be needed for 2 fits at once, but 1.0 GB are available"
    assert shortfall(Forecast(1.0, 10**8, 1, 0.1)) == ""
    assert overtime(told.seconds, 5) == "about 10 min 00 s will be needed, but the budget is 5 min"
    assert overtime(told.seconds, None) == overtime(told.seconds, 10) == ""
    assert told.text() == "about 10 min 00 s, 3.0 GB"
