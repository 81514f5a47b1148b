"""Export: a code, with its head, as one ONNX file that needs neither torch nor this package.

Reads  fitted coders, codes with their heads, forests, scikit-learn models.
Gives  .onnx files, checked against the original on real rows and left out where they differ; .pt2 for torch. Names are
       loaded on first use, so that opening a file (`session`, `feeds`) needs neither torch nor scikit-learn.
Skips  making them smaller: ship/quantize.

Needs the extra `export`: pip install "codelayer[export]".
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..bundle.onnxfile import check_model, session
    from .checks import Exported
    from .estimators import sklearn_exported, sklearn_to_onnx
    from .inputs import Input, feeds, inputs_of
    from .writing import exported, onnx_bytes, to_onnx, to_torch_export

_HOME = {
    "Exported": "checks",
    "Input": "inputs",
    "check_model": ".bundle.onnxfile",
    "exported": "writing",
    "feeds": "inputs",
    "inputs_of": "inputs",
    "onnx_bytes": "writing",
    "session": ".bundle.onnxfile",
    "sklearn_exported": "estimators",
    "sklearn_to_onnx": "estimators",
    "to_onnx": "writing",
    "to_torch_export": "writing",
}

__all__ = [
    "Exported",
    "Input",
    "check_model",
    "exported",
    "feeds",
    "inputs_of",
    "onnx_bytes",
    "session",
    "sklearn_exported",
    "sklearn_to_onnx",
    "to_onnx",
    "to_torch_export",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
