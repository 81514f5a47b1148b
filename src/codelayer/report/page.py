"""One self-contained HTML file: text, commands, tables, figures.

Reads  plain text (escaped here, once), cells, and figures made by this package.
Gives  a file that asks nothing of any other machine and can be sent by mail.
Skips  markup from outside: what is not a `Figure` is shown as text. In text, `code` stands between backticks
       and a blank line begins a new paragraph.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from ..errors import DataError
from .script import SCRIPT
from .style import CSS
from .svg import Figure
from .template import PAGE, POLICY
from .text import Cell, as_float, cell, clean, is_numeric_column, one_line

_CODE = re.compile(r"`([^`\n]+)`")
_NOTE = re.compile(r"\[\^(\d{1,3})\]")


@dataclass
class _Section:
    title: str
    id: str
    closed: bool = False
    blocks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Shown:
    """A cell as the template writes it; csv is None where the text itself is the datum."""

    text: str
    sort: str | None
    csv: str | None
    figure: Any


class Report:
    """A page that is filled from top to bottom and written at the end.

        report = Report("digits", "1,797 samples")
        report.lead("Use the invariant code: 0.94 at ten labels per class.")
        report.command("codelayer encode study-digits/bundle new.npy --out codes.npy")
        report.section("Rivals")
        report.table(["rival", "score"], [["invariant", 0.94], ["raw", 0.84]], "Test scores", highlight=0)
        report.write("report.html")

    What comes before the first section is the opening; warnings stand below it in one box.
    warned  the word for what is in that box, such as "note" where most of it only informs
    """

    def __init__(self, title: str, subtitle: str = "", warned: str = "warning") -> None:
        self.title, self.subtitle, self.warned = one_line(title), one_line(subtitle), one_line(warned)
        self._intro = _Section("", "")
        self._sections: list[_Section] = []
        self._warnings: list[str] = []
        self._notes: list[str] = []
        self._files: dict[str, int] = {}

    def lead(self, text: str) -> None:
        """A large first paragraph: the answer, before anything else."""
        self._paragraphs("lead", text)

    def text(self, text: str) -> None:
        """Ordinary paragraphs; markup in them is shown, not followed."""
        self._paragraphs("text", text)

    def facts(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """A row of (name, value) facts, such as ("samples", 1797)."""
        self._add({"kind": "facts", "pairs": [(one_line(name), cell(value).text) for name, value in pairs]})

    def command(self, line: str) -> None:
        """One line to paste into a shell, with a button that copies it."""
        self._add({"kind": "command", "words": clean(line).strip().split(" ")})

    def warn(self, text: str) -> None:
        """One more line in the box of warnings near the top; the same line twice is shown once."""
        if clean(text) not in self._warnings:
            self._warnings.append(clean(text))

    def section(self, title: str, closed: bool = False) -> None:
        """Begin a section that can be folded; `closed` shows its title only.

        More than four sections make a table of contents.
        """
        self._sections.append(_Section(one_line(title), f"section-{len(self._sections) + 1}", closed))

    def footnote(self, text: str) -> str:
        """Add a note at the end of the page; returns the mark, "[^1]", to put into text, a caption or a warning."""
        self._notes.append(clean(text))
        return f"[^{len(self._notes)}]"

    def table(
        self,
        columns: Sequence[str | tuple[str, str]],
        rows: Sequence[Sequence[Any]],
        caption: str,
        highlight: int | Collection[int] | None = None,
    ) -> None:
        """A table that sorts by a click on a column's name and can be downloaded.

        columns    names, or (name, explanation) pairs; the explanation is shown on hovering
        rows       cells: text, numbers (three digits are shown, all are downloaded), None, (text, sort_value) pairs,
                   small figures; a row shorter than the columns is filled with blanks. Columns of numbers are set right
        caption    what the table shows
        highlight  rows (by number) to set off
        errors     DataError when a row has more cells than there are columns
        """
        pairs = [(one[0], one[1]) if isinstance(one, tuple) else (one, "") for one in columns]
        for i, row in enumerate(rows):
            if len(row) > len(pairs):
                found = f"row {i} has {len(row)} cells, the table {len(pairs)} columns"
                raise DataError(found, "give one cell per column")
        grid = [[(cell(one), one) for one in [*row, *[""] * (len(pairs) - len(row))]] for row in rows]
        right = [bool(grid) and is_numeric_column([row[j][0] for row in grid]) for j in range(len(pairs))]
        heads = [
            {"name": one_line(name), "hint": one_line(hint), "right": is_right}
            for (name, hint), is_right in zip(pairs, right, strict=True)
        ]
        chosen = [] if highlight is None else [highlight] if isinstance(highlight, int) else list(highlight)
        shown = [[_shown(one, given, right[j]) for j, (one, given) in enumerate(row)] for row in grid]
        file = self._file(caption or "table")
        block = {"kind": "table", "heads": heads, "rows": shown, "chosen": chosen, "caption": caption, "file": file}
        self._add({**block, "id": f"about-{file}"})

    def figure(self, svg: Figure, caption: str, data: Any = None) -> None:
        """A figure with its caption below.

        svg   what a figure function of this package returned
        data  what the download holds: dicts, or a (columns, rows) pair; by default the figure's own data
        """
        self._add(self._figure(svg, caption, data))

    def figures(self, *pairs: tuple[Figure, str]) -> None:
        """Several (figure, caption) pairs side by side, below each other on a phone."""
        self._add({"kind": "side", "figures": [self._figure(svg, caption, None) for svg, caption in pairs]})

    def render(self) -> str:
        """The page as HTML."""
        sections = [{**vars(one), "blocks": [self._ready(b) for b in one.blocks]} for one in self._sections]
        return _template().render(
            title=self.title,
            subtitle=self.subtitle,
            policy=Markup(POLICY),
            css=Markup(CSS),
            script=Markup(SCRIPT),
            intro=[self._ready(block) for block in self._intro.blocks],
            sections=sections,
            warnings=[self._inline(one) for one in self._warnings],
            warned=self.warned,
            notes=[self._inline(one) for one in self._notes],
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; a file of that name is replaced only once the new one is complete."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            fresh.write_text(self.render(), encoding="utf-8", newline="\n")
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        return target

    def _add(self, block: dict[str, Any]) -> None:
        (self._sections[-1] if self._sections else self._intro).blocks.append(block)

    def _paragraphs(self, kind: str, text: str) -> None:
        for one in re.split(r"\n\s*\n", clean(text).strip()):
            if one:
                self._add({"kind": kind, "text": one})

    def _figure(self, svg: Figure, caption: str, data: Any) -> dict[str, Any]:
        if not isinstance(svg, Figure):
            raise TypeError(f"a figure is made by a function of codelayer.report, this is a {type(svg).__name__}")
        rows = _rows(svg.data if data is None else data)
        return {"kind": "figure", "svg": svg, "caption": caption, "data": rows, "file": self._file(caption or "figure")}

    def _file(self, caption: str) -> str:
        """A name for the download, unlike every other on the page."""
        words = re.sub(r"[^a-z0-9]+", "-", caption.split(".")[0].lower()).strip("-")[:48].strip("-") or "data"
        self._files[words] = self._files.get(words, 0) + 1
        return words if self._files[words] == 1 else f"{words}-{self._files[words]}"

    def _ready(self, block: dict[str, Any]) -> dict[str, Any]:
        if block["kind"] in ("lead", "text"):
            return {**block, "text": self._inline(block["text"])}
        if block["kind"] == "side":
            return {**block, "figures": [self._ready(one) for one in block["figures"]]}
        if "caption" in block:
            return {**block, "caption": self._inline(block["caption"])}
        return block

    def _inline(self, text: str) -> Markup:
        """Escaped text, with `code` and the marks of footnotes that exist."""

        def link(found: re.Match[str]) -> str:
            n = int(found[1])
            return f'<sup><a href="#note-{n}">{n}</a></sup>' if 1 <= n <= len(self._notes) else found[0]

        return Markup(_NOTE.sub(link, _CODE.sub(r"<code>\1</code>", str(escape(clean(text))))))


def _shown(one: Cell, given: Any, right: bool) -> _Shown:
    sort = one.sort if isinstance(one.sort, str) else None if one.sort is None else f"{one.sort:.9g}"
    exact = as_float(given) if right and not isinstance(given, tuple) else None
    csv = None if exact is None else str(int(given)) if exact == given and float(exact).is_integer() else repr(exact)
    if one.figure is not None or (right and one.sort is None):
        csv = sort or ""
    return _Shown(one.text, sort, csv, one.figure)


def _rows(data: Any) -> list[list[Any]] | None:
    """The download as rows of plain JSON values, names first."""
    if data is None or not len(data):
        return None
    if isinstance(data, tuple):
        columns, rows = data
    else:
        columns = list(dict.fromkeys(name for row in data for name in row))
        rows = [[row.get(name) for name in columns] for row in data]
    return [[clean(name) for name in columns], *([_plain(one) for one in row] for row in rows)]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return clean(value) if isinstance(value, str) else value
    found = as_float(value)
    if found is None or abs(found) == float("inf"):
        return None if found is None and value != value else clean(value)
    return int(value) if float(found).is_integer() and abs(found) < 2**53 else float(f"{found:.9g}")


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False).from_string(PAGE)
