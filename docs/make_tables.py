"""Writes the tables of docs/ from the package: python docs/make_tables.py

Reads  the registry (terms, recipes, nets), METRICS, the estimator's and the commands' docstrings.
Gives  the text between `<!-- table: NAME -->` and `<!-- end of table -->` in every page beside this file.
Skips  everything else on the pages. A test compares the committed tables with what this makes.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from codelayer import RECIPES, Autoencoder, Dictionary, Lista, commands
from codelayer.measure import METRICS
from codelayer.measure.cards import in_order
from codelayer.registry import PARTS, spell
from codelayer.ship import commands as ship
from codelayer.transfer import FineTunedClassifier
from codelayer.transfer import commands as transfer

PLACE = re.compile(r"(<!-- table: (\w[\w ]*) -->\n).*?(<!-- end of table -->)", re.DOTALL)
BARE = (inspect.Parameter.empty, None, False, ())
SLOTS = ("corruption", "bottleneck", "loss", "penalty", "constraint", "view", "transform", "net")
OPTION = re.compile(r"^(\w+(?:, \w+)*) {2,}(\S.*)$")


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; cells on one line, bars escaped."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *([cell(one) for one in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(value: Any) -> str:
    """A value as the text of one cell."""
    text = "" if value is None else str(value)
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").strip()


def code(text: str) -> str:
    """Text as code, if there is any."""
    return f"`{text}`" if text else ""


def signature(cls: Any) -> str:
    """A term with its options and their defaults, as it is typed."""
    options = []
    for i, field in enumerate(dataclasses.fields(cls)):
        many = i == 0 and str(field.type).startswith("tuple")
        made = field.default_factory is not dataclasses.MISSING
        default = spell([field.default_factory()]) if made else repr(field.default)
        options.append("..." if many else f"{field.name}={default}")
    return f"{cls.name}({', '.join(options)})"


def paragraphs(doc: str) -> tuple[str, list[tuple[str, str]], str]:
    """(what it is, [(option, meaning)], source) of a term's docstring."""
    doc, _, source = inspect.cleandoc(doc).partition("Source: ")
    what: list[str] = []
    options: list[tuple[str, str]] = []
    for line in doc.splitlines():
        found = OPTION.match(line)
        if found:
            options.append((found[1], found[2]))
        elif options and line.startswith("  "):
            options[-1] = (options[-1][0], f"{options[-1][1]} {line.strip()}")
        else:
            what.append(line)
    return " ".join(what), options, source.rstrip(". \n")


def terms(slot: str) -> Callable[[], str]:
    """The table of all terms of a slot."""

    def made() -> str:
        rows = []
        for cls in sorted(PARTS[slot].values(), key=lambda cls: (cls.__module__, inspect.getsourcelines(cls)[1])):
            what, options, source = paragraphs(cls.__doc__ or "")
            told = "; ".join(f"`{name}` {meaning}" for name, meaning in options)
            rows.append([code(signature(cls)), what, told, source])
        return table(["term", "what it does", "options", "source"], rows)

    return made


def recipes() -> str:
    """Every recipe with the sentence and the net it stands for."""
    return table(
        ["recipe", "objective", "net"], ([code(n), code(text), code(net)] for n, (text, net) in RECIPES.items())
    )


def metrics() -> str:
    """Every metric: what it asks, of what, and where its zero is."""
    found = [METRICS[name] for name in in_order(METRICS)]
    rows = (
        [m.measures, code(m.name), m.question, ", ".join(m.needs), m.worst, m.best, m.null, m.interval, m.distrust]
        + [m.source]
        for m in found
        if m.function.__module__.startswith("codelayer.")
    )
    columns = ["property", "metric", "asks", "needs", "worst", "best", "chance", "interval from"]
    return table([*columns, "do not trust it with", "source"], rows)


def estimator(cls: type) -> Callable[[], str]:
    """The options of an estimator with defaults and meaning."""

    def made() -> str:
        body = (inspect.getdoc(cls) or "").split("Parameters\n----------\n")[1].split("\n\n")[0]
        rows: list[list[str]] = []
        for line in body.splitlines():
            if line.startswith(" "):
                rows[-1][2] += f" {line.strip()}"
            else:
                name, _, kind = line.partition(" : ")
                kind, _, default = kind.partition(", default=")
                rows.append([code(name), f"{kind}, {code(default)}", ""])
        return table(["option", "kind, default", "meaning"], rows)

    return made


def command(function: Callable[..., None]) -> Callable[[], str]:
    """The options of a command, read off its function."""

    def made() -> str:
        told: dict[str, str] = {}
        last = ""
        for line in (inspect.getdoc(function) or "").splitlines():
            found = re.match(r"^(\w+): (.*)$", line)
            if found:
                last = found[1]
                told[last] = found[2]
            elif last and line.startswith("  "):
                told[last] += f" {line.strip()}"
        rows = []
        for option, parameter in inspect.signature(function).parameters.items():
            typed = option.strip("_").replace("_", "-")
            positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
            default = "" if any(parameter.default is one for one in BARE) else code(str(parameter.default))
            rows.append([code(typed.upper() if positional else f"--{typed}"), default, told[option]])
        return table(["argument", "default", "meaning"], rows)

    return made


TABLES: dict[str, Callable[[], str]] = {
    **{slot: terms(slot) for slot in SLOTS},
    "recipes": recipes,
    "metrics": metrics,
    "estimator": estimator(Autoencoder),
    "dictionary": estimator(Dictionary),
    "lista": estimator(Lista),
    "finetune": estimator(FineTunedClassifier),
    **{one.__name__: command(one) for one in commands.COMMANDS},
    **{f"ship {one.__name__}": command(one) for one in ship.COMMANDS},
    **{f"transfer {one.__name__}": command(one) for one in transfer.COMMANDS},
}


def filled(page: str) -> str:
    """A page with its tables made anew."""
    return PLACE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", page)


if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.name}: tables written")
