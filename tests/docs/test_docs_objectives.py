"""Every recipe and term has a page with a picture, and the script that draws the pictures draws."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from codelayer import RECIPES
from codelayer.objective.objective import SLOTS
from codelayer.registry import PARTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted((DOCS / "objectives").glob("*.md"))
MEASURES = sorted((DOCS / "measures").glob("*.md"))
PICTURES = sorted((DOCS / "pictures").iterdir())
FIGURES = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("figures.md", "learning.md", "layers.md"))
MEASURED = set(re.findall(r"\(pictures/([^)]+)\)", FIGURES))
LINK = re.compile(r"!\[([^\]]+)\]\(\.\./pictures/([^)]+)\)")
KINDS = (*SLOTS, "transform", "net")
SECTIONS = ["What you see", "When to use it", "Source"]


@pytest.fixture(scope="module")
def drawing():
    spec = importlib.util.spec_from_file_location("make_pictures", DOCS / "make_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def told():
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_named_on_a_page(recipe, told):
    assert f"`{recipe}`" in told


@pytest.mark.parametrize("term", sorted({name for slot in KINDS for name in PARTS[slot]}))
def test_every_term_is_written_on_a_page(term, told):
    assert re.search(rf"\b{term}\(", told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_sentence_objective_formula_picture_and_source(page):
    text = page.read_text(encoding="utf-8")
    assert re.match(r"# .+\n\n[A-Z][^`#|]+\.\n\n", text), "a heading, then what it is for"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert "```bash" in text or "```python" in text
    assert "$$" in text or "$" in text
    assert LINK.search(text)
    assert text.endswith("[All objectives](../objectives.md)\n")


def test_every_page_is_linked_from_the_reference():
    text = (DOCS / "objectives.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"(objectives/{page.name})" not in text] == []


def test_the_pictures_are_those_that_are_shown_and_those_that_are_drawn(told, drawing):
    told += "".join(page.read_text(encoding="utf-8") for page in MEASURES)
    shown = {name for _, name in LINK.findall(told)}
    assert shown | MEASURED == {path.name for path in PICTURES}  # those on pages of figures are drawn by benchmarks
    assert shown - MEASURED == {f"{name}.svg" for name in drawing.PICTURES}


def test_the_pictures_are_small_and_have_a_ground_of_their_own():
    assert sum(path.stat().st_size for path in PICTURES) < 2_000_000
    for path in (one for one in PICTURES if one.name not in MEASURED):
        picture = ElementTree.parse(path).getroot()
        tags = [one.tag.rpartition("}")[2] for one in picture]
        assert tags[:3] == ["title", "desc", "rect"]
        assert "nan" not in path.read_text(encoding="utf-8").split("</desc>")[1]


def test_one_picture_is_drawn_into_another_folder(drawing, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["drawing.data"], "PASSES", 0.02)
    drawing.main(["--only", "undercomplete", "--into", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["undercomplete.svg"]
    assert ElementTree.parse(tmp_path / "undercomplete.svg").getroot().get("width") == "940"
