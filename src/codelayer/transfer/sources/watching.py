"""What a net's modules give, seen in one run on a grey picture: which ran, in which order, and which one is the end.

Reads  a module and how to run it.
Gives  outputs by place; draws that leave the process's own random numbers as they were.
Skips  tracing: nets whose flow depends on values are run, not read.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def outputs(net: nn.Module, places: Iterable[str], run: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
    """Outputs of modules in the order in which they last ran, and what `run` gave; nothing is learned."""
    ran: dict[str, Any] = {}

    def kept(place: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            ran.pop(place, None)
            ran[place] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [net.get_submodule(place).register_forward_hook(kept(place)) for place in places]
    try:
        with torch.inference_mode():
            return ran, run()
    finally:
        for handle in handles:
            handle.remove()


def outer(net: nn.Module) -> list[str]:
    """Places of the modules that a net holds directly."""
    return [place for place, _ in net.named_children()]


def with_end(found: list[str], ran: dict[str, Any], end: Any) -> list[str]:
    """`found`, and behind it the place whose output is the net's own, if none of them is it."""
    last = [place for place, one in ran.items() if one is end]
    return found if not last or any(ran[place] is end for place in found) else [*found, last[-1]]


def arrays(places: Iterable[str], ran: dict[str, Any]) -> list[str]:
    """Those of some places that gave one array, in the order in which they ran."""
    wanted = set(places)
    return [place for place, one in ran.items() if place in wanted and isinstance(one, Tensor)]


@contextlib.contextmanager
def apart() -> Generator[None]:
    """A context whose draws are always the same, and leave those of torch, numpy and Python as they were."""
    plain, rows = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(rows)
