"""Freezing: what is frozen keeps its bits, parameters and buffers, whatever mode its surroundings are set to.

Reads  an nn.Module or a Backbone, and names: patterns of modules, parameters and buffers, or stages.
Gives  `freeze`, `thaw`, `hold` and `leaves`, and `stage_leaves` of a backbone.
Skips  rates and when what is frozen may learn: `paces`.

A module that is held stays in eval mode whatever `train()` is called, on it or on its parents: batch normalisation
keeps its running statistics and uses them, dropout is off. Patterns are those of the shell: `*` is any text.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from ..errors import SentenceError, did_you_mean
from ..nets.backbone import Backbone


class _Held:
    """What stands in for `train` on a module that is held; with it the module can be copied and pickled."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, mode: bool = True) -> nn.Module:
        return nn.Module.train(self.module, False)


def freeze(net: nn.Module | Backbone, *what: str) -> list[str]:
    """Stop parts of a net from learning: no gradients, and buffers that stay as they are.

    what     stages of a backbone, or patterns of dotted names ("layer1", "layer1.*", "*.bias"); a module's name takes
             all that lies in it; nothing means the whole net
    returns  names of the parameters and buffers that are matched
    errors   SentenceError: a pattern that matches nothing, with the closest name
    """
    return _set(net, what, frozen=True)


def thaw(net: nn.Module | Backbone, *what: str) -> list[str]:
    """Let parts of a net learn again; the counterpart of `freeze`, with the same names.

    A thawed module takes the mode of the next `train()` or `eval()`.
    """
    return _set(net, what, frozen=False)


def leaves(net: nn.Module) -> dict[str, list[str]]:
    """Modules that hold state of their own or have no parts, in order; each with the names of its own state."""
    found: dict[str, list[str]] = {}
    for name, module in net.named_modules():
        # buffers that are not saved are state, too
        own = [one for one, value in (module._parameters | module._buffers).items() if value is not None]
        if own or not module._modules:
            found[name] = [f"{name}.{one}".lstrip(".") for one in own]
    return found


def stage_leaves(backbone: Backbone) -> dict[str, list[str]]:
    """Stage -> its `leaves`, in the order of `Backbone.by_stage`; "" is what lies behind the last stage."""
    stages = backbone.stages_of_modules()
    found: dict[str, list[str]] = {stage: [] for stage in (*backbone.stages, "")}
    for name in leaves(backbone.net):
        found[stages[name]].append(name)
    return found


def hold(net: nn.Module, held: Iterable[str]) -> None:
    """Keep exactly these `leaves` in eval mode, and every module of which all parts are among them.

    Modules that are let go keep their mode until the next `train()` or `eval()`.
    """
    kept, modules = set(held), dict(net.named_modules())
    ours = set(leaves(net))
    ends = {name: _ends(name, module, ours) for name, module in modules.items()}
    for name, module in modules.items():
        stays = bool(ends[name]) and ends[name] <= kept
        if stays and not isinstance(module.__dict__.get("train"), _Held):
            module.train = _Held(module)  # type: ignore[method-assign]
            module.train()
        elif not stays and isinstance(module.__dict__.get("train"), _Held):
            del module.__dict__["train"]


def held_leaves(net: nn.Module) -> set[str]:
    """The `leaves` that are held now."""
    modules = dict(net.named_modules())
    return {name for name in leaves(net) if isinstance(modules[name].__dict__.get("train"), _Held)}


def _ends(name: str, module: nn.Module, ours: set[str]) -> set[str]:
    below = {f"{name}.{one}".strip(".") if one else name for one, _ in module.named_modules()}
    return below & ours


def _set(net: nn.Module | Backbone, what: tuple[str, ...], frozen: bool) -> list[str]:
    stages: Mapping[str, list[str]] = {}
    if isinstance(net, Backbone):
        stages, net = {one: names for one, names in stage_leaves(net).items() if one}, net.net
    ends, modules = leaves(net), dict(net.named_modules())
    state = [one for names in ends.values() for one in names]
    chosen_leaves: set[str] = set()
    chosen_state: set[str] = set()
    for pattern in what or ("*",):
        if pattern in stages:
            some, own = set(stages[pattern]), {one for name in stages[pattern] for one in ends[name]}
        else:
            roots = [name for name in modules if name and fnmatch.fnmatchcase(name, pattern)]
            some = {name for name in ends if any(_inside(name, root) for root in roots)}
            some |= set(ends) if pattern == "*" else set()
            own = {one for one in state if fnmatch.fnmatchcase(one, pattern)}
            own |= {one for name in some for one in ends[name]}
        if not some and not own:
            known = [*stages, *(name for name in modules if name), *state]
            raise SentenceError(f"{pattern!r} matches no part of this net{_close(pattern, known)}", _few(stages, known))
        chosen_leaves |= some
        chosen_state |= own
    parameters = dict(net.named_parameters(remove_duplicate=False))
    for name in chosen_state & set(parameters):
        if parameters[name].is_floating_point():
            parameters[name].requires_grad_(not frozen)
    touched = {name for name, own in ends.items() if _whole(own, chosen_state, parameters)} | chosen_leaves
    hold(net, held_leaves(net) | touched if frozen else held_leaves(net) - touched)
    return [one for one in state if one in chosen_state]


def _whole(own: list[str], chosen: set[str], parameters: Mapping[str, Any]) -> bool:
    """Whether all parameters of a module are chosen, or one of its buffers: then it can only keep all of itself."""
    weights, buffers = [one for one in own if one in parameters], [one for one in own if one not in parameters]
    return any(one in chosen for one in buffers) or (bool(weights) and all(one in chosen for one in weights))


def _inside(name: str, place: str) -> bool:
    return name == place or place == "" or name.startswith(f"{place}.")


def _close(pattern: str, known: Iterable[str]) -> str:
    names = list(known)
    return did_you_mean(pattern, names) or did_you_mean(pattern.replace("*", "").strip("."), names)


def _few(stages: Mapping[str, Any], known: list[str]) -> str:
    some = list(stages) or known
    return f"it has {', '.join(some[:12])}{', ...' if len(some) > 12 else ''}"
