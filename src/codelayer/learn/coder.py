"""What everything that makes codes has in common: checking rows, coding them in blocks, saving.

Reads  2-D arrays and CSR (checked by scikit-learn), pictures and sequences, frames, Tables, tensors.
Gives  `Coder`, the mixin of the autoencoder and of the rivals it is measured against.
Skips  learning: subclasses set `schema_` and implement `_encode_block` (encoded rows -> codes).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .. import bundle
from ..data.rows import rows_at_once, rows_of, take
from ..data.schema import Columns, Schema
from ..data.tables import Table, is_frame
from ..errors import DataError
from .reference import reference_of

GOLDEN_ROWS = 4
FEW_ROWS = 8


class Coder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A scikit-learn transformer from rows to codes, with a schema and a saved form."""

    schema_: Schema
    reference_: Mapping[str, np.ndarray] = {}
    _n_features_out: int

    @property
    def units(self) -> int:
        """Columns of the code."""
        return self._n_features_out

    @property
    def block_rows(self) -> int:
        """Rows that are coded at once."""
        return rows_at_once(self.schema_.features)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is something to make codes with."""
        return hasattr(self, "_n_features_out")

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        """(rows, *shape) float32 -> (rows, units) float32."""
        raise NotImplementedError

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        """(rows, units) -> (rows, features) float32, encoded."""
        raise NotImplementedError

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The plan (plain JSON) and the arrays that bring this object back."""
        raise NotImplementedError

    # --- rows in, codes out -------------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """The codes of the rows, (rows, units) float32; the same bits whatever the order of the rows."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        blocks = [self._encode_padded(self.schema_.encode(block)) for block in self._blocks(rows)]
        return np.concatenate(blocks) if blocks else np.zeros((0, self._n_features_out), np.float32)

    def transform_sparse(self, X: Any) -> sparse.csr_matrix:
        """The codes of the rows as CSR, (rows, units) float32: dense for `block_rows` rows at a time, then sparse."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        blocks = [sparse.csr_matrix(self._encode_padded(self.schema_.encode(block))) for block in self._blocks(rows)]
        empty = sparse.csr_matrix((0, self._n_features_out), dtype=np.float32)
        return sparse.csr_matrix(sparse.vstack([empty, *blocks], format="csr"))

    def inverse_transform(self, X: Any) -> Any:
        """Rows rebuilt from codes (rows, units), in the kind and units of the data that was fitted."""
        check_is_fitted(self)
        return self.schema_.inverse(self._decoded(X).reshape(-1, *self.schema_.shape))

    def _decoded(self, X: Any) -> np.ndarray:
        codes = check_array(X, dtype=np.float32, accept_sparse="csr")
        if codes.shape[1] != self._n_features_out:
            raise DataError(
                f"codes have {codes.shape[1]} units, this {type(self).__name__} makes {self._n_features_out}",
                "pass codes that it made",
            )
        starts = range(0, codes.shape[0], self.block_rows)
        return np.concatenate([self._decode_block(_dense(codes[i : i + self.block_rows])) for i in starts])

    def score(self, X: Any, y: Any = None) -> float:
        """Share of the variance of the encoded rows that codes keep, at most 1; 0 is as good as the training mean."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        error = variance = 0.0
        for block in self._blocks(rows):
            encoded = self.schema_.encode(block)
            flat, known = encoded.reshape(len(encoded), -1), self.schema_.known(block)
            rebuilt = self._decode_block(self._encode_padded(encoded))
            weight = 1.0 if known is None else known
            error += float(np.sum(weight * (flat - rebuilt) ** 2, dtype=np.float64))
            variance += float(np.sum(weight * (flat - self._mean_row()) ** 2, dtype=np.float64))
        return 1.0 - error / variance if variance > 0 else float(error == 0)

    def _mean_row(self) -> np.ndarray:
        return np.zeros(self.schema_.features, np.float32)

    def encode_samples(self, encoded: np.ndarray) -> np.ndarray:
        """The codes of samples that the schema has encoded already, (rows, *shape) -> (rows, units)."""
        starts = range(0, len(encoded), self.block_rows)
        blocks = [self._encode_padded(encoded[i : i + self.block_rows]) for i in starts]
        return np.concatenate(blocks) if blocks else np.zeros((0, self._n_features_out), np.float32)

    def decode_samples(self, codes: np.ndarray) -> np.ndarray:
        """Samples, as the schema encodes them, rebuilt from codes: (rows, units) -> (rows, *shape)."""
        return self._decoded(codes).reshape(-1, *self.schema_.shape)

    def rebuilt(self, encoded: np.ndarray) -> np.ndarray:
        """Samples that the schema has encoded already, rebuilt from their codes: (rows, *shape) -> (rows, features)."""
        codes = self.encode_samples(encoded)
        starts = range(0, len(codes), self.block_rows)
        return np.concatenate([self._decode_block(codes[i : i + self.block_rows]) for i in starts])

    def _encode_padded(self, encoded: np.ndarray) -> np.ndarray:
        # matrix products round differently for other batch shapes: every block has one of few shapes, so that a
        # row gets the same bits wherever it stands
        return self._encode_block(self.padded(encoded))[: len(encoded)]

    def padded(self, encoded: np.ndarray) -> np.ndarray:
        """At most `block_rows` encoded rows, followed by as many rows of zeros as make one of few shapes."""
        rows = len(encoded)
        size = self.block_rows if rows > self.block_rows // 2 else -(-rows // 64) * 64
        if rows == 1:  # few rows take no longer than one, but for pictures
            size = 1 if encoded.ndim == 4 else FEW_ROWS
        if rows == size:
            return encoded
        padded = np.zeros((size, *encoded.shape[1:]), np.float32)
        padded[:rows] = encoded
        return padded

    def _blocks(self, rows: Any) -> Iterator[Any]:
        for start in range(0, rows_of(rows), self.block_rows):
            yield take(rows, np.arange(start, min(start + self.block_rows, rows_of(rows))))

    def _rows(self, X: Any, reset: bool, at_least: int = 1) -> Any:
        """X as an array, CSR or Table, checked against what was fitted."""
        if isinstance(X, str | Path):
            raise DataError(f"{str(X)!r} is a name, no rows", f"read them first: load_data({str(X)!r}).x")
        if hasattr(X, "detach"):
            X = X.detach().cpu().numpy()
        if isinstance(X, Mapping) and not sparse.issparse(X):  # a DOK matrix is a mapping
            X = Table(dict(X))
        named = is_frame(X)
        if named:
            validate_data(self, X, reset=reset, skip_check_array=True)
            X = Table.from_frame(X)
        if isinstance(X, Columns) or (isinstance(X, np.ndarray) and X.ndim > 2):
            rows: Any = X
            if reset:
                self.n_features_in_ = len(X.names) if isinstance(X, Columns) else int(np.prod(X.shape[1:]))
            if reset and not named and hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            if len(X) < at_least:
                raise DataError(f"{len(X)} row is too little to learn from", f"bring at least {at_least}")
        else:
            try:
                kinds = [np.float64, np.float32]
                rows = validate_data(
                    self, X, reset=reset, accept_sparse="csr", dtype=kinds, ensure_min_samples=at_least
                )
            except ValueError as error:
                place = _not_finite(X) if "NaN" in str(error) or "infinity" in str(error) else None
                if place is None:
                    raise
                raise DataError(place, "fill it or leave the row out; a table may have empty cells") from None
        if not reset:
            rows = self._as_fitted(rows)
            self.schema_.check(rows)
        return rows

    def _as_fitted(self, rows: Any) -> Any:
        if self.schema_.kind == "table" and isinstance(rows, np.ndarray) and rows.ndim == 2:
            names = [column.name for column in self.schema_.columns]
            if rows.shape[1] == len(names):
                return Table({name: rows[:, i].astype(np.float64) for i, name in enumerate(names)})
        return rows

    # --- saving -------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write this coder as a bundle: a folder, or one file when `path` ends in .zip."""
        check_is_fitted(self)
        plan, tensors, golden = self.parts()
        bundle.write(path, self.kind_name, plan, tensors, golden, facts, self.reference_)

    def parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Plan, arrays and golden rows, as a bundle keeps them."""
        plan, tensors = self._state()
        plan = {"schema": self.schema_.to_json(), "n_features_in": int(self.n_features_in_), **plan}
        if hasattr(self, "feature_names_in_"):
            plan["feature_names_in"] = [str(name) for name in self.feature_names_in_]
        rows = getattr(self, "golden_rows_", None)
        golden = {} if rows is None else {"rows": rows, "codes": self._encode_padded(rows)}
        return plan, tensors, golden

    kind_name: str

    def _restore(self, found: bundle.Bundle) -> Self:
        plan, golden = found.plan, found.golden
        self.schema_ = Schema.from_json(plan["schema"])
        self.n_features_in_ = int(plan["n_features_in"])
        if "feature_names_in" in plan:
            self.feature_names_in_ = np.array(plan["feature_names_in"], dtype=object)
        if "rows" in golden:
            self.golden_rows_ = np.asarray(golden["rows"], np.float32)
        self.reference_ = found.reference()
        return self

    def _keep_golden(self, rows: Any) -> None:
        count = min(GOLDEN_ROWS, rows_of(rows))
        self.golden_rows_ = self.schema_.encode(take(rows, np.arange(count)))

    def _keep_reference(self, rows: Any) -> None:
        self.reference_ = reference_of(self, rows)

    def check_golden(self, golden: Mapping[str, np.ndarray]) -> float:
        """The largest difference between the saved golden codes and this machine's; 0 where they were written."""
        if "rows" not in golden:
            return 0.0
        return float(np.abs(self._encode_padded(golden["rows"]) - golden["codes"]).max(initial=0.0))


