"""The tables of docs/ are what docs/make_tables.py makes, and the README's sentences are sentences."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from codelayer.objective import expand, parse_objective

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "docs" / "make_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_committed_tables_equal_the_generated_ones(page, made):
    text = page.read_text(encoding="utf-8")
    assert made.filled(text) == text, "run: python docs/make_tables.py"


def test_every_table_stands_on_a_page(made):
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for name in made.TABLES if f"<!-- table: {name} -->" not in text} == set()


def test_every_objective_in_the_readme_can_be_read():
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Objectives")[1].split("\n## ")[0]
    sentences = [s for row in re.findall(r"^\| .* \|$", section, re.MULTILINE) for s in re.findall(r"`([^`]+)`", row)]
    assert len(sentences) >= 8
    for sentence in sentences:
        parse_objective(expand(sentence))
