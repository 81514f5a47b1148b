"""Adam, by torch's fused kernel alone: a tenth of a small net's step are the checks that torch.optim makes around it,
and the first use of its class takes two seconds to import a compiler that is not needed here.

Reads  parameters and their gradients.
Gives  `Adam`: step, clear, and its state as named arrays for checkpoints.
Source: Kingma and Ba 2015, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8
SLOTS = ("exp_avg", "exp_avg_sq", "step")


class Adam:
    """The moments of every parameter and how many steps it took."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = [one for one in parameters if one.requires_grad]
        self.mean = [torch.zeros_like(one) for one in self.parameters]
        self.square = [torch.zeros_like(one) for one in self.parameters]
        self.steps = [torch.zeros((), device=one.device) for one in self.parameters]

    def clear(self) -> None:
        """Forget the gradients."""
        for one in self.parameters:
            one.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient."""
        slots = zip(self.parameters, self.mean, self.square, self.steps, strict=True)
        moved = [(one, one.grad, mean, square, step) for one, mean, square, step in slots if one.grad is not None]
        if not moved:
            return
        weights, grads, means, squares, steps = map(list, zip(*moved, strict=True))
        torch._foreach_add_(steps, 1.0)
        torch._fused_adam_(
            weights,
            grads,
            means,
            squares,
            [],
            steps,
            lr=learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """{parameter's place}.{slot} -> tensor."""
        slots = zip(SLOTS, (self.mean, self.square, self.steps), strict=True)
        return {f"{place}.{slot}": one for slot, all_of in slots for place, one in enumerate(all_of)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state.

        errors  KeyError, RuntimeError when it belongs to other parameters
        """
        for name, mine in self.state().items():
            mine.copy_(state[name])
