"""What stands before the core: the graph encodes rows as the schema does, also what is missing or was never seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from coder_cases import frame, grey, rows

from codelayer import DataError, Schema, Table
from codelayer.bundle.onnxfile import library
from codelayer.export import feeds, inputs_of, session
from codelayer.export.checks import _with_odd_ones
from codelayer.export.graphs import model_of
from codelayer.export.inputs import used_columns
from codelayer.export.preparing import FLOAT, Graph, input_infos, prepare


def encoder_of(schema: Schema, task: str | None = None):
    """The preprocessing alone as a session, without torch's exporter."""
    graph, inputs = Graph("pre/"), inputs_of(schema, task)
    encoded = prepare(schema, inputs, graph)
    output = library("onnx.helper").make_tensor_value_info(encoded, FLOAT, ["rows", *schema.shape])
    return session(model_of(graph, input_infos(inputs), [output]).SerializeToString())


def far_apart(n: int = 50) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 3)) * [1, 100, 0.5] + [5000, 0, 1]


ARRAYS = {
    "columns": (rows(), "auto"),
    "block": (rows(), "block"),
    "plain": (rows(), "none"),
    "far from zero": (far_apart().astype(np.float32), "columns"),
    "grey levels": (grey(), "auto"),
    "grey without channels": (grey(channels=None), "auto"),
    "pictures of numbers": (grey() / np.float32(7), "auto"),
    "courses": (np.random.default_rng(0).normal(size=(20, 5, 2)).astype(np.float32), "auto"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_one_input_and_encoded_as_the_schema_does(name):
    x, scale = ARRAYS[name]
    schema = Schema.fit(x, scale)
    (one,) = inputs_of(schema)
    assert one.name == "x" and one.shape == x.shape[1:] and one.dtype == ("uint8" if x.dtype == "uint8" else "float32")
    (found,) = encoder_of(schema).run(None, feeds(schema, x))
    assert np.abs(found - schema.encode(x)).max() < 1e-5


@pytest.mark.parametrize("n", [7, 60])
def test_a_mixed_table_is_encoded_as_the_schema_does_missing_and_unseen_cells_included(n):
    schema = Schema.fit(Table.from_frame(frame()))
    table = _with_odd_ones(Table.from_frame(frame(n)), used_columns(schema))
    (found,) = encoder_of(schema).run(None, feeds(schema, table))
    assert found.shape == (n + 2, schema.features)
    assert np.abs(found - schema.encode(table)).max() < 1e-5
    unseen, missing = (schema.names.index(f"colour {word}") for word in ("unknown", "missing"))
    assert found[-1, unseen] == 1 == found[-2, missing]


def test_a_table_is_fed_by_hand_one_column_per_input():
    schema = Schema.fit(Table.from_frame(frame()))
    fed = {
        "number": np.array([[50.0], [np.nan]], np.float32),
        "colour": np.array([["red"], [""]], object),
        "whole": np.array([[3], [4]], np.float32),
        "when": np.array([[1.7e9], [np.nan]]),
    }
    (found,) = encoder_of(schema).run(None, fed)
    when = np.array(["2023-11-14T22:13:20", "NaT"], "datetime64[us]")
    same = Table({"number": [50.0, np.nan], "colour": ["red", None], "whole": [3.0, 4.0], "when": when})
    assert np.abs(found - schema.encode(same)).max() < 1e-5


def test_a_table_of_numbers_is_one_block_and_nan_is_missing():
    x = pd.DataFrame({"a": [1.0, 2.0, np.nan, 4.0], "b": [5.0, 6.0, 7.0, 9.0], "same": [1.0] * 4})
    schema = Schema.fit(Table.from_frame(x))
    (one,) = inputs_of(schema)
    assert (one.name, one.shape, one.columns) == ("x", (2,), ("a", "b"))
    block = np.array([[3, np.nan], [np.inf, 5]], np.float32)
    (found,) = encoder_of(schema).run(None, {"x": block})
    expected = schema.encode(Table({"a": [3.0, np.inf], "b": [np.nan, 5.0]}))
    assert np.abs(found - expected).max() < 1e-6 and np.isfinite(found).all()


def test_truth_and_numbers_as_categories_are_read_as_the_schema_reads_them():
    x = pd.DataFrame({"flag": [True, False, None, True] * 4, "grade": pd.Categorical([1, 2, 3, 1] * 4)})
    schema = Schema.fit(Table.from_frame(x))
    table = Table.from_frame(x)
    opened = encoder_of(schema)
    assert np.array_equal(opened.run(None, feeds(schema, table))[0], schema.encode(table))
    fed = {"flag": np.array([["True"], ["NA"]], object), "grade": np.array([["2"], ["7"]], object)}
    (found,) = opened.run(None, fed)
    assert found[0, schema.names.index("flag=true")] == 1 == found[1, schema.names.index("flag missing")]
    assert found[1, schema.names.index("grade unknown")] == 1


def test_a_column_that_is_not_there_counts_as_missing():
    schema = Schema.fit(Table.from_frame(frame()))
    table = Table.from_frame(frame()[["number"]])
    (found,) = encoder_of(schema).run(None, feeds(schema, table))
    assert np.abs(found - schema.encode(table)).max() < 1e-5


def test_no_input_is_called_as_an_output():
    columns = {"code": [1.0, 2.0, 3.0], "number": ["a", "b", "a"], "column code": ["x", "y", "x"], "": [3.0, 1.0, 2.0]}
    schema = Schema.fit(Table(columns))
    for task, own in ((None, "number"), ("number", "column number")):
        names = [one.name for one in inputs_of(schema, task)]
        assert len(set(names)) == 4 and not {"", "code"} & set(names)
        assert own in names and "column code" in names
    table = Table(columns)
    (found,) = encoder_of(schema).run(None, feeds(schema, table))
    assert np.abs(found - schema.encode(table)).max() < 1e-5


def test_rows_that_do_not_fit_are_refused():
    schema = Schema.fit(grey())
    with pytest.raises(DataError, match="grey levels"):
        feeds(schema, grey() + 0.5)
    assert feeds(schema, grey().astype(float))["x"].dtype == np.uint8
    with pytest.raises(DataError, match="do not fit"):
        feeds(Schema.fit(rows()), rows()[:, :5])
    with pytest.raises(DataError, match="a table"):
        feeds(Schema.fit(Table.from_frame(frame())), rows())
