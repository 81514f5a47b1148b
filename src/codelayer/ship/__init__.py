"""Shipping: what a model costs, which form of it is smaller and faster here, and which one to ship under a budget.

Reads  bundles, ONNX files, scikit-learn models; for `Fit` a data set with labels.
Gives  one `Servable` for each of them, measured side by side (bench); int8 and float16 forms that are kept only where
       they pay (quantize); many candidates fitted, compiled and one chosen (`Fit`). Names are loaded on first use.
Skips  serving.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .choose import Budget
    from .fitting import Fit
    from .outcome import Shipped

_HOME = {"Budget": "choose", "Fit": "fitting", "Shipped": "outcome"}

__all__ = ["Budget", "Fit", "Shipped"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
