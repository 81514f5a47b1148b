"""The training loop: patience, held-out rows, breaking out, passes over parts, what is told."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import codelayer
from codelayer.errors import DataError, SentenceError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.baselines import Pca
from codelayer.learn.dead import unit_problems
from codelayer.learn.doctor import without_partner
from codelayer.learn.loop import VALIDATION_ROWS, held_out_loss, schedule, train
from codelayer.learn.settings import held_out, resolved
from codelayer.learn.sources import Rows
from codelayer.objective import parse_objective

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus)")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)) @ RNG.normal(size=(3, 8)) + 0.1 * RNG.normal(size=(120, 8))


def coder(objective: str = "undercomplete", **options) -> Autoencoder:
    return Autoencoder(3, objective, **({"epochs": 5, "batch_size": 32, "random_state": 0} | options))


def test_every_epoch_is_told_with_its_terms_and_the_loss_is_their_sum():
    made = coder("mask(0.2) + relu() + l1(0.01)", epochs=4)
    told = list(made.fit_epochs(X))
    assert [epoch.number for epoch in told] == [1, 2, 3, 4]
    for epoch, noted in zip(told, made.history_, strict=True):
        assert set(epoch.terms) == {"squared", "l1"} and epoch.loss == sum(epoch.terms.values())
        assert noted == {"epoch": epoch.number, **epoch.terms, "validation": epoch.validation}
        assert epoch.seconds > 0
    assert made.record_["history"] == made.history_ and made.train_seconds_ >= sum(epoch.seconds for epoch in told)


def test_the_epochs_loss_is_the_mean_over_samples_whatever_the_batches():
    rows = [coder(validation=0, batch_size=size, epochs=1, learning_rate=1e-12) for size in (7, 50, 120)]
    losses = [next(one.fit_epochs(X)).loss for one in rows]
    assert losses[1:] == pytest.approx(losses[:-1], rel=1e-4)


def test_without_held_out_rows_there_is_no_patience_and_the_last_weights_stay():
    made = coder(validation=0, epochs=7, patience=1)
    told = list(made.fit_epochs(X))
    assert len(told) == 7 and not any(epoch.stopped or epoch.best for epoch in told)
    assert all(epoch.validation is None for epoch in told)
    assert made.record_["patience"] is None and "validation" not in made.history_[0]
    assert made.record_["rows"] == len(X)


def prepared(x: np.ndarray, **options):
    made = coder(**options).prepare(x)
    return made, made.model_


def test_patience_ends_a_training_that_no_longer_improves_and_the_best_weights_are_kept():
    noise = np.random.default_rng(1).normal(size=(60, 8))
    made, model = prepared(noise, net="mlp(64, 64)")
    kept, held = Rows(noise[:45], made.schema_), Rows(noise[45:], made.schema_)
    told = list(train(model, kept, epochs=200, batch_size=15, learning_rate=0.01, held_out=held, patience=4, seed=0))
    assert len(told) < 200 and told[-1].stopped and not told[-2].stopped
    scores = [epoch.validation for epoch in told]
    best = int(np.argmin(scores))
    assert len(told) == best + 1 + 4 and told[best].best
    assert held_out_loss(model, held, 0) == pytest.approx(scores[best], rel=1e-6)
    assert not model.training


def test_held_out_rows_are_a_share_and_never_learned_from():
    kept, held = held_out(50, 0.1, seed=3)
    assert len(held) == 5 and sorted([*kept, *held]) == list(range(50))
    assert len(held_out(5, 0.1, 0)[1]) == 0 and len(held_out(2, 0.9, 0)[1]) == 0
    made = coder(validation=0.25).fit(X)
    assert made.record_["rows"] == 90


def test_held_out_rows_beyond_the_limit_are_an_even_sample():
    n = 2 * VALIDATION_ROWS
    x = np.zeros((n, 4))
    x[VALIDATION_ROWS:] = 10  # sorted by kind: the first rows alone would hide the second kind
    x += np.random.default_rng(0).normal(size=x.shape)
    made, model = prepared(x, scale="none")
    all_of_it = held_out_loss(model, Rows(x, made.schema_), 0)
    halves = [held_out_loss(model, Rows(part, made.schema_), 0) for part in (x[:VALIDATION_ROWS], x[VALIDATION_ROWS:])]
    assert all_of_it == pytest.approx(np.mean(halves), rel=0.05)


@pytest.mark.parametrize("objective", ["undercomplete", "views(noise(0.1)) + invariance() + variance()"])
def test_breaking_out_leaves_a_usable_coder(objective, tmp_path):
    made = coder(objective, epochs=50)
    for epoch in made.fit_epochs(X):
        if epoch.number == 3:
            break
    assert made.transform(X).shape == (120, 3) and np.isfinite(made.score(X))
    assert made.record_["epochs_run"] == 3 == len(made.history_) and len(made.dead_units_) == 0
    made.save(tmp_path / "b")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "b").transform(X), made.transform(X))
    assert not any(part.training for part in made.model_.modules())


def test_breaking_out_keeps_the_best_weights_so_far():
    noise = np.random.default_rng(1).normal(size=(60, 8))
    made = coder(net="mlp(64, 64)", epochs=200, patience=200, learning_rate=0.02, validation=0.25)
    for _ in made.fit_epochs(noise):
        if len(made.history_) == 40:
            break
    scores = [noted["validation"] for noted in made.history_]
    held = Rows(noise[held_out(60, 0.25, 0)[1]], made.schema_)
    assert held_out_loss(made.model_, held, 0) == pytest.approx(min(scores), rel=1e-6)
    assert min(scores) < scores[-1]


def test_coding_while_it_learns_changes_nothing():
    pictures = np.random.default_rng(0).random((60, 6, 6, 1))
    quiet = coder("invariant", net="conv(3, 4)", batch_size=16).fit(pictures)
    watched = coder("invariant", net="conv(3, 4)", batch_size=16)
    for _ in watched.fit_epochs(pictures):
        first = watched.transform(pictures[:30])
        np.testing.assert_array_equal(first, watched.transform(pictures[:30]))
    np.testing.assert_array_equal(watched.transform(pictures), quiet.transform(pictures))


def test_a_code_that_only_views_compare_has_units_of_one_scale():
    made = coder("views(noise(0.1)) + invariance() + variance() + covariance()", epochs=20, validation=0).fit(X)
    codes = made.transform(X)
    np.testing.assert_allclose(codes.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(codes.std(0), 1, atol=1e-4)
    rows, model = Rows(X, made.schema_), made.model_
    before = held_out_loss(model, rows, 0)
    model.standardise(torch.tensor([1.0, -2.0, 0.5]), torch.tensor([2.0, 0.3, 1.0]))
    assert held_out_loss(model, rows, 0) == pytest.approx(before, rel=1e-4)  # the projector takes the change back


def test_a_coder_learned_on_one_device_loads_where_that_is_missing(tmp_path):
    made = coder(device="cpu").fit(X)
    made.save(tmp_path / "b")
    assert "device" not in codelayer.bundle.read(tmp_path / "b").plan["options"]
    assert codelayer.load(tmp_path / "b").device == "auto"


def test_a_fit_again_starts_anew():
    made = coder()
    first = made.fit(X).transform(X)
    np.testing.assert_array_equal(made.fit(X).transform(X), first)
    assert made.record_["epochs_run"] == 5


def test_passes_over_parts_learn_and_go_on_after_fit_and_load(tmp_path):
    made = coder(learning_rate=0.01)
    scores = []
    for _ in range(30):
        for part in np.array_split(X, 3):
            made.partial_fit(part)
        scores.append(made.score(X))
    assert scores[-1] > 0.7 > scores[0] and made.record_["epochs_run"] == 90
    assert [noted["epoch"] for noted in made.history_] == list(range(1, 91))
    twin = coder(learning_rate=0.01)
    for _ in range(30):
        for part in np.array_split(X, 3):
            twin.partial_fit(part)
    np.testing.assert_array_equal(twin.transform(X), made.transform(X))
    fitted = coder(learning_rate=0.003).fit(X)
    fitted.save(tmp_path / "b")
    after, loaded = fitted.score(X), codelayer.load(tmp_path / "b")
    for _ in range(20):
        fitted.partial_fit(X)
        loaded.partial_fit(X)
    assert fitted.score(X) > after
    np.testing.assert_array_equal(fitted.transform(X), loaded.transform(X))
    with pytest.raises(ValueError, match="features"):
        made.partial_fit(X[:, :4])


def test_a_pass_over_a_single_row_is_possible_after_the_first():
    made = coder().partial_fit(X)
    assert np.isfinite(made.partial_fit(X[:1]).transform(X)).all()


def test_the_schedule_warms_up_and_cools_down():
    course = [schedule(step, 200) for step in range(200)]
    assert max(course) == pytest.approx(1, abs=0.01) and np.argmax(course) in (9, 10, 11)
    assert course[0] < 0.1 and course[-1] == pytest.approx(0.01, abs=0.001)
    assert 0 < schedule(0, 1) <= 1


def test_a_loss_that_is_no_longer_finite_is_told_in_a_sentence():
    with pytest.raises(
        SentenceError,
        match=r"squared\(\) is no longer finite at step \d+, in epoch \d+\n  choose a smaller learning_rate",
    ):
        coder(learning_rate=1e30).fit(X)


def test_auto_settings_follow_the_rows():
    options = Autoencoder().get_params()
    assert resolved(options, 300)["batch_size"] == 32 and resolved(options, 60_000)["batch_size"] == 256
    assert resolved(options, 300)["epochs"] == 320 and resolved(options, 10**6)["epochs"] == 20
    assert resolved(options, 100)["epochs"] == 600
    assert resolved(options | {"batch_size": 500}, 60)["batch_size"] == 60
    assert resolved(options | {"epochs": np.int64(7), "learning_rate": np.float32(0.5)}, 60)["epochs"] == 7


def test_auto_passes_make_the_promised_steps_from_few_rows_on():
    options = Autoencoder().get_params()
    for rows in (160, 178, 300, 1078, 1500, 20_000):
        found = resolved(options, rows)
        assert found["epochs"] * rows / found["batch_size"] == pytest.approx(3000, rel=0.05)


@pytest.mark.parametrize(
    "text, name",
    [
        ("swap(0.3)", "swap"),
        ("gaussian() + prior(1) + total_correlation(5)", "total_correlation"),
        ("views(swap(0.3)) + contrast(1)", "views"),
        ("squared() + slowness(1)", "slowness"),
    ],
)
def test_one_row_at_a_time_is_refused_where_rows_are_compared(text, name):
    with pytest.raises(SentenceError, match=rf"batch_size=1 leaves {name}\(\) nothing to compare with\n  at least 2"):
        Autoencoder(3, text, batch_size=1).fit(X)


@pytest.mark.parametrize(
    "text, told",
    [
        ("views(noise(0.1)) + squared()", r"views\(\) stands without a term that compares"),
        ("gaussian()", r"gaussian\(\) stands without prior\(\)"),
        ("topk(2) + batch_topk(2)", r"topk\(\) and batch_topk\(\) both choose which units are kept"),
    ],
)
def test_a_term_without_its_partner_is_told(text, told):
    with pytest.warns(UserWarning, match=told):
        Autoencoder(3, text, "mlp()", epochs=1, batch_size=16, random_state=0).fit(X)


@pytest.mark.parametrize(
    "text", ["views(noise(0.1)) + squared() + variance(1)", "gaussian() + prior(1)", "gaussian() + dip(1)", "topk(2)"]
)
def test_a_term_with_its_partner_is_not(text):
    assert without_partner(parse_objective(text)) == []


@pytest.mark.parametrize("scale, told", [("none", r"lie in \[-?\d.*, 9\]"), ("columns", "lie in")])
def test_bernoulli_says_what_range_the_inputs_have(scale, told):
    x = np.where(np.arange(64).reshape(8, 8) == 7, 9.0, 0.5 * X[:8])
    with pytest.raises(SentenceError, match=f"as they are encoded, {told}"):
        Autoencoder(3, "bernoulli()", scale=scale, epochs=1, validation=0).fit(x)


def test_a_name_in_place_of_rows_is_answered_with_how_to_read_it():
    with pytest.raises(DataError, match=r"'rows.npy' is a name, no rows\n  read them first: load_data\('rows.npy'\).x"):
        Autoencoder().fit("rows.npy")


def test_numpy_numbers_are_numbers():
    made = coder(epochs=np.int64(2), batch_size=np.int32(16), learning_rate=np.float32(0.01)).fit(X)
    assert made.record_["epochs"] == 2


@pytest.mark.parametrize("net", ["mlp()", "mlp(tied=True)"])
def test_a_linear_undercomplete_autoencoder_reaches_pca(net):
    made = Autoencoder(3, "squared()", net, epochs=200, batch_size=16, learning_rate=0.01, validation=0, random_state=0)
    best = Pca(3).fit(X).score(X)
    found = made.fit(X).score(X)
    assert best - 0.02 < found <= best + 1e-4


# --- dead units -----------------------------------------------------------------------------------------------------

KILLING = {
    "relu() + l1(50.0)": r"lower the weight of l1\(\)",
    "topk(1)": r"add transposed\(\), or ask for more units at a time",
    "topk(1) + transposed()": "ask for more units at a time",
}


@pytest.mark.parametrize("text", KILLING)
def test_dead_units_are_counted_and_told_with_a_remedy(text, tmp_path):
    made = Autoencoder(40, text, "mlp()", epochs=30, learning_rate=0.03, validation=0, random_state=0)
    with pytest.warns(UserWarning, match=rf"\d+ of 40 units are dead \(they never vary\); {KILLING[text]}"):
        made.fit(X)
    codes = made.transform(X)
    dead = np.flatnonzero(np.ptp(codes, axis=0) <= 1e-6 * np.abs(codes).max())
    np.testing.assert_array_equal(made.dead_units_, dead)
    assert made.record_["dead_units"] == len(dead) > 0
    made.save(tmp_path / "b")
    np.testing.assert_array_equal(codelayer.load(tmp_path / "b").dead_units_, dead)


@pytest.mark.filterwarnings("ignore:32 sparse units")
def test_a_code_of_which_all_units_died_says_so():
    text = "relu() + l1(1000) + unit_norm()"
    made = Autoencoder(32, text, "mlp()", epochs=20, learning_rate=0.03, validation=0, random_state=0)
    same = "; or lower the learning_rate: now every row has the same code, which says nothing"
    lower = r"lower the weight of l1\(\), or choose a smaller code_size"
    with pytest.warns(UserWarning, match=rf"32 of 32 units are dead \(they never vary\); {lower}{same}"):
        made.fit(X)
    assert len(made.dead_units_) == 32
    told = unit_problems(parse_objective("relu() + topk(4)"), 32, np.arange(32), np.arange(0))
    assert len(told) == 1 and "never vary); add transposed(), or ask for" in told[0] and told[0].endswith(same)


def test_units_that_a_threshold_kills_are_told_without_opposite_remedies():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Autoencoder(6, "jumprelu(100) + l0(1)", "mlp()", epochs=3, random_state=0).fit(X)
    told = [str(one.message) for one in caught]
    assert len(told) == 2 and all("lower the threshold of jumprelu()" in one for one in told)
    assert not any("weight" in one or "learning_rate" in one for one in told)
    priced = unit_problems(parse_objective("jumprelu() + l0(9)"), 6, np.arange(2), np.arange(0), [{"l0": 5.0}])
    assert "lower the weight of l0()" in priced[0] and "threshold" not in priced[0]


def test_a_code_without_dead_units_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(coder().fit(X).dead_units_) == 0


# --- constraints and tied weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["mlp()", "mlp(12, 9)", "mlp(tied=True)", "mlp(12, tied=True)", "conv(3, 4)"])
def test_unit_norm_keeps_every_atom_at_length_one(net, tmp_path):
    x = np.random.default_rng(0).random((50, 6, 6, 1)) if net.startswith("conv") else X
    made = coder("relu() + l1(0.01) + unit_norm()", net=net)
    for _ in made.fit_epochs(x):
        weight, along = made.model_.net.atoms()
        torch.testing.assert_close(weight.norm(dim=along), torch.ones(3))
    made.save(tmp_path / "b")
    weight, along = codelayer.load(tmp_path / "b").model_.net.atoms()
    torch.testing.assert_close(weight.norm(dim=along), torch.ones(3))


def test_a_tied_net_has_one_weight_after_learning_copying_and_loading(tmp_path):
    import copy
    import pickle

    made = coder("contractive", net="mlp(6, tied=True)").fit(X)
    made.save(tmp_path / "b")
    names = set(codelayer.bundle.read(tmp_path / "b").tensors)
    assert not any("decoder" in name and name.endswith("weight") for name in names)
    copies = [copy.deepcopy(made), pickle.loads(pickle.dumps(made)), codelayer.load(tmp_path / "b")]
    for one in copies:
        net = one.model_.net
        stages = [stage[-1] if name == "encoded" else stage[0] for name, stage in net.stages.items()]
        backward = [layer.layer for layer in net.decoder if hasattr(layer, "layer")]
        assert [layer.weight is stage.weight for layer, stage in zip(backward, reversed(stages), strict=True)] == [
            True
        ] * 2
        np.testing.assert_array_equal(
            one.inverse_transform(one.transform(X)), made.inverse_transform(made.transform(X))
        )
        one.partial_fit(X)
    assert not np.array_equal(copies[0].transform(X), made.transform(X))
