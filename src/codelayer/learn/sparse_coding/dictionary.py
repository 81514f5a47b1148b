"""A dictionary learned online, and its sparse codes as a coder.

Reads  the same rows through the same schema as the autoencoder.
Gives  a transformer with the autoencoder's contract and saved form.
Source: Mairal, Bach, Ponce and Sapiro 2010, algorithms 1 and 2, section 3.4 (mini-batches, forgetting, unused atoms).
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import torch

from ... import bundle
from ...data.schema import Schema
from ...errors import BundleError, DataError, SentenceError
from ..baselines import _Baseline
from ..memory import check_dictionary
from ..settings import seed_of
from ..sources import Rows
from .compiled import active_set
from .solvers import check_solver, solve
from .support import feature_sign

ROUNDS = 1e-9


@bundle.kind("dictionary")
class Dictionary(_Baseline):
    """Sparse codes over a learned dictionary: 0.5 |x - mean - D z|^2 + l1 |z|_1 at its least, atoms of length 1.

    Parameters
    ----------
    code_size : int, default=32
        Atoms; more than features is what sparse codes are for.
    l1 : float, default=0.1
        Weight of the sum of absolute codes, in units of the encoded input.
    epochs : int, default=10
        Passes over the rows.
    batch_size : int, default=256
        Rows per update of the dictionary.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of the first atoms, the order of the rows and the replaced atoms.
    solver : {"feature_sign", "active_set", "coordinate_descent", "fista", "ista"}, default="feature_sign"
        How codes are found; "active_set" is compiled where numba is installed. The dictionary is learned with exact
        codes whatever the solver.
    iterations : int or None, default=None
        At most so many iterations of the solver for a code: steps of "ista" and "fista", sweeps of
        "coordinate_descent", rounds of the others. None leaves the solver its own limit, which it hardly ever meets.
    tolerance : float, default=1e-12
        A row is solved when its duality gap is at most this share of |x - mean|^2 / 2; 0 lets "ista" and "fista" take
        all their iterations.
    dictionary : (features, units) array or None, default=None
        A dictionary to code with, in units of the encoded input (Schema), beside which `code_size` is not read; `fit`
        does not change it, `partial_fit` goes on learning from it. A bundle keeps it as `atoms_`.

    Attributes
    ----------
    atoms_ : (units, features) float32, rows of length 1
    mean_ : (features,) float32, of the rows of the first fit
    gram_, cross_ : (units, units) and (units, features) float32, what the dictionary remembers of past rows
    steps_ : int, updates so far

    References
    ----------
    Mairal, Bach, Ponce and Sapiro 2010, algorithms 1 and 2.
    """

    kind_name = "dictionary"
    array_names = ("atoms", "mean", "gram", "cross")

    def __init__(
        self,
        code_size: int = 32,
        l1: float = 0.1,
        epochs: int = 10,
        batch_size: int = 256,
        scale: str = "auto",
        random_state: Any = None,
        solver: str = "feature_sign",
        iterations: int | None = None,
        tolerance: float = 1e-12,
        dictionary: Any = None,
    ) -> None:
        self.code_size = code_size
        self.l1 = l1
        self.epochs = epochs
        self.batch_size = batch_size
        self.scale = scale
        self.random_state = random_state
        self.solver = solver
        self.iterations = iterations
        self.tolerance = tolerance
        self.dictionary = dictionary

    # --- learning -----------------------------------------------------------------------------------------------

    def _learn(self, rows: Any) -> None:
        served = Rows(rows, self.schema_)
        self._start(served)
        for _ in range(self.epochs if self.dictionary is None else 0):
            self._pass(served)
        sample = served.block(slice(0, min(served.length, 1000))).reshape(-1, self.schema_.features)
        if not feature_sign((sample - self.mean_).astype(np.float64), self.atoms_.T.astype(np.float64), self.l1).any():
            warnings.warn(f"no unit is ever on: l1={self.l1} is larger than every row's answer; lower l1", stacklevel=3)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One pass over rows X with the dictionary there is; the first call fixes schema, mean and first atoms."""
        first = not hasattr(self, "atoms_")
        rows = self._rows(X, reset=first, at_least=2 if first else 1)
        if first:
            self.schema_ = Schema.fit(rows, scale=self.scale)
        served = Rows(rows, self.schema_)
        if first:
            self._start(served)
            self._keep_golden(rows)
        self._pass(served)
        self.reference_ = {}  # of a stream only the last rows are here, and their codes are costly
        return self

    def _start(self, rows: Rows) -> None:
        self._check()
        features = self.schema_.features
        given = None if self.dictionary is None else given_atoms(self.dictionary, features)
        units = self.code_size if given is None else len(given)
        check_dictionary(units, features)
        self._seed, self.steps_ = seed_of(self.random_state), 0
        total = sum(rows.block(some).reshape(-1, self.schema_.features).sum(0, np.float64) for some in rows.blocks())
        self.mean_ = (total / rows.length).astype(np.float32)
        rng = np.random.default_rng([self._seed, 0])
        some = rng.permutation(rows.length)[:units]
        self.atoms_ = _fresh(flat_batch(rows, some) - self.mean_, units, rng) if given is None else given
        self.gram_ = np.zeros((units, units), np.float32)
        self.cross_ = np.zeros_like(self.atoms_)
        self._n_features_out = units

    def _check(self) -> None:
        check_counts(self, "code_size", "epochs", "batch_size")
        if not isinstance(self.l1, int | float | np.number) or not 0 < self.l1 < float("inf"):
            raise SentenceError(f"l1={self.l1!r} is not possible", "it is finite and above 0, for example 0.1")
        check_solver(self.solver, self.iterations, self.tolerance)

    def _pass(self, rows: Rows) -> None:
        order = np.random.default_rng([self._seed, 1, self.steps_]).permutation(rows.length)
        for batch in np.array_split(order, -(-rows.length // self.batch_size)):
            self._update((flat_batch(rows, batch) - self.mean_).astype(np.float64))

    def _update(self, x: np.ndarray) -> None:
        """One step of algorithm 1: code the rows, remember them, move every atom once."""
        self.steps_ += 1
        atoms = self.atoms_.astype(np.float64)
        exact = active_set if self.solver == "active_set" else feature_sign
        codes = exact(x, atoms.T, self.l1)
        # the first batches fade: their codes were made with another dictionary (section 3.4.3)
        t, size = self.steps_, self.batch_size
        weight = t * size if t < size else size**2 + t - size
        keep = (weight + 1 - size) / weight if t > 1 else 0.0
        gram = keep * self.gram_ + codes.T @ codes / len(x)
        cross = keep * self.cross_ + codes.T @ x / len(x)
        for j in np.flatnonzero(np.diagonal(gram) > ROUNDS):  # algorithm 2
            moved = atoms[j] + (cross[j] - gram[j] @ atoms) / gram[j, j]
            length = np.linalg.norm(moved)
            if length > ROUNDS:
                atoms[j] = moved / length
        unused = np.flatnonzero(np.diagonal(gram) <= ROUNDS)
        if len(unused):
            # an atom that no row uses starts anew at a row that is badly explained
            left = x - codes @ self.atoms_
            worst = np.argsort(-(left**2).sum(1), kind="stable")[: len(unused)]
            rng = np.random.default_rng([self._seed, 2, self.steps_])
            atoms[unused] = _fresh(left[worst], len(unused), rng)
            gram[unused], gram[:, unused], cross[unused] = 0, 0, 0
        self.atoms_ = atoms.astype(np.float32)
        self.gram_, self.cross_ = gram.astype(np.float32), cross.astype(np.float32)

    # --- coding -------------------------------------------------------------------------------------------------

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        # in float64: a row gets the same bits wherever it stands
        x = encoded.reshape(len(encoded), -1).astype(np.float64) - self.mean_
        found = solve(self.solver, x, self.atoms_.T, self.l1, self.iterations, self.tolerance)
        return found.astype(np.float32)

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        return codes @ self.atoms_ + self.mean_

    def _mean_row(self) -> np.ndarray:
        return self.mean_

    # --- saving -------------------------------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plan, tensors = super()._state()
        del plan["options"]["dictionary"]  # it is in the atoms
        return plan | {"steps": self.steps_, "seed": self._seed}, tensors

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Self:
        """The dictionary a bundle holds; it goes on learning with `partial_fit`.

        errors  BundleError when an array is missing or has another shape than the schema says
        """
        made = super().from_bundle(found)
        units, features = made._n_features_out, made.schema_.features
        try:
            made.steps_, made._seed = int(found.plan["steps"]), int(found.plan["seed"])
            fits = made.gram_.shape == (units, units) and made.cross_.shape == (units, features)
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise BundleError(f"{found.path} does not hold a dictionary that can learn", "save it again")
        return made


def check_counts(coder: Any, *names: str) -> None:
    """Refuse options of these names that are no whole numbers of at least 1.

    errors  SentenceError that names the option and its value
    """
    for name in names:
        value = getattr(coder, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise SentenceError(f"{name}={value!r} is not possible", f"{name} is a whole number, at least 1")


def given_atoms(dictionary: Any, features: int) -> np.ndarray:
    """A dictionary (features, units) as atoms (units, features) float32.

    errors  DataError for another shape, and for what is not finite
    """
    given = np.asarray(dictionary, np.float32)
    if given.ndim != 2 or given.shape[0] != features or not given.shape[1]:
        raise DataError(
            f"a dictionary of shape {given.shape} does not fit rows of {features} encoded features",
            f"it is (features, units), here ({features}, any number)",
        )
    if not np.isfinite(given).all():
        raise DataError("the dictionary holds NaN or infinities", "give finite atoms")
    return np.ascontiguousarray(given.T)


def flat_batch(rows: Rows, some: np.ndarray) -> np.ndarray:
    """(some, features) encoded rows."""
    return rows.batch(torch.from_numpy(some))[0].numpy().reshape(len(some), -1)


def _fresh(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Atoms of length 1 from rows, and random ones where rows are too few or empty, (count, features) float32."""
    chosen = rng.permutation(len(rows))[:count]
    atoms = rng.normal(size=(count, rows.shape[1]))
    lengths = np.linalg.norm(rows[chosen], axis=1, keepdims=True)
    # never two equal atoms, never an empty one
    atoms[: len(chosen)] += 100 * np.sqrt(rows.shape[1]) * rows[chosen] / np.maximum(lengths, 1e-12)
    return (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)
