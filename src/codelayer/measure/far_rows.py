"""Far rows: a few cells so large that they decide alone what a score by squares or distances says.

Reads  rows (n, columns).
Gives  `far_note`: a sentence that names the columns, or "".
Skips  leaving such rows out: whether they are mistakes is for the caller to say.
"""

from __future__ import annotations

import numpy as np

FAR, MOST = 10.0, 100  # deviations of the middle rows; one row in so many, at most


def far_note(name: str, rows: np.ndarray) -> str:
    """What to say where one row in a hundred (or a single one) holds over half of the variance; "" where none does.

    name  of the rows, for the sentence
    """
    rows = rows.reshape(len(rows), -1)
    if len(rows) < 3:
        return ""
    squares, size = np.zeros(len(rows)), float(np.abs(rows).max()) or 1.0
    middle = np.median(rows, axis=0)
    for start in range(0, len(rows), 4096):
        away = rows[start : start + 4096].astype(np.float64) / size - middle / size
        squares[start : start + 4096] = (away**2).sum(1)
    order = np.argsort(squares, kind="stable")[::-1][: max(1, len(rows) // MOST)]
    order = order[squares[order] > FAR**2 * float(np.median(squares))]
    if not squares[order].sum() > 0.5 * squares.sum():
        return ""
    columns = np.unique(np.abs(rows[order].astype(np.float64) / size - middle / size).argmax(1))
    told = ", ".join(str(one) for one in columns[:5].tolist()) + (", ..." if len(columns) > 5 else "")
    which = "row lies" if len(order) == 1 else "rows lie"
    where = "column" if len(columns) == 1 else "columns"
    return f"{len(order)} {which} far out in {where} {told} of {name} and decide it: mend or clip them"
