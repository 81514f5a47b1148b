"""What is left of a few rows after the code: pictures beside pictures, cells below cells.

Reads  the findings, the best code.
Gives  a section of the report.
Skips  codes from which there is no way back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.rows import rows_of, take
from ..data.tables import Table
from ..errors import CodelayerError
from ..learn.coder import Coder
from ..report import Report, image_rows
from .findings import Findings

SHOWN = 8


def show_rebuilt(page: Report, found: Findings, coder: Coder) -> None:
    """Add the section: the best code's, and PCA's beside it."""
    page.section("Reconstructions beside originals")
    rows = take(found.parts.rows("report"), np.arange(min(SHOWN, len(found.parts.report))))
    coders = {found.title(found.race.best_code): coder}
    if found.race.best_code != "pca" and any(rival.name == "pca" for rival in found.race.rivals):
        coders["PCA"] = found.race.coder("pca")
    if found.race.rival(found.race.best_code).backbone:
        page.text(f"There is no way back from the features of {found.title(found.race.best_code)}.")
        coders = {title: one for title, one in coders.items() if one is not coder}
        if not coders:
            return
    if found.schema.kind == "image":
        pictures = [list(coder.schema_.encode(rows))]
        captions = ["original"]
        for title, one in coders.items():
            rebuilt = one._decode_block(one.transform(rows)).reshape(-1, *one.schema_.shape)
            pictures.append(list(np.clip(rebuilt, 0, 1)))
            captions.append(title)
        page.figure(
            image_rows(pictures, captions),
            "Originals above what is left of them after the code. A code without a decoder is decoded by ridge "
            "regression.",
        )
        return
    _rebuilt_rows(page, rows, coders)


def _rebuilt_rows(page: Report, rows: Any, coders: dict[str, Coder]) -> None:
    table: list[list[Any]] = []
    names = _column_names(rows)[:8]
    for i in range(min(3, rows_of(rows))):
        one = take(rows, np.array([i]))
        table.append([f"row {i + 1}, original", *_first_cells(one, len(names))])
        for title, coder in coders.items():
            try:
                table.append(
                    [f"row {i + 1}, {title}", *_first_cells(coder.inverse_transform(coder.transform(one)), len(names))]
                )
            except CodelayerError:
                continue
    page.table(["row", *names], table, "The first columns of a few rows, and what is left of them after the code.")


def _column_names(rows: Any) -> list[str]:
    return list(rows.names) if isinstance(rows, Table) else [f"column {j}" for j in range(int(np.prod(rows.shape[1:])))]


def _first_cells(row: Any, count: int) -> list[Any]:
    if isinstance(row, Table):
        return [_shown(row.column(name)[0]) for name in row.names[:count]]
    dense = row.toarray() if hasattr(row, "toarray") else np.asarray(row)
    return [float(value) for value in dense.reshape(-1)[:count]]


def _shown(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return float(value) if isinstance(value, float | np.floating) else str(value)
