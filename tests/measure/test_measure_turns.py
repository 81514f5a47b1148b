"""Rounds of turns, fresh processes, and counts of graphs."""

from __future__ import annotations

import itertools
import time

import numpy as np
import onnx
import pytest
from ship_cases import conv_graph, mlp_graph

from codelayer.errors import DataError
from codelayer.measure.fresh import fresh_start
from codelayer.measure.graphs import array_work, graph_work
from codelayer.measure.turns import paces, times_as_long


def test_every_round_holds_turns_of_every_rival_and_begins_them_in_another_order():
    called: list[str] = []
    rivals = {name: lambda x, name=name: called.append(name) or time.sleep(0.001) for name in "ab"}
    found = paces(rivals, {"a": [1], "b": [2]}, 1, rounds=3, seconds=0.06)
    order = "".join(one for i, one in enumerate(called) if i == 0 or called[i - 1] != one)
    assert order.startswith("abab") and len(order) > 12
    assert [len(one.medians) for one in found.values()] == [3, 3]


def test_quantiles_are_those_of_all_calls_and_the_spread_that_of_the_rounds():
    naps = itertools.cycle([0.001, 0.001, 0.005])
    pace = paces({"a": lambda x: time.sleep(next(naps))}, {"a": [0]}, 4, rounds=2, seconds=0.05)["a"]
    assert pace.p50_ms <= pace.p90_ms <= pace.p99_ms
    assert pace.low_ms == min(pace.medians) and pace.high_ms == max(pace.medians)
    assert pace.rows_per_second == pytest.approx(4000 / pace.p50_ms)


def test_the_ratio_of_two_rivals_is_taken_round_by_round():
    def nap(seconds):
        return lambda x: time.sleep(seconds)

    found = paces({"slow": nap(0.004), "quick": nap(0.001)}, {"slow": [0], "quick": [0]}, 1, rounds=3, seconds=0.1)
    middle, low, high = times_as_long(found["slow"], found["quick"])
    by_hand = np.divide(found["slow"].medians, found["quick"].medians)
    assert (middle, low, high) == pytest.approx((np.median(by_hand), by_hand.min(), by_hand.max()))
    assert middle > 1


def test_inputs_are_gone_through_one_after_the_other():
    seen = []
    paces({"a": seen.append}, {"a": [1, 2, 3]}, 1, rounds=1, seconds=0.001)
    assert set(seen) == {1, 2, 3}


@pytest.mark.parametrize(
    ("rivals", "inputs", "rounds"), [({}, {}, 3), ({"a": len}, {"a": []}, 3), ({"a": len}, {"a": [[1]]}, 0)]
)
def test_nothing_to_time_is_refused(rivals, inputs, rounds):
    with pytest.raises(DataError, match="nothing to time"):
        paces(rivals, inputs, 1, rounds=rounds)


def test_a_fresh_process_is_timed_from_its_start_and_memory_it_adds_is_told():
    found = fresh_start(
        "import time\n", "kept = bytearray(int(sys.argv[1]))\ntime.sleep(0.05)\n", ["60000000"], repeats=2
    )
    assert found.low <= found.seconds <= found.high and found.seconds > found.answer_seconds >= 0.05
    assert found.memory_bytes is None or 50e6 < found.memory_bytes < 90e6
    assert found.peak_bytes is None or found.peak_bytes > found.memory_bytes


def test_a_fresh_process_that_fails_says_why():
    with pytest.raises(DataError, match="ZeroDivisionError"):
        fresh_start("", "1 / 0\n", repeats=1)


def work_of(data: bytes):
    model = onnx.load_model_from_string(data)
    return graph_work(model, onnx.shape_inference.infer_shapes(model))


def test_a_graph_of_affine_layers_counts_as_its_matrices():
    work = work_of(mlp_graph((7, 5, 3)))
    assert (work.parameters, work.multiply_adds) == (7 * 5 + 5 + 5 * 3 + 3, 7 * 5 + 5 * 3)


def test_a_convolution_multiplies_at_every_place():
    work = work_of(conv_graph(size=16, channels=8))
    assert (work.parameters, work.multiply_adds) == (8 * 9 + 8 * 4, 16 * 16 * 8 * 9 + 8 * 4)


def test_trees_keep_numbers_and_multiply_nothing():
    from sklearn.ensemble import RandomForestClassifier

    from codelayer.export import sklearn_exported

    x = np.random.default_rng(0).normal(size=(60, 4))
    forest = RandomForestClassifier(3, random_state=0).fit(x, x[:, 0] > 0)
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    work = work_of(sklearn_exported(forest, 4, x)[0])
    assert work.multiply_adds == 0 and work.parameters > nodes


def test_arrays_count_their_matrices_once_per_row():
    work = array_work({"w": np.zeros((4, 3)), "b": np.zeros(3)})
    assert (work.parameters, work.multiply_adds) == (15, 12)
