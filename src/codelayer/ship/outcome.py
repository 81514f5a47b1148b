"""The outcome of `ship fit`: the names of its files, and the object that holds what they say.

Reads  ship.json, model.onnx.
Gives  `Shipped`.
Skips  writing them (concluding.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BundleError
from .whole import answers, opened

GRAPH, BUNDLE, REPORT, RECORD = "model.onnx", "bundle", "report.html", "ship.json"


@dataclass(frozen=True)
class Shipped:
    """A finished choice.

    folder  that holds its files
    facts   ship.json: "chosen", "sentences", "candidates" (the bill of each), "front", "budget", "needs", ...
    """

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, folder: str | Path) -> Shipped:
        """The choice that a folder holds.

        errors  BundleError: there is none, or it is damaged
        """
        file = Path(folder) / RECORD
        try:
            return cls(Path(folder), json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise BundleError(f"{folder} holds no choice ({error})", "run `codelayer ship fit` again") from None

    @property
    def chosen(self) -> str:
        """The name of the candidate that was chosen."""
        return str(self.facts["chosen"])

    @property
    def sentences(self) -> list[str]:
        """The answer, and why."""
        return list(self.facts["sentences"])

    @property
    def candidates(self) -> dict[str, dict[str, Any]]:
        """Candidate -> its bill: score with interval, milliseconds, megabytes, training seconds."""
        return {one["name"]: one for one in self.facts["candidates"]}

    @property
    def graph(self) -> Path:
        """model.onnx."""
        return self.folder / GRAPH

    def answers(self, rows: Any, threads: int = 1) -> np.ndarray:
        """Probabilities (rows, classes), in the order of facts["classes"], or numbers (rows,), of raw rows.

        rows    a Table or array of the kind that was learned from
        errors  DataError: rows of another kind
        """
        return answers(opened(self.graph.read_bytes(), GRAPH, threads), rows)
