"""docs/learning.md is what benchmarks/tables_learning.py makes of the committed results."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_about_learning_is_made_from_the_committed_results():
    spec = importlib.util.spec_from_file_location("tables_learning", ROOT / "benchmarks" / "tables_learning.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    text = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    assert made.page() == text, "run: python benchmarks/tables_learning.py"
    assert all(section.startswith("## ") for section in made.sections())


def test_an_interval_of_seeds_is_students():
    spec = importlib.util.spec_from_file_location("tables_learning", ROOT / "benchmarks" / "tables_learning.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    mean, low, high = made.mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3.0
    # t(0.975, 4) = 2.7764, deviation sqrt(2.5), five values
    assert abs(high - mean - 2.7764451 * 2.5**0.5 / 5**0.5) < 1e-6
    assert abs(mean - low - (high - mean)) < 1e-12
