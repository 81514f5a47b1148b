"""Manifold learners as rivals: Isomap, and UMAP (optional), with codes for rows they have not seen.

Reads  the same rows through the same schema as the autoencoder; of many rows some landmarks, drawn by the seed.
Gives  transformers with the autoencoder's contract and saved form: plain arrays, so that nothing is pickled and UMAP
       is not needed to encode.
Skips  spectral embedding and t-SNE: they have no codes for new rows.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components
from sklearn import manifold
from sklearn.neighbors import kneighbors_graph

from .. import bundle
from ..errors import BundleError, CodelayerError, DataError, SentenceError
from .baselines import _WithRidge
from .settings import seed_of

AT_ONCE = 256
FEWEST_FOR_UMAP = 4


class _Landmarks(_WithRidge):
    """A coder that remembers rows, and codes others by the nearest of them."""

    by_landmark: ClassVar[tuple[str, ...]] = ()
    code_size: int
    neighbors: int
    landmarks: int
    random_state: Any
    rows_: np.ndarray

    def _learn(self, rows: Any) -> None:
        for name in ("code_size", "neighbors", "landmarks"):
            if getattr(self, name) < 1:
                raise SentenceError(f"{name}={getattr(self, name)} is not possible", "it is a whole number, at least 1")
        flat, seed = self._flat(rows), seed_of(self.random_state)
        drawn = np.sort(np.random.default_rng(seed).permutation(len(flat))[: self.landmarks])
        # equal rows are one landmark: their distance of 0 would tear the graph of neighbours
        first = np.unique(flat[drawn], axis=0, return_index=True)[1]
        self.rows_ = np.ascontiguousarray(flat[drawn[np.sort(first)]])
        self._place(self.rows_.astype(np.float64), seed)
        self._fit_ridge(flat)

    def _place(self, rows: np.ndarray, seed: int) -> None:
        raise NotImplementedError

    def _code(self, places: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Codes by the nearest landmarks: their places (n, k) among all, and their distances (n, k), nearest first."""
        raise NotImplementedError

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        flat = encoded.reshape(len(encoded), -1).astype(np.float64)
        rows = self.rows_.astype(np.float64)
        codes = np.empty((len(flat), self._n_features_out), np.float32)
        for start in range(0, len(flat), AT_ONCE):
            some = flat[start : start + AT_ONCE]
            codes[start : start + AT_ONCE] = self._code(*nearest(some, rows, self.neighbors))
        return codes

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Self:
        """The coder a bundle holds.

        errors  BundleError when its arrays do not fit together
        """
        try:
            made = super().from_bundle(found)
        except IndexError as error:
            raise BundleError(f"{found.path} does not hold a {found.kind} ({error})", "save it again") from None
        count = len(made.rows_)
        odd = [name for name in cls.by_landmark if getattr(made, f"{name}_").shape[0] != count]
        if odd or made.rows_.shape[1:] != (made.schema_.features,):
            problem = f"{found.path} does not hold a {found.kind}: {', '.join(odd) or 'rows'} of another shape"
            raise BundleError(problem, "save it again")
        return made


