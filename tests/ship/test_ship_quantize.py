"""int8 and float16: made, measured, kept or refused with the figures; what does not fit is refused by name."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from ship_cases import conv_graph, mlp_graph, packed

from codelayer import Pca, Table
from codelayer.errors import DataError
from codelayer.measure.turns import Pace
from codelayer.ship.models import open_model
from codelayer.ship.quantize import NOTE, Variant, _choice, _Judge, cpu_flags, noted, quantise
from codelayer.ship.quantprint import quantised_text

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 32)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
QUICK = {"rounds": 2, "seconds": 0.004, "batch_size": 32}
NAMES = ["int8 dynamic", "int8 dynamic, reduced range", "int8 static", "int8 static, reduced range", "float16"]


@pytest.fixture(scope="module")
def done():
    return quantise(mlp_graph((32, 64, 16)), X, Y, **QUICK)


def run(data: bytes, x: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def test_four_int8_forms_and_float16_are_tried(done):
    assert [one.name for one in done.variants] == NAMES
    assert all(one.data and one.time_one and one.time_batch for one in done.variants)


def test_the_record_says_how_many_rows_calibrated_and_they_judge_nothing(done):
    assert done.record()["calibration_rows"] == 80 and done.record()["rows"] == len(X) - 80
    assert "160 rows compared, 80 others calibrated" in quantised_text(done)


def test_every_form_still_reads_and_gives_float32(done):
    for one in done.variants:
        assert run(one.data, X[:3]).dtype == np.float32 and run(one.data, X[:3]).shape == (3, 16)


def test_the_error_is_the_mean_distance_of_codes_over_their_mean_length(done):
    order = np.random.default_rng(0).permutation(len(X))
    rest = X[np.sort(order[80:])]
    plain = run(mlp_graph((32, 64, 16)), rest)
    for one in done.variants:
        error = np.linalg.norm(run(one.data, rest) - plain, axis=1).mean() / np.linalg.norm(plain, axis=1).mean()
        assert one.code_error == pytest.approx(error, rel=1e-3, abs=1e-6)
    assert done.rows == len(rest)


def test_int8_is_less_than_a_third_of_a_large_graph():
    large = quantise(mlp_graph((32, 512, 256)), X, **QUICK)
    sizes = {one.name: one.size_bytes / large.size_bytes for one in large.variants}
    assert sizes["int8 dynamic"] < 0.3 and 0.5 < sizes["float16"] < 0.6
    assert large.probe_score is None and all(one.probe_loss is None for one in large.variants)


def test_a_convolutional_graph_is_also_tried_with_its_dense_layers_alone():
    found = quantise(conv_graph(), RNG.normal(size=(60, 1, 16, 16)), **QUICK)
    names = [one.name for one in found.variants]
    assert "int8 dynamic, dense layers" in names and "int8 static, dense layers" in names


def test_the_report_names_every_form_the_cpu_and_every_refusal(done):
    text = quantised_text(done)
    assert all(one.name in text for one in done.variants)
    assert text.count("refused: ") == sum(not one.kept for one in done.variants)
    assert all(flag in text for flag in done.cpu)
    assert json.loads(json.dumps(done.record()))["cpu"] == list(cpu_flags())


def pace(*medians: float) -> Pace:
    return Pace(1, *[float(np.median(medians))] * 3, min(medians), max(medians), medians, 9)


def judged(one: Variant, alone: Pace, together: Pace, size: int = 1000) -> Variant:
    """What a judge says of figures that are given."""
    judge = object.__new__(_Judge)
    judge.rounds, judge.batch_size = 9, 256
    judge.graph = dataclasses.make_dataclass("Graph", ["size_bytes"])(size)
    judge._alone, judge._together = {"": pace(*[1.0] * 9), "v": alone}, {"": pace(*[1.0] * 9), "v": together}
    return judge._decided(one)


GOOD = Variant("v", 300, 0.01, (0.2, 0.0, 0.4))
FAST, EVEN, SLOW = pace(*[0.7] * 9), pace(*[1.0] * 9), pace(*[1.5] * 9)


@pytest.mark.parametrize(
    ("one", "alone", "together", "told"),
    [
        (GOOD, FAST, FAST, ""),
        (GOOD, EVEN, FAST, ""),
        (GOOD, FAST, EVEN, ""),
        (GOOD, EVEN, EVEN, "not really faster"),
        (GOOD, FAST, SLOW, "slower at 256 rows: 1.50 times as long, slower in 9 of 9 rounds"),
        (GOOD, pace(*[0.7] * 7, 1.1, 1.1), EVEN, "not really faster: of 9 rounds it was slower in 2"),
        (GOOD, pace(*[0.7] * 8, 1.1), EVEN, ""),
        (dataclasses.replace(GOOD, code_error=0.021), FAST, FAST, "code error 2.10 %, at most 2 %"),
        (dataclasses.replace(GOOD, code_error=float("nan")), FAST, FAST, "code error nan %"),
        (dataclasses.replace(GOOD, probe_loss=(0.51, 0, 1)), FAST, FAST, "the probe loses 0.51 points"),
        (dataclasses.replace(GOOD, size_bytes=1000), FAST, FAST, "its file is 1.00 times as large"),
    ],
)
def test_a_form_is_kept_only_if_it_is_near_small_and_quick(one, alone, together, told):
    found = judged(one, alone, together)
    assert found.kept == (told == "")
    assert told in "; ".join(found.reasons)


def test_the_choice_is_the_smallest_and_of_two_alike_the_quicker():
    big = Variant("big", 500, time_one=(0.1, 0.1, 0.1))
    small, quick = Variant("small", 100, time_one=(0.9, 0, 1)), Variant("quick", 105, time_one=(0.8, 0, 1))
    refused = Variant("refused", 10, reasons=("slow",))
    assert _choice([big, small, quick, refused]) is quick
    assert _choice([refused]) is None


def test_what_is_written_carries_how_it_was_made(done):
    data = noted(done.variants[0], done.cpu)
    kept = {one.key: one.value for one in onnx.load_model_from_string(data).metadata_props}
    assert json.loads(kept[NOTE])["variant"] == "int8 dynamic"
    assert np.array_equal(run(data, X[:2]), run(done.variants[0].data, X[:2]))


def test_rows_of_another_schema_are_refused():
    with pytest.raises(DataError, match=r"\(31,\) do not fit the input 'x'"):
        quantise(mlp_graph((32, 16)), X[:, :31])


def test_a_form_of_a_bundle_still_says_what_rows_it_reads(tmp_path):
    rng = np.random.default_rng(0)
    rows = Table({"size": rng.normal(size=90), "kind": np.array(["a", "b"], object)[rng.integers(0, 2, 90)]})
    coder = Pca(2).fit(rows)
    coder.save(tmp_path / "b")
    found = quantise(tmp_path / "b", rows, **QUICK)
    (tmp_path / "small.onnx").write_bytes(noted(found.variants[0], found.cpu))
    opened = open_model(tmp_path / "small.onnx")
    assert opened.schema.columns == coder.schema_.columns
    assert np.allclose(opened.whole(rows), coder.transform(rows), atol=0.1)
    nodes = onnx.load_model_from_string(found.variants[2].data).graph.node
    rounded = {name for one in nodes if one.op_type == "DequantizeLinear" for name in one.output}
    around = [one for one in nodes if one.name.startswith("codelayer/") and "/core/" not in one.name]
    assert rounded and around and not any(name in rounded for one in around for name in one.input)
    with pytest.raises(DataError, match="the rows have no column 'kind'"):
        quantise(tmp_path / "b", Table({"size": rng.normal(size=90)}), **QUICK)
    with pytest.raises(DataError, match="a table, not an array"):
        quantise(tmp_path / "small.onnx", X, **QUICK)


def test_too_few_rows_and_too_few_labels_are_refused():
    with pytest.raises(DataError, match="20 rows are too few"):
        quantise(mlp_graph((32, 16)), X[:20])
    few = np.where(np.arange(len(X)) < 10, 1.0, np.nan)
    with pytest.raises(DataError, match="labelled rows are too few"):
        quantise(mlp_graph((32, 16)), X, few, **QUICK)


def test_a_graph_without_products_is_refused():
    from onnx import helper

    graph = packed([helper.make_node("Relu", ["x"], ["code"])], [], [("x", ["n", 32])], [("code", ["n", 32])])
    with pytest.raises(DataError, match="no matrix products"):
        quantise(graph, X)
