"""What a schema promises: one row equals its batch, inverse undoes encode, JSON keeps every bit, bad input is told."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from datetime import datetime

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from codelayer.data import Schema, Table
from codelayer.errors import BundleError, DataError

quick = settings(deadline=None, max_examples=40, derandomize=True)
numbers = st.floats(-1e6, 1e6, allow_subnormal=False, width=32)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
moments = st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1))


def again(schema: Schema) -> Schema:
    return Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False)))


arrays = st.one_of(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=numbers),
    hnp.arrays(np.float32, st.tuples(st.integers(2, 6), st.integers(1, 3), st.integers(1, 3)), elements=numbers),
    hnp.arrays(np.uint8, st.tuples(st.integers(2, 6), st.integers(1, 4), st.integers(1, 4))),
    hnp.arrays(np.uint8, st.tuples(st.integers(2, 6), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3]))),
)


@st.composite
def tables(draw):
    rows = draw(st.integers(2, 12))

    def column(cell):
        return draw(st.lists(st.one_of(st.none(), cell), min_size=rows, max_size=rows))

    return Table({"n": column(numbers), "c ü,": column(texts), "t": column(moments), "kept": range(rows)})


@quick
@given(arrays, st.sampled_from(["auto", "block", "columns", "none"]))
def test_arrays_and_pictures_come_back_from_their_encoding(x, scale):
    schema = Schema.fit(x, scale)
    encoded = schema.encode(x)
    assert encoded.dtype == np.float32
    assert encoded.shape == (len(x), *schema.shape)
    back = schema.inverse(encoded)
    assert back.shape == x.shape
    if x.dtype == np.uint8:
        assert back.dtype == np.uint8
        assert (back == x).all()
    else:
        assert np.abs(back - x).max() <= 1e-5 * max(1.0, np.abs(x).max())


@quick
@given(arrays)
def test_a_row_of_an_array_encodes_as_in_its_batch_and_json_keeps_the_bits(x):
    schema = Schema.fit(x)
    encoded = schema.encode(x)
    assert (again(schema).encode(x) == encoded).all()
    assert (schema.encode_row({"x": x[1]}) == encoded[1:2]).all()
    assert (schema.encode(x[::-1]) == encoded[::-1]).all()


@quick
@given(tables())
def test_a_table_comes_back_a_row_equals_its_batch_and_json_keeps_the_bits(table):
    schema = Schema.fit(table)
    encoded = schema.encode(table)
    assert np.isfinite(encoded).all()
    assert schema.layout[-1].stop == schema.features == len(schema.names) == encoded.shape[1]
    assert (again(schema).encode(table) == encoded).all()
    for i in range(len(table)):
        row = {name: table.column(name)[i] for name in table.names}
        assert (schema.encode_row(row) == encoded[i : i + 1]).all()
    back = schema.inverse(encoded)
    for column in schema.columns:
        if not column.labels():
            assert column.name not in back.names
            continue
        old, new = table.column(column.name), back.column(column.name)
        if column.kind == "category":
            assert new.tolist() == old.tolist()
        elif column.kind == "time":
            span = max(1.0, column.high - column.low)
            assert (np.isnat(old) == np.isnat(new)).all()
            gap = (old - new)[~np.isnat(old)] / np.timedelta64(1, "s")
            assert np.abs(gap).max() <= 1e-5 * span
        else:
            np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-5 * max(column.scale, 1e-30), equal_nan=True)


def test_a_missing_number_is_zero_with_an_indicator_and_is_not_charged():
    table = Table({"a": [1.0, None, 3.0], "b": [5.0, 6.0, 7.0]})
    schema = Schema.fit(table)
    assert schema.names == ["a", "a missing", "b"]
    assert [block.kind for block in schema.layout] == ["numeric", "indicator", "numeric"]
    assert schema.encode(table)[1, :2].tolist() == [0, 1]
    assert schema.known(table).tolist() == [[1, 1, 1], [0, 1, 1], [1, 1, 1]]
    assert schema.known(Table({"a": [1.0], "b": [1.0]})) is None


def test_a_number_missing_only_later_is_zero_and_not_charged():
    schema = Schema.fit(Table({"a": [1.0, 2.0], "b": [5.0, 6.0]}))
    late = Table({"a": [None, 2.0], "b": [5.0, 6.0]})
    assert schema.encode(late)[0, 0] == 0
    assert schema.known(late)[0].tolist() == [0, 1]


def test_unseen_and_missing_categories_have_places_of_their_own():
    schema = Schema.fit(Table({"city": ["Rome", "Oslo", "Rome"]}))
    assert schema.names == ["city=Oslo", "city=Rome", "city unknown", "city missing"]
    new = Table({"city": ["Paris", None, "Rome"]})
    assert schema.encode(new).tolist() == [[0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert schema.inverse(schema.encode(new)).column("city").tolist() == [None, None, "Rome"]
    assert schema.check(new) == ["column 'city' holds an unseen category in 1 of 3 rows"]


def test_columns_of_pixels_are_one_block_and_other_columns_are_standardised():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 17, (200, 12)).astype(float)
    pixels[:, 3] = 0
    block = Schema.fit(pixels)
    assert (block.scale, block.unit_range) == ("block", True)
    assert block.encode(pixels).max() == 1
    assert block.encode(pixels)[:, 3].tolist() == [0] * 200
    mixed = Schema.fit(rng.normal(5, 3, (200, 4)))
    assert (mixed.scale, mixed.unit_range) == ("columns", False)
    assert Schema.fit(pixels, "columns").scale == "columns"
    assert Schema.fit(np.column_stack([pixels, rng.normal(0, 1e6, 200)])).scale == "columns"


def test_a_table_of_pixels_is_one_block_too():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 6))
    schema = Schema.fit(Table({f"p{i}": column for i, column in enumerate(pixels.T)}))
    assert (schema.scale, schema.unit_range) == ("block", True)


def test_constant_columns_of_an_array_stay_and_of_a_table_are_listed():
    x = np.column_stack([np.full(5, 7.0), np.arange(5.0)])
    schema = Schema.fit(x)
    assert schema.encode(x)[:, 0].tolist() == [0] * 5
    np.testing.assert_allclose(schema.inverse(schema.encode(x)), x, rtol=1e-6, atol=1e-6)
    table = Schema.fit(Table({"same": [7] * 5, "gone": [None] * 5, "a": range(5)}))
    assert table.names == ["a"]
    assert table.notes == (
        "column 'same' never changes and was left out",
        "column 'gone' never changes and was left out",
    )


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_narrow_and_short_arrays_encode_to_finite_numbers(width, rows):
    x = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    schema = Schema.fit(x)
    assert schema.shape == (width,)
    np.testing.assert_allclose(schema.inverse(schema.encode(x)), x, atol=1e-5)


def test_sparse_rows_keep_their_zeros_and_equal_their_dense_batch():
    x = sp.random(40, 9, 0.3, format="csr", random_state=0)
    for scale in ("auto", "block", "columns", "none"):
        schema = Schema.fit(x, scale)
        encoded = schema.encode(x)
        assert (encoded[x.toarray() == 0] == 0).all()
        assert (encoded == schema.encode(x.toarray())).all()
        np.testing.assert_allclose(schema.inverse(encoded), x.toarray(), atol=1e-6)
        assert (again(schema).encode(x[3]) == encoded[3:4]).all()


def test_tensors_are_read_without_importing_torch_here():
    torch = pytest.importorskip("torch")
    x = torch.arange(12.0).reshape(4, 3)
    assert (Schema.fit(x).encode(x) == Schema.fit(x.numpy()).encode(x.numpy())).all()


def test_time_parts_are_age_hour_and_weekday():
    stamps = np.array(["2024-01-01T00:00", "2024-01-02T06:00", "2024-01-08T12:00"], "datetime64[us]")
    schema = Schema.fit(Table({"t": stamps}))
    assert schema.names == ["t age", "t hour sin", "t hour cos", "t weekday sin", "t weekday cos"]
    encoded = schema.encode(Table({"t": stamps}))
    assert encoded[0, 1:].tolist() == pytest.approx([0, 1, 0, 1], abs=1e-6)  # Monday, midnight
    assert encoded[1, 1:3].tolist() == pytest.approx([1, 0], abs=1e-6)
    days = Schema.fit(Table({"t": stamps.astype("datetime64[D]")}))
    assert days.names == ["t age", "t weekday sin", "t weekday cos"]


def test_new_and_missing_columns_are_noted_and_the_work_goes_on():
    schema = Schema.fit(Table({"a": [1.0, 2.0], "b": ["x", "y"]}))
    other = Table({"b": ["x"], "z": [1.0]})
    assert schema.check(other) == [
        "column 'a' is not there and counts as missing",
        "column 'z' is new and was passed over",
    ]
    assert schema.encode(other).tolist() == [[0, 1, 0, 0, 0]]
    with pytest.raises(DataError, match="none of the columns"):
        schema.encode(Table({"z": [1.0]}))


@pytest.mark.parametrize(
    "row",
    [{"a": "tall"}, {"a": np.datetime64("2024-01-01")}, {"b": 3.5}, {"t": 12.0}, {"t": "yesterday"}],
)
def test_a_column_of_another_type_is_refused_by_name(row):
    stamps = np.array(["2024-01-01", "2024-02-01"], "datetime64[D]")
    schema = Schema.fit(Table({"a": [1.0, 2.0], "b": ["x", "y"], "t": stamps}))
    with pytest.raises(DataError, match=f"column '{next(iter(row))}' holds"):
        schema.encode_row(row)
    with pytest.raises(DataError, match="holds"):
        schema.check(Table({name: [value] for name, value in row.items()}))


def test_numbers_as_text_and_numeric_categories_are_the_same_column():
    schema = Schema.fit(Table({"a": [1.0, 2.0], "b": ["1", "2"], "c": [True, False]}))
    plain = schema.encode_row({"a": 2, "b": "2", "c": True})
    assert (schema.encode_row({"a": "2", "b": 2.0, "c": "True"}) == plain).all()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.array([[1.0, 2], [3, np.nan]]), "NaN, first in row 1, column 1"),
        (np.array([[1.0, -np.inf]]), "-infinity, first in row 0, column 1"),
        (np.array([[1, "a"]], object), "no plain numbers"),
        (np.array([["a"]]), "no plain numbers"),
        (np.array([[1j]]), "no plain numbers"),
        (np.zeros((0, 3)), "no rows"),
        (np.zeros((3, 0)), "no samples with features"),
        (np.zeros(3), "no samples with features"),
        (np.zeros((2, 2, 2, 2, 2)), "5 axes"),
        ([[1, 2], [3]], "different lengths"),
        (Table({"a": [None, None]}), "no column is left"),
        (sp.csr_matrix(np.array([[0, np.nan]])), "NaN, first in row 0, column 1"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_with_a_sentence(x, words):
    with pytest.raises(DataError, match=words) as told:
        Schema.fit(x)
    assert len(str(told.value).splitlines()) <= 2


def test_another_width_another_kind_and_bad_numbers_are_refused_when_encoding():
    schema = Schema.fit(np.random.default_rng(0).normal(size=(5, 3)))
    for x in (np.zeros((2, 4)), Table({"a": [1.0]}), np.array([[1, np.nan, 2]]), np.array([[1, 1e60, 2]]), np.zeros(3)):
        with pytest.raises(DataError):
            schema.encode(x)
    with pytest.raises(DataError, match="not on an array"):
        Schema.fit(Table({"a": [1.0, 2.0]})).encode(np.zeros((2, 1)))
    with pytest.raises(DataError, match="did you mean 'block'"):
        Schema.fit(np.zeros((2, 2)), "blocks")


def _paths(data, at=()):
    yield at
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _paths(value, (*at, key))


@quick
@given(st.data(), st.sampled_from([None, True, -1, 0, 1e400, "x", [], {}, [[1]], "NaN", {"name": "a"}]))
def test_an_altered_schema_is_read_or_refused_and_never_crashes(data, junk):
    saved = Schema.fit(Table({"a": [1.0, None, 2.0], "b": ["x", "y", "x"]})).to_json()
    place = data.draw(st.sampled_from(list(_paths(saved))))
    saved = copy.deepcopy(saved)
    if not place:
        saved = junk
    else:
        inner = saved
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = junk
    try:
        schema = Schema.from_json(saved)
    except BundleError as told:
        assert "schema" in str(told)
    else:
        assert schema.features > 0


@pytest.mark.parametrize(
    "change",
    [{"shape": [10**9]}, {"spread": [0.0]}, {"spread": [float("nan")]}, {"kind": "other"}, {"extra": 1}, {"shape": []}],
)
def test_hostile_schemas_are_refused(change):
    with pytest.raises(BundleError):
        Schema.from_json(Schema.fit(np.random.default_rng(0).normal(size=(4, 2))).to_json() | change)


def test_the_schema_needs_numpy_alone():
    code = (
        "import sys, codelayer.data.schema; "
        "print([m for m in ('torch', 'sklearn', 'pandas', 'scipy', 'pyarrow', 'narwhals', 'PIL') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
