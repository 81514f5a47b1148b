"""Fine-tuning in trouble: too little memory, labels and rows that teach nothing, options that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tuning_cases import QUICK, Hungry, X, Y, hungry, learned, pictures, small

from codelayer.errors import DataError, SentenceError
from codelayer.objective.trace import generator
from codelayer.transfer.finetune import FineTunedClassifier
from codelayer.transfer.tuned import chosen, settings

# --- memory -----------------------------------------------------------------------------------------------------------

ERRORS = [
    (
        RuntimeError,
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: not enough memory: you tried to allocate",
    ),
    (RuntimeError, "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    (MemoryError, ""),
    (torch.OutOfMemoryError, "CUDA out of memory"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS)
@pytest.mark.parametrize("most", [1, 5, 11])
def test_a_batch_that_does_not_fit_has_the_gradient_of_the_whole(error, text, most):
    tuning = same_gradient(12, most, error=error, text=text)
    assert tuning.parts.count == {1: 12, 5: 4, 11: 2}[most] and len(tuning.parts.notes) == 1


def ready(backbone, **options):
    """A tuning before its first step."""
    model = FineTunedClassifier(backbone, **(QUICK | options))
    tuning = model.tuning(*model.checked(X, Y), 0)
    tuning.paces.at(0)
    return tuning


def same_gradient(*limits: int, norm: bool = False, error=RuntimeError, text="not enough memory", **options):
    """The last of the tunings, one for each limit of memory, whose loss and gradient at a step are all the same."""
    found = []
    for limit in limits:
        tuning = ready(hungry(limit, norm, error, text), **options)
        terms = tuning.gradient(torch.arange(12), 3)
        found.append((float(terms["loss"]), [one.grad for one in tuning.joined.parameters() if one.grad is not None]))
    for loss, slopes in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-6)
        for one, other in zip(slopes, found[0][1], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    return tuning


@pytest.mark.parametrize("augment", ["flip", "shift", "flip + shift"])
def test_the_parts_of_a_batch_are_changed_as_in_the_whole(augment):
    tuning = same_gradient(12, 5, 1, augment=augment)
    whole, plain = tuning.feed.batch(torch.arange(12), 3), tuning.feed.batch(torch.arange(12), 4)
    parts = [tuning.feed.batch(torch.arange(12), 3, slice(start, start + 5)) for start in (0, 5, 10)]
    assert torch.equal(torch.cat(parts), whole) and not torch.equal(whole, plain)


def test_a_run_that_lacks_memory_goes_on_with_a_note():
    with pytest.warns(UserWarning, match="a batch of 12 rows did not fit into memory and is split into parts of 3"):
        model = learned(backbone=hungry(5, False))
    whole = learned(backbone=hungry(100, False))
    assert any("split" in note for note in model.notes_) and not any("split" in note for note in whole.notes_)
    np.testing.assert_allclose(model.predict_proba(X), whole.predict_proba(X), atol=1e-3)


def test_batch_normalisation_keeps_no_trace_of_the_part_that_failed_and_the_note_tells():
    with pytest.warns(UserWarning, match="but for batch normalisation"):
        model = learned(backbone=hungry(6, True), epochs=1, batch_size=12)
    assert model.backbone_.net.b1[1].num_batches_tracked == 5 + 2 * 3, "two parts in each of three steps"


def drawing(most: int):
    found = small(norm=False, drop=0.5)
    found.net.b2.add_module("hungry", Hungry(most))
    return found


def test_dropout_of_a_part_does_not_depend_on_what_was_tried_before():
    found = []
    for count, most in ((1, 6), (2, 6), (2, 6)):  # a try that fails, the parts at once, and again
        tuning = ready(drawing(most))
        tuning.parts.count = count
        tuning.gradient(torch.arange(12), 3)
        found.append(torch.cat([one.grad.flatten() for one in tuning.joined.parameters() if one.grad is not None]))
        assert tuning.parts.count == 2
    assert torch.equal(found[0], found[1]) and torch.equal(found[1], found[2])
    assert not any("normalisation" in note for note in tuning.parts.notes)


def test_parts_and_steps_draw_apart():
    tuning = ready(drawing(6))
    tuning.parts.count, seen = 2, []
    tuning.joined.net.b1[-1].register_forward_hook(lambda module, inputs, output: seen.append(output == 0))
    for step in (3, 4, 3):
        tuning.gradient(torch.tensor([0, 1, 0, 1]), step)  # the same two rows in both parts
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    assert torch.equal(seen[0], seen[4]) and torch.equal(seen[1], seen[5])


def test_the_note_says_that_dropout_is_not_that_of_the_whole_batch():
    with pytest.warns(UserWarning, match="but for dropout, which draws for each part anew"):
        learned(backbone=drawing(6), epochs=1)


def test_not_even_one_row_and_other_errors_are_told():
    with pytest.raises(SentenceError, match="not even one row fits"):
        learned(backbone=hungry(0, False))
    with pytest.raises(RuntimeError, match="something else"):
        learned(backbone=hungry(0, False, RuntimeError, "something else"))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (Y[:-1], "do not fit 36 samples"),
        (np.zeros(36), "all labels are equal"),
        ([None] * 36, "no row has a label"),
        (None, "none were given"),
        (np.arange(36), "nothing that two rows share"),
        (np.where(np.arange(36) == 3, np.inf, Y), "infinite"),
    ],
)
def test_labels_that_teach_nothing_are_refused(labels, told):
    with pytest.raises(DataError, match=told):
        FineTunedClassifier(small(), **QUICK).fit(X, labels)


def test_unlabelled_rows_are_left_out_with_a_note():
    some = [one if at % 2 else None for at, one in enumerate(np.array(["a", "b", "c"])[Y])]
    model = FineTunedClassifier(small(), **QUICK).fit(X, some)
    assert any("18 of 36 rows are unlabelled" in note for note in model.notes_)
    kept = FineTunedClassifier(small(), **QUICK).fit(X[1::2], some[1::2])
    assert np.array_equal(model.transform(X), kept.transform(X))
    numbers = FineTunedClassifier(small(), **QUICK).fit(X, np.where(np.arange(36) % 2, Y, np.nan))
    assert numbers.classes_.dtype == np.int64 and np.array_equal(numbers.transform(X), kept.transform(X))


def test_a_class_of_a_single_label_is_noted_and_learned():
    labels = Y.copy()
    labels[0] = 7
    model = FineTunedClassifier(small(), **(QUICK | {"start": "probe"})).fit(X, labels)
    assert any("class 7 had a single label" in note for note in model.notes_) and 7 in model.classes_
    assert model.probe_strength_ == 0.01


def test_a_class_only_in_the_test_part_counts_as_missed():
    model = learned(epochs=20, learning_rate=0.01)
    x, y = pictures(40, seed=2)
    plain = model.score(x, y)
    y = y.copy()
    y[y == 2] = 9
    with pytest.warns(UserWarning, match=r"not among the classes learned, so counted as missed: 9 \(13 rows\)"):
        assert model.score(x, y) == pytest.approx(np.mean(model.predict(x) == y))
    assert model.score(x, y) < plain


def test_rows_that_cannot_be_prepared_are_refused():
    broken = X.astype(np.float32) / 255
    broken[3, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="row 3 holds NaN"):
        FineTunedClassifier(small(), **QUICK).fit(broken, Y)
    with pytest.raises(DataError, match="takes pictures"):
        FineTunedClassifier(small(), **QUICK).fit(X.reshape(36, -1), Y)
    with pytest.raises(DataError, match="cannot be prepared"):
        FineTunedClassifier(small(), **QUICK).fit([["a"]] * 36, Y)
    with pytest.raises(SentenceError, match="no backbone was given"):
        FineTunedClassifier(None, **QUICK).fit(X, Y)


def test_notes_of_the_preprocessing_are_kept():
    coloured = np.repeat(X, 3, 3)
    model = FineTunedClassifier(small(), **QUICK).fit(coloured, Y)
    assert any("luma" in note for note in model.notes_)


@pytest.mark.parametrize(
    "option",
    [
        {"epochs": 0},
        {"batch_size": 2.5},
        {"learning_rate": -1},
        {"learning_rate": "fast"},
        {"start": "prob"},
        {"schedule": "line"},
        {"anchor": 0.1, "tune": "scratch"},
    ],
)
def test_impossible_options_are_refused(option):
    with pytest.raises(SentenceError, match=next(iter(option))):
        learned(**option)


def test_a_loss_that_is_no_number_ends_the_fit():
    with pytest.raises(SentenceError, match="no longer finite at step"):
        learned(backbone=small(norm=False), learning_rate=1e30, schedule="cosine")


def test_the_rules_of_auto():
    auto = dict.fromkeys(("epochs", "batch_size", "learning_rate"), "auto") | {"tune": "all", "start": "random"}
    assert settings(auto, 50) == {"epochs": 30, "batch_size": 8, "learning_rate": 0.001}
    assert settings(auto, 1000) == {"epochs": 6, "batch_size": 32, "learning_rate": 0.001}
    assert settings(auto | {"start": "probe"}, 5) == {"epochs": 30, "batch_size": 5, "learning_rate": 0.0003}
    assert settings(auto | {"tune": "head"}, 5)["learning_rate"] == 0.01
    assert settings(auto | {"tune": "scratch"}, 250) == {"epochs": 52, "batch_size": 32, "learning_rate": 0.003}


def test_every_leaf_is_open_or_closed():
    net = small(drop=0.5)
    for tune in ("head", "last", 2, "b2", "all", "norms"):
        found = chosen(net, tune)
        names = [one for names in found.open.values() for one in names] + found.closed
        assert len(names) == len(set(names)) == 14
    assert chosen(net, "b2").after == "b1" and chosen(net, "head").after == "b3" and chosen(net, "all").after is None


def test_order_is_a_function_of_seed_and_epoch():
    first, second = (torch.randperm(9, generator=generator(3, "order", 2)) for _ in range(2))
    assert torch.equal(first, second)
