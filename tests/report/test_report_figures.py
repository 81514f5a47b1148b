"""Figures: right where it can be counted, and whole whatever the data."""

from __future__ import annotations

import base64
import io
import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer.errors import DataError
from codelayer.report import Figure, Point, Series, bars, curves, gauge, image_rows, map2d, matrix, scatter, strip
from codelayer.report.style import _SERIES_DARK, _SERIES_LIGHT

NAN = float("nan")
EVIL = "<script>alert(1)</script> \"quotes' & Ünï 日本語 \u202e\x00\ud800 " + "long " * 40
SETTINGS = settings(deadline=None, max_examples=40, derandomize=True)
ODD = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1e-12, 1e9, 0.5]))


def parsed(figure: Figure) -> ElementTree.Element:
    """The figure as XML; it must be well formed, free of NaN, and fit for a UTF-8 file."""
    assert isinstance(figure, Figure)
    figure.encode("utf-8")
    assert "<script" not in figure
    drawing = re.sub(r"<(title|desc)>.*?</\1>|<text.*?</text>", "", figure, flags=re.S)
    assert not re.search(r"\b(nan|inf)\b", drawing)
    return ElementTree.fromstring(figure)


def wide(figure: Figure) -> ElementTree.Element:
    """The drawing for wide pages."""
    return next(one for one in parsed(figure).iter("svg") if one.get("class") == "wide")


