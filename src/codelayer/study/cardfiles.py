"""Cards from files: codes, and whatever is known of the same rows, as a command names them.

Reads  a file of codes or a bundle; the data they were made from; labels, factors, nuisances, groups as files or as
       columns of that data; stages of a net and codes of other seeds as files.
Gives  `card_of_files`: the card of `measure.card`.
Skips  the metrics themselves. Rows whose code is NaN are left out, and of many rows MOST_ROWS are drawn; notes say so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Schema, Table, load_data, rows_of, take
from ..data.arrayfiles import Npz, read_npy
from ..data.codefiles import read_codes
from ..data.labels import as_labels, read_labels
from ..errors import DataError
from ..learn.heads import Headed
from ..learn.saved import load, set_aside
from ..measure import METRICS, Card, card, read_card
from ..measure.cards import Told, chosen
from ..measure.properties import PROPERTIES

MOST_ROWS = 10_000
TABLES = (".csv", ".tsv", ".parquet", ".gz")


@dataclass(frozen=True)
class Beside:
    """What is known of the rows beside their codes, each a file or (but for layers and seeds) a column of x.

    labels, coarse, groups  one each; nuisance and factors one or more; factors may be one file of several columns
    layers                  an .npz with one array per stage, in order
    seeds                   files of codes of the same rows
    seen                    classes that the code was trained with
    """

    labels: str | None = None
    coarse: str | None = None
    groups: str | None = None
    nuisance: Sequence[str] = ()
    factors: Sequence[str] = ()
    layers: str | None = None
    seeds: Sequence[str] = ()
    seen: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """Those that are no file: columns of x, which the rest of x should not hold."""
        named = [self.coarse, self.groups, *self.nuisance, *self.factors]
        return [one for one in named if one is not None and not Path(one).is_file()]


@dataclass
class _Rows:
    """Codes and what was given beside them, before rows are left out."""

    codes: np.ndarray
    given: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def card_of_files(
    codes: str | None = None,
    labels: str | None = None,
    x: str | None = None,
    task: str | None = None,
    seed: int = 0,
    *,
    beside: Beside | None = None,
    bundle: str | Path | None = None,
    columns: Sequence[str] = (),
    only: Sequence[str] = (),
    progress: Told | None = None,
    keep: Path | None = None,
) -> Card:
    """Measure a file of codes, or the codes that a bundle makes of x.

    codes    see `data.codefiles`; columns names those of its columns that are the code
    labels   a file, row for row; or a column (in an .npz an array) of x
    x        any source, encoded by its own schema, or by the bundle's; labels and factors that are part of it are used
    beside   what else is known; bundle also gives encode, decode and the stages of its net
    keep     a folder for finished readings, see `card`
    errors   DataError: files that cannot be read, or do not fit each other
    """
    if task not in (None, "class", "number"):
        raise DataError(f"task={task!r} is not known", "it is class or number")
    if codes is None and (bundle is None or x is None):
        raise DataError("measure needs a file of codes", "or --bundle BUNDLE and --x DATA, which makes them")
    beside = Beside(labels) if beside is None else beside
    labels = labels if beside.labels is None else beside.labels
    values = None if codes is None else read_codes(codes, columns)[1]
    rows = _with_x(values, codes, x, labels, beside, bundle)
    if x is None and labels is not None:
        known, told = as_labels(read_labels(Path(labels), len(rows.codes)), len(rows.codes))
        rows.given["labels"] = known
        rows.notes += told
    _add_beside(rows, beside, x)
    kept, notes = _kept(rows.codes, seed)
    rows.notes[:0] = notes
    given = {name: _some(one, kept, len(rows.codes)) for name, one in rows.given.items()}
    given |= {"seen": tuple(beside.seen), "only": tuple(only), "progress": progress, "keep": keep}
    found = card(rows.codes[kept], task=task, seed=seed, **given)
    found["name"] = Path(codes if codes is not None else str(bundle)).name
    found["notes"] = [*rows.notes, *found["notes"]]
    return found


def _kept(values: np.ndarray, seed: int) -> tuple[np.ndarray, list[str]]:
    """Rows that have a code, at most MOST_ROWS of them, and what to say about the others."""
    good = ~np.isnan(values).any(axis=1)
    lost = int((~good).sum())
    told = "1 row has no code (NaN) and is" if lost == 1 else f"{lost:,} rows have no code (NaN) and are"
    notes = [f"{told} left out"] if lost else []
    kept = coded = np.flatnonzero(good)
    if len(coded) > MOST_ROWS:
        kept = np.sort(np.random.default_rng([seed, 41]).permutation(coded)[:MOST_ROWS])
        notes.append(f"{MOST_ROWS:,} of {len(coded):,} rows are measured, drawn at random")
    return kept, notes


def _with_x(
    values: np.ndarray | None,
    codes: str | None,
    x: str | None,
    labels: str | None,
    beside: Beside,
    bundle: str | Path | None,
) -> _Rows:
    """Codes with x row for row, and, from a bundle, what makes codes and samples."""
    if x is None:
        return _Rows(np.empty((0, 0)) if values is None else values)
    drop = [*beside.columns, *(set_aside(bundle) if bundle is not None else ())]
    drop = [one for one in dict.fromkeys(drop) if one != labels] if Path(x).suffix.lower() in TABLES else []
    data = load_data(x, label=labels, drop=tuple(drop))
    coder = None if bundle is None else load(bundle)
    coder = coder.code if isinstance(coder, Headed) else coder
    if values is None and coder is not None:
        values = coder.transform(data.x)
    if values is None:
        raise DataError("measure needs a file of codes", "or --bundle BUNDLE and --x DATA, which makes them")
    coded = np.flatnonzero(~np.isnan(values).any(axis=1))
    rows = rows_of(data.x)
    if rows not in (len(values), len(coded)):
        raise DataError(f"{codes} has {len(values)} rows, {x} has {rows}", "row i of each must be the same sample")
    if rows < len(values):  # x is without the rows that could not be read
        values = values[coded]
    schema = Schema.fit(data.x) if coder is None else coder.schema_
    made = _Rows(values, notes=[*data.notes, *(schema.notes if coder is None else ())])
    made.given = {"x": schema.encode(data.x), "labels": data.labels, "factors": data.factors}
    made.given["columns"] = schema.names if schema.kind == "table" else ()
    if coder is not None:
        made.given |= _of_coder(coder, data.x, made.given["x"])
    return made


def _of_coder(coder: Any, x: Any, encoded: np.ndarray) -> dict[str, Any]:
    rows = take(x, np.arange(min(MOST_ROWS, len(encoded))))
    made: dict[str, Any] = {"encode": coder.encode_samples, "decode": coder.decode_samples}
    made["rebuilt"] = coder.rebuilt(encoded)
    if hasattr(coder, "layers") and len(encoded) <= MOST_ROWS:
        stages = coder.layers(rows)
        made["layers"] = {name: one.reshape(len(one), -1) for name, one in stages.items()}
    return made


def _add_beside(rows: _Rows, beside: Beside, x: str | None) -> None:
    n = len(rows.codes)
    for name in ("coarse", "groups"):
        one = getattr(beside, name)
        if one is not None:
            rows.given[name] = _column(one, x, n)
    if beside.nuisance:
        rows.given["nuisance"] = {Path(one).stem: _column(one, x, n) for one in beside.nuisance}
    if beside.factors:
        rows.given["factors"] = _factors(beside.factors, x, n)
    if beside.layers is not None:
        npz = Npz(Path(beside.layers))
        rows.given["layers"] = {name: npz.read(name).reshape(n, -1) for name in npz.entries}
    if beside.seeds:
        rows.given["seeds"] = [read_codes(one)[1] for one in beside.seeds]


def _column(name: str, x: str | None, n: int) -> np.ndarray | None:
    """One column: of a file, or of x."""
    if not Path(name).is_file() and x is not None:
        return load_data(x, label=name).labels
    return as_labels(read_labels(Path(name), n), n)[0]


def _factors(names: Sequence[str], x: str | None, n: int) -> Any:
    """Factors: a file of several columns, or columns of x by name."""
    if len(names) == 1 and Path(names[0]).is_file():
        path = Path(names[0])
        if path.suffix.lower() == ".npy":
            return read_npy(path)
        if path.suffix.lower() == ".npz":
            npz = Npz(path)
            return {name: npz.read(name) for name in npz.entries}
        found = load_data(str(path)).x
        return {name: found.column(name) for name in found.names} if isinstance(found, Table) else found
    return {name: _column(name, x, n) for name in names}


def _some(value: Any, kept: np.ndarray, n: int) -> Any:
    """The kept rows of anything that has one entry per row; what has another length is left for the card to refuse."""
    if isinstance(value, dict):
        return {name: _some(one, kept, n) for name, one in value.items()}
    if isinstance(value, list):
        return [_some(one, kept, n) for one in value]
    return value[kept] if hasattr(value, "shape") and len(value) == n else value


def cards_of(sources: Sequence[str], taken: Callable[[str], Card]) -> dict[str, Card]:
    """Cards by name: those that `codelayer measure` wrote are read, files of codes are measured by `taken`.

    errors  DataError: two of one name
    """
    found: dict[str, Card] = {}
    for source in sources:
        path = Path(source)
        written = path.is_dir() or path.name == "card.json"
        name = (path.parent if path.name == "card.json" else path).stem
        if name in found:
            raise DataError(f"two cards would be called {name!r}", "give files or folders of different names")
        found[name] = read_card(path) if written else taken(source)
    return found


def metric_lines(only: Sequence[str] = (), width: int = 80) -> list[str]:
    """What every metric's record says, by property, as lines for a terminal.

    only  names of metrics or properties, default all
    """
    lines: list[str] = []
    for name in chosen(only):
        one = METRICS[name]
        title = PROPERTIES[one.measures].title if one.measures in PROPERTIES else "Other"
        if title not in lines:
            lines += ["", title, "=" * len(title)]
        ends = "no fixed range" if one.worst is None and one.best is None else f"{one.worst} worst, {one.best} best"
        needs = ", ".join(one.needs) + (f"; uses {', '.join(one.also)} where given" if one.also else "")
        told = [("", one.question), ("needs", needs), ("range", ends), ("chance", one.null), ("interval", one.interval)]
        told += [("cost", one.cost), ("do not trust", one.distrust)]
        told += [("zero and one", one.uncalibrated)] if one.uncalibrated else []
        lines += ["", name]
        for word, text in [*told, ("source", one.source)]:
            lead = f"  {word}: " if word else "  "
            lines += textwrap.wrap(text, width, initial_indent=lead, subsequent_indent="      ")
    return lines
