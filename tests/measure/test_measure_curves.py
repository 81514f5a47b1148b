"""Label curves, their area, and labels saved."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import balanced_accuracy_score

from codelayer.errors import DataError
from codelayer.measure import curve_area, join_curves, label_curve, label_efficiency

X, Y = load_digits().data / 16, load_digits().target
TRAIN, REST = np.arange(1797) < 1100, np.arange(1797) >= 1437


def test_every_prediction_is_kept_and_the_scores_follow_from_them():
    curve = label_curve(X[TRAIN], Y[TRAIN], X[REST], Y[REST], draws=3, counts=[1, 10])
    assert curve.predictions.shape == (3, 2, 360)
    again = balanced_accuracy_score(Y[REST], curve.classes[curve.predictions[1, 1]])
    assert curve.scores[1, 1] == pytest.approx(again)
    assert curve.area == pytest.approx(curve.mean.mean())


def test_digits_reach_the_known_heights_within_the_promised_time():
    begun = time.process_time()
    linear = label_curve(X[TRAIN], Y[TRAIN], X[REST], Y[REST], draws=21, counts=[1, 5, 10, 50, 100])
    middle = time.process_time()
    knn = label_curve(X[TRAIN], Y[TRAIN], X[REST], Y[REST], draws=21, counts=[1, 5, 10, 50, 100], probe="knn")
    # promised 2.5 s and 0.5 s on an idle core; the bounds leave room for a busy one
    assert middle - begun < 10
    assert time.process_time() - middle < 2
    assert linear.mean == pytest.approx([0.6, 0.82, 0.86, 0.92, 0.93], abs=0.04)
    assert knn.mean[0] == pytest.approx(linear.mean[0], abs=0.05)
    assert (np.diff(linear.mean) > 0).all()


def test_two_classes_have_an_auc_and_numbers_an_r2():
    x, y = load_breast_cancer(return_X_y=True)
    curve = label_curve(x[:400], y[:400], x[400:], y[400:], draws=4, counts=[1, 50])
    assert curve.aucs.shape == (4, 2) and curve.aucs[:, 1].min() > 0.9
    x, y = load_diabetes(return_X_y=True)
    curve = label_curve(x[:300], y[:300], x[300:], y[300:], draws=4)
    assert curve.counts == (10, 50, 100) and curve.task == "number"
    assert 0.3 < curve.mean[-1] < 0.6


def test_rows_without_a_label_give_the_scale_but_are_never_scored():
    y_train, y_eval = Y[TRAIN].astype(object), Y[REST].astype(object)
    y_train[::2], y_eval[:100] = None, None
    curve = label_curve(X[TRAIN], y_train, X[REST], y_eval, draws=2, counts=[5])
    assert curve.scored.sum() == 260
    assert curve.predictions.shape == (2, 1, 360)


def test_the_same_seed_gives_the_same_bits_and_the_own_probe_is_used():
    class First:
        def fit(self, codes, y):
            self.answer = y[0]

        def predict(self, codes):
            return np.full(len(codes), self.answer)

    one, two = (label_curve(X[TRAIN], Y[TRAIN], X[REST], Y[REST], draws=2, counts=[5]) for _ in range(2))
    assert np.array_equal(one.predictions, two.predictions)
    lazy = label_curve(X[TRAIN], Y[TRAIN], X[REST], Y[REST], draws=2, counts=[5], probe=lambda codes, task: First())
    assert lazy.area == pytest.approx(0.1)


def test_the_seeds_of_a_rival_join_draw_by_draw():
    parts = [label_curve(X[TRAIN], Y[TRAIN], X[REST], Y[REST], draws=2, counts=[1, 5], seed=s) for s in (0, 1)]
    joined = join_curves(parts)
    assert joined.scores.shape == (4, 2)
    assert joined.area == pytest.approx(np.mean([part.area for part in parts]))


def test_the_area_is_the_mean_height_over_log_labels():
    assert curve_area(np.array([0.2, 0.6]), [1, 100]) == pytest.approx(0.4)
    assert curve_area(np.array([0.0, 1.0, 1.0]), [1, 10, 1000]) == pytest.approx((0.5 + 2) / 3)
    assert curve_area(np.array([[0.7], [0.3]]), [5]).tolist() == [0.7, 0.3]
    with pytest.raises(DataError, match="do not ascend"):
        curve_area(np.ones(2), [10, 1])


def test_labels_saved_are_read_off_the_raw_curve_on_log_labels():
    found = label_efficiency(np.array([0.2, 0.4, 0.6]), np.array([0.4, 0.5, 0.6]), [1, 10, 100])
    assert [row["raw_needs"] for row in found["by_count"]] == pytest.approx([10, 10**1.5, 100])
    assert found["ratio"] == pytest.approx((10 * 10**0.5 * 1) ** (1 / 3))
    assert found["censored"] == ""


def test_a_score_raw_features_never_reach_is_a_bound():
    above = label_efficiency(np.array([0.2, 0.4]), np.array([0.5, 0.6]), [1, 10])
    assert above["censored"] == "at least" and above["ratio"] == pytest.approx(10**0.5)
    below = label_efficiency(np.array([0.5, 0.6]), np.array([0.2, 0.4]), [1, 10])
    assert below["censored"] == "at most" and below["ratio"] == pytest.approx(10**-0.5)
    same = label_efficiency(np.array([0.5, 0.6]), np.array([0.5, 0.6]), [1, 10])
    assert same["ratio"] == pytest.approx(1) and same["censored"] == ""


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="5 train codes and 4 labels"):
        label_curve(X[:5], Y[:4], X[:5], Y[:5])
    with pytest.raises(DataError, match="codes of 64 and of 3 units"):
        label_curve(X[:50], Y[:50], X[:5, :3], Y[:5])
    with pytest.raises(DataError, match="no probe is called 'lineer'; did you mean 'linear'"):
        label_curve(X[TRAIN], Y[TRAIN], X[REST], Y[REST], probe="lineer")


def test_a_flat_curve_needs_as_many_labels_as_itself():
    flat = np.array([1.0, 1.0, 1.0])
    assert label_efficiency(flat, flat, [1, 5, 10])["ratio"] == pytest.approx(1.0)
    rising = np.array([0.5, 0.9, 0.9])
    assert label_efficiency(rising, rising, [1, 5, 10])["ratio"] == pytest.approx(1.0)
