"""The arrays of a plan by their headers: whether they are the plan's, before any of them is read.

Reads  operations of a plan that was checked, name -> shape and type of what a file holds.
Gives  `check_arrays`: the channels of the pictures the net takes, or a refusal in words.
Skips  values: `plans` reads them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ...errors import BundleError

MOST_CHANNELS = 1 << 16
KINDS = "fiub"  # of numbers
QUANTISED = ("q", "scale", "zero")


class Header(Protocol):
    """What an array's header says; an array is one, too."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...


def check_arrays(ops: Sequence[Mapping[str, Any]], found: Mapping[str, Header]) -> int:
    """How many channels the net takes, 3 where no operation tells.

    errors  BundleError: an array that the plan does not name, one that is missing, no numbers, shapes that do not fit
            one another or the plan
    """
    convs = [op["name"] for op in ops if op["op"] == "conv"]
    extra = sorted(set(found) - {f"{name}.{part}" for name in convs for part in _parts(name, found)})
    if extra:
        raise BundleError(f"the file has the array {extra[0][:80]!r}, which its plan does not name", "another net's?")
    channels: dict[str, int | None] = {"input": None}
    for op in ops:
        sources = op["src"] if isinstance(op["src"], list | tuple) else [op["src"]]
        seen = {channels[one] for one in sources}
        if op["op"] == "conv":
            outputs, inputs = _conv(op, found)
            if seen == {None}:
                channels = {name: inputs if one is None else one for name, one in channels.items()}
            elif seen != {inputs}:
                raise _misfit(op["name"], f"reads {inputs} channels, but {sources[0]!r} has {seen.pop()}")
            channels[op["name"]] = outputs
            continue
        told = sorted(one for one in seen if one is not None)
        if len(told) > 1:
            raise _misfit(op["name"], f"adds maps of {told[0]} and {told[1]} channels")
        channels[op["name"]] = told[0] if told else None
    return channels["input"] or 3


def _parts(name: str, found: Mapping[str, Header]) -> tuple[str, ...]:
    return (*(("weight",) if f"{name}.weight" in found else QUANTISED), "bias")


def _conv(op: Mapping[str, Any], found: Mapping[str, Header]) -> tuple[int, int]:
    """Output and input channels of a convolution."""
    name = op["name"]
    heads = {}
    for part in _parts(name, found):
        if f"{name}.{part}" not in found:
            raise BundleError(f"the file lacks {f'{name}.{part}'!r}", "fetch it again: its plan needs all of them")
        one = heads[part] = found[f"{name}.{part}"]
        if one.dtype.kind not in KINDS:
            raise BundleError(f"{f'{name}.{part}'!r} holds {one.dtype}, no numbers", "another net's?")
    weight, bias = tuple(heads.get("weight", heads.get("q", heads["bias"])).shape), tuple(heads["bias"].shape)
    groups = op.get("groups", 1)
    if len(weight) != 4 or min(weight) < 1 or bias != weight[:1]:
        raise BundleError(f"the weights of {name!r} have shapes {weight} and {bias}", "another net's?")
    if max(weight[0], weight[1] * groups) > MOST_CHANNELS or weight[0] % groups:
        raise _misfit(name, f"has {weight[0]} outputs and {weight[1] * groups} inputs in {groups} groups")
    for part in ("scale", "zero"):
        if part in heads and math.prod(heads[part].shape) not in (1, weight[0]):
            raise _misfit(name, f"has {weight[0]} outputs, its {part} the shape {tuple(heads[part].shape)}")
    return weight[0], weight[1] * groups


def _misfit(name: str, what: str) -> BundleError:
    return BundleError(f"the plan and its weights do not fit together: {name!r} {what}", "another net's?")
