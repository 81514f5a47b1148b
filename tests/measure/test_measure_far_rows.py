"""Few cells that decide a score are named."""

from __future__ import annotations

import numpy as np
import pytest

from codelayer.measure import METRICS
from codelayer.measure.far_rows import far_note

RNG = np.random.default_rng(0)
LABELS = np.arange(300) % 3
CODES = RNG.standard_normal((300, 5)) + 3 * np.eye(5)[LABELS]


def spoiled(size: float, rows: int = 1) -> np.ndarray:
    codes = CODES.copy()
    codes[:rows, 2] = size * np.arange(1, rows + 1)
    return codes


def test_a_far_cell_is_named_by_its_column_and_plain_rows_are_not():
    assert far_note("codes", CODES) == far_note("codes", np.ones((9, 2))) == far_note("codes", CODES[:2]) == ""
    assert far_note("codes", spoiled(1e6)) == "1 row lies far out in column 2 of codes and decide it: mend or clip them"
    assert far_note("x", spoiled(-1e6, 3)).startswith("3 rows lie far out in column 2 of x")
    assert far_note("codes", spoiled(1e300)).startswith("1 row lies far out in column 2")
    rare = np.zeros((500, 50))
    rare[np.arange(500), np.arange(500) % 50] = 1  # each row is alone in its unit with nine others
    assert far_note("codes", rare) == ""


@pytest.mark.parametrize("name", ["cka", "silhouette", "linear_score"])
def test_scores_that_a_far_cell_spoils_say_so(name):
    given = {"x": CODES, "labels": LABELS}
    clean = METRICS[name].read({"codes": CODES, **given})
    assert clean.note == "" and clean.value > 0.2
    found = METRICS[name].read({"codes": spoiled(1e6), **given})
    assert found.value < clean.value - 0.1 and "far out in column 2 of codes" in found.note
