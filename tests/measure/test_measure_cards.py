"""The card: complete, JSON-ready, and clear about what it could not measure."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from codelayer.errors import DataError
from codelayer.measure import METRICS, card, card_rows, table_of_metrics

X, Y = load_iris(return_X_y=True)
SQUEEZE = np.random.default_rng(0).standard_normal((4, 2))


def encode(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).reshape(len(x), -1) @ SQUEEZE


def test_everything_that_can_be_measured_is_measured_beside_chance_and_rivals():
    found = card(encode(X), Y, X, encode=encode, rebuilt=X)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {row["name"] for row in found["metrics"]} == set(METRICS)
    assert not found["not_measured"]
    assert (found["n"], found["units"], found["features"], found["task"]) == (150, 2, 4, "class")
    by_name = {row["name"]: row for row in found["metrics"]}
    assert by_name["linear_area"]["chance"] == pytest.approx(1 / 3)
    assert by_name["trustworthiness"]["raw"] == pytest.approx(1, abs=1e-3)
    assert by_name["trustworthiness"]["chance"] == pytest.approx(0.5, abs=0.08)
    assert by_name["linear_area"]["pca"] > 0.8
    assert by_name["explained_share"]["chance"] == 0
    for row in found["metrics"]:
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"], row["name"]


def test_what_is_missing_is_named():
    found = card(encode(X))
    assert {row["name"] for row in found["metrics"]} >= {"hoyer", "dimension_mle", "dead_share"}
    missing = {row["name"]: row["needs"] for row in found["not_measured"]}
    assert missing["trustworthiness"] == ["x"] and missing["local_smoothness"] == ["encode", "x"]
    assert missing["labels_saved"] == ["labels", "x"]


def test_a_metric_that_refuses_the_data_is_listed_with_its_reason():
    x, y = load_diabetes(return_X_y=True)
    found = card(x[:, :3], y, only=("silhouette", "knn_area"))
    assert found["task"] == "number"
    assert [row["name"] for row in found["metrics"]] == ["knn_area"]
    assert "needs classes" in found["not_measured"][0]["why"]


def test_unlabelled_rows_and_lonely_classes_are_told():
    labels = Y.astype(object)
    labels[:20], labels[140] = None, "alone"
    found = card(encode(X), labels, only=("silhouette",))
    assert "20 rows without a label" in found["notes"][0]
    assert "1 rows of classes with one member" in found["notes"][1]
    assert card(encode(X), [None] * 150, only=("silhouette",))["metrics"] == []


def test_pictures_and_two_runs_give_one_card():
    pictures = X.reshape(150, 2, 2, 1).astype(np.float32)
    names = ("local_smoothness", "knn_area", "trustworthiness", "dimension_twonn")
    cards = [card(encode(pictures), Y, pictures, encode=encode, only=names) for _ in range(2)]
    for one in cards:
        one["seconds"] = 0
        for row in one["metrics"]:
            row["seconds"] = 0
    assert cards[0] == cards[1]


def test_tables_have_as_many_cells_as_columns():
    columns, rows = card_rows(card(encode(X), Y, only=("hoyer", "dead_share")))
    assert [len(row) for row in rows] == [len(columns)] * 2
    columns, rows = table_of_metrics()
    assert len(rows) == len(METRICS) and all(len(row) == len(columns) for row in rows)
    assert all(cell != "" for row in rows for cell in row)


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match="codes has 150, x has 149"):
        card(X, x=X[:149])
    with pytest.raises(DataError, match="no metric is called 'nope'"):
        card(X, only=("nope",))
    with pytest.raises(DataError, match="NaN or infinite values in 1 rows, first in row 2"):
        card(np.array([[0.0], [1], [np.nan], [2]]))


def test_importing_the_package_loads_neither_torch_nor_scikit_learn():
    code = "import sys, codelayer.measure as m; print([n for n in ('torch', 'sklearn', 'scipy') if n in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
    code = "import sys; from codelayer.measure import METRICS, card; assert METRICS; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