def fingerprint(rows: Any, schema: Schema, beside: bytes = b"") -> str:
    """A hash of the encoded rows, their schema and what is learned from beside them: equal data, equal text."""
    digest = hashlib.blake2b(json.dumps(schema.to_json(), sort_keys=True).encode(), digest_size=16)
    digest.update(beside)
    size = rows_at_once(schema.features)
    for start in range(0, rows_of(rows), size):
        block = take(rows, np.arange(start, min(start + size, rows_of(rows))))
        digest.update(np.ascontiguousarray(schema.encode(block)).tobytes())
    return digest.hexdigest()


def _dense(codes: Any) -> np.ndarray:
    return codes.toarray() if sparse.issparse(codes) else codes


def _not_finite(X: Any) -> str | None:
    """Where an array or sparse matrix first holds NaN or an infinity, in words; None where it cannot be told."""
    try:
        rows = sparse.coo_array(X) if sparse.issparse(X) else np.asarray(X, np.float64)
    except (TypeError, ValueError):
        return None
    if isinstance(rows, np.ndarray):
        places, values = np.argwhere(~np.isfinite(rows)), rows[~np.isfinite(rows)]
    else:
        bad = ~np.isfinite(rows.data)
        order = np.lexsort((rows.col[bad], rows.row[bad]))
        places = np.stack([rows.row[bad], rows.col[bad]], axis=1)[order]
        values = rows.data[bad][order]
    if not len(places) or places.shape[1] != 2:
        return None
    what = "NaN" if np.isnan(values[0]) else "infinity (inf)"
    return f"the array holds {what}, first in row {places[0, 0]}, column {places[0, 1]}"
