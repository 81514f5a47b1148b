"""Files that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from study_cases import clusters


@pytest.fixture(scope="session")
def labelled_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with a leak, a time column, a group column, duplicates, missing cells and gaps in labels."""
    x, y = clusters()
    rng = np.random.default_rng(1)
    lines = ["a,b,c,d,leaky,when,who,label"]
    for i in range(len(x)):
        cells = [f"{v:.4f}" for v in x[i, :4]]
        if rng.random() < 0.05:
            cells[1] = ""
        label = "" if i % 10 == 9 else y[i]
        code = {"class 0": "x", "class 1": "y", "class 2": "z"}[y[i]]
        lines.append(",".join([*cells, code, f"2024-01-{1 + i // 12:02d}", f"g{i // 6}", label]))
    lines += lines[1:13]
    path = tmp_path_factory.mktemp("data") / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
