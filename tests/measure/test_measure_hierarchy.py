"""Stages of a net: probe curves, coarse and fine labels, dimensions, and how alike stages are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from codelayer.errors import DataError
from codelayer.measure import METRICS
from codelayer.measure.hierarchy import _gravity, _order, _reached
from codelayer.measure.similarity import _ready, hsic

X = load_digits().data / 16
RNG = np.random.default_rng(0)
FINE = RNG.integers(6, size=600)
COARSE = FINE // 3


def stages(*noises, told=FINE):
    code = 2 * np.eye(told.max() + 1)[told]
    return {f"stage {i}": code + noise * RNG.standard_normal(code.shape) for i, noise in enumerate(noises)}


def read(name, **arrays):
    return METRICS[name].read(arrays)


# --- the probe curve ------------------------------------------------------------------------------------------------


def test_a_label_that_clears_up_from_stage_to_stage_is_gained_in_order():
    layers = stages(4.0, 2.0, 0.5)
    gain = read("layer_gain", layers=layers, labels=FINE)
    assert gain.value > 0.5 and gain.low > 0.4 and gain.chance == 0.0
    assert gain.more["stages"] == ["stage 0", "stage 1", "stage 2"]
    assert all(low < value < high for value, low, high in gain.more["steps"])
    assert sum(step[0] for step in gain.more["steps"]) == pytest.approx(gain.value)
    again = METRICS["linear_score"](layers["stage 2"], FINE)
    assert gain.more["scores"][-1] == pytest.approx(again, abs=0.01)
    order = read("layer_order", layers=layers, labels=FINE)
    assert (order.value, order.low, order.high) == (1.0, 1.0, 1.0)


def test_equal_stages_have_no_gain_no_order_and_no_center_and_say_so():
    one = stages(1.0)["stage 0"]
    layers = {"a": one, "b": one.copy()}
    gain = read("layer_gain", layers=layers, labels=FINE)
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)
    assert read("layer_order", layers=layers, labels=FINE).note == "all stages score the same: no order"
    assert read("center_of_gravity", layers=layers, labels=FINE).note == "no stage gains on the one before"


def test_numbers_and_groups_are_read_stage_by_stage_too():
    told = RNG.standard_normal(300)
    layers = {name: told[:, None] + noise * RNG.standard_normal((300, 1)) for name, noise in (("a", 2.0), ("b", 0.2))}
    assert read("layer_gain", layers=layers, labels=told).value == pytest.approx(0.96 - 0.2, abs=0.1)
    copies, groups = np.repeat(RNG.standard_normal((100, 60)), 5, axis=0), np.repeat(np.arange(100), 5)
    labels = RNG.integers(2, size=100)[groups]
    found = read("layer_gain", layers={"a": copies[:, :1], "b": copies}, labels=labels, groups=groups)
    assert found.more["scores"][1] == pytest.approx(0.5, abs=0.1)


def test_hand_computed_places():
    scores = np.array([[0.1, 0.3, 0.2, 0.9], [0.5, 0.5, 0.5, 0.5]])
    assert _gravity(scores).tolist() == [pytest.approx((1 * 0.2 + 3 * 0.7) / 0.9), 0.0]
    assert _order(scores)[0] == pytest.approx(spearmanr(range(4), scores[0]).statistic) and _order(scores)[1] == 0
    assert _reached(np.array([[0.0, 0.5, 1.0]]), 0.0)[0] == pytest.approx(1.8)
    assert _reached(np.array([[1.0, 0.5, 0.2]]), 0.0)[0] == 0.0


def test_a_coarse_label_that_is_read_before_the_fine_one_leads():
    noise = RNG.standard_normal((600, 6))
    layers = {
        "input": np.hstack([3 * np.eye(2)[COARSE], np.zeros((600, 4))]) + noise,
        "middle": np.hstack([6 * np.eye(2)[COARSE], np.zeros((600, 4))]) + noise,
        "last": 6 * np.eye(6)[FINE] + noise,
    }
    found = read("coarse_lead", layers=layers, labels=FINE, coarse=COARSE)
    assert found.value > 0.8 and found.low > 0.5
    assert found.more["coarse"]["reached"] < found.more["fine"]["reached"]
    assert found.more["fine"]["chance"] == pytest.approx(1 / 6)
    same = read("coarse_lead", layers=layers, labels=FINE, coarse=FINE)
    assert same.value == 0.0


# --- dimension ------------------------------------------------------------------------------------------------------


def test_the_profile_of_dimensions_is_that_of_each_stage():
    plane = RNG.standard_normal((500, 2)) @ RNG.standard_normal((2, 8))
    layers = {"cube": RNG.random((500, 6)), "plane": plane}
    found = read("layer_dimension", layers=layers)
    assert found.more["dimensions"] == [pytest.approx(METRICS["dimension_mle"](one)) for one in layers.values()]
    assert found.value == pytest.approx(found.more["dimensions"][1] / found.more["dimensions"][0])
    assert found.low < found.value < found.high < 0.6
    with pytest.raises(DataError, match="stage b: only 1 different rows"):
        read("layer_dimension", layers={"a": plane, "b": np.ones((500, 2))})


# --- similarity -----------------------------------------------------------------------------------------------------


def by_hand(x, y):
    """HSIC_1 from both Gram matrices, as printed in the paper."""
    n, ones = len(x), np.ones(len(x))
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    both = ones @ k @ ones * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + both - 2 / (n - 2) * ones @ k @ m @ ones) / (n * (n - 3))


def test_cka_is_the_papers_form_and_its_jackknife_leaves_each_row_out():
    x = RNG.standard_normal((14, 5))
    y = x[:, :2] + RNG.standard_normal((14, 2))
    expected = by_hand(x, y) / np.sqrt(by_hand(x, x) * by_hand(y, y))
    assert METRICS["cka"](x, y) == pytest.approx(expected)
    left, right = _ready("x", x), _ready("y", y)
    _, without = hsic(left, right)
    for i in range(14):
        assert without[i] == pytest.approx(by_hand(np.delete(left.rows, i, 0), np.delete(right.rows, i, 0)))
    wide = RNG.standard_normal((14, 40))
    expected = by_hand(wide, y) / np.sqrt(by_hand(wide, wide) * by_hand(y, y))
    assert METRICS["cka"](wide, y) == pytest.approx(expected)


def test_cka_gives_the_reference_values():
    two = PCA(2, svd_solver="full").fit_transform(X)
    noise = np.random.default_rng(0).standard_normal((len(X), 10))
    assert METRICS["cka"](two, X) == pytest.approx(0.732755, abs=1e-6)
    assert METRICS["cka_biased"](two, X) == pytest.approx(0.732272, abs=1e-6)
    assert METRICS["cka_biased"](PCA(10, svd_solver="full").fit_transform(X), X) == pytest.approx(0.978719, abs=1e-6)
    assert abs(METRICS["cka"](noise, X)) < 0.003 and 0.003 < METRICS["cka_biased"](noise, X) < 0.009
    rng = np.random.RandomState(0)
    x = rng.randn(300, 10)
    assert METRICS["cka_biased"](x[:, :2] + 0.1 * rng.randn(300, 2), x) == pytest.approx(0.45729354, abs=1e-7)


@pytest.mark.parametrize(("n", "units", "biased"), [(100, 100, 0.507), (100, 1000, 0.911), (1000, 1000, 0.5)])
def test_independent_gaussians_are_alike_in_the_biased_form_alone(n, units, biased):
    x, y = (np.random.default_rng(seed).standard_normal((n, units)) for seed in (0, 1))
    found = METRICS["cka"].read({"codes": x, "x": y})
    assert abs(found.value) <= 0.02 and found.low < 0 < found.high
    assert METRICS["cka_biased"](x, y) == pytest.approx(biased, abs=0.01)


def test_the_matrix_between_stages_knows_rotation_and_noise():
    code = RNG.standard_normal((300, 5))
    turned = 3 * code @ np.linalg.qr(RNG.standard_normal((5, 5)))[0] + 100
    found = read("layer_similarity", layers={"a": code, "b": turned, "c": RNG.standard_normal((300, 5))})
    matrix = np.array(found.more["matrix"])
    assert matrix[0, 1] == pytest.approx(1) and abs(matrix[1, 2]) < 0.03 and np.array_equal(matrix, matrix.T)
    assert found.value == pytest.approx((matrix[0, 1] + matrix[1, 2]) / 2)
    with pytest.raises(DataError, match="stage b is constant"):
        read("layer_similarity", layers={"a": code, "b": np.ones((300, 2))})
    with pytest.raises(DataError, match="one stage only"):
        read("layer_similarity", layers={"a": code})


def test_what_is_alike_at_every_stage_has_no_interval_past_one():
    rows = np.random.default_rng(0).standard_normal((20, 3)) ** 3
    found = METRICS["layer_similarity"].read({"layers": {"a": rows, "b": rows + 0.05 * rows[::-1]}})
    assert found.low < found.value <= found.high <= 1


def test_a_class_that_stands_in_one_fold_alone_is_named_plainly():
    layers = {name: np.random.default_rng(0).standard_normal((60, 3)) for name in "ab"}
    coarse = np.arange(60) < 2
    with pytest.raises(DataError) as told:
        METRICS["coarse_lead"](layers, np.arange(60) % 3, coarse, groups=np.minimum(np.arange(60) // 2, 5))
    assert "np." not in str(told.value)
