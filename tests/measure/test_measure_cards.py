"""The card: complete, JSON-ready, and clear about what it could not measure."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from codelayer.errors import DataError
from codelayer.measure import METRICS, card, card_rows, save_card, table_of_metrics
from codelayer.measure.cardfigures import unit_cells
from codelayer.measure.cardpage import card_page

X, Y = load_iris(return_X_y=True)
SQUEEZE = np.random.default_rng(0).standard_normal((4, 2))


def encode(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).reshape(len(x), -1) @ SQUEEZE


def test_everything_that_can_be_measured_is_measured_beside_chance_and_rivals():
    beside = {"coarse": Y // 2, "nuisance": np.arange(150) % 2, "layers": {"x": X, "code": encode(X)}}
    beside |= {"factors": np.c_[Y, np.arange(150) % 4], "seeds": [encode(X), encode(X) + X[:, :2] / 9, X[:, :2]]}
    found = card(encode(X), Y, X, encode=encode, decode=lambda z: z @ SQUEEZE.T, rebuilt=X, **beside)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    missing = {row["name"]: row["why"] for row in found["not_measured"]}
    assert {row["name"] for row in found["metrics"]} | set(missing) == set(METRICS)
    slow = {name for name, one in METRICS.items() if one.by_name}
    assert set(missing) <= {"new_concepts", "alpha_req", *slow}, missing  # three classes and two units are too few
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
    with pytest.raises(DataError, match="task='foo' is not known"):
        card(X, Y, task="foo")
    with pytest.raises(DataError, match="no metric is called 'nope'"):
        card(X, only=("nope",))
    with pytest.raises(DataError, match="did you mean 'silhouette'") as told:
        card(X, only=("silhuette",))
    assert str(told.value).count(",") <= 12 and "codelayer measure --list" in str(told.value)
    assert len(str(told.value)) < 400
    with pytest.raises(DataError, match="NaN or infinite values in 1 rows, first in row 2"):
        card(np.array([[0.0], [1], [np.nan], [2]]))


WIDE = np.repeat(X, 2, axis=1)


@pytest.mark.parametrize(
    "given, absent, told",
    [
        ({"x": X[:149]}, "trustworthiness", "codes has 150 rows, x has 149"),
        ({"labels": Y[:10], "x": X}, "linear_area", "codes has 150 rows, labels has 10"),
        ({"factors": X[:9]}, "", "codes has 150 rows, factors has 9"),
        ({"encode": 3, "x": X}, "local_smoothness", "encode is a int, not callable"),
        ({"encode": lambda x: WIDE[: len(x)], "x": X}, "local_smoothness", "encode made 8 columns of 2 rows"),
        ({"encode": lambda x: x[:, 9], "x": X}, "local_smoothness", "encode failed: IndexError"),
        ({"layers": [X]}, "", "layers is a list"),
        ({"seeds": [X, X[:4]]}, "", "the code of seed 1 has 4"),
        ({"seeds": 5}, "udr", "seeds is a int"),
        ({"encode": lambda x: encode(x) + 9, "x": X}, "local_smoothness", "encode makes other codes"),
        ({"factors": np.zeros((150, 2))}, "mig", "every factor has one value"),
        ({"x": np.where(X > 7, np.nan, X)}, "trustworthiness", "x has NaN or infinite values"),
    ],
)
def test_what_does_not_fit_is_left_out_with_a_sentence_and_the_rest_is_measured(given, absent, told):
    found = card(encode(X), **given)
    assert any(told in note for note in found["notes"])
    assert {"hoyer", "dimension_mle"} <= {row["name"] for row in found["metrics"]}
    why = {one["name"]: one["why"] for one in found["not_measured"]}
    assert not absent or told in why[absent]


def test_a_metric_that_fails_says_so_and_the_others_still_run():
    few = card(X[:6], np.array(["a", "a", "b", "b", "c", "d"]), X[:6])
    why = {one["name"]: one["why"] for one in few["not_measured"]}
    assert "n_neighbors=10 is not below half of 6 rows" in why["trustworthiness"]
    assert {"hoyer", "explained_share"} & {row["name"] for row in few["metrics"]}
    assert "2 rows of classes with one member are not scored" in few["notes"]


def test_several_processes_give_the_bits_of_one():
    only = ("linear_area", "trustworthiness", "dimension_mle", "hoyer", "local_smoothness")
    one, two = (card(encode(X), Y, X, encode=encode, only=only, processes=count) for count in (1, 2))
    keys = ("name", "value", "low", "high", "chance", "raw", "pca", "more")
    assert [[row[key] for key in keys] for row in one["metrics"]] == [
        [row[key] for key in keys] for row in two["metrics"]
    ]
    for name, points in one.points.items():
        np.testing.assert_array_equal(points, two.points[name])


def test_a_property_is_measured_by_its_name_and_progress_is_told():
    told = []
    found = card(X, only=("sparsity",), progress=lambda done, of, what: told.append((done, of, what)))
    assert {row["property"] for row in found["metrics"]} == {"sparsity"}
    assert told[-1][0] == told[-1][1] == len(told) and told[0][2] in {row["name"] for row in found["metrics"]}


def test_units_are_opened_with_their_top_samples_and_decoded_edits():
    rng = np.random.default_rng(0)
    where = rng.integers(0, 4, (300, 2))
    pictures = np.zeros((300, 4, 4, 1), np.float32)
    pictures[np.arange(300), where[:, 0], where[:, 1]] = 1
    codes = where + rng.normal(0, 0.05, where.shape)

    def decode(z: np.ndarray) -> np.ndarray:
        made = np.zeros((len(z), 4, 4, 1))
        row, column = np.clip(np.round(z), 0, 3).astype(int).T
        made[np.arange(len(z)), row, column] = 1
        return made

    found = card(codes, x=pictures, factors={"row": where[:, 0], "column": where[:, 1]}, decode=decode, only=("mig",))
    by_unit = {one["unit"]: one for one in found["unit_table"]}
    assert by_unit[0]["factors"][0][0] == "row" and by_unit[1]["factors"][0][0] == "column"
    top = np.array(by_unit[0]["samples"])
    assert top.shape == (5, 4, 4, 1) and (top[:, 3].sum((1, 2)) == 1).all(), "the largest values are of the last row"
    moved = {one["unit"]: (one["factor"], one["others"]) for one in found["edits"]}
    assert moved == {0: ("row", 0), 1: ("column", 0)}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    page = save_card(found, tmp := Path(tempfile.mkdtemp()), "squares").read_text(encoding="utf-8")
    assert "Unit by unit" in page and "unit 0: row moves, 0 others" in page and (tmp / "card.json").exists()


def test_a_factor_with_one_value_is_left_out_by_its_name():
    found = card(X, factors={"still": np.zeros(150), "kind": Y, "odd": Y % 2}, only=("mig",))
    assert found["factors"] == ["kind", "odd"] and "factors with one value are left out: still" in found["notes"]
    assert [row["name"] for row in found["metrics"]] == ["mig"]


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_a_probe_reads_codes_of_any_scale(scale):
    plain, scaled = (card(z, Y, only=("linear_score",))["metrics"][0]["value"] for z in (X, X * scale))
    assert scaled == pytest.approx(plain, abs=0.01)


def test_metrics_that_take_minutes_are_measured_only_by_name():
    slow = [name for name, one in METRICS.items() if one.by_name]
    assert slow
    found = card(X, factors=np.c_[Y, Y % 2], only=("factors",))
    why = {one["name"]: one["why"] for one in found["not_measured"]}
    assert all("name it in only" in why[name] for name in slow)
    named = card(X[:40], factors=np.c_[Y[:40], np.arange(40) % 2], only=tuple(slow))
    assert not any("name it in only" in one["why"] for one in named["not_measured"])


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


def test_units_are_told_by_the_names_of_columns_and_what_tells_nothing_has_no_column():
    frame = load_iris(as_frame=True).data
    for x, columns, name in (
        (frame, (), "petal length (cm)"),
        (X, ("a", "b", "c", "d"), "c"),
        (X, (), "column 2"),
        (X, ("a", "b"), "column 2"),
    ):
        found = card(X[:, 2:3], x=x, columns=columns, only=("dead_share",))
        assert found["unit_table"][0]["columns"][0] == [name, pytest.approx(1)]
    heads, _ = unit_cells(found)
    assert "columns along" in heads and "factors told" not in heads


def test_the_page_speaks_of_notes_and_of_the_one_end_that_a_range_has():
    page = card_page(card(X[:, :2] - 3, Y, X, only=("class_selectivity", "h_score", "total_correlation_nats"))).render()
    assert "<h2>1 note</h2>" in page and "worst 0" in page and "best 0" in page and "0 to \u2013" not in page


def test_classes_that_the_code_has_seen_are_not_new():
    labels = np.repeat(np.arange(4), 30)
    codes = np.random.default_rng(3).normal(size=(120, 4)) + 2 * np.eye(4)[labels]
    (every,) = card(codes, labels, only=("new_concepts",))["metrics"]
    assert "--seen" in every["note"] and every["more"]["classes"] == 4
    (new,) = card(codes, labels, only=("new_concepts",), seen=("0", 1))["metrics"]
    assert new["note"] == "" and new["more"]["classes"] == 2 and new["chance"] == 0.5
    assert card(codes, labels, only=("new_concepts",), seen=(9,))["not_measured"][0]["why"].startswith("no row has")
