"""What a column is taken for, from frames and from text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer.data import Schema, Table, load_data
from codelayer.data.tables import is_frame, unique_names
from codelayer.errors import DataError

ROWS = 60
numbers = np.random.default_rng(0).normal(size=ROWS).round(6)


def one(values, name="a"):
    table = Table.from_arrow(pa.table({name: pa.array(values)}))
    return table.kinds[name], table.column(name), table.notes


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (numbers.tolist(), "numeric"),
        ([str(v) for v in numbers], "numeric"),
        ([f" {v:.3e} " for v in numbers], "numeric"),
        ([Decimal(str(v)) for v in numbers], "numeric"),
        ([dt.timedelta(seconds=i) for i in range(ROWS)], "numeric"),
        ([i % 2 == 0 for i in range(ROWS)], "category"),
        (["red", "green", "ö, blue"] * 20, "category"),
        (["a", "b", "c"], "category"),
        ([dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(ROWS)], "time"),
        ([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * ROWS, "time"),
        ([f"2024-02-{1 + i % 28:02d}" for i in range(ROWS)], "time"),
        ([f"2024-02-{1 + i % 28:02d} 10:00:00.123456+00:00" for i in range(ROWS)], "time"),
        ([f"2024/02/{1 + i % 28:02d}T10:00" for i in range(ROWS)], "time"),
        ([f"k{i:05d}" for i in range(ROWS)], "id"),
        ([f"a long line of free text about thing number {i}, told at length" for i in range(ROWS)], "text"),
        ([None] * ROWS, "category"),
        ([[1, 2]] * ROWS, "text"),
    ],
)
def test_the_kind_of_a_column_is_told_from_its_values(values, kind):
    assert one(values)[0] == kind


def test_whole_numbers_that_never_repeat_are_an_id_only_under_such_a_name():
    assert one(range(ROWS), "customer_id")[0] == "id"
    assert one(range(ROWS), "UDI")[0] == "id"
    assert one(range(ROWS), "height")[0] == "numeric"
    assert one([1] * ROWS, "id")[0] == "numeric"


def test_odd_cells_of_a_number_column_become_missing_with_a_note():
    kind, values, notes = one([*map(str, numbers[:-2]), "oops", "n/a?"])
    assert kind == "numeric"
    assert np.isnan(values).sum() == 2
    assert notes == ("column 'a': 2 cells that are no numbers count as missing ('oops', 'n/a?')",)
    kind, values, _ = one(["1", "2", "?", "2", "1", "?"] * 10)
    assert kind == "numeric"
    assert np.isnan(values).sum() == 20


def test_number_like_categories_stay_categories():
    assert one(["21", "26", "31", "50plus", "below21"] * 12)[0] == "category"


def test_infinities_in_a_frame_become_missing_with_a_note():
    kind, values, notes = one([*numbers[:-2].tolist(), np.inf, -np.inf])
    assert kind == "numeric"
    assert np.isnan(values).sum() == 2
    assert "2 infinite cells count as missing" in notes[0]


def test_words_for_nothing_are_missing_cells():
    _, values, _ = one(["x", "", "NA", "null", "y", " nan "] * 10)
    assert values.tolist() == ["x", None, None, None, "y", None] * 10


def test_impossible_dates_become_missing():
    kind, values, notes = one(["2024-02-01"] * 58 + ["2024-02-30", "2024-13-01"])
    assert kind == "time"
    assert np.isnat(values).sum() == 2
    assert "no times" in notes[0]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_every_kind_of_frame_gives_the_same_table(library):
    columns = {
        "n": [1.5, None, 3.0] * 20,
        "i": [1, 2, 3] * 20,
        "s": ["x", None, "z"] * 20,
        "b": [True, False, True] * 20,
        "t": [dt.datetime(2024, 1, 1, 12), dt.datetime(2024, 1, 2), None] * 20,
    }
    frame = pa.table(columns) if library == "pyarrow" else pytest.importorskip(library).DataFrame(columns)
    assert is_frame(frame)
    table = Table.from_frame(frame)
    assert table.kinds == {"n": "numeric", "i": "numeric", "s": "category", "b": "category", "t": "time"}
    assert table.column("s").tolist()[:3] == ["x", None, "z"]
    assert table.column("b").tolist()[:3] == ["true", "false", "true"]
    assert table.column("t")[:2].tolist() == [dt.datetime(2024, 1, 1, 12), dt.datetime(2024, 1, 2)]
    assert np.isnan(table.column("n")[1])
    wanted = Table.from_arrow(pa.table(columns))
    assert (Schema.fit(table).encode(table) == Schema.fit(wanted).encode(wanted)).all()


def test_pandas_oddities_are_read():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"mixed": [1, 2.5, "x", None, 7, 8, "9"], "cat": pd.Categorical([1, 2, 1, 2, 1, 2, 1])})
    frame["none"] = pd.array([1, pd.NA, 3, 4, 5, 6, 7], dtype="Int64")
    frame["zone"] = pd.date_range("2024-01-01", periods=7, tz="Europe/Rome")
    frame.insert(4, "mixed", range(7), allow_duplicates=True)
    frame[0] = 1.0
    table = Table.from_frame(frame)
    assert table.names == ["mixed", "cat", "none", "zone", "mixed.1", "0"]
    assert table.column("mixed").tolist()[:2] == [1, 2.5]
    assert table.column("mixed")[6] == 9
    assert table.kinds["cat"] == "category"
    assert np.isnan(table.column("none")[1])
    assert table.column("zone")[0] == np.datetime64("2023-12-31T23:00")
    assert Table({"a": pd.Series([1, 2])}).column("a").tolist() == [1, 2]
    assert any("mixed.1" in note for note in table.notes)
    assert any("'x'" in note for note in table.notes)


def test_lazy_frames_are_collected():
    pl = pytest.importorskip("polars")
    assert Table.from_frame(pl.LazyFrame({"a": [1, 2]})).column("a").tolist() == [1, 2]


def test_what_is_no_frame_is_refused():
    assert not is_frame(np.zeros((2, 2)))
    with pytest.raises(DataError, match="is not a frame"):
        Table.from_frame([1, 2])
    with pytest.raises(DataError, match="no columns"):
        Table.from_frame(pa.table({}))
    with pytest.raises(DataError, match="rows long"):
        Table({"a": [1], "b": [1, 2]})
    for column in (5, "abc", np.zeros((2, 2)), np.array(5.0)):
        with pytest.raises(DataError, match="no list of values"):
            Table({"a": column})


def test_names_are_made_distinct_and_lose_the_byte_order_mark():
    names, notes = unique_names(["\ufeffa", "a", "", None, "a"])
    assert names == ["a", "a.1", "unnamed: 2", "unnamed: 3", "a.2"]
    assert len(notes) == 4


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    st.lists(
        st.one_of(st.none(), st.text(max_size=6), st.floats(), st.integers(), st.booleans(), st.dates()), min_size=1
    )
)
def test_any_python_objects_become_a_column_of_one_type(cells):
    table = Table({"a": cells})
    assert len(table) == len(cells)
    assert table.column("a").dtype.kind in "fOM"
    if table.column("a").dtype.kind == "O":
        assert all(cell is None or isinstance(cell, str) for cell in table.column("a"))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=("Cs",)), max_size=6)), min_size=1))
def test_any_texts_are_inferred_without_losing_a_row(cells):
    table = Table.from_arrow(pa.table({"a": pa.array(cells, pa.string())}))
    assert len(table) == len(cells)
    assert table.to_arrow().num_rows == len(cells)


def test_take_drop_and_arrow_keep_kinds_and_order():
    table = Table({"a": [1.0, 2.0, 3.0], "b": ["x", None, "z"]}, kinds={"b": "id"})
    some = table.take(np.array([2, 0]))
    assert some.column("b").tolist() == ["z", "x"]
    assert some.kinds["b"] == "id"
    assert table.drop(["a"]).names == ["b"]
    assert len(table.drop(["a", "b"])) == 3
    assert table.to_arrow().column("b").null_count == 1


def test_the_nameless_index_that_pandas_stores_is_no_column(tmp_path):
    frame = pd.DataFrame({"a": range(20), "b": np.arange(20) % 3}).sample(frac=1, random_state=0)
    frame.to_parquet(tmp_path / "shuffled.parquet")
    assert load_data(tmp_path / "shuffled.parquet").x.names == ["a", "b"]
