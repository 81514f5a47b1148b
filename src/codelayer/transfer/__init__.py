"""Transfer: nets that were trained elsewhere, as features, fine-tuned, or refused.

Reads  backbones by name, rows, few labels.
Gives  `open_backbone`, `FeatureExtractor`, `make_head`, `FineTunedClassifier`, `FineTunedRegressor`, `copy_layers`,
       `layer_transfer`, `advise`.
Skips  fetching weights.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .advisor import advise
    from .copying import copy_layers
    from .features import FeatureExtractor
    from .finetune import FineTunedClassifier, FineTunedRegressor
    from .heads import make_head
    from .layers import layer_transfer
    from .opening import open_backbone

_HOMES = {
    "advise": "advisor",
    "FeatureExtractor": "features",
    "FineTunedClassifier": "finetune",
    "FineTunedRegressor": "finetune",
    "copy_layers": "copying",
    "layer_transfer": "layers",
    "make_head": "heads",
    "open_backbone": "opening",
}

__all__ = [
    "FeatureExtractor",
    "FineTunedClassifier",
    "FineTunedRegressor",
    "advise",
    "copy_layers",
    "layer_transfer",
    "make_head",
    "open_backbone",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
