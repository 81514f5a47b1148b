"""Laws that hold for every registered metric: a new one is tested by being registered."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import codelayer
from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.arrays import NAMES, take
from codelayer.measure.properties import PROPERTIES

N = 90
RNG = np.random.default_rng(0)
# rows on a curved sheet, with classes that the sheet tells apart
SHEET = RNG.random((N, 2))
X = np.c_[np.sin(3 * SHEET), np.cos(3 * SHEET), SHEET @ RNG.standard_normal((2, 4))]
LABELS = (SHEET[:, 0] > np.median(SHEET[:, 0])).astype(int) * 2 + (SHEET[:, 1] > np.median(SHEET[:, 1]))
NOISE = RNG.standard_normal((N, 8))
FACTORS = np.floor(SHEET * [3, 4])
TURN = np.linalg.qr(RNG.standard_normal((8, 8)))[0]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TIMES = [name for name, one in METRICS.items() if not one.exact]
FEW = {"draws": 2, "largest": 5, "trees": 10}


def same(x):
    return np.asarray(x).reshape(len(x), -1)


def widened(codes):
    """A decoder for codes of any width: their first columns, with zeros for those that are missing."""
    flat = same(codes)[:, : X.shape[1]]
    return np.pad(flat, ((0, 0), (0, X.shape[1] - flat.shape[1])))


def arrays(codes, **other) -> dict:
    """Everything a metric may need, for codes of any width."""
    given = {"codes": codes, "x": X, "labels": LABELS, "rebuilt": X, "encode": same, "decode": widened}
    given |= {"coarse": LABELS // 2, "nuisance": np.arange(N) % 2, "factors": FACTORS}
    given |= {"layers": {"first": X, "last": codes}, "seeds": [codes, X @ TURN, X]}
    return given | other


def changed(given: dict, need: str, change) -> dict:
    """The arrays with one of them (or each of its parts) changed."""
    one = given[need]
    if isinstance(one, dict):
        return given | {need: {name: change(part) for name, part in one.items()}}
    return given | {need: [change(part) for part in one] if isinstance(one, list) else change(one)}


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
    need = next(need for need in METRICS[name].needs if need in ("codes", "x", "rebuilt", "layers", "seeds"))
    spoiled = X.copy()
    spoiled[5, 1] = bad
    with pytest.raises(DataError, match="has NaN or infinite values in 1 rows, first in row 5"):
        METRICS[name].read(changed(arrays(X), need, lambda _: spoiled))


@pytest.mark.parametrize("name", METRICS)
def test_missing_arrays_and_unequal_rows_are_refused(name):
    needs = METRICS[name].needs
    with pytest.raises(DataError, match=f"{name} needs {needs[0]}"):
        METRICS[name].read({})
    rowed = [need for need in needs if need not in ("encode", "decode")]
    if len(rowed) > 1:
        with pytest.raises(DataError, match="equally many rows"):
            METRICS[name].read(changed(arrays(X), rowed[1], lambda one: one[:-1]))
    with pytest.raises(TypeError, match="has no option 'colour'"):
        METRICS[name].read(arrays(X), {"colour": 1})


@pytest.mark.parametrize("name", [name for name in METRICS if name not in TIMES])
def test_two_runs_and_permuted_rows_give_the_same_bits(name):
    order = np.random.default_rng(1).permutation(N)
    mixed = {key: take(key, one, order) for key, one in arrays(X[:, :3]).items()}
    first = value(name, arrays(X[:, :3]))
    assert value(name, arrays(X[:, :3])) == first
    assert value(name, mixed) == first


@pytest.mark.parametrize("name", [name for name in METRICS if name not in TIMES])
def test_float32_changes_little(name):
    # of full rank: X has columns that are sums of others, and whether they are is a matter of rounding
    double = arrays(X[:, :6])
    single = double
    for need in ("codes", "x", "rebuilt", "layers", "seeds"):
        single = changed(single, need, lambda one: one.astype(np.float32))
    assert value(name, single) == pytest.approx(value(name, double), rel=0.02, abs=1e-3)


@pytest.mark.parametrize(
    "name", [name for name, one in METRICS.items() if {"codes", "x"} <= set(one.needs) and not one.uncalibrated]
)
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


def test_one_thread_and_two_give_the_same_bits():
    # every metric that does not measure time, in processes of their own: BLAS reads its threads at the start
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_metric_laws as laws
print([laws.value(name, laws.arrays(laws.X[:, :3])) for name in laws.METRICS
       if name not in laws.TIMES and not laws.METRICS[name].by_name])
"""
    told = []
    for threads in ("1", "2"):
        env = {"PYTHONPATH": str(Path(codelayer.__file__).parents[1])} | dict.fromkeys(THREADS, threads)
        ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        told.append(ran.stdout)
    assert told[0] == told[1] and told[0].count(",") > 60


# --- zeros and ones -------------------------------------------------------------------------------------------------

LARGE = np.random.default_rng(3)
GRID = LARGE.integers(0, [3, 4, 5], (600, 3)).astype(float)
CLOUD = LARGE.standard_normal((600, 3))
CALIBRATED = [
    name
    for name, one in METRICS.items()
    if (one.worst, one.best) == (0.0, 1.0) and not one.uncalibrated and {"codes", "seeds"} & set(one.needs)
]


def large(codes) -> dict:
    """600 rows: a cloud, factors and labels on a grid, and a code."""
    labels = (GRID @ [20, 5, 1]).astype(int) % 4
    given = {"codes": codes, "x": CLOUD, "labels": labels, "coarse": labels // 2, "factors": GRID, "rebuilt": CLOUD}
    given |= {"nuisance": labels, "encode": same, "decode": same, "layers": {"code": codes}}
    return given | {"seeds": [codes, codes, codes]}


def identity(name: str) -> np.ndarray:
    """The code that says outright what the metric asks for."""
    needs = METRICS[name].needs
    if "factors" in needs:
        return GRID
    return np.eye(4)[large(CLOUD)["labels"]] if {"labels", "nuisance"} & set(needs) else CLOUD


@pytest.mark.parametrize("name", CALIBRATED)
def test_a_score_is_at_most_a_twentieth_on_a_random_code(name):
    rng = np.random.default_rng(4)
    given = large(rng.standard_normal((600, 3))) | {"seeds": [rng.standard_normal((600, 3)) for _ in range(3)]}
    assert value(name, given) <= 0.05


@pytest.mark.parametrize("name", CALIBRATED)
def test_a_score_is_at_least_nineteen_twentieths_on_the_identity(name):
    assert value(name, large(identity(name))) >= 0.95


def test_every_metric_of_the_package_belongs_to_a_property():
    for name, one in METRICS.items():
        if one.function.__module__.startswith("codelayer."):
            assert one.measures in PROPERTIES, name


@pytest.mark.parametrize("name", METRICS)
def test_a_record_says_all_that_a_reader_needs(name):
    one = METRICS[name]
    assert one.name == name and one.question.endswith("?")
    assert all((one.null, one.interval, one.cost, one.distrust, one.source))
    assert one.null.split(":")[0].split(" ")[0] in ("shuffled", "closed", "none")
    assert {*one.needs, *one.also} <= set(NAMES)
    assert one.worst != one.best or one.best is None
