"""docs/figures.md and docs/learning.md are what the scripts in benchmarks/ make of the committed results."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from codelayer import RECIPES
from codelayer.objective import expand, parse_objective
from codelayer.study.rivals import OTHER_RECIPES, RECIPE_ORDER

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    """Imports a script of benchmarks/ as it is run: with its folder on the path."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(ROOT / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


MADE = [("figures.md", "tables"), ("learning.md", "tables_learning"), ("layers.md", "tables_layers")]


@pytest.mark.parametrize(("page", "name"), MADE)
def test_a_page_of_figures_is_made_from_the_committed_results(page, name, script):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert script(name).page() == text, f"run: python benchmarks/{name}.py"


def test_an_interval_of_seeds_is_students(script):
    mean, low, high = script("tables_learning").mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3.0
    # t(0.975, 4) = 2.7764, deviation sqrt(2.5), five values
    assert abs(high - mean - 2.7764451 * 2.5**0.5 / 5**0.5) < 1e-6
    assert abs(mean - low - (high - mean)) < 1e-12


def test_the_default_rivals_are_the_recipes_that_earn_a_row(script):
    rows = script("rendering").load("where_learning_pays")["rows"]
    sentences = {parse_objective(expand(name)).text: name for name in (*RECIPE_ORDER, *OTHER_RECIPES)}
    found = {
        name if name in RECIPES else sentences[parse_objective(name).text]: where
        for name, where in script("tables_pays").earned(rows).items()
    }
    assert set(RECIPE_ORDER) == {name for name, where in found.items() if where and name in RECIPES}
    assert set(OTHER_RECIPES) == {name for name, where in found.items() if not where and name in RECIPES}