def of_class(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [one for one in root.iter() if kind in (one.get("class") or "").split()]


def test_curves_draw_a_line_a_band_and_a_name_per_series():
    root = wide(
        curves([Series(n, [1, 10, 100], [0.1, 0.2, 0.3], [0, 0.1, 0.2], [0.2, 0.3, 0.4]) for n in "ab"], "x", "y")
    )
    assert len(of_class(root, "stroke")) == len(of_class(root, "band")) == 2
    assert [one.text for one in of_class(root, "name")] == ["a", "b"]
    assert len(of_class(root, "dot")) == 6


def test_curves_break_at_a_gap():
    root = wide(curves([Series("a", [1, 2, 3, 4, 5], [1, 2, None, NAN, 5])], "x", "y"))
    assert len(of_class(root, "stroke")) == 1
    assert len(of_class(root, "dot")) == 3


def test_names_at_line_ends_do_not_overlap():
    series = [Series(f"rival {i}", [1, 2], [0.5, 0.9 + i * 1e-4]) for i in range(30)]
    for svg in parsed(curves(series, "x", "y")).iter("svg"):
        heights = sorted(float(one.get("y", 0)) for one in of_class(svg, "name"))
        assert len(heights) == 30
        assert min(b - a for a, b in itertools.pairwise(heights)) >= 13
        assert heights[-1] <= float((svg.get("viewBox") or "").split()[3])


def test_curves_say_in_words_what_they_show_and_carry_their_data():
    figure = curves([{"name": "raw", "x": [1, 50], "y": [0.56, 0.96]}], "labels", "accuracy", chance=0.1)
    root = wide(figure)
    assert root.find("title").text == "accuracy against labels"
    assert root.find("desc").text == "1 line. raw: 0.560 at 1 to 0.960 at 50. Chance is 0.100."
    assert figure.data == (
        ["name", "labels", "accuracy", "low", "high"],
        [["raw", 1, 0.56, None, None], ["raw", 50, 0.96, None, None]],
    )
    assert of_class(root, "chance")


def test_the_ticks_of_a_label_curve_are_its_label_counts():
    texts = [one.text for one in of_class(wide(curves([Series("a", [1, 5, 10, 50], [0, 1, 2, 3])], "x", "y")), "tick")]
    assert texts[-4:] == ["1", "5", "10", "50"]


def test_series_of_unequal_length_are_refused():
    with pytest.raises(DataError, match="3 x, 2 y"):
        curves([Series("a", [1, 2, 3], [1, 2])], "x", "y")


@SETTINGS
@given(st.lists(st.lists(st.tuples(ODD, ODD, ODD, ODD), max_size=5), max_size=4), st.booleans(), ODD)
def test_curves_survive_any_numbers(series, log_x, chance):
    made = [Series(EVIL, *(list(column) for column in zip(*points, strict=True))) for points in series if points]
    parsed(curves([*made, Series("empty", [], [])], EVIL, EVIL, log_x, chance))


@SETTINGS
@given(st.lists(st.tuples(ODD, ODD, ODD, ODD, st.booleans()), max_size=8), st.booleans())
def test_scatter_survives_any_numbers(points, log_x):
    parsed(scatter([Point(EVIL, *one) for one in points], EVIL, EVIL, log_x))


@SETTINGS
@given(st.lists(st.tuples(ODD, ODD, ODD), max_size=6), ODD)
def test_bars_and_strips_survive_any_numbers(rows, chance):
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    parsed(bars([EVIL] * len(rows), *columns, chance=chance, x_label=EVIL))
    parsed(strip(columns[0], mark=chance))


@SETTINGS
@given(st.lists(st.tuples(ODD, ODD, st.one_of(ODD, st.sampled_from([EVIL, "", "b"]))), max_size=12))
def test_maps_survive_any_numbers(rows):
    at = np.array([[NAN if v is None else v for v in row[:2]] for row in rows], dtype=float).reshape(-1, 2)
    parsed(map2d(at, [row[2] for row in rows], names=[EVIL] * len(rows), legend=EVIL))


def test_no_name_of_a_scatter_lies_across_the_budget():
    rng = np.random.default_rng(0)
    for _ in range(20):
        at = zip(10 ** rng.uniform(-1, 1, 8), rng.random(8), strict=True)
        points = [Point(f"a candidate with a name {i}", x, y) for i, (x, y) in enumerate(at)]
        root = wide(scatter(points, "ms", "score", limit=1.0))
        budget = float(of_class(root, "chance")[0].get("x1"))
        for one in of_class(root, "name"):
            start = float(one.get("x"))
            assert start > budget or start + 4.5 * len(one.text) < budget + 1  # letters are about 5.5 wide


@pytest.mark.parametrize("log_x", [True, False])
def test_scatter_draws_a_budget_inside_the_axes_and_leaves_out_one_that_no_axis_holds(log_x):
    points = [Point("a", 1, 0.5), Point("b", 10, 0.9)]
    root = wide(scatter(points, "ms", "score", log_x, limit=100))
    assert len(of_class(root, "chance")) == 1
    assert "The budget is 100." in (root.find("desc").text or "")
    left, right = (float(of_class(root, "dot")[i].get("cx")) for i in (0, 1))
    assert float(of_class(root, "chance")[0].get("x1")) > right > left
    for odd in (None, float("nan"), *((0.0, -1.0) if log_x else ())):
        assert not of_class(wide(scatter(points, "ms", "score", log_x, limit=odd)), "chance")


def test_scatter_draws_every_point_its_interval_and_the_front():
    points = [
        Point("a", 1, 0.5, 0.4, 0.6),
        Point("b", 10, 0.9, 0.8, 0.95),
        Point("c", 20, 0.7),
        Point("lost", None, 0.7),
    ]
    figure = scatter(points, "ms", "score")
    root = wide(figure)
    assert len(of_class(root, "dot")) == 3
    assert len(of_class(root, "whisker")) == 2
    assert len(of_class(root, "front-line")) == 1
    assert [one.get("class") for one in of_class(root, "point")] == ["point front", "point front", "point behind"]
    assert {one.text for one in of_class(root, "name")} == {"a", "b", "c"}
    assert "by rising cost: a, b." in (root.find("desc").text or "")
    assert len(figure.data[1]) == 4
    assert not of_class(wide(scatter(points, "ms", "score", front=False)), "front-line")


def test_bars_show_value_interval_and_chance_per_row():
    root = wide(bars(["a", "b"], [0.5, None], [0.4, None], [0.6, None], chance=[0.1, 0.2], highlight=0))
    assert [one.text for one in of_class(root, "value")] == ["0.50 [0.40, 0.60]", "–"]
    assert len(of_class(root, "dot")) == 1
    assert len(of_class(root, "chance")) == 2
    with pytest.raises(DataError, match="2 names, 1 values"):
        bars(["a", "b"], [1])


def test_strip_draws_few_values_singly_and_many_as_a_histogram():
    assert len(of_class(parsed(strip([1, 2, NAN])), "ticks")[0]) == 2
    assert of_class(parsed(strip(np.arange(100))), "hist")
    assert "no values" in strip([])


def test_a_map_has_a_dot_per_point_and_a_legend_in_natural_order():
    figure = map2d(np.random.default_rng(0).normal(size=(30, 2)), [f"class {i % 15}" for i in range(30)], legend="kind")
    root = parsed(figure)
    assert sum((one.get("d") or "").count("h0") for one in root.find("svg").iter("path")) + 0 >= 20
    shown = [one.text for one in root.iter("span")]
    assert shown == [f"class {i}" for i in range(15)]
    assert figure.data[0] == ["x", "y", "kind"]


def test_a_map_names_its_points_on_hovering():
    root = parsed(map2d([[0, 0], [1, 1], [2, 0]], [1, 2, None], names=["first", "second", "third"], classes={1: "one"}))
    tips = {one.find("title").text for one in root.iter("path") if one.find("title") is not None}
    assert tips == {"first: one", "second: 2", "third: unlabelled"}


def test_a_map_is_coloured_by_number_when_labels_are_no_classes():
    rng = np.random.default_rng(0)
    at = rng.normal(size=(200, 2))
    assert "ramp" in map2d(at, rng.normal(size=200))
    assert "ramp" in map2d(at, np.arange(200))
    assert "ramp" not in map2d(at, rng.integers(0, 5, 200).astype(float))
    assert "ramp" not in map2d(at, ["1.5"] * 200)
    assert "ramp" not in map2d(at, np.arange(200), as_number=False)


def test_a_large_map_is_a_stated_sample_that_the_seed_repeats():
    at = np.random.default_rng(0).normal(size=(3000, 2))
    first = map2d(at, limit=500, seed=3)
    assert len(first.data[1]) == 500
    assert "500 of 3,000 points, drawn with seed 3." in first
    assert first == map2d(at, limit=500, seed=3)
    assert first != map2d(at, limit=500, seed=4)
    assert len(map2d(np.random.default_rng(0).normal(size=(5000, 2)), np.arange(5000) % 10)) < 120_000


def test_a_map_refuses_other_shapes():
    with pytest.raises(DataError, match=r"\(n, 2\)"):
        map2d(np.zeros((3, 3)))
    with pytest.raises(DataError, match="3 points have 2 labels"):
        map2d(np.zeros((3, 2)), [1, 2])


def pictures(figure: Figure) -> list[np.ndarray]:
    from PIL import Image

    uris = re.findall(r'src="data:image/png;base64,([^"]+)"', figure)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri)))) for uri in uris]


