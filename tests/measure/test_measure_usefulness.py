"""Metrics that need labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from codelayer.errors import DataError
from codelayer.measure import METRICS

X, Y = load_digits().data / 16, load_digits().target


@pytest.mark.parametrize(("units", "expected"), [(64, 0.16294321), (2, 0.10505275), (10, 0.22406861)])
def test_silhouette_gives_the_reference_values(units, expected):
    codes = X if units == 64 else PCA(units, svd_solver="full").fit_transform(X)
    assert METRICS["silhouette"](codes, Y) == pytest.approx(expected, abs=1e-7)


def test_silhouette_of_the_continuous_example():
    x = np.random.RandomState(0).randn(300, 10)
    assert METRICS["silhouette"](x, x[:, 0] > 0) == pytest.approx(0.06772024, abs=1e-7)


def test_areas_read_the_curve_they_report():
    reading = METRICS["linear_area"].read({"codes": X, "labels": Y}, {"draws": 5, "largest": 10})
    assert reading.more["counts"] == [1, 5, 10]
    assert reading.low < reading.value < reading.high
    assert reading.chance == pytest.approx(0.1)
    assert 0.55 < reading.more["scores"][0] < 0.75 and reading.more["scores"][2] > 0.85
    assert reading.n == pytest.approx(len(X) / 2, abs=10)


def test_a_code_that_shows_the_class_saves_labels():
    told = np.eye(10)[Y] + 0.1 * np.random.default_rng(0).standard_normal((len(Y), 10))
    reading = METRICS["labels_saved"].read({"codes": told, "labels": Y, "x": X}, {"draws": 4, "largest": 10})
    assert reading.value > 2 and reading.note == "at least this" and reading.chance == 1.0
    assert METRICS["labels_saved"](X, Y, X, draws=4, largest=5) == pytest.approx(1)


def test_numbers_have_no_silhouette():
    with pytest.raises(DataError, match="needs classes"):
        METRICS["silhouette"](X, X[:, 20] + 0.01)


def test_what_each_row_adds_to_the_silhouette_is_what_leaving_it_out_takes_away():
    rng = np.random.default_rng(6)
    codes, labels = rng.standard_normal((90, 2)) + 2 * np.eye(3)[np.arange(90) % 3][:, :2], np.arange(90) % 3
    found = METRICS["silhouette"].read({"codes": codes, "labels": labels}, as_given=True)
    without = [METRICS["silhouette"](np.delete(codes, i, 0), np.delete(labels, i)) for i in range(90)]
    told = 89 / 90 * np.square(np.array(without) - np.mean(without)).sum()
    assert (found.high - found.value) / 1.987 == pytest.approx(told**0.5, rel=0.1)
    assert found.points.mean() == pytest.approx(found.value)


@pytest.mark.parametrize("name", ["knn_score", "neighborhood_hit"])
def test_groups_that_repeat_the_labels_are_refused_and_lonely_classes_are_told(name):
    codes, labels = np.random.default_rng(7).standard_normal((60, 2)), np.arange(60) % 3
    with pytest.raises(DataError, match="each of the 3 classes stands in one group alone"):
        METRICS[name].read({"codes": codes, "labels": labels, "groups": labels})
    some = np.where(labels == 2, 99, np.arange(60))
    note = METRICS[name].read({"codes": codes, "labels": labels, "groups": some}).note
    assert note == "20 rows are of a class that stands in one group alone: nobody can tell them"
