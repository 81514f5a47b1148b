"""Nets that are written down as a list of operations: convolutions, sums, a mean over places.

Reads  a plan (JSON: "ops" in the order they run) and the arrays of its convolutions.
Gives  `PlannedNet`, an nn.Module with one module per operation, and its stages.
Skips  batch normalisation, which such plans have folded into the convolutions.

An operation is {"op": "conv" | "add" | "global_avg_pool", "name", "src" (a name or "input"; two names for add),
"stride", "groups", "pad": "same" | "valid", "act": "relu6" | "relu" | null}. "same" is TensorFlow's: at stride 2 the
odd row and column go to the bottom and to the right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import BundleError
from .planarrays import Header, check_arrays

ACTS = {None: nn.Identity, "relu6": nn.ReLU6, "relu": nn.ReLU}
KNOWN = ("conv", "add", "global_avg_pool")
MOST_OPS = 2000
LONGEST = 200  # characters of a name
TAKEN = nn.ModuleDict()  # whose own attributes no module in it can be called


class Same(nn.Conv2d):
    """A convolution whose output is as large as its input over the stride, the odd row at the bottom and right."""

    def forward(self, input: Tensor) -> Tensor:
        """(n, C, H, W) -> (n, outputs, ceil(H / stride), ceil(W / stride))."""
        pads = [
            max((-(-size // s) - 1) * s + k - size, 0)
            for size, s, k in zip(input.shape[2:], self.stride, self.kernel_size, strict=True)
        ]
        if any(pads):
            (tall, wide) = pads
            input = nn.functional.pad(input, (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2))
        return super().forward(input)


class Mean(nn.Module):
    """The mean over places."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, H, W) -> (n, C, 1, 1)."""
        return x.mean((2, 3), keepdim=True)


class Sum(nn.Module):
    """The sum of two maps."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Two (n, C, H, W) -> one."""
        return x + other


class PlannedNet(nn.Module):
    """The net of a plan; its output is that of the last operation, flattened."""

    def __init__(
        self, ops: Sequence[Mapping[str, Any]], shapes: Mapping[str, Sequence[int]], channels: int = 3
    ) -> None:
        super().__init__()
        self.channels = channels
        self.ops = [dict(op) for op in ops]
        self.steps = nn.ModuleDict()
        for op in self.ops:
            self.steps[op["name"]] = _step(op, shapes)
        used = [src for op in self.ops for src in _sources(op)]
        self.until = {name: max(at for at, op in enumerate(self.ops) if name in _sources(op)) for name in set(used)}

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, H, W) -> (n, outputs)."""
        kept = {"input": x}
        for at, op in enumerate(self.ops):
            sources = _sources(op)
            kept[op["name"]] = x = self.steps[op["name"]](*(kept[name] for name in sources))
            for name in set(sources):
                if self.until[name] == at:
                    del kept[name]
        return x.flatten(1)


def planned(spec: Any, arrays: Mapping[str, np.ndarray]) -> tuple[PlannedNet, dict[str, str]]:
    """The net of a plan with its weights, and its stages (stage -> place).

    spec    {"ops": [...], "stages": {stage: name of an operation}, optional}
    arrays  "NAME.weight" (outputs, inputs / groups, height, width) float, or "NAME.q", ".scale" and ".zero"
            (weight = (q - zero) * scale), and "NAME.bias"
    errors  BundleError: a plan that cannot be followed, or arrays that are not the plan's
    """
    ops, stages, channels = _read(spec, arrays)
    weights = {op["name"]: _weight(op["name"], arrays) for op in ops if op["op"] == "conv"}
    net = PlannedNet(ops, {name: weight.shape for name, (weight, _) in weights.items()}, channels)
    with torch.no_grad():
        for name, (weight, bias) in weights.items():
            conv: Any = next(net.steps[name].children())
            conv.weight.copy_(torch.from_numpy(weight))
            conv.bias.copy_(torch.from_numpy(bias))
    _try(net, channels)
    return net, {stage: f"steps.{name}" for stage, name in stages.items()}


def check_plan(spec: Any, headers: Mapping[str, Header]) -> None:
    """Whether a plan can be followed with arrays of these shapes and types, of which nothing is read.

    errors  BundleError, as `planned`
    """
    _read(spec, headers)


def _read(spec: Any, headers: Mapping[str, Header]) -> tuple[list[dict[str, Any]], dict[str, str], int]:
    """Operations, stages (stage -> operation) and the channels of the pictures."""
    ops = _checked(spec)
    return ops, _told_stages(spec, ops), check_arrays(ops, headers)


def _checked(spec: Any) -> list[dict[str, Any]]:
    ops = spec.get("ops") if isinstance(spec, Mapping) else None
    if not isinstance(ops, list) or not 0 < len(ops) <= MOST_OPS:
        raise BundleError("the plan names no operations", 'it is JSON with "ops", a list')
    seen = {"input"}
    for op in ops:
        good = isinstance(op, dict) and isinstance(op.get("name"), str) and op.get("op") in KNOWN
        if not good or op["name"] in seen or "." in op["name"] or not op["name"]:
            raise BundleError(f"the plan has an operation that cannot be read: {str(op)[:80]!r}", f"known: {KNOWN}")
        if hasattr(TAKEN, op["name"]) or len(op["name"]) > LONGEST:
            raise BundleError(f"no operation can be called {op['name'][:80]!r}", "give it another name in the plan")
        sources = _sources(op)
        fits = len(sources) == (2 if op["op"] == "add" else 1) and all(isinstance(one, str) for one in sources)
        if not fits or not set(sources) <= seen:
            raise BundleError(f"operation {op['name']!r} reads what does not come before it", "check the plan")
        if op["op"] == "conv":
            numbers = [op.get("stride", 1), op.get("groups", 1)]
            act = op.get("act")
            known = (act is None or isinstance(act, str)) and act in ACTS and op.get("pad", "same") in ("same", "valid")
            if not known or any(type(one) is not int or not 1 <= one <= 65536 for one in numbers):
                raise BundleError(f"convolution {op['name']!r} cannot be read: {str(op)[:80]!r}", "check the plan")
        seen.add(op["name"])
    return ops


def _told_stages(spec: Mapping[str, Any], ops: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Stage -> operation, as the plan says or by rule, in the order in which they run."""
    told = spec.get("stages")
    if told is None:
        return _stages(ops)
    if not isinstance(told, Mapping) or not told:
        raise BundleError(f"the plan's stages are {str(told)[:80]!r}", "they are {stage: operation}, or left out")
    order = {op["name"]: at for at, op in enumerate(ops)}
    for stage, name in told.items():
        _check_name(stage)
        if not isinstance(name, str) or name not in order:
            raise BundleError(f"the plan has no operation {str(name)[:80]!r} for its stage {stage!r}", "check the plan")
    return dict(sorted(told.items(), key=lambda pair: order[pair[1]]))


