"""The page: self-contained, escaped, sortable, with its data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from codelayer.errors import DataError
from codelayer.report import Figure, Point, Report, Series, curves, image_rows, map2d, scatter, strip

EVIL = "<script>alert(1)</script> \"quotes' & Ünï 日本語 \u202e\x00\ud800 <img src=x onerror=alert(1)>"
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page read back: its tags with attributes, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def full() -> Report:
    """A page that uses everything, with a hostile name everywhere."""
    report = Report(EVIL, EVIL)
    mark = report.footnote(EVIL)
    report.lead(EVIL + mark)
    report.text(EVIL)
    report.facts([(EVIL, EVIL), ("n", float("nan"))])
    report.command(EVIL)
    report.warn(EVIL)
    for i in range(5):
        report.section(EVIL, closed=i == 4)
    report.table([EVIL, (EVIL, EVIL)], [[EVIL, 1.5], [(EVIL, EVIL), None], [strip([1, 2])]], EVIL, highlight=0)
    report.figure(curves([Series(EVIL, [1, 2], [1, 2])], EVIL, EVIL), EVIL)
    report.figures((scatter([Point(EVIL, 1, 1)], EVIL, EVIL), EVIL), (map2d([[1, 2]], [EVIL], [EVIL]), EVIL))
    report.figure(image_rows([[np.zeros((2, 2))]], [EVIL], notes=[[EVIL]]), EVIL, data=[{EVIL: EVIL}])
    return report


def test_hostile_names_stay_text_everywhere():
    text = full().render()
    page = Page(text)
    scripts = page.all("script")
    assert [one.get("type") for one in scripts].count(None) == 1
    assert {one.get("type") for one in scripts} == {None, "application/json"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "alert(1)</script>" not in text
    assert all((one.get("src") or "").startswith("data:image/png;base64,") for one in page.all("img"))
    text.encode("utf-8")


def test_nothing_is_requested_from_outside():
    text = full().render()
    page = Page(text)
    policies = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]
    assert not re.search(r"https?://|@import|url\(", text)
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)


def test_the_policy_comes_before_anything_it_governs():
    text = full().render()
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<script")


def test_downloads_hold_the_data_of_their_figure():
    text = full().render()
    blocks = [json.loads(one) for one in re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)]
    assert len(blocks) == 4
    assert [row[1:3] for row in blocks[0][1:]] == [[1, 1], [2, 2]]
    assert blocks[3][1][0].startswith("<script>alert(1)</script>")


def test_tables_sort_by_exact_values_with_numbers_to_the_right():
    report = Report("t")
    report.table(
        ["name", "score", "n"], [["a", ("0.94 [0.92, 0.95]", 0.9412), 10], ["b", None, 1 / 3]], "scores", highlight=[1]
    )
    text = report.render()
    page = Page(text)
    heads = [one for one in page.all("th") if one.get("scope") == "col"]
    assert [one.get("class") for one in heads] == [None, "right", "right"]
    assert {one["aria-sort"] for one in heads} == {"none"}
    assert [one.get("data-sort") for one in page.all("td")] == ["0.9412", "10", None, "0.333333333"]
    assert [one.get("data-csv") for one in page.all("td")] == [None, "10", "", "0.3333333333333333"]
    assert [one.get("scope") for one in page.all("th")].count("row") == 2
    assert [one.get("class") for one in page.all("tr")] == [None, None, "chosen"]


def test_short_rows_are_filled_and_long_ones_refused():
    report = Report("t")
    report.table(["a", "b"], [["x"]], "c")
    assert len(Page(report.render()).all("td")) == 1
    report.table([], [], "nothing")
    with pytest.raises(DataError, match="row 0 has 2 cells"):
        report.table(["a"], [[1, 2]], "c")


def test_contents_appear_with_more_than_four_sections():
    report = Report("t")
    for i in range(4):
        report.section(f"part {i}")
    assert not Page(report.render()).all("nav")
    report.section("one more", closed=True)
    page = Page(report.render())
    assert [one["href"] for one in page.all("a")] == [f"#section-{i}" for i in range(1, 6)]
    assert ["open" in one for one in page.all("details")] == [True] * 4 + [False]


def test_text_keeps_code_paragraphs_and_footnotes_and_nothing_else():
    report = Report("t")
    mark = report.footnote("how it was *measured*")
    report.text(f"use `a < b`{mark} and [^9]\n\n<b>not bold</b>")
    text = report.render()
    assert '<p>use <code>a &lt; b</code><sup><a href="#note-1">1</a></sup> and [^9]</p>' in text
    assert "<p>&lt;b&gt;not bold&lt;/b&gt;</p>" in text
    assert '<li id="note-1">how it was *measured*</li>' in text


def test_a_command_can_be_copied_letter_by_letter():
    line = 'codelayer study "my  data.csv" --label y --drop "a b"'
    report = Report("t")
    report.command(line)
    found = re.search(r'<div class="command"><code>(.*?)</code>', report.render(), re.S)
    shown = re.sub(r"<[^>]+>", "", found[1]).replace("&#34;", '"')
    assert shown == line


def test_warnings_stand_in_one_box_and_once():
    report = Report("t")
    assert "warnings" not in re.sub(r"<style>.*?</style>", "", report.render(), flags=re.S)
    report.warn("careful")
    report.warn("careful")
    report.section("later")
    report.warn("and this")
    text = report.render()
    assert "<h2>2 warnings</h2>" in text
    assert text.count("<li>careful</li>") == 1


def test_only_figures_of_this_package_are_put_in_as_they_are():
    with pytest.raises(TypeError, match="this is a str"):
        Report("t").figure("<svg></svg>", "caption")
    assert not Figure("<svg/>").data


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    report = full()
    path = report.write(tmp_path / "new folder" / "report.html")
    assert path.read_text(encoding="utf-8") == report.render()
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]
    before = path.read_bytes()
    broken = Report("t")
    broken._intro.blocks.append({"kind": "table"})
    with pytest.raises(Exception):  # noqa: B017
        broken.write(path)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]


def test_an_empty_page_and_the_same_page_twice():
    assert Page(Report("").render()).all("h1")
    assert full().render() == full().render()


def test_the_page_of_an_ordinary_study_is_small():
    rng = np.random.default_rng(0)
    report = Report("a study")
    names = [f"rival {i}" for i in range(16)]
    x = [1, 5, 10, 50, 100]
    report.figure(
        curves([Series(n, x, rng.random(5), rng.random(5), rng.random(5)) for n in names], "x", "y"), "curves"
    )
    report.figure(scatter([Point(n, rng.random(), rng.random(), 0, 1) for n in names], "x", "y"), "cost")
    keys = [f"row {i}" for i in range(5000)]
    report.figure(map2d(rng.normal(size=(5000, 2)), rng.integers(0, 10, 5000), keys), "map")
    pictures = rng.integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)
    report.figure(image_rows(pictures.reshape(7, 10, 32, 32, 3)), "neighbours")
    report.table(["rival", *"abcdefgh"], [[n, *rng.random(8)] for n in names], "all")
    assert len(report.render().encode()) < 1_500_000


def test_report_loads_no_heavy_library():
    code = (
        "import sys, codelayer.report as r\n"
        "[getattr(r, name) for name in r.__all__]\n"
        "heavy = {'torch', 'matplotlib', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError):
        __import__("codelayer.report").report.nothing  # noqa: B018
