"""Which stage a module belongs to, by the order in which modules run.

Reads  a module, its stages' places, one prepared row.
Gives  `stages_of_modules`: the name of every module -> its stage; "" is behind the last one.
Skips  parameters and buffers: they belong where their module does.

A module belongs to the first stage whose output is there after the module has begun: what it holds may change that
output, and no earlier one. One that is never called by itself (the projection inside an attention) goes with the one
around it; what no run reaches, and everything where nothing can be run, goes by the order of registration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def stages_of_modules(net: nn.Module, places: Mapping[str, str], row: Tensor | None) -> dict[str, str]:
    """Module name -> stage, or "" behind the last one; modules with two names are there twice.

    places  stage -> name of the module whose output it is, in order
    row     one row as the net takes it, or None where nobody knows its shape
    """
    modules = dict(net.named_modules(remove_duplicate=False))
    registered = _by_registration(modules, places)
    begun, ended = ({}, {}) if row is None else _timed(net, row)
    if any(id(modules[place]) not in ended for place in places.values()):
        return registered
    ends = {stage: ended[id(modules[place])] for stage, place in places.items()}
    found = {}
    for name in modules:
        around: str | None = name
        while around is not None and id(modules[around]) not in begun:
            around = _around(around, places)
        if around is None:
            found[name] = registered[name]
            continue
        at = begun[id(modules[around])]
        found[name] = next((stage for stage, end in ends.items() if at <= end), "")
    return found


def inside(name: str, place: str) -> bool:
    """Whether a module is `place` or lies in it."""
    return name == place or place == "" or name.startswith(f"{place}.")


def _around(name: str, places: Mapping[str, str]) -> str | None:
    """The module that holds this one, unless a stage ends in it."""
    outer = name.rpartition(".")[0]
    ends_in = any(place != outer and inside(place, outer) for place in places.values())
    return None if not name or ends_in else outer


def _by_registration(modules: Mapping[str, nn.Module], places: Mapping[str, str]) -> dict[str, str]:
    """A stage holds what was registered after the one before it, up to the end of its own module."""
    first: dict[int, int] = {}
    order = {name: first.setdefault(id(module), at) for at, (name, module) in enumerate(modules.items())}
    ends = {stage: max(at for name, at in order.items() if inside(name, place)) for stage, place in places.items()}
    return {name: next((stage for stage, end in ends.items() if at <= end), "") for name, at in order.items()}


def _timed(net: nn.Module, row: Tensor) -> tuple[dict[int, int], dict[int, int]]:
    """When each module first began and first ended, by its id, in a run in eval mode, as far as it gets."""
    begun: dict[int, int] = {}
    ended: dict[int, int] = {}
    modules = list(net.modules())
    modes = [module.training for module in modules]

    def begins(module: nn.Module, inputs: Any) -> None:
        begun.setdefault(id(module), len(begun) + len(ended))

    def ends(module: nn.Module, inputs: Any, output: Any) -> None:
        ended.setdefault(id(module), len(begun) + len(ended))

    handles = [one.register_forward_pre_hook(begins) for one in modules]
    handles += [one.register_forward_hook(ends) for one in modules]
    try:
        for one in modules:
            one.training = False  # not `eval()`, which what is held answers in its own way
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            net(row)
    except Exception:  # whatever another library's net says to this row: what ran until then has run
        pass
    finally:
        for handle in handles:
            handle.remove()
        for one, mode in zip(modules, modes, strict=True):
            one.training = mode
    return begun, ended
