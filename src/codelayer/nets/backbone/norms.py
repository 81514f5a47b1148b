"""Normalisation layers, torch's and other libraries': which modules they are, and what they remember.

Reads  modules.
Gives  `is_norm`, `keeps_statistics`, `reads_batch`.
Skips  normalisations that are functions and no modules.
"""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
INSTANCE = nn.modules.instancenorm._InstanceNorm
NAMED = re.compile(r"rms_?norm|simplenorm", re.IGNORECASE)  # root mean square, of classes that are not torch's
STATISTICS = ("running_mean", "moving_mean")  # torch's name, and Keras's


@runtime_checkable
class OwnNorm(Protocol):
    """A module, of another library's layers, that says whether it is a normalisation."""

    normalises: bool


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer: its weights are scales and shifts."""
    if isinstance(module, OwnNorm):
        return module.normalises
    return isinstance(module, NORMS) or (NAMED.search(type(module).__name__) is not None and not module._modules)


def keeps_statistics(module: nn.Module) -> bool:
    """Whether a module has running statistics, which move in training mode and are used in eval mode."""
    return any(isinstance(module._buffers.get(name), Tensor) for name in STATISTICS)


def reads_batch(module: nn.Module) -> bool:
    """Whether what a module gives for a row in training mode depends on the other rows: batch normalisation."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm) or (
        keeps_statistics(module) and not isinstance(module, INSTANCE)
    )
