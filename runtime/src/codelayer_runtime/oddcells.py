"""Cells of a table that mean nothing to a model, counted block by block: unseen categories, texts where numbers were.

Reads  a schema, blocks of rows as named columns.
Gives  `OddCells`: one sentence per column, complete after the last block.
Skips  what a model does with them: an unseen category has a place of its own, what is no number counts as missing.
"""

from __future__ import annotations

from collections import Counter

from .data.schema import Columns, Schema
from .data.schema.cells import as_numbers, as_texts
from .export.inputs import used_columns


class OddCells:
    """Counts over the blocks that `look` is shown.

    rows  looked at
    """

    def __init__(self, schema: Schema) -> None:
        self._used = used_columns(schema) if schema.kind == "table" else []
        self._unseen: Counter[str] = Counter()
        self._no_numbers: Counter[str] = Counter()
        self.rows = 0

    def look(self, rows: Columns) -> None:
        """Count one block.

        errors  DataError: a column of another type, as when it is coded
        """
        self.rows += len(rows)
        for column in self._used:
            if column.name not in rows.names:
                continue
            values = rows.column(column.name)
            if column.kind == "category":
                known = {*column.vocabulary, None}
                texts = as_texts(values, column.name, column.vocabulary)
                self._unseen[column.name] += sum(text not in known for text in texts)
            elif column.kind == "numeric" and values.dtype.kind == "O":
                numbers = as_numbers(values, column.name)
                there = [cell is not None for cell in values.tolist()]
                self._no_numbers[column.name] += int(((numbers != numbers) & there).sum())

    @property
    def notes(self) -> list[str]:
        """In words, column by column."""
        of = f"of {self.rows:,} rows"
        told = [f"column {name!r} holds an unseen category in {n:,} {of}" for name, n in self._unseen.items() if n]
        odd = [(name, n) for name, n in self._no_numbers.items() if n]
        return told + [f"column {name!r} holds no number in {n:,} {of}: counted as missing" for name, n in odd]
