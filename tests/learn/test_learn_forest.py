"""A forest kept as arrays answers as scikit-learn's does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from codelayer.learn.forest import Forest


@pytest.mark.parametrize("load", [load_digits, load_iris])
@pytest.mark.parametrize("rows", [12, 100])
def test_classes_are_those_of_scikit_learn(load, rows: int):
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float32), y[order]
    model = RandomForestClassifier(30, random_state=0).fit(x[:rows], y[:rows])
    forest = Forest.of(model)
    np.testing.assert_allclose(forest.outputs(x), model.predict_proba(x), atol=1e-6)
    assert (forest.predict(x) == model.predict(x)).mean() > 0.999


def test_numbers_are_those_of_scikit_learn():
    x, y = load_diabetes(return_X_y=True)
    x = x.astype(np.float32)
    model = RandomForestRegressor(30, random_state=0).fit(x[:100], y[:100])
    np.testing.assert_allclose(Forest.of(model).predict(x), model.predict(x), rtol=1e-5)


def test_a_value_on_the_threshold_goes_where_scikit_learn_sends_it():
    x = np.nextafter(np.float32(1), np.float32(2)) * np.ones((4, 1), np.float32)
    x[:2] = 1
    model = RandomForestClassifier(20, random_state=0).fit(x, [0, 0, 1, 1])
    assert list(Forest.of(model).predict(x)) == list(model.predict(x))


def test_a_tree_that_is_one_leaf_answers_for_every_row():
    model = RandomForestClassifier(3, random_state=0).fit(np.zeros((4, 2)), [0, 1, 1, 1])
    x = np.ones((5, 2), np.float32)
    np.testing.assert_allclose(Forest.of(model).outputs(x), model.predict_proba(x), atol=1e-6)


def test_centred_thresholds_change_no_answer_and_stand_off_every_value():
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    forest = Forest.of(RandomForestClassifier(20, random_state=0).fit(x, y))
    centred = forest.centred(x)
    np.testing.assert_array_equal(centred.outputs(x), forest.outputs(x))
    near = x + np.random.default_rng(0).choice([-1e-5, 1e-5], x.shape).astype(np.float32)
    assert not np.array_equal(forest.outputs(near), forest.outputs(x))
    np.testing.assert_array_equal(centred.outputs(near), centred.outputs(x))


def test_centred_thresholds_between_neighbouring_numbers_keep_the_sides():
    low = np.float32(3)
    x = np.array([[low], [np.nextafter(low, np.float32(4))]] * 3)
    forest = Forest.of(RandomForestClassifier(5, random_state=0).fit(x, [0, 1] * 3)).centred(x)
    assert forest.predict(x).tolist() == [0, 1] * 3
