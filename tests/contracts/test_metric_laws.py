"""Laws that hold for every registered metric: a new one is tested by being registered."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.measure import METRICS

N = 90
RNG = np.random.default_rng(0)
# rows on a curved sheet, with classes that the sheet tells apart
SHEET = RNG.random((N, 2))
X = np.c_[np.sin(3 * SHEET), np.cos(3 * SHEET), SHEET @ RNG.standard_normal((2, 4))]
LABELS = (SHEET[:, 0] > np.median(SHEET[:, 0])).astype(int) * 2 + (SHEET[:, 1] > np.median(SHEET[:, 1]))
NOISE = RNG.standard_normal((N, 8))
TIMES = [name for name, one in METRICS.items() if not one.exact]
FEW = {"draws": 2, "largest": 5}


def same(x):
    return np.asarray(x).reshape(len(x), -1)


def arrays(codes, **other) -> dict:
    return {"codes": codes, "x": X, "labels": LABELS, "rebuilt": X, "encode": same} | other


def options(name: str) -> dict:
    given = FEW | {"calls": 5}
    return {key: value for key, value in given.items() if key in METRICS[name].settings}


def value(name: str, given: dict) -> float:
    return METRICS[name].read(given, options(name)).value


HARD = {
    "constant": np.ones((N, 8)),
    "zero": np.zeros((N, 8)),
    "one unit": X[:, :1],
    "duplicated rows": np.repeat(X[: N // 10], 10, axis=0),
    "duplicated units": np.repeat(X[:, :1], 8, axis=1),
    "tied": np.round(X),
    "float32": X.astype(np.float32),
    "integers": np.round(10 * X).astype(int),
    "one hot": np.eye(4)[LABELS],
    "more units than rows": np.tile(X, (1, 40)),
    "large": 1e150 * X,
    "small": 1e-150 * X,
    "far from zero": X + 1e7,
}


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("name", METRICS)
def test_hard_codes_give_a_finite_value_or_a_named_error(name, kind):
    hard = HARD[kind]
    for given in (arrays(hard), arrays(hard, x=hard, rebuilt=hard)):
        try:
            found = METRICS[name].read(given, options(name))
        except DataError as error:
            assert str(error)
            continue
        assert math.isfinite(found.value)
        assert found.low is None or found.low <= found.value <= found.high
        json.dumps([found.value, found.low, found.high, found.n, found.chance, found.note, found.more], allow_nan=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", METRICS)
def test_what_is_not_finite_is_refused(name, bad):
    need = next(need for need in METRICS[name].needs if need not in ("labels", "encode"))
    spoiled = X.copy()
    spoiled[5, 1] = bad
    with pytest.raises(DataError, match=f"{need} has NaN or infinite values in 1 rows, first in row 5"):
        METRICS[name].read(arrays(X) | {need: spoiled})


@pytest.mark.parametrize("name", METRICS)
def test_missing_arrays_and_unequal_rows_are_refused(name):
    needs = METRICS[name].needs
    with pytest.raises(DataError, match=f"{name} needs {needs[0]}"):
        METRICS[name].read({})
    rowed = [need for need in needs if need != "encode"]
    if len(rowed) > 1:
        with pytest.raises(DataError, match="equally many rows"):
            METRICS[name].read(arrays(X) | {rowed[1]: arrays(X)[rowed[1]][:-1]})
    with pytest.raises(TypeError, match="has no option 'colour'"):
        METRICS[name].read(arrays(X), {"colour": 1})


@pytest.mark.parametrize("name", [name for name in METRICS if name not in TIMES])
def test_two_runs_and_permuted_rows_give_the_same_bits(name):
    order = np.random.default_rng(1).permutation(N)
    mixed = {key: one if key == "encode" else one[order] for key, one in arrays(X[:, :3]).items()}
    first = value(name, arrays(X[:, :3]))
    assert value(name, arrays(X[:, :3])) == first
    assert value(name, mixed) == first


@pytest.mark.parametrize("name", [name for name in METRICS if name not in TIMES])
def test_float32_changes_little(name):
    single = {
        key: one.astype(np.float32) if key in ("codes", "x", "rebuilt") else one for key, one in arrays(X).items()
    }
    assert value(name, single) == pytest.approx(value(name, arrays(X)), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("name", [name for name, one in METRICS.items() if {"codes", "x"} <= set(one.needs)])
def test_the_data_themselves_score_near_the_best(name):
    best = 1.0 if METRICS[name].best is None else METRICS[name].best
    assert value(name, arrays(X)) == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize(
    "name",
    [name for name, one in METRICS.items() if one.shuffle == "rows" and "x" in one.needs and one.worst is not None],
)
def test_a_random_code_scores_near_the_worst(name):
    assert value(name, arrays(NOISE)) == pytest.approx(METRICS[name].worst, abs=0.12)


@pytest.mark.parametrize("name", ["linear_area", "knn_area"])
def test_a_random_code_scores_at_chance_and_one_that_tells_the_class_near_the_best(name):
    large = np.random.default_rng(2)
    labels = np.arange(600) % 3
    noise = {"codes": large.standard_normal((600, 5)), "labels": labels}
    found = METRICS[name].read(noise, options(name))
    assert found.value == pytest.approx(found.chance, abs=0.05)
    assert found.chance == pytest.approx(1 / 3)
    assert value(name, {"codes": np.eye(3)[labels], "labels": labels}) == 1.0


@pytest.mark.parametrize("name", METRICS)
def test_a_record_says_all_that_a_reader_needs(name):
    one = METRICS[name]
    assert one.name == name and one.question.endswith("?")
    assert all((one.null, one.interval, one.cost, one.distrust, one.source))
    assert one.null.split(":")[0].split(" ")[0] in ("shuffled", "closed", "none")
    assert set(one.needs) <= {"codes", "x", "rebuilt", "labels", "encode"}
    assert one.worst != one.best or one.best is None
