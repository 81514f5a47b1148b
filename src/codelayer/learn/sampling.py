"""New rows from a gaussian() code, and which of its units fell to the prior.

Reads  a fitted model whose objective says gaussian().
Gives  `Sampling`, a coder that can `sample`; `collapsed_units`.
Skips  what the noise of a likelihood is: each loss says it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..errors import DataError, SentenceError
from ..objective import Model
from ..objective.trace import generator
from ..objective.variational import unit_nats
from .coder import Coder
from .dead import COLLAPSED
from .settings import seed_of

ROWS_AT_ONCE = 1000


class Sampling(Coder):
    """A coder that draws rows from what a gaussian() code learned."""

    model_: Model
    history_: list[dict[str, float]]

    def sample(self, n: int, random_state: Any = None, noise: bool = True) -> Any:
        """n new rows, drawn from N(0, I) through the decoder, in the kind and units of the data that was fitted.

        n             rows to draw
        random_state  of the draws; None draws others each time
        noise         draw each row from the loss's likelihood: under normal() numbers with the learned deviation, under
                      columns() numbers with one deviation of their column and categories by their probabilities.
                      False gives means and most probable categories, which vary less than the data; bernoulli() and
                      losses that are no likelihood, such as squared(), always do
        errors        SentenceError when the objective holds no code near N(0, I); DataError for n below 1
        """
        check_is_fitted(self)
        objective = self.model_.objective
        if not objective.is_gaussian or not any(term.name == "prior" for term in objective.penalties):
            problem = f"{objective.text} gives no distribution to draw rows from"
            raise SentenceError(problem, 'fit with gaussian() + prior(1), the recipe "variational"')
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise DataError(f"{n!r} rows cannot be drawn", "ask for a whole number, at least 1")
        seed = seed_of(random_state)
        codes = torch.randn(int(n), self.model_.plan.code_size, generator=generator(seed, "sample", 0)).numpy()
        if not noise or not hasattr(objective.loss, "drawn"):
            return self.inverse_transform(codes)
        starts = range(0, len(codes), ROWS_AT_ONCE)
        means = [torch.from_numpy(self.decode_samples(codes[i : i + ROWS_AT_ONCE])).flatten(1) for i in starts]
        module = self.model_.module_of(objective.loss.name)
        drawn = [
            objective.loss.drawn(part, self.model_.plan, module, generator(seed, "noise", i))
            for i, part in enumerate(means)
        ]
        return self.schema_.inverse(torch.cat(drawn).numpy().reshape(-1, *self.schema_.shape))

    def _collapsed(self, x: Tensor) -> np.ndarray:
        # before the first step every unit is near the prior
        return collapsed_units(self.model_, x) if self.history_ else np.zeros(0, np.int64)


def collapsed_units(model: Model, x: Tensor) -> np.ndarray:
    """The units of a gaussian() code whose mean KL from the prior over rows x is below COLLAPSED nats, (k,) int.

    x  (rows, *shape) encoded rows; without gaussian() no unit collapses
    """
    if not model.objective.is_gaussian:
        return np.zeros(0, np.int64)
    with torch.no_grad():
        total = sum(unit_nats(model.net.encode(some)).sum(0) for some in x.split(ROWS_AT_ONCE))
    return np.flatnonzero(torch.as_tensor(total).cpu().numpy() / len(x) < COLLAPSED)
