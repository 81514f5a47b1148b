"""Learned ISTA: a net of a few shrinkage steps that predicts the codes a solver would need hundreds of steps for.

    B = W x,  z_0 = shrink(B, t),  z_k = shrink(B + S z_(k-1), t)       W, S and t are learned

Reads  rows, dense or CSR, and a dictionary; the codes it imitates come from `feature_sign`.
Gives  a `ListaNet` module; `lista` makes a coder of it.
Source: Gregor and LeCun 2010, equations 5 and 6 and algorithm 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DataError
from ...objective.trace import generator
from ..adam import Adam
from ..loop import schedule
from .problem import dense, problem
from .shrinkage import lipschitz
from .support import feature_sign

AT_ONCE = 4096  # rows


class ListaNet(nn.Module):
    """`steps` shrinkage steps with learned matrices and thresholds; before training they are ISTA's.

    dictionary  (features, units)
    l1          weight of sum |z| in the problem that is imitated
    steps       at least 1; the untrained net gives exactly the codes of so many steps of ISTA
    """

    def __init__(self, dictionary: np.ndarray, l1: float = 0.1, steps: int = 3) -> None:
        super().__init__()
        whole = problem(np.zeros((1, len(dictionary))), dictionary, l1, 0.0)
        most = lipschitz(whole.gram)
        self.steps = steps
        self.encode = nn.Parameter(_tensor(whole.dictionary.T / most))
        self.inhibit = nn.Parameter(_tensor(np.eye(whole.units) - whole.gram / most))
        self.threshold = nn.Parameter(torch.full((whole.units,), l1 / most))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) -> (batch, units)."""
        driven = x @ self.encode.t()
        codes = _shrink(driven, self.threshold)
        for _ in range(self.steps - 1):
            codes = _shrink(driven + codes @ self.inhibit.t(), self.threshold)
        return codes

    def codes(self, x: Any) -> np.ndarray:
        """Codes of rows (n, features), dense or CSR, (n, units) float32."""
        x = x.tocsr() if hasattr(x, "tocsr") else np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.encode.shape[1]:
            problem = f"rows of shape {x.shape} do not fit a dictionary of {self.encode.shape[1]} features"
            raise DataError(problem, "rows are (n, features)")
        made = np.empty((x.shape[0], len(self.threshold)), np.float32)
        with torch.no_grad():
            for start in range(0, x.shape[0], AT_ONCE):
                made[start : start + AT_ONCE] = self(_tensor(dense(x[start : start + AT_ONCE]))).numpy()
        return made


def learn_lista(
    x: Any,
    dictionary: Any,
    l1: float = 0.1,
    *,
    steps: int = 3,
    epochs: int = 30,
    batch_size: int = 128,
    learning_rate: float = 0.001,
    seed: int = 0,
) -> ListaNet:
    """A `ListaNet` trained on the optimal codes of rows x by their mean squared error.

    x, dictionary  (n, features) and (features, units)
    l1             weight of sum |z|
    steps          shrinkage steps of the net
    epochs, batch_size, learning_rate  passes, rows per step, the peak of a warm-up and cosine schedule for Adam
    seed           of the order of the rows
    errors         DataError when the arrays do not fit together
    """
    wanted = _tensor(feature_sign(x, dictionary, l1))
    rows, net = x.tocsr() if hasattr(x, "tocsr") else np.asarray(x), ListaNet(np.asarray(dictionary), l1, steps)

    def batch_of(some: np.ndarray) -> tuple[Tensor, Tensor]:
        return _tensor(dense(rows[some])), wanted[some]

    return teach(net, batch_of, len(wanted), epochs, batch_size, learning_rate, seed)


def teach(
    net: ListaNet,
    batch_of: Callable[[np.ndarray], tuple[Tensor, Tensor]],
    rows: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> ListaNet:
    """The net after training on batches: batch_of(places) gives rows (batch, features) and their optimal codes."""
    optimizer, total, step = Adam(net.parameters()), epochs * -(-rows // batch_size), 0
    for epoch in range(epochs):
        for batch in torch.randperm(rows, generator=generator(seed, "lista", epoch)).split(batch_size):
            x, wanted = batch_of(batch.numpy())
            loss = (net(x) - wanted).square().sum(1).mean()
            optimizer.clear()
            loss.backward()
            optimizer.step(learning_rate * schedule(step, total))
            step += 1
    return net.eval()


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _shrink(v: Tensor, threshold: Tensor) -> Tensor:
    return v.sign() * (v.abs() - threshold).relu()
