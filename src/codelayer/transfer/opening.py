"""Backbones by name: "file:mobilenet.npz", "timm:resnet18", "random:file:mobilenet.npz", a bundle of Codelayer's.

Reads  a name, or a Backbone, which passes through.
Gives  `open_backbone`; `backbone_parts` and `backbone_from`, by which a bundle keeps the net inside it.
Skips  fetching: what a source's own library does not have on this machine is told in a sentence.

A name is PREFIX:REST; a path without prefix is a file or a bundle. "random:" before any name is the same net
untrained, whose scales are drawn from the first rows it sees.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import BundleError, DataError, did_you_mean
from ..nets.backbone import Backbone, Pictures, random_twin
from .bundles import open_bundle, restore_bundle
from .files import HASHED, SUFFIXES, open_file, restore_plan
from .parts import lacks_memory
from .sources import (
    open_hf,
    open_keras,
    open_onnx,
    open_timm,
    restore_hf,
    restore_keras,
    restore_onnx,
    restore_timm,
)


def _open_any_file(rest: str, size: int | None, weights: bool) -> Backbone:
    told = HASHED.match(rest)
    frozen = Path(told["path"] if told else rest).suffix.lower() == ".onnx"
    return (open_onnx if frozen else open_file)(rest, size, weights)


Open = Callable[[str, int | None, bool], Backbone]
SOURCES: dict[str, Open] = {"file": _open_any_file, "timm": open_timm, "keras": open_keras, "hf": open_hf}
RESTORE: dict[str, Callable[[Mapping[str, Any], Mapping[str, np.ndarray]], Backbone]] = {
    "plan": restore_plan,
    "bundle": restore_bundle,
    "timm": restore_timm,
    "keras": restore_keras,
    "hf": restore_hf,
    "onnx": restore_onnx,
}
RANDOM = "random"


def open_backbone(source: str | Path | Backbone, size: int | None = None, seed: int = 0) -> Backbone:
    """A net with named stages.

    source  "file:PATH" (.npz or .safetensors with a plan, .onnx), "timm:NAME" and "keras:NAME", each with "@FILE" for
            weights in a file, "hf:FOLDER", "random:" and any of these, or the path of a bundle
    size    pixels per side to which pictures are brought, instead of the size the net was trained on; of a Backbone
            that was opened with another size a second one with the same weights is given
    seed    of the weights of a random twin
    errors  DataError, BundleError, CodelayerError (a library that is not installed), each with the remedy
    """
    _check_size(size)
    if isinstance(source, Backbone):
        return source if size is None else _resized(source, size)
    name = str(source)
    prefix, _, rest = name.partition(":")
    if prefix == RANDOM and rest:
        twin = random_twin(_opened(rest, size, weights=False), seed)
        twin.name = name
        return twin
    return _opened(name, size, weights=True)


def _check_size(size: Any) -> None:
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 8 <= size <= 2048):
        raise DataError(f"size={size!r} is not possible", "pictures have 8 to 2048 pixels per side")


def _resized(given: Backbone, size: int) -> Backbone:
    """The net for pictures of another size: its weights are shared, its preprocessing is its own."""
    told = given.prepare
    if not isinstance(told, Pictures):
        raise DataError(f"{given.name} takes rows of its own form, not pictures of {size} pixels", "leave size away")
    if (told.height, told.width) == (size, size):
        return given
    other = copy.copy(given)
    other.prepare = replace(told, height=size, width=size)
    try:
        with torch.no_grad():
            other.walk(other.prepare.sample(), "all")
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        if lacks_memory(error):
            raise
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DataError(f"{given.name} takes no pictures of {size} pixels ({reason})", "leave size away") from None
    return other


def _opened(name: str, size: int | None, weights: bool) -> Backbone:
    prefix, _, rest = name.partition(":")
    if prefix in SOURCES and rest:
        found = SOURCES[prefix](rest, size, weights)
    elif Path(name).is_dir() or (Path(name).suffix.lower() == ".zip" and Path(name).exists()):
        found = open_bundle(name, size)
    elif Path(name).suffix.lower() in SUFFIXES and (Path(name).exists() or not rest):
        found = _open_any_file(name, size, weights)
    else:
        known = ", ".join(f"{one}:" for one in (*SOURCES, RANDOM))
        close = did_you_mean(prefix, SOURCES) if rest else ""
        raise DataError(f"no backbone is called {name!r}{close}", f"name it {known} or give the path of a bundle")
    found.name = name
    return found


def backbone_parts(backbone: Backbone) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The plan (plain JSON) and arrays from which `backbone_from` makes the same net without any other file.

    errors  BundleError: a net that no source can build again
    """
    if backbone.source.get("form") not in RESTORE:
        raise BundleError(f"{backbone.name} cannot be kept in a bundle", "open it by a name, not as a module")
    tensors = {name: value.detach().cpu().numpy() for name, value in backbone.net.state_dict().items()}
    plan = {
        "name": backbone.name,
        "source": backbone.source,
        "preprocessing": backbone.prepare.record(),
        "stages": backbone.places,
        "layout": backbone.layout,
        "licence": backbone.licence,
        "trained": backbone.trained,
        "classes": list(backbone.classes),
    }
    return plan, {**{f"net.{name}": value for name, value in tensors.items()}, **_kept(backbone)}


def _kept(backbone: Backbone) -> dict[str, np.ndarray]:
    return {f"kept.{name}": value for name, value in backbone.kept.items()}


def backbone_from(plan: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Backbone:
    """The net that `backbone_parts` wrote down.

    errors  BundleError: the parts do not fit together
    """
    try:
        source = dict(plan["source"])
        kept = {name.removeprefix("kept."): one for name, one in tensors.items() if name.startswith("kept.")}
        net = {name.removeprefix("net."): one for name, one in tensors.items() if name.startswith("net.")}
        found = RESTORE[source["form"]](source, kept or net)
        found.net.load_state_dict({name: torch.from_numpy(np.array(one)) for name, one in net.items()})
        found.name, found.licence = str(plan["name"]), str(plan["licence"])
        found.trained, found.classes = bool(plan["trained"]), tuple(plan["classes"])
        found.calibrated = True
        if plan["preprocessing"].get("form") == "pictures":
            found.prepare = Pictures.from_record(plan["preprocessing"])
        if dict(plan["stages"]) != found.places:
            raise BundleError("its stages are not those of its net", "save it again")
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BundleError(f"the backbone in the bundle cannot be built again ({reason})", "save it again") from None
    return found
