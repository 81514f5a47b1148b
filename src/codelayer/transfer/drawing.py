"""Dropout and its like draw from one number, and whether anything was drawn is told.

Reads  a net, a number.
Gives  `Drawn`: a context in which all that the net draws follows from the number alone, and torch's own stream
       afterwards as it was; `own_draws`, for it.
Skips  devices other than the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self, runtime_checkable

import torch
from torch import nn

from ..objective.trace import stream_number


@runtime_checkable
class OwnDraws(Protocol):
    """A module, of another library's layers, that draws from streams of its own."""

    def reseed(self, number: int) -> None:
        """Begin its streams anew, at 63 bits."""
        ...

    def has_drawn(self) -> bool:
        """Whether it drew since."""
        ...


def own_draws(net: nn.Module) -> dict[str, OwnDraws]:
    """The modules of a net that draw from streams of their own, by name."""
    return {name: one for name, one in net.named_modules() if isinstance(one, OwnDraws)}


class Drawn:
    """What a net draws in a `with` block follows from `number`; afterwards `some` tells whether it drew anything.

    own  its `own_draws`
    """

    def __init__(self, number: int, own: Mapping[str, OwnDraws]) -> None:
        self.number, self.own, self.some = number, own, False

    def __enter__(self) -> Self:
        self._before = torch.get_rng_state()
        torch.default_generator.manual_seed(self.number)  # torch.manual_seed would seed absent devices, too
        self._start = torch.get_rng_state()
        for name, one in self.own.items():
            one.reseed(stream_number(self.number, name, 0))
        return self

    def __exit__(self, *error: object) -> None:
        self.some = not torch.equal(torch.get_rng_state(), self._start) or any(
            one.has_drawn() for one in self.own.values()
        )
        torch.set_rng_state(self._before)
