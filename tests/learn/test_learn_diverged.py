"""A loss that is no number: the run stops at that step, says which term, and keeps the state before it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import codelayer
from codelayer import bundle
from codelayer.errors import RunError, SentenceError
from codelayer.learn import diverged, loop
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.loop import Diverged, train
from codelayer.learn.many import fit_many
from codelayer.learn.sources import Rows
from codelayer.objective.penalties import L1

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus)")
X = np.random.default_rng(0).normal(size=(80, 6))
TEXT = "relu() + l1(0.01)"
PARTS = ["bundle.json", "golden.safetensors", "reference.safetensors", "weights.safetensors"]


def coder(**options) -> Autoencoder:
    return Autoencoder(3, TEXT, **({"epochs": 6, "batch_size": 16, "random_state": 1, "validation": 0} | options))


@pytest.fixture
def breaks(monkeypatch):
    """l1() gives something else from a step on."""

    def at(step: int, value: float = float("nan")) -> None:
        plain = L1.__call__
        monkeypatch.setattr(
            L1, "__call__", lambda self, one: plain(self, one) * (value if one.context.step >= step else 1)
        )

    return at


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_it_stops_at_the_step_and_names_the_term(breaks, value):
    breaks(7, value)
    made = coder()
    with pytest.raises(
        Diverged, match=r"l1\(\) is no longer finite at step 8, in epoch 2\n  choose a smaller"
    ) as error:
        made.fit(X)
    assert isinstance(error.value, SentenceError) and len(str(error.value).splitlines()) == 2
    # the weights are those after seven steps
    assert len(made.history_) == 1 and all(bool(one.isfinite().all()) for one in made.model_.parameters())


def test_a_sum_that_is_too_large_is_told_as_the_loss():
    terms = {"a": torch.tensor(3e38), "b": torch.tensor(3e38)}
    with pytest.raises(Diverged, match="the loss is no longer finite at step 1, in epoch 1"):
        diverged.check_step(terms["a"] + terms["b"], terms, loop.Position())


def test_the_state_before_the_step_is_in_the_checkpoint_and_a_mended_run_goes_on(breaks, tmp_path, monkeypatch):
    run = tmp_path / "run"
    breaks(12)
    with pytest.raises(Diverged, match="step 13"):
        for _ in coder(run=run).fit_epochs(X, checkpoint_seconds=1e9):
            pass
    kept = bundle.read(run / "checkpoints" / "training.zip")
    assert kept.plan["step"] == 12 and kept.plan["epoch"] == 2 and kept.plan["step_in_epoch"] == 2
    assert all(np.isfinite(one).all() for one in kept.tensors.values())
    with pytest.raises(Diverged, match="step 13"):  # the same run ends at the same step
        coder(run=run).fit(X)
    monkeypatch.undo()
    np.testing.assert_array_equal(coder(run=run).fit(X).transform(X), coder().fit(X).transform(X))


def test_the_last_good_state_is_a_bundle_that_loads_and_the_message_says_where(breaks, tmp_path, monkeypatch):
    run = tmp_path / "run"
    breaks(12)
    made = coder(run=run, validation=0.2)
    with pytest.raises(Diverged, match=r"\n  choose a smaller .*; the last good code is kept in .*last_good.zip"):
        made.fit(X)
    kept = codelayer.load(run / "checkpoints" / "last_good.zip")
    np.testing.assert_array_equal(kept.transform(X), made.transform(X))
    assert kept.record_["epochs_run"] == len(made.history_) == 3 and np.isfinite(kept.score(X))
    # of the finished epochs the best on the held-out rows
    monkeypatch.undo()
    best = int(np.argmin([one["validation"] for one in made.history_])) + 1
    same = coder(validation=0.2)
    for epoch in same.fit_epochs(X):
        if epoch.number == best:
            break
    np.testing.assert_array_equal(kept.transform(X), same.transform(X))
    coder(run=run, validation=0.2).fit(X)  # mended, it goes on and leaves a bundle and nothing else
    assert sorted(one.name for one in run.iterdir()) == PARTS


def test_without_a_folder_the_coder_is_that_before_the_step(breaks, tmp_path):
    breaks(7)
    made = coder()
    with pytest.raises(Diverged, match=r"\n  choose a smaller learning_rate or weight$"):
        made.fit(X)
    made.save(tmp_path / "kept")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "kept").transform(X), made.transform(X))
    assert np.isfinite(made.transform(X)).all() and made.record_["epochs_run"] == 1


@pytest.mark.parametrize("text", ["squared()", "views(noise(0.1)) + variance(25)", "gaussian() + prior(1)"])
def test_a_rate_that_is_far_too_large_ends_in_diverged_and_nothing_else(text, tmp_path):
    made = Autoencoder(3, text, epochs=4, learning_rate=1e30, batch_size=16, random_state=0, run=tmp_path / "run")
    with np.errstate(all="ignore"), pytest.raises(Diverged) as error:
        made.fit(X)
    assert len(str(error.value).splitlines()) == 2
    left = {one.name for one in (tmp_path / "run" / "checkpoints").iterdir()}
    assert {"run.json", "training.zip"} <= left and not (tmp_path / "run" / "bundle.json").exists()


def test_weights_that_are_no_numbers_are_never_written(tmp_path, monkeypatch):
    run, plain = tmp_path / "run", loop.Adam.step

    def step(self, pace: float) -> None:
        plain(self, pace)
        if int(self.steps[0]) == 8:
            with torch.no_grad():
                self.parameters[0].fill_(float("nan"))

    monkeypatch.setattr(loop.Adam, "step", step)
    with pytest.raises(Diverged, match=r"squared\(\) is no longer finite at step 9"):
        for _ in coder(run=run).fit_epochs(X, checkpoint_seconds=0):
            pass
    kept = bundle.read(run / "checkpoints" / "training.zip")
    assert kept.plan["step"] == 7 and all(np.isfinite(one).all() for one in kept.tensors.values())


def test_where_steps_are_not_read_the_epoch_tells_and_its_last_finite_weights_stay(breaks, monkeypatch):
    breaks(12)
    monkeypatch.setattr(diverged, "reads_every_step", lambda device: False)
    made = coder()
    with pytest.raises(Diverged, match=r"squared\(\) and l1\(\) are no longer finite in epoch 3\n"):
        made.fit(X)
    monkeypatch.undo()
    two = coder(epochs=6).prepare(X)
    told = train(two.model_, Rows(X, two.schema_), epochs=6, batch_size=16, learning_rate=0.003, seed=1)
    next(told), next(told)
    for name, one in made.model_.state_dict().items():
        assert torch.equal(one, two.model_.state_dict()[name]), name


def test_reading_every_step_changes_no_bit(monkeypatch):
    watched = coder().fit(X).transform(X)
    monkeypatch.setattr(diverged, "reads_every_step", lambda device: False)
    np.testing.assert_array_equal(coder().fit(X).transform(X), watched)


@pytest.mark.parametrize(
    "text",
    [
        "topk(2) + revive()",
        "sigmoid() + kl()",
        "sigmoid() + contractive()",
        "gaussian() + prior() + total_correlation() + dip()",
        "gaussian() + prior(warmup=0.5)",
        "jumprelu() + l0() + nested()",
        "slowness()",
    ],
)
def test_no_penalty_is_idle_at_its_defaults_and_none_is_called_so(text):
    import warnings

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = Autoencoder(4, text, epochs=2, random_state=0).fit(X)
    assert not any("first epoch" in str(one.message) for one in told)
    idle = {name for name, value in made.history_[-1].items() if value == 0}
    assert idle <= {"revive"}  # it waits for units that are dead


def test_a_penalty_that_does_nothing_is_told_once_with_a_remedy(monkeypatch):
    monkeypatch.setattr(L1, "__call__", lambda self, one: one.code.sum(1) * 0)
    with pytest.warns(UserWarning, match=r"l1\(\) was 0 over the whole first epoch: raise its weight") as told:
        coder().fit(X)
    assert sum("first epoch" in str(one.message) for one in told) == 1
    with pytest.warns(UserWarning) as told:  # a variance that is large enough is no defect
        Autoencoder(3, TEXT, epochs=1).fit(X)
        import warnings

        warnings.warn("another", stacklevel=1)
        Autoencoder(2, "views(noise(0.1)) + variance(1) + squared()", "mlp()", epochs=1, random_state=0).fit(X * 1e3)
    assert not any("variance() was 0" in str(one.message) for one in told)


def test_free_bits_above_the_kl_of_every_unit_are_told_alone_and_beside_others():
    told = r"prior\(\) was 24, the least it can be, .* free_bits=4 is above the KL of every unit: lower it"
    idle, live = "gaussian() + prior(2, free_bits=4)", "gaussian() + prior(2, free_bits=0.001)"
    options = {"epochs": 2, "random_state": 0}
    with pytest.warns(UserWarning, match=told):
        Autoencoder(3, idle, **options).fit(X)
    with pytest.warns(UserWarning, match=told):
        fit_many([Autoencoder(3, text, **options) for text in (idle, live)], X)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*first epoch")
        Autoencoder(3, live, **options).fit(X)
        Autoencoder(3, "gaussian() + prior(2, capacity=4)", **options).fit(X)


def test_a_training_that_went_astray_without_diverging_is_told():
    with pytest.warns(UserWarning, match="times the error of their mean: the training went astray; choose a smaller"):
        coder(learning_rate=1e3, validation=0).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Autoencoder(3, "squared()", "mlp(8)", epochs=5, random_state=0).fit(X)


@pytest.mark.parametrize(
    "text, lighter",
    [
        ("squared()", ""),
        ("sigmoid() + l1(5) + contractive(1e6)", r", or a smaller weight of l1\(\) and contractive\(\)"),
    ],
)
def test_a_code_that_keeps_nothing_is_told_with_the_penalties_to_lighten(text, lighter):
    told = r"the code is no better than the mean row \(it keeps [-\d.e]+ of the variance\): more epochs"
    with pytest.warns(UserWarning, match=f"^{told}{lighter}$"):
        made = Autoencoder(3, text, "mlp()", epochs=2, learning_rate=1e-6, random_state=0).fit(X)
    assert made.score(X) < 0.05


def test_a_code_whose_units_all_say_nothing_is_told_so_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = Autoencoder(3, "relu() + l1(1000) + unit_norm()", "mlp()", epochs=40, learning_rate=0.03, random_state=0)
        made.fit(X)
    assert len(made.dead_units_) == 3
    assert [str(one.message)[:18] for one in caught] == ["3 of 3 units are d"]


def test_a_code_that_keeps_something_or_has_not_ended_is_not_told():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*mean row")
        Autoencoder(3, "squared()", "mlp()", epochs=20, learning_rate=0.01, random_state=0).fit(X)
        Autoencoder(3, "sigmoid() + contractive(1e6)", "mlp()", random_state=0).partial_fit(X)
        Autoencoder(3, "variational", random_state=0).prepare(X)


def test_a_run_that_diverged_begins_anew_in_its_folder_with_other_options(tmp_path):
    run, options = tmp_path / "run", {"epochs": 6, "batch_size": 16, "validation": 0, "random_state": 1}
    with np.errstate(all="ignore"), pytest.raises(Diverged, match="with the same folder, too"):
        Autoencoder(3, "squared()", run=run, learning_rate=1e9, **options).fit(X)
    mended = Autoencoder(3, "squared()", run=run, learning_rate=0.003, **options)
    for _ in mended.fit_epochs(X, checkpoint_seconds=0):
        assert (run / "checkpoints" / "last_good.zip").exists()
        break
    with pytest.raises(RunError, match="holds a run with learning_rate=0.003, now learning_rate=0.1"):
        Autoencoder(3, "squared()", run=run, learning_rate=0.1, **options).fit(X)  # this one was not given up
    mended.fit(X)
    alone = Autoencoder(3, "squared()", learning_rate=0.003, **options).fit(X)
    np.testing.assert_array_equal(mended.transform(X), alone.transform(X))
    assert not (run / "checkpoints").exists()


@pytest.mark.parametrize("rows", [90, 16])  # 16: every step is an epoch, whose end is what gave the loss
def test_the_last_good_code_has_a_finite_loss_and_is_kept_when_the_run_diverges_again(tmp_path, rows):
    run = tmp_path / "run"
    options = {"epochs": 6, "batch_size": 16, "learning_rate": 1e9, "validation": 0, "random_state": 1}
    for _ in range(2):
        made = Autoencoder(3, "squared()", run=run, **options)
        with np.errstate(all="ignore"), pytest.raises(Diverged, match=r"last_good.zip"):
            made.fit(X[:rows])
        for kept in (made, codelayer.load(run / "checkpoints" / "last_good.zip")):
            assert np.square(kept.inverse_transform(kept.transform(X)) - X).mean() < 10 * X.var()
