"""labels(): the few rows that have one; what is read of y, what it is worth, and that it is saved."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import codelayer
from codelayer import bundle
from codelayer.errors import DataError, SentenceError
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.heads import Headed
from codelayer.learn.rowlabels import learned_head, row_labels
from codelayer.nets import Target
from codelayer.objective import Context, Trace
from codelayer.objective.labels import Labels

pytestmark = pytest.mark.filterwarnings("ignore:.*(dead|surplus)")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 6))
CLASSES = np.where(X[:, 0] > 0.5, "high", np.where(X[:, 0] < -0.5, "low", "mid")).astype(object)


def few(y: np.ndarray, empty: object, every: int = 2) -> np.ndarray:
    out = y.astype(object).copy()
    out[::every] = empty
    return out


def coder(objective: str = "labels(1)", **options) -> Autoencoder:
    return Autoencoder(3, objective, **({"epochs": 3, "batch_size": 32, "random_state": 0} | options))


@pytest.mark.parametrize("y", [np.arange(160), np.array([f"id{i}" for i in range(160)], object)], ids=["int", "text"])
def test_labels_of_which_every_row_has_its_own_are_told(y):
    if y.dtype.kind == "i":
        y = y[:90]  # above 100 whole numbers they are numbers
    with pytest.warns(UserWarning, match=r"classes for \d+ rows: every row has its own"):
        coder().fit(X[: len(y)], y)
    one_each = np.full(160, None, object)
    one_each[:3] = ["a", "b", "c"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*every row has its own")
        coder().fit(X, one_each)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_label_is_refused(value):
    y = RNG.normal(size=160)
    y[7] = value
    for given in (y, y.tolist()):
        with pytest.raises(DataError, match="the label of row 7 is infinite"):
            coder().fit(X, given)


@pytest.mark.parametrize("empty", [None, np.nan, ""])
def test_none_nan_and_an_empty_text_mean_no_label(empty):
    found = row_labels("labels(1)", few(CLASSES, empty), 160)
    assert found.target == Target("class", ("high", "low", "mid"))
    assert np.isnan(found.values[::2]).all()
    np.testing.assert_array_equal(np.array(found.target.classes)[found.values[1::2].astype(int)], CLASSES[1::2])


def test_minus_one_means_no_label_only_among_whole_numbers_from_0_on():
    found = row_labels("labels()", np.array([0, 2, -1, 5, 2]), 5)
    assert found.target.classes == (0, 2, 5) and np.isnan(found.values).tolist() == [False, False, True, False, False]
    assert all(type(one) is int for one in found.target.classes)
    assert row_labels("labels()", np.array([-1, 1, 1]), 3).target.classes == (-1, 1)
    assert row_labels("labels()", np.array([-2, -1, 1]), 3).target.classes == (-2, -1, 1)
    number = row_labels("labels()", np.array([-1.0, 0.5, 2.0, np.nan]), 4)
    assert number.target.task == "number" and np.isnan(number.values).tolist() == [False, False, False, True]


def test_numbers_are_standardised_by_those_that_are_known():
    y = np.array([1.5, np.nan, 3.0, 7.25])
    found = row_labels("labels()", y, 4)
    known = y[[0, 2, 3]]
    assert found.target == Target("number", (), known.mean(), known.std())
    np.testing.assert_allclose(found.values[[0, 2, 3]], (known - known.mean()) / known.std(), rtol=1e-6)
    assert row_labels("labels()", np.arange(101), 101).target.task == "number"
    assert row_labels("labels()", np.arange(100), 100).target.task == "class"


@pytest.mark.parametrize(
    "y, error, said",
    [
        (None, SentenceError, "none were given\n  call fit.X, y., with None, NaN or '' in y"),
        (np.full(160, np.nan), SentenceError, "no row has a label\n  give some in y"),
        (np.ones(160), DataError, "all labels are equal"),
        (CLASSES[:100], DataError, "do not fit 160 samples"),
    ],
)
def test_labels_that_teach_nothing_are_refused_before_the_first_step(y, error, said):
    with pytest.raises(error, match=said):
        coder().fit(X, y)
    for call in (coder().prepare, coder().partial_fit):
        with pytest.raises(error, match=said):
            call(X, y)


def test_without_the_term_y_is_ignored():
    plain = coder("squared()").fit(X)
    for y in (CLASSES, np.ones(160), "nonsense"):
        np.testing.assert_array_equal(coder("squared()").fit(X, y).transform(X), plain.transform(X))
    assert plain.model_.plan.target is None and "target" not in plain._state()[0]


@pytest.mark.parametrize("task", ["class", "number"])
def test_a_step_is_charged_the_mean_over_all_rows(task):
    y = few(CLASSES, None, 3) if task == "class" else np.where(np.arange(160) % 3, X[:, 1], np.nan)
    made = coder("labels(2)").fit(X, y)
    found = row_labels("labels(2)", y, 160)
    x, given = torch.from_numpy(made.schema_.encode(X)), torch.from_numpy(found.values)
    context = Context(0, 0, 0.0, {}, labels=given)
    charged = made.model_.objective.charge(made.model_, x, None, context)["labels"].item()
    head = learned_head(made)
    scores = made.transform(X) @ head.weight + head.intercept
    known = np.isfinite(found.values)
    if task == "class":
        chances = np.exp(scores[known]) / np.exp(scores[known]).sum(1, keepdims=True)
        error = -np.log(chances[np.arange(known.sum()), found.values[known].astype(int)])
    else:
        error = ((scores[known, 0] - y[known]) / found.target.scale) ** 2
    assert charged == pytest.approx(2 * error.sum() / 160, rel=1e-4)


def test_the_gradient_of_unlabelled_rows_is_zero():
    made = coder().fit(X, few(CLASSES, None))
    rows = torch.from_numpy(made.schema_.encode(X))
    code = made.model_.codes(rows).detach().requires_grad_(True)
    given = torch.from_numpy(row_labels("labels()", few(CLASSES, None), 160).values)
    one = Trace(x=rows, code=code, module=made.model_.module_of("labels"), context=Context(labels=given))
    (slope,) = torch.autograd.grad(Labels()(one).sum(), code)
    assert bool((slope[::2] == 0).all()) and bool((slope[1::2].abs().sum(1) > 0).all())


def test_labels_put_into_the_code_what_a_small_code_would_drop():
    x = np.random.default_rng(3).normal(size=(400, 12))
    y = np.where(np.arange(400) % 4, np.nan, (x[:, 5] > 0).astype(float))
    plain, told = (
        coder(text, epochs=20, learning_rate=0.01).fit(x, y) for text in ("squared()", "squared() + labels(20)")
    )
    unseen = np.random.default_rng(4).normal(size=(400, 12))

    def right(made: Autoencoder) -> float:
        codes, truth = made.transform(unseen), unseen[:, 5] > 0
        weight, *_ = np.linalg.lstsq(np.c_[codes, np.ones(400)], truth * 2.0 - 1, rcond=None)
        return float(((np.c_[codes, np.ones(400)] @ weight > 0) == truth).mean())

    assert right(told) > 0.8 > 0.7 > right(plain)


@pytest.mark.parametrize("task", ["class", "number"])
def test_head_and_class_names_are_saved_with_the_bundle(task, tmp_path):
    y = few(CLASSES, None) if task == "class" else np.where(np.arange(160) % 2, 100 + 5 * X[:, 1], np.nan)
    made = coder("labels(5)", epochs=30, learning_rate=0.01).fit(X, y)
    made.save(tmp_path / "b")
    loaded = codelayer.load(tmp_path / "b")
    assert loaded.model_.plan.target == made.model_.plan.target
    np.testing.assert_array_equal(loaded.transform(X), made.transform(X))
    ours, theirs = Headed(made, learned_head(made)), Headed(loaded, learned_head(loaded))
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    if task == "class":
        assert bundle.read(tmp_path / "b").plan["target"]["classes"] == ["high", "low", "mid"]
        assert (ours.predict(X) == CLASSES).mean() > 0.7  # a third by chance
    else:
        assert np.corrcoef(ours.predict(X), X[:, 1])[0, 1] > 0.9 and abs(ours.predict(X).mean() - 100) < 2
    with pytest.raises(SentenceError, match="learned no head"):
        learned_head(coder("squared()").fit(X))


def test_passes_over_parts_keep_the_classes_of_the_first_one():
    made = coder().partial_fit(X, few(CLASSES, ""))
    made.partial_fit(X[:20], np.full(20, "mid", object))
    made.partial_fit(X[:20], [None] * 20)
    assert made.model_.plan.target.classes == ("high", "low", "mid")
    with pytest.raises(DataError, match="'odd' is no class of the first pass"):
        made.partial_fit(X[:20], ["odd"] * 20)
    number = coder().partial_fit(X, X[:, 1])
    number.partial_fit(X[:20], np.ones(20))
    with pytest.raises(DataError, match="texts, but were numbers"):
        number.partial_fit(X[:20], CLASSES[:20])


def test_it_goes_with_views_and_with_other_terms():
    text = "views(swap(0.5)) + contrast(1) + labels(1)"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        course = [one.loss for one in coder(text, epochs=8).fit_epochs(X, few(CLASSES, None))]
    assert course[-1] < course[0]


def test_a_term_that_was_zero_for_a_whole_epoch_is_told():
    y = np.full(160, None, object)
    kept = np.setdiff1d(np.arange(160), np.sort(np.random.default_rng(0).permutation(160)[:16]))
    y[np.setdiff1d(np.arange(160), kept)] = CLASSES[np.setdiff1d(np.arange(160), kept)]  # held-out rows alone have one
    with pytest.warns(UserWarning, match=r"labels\(\) was 0 over the whole first epoch: no row it learned from has"):
        coder().fit(X, y)


def test_a_run_with_other_labels_is_another_run(tmp_path):
    for epoch in coder(run=tmp_path / "run").fit_epochs(X, few(CLASSES, None)):
        if epoch.number == 1:
            break
    with pytest.raises(codelayer.errors.RunError, match="other data"):
        coder(run=tmp_path / "run").fit(X, CLASSES)