def _check_name(stage: Any) -> None:
    """A stage's name stands in tables, options and reports.

    errors  BundleError: no text, empty or too long, control characters, something that reads like a path
    """
    fits = isinstance(stage, str) and 0 < len(stage.strip()) <= len(stage) <= LONGEST and stage.isprintable()
    if not fits or any(part in stage for part in ("/", "\\", "..")):
        raise BundleError(
            f"the plan calls a stage {str(stage)[:80]!r}",
            f"a name has 1 to {LONGEST} printable characters, without '/', '\\' and '..'",
        )


def _sources(op: Mapping[str, Any]) -> list[Any]:
    found = op.get("src")
    return list(found) if isinstance(found, list | tuple) else [found]


def _step(op: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> nn.Module:
    if op["op"] == "add":
        return Sum()
    if op["op"] == "global_avg_pool":
        return Mean()
    outputs, inside, tall, wide = shapes[op["name"]]
    kind = Same if op.get("pad", "same") == "same" else nn.Conv2d
    groups = op.get("groups", 1)
    conv = nn.utils.skip_init(
        kind, inside * groups, outputs, kernel_size=(tall, wide), stride=op.get("stride", 1), groups=groups
    )
    return nn.Sequential(conv, ACTS[op.get("act")]())


def _weight(name: str, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The weight (outputs, inputs / groups, height, width) and bias (outputs,) of a convolution."""
    if f"{name}.weight" in arrays:
        weight = np.asarray(arrays[f"{name}.weight"], np.float32)
    else:
        scale, zero = (np.asarray(arrays[f"{name}.{what}"], np.float32) for what in ("scale", "zero"))
        shape = (-1, 1, 1, 1)
        weight = (np.asarray(arrays[f"{name}.q"], np.float32) - zero.reshape(shape)) * scale.reshape(shape)
    bias = np.asarray(arrays[f"{name}.bias"], np.float32)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise BundleError(f"the weights of {name!r} hold values that are not finite", "fetch the file again")
    return weight, bias


def _try(net: PlannedNet, channels: int) -> None:
    """Whether the net runs at all, on one small grey picture."""
    try:
        with torch.inference_mode():
            net.eval()(torch.zeros(1, channels, 32, 32))
    except RuntimeError as error:
        raise BundleError(
            f"the plan and its weights do not fit together: {str(error).splitlines()[0][:200]}", "another net's?"
        ) from None


def _stages(ops: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """One stage for each size of the maps, and one for the last map of all.

    A map counts when nothing narrower follows at its size: the sums and linear bottlenecks where a net has them, else
    the convolutions over all channels.
    """
    body = list(ops[: next((at for at, op in enumerate(ops) if op["op"] == "global_avg_pool"), len(ops))])
    shrunk, depth = {"input": 0}, 0
    for op in body:
        depth = shrunk[_sources(op)[0]] + (op["op"] == "conv" and op.get("stride", 1) > 1)
        shrunk[op["name"]] = depth
    whole = [op for op in body if op["op"] == "add" or (op["op"] == "conv" and op.get("groups", 1) == 1)]
    linear = [op for op in whole if op["op"] == "add" or op.get("act") is None]
    counted = {shrunk[op["name"]]: op["name"] for op in linear or whole}
    names = list(dict.fromkeys([*(counted[size] for size in sorted(counted)), body[-1]["name"]]))
    return {f"stage{at}": name for at, name in enumerate(names, 1)}