def nearest(rows: np.ndarray, landmarks: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every row (n, features) the nearest landmarks (m, features): their places and distances, each (n, k).

    count  k, never more than landmarks. Of equally near ones the first comes first.
    """
    squared = (rows**2).sum(1, keepdims=True) - 2 * rows @ landmarks.T + (landmarks**2).sum(1)
    # rounded, so that ties are ties wherever a row stands in its block; the distances of the chosen are exact
    places = np.argsort(squared.astype(np.float32), axis=1, kind="stable")[:, :count]
    distances = np.sqrt(((rows[:, None] - landmarks[places]) ** 2).sum(2))
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(places, order, 1), np.take_along_axis(distances, order, 1)


@bundle.kind("isomap")
class Isomap(_Landmarks):
    """Isomap: principal coordinates of the distances along the graph of neighbours (Tenenbaum et al. 2000).

    A new row's distances go through its nearest landmarks (Bengio et al. 2004), as scikit-learn's transform has them.

    Parameters
    ----------
    code_size : int, default=32
        Units; never more than the distances have positive dimensions.
    neighbors : int, default=10
        Of each landmark in the graph, and of a new row.
    landmarks : int, default=2000
        Rows that are learned from and kept, drawn at random where there are more; equal rows count once.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of the landmarks.

    Attributes
    ----------
    rows_ : (landmarks, features) float32
    distances_ : (landmarks, landmarks) float32, along the graph
    directions_ : (landmarks, units) float32, eigenvectors over the roots of their eigenvalues
    origin_ : (units,) float32, what makes the landmarks' mean code 0

    References
    ----------
    Tenenbaum, de Silva and Langford 2000; Bengio et al. 2004, section 3.
    """

    kind_name = "isomap"
    array_names = ("rows", "distances", "directions", "origin")
    by_landmark = ("rows", "distances", "directions")

    def __init__(
        self,
        code_size: int = 32,
        neighbors: int = 10,
        landmarks: int = 2000,
        scale: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.code_size = code_size
        self.neighbors = neighbors
        self.landmarks = landmarks
        self.scale = scale
        self.random_state = random_state

    def _place(self, rows: np.ndarray, seed: int) -> None:
        self.distances_ = _along_the_graph(rows, self.neighbors)
        kernel = self._kernel(self.distances_.astype(np.float64))
        centred = kernel - kernel.mean(0) - kernel.mean(1, keepdims=True) + kernel.mean()
        units = min(self.code_size, len(rows))
        values, vectors = eigh(centred, subset_by_index=[len(rows) - units, len(rows) - 1])
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = values > 1e-9 * max(float(values[0]), 1e-300)
        kept[0] = True  # of equal rows alone one unit stays, which is 0
        values, vectors = values[kept], vectors[:, kept]
        signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(values))])
        roots = np.sqrt(np.maximum(values, 0))
        self.directions_ = (vectors * signs / np.where(roots > 0, roots, np.inf)).astype(np.float32)
        means = kernel.mean(0)
        self.origin_ = ((means - means.mean()) @ self.directions_.astype(np.float64)).astype(np.float32)
        self._n_features_out = len(values)

    def _code(self, places: np.ndarray, distances: np.ndarray) -> np.ndarray:
        shortest = np.full((len(places), len(self.rows_)), np.inf)
        for turn in range(places.shape[1]):
            np.minimum(shortest, self.distances_[places[:, turn]] + distances[:, turn, None], out=shortest)
        kernel = self._kernel(shortest)
        products = (kernel - kernel.mean(1, keepdims=True)) @ self.directions_.astype(np.float64)
        return (products - self.origin_).astype(np.float32)

    @staticmethod
    def _kernel(distances: np.ndarray) -> np.ndarray:
        return -0.5 * distances**2


def _along_the_graph(rows: np.ndarray, neighbors: int) -> np.ndarray:
    """(n, n) float32 distances along the graph of neighbours, whose parts are joined where they are nearest."""
    if len(rows) == 1:
        return np.zeros((1, 1), np.float32)
    count = min(neighbors, len(rows) - 1)
    parts, _ = connected_components(kneighbors_graph(rows, count), directed=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of several parts; we say it in our words
        # the codes are placed by ourselves: scikit-learn refuses kernels with negative eigenvalues, which these have
        found = manifold.Isomap(n_neighbors=count, n_components=1, eigen_solver="dense").fit(rows)
    if parts > 1:
        warnings.warn(
            f"the graph of neighbours fell into {parts} parts, which were joined where they are nearest: distances "
            "between them mean little; raise neighbors",
            stacklevel=6,
        )
    return found.dist_matrix_.astype(np.float32)


@bundle.kind("umap")
class Umap(_Landmarks):
    """UMAP of the landmarks (umap-learn); a new row gets the weighted mean of its nearest landmarks' codes.

    That is where UMAP's own transform begins; it then moves rows by random sampling, which is left out here, so that
    codes are deterministic and can be saved. Only `fit` needs umap-learn: pip install codelayer[umap].

    Parameters
    ----------
    code_size : int, default=32
        Units.
    neighbors : int, default=15
        Of each landmark in the graph, and of a new row.
    landmarks : int, default=2000
        Rows that are learned from and kept, drawn at random where there are more; equal rows count once.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of the landmarks and of UMAP's sampling.

    Attributes
    ----------
    rows_ : (landmarks, features) float32
    codes_ : (landmarks, units) float32

    References
    ----------
    McInnes, Healy and Melville 2018, section 3.1 and definition 9; algorithm 3 for the width of the weights.
    """

    kind_name = "umap"
    array_names = by_landmark = ("rows", "codes")

    def __init__(
        self,
        code_size: int = 32,
        neighbors: int = 15,
        landmarks: int = 2000,
        scale: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.code_size = code_size
        self.neighbors = neighbors
        self.landmarks = landmarks
        self.scale = scale
        self.random_state = random_state

    def _place(self, rows: np.ndarray, seed: int) -> None:
        check_umap()
        if len(rows) < FEWEST_FOR_UMAP:
            raise DataError(f"{len(rows)} different rows are too few for UMAP", f"bring at least {FEWEST_FOR_UMAP}")
        count = max(2, min(self.neighbors, len(rows) - 1))
        start = "spectral" if len(rows) > self.code_size + 2 else "random"
        learner = importlib.import_module("umap").UMAP(
            n_neighbors=count, n_components=self.code_size, init=start, random_state=seed, n_jobs=1
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.codes_ = np.asarray(learner.fit_transform(rows), np.float32)
        self._n_features_out = self.code_size

    def _code(self, places: np.ndarray, distances: np.ndarray) -> np.ndarray:
        weights = np.exp(-distances / _widths(distances))
        weights[distances[:, 0] == 0, 1:] = 0  # a landmark has its own code, as in UMAP's transform
        weights /= weights.sum(1, keepdims=True)
        return np.einsum("nk,nku->nu", weights, self.codes_[places].astype(np.float64)).astype(np.float32)


def _widths(distances: np.ndarray) -> np.ndarray:
    """(n, 1) widths s at which sum exp(-distance / s) over all but the nearest is log2 of their number, as UMAP's are.

    The least width is a share of the row's own mean distance; UMAP's is one of the mean over all rows of a call.
    """
    far, target = distances[:, 1:], np.log2(max(2, distances.shape[1]))
    least = 1e-3 * np.maximum(distances.mean(1, keepdims=True), 1e-12)
    low, high = np.zeros((len(far), 1)), np.full((len(far), 1), np.inf)
    width = np.ones((len(far), 1))
    for _ in range(64):
        total = np.exp(-far / np.maximum(width, 1e-300)).sum(1, keepdims=True)
        low, high = np.where(total < target, width, low), np.where(total < target, high, width)
        width = np.where(np.isinf(high), 2 * width, (low + np.where(np.isinf(high), 0, high)) / 2)
    return np.maximum(width, least)


def check_umap() -> None:
    """Refuse to go on without umap-learn.

    errors  CodelayerError with the line that installs it
    """
    if importlib.util.find_spec("umap") is None:
        raise CodelayerError("UMAP needs umap-learn, which is not installed", "pip install codelayer[umap]")


MANIFOLDS = {"isomap": Isomap, "umap": Umap}
