"""The rivals every learned code is measured against: raw features, PCA, random projection, k-means features.

Reads  the same rows through the same schema as the autoencoder.
Gives  transformers with the autoencoder's contract and saved form. The mathematics is scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.random_projection import GaussianRandomProjection
from sklearn.utils import check_random_state
from sklearn.utils._tags import Tags

from .. import bundle
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..errors import BundleError
from .coder import Coder
from .ridge import Ridge

IN_MEMORY_BYTES = 1 << 30
SAMPLE_ROWS = 20_000


class _Baseline(Coder):
    """A coder whose whole state is a few arrays."""

    array_names: ClassVar[tuple[str, ...]] = ()
    scale: str

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from rows X; y is ignored."""
        rows = self._rows(X, reset=True, at_least=2)
        self.schema_ = Schema.fit(rows, scale=self.scale)
        self._learn(rows)
        self._keep_golden(rows)
        self._keep_reference(rows)
        return self

    def _learn(self, rows: Any) -> None:
        raise NotImplementedError

    def _flat(self, rows: Any) -> np.ndarray:
        """All rows, or an even sample of them where they would not fit in memory; encoded, (rows, features)."""
        n = rows_of(rows)
        if n * self.schema_.features * 4 > IN_MEMORY_BYTES:
            rows = take(rows, np.unique(np.linspace(0, n - 1, SAMPLE_ROWS).astype(int)))
        return np.concatenate([self.schema_.encode(b).reshape(rows_of(b), -1) for b in self._blocks(rows)])

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        options = {name: value for name, value in self.get_params().items() if name != "random_state"}
        plan = {"options": options, "units": self._n_features_out}
        return plan, {name: np.asarray(getattr(self, f"{name}_")) for name in self.array_names}

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Self:
        """The coder a bundle holds.

        errors  BundleError when an array is missing or has another shape than the schema says
        """
        known = cls().get_params()
        made = cls(**{n: v for n, v in found.plan.get("options", {}).items() if n in known})
        try:
            made._restore(found)
            for name in cls.array_names:
                setattr(made, f"{name}_", np.asarray(found.tensors[name], np.float32))
            made._n_features_out = int(found.plan["units"])
            if made.schema_.features < 1_000_000:
                made_here = made._encode_block(np.zeros((1, *made.schema_.shape), np.float32)).shape[1]
                if made_here != made._n_features_out:
                    raise ValueError(f"its arrays make {made_here} units, not {made._n_features_out}")
        except (KeyError, ValueError, TypeError) as error:
            raise BundleError(f"{found.path} does not hold a {found.kind} ({error})", "save it again") from None
        return made

    def __sklearn_tags__(self) -> Tags:
        """Dense or CSR rows, float32 out."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


@bundle.kind("raw")
class RawFeatures(_Baseline):
    """The encoded features themselves: what a learned code must beat.

    Parameters
    ----------
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    """

    kind_name = "raw"

    def __init__(self, scale: str = "auto") -> None:
        self.scale = scale

    def _learn(self, rows: Any) -> None:
        self._n_features_out = self.schema_.features

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        return encoded.reshape(len(encoded), -1)

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        return codes

    @property
    def width(self) -> int:
        """Units of the code: the encoded features."""
        return self.schema_.features


@bundle.kind("pca")
class Pca(_Baseline):
    """Principal components: the best linear code for squared error (Pearson 1901), not whitened.

    Parameters
    ----------
    code_size : int, default=32
        Units; never more than features or rows - 1.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of the randomised solver, which scikit-learn takes for large data.

    Attributes
    ----------
    components_ : (units, features) float32, orthonormal rows
    mean_ : (features,) float32
    """

    kind_name = "pca"
    array_names = ("components", "mean")

    def __init__(self, code_size: int = 32, scale: str = "auto", random_state: Any = None) -> None:
        self.code_size = code_size
        self.scale = scale
        self.random_state = random_state

    def _learn(self, rows: Any) -> None:
        units = min(self.code_size, self.schema_.features, rows_of(rows) - 1)
        if rows_of(rows) * self.schema_.features * 4 > IN_MEMORY_BYTES and self.schema_.features <= 4096:
            found: Any = IncrementalPCA(units)
            for block in self._blocks(rows):
                if rows_of(block) >= units:
                    found.partial_fit(self.schema_.encode(block).reshape(rows_of(block), -1))
        else:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            found = PCA(units, random_state=seed).fit(self._flat(rows))
        self.components_ = found.components_.astype(np.float32)
        self.mean_ = found.mean_.astype(np.float32)
        self._n_features_out = len(self.components_)

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        return _products(encoded.reshape(len(encoded), -1) - self.mean_, self.components_)

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        return codes @ self.components_ + self.mean_

    def _mean_row(self) -> np.ndarray:
        return self.mean_


class _WithRidge(_Baseline):
    """A baseline whose codes are decoded by ridge regression."""

    ridge_: Ridge

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plan, tensors = super()._state()
        return plan, tensors | self.ridge_.tensors()

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Self:
        """The coder a bundle holds."""
        made = super().from_bundle(found)
        made.ridge_ = Ridge.restored(found.tensors, made._n_features_out, made.schema_.features)
        return made

    def _fit_ridge(self, flat: np.ndarray) -> None:
        sample = flat[np.unique(np.linspace(0, len(flat) - 1, min(len(flat), SAMPLE_ROWS)).astype(int))]
        self.ridge_ = Ridge.fit(self._encode_block(sample), sample)

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        return self.ridge_.predict(codes)

    def _mean_row(self) -> np.ndarray:
        return self.ridge_.row_mean


@bundle.kind("random_projection")
class RandomProjection(_WithRidge):
    """Projection on random Gaussian directions (Johnson and Lindenstrauss 1984): a code without learning.

    Parameters
    ----------
    code_size : int, default=32
        Units.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of the directions.

    Attributes
    ----------
    directions_ : (units, features) float32
    """

    kind_name = "random_projection"
    array_names = ("directions",)

    def __init__(self, code_size: int = 32, scale: str = "auto", random_state: Any = None) -> None:
        self.code_size = code_size
        self.scale = scale
        self.random_state = random_state

    def _learn(self, rows: Any) -> None:
        flat = self._flat(rows)
        found = GaussianRandomProjection(self.code_size, random_state=self.random_state)
        found.fit(np.zeros((2, flat.shape[1])))
        self.directions_ = found.components_.astype(np.float32)
        self._n_features_out = self.code_size
        self._fit_ridge(flat)

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        return _products(encoded.reshape(len(encoded), -1), self.directions_)


@bundle.kind("kmeans")
class KMeansFeatures(_WithRidge):
    """Triangle features of k-means: max(0, mean distance - distance to centre k) (Coates, Lee and Ng 2011, eq. 4).

    Parameters
    ----------
    code_size : int, default=32
        Centres; never more than rows.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of the starting centres.

    Attributes
    ----------
    centres_ : (units, features) float32
    """

    kind_name = "kmeans"
    array_names = ("centres",)

    def __init__(self, code_size: int = 32, scale: str = "auto", random_state: Any = None) -> None:
        self.code_size = code_size
        self.scale = scale
        self.random_state = random_state

    def _learn(self, rows: Any) -> None:
        flat = self._flat(rows)
        units = min(self.code_size, len(flat))
        found = MiniBatchKMeans(units, batch_size=1024, n_init=3, random_state=self.random_state).fit(flat)
        self.centres_ = found.cluster_centers_.astype(np.float32)
        self._n_features_out = units
        self._fit_ridge(flat)

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        flat = encoded.reshape(len(encoded), -1).astype(np.float64)
        centres = self.centres_.astype(np.float64)
        squared = (flat**2).sum(1, keepdims=True) - 2 * flat @ centres.T + (centres**2).sum(1)
        distance = np.sqrt(np.maximum(squared, 0))
        return np.maximum(0, distance.mean(1, keepdims=True) - distance).astype(np.float32)


def _products(rows: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(n, features) times (units, features) -> (n, units) float32.

    In float64: numpy's float32 products round by a row's place in the batch, and codes must not.
    """
    return (rows.astype(np.float64) @ directions.T.astype(np.float64)).astype(np.float32)


BASELINES: Mapping[str, type[_Baseline]] = {
    "raw": RawFeatures,
    "pca": Pca,
    "random_projection": RandomProjection,
    "kmeans": KMeansFeatures,
}
