"""Probes cannot leak: three ways to find structure in noise, and what our functions make of them."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.measure import METRICS, best_of, cross_curve, label_curve, linear_probe

RNG = np.random.default_rng(0)


def test_the_best_of_thirty_configurations_on_noise_scores_chance_on_rows_it_was_not_chosen_on():
    y = RNG.integers(2, size=600)
    noise = RNG.standard_normal((600, 40))
    configurations = {f"{i}": noise[:, RNG.permutation(40)[: 5 + i]] for i in range(30)}
    thirds = np.array_split(RNG.permutation(600), 3)
    areas = [
        label_curve(z[thirds[0]], y[thirds[0]], z[thirds[1]], y[thirds[1]], counts=[50], draws=1).area
        for z in configurations.values()
    ]
    assert max(areas) > 0.53
    _, found = best_of(configurations, y)
    assert found.value == pytest.approx(0.5, abs=0.05)


class Selecting:
    """A linear probe on the 20 columns that differ most between the classes of the rows it is fitted on."""

    def __init__(self, train_codes, task):
        self.task = task

    def fit(self, codes, y):
        self.kept = selected(codes, y)
        self.probe = linear_probe(codes[:, self.kept], self.task).fit(codes[:, self.kept], y)
        return self

    def predict(self, codes):
        return self.probe.predict(codes[:, self.kept])


def selected(codes, y):
    return np.argsort(-np.abs(codes[y == 1].mean(0) - codes[y == 0].mean(0)))[:20]


def test_selecting_columns_inside_the_folds_scores_chance_on_noise():
    rng = np.random.default_rng(7)
    y, noise = rng.permutation(np.arange(400) % 2), rng.standard_normal((400, 1500))
    before = cross_curve(noise[:, selected(noise, y)], y).area
    inside = cross_curve(noise, y, probe=Selecting).area
    assert before > 0.65
    assert inside == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["linear_score", "linear_area", "knn_score", "knn_area", "neighborhood_hit"])
def test_near_duplicates_with_random_labels_score_chance_when_groups_tell_them(name):
    samples, groups = RNG.standard_normal((300, 200)), np.repeat(np.arange(300), 5)
    codes = np.repeat(samples, 5, axis=0) + 0.05 * RNG.standard_normal((1500, 200))
    y = (np.arange(300) % 5)[groups]
    options = {"draws": 4} if name.endswith("area") else {}
    fair = METRICS[name].read({"codes": codes, "labels": y, "groups": groups}, options)
    assert fair.value == pytest.approx(0.2, abs=0.05) and fair.chance == pytest.approx(0.2, abs=0.01)
    assert fair.low < 0.2 < fair.high
    leaking = METRICS[name].read({"codes": codes, "labels": y}, options)
    assert leaking.value > fair.value + (0.04 if name == "knn_area" else 0.15)
    if name == "knn_score":
        assert leaking.value > 0.9 and "near twin: if they are copies of one sample, give groups=" in leaking.note


@pytest.mark.parametrize("units", [1, 2, 3, 8])
def test_codes_of_few_units_come_near_by_luck_and_copies_are_told_all_the_same(units):
    rng, y = np.random.default_rng(3), np.arange(600) % 2
    codes = rng.standard_normal((600, units))
    collapsed = np.c_[codes[:, :1], 1e-3 * rng.standard_normal((600, 7))]
    for one in (codes, collapsed, np.round(codes[:, :1])):
        found = METRICS["knn_score"].read({"codes": one, "labels": y})
        assert found.more["near_twins"] < 0.05 and found.note == ""
    copies = METRICS["knn_score"].read({"codes": np.repeat(codes[:300], 2, axis=0), "labels": y})
    assert copies.more["near_twins"] == 1 and copies.note.startswith("100% of the rows have a near twin")
