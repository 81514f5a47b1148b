"""A net is entered behind a frozen stage: what lies before it is played back instead of computed.

Reads  a backbone, the stage, what that stage gave for some rows.
Gives  `Entry`: the last stage's activation of those rows.
Skips  keeping activations: `feeding` does.

One row of zeros goes through the whole net once, and what each module before the stage's end gives is noted. Later
walks take that row again: the modules before play back what they gave, the stage gives the kept activation, and
whatever follows is computed. So any control flow serves, and what is frozen costs next to nothing. Whether nothing
passes by the stage (a sum that reaches across it) is tried on real rows first, by `fits`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import SentenceError
from ..learn.groups import leaves, stage_leaves
from ..nets.backbone import Backbone

CLOSE = 1e-4  # of the largest entry: what another batch size may round differently


class Entry:
    """A way into a backbone behind one of its stages, but the last.

    backbone  in eval mode up to that stage
    after     the stage
    prepared  at least one prepared row, for its shape
    """

    def __init__(self, backbone: Backbone, after: str, prepared: Tensor) -> None:
        self.backbone, self.after = backbone, after
        modules = dict(backbone.net.named_modules())
        self.module = modules[backbone.places[after]]
        self.row = torch.zeros_like(prepared[:1])
        self._noted: list[tuple[nn.Module, list[Any]]] = []
        before = _before(backbone, after)
        handles = [module.register_forward_hook(self._note(module)) for module in before]
        try:
            backbone.net.eval()
            with torch.no_grad():
                backbone.walk(self.row, backbone.last)
        finally:
            for handle in handles:
                handle.remove()

    def __call__(self, activation: Tensor) -> Tensor:
        """The last stage's activation for what the stage gave, rows for rows; gradients flow where they are on."""

        def replaced(_: nn.Module, inputs: Any, output: Any) -> Any:
            return (activation, *output[1:]) if isinstance(output, tuple | list) else activation

        handle = self.module.register_forward_hook(replaced)
        for module, given in self._noted:
            module.forward = _played(iter(given))
        try:
            return self.backbone.walk(self.row, self.backbone.last)[self.backbone.last]
        finally:
            handle.remove()
            for module, _ in self._noted:
                del module.__dict__["forward"]

    def fits(self, prepared: Tensor) -> bool:
        """Whether entering gives what a whole walk gives, on real rows."""
        net = self.backbone
        with torch.no_grad():
            found = net.walk(prepared, (self.after, net.last))
            try:
                entered = self(found[self.after])
            except (RuntimeError, StopIteration, SentenceError):  # shapes that do not meet, another way through
                return False
        whole = found[net.last]
        scale = float(whole.abs().max()) or 1.0
        return entered.shape == whole.shape and float((entered - whole).abs().max()) <= CLOSE * scale

    def _note(self, module: nn.Module) -> Any:
        given: list[Any] = []

        def hook(_: nn.Module, inputs: Any, output: Any) -> None:
            if not given:
                self._noted.append((module, given))
            given.append(output)

        return hook


def _played(given: Any) -> Callable[..., Any]:
    return lambda *inputs, **options: next(given)


def _before(backbone: Backbone, after: str) -> list[nn.Module]:
    """The largest modules that lie before the end of a stage as a whole, without what its own module lies in."""
    place, done = backbone.places[after], backbone.stages.index(after) + 1
    by_stage = stage_leaves(backbone)
    frozen = {leaf for stage in backbone.stages[:done] for leaf in by_stage[stage]}
    modules, ends = dict(backbone.net.named_modules()), leaves(backbone.net)
    found: dict[str, nn.Module] = {}
    for name, module in modules.items():
        if any(_inside(name, one) for one in found) or (name != place and _inside(place, name)):
            continue
        below = {one for one in ends if _inside(one, name)}
        if below and below <= frozen and "forward" not in module.__dict__:
            found[name] = module
    return list(found.values())


def _inside(name: str, place: str) -> bool:
    return name == place or place == "" or name.startswith(f"{place}.")
