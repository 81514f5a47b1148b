"""A ridge decoder: the linear reconstruction of rows from codes, for codes that come without a decoder.

Reads  codes (rows, units) and encoded rows (rows, features).
Gives  `Ridge`: W = (Z'Z + a I)^-1 Z'X on centred Z and X, with a = 1e-3 rows times the mean variance of a unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import BundleError


@dataclass(frozen=True)
class Ridge:
    """rows = (codes - code_mean) @ weight + row_mean."""

    weight: np.ndarray
    code_mean: np.ndarray
    row_mean: np.ndarray

    @classmethod
    def fit(cls, codes: np.ndarray, rows: np.ndarray) -> Ridge:
        """The least-squares decoder of codes (n, units) to rows (n, features)."""
        code_mean, row_mean = codes.mean(0, dtype=np.float64), rows.mean(0, dtype=np.float64)
        z, x = codes - code_mean, rows - row_mean
        gram = z.T @ z
        gram[np.diag_indices_from(gram)] += 1e-3 * max(float(np.trace(gram)) / len(gram), 1e-12)
        weight = np.linalg.solve(gram, z.T @ x)
        return cls(weight.astype(np.float32), code_mean.astype(np.float32), row_mean.astype(np.float32))

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """(n, features) float32."""
        return (codes - self.code_mean) @ self.weight + self.row_mean

    def tensors(self) -> dict[str, np.ndarray]:
        """As a bundle keeps it."""
        return {"ridge.weight": self.weight, "ridge.code_mean": self.code_mean, "ridge.row_mean": self.row_mean}

    @classmethod
    def restored(cls, tensors: Mapping[str, np.ndarray], units: int, features: int) -> Ridge:
        """From a bundle's arrays.

        errors  BundleError when one is missing or of another shape
        """
        shapes = {"weight": (units, features), "code_mean": (units,), "row_mean": (features,)}
        for name, shape in shapes.items():
            if f"ridge.{name}" not in tensors:
                raise BundleError(f"the bundle lacks 'ridge.{name}'", "save it again")
            if tensors[f"ridge.{name}"].shape != shape:
                raise BundleError(f"'ridge.{name}' in the bundle has another shape than {shape}", "save it again")
        return cls(*(np.asarray(tensors[f"ridge.{name}"], np.float32) for name in shapes))
