"""Fits of a study that learn in one pass equal those one by one, and what is done is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from codelayer import bundle
from codelayer.learn.saved import load
from codelayer.study.jobs import Task, fit_code, fit_codes
from codelayer.study.rivals import Rival
from codelayer.study.together import fit_lists

X = load_digits().data[:200]
RECIPES = ("undercomplete", "denoising", "sparse", "contractive")


def tasks(folder: Path, *names: str, seeds: int = 1) -> list[Task]:
    folder.mkdir(exist_ok=True)
    rivals = [Rival(name, "code", name, 8, epochs=3) for name in names]
    return [Task(rival, seed, 0, folder, "class") for rival in rivals for seed in range(seeds)]


def names(lists: list[list[Task]]) -> list[list[str]]:
    return [[task.place.name for task in some] for some in lists]


@pytest.mark.filterwarnings("ignore")
def test_codes_of_a_stack_are_those_of_single_fits(tmp_path: Path):
    ours, alone = tasks(tmp_path / "ours", *RECIPES[:3]), tasks(tmp_path / "alone", *RECIPES[:3])
    facts = fit_codes(ours, X)
    for task, other, fact in zip(ours, alone, facts, strict=True):
        told = fit_code(other, X)["warnings"]
        np.testing.assert_allclose(load(task.place).transform(X), load(other.place).transform(X), atol=2e-4)
        assert fact["warnings"] == told
        kept = bundle.read(task.place).facts
        assert kept["seconds"] == fact["seconds"] > 0 and kept["fits_in_one_pass"] == 3
        assert fit_code(task, X) == fact


def test_small_fits_of_one_shape_go_together(tmp_path: Path):
    lists = fit_lists(tasks(tmp_path, *RECIPES, seeds=2), X, workers=2)
    assert sorted(map(sorted, names(lists))) == [
        ["contractive-0"],
        ["contractive-1"],
        ["denoising-0", "sparse-0", "undercomplete-0"],
        ["denoising-1", "sparse-1", "undercomplete-1"],
    ]
    assert len(fit_lists(tasks(tmp_path, *RECIPES, seeds=2), X, workers=1)) == 2


def test_views_baselines_and_large_nets_are_fitted_alone(tmp_path: Path):
    plain = [Task(Rival("pca", "code", code_size=8), 0, 0, tmp_path, None)]
    views = tasks(tmp_path, "views(noise(0.1)) + variance(25) + invariance(25)", "psd", seeds=2)
    assert [len(some) for some in fit_lists([*plain, *views], X, workers=1)] == [1] * 5
    wide = np.random.default_rng(0).normal(size=(4000, 900))
    assert [len(some) for some in fit_lists(tasks(tmp_path, *RECIPES[:3]), wide, workers=1)] == [1] * 3


@pytest.mark.filterwarnings("ignore")
def test_what_is_done_or_under_way_is_not_fitted_again(tmp_path: Path):
    all_of = tasks(tmp_path, *RECIPES[:3], seeds=2)
    fit_code(all_of[0], X)
    all_of[2].run.mkdir()  # a fit that was stopped has its checkpoint there
    lists = names(fit_lists(all_of, X, workers=1))
    assert ["undercomplete-0"] in lists and ["denoising-0"] in lists and len(lists) == 3
