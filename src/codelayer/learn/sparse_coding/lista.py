"""Learned ISTA as a coder: a net of a few steps, trained to predict the sparse codes of a dictionary.

Reads  the same rows through the same schema as the autoencoder.
Gives  a transformer with the autoencoder's contract and saved form.
Source: Gregor and LeCun 2010, equations 5 and 6 and algorithm 3.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ... import bundle
from ...errors import BundleError, SentenceError
from .. import sources
from ..baselines import _Baseline
from .dictionary import Dictionary, check_counts, flat_batch
from .imitation import ListaNet, teach
from .shrinkage import shrink
from .support import feature_sign


@bundle.kind("lista")
class Lista(_Baseline):
    """A prediction of sparse codes over a dictionary, in `steps` shrinkage steps whose matrices are learned.

    z_1 = shrink(W x, t), z_(k+1) = shrink(W x + S z_k, t): W, S and t begin as those of ISTA and are trained on the
    exact codes of the rows. Many times as fast as a solver; the codes are near the optimum, not at it.

    Parameters
    ----------
    code_size : int, default=32
        Atoms of the dictionary, which is learned as by `Dictionary`.
    l1 : float, default=0.1
        Weight of the sum of absolute codes, in units of the encoded input.
    steps : int, default=3
        Shrinkage steps of the net.
    epochs : int, default=30
        Passes over the rows in which the net learns.
    batch_size : int, default=128
        Rows per step of learning.
    learning_rate : float, default=0.003
        Peak of a warm-up and cosine schedule for Adam.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of the dictionary and the order of the rows.
    dictionary : (features, units) array or None, default=None
        A dictionary to imitate, in units of the encoded input (Schema), beside which `code_size` is not read.
        A bundle keeps it as `atoms_`.

    Attributes
    ----------
    atoms_ : (units, features) float32, which rebuild rows from codes
    mean_ : (features,) float32, of the rows
    encode_ : (units, features) float32, W
    inhibit_ : (units, units) float32, S
    threshold_ : (units,) float32, t

    References
    ----------
    Gregor and LeCun 2010, equations 5 and 6 and algorithm 3.
    """

    kind_name = "lista"
    array_names = ("atoms", "mean", "encode", "inhibit", "threshold")

    def __init__(
        self,
        code_size: int = 32,
        l1: float = 0.1,
        steps: int = 3,
        epochs: int = 30,
        batch_size: int = 128,
        learning_rate: float = 0.003,
        scale: str = "auto",
        random_state: Any = None,
        dictionary: Any = None,
    ) -> None:
        self.code_size = code_size
        self.l1 = l1
        self.steps = steps
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.scale = scale
        self.random_state = random_state
        self.dictionary = dictionary

    # --- learning -----------------------------------------------------------------------------------------------

    def _learn(self, rows: Any) -> None:
        check_counts(self, "steps", "epochs", "batch_size")
        if not isinstance(self.learning_rate, int | float | np.number) or not 0 < self.learning_rate < float("inf"):
            raise SentenceError(f"learning_rate={self.learning_rate!r} is not possible", "it is above 0, such as 0.003")
        found = Dictionary(self.code_size, self.l1, random_state=self.random_state, dictionary=self.dictionary)
        found.schema_ = self.schema_
        found._learn(rows)
        served = sources.Rows(rows, self.schema_)
        solved = _Solved(served, found)
        net = ListaNet(found.atoms_.T, self.l1, self.steps)
        teach(net, solved.batch, served.length, self.epochs, self.batch_size, self.learning_rate, found._seed)
        self.atoms_, self.mean_ = found.atoms_, found.mean_
        self.encode_, self.inhibit_ = net.encode.detach().numpy(), net.inhibit.detach().numpy()
        self.threshold_ = net.threshold.detach().numpy()
        self._n_features_out = len(self.atoms_)

    # --- coding -------------------------------------------------------------------------------------------------

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        # in float64: a row gets the same bits wherever it stands
        x = encoded.reshape(len(encoded), -1).astype(np.float64) - self.mean_
        driven, threshold = x @ self.encode_.T.astype(np.float64), np.maximum(self.threshold_, 0)
        inhibit, codes = self.inhibit_.T.astype(np.float64), shrink(driven, threshold)
        for _ in range(self.steps - 1):
            codes = shrink(driven + codes @ inhibit, threshold)
        return codes.astype(np.float32)

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        return codes @ self.atoms_ + self.mean_

    def _mean_row(self) -> np.ndarray:
        return self.mean_

    # --- saving -------------------------------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plan, tensors = super()._state()
        del plan["options"]["dictionary"]  # it is in the atoms
        return plan, tensors

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Self:
        """The coder a bundle holds.

        errors  BundleError when an array is missing or has another shape than the schema says
        """
        made = super().from_bundle(found)
        units, features = made._n_features_out, made.schema_.features
        shapes = [(units, features), (features,), (units, features), (units, units), (units,)]
        if [getattr(made, f"{name}_").shape for name in cls.array_names] != shapes:
            raise BundleError(f"{found.path} does not hold a net of {units} units", "save it again")
        return made


class _Solved:
    """Batches of rows with their exact codes; these are kept from the first pass on where they are few."""

    def __init__(self, rows: sources.Rows, dictionary: Dictionary) -> None:
        self.rows, self.dictionary = rows, dictionary
        small = rows.length * len(dictionary.atoms_) * 4 <= sources.KEEP_BYTES
        self.kept = np.zeros((rows.length, len(dictionary.atoms_)), np.float32) if small else None
        self.known = np.zeros(rows.length, bool)

    def batch(self, some: np.ndarray) -> tuple[Tensor, Tensor]:
        x = flat_batch(self.rows, some) - self.dictionary.mean_
        if self.kept is not None and self.known[some].all():
            return torch.from_numpy(x), torch.from_numpy(self.kept[some])
        atoms = self.dictionary.atoms_.T.astype(np.float64)
        codes = feature_sign(x.astype(np.float64), atoms, self.dictionary.l1).astype(np.float32)
        if self.kept is not None:
            self.kept[some], self.known[some] = codes, True
        return torch.from_numpy(x), torch.from_numpy(codes)
