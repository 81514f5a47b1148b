"""Costs side by side: what is measured, what is printed, what must be said."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from ship_cases import mlp_graph
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from codelayer import Isomap, Pca, Table
from codelayer.errors import DataError
from codelayer.export import to_onnx
from codelayer.ship.bench import OPEN_GRAPH, bench
from codelayer.ship.benchprint import bench_json, bench_text, write_page
from codelayer.ship.entrants import Entrant

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
QUICK = {"rounds": 2, "seconds": 0.004}


@pytest.fixture(scope="module")
def done():
    made = LogisticRegression().fit(X, X[:, 0] > 0)
    return bench([("logistic", made), Pca(2).fit(X), mlp_graph((6, 4))], X, batches=(8,), fresh=False, **QUICK)


def test_a_scikit_learn_model_stands_in_python_and_compiled(done):
    assert [one.model.name for one in done.costs] == ["logistic", "logistic, compiled", "Pca", "Pca, compiled", "graph"]
    assert [one.model.form for one in done.costs] == ["in Python", "compiled", "in Python", "compiled", "compiled"]


def test_both_latencies_and_the_batch_are_there_for_every_model(done):
    for one in done.costs:
        assert set(one.engine) == {1, 8} and one.whole.p50_ms > 0
        assert one.engine[8].rows_per_second > 0


def test_scikit_learns_overhead_is_said_where_it_would_flatter(done):
    told = [one for one in done.sentences if one.startswith("logistic: ")]
    assert len(told) == 1 and "hold others against the compiled form" in told[0]


def test_what_cannot_be_compiled_is_said():
    found = bench([Isomap(2, neighbors=5).fit(X)], X, batches=(4,), fresh=False, **QUICK)
    assert [one.model.form for one in found.costs] == ["in Python"]
    assert found.sentences[0].startswith("Isomap is measured in Python alone: the codes of Isomap() are looked up")


def test_a_graph_is_measured_without_torch(tmp_path):
    (tmp_path / "plain.onnx").write_bytes(mlp_graph((6, 4)))
    to_onnx(Pca(2).fit(X), tmp_path / "schema.onnx")
    code = (
        "import sys, numpy\n"
        "from codelayer.ship.bench import bench\n"
        f"x = numpy.zeros((9, 6))\nfiles = [{str(tmp_path / 'plain.onnx')!r}, {str(tmp_path / 'schema.onnx')!r}]\n"
        "bench(files, x, batches=(4,), fresh=False, rounds=2, seconds=0.004)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_process_that_is_started_for_a_graph_imports_no_torch():
    imports, _ = OPEN_GRAPH
    code = f"import sys\n{imports}print(sorted({{'torch', 'sklearn', 'onnx'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tables_name_every_model_and_the_json_holds_every_figure(done):
    text = bench_text(done)
    assert all(one.model.name in text for one in done.costs) and "rows/s at 8" in text
    read = json.loads(bench_json(done))
    assert [one["model"] for one in read["models"]] == [one.model.name for one in done.costs]
    assert read["models"][0]["engine"]["8"]["rows_per_second"] > 0


def test_the_page_is_one_file_with_a_picture(done, tmp_path):
    page = write_page(done, tmp_path / "bench.html").read_text(encoding="utf-8")
    assert "<svg" in page and "logistic, compiled" in page and "http-equiv" in page


def test_without_rows_every_model_answers_its_own_and_that_is_said():
    found = bench([mlp_graph((6, 4)), Pca(2).fit(X)], batches=(4,), fresh=False, compile_too=False, **QUICK)
    assert len(found.costs) == 2 and "no data were given" in found.sentences[0]


def test_names_do_not_collide():
    found = bench([mlp_graph((6, 4)), mlp_graph((6, 2))], X, batches=(4,), fresh=False, **QUICK)
    assert [one.model.name for one in found.costs] == ["graph", "graph (2)"]


def test_a_fresh_process_tells_cold_start_and_memory():
    found = bench([mlp_graph((6, 4))], X, batches=(4,), **QUICK).costs[0]
    assert found.start is not None and found.start.seconds > found.start.answer_seconds > 0


@pytest.mark.parametrize(
    ("models", "more", "told"),
    [
        ([], {}, "no model"),
        ([b""], {"threads": 0}, "threads=0"),
        ([b""], {"batches": (0,)}, "batch=0"),
        *[([b""], {"seconds": seconds}, "seconds=") for seconds in (0.0, -1.0, float("nan"), float("inf"))],
    ],
)
def test_wrong_use_is_refused(models, more, told):
    with pytest.raises(DataError, match=told):
        bench(models, X, **more)


def mixed(count: int = 60):
    rng = np.random.default_rng(1)
    kinds = np.array(["a", "b", "c"], object)[rng.integers(0, 3, count)]
    return Table({"size": rng.normal(3, 2, count), "kind": kinds, "age": rng.normal(40, 9, count)})


def picking(rows: Table):
    """A pipeline that scales one column of a table and spells out another."""
    frame = pd.DataFrame({name: rows.column(name) for name in rows.names})
    parts = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(handle_unknown="ignore"), ["kind"]))
    return make_pipeline(parts, LogisticRegression()).fit(frame, frame["size"] + 2 * (frame["kind"] == "a") > 4)


def test_models_of_other_rows_stand_side_by_side():
    rows = mixed()
    rivals = [Entrant(Pca(2).fit(rows), rows, "bundle"), Entrant(LogisticRegression().fit(X, X[:, 0] > 0), name="line")]
    found = bench([*rivals, Entrant(picking(rows), rows, "pipe")], X, batches=(8,), fresh=False, **QUICK)
    names = [one.model.name for one in found.costs]
    assert names == ["bundle", "bundle, compiled", "line", "line, compiled", "pipe", "pipe, compiled"]
    assert found.left_out == {} and not [one for one in found.sentences if "Python alone" in one]


def test_a_model_that_cannot_read_its_rows_is_named_and_the_others_are_measured():
    forest = LogisticRegression().fit(X, X[:, 0] > 0)
    rivals = [("line", forest), ("table", Pca(2).fit(mixed())), ("narrow", mlp_graph((5, 2))), "nowhere.onnx"]
    found = bench(rivals, X, batches=(8,), fresh=False, **QUICK)
    assert [one.model.name for one in found.costs] == ["line", "line, compiled"]
    assert list(found.left_out) == ["table", "narrow", "nowhere.onnx"]
    assert "do not fit the input 'x'" in found.left_out["narrow"]
    assert "there is no model" in found.left_out["nowhere.onnx"]
    assert "not measured: narrow: rows of shape (6,)" in bench_text(found)
    assert json.loads(bench_json(found))["left_out"] == found.left_out


def test_where_none_of_several_answers_every_reason_is_told():
    with pytest.raises(DataError, match=r"none of the 2 models .*: a: .*'x'.*; b: "):
        bench([("a", mlp_graph((5, 2))), ("b", mlp_graph((4, 2)))], X, **QUICK)


def test_what_scikit_learn_says_of_rows_is_the_reason():
    rows = mixed()
    broken = Table({"size": rows.column("kind"), "kind": rows.column("kind"), "age": rows.column("age")})
    found = bench([Entrant(picking(rows), broken, "pipe"), mlp_graph((6, 4))], X, batches=(4,), fresh=False, **QUICK)
    assert "pipe does not read these rows: " in found.left_out["pipe"] and len(found.costs) == 1


def test_a_pipeline_of_named_columns_needs_rows_and_starts_from_one():
    with pytest.raises(DataError, match="picks its columns by name, and there are no rows"):
        bench([picking(mixed())], batches=(4,), fresh=False, **QUICK)


def test_a_fresh_process_of_a_pipeline_answers_a_row_of_its_table(tmp_path):
    rows = mixed()
    skops.io.dump(picking(rows), tmp_path / "pipe.skops")
    found = bench([str(tmp_path / "pipe.skops")], rows, batches=(4,), compile_too=False, **QUICK)
    assert found.costs[0].start is not None and found.costs[0].start.answer_seconds > 0