def test_pictures_come_back_as_they_were():
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (8, 9), dtype=np.uint8), rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    first, second, third = pictures(image_rows([[grey, colour], [grey[:, :, None] / 255.0, None]], ["a", "b"]))
    assert np.array_equal(first, grey)
    assert np.array_equal(second, colour)
    assert np.array_equal(third, grey)


def test_pictures_of_other_ranges_sizes_and_kinds_are_shown():
    odd = [
        [np.full((4, 4), NAN), np.eye(4) * 50 - 10, np.eye(3, dtype=bool), np.zeros((300, 200)), np.zeros((4, 4, 2))]
    ]
    _, stretched, mask, large, _ = pictures(image_rows(odd))
    assert stretched.max() == 255 and stretched.min() == 0
    assert mask.max() == 255
    assert max(large.shape) == 96
    assert image_rows([])
    assert image_rows([[None]])
    with pytest.raises(DataError, match="no picture"):
        image_rows([[np.zeros(4)]])


def test_picture_captions_and_notes_are_escaped():
    figure = image_rows([[np.zeros((2, 2)), np.zeros((2, 2))]], [EVIL], columns=[EVIL], notes=[[EVIL]], apart=1)
    assert "<script" not in figure
    assert "quotes&#39;" in figure
    assert figure.count("<img") == 2


def test_tensors_are_taken_without_importing_their_library():
    class Tensor:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def detach(self) -> Tensor:
            return self

        def cpu(self) -> Tensor:
            return self

        def numpy(self) -> np.ndarray:
            return self.array

    parsed(map2d(Tensor(np.eye(2)), Tensor(np.array([0, 1]))))
    parsed(curves([Series("a", Tensor(np.array([1.0, 2.0])), Tensor(np.array([1.0, 2.0])))], "x", "y"))
    assert pictures(image_rows([[Tensor(np.zeros((2, 2)))]]))


# Machado, Oliveira and Fernandes 2009, severity 1
_VISION = {
    "full": np.eye(3),
    "without red": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "without green": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "without blue": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}


@pytest.mark.parametrize("vision", list(_VISION))
@pytest.mark.parametrize("colours", [_SERIES_LIGHT, _SERIES_DARK], ids=["light", "dark"])
def test_series_colours_stay_apart_for_every_colour_vision(colours, vision):
    values = np.array([[int(one[i : i + 2], 16) / 255 for i in (1, 3, 5)] for one in colours])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ _VISION[vision].T, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = seen @ to_xyz.T / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)]
    assert min(apart) > 11  # in units of which 2 can just be seen


# --- gauges and matrices --------------------------------------------------------------------------------------------


def test_a_gauge_shows_the_score_its_interval_and_what_stands_beside_it():
    root = parsed(gauge(0.8, 0.7, 0.9, (0.0, 1.0), {"chance": 0.1, "raw": 0.85, "pca": None}))
    assert len(of_class(root, "dot")) == len(of_class(root, "whisker")) == 1
    assert len(of_class(root, "chance")) == len(of_class(root, "beside")) == 1
    (circle,) = of_class(root, "dot")
    assert 7 + 166 * 0.79 < float(circle.get("cx") or 0) < 7 + 166 * 0.81


@given(ODD, ODD, ODD, st.lists(ODD, max_size=2), ODD)
@SETTINGS
def test_a_gauge_of_anything_is_whole(value, low, high, ends, beside):
    parsed(gauge(value, low, high, ends, {EVIL: beside}))


def test_a_matrix_has_a_shade_per_known_value_and_its_number():
    figure = matrix(["a", "b"], ["a", "b", EVIL], [[1, 0.5, None], [0.5, 1, NAN]], 0, 1)
    root = wide(figure)
    assert len(of_class(root, "shade")) == 4
    assert [one.text for one in of_class(root, "shade-dark")] == ["1.00", "1.00"]
    assert figure.data is not None and len(figure.data[1]) == 6
    parsed(matrix(["a"], ["b"], [[None]]))
    with pytest.raises(DataError, match="2 row names and 1 column names"):
        matrix(["a", "b"], ["c"], [[1.0, 2.0]])
