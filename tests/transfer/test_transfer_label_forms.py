"""Labels in every form mean the same to fine-tuning and to advice: what was given is what is predicted."""

from __future__ import annotations

import numpy as np
import pytest
from tuning_cases import QUICK, pictures, small

from codelayer.data.labels import as_labels
from codelayer.transfer import FineTunedClassifier
from codelayer.transfer.labelled import labels_of
from codelayer.transfer.targets import known_labels

X, Y = pictures(12, classes=2)
FORMS = {
    "whole numbers and an empty text": ([1, "", 0, 1, "", 0], [1, 0]),
    "whole numbers and None": ([1, None, 0, 1, None, 0], [1, 0]),
    "floats that are whole": (np.array([1, np.nan, 0, 1, np.nan, 0]), [1, 0]),
    "truth": ([True, "", False, True, None, False], [True, False]),
    "texts": (["1", "", "0", "1", None, "0"], ["1", "0"]),
    "words that read like truth": (["True", "", "False", "True", None, "False"], ["True", "False"]),
    "numbers and texts": ([1, "", "b", 1, None, "b"], ["1", "b"]),
}


@pytest.mark.parametrize("pack", [list, tuple, lambda y: np.array(y, object)])
@pytest.mark.parametrize("form", FORMS)
def test_a_label_is_the_same_in_a_list_a_tuple_and_an_array(form, pack):
    given, expected = FORMS[form]
    rows, labels, notes = known_labels(pack(list(given)), 6)
    assert rows.tolist() == [0, 2, 3, 5] and labels.tolist() == [*expected, *expected]
    assert [type(one) for one in labels.tolist()] == [type(one) for one in [*expected, *expected]]
    assert notes == ["2 of 6 rows are unlabelled"]
    task, at, told = labels_of(np.zeros((6, 2)), pack(list(given)))
    assert task == "class" and at.tolist() == rows.tolist() and told.tolist() == labels.tolist()


def test_a_tuple_is_read_as_a_list_is():
    for given in ([1, "", 0], [1.5, None, 0], ["a", 2, None]):
        one, other = as_labels(given, 3)[0], as_labels(tuple(given), 3)[0]
        assert one.dtype == other.dtype and str(one.tolist()) == str(other.tolist())


@pytest.mark.parametrize("form", ["whole numbers and an empty text", "truth", "words that read like truth"])
def test_what_is_predicted_is_what_was_given(form):
    pair = FORMS[form][1]
    y = [pair[one] for one in Y]
    model = FineTunedClassifier(small(False), **{**QUICK, "epochs": 4, "start": "probe"}).fit(X, ["", *y[1:]])
    assert set(model.predict(X).tolist()) == set(pair) and model.score(X, y) == 1.0
