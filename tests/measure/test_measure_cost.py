"""Times and sizes: rivals take turns, and the note speaks when calling is the cost."""

from __future__ import annotations

import time

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import METRICS, size_mb, timings

X = np.zeros((300, 4), dtype=np.float32)


def slow(x):
    time.sleep(0.002)
    return x


def test_a_known_delay_is_measured_and_the_fixed_cost_is_noted():
    found = timings({"slow": slow, "fast": lambda x: x}, X, batch_size=100, calls=6, seconds=0.3)
    assert 2 <= found["slow"]["latency_ms"] < 20
    assert found["slow"]["latency_ms_p90"] >= found["slow"]["latency_ms"]
    assert found["fast"]["latency_ms"] < found["slow"]["latency_ms"]
    assert found["slow"]["batch_ms_per_row"] < 1
    assert found["slow"]["overhead"] and "in batches of 100 a row takes" in found["slow"]["note"]
    assert found["slow"]["rows_per_second"] == pytest.approx(1e3 / found["slow"]["batch_ms_per_row"])


def test_rivals_take_turns_after_a_warm_up():
    called = []
    timings({"a": lambda x: called.append("a"), "b": lambda x: called.append("b")}, X, calls=5, warmup=2)
    assert "".join(called) == ("aabb" + "ab" * 5) * 2


def test_single_rows_and_batches_have_the_promised_sizes():
    sizes = set()
    timings({"a": lambda x: sizes.add(len(x))}, X, batch_size=64, calls=5)
    assert sizes == {1, 64}


def test_latency_and_rate_are_metrics_too():
    assert METRICS["latency_ms"](slow, X, calls=5) >= 2
    assert 0 < METRICS["rows_per_second"](slow, X, batch_size=10, calls=5) < 10 / 0.002


def test_sizes_are_in_millions_of_bytes():
    assert size_mb(b"x" * 500) == 0.0005
    assert size_mb(2_000_000) == 2.0
    assert size_mb([np.zeros(125_000), b"12", 10]) == pytest.approx(1.000012)


def test_nothing_to_time_is_refused():
    with pytest.raises(DataError, match="nothing to time"):
        timings({}, X)
