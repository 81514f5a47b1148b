"""torchvision beside a CPU build of torch: two schemas are declared where its compiled part cannot be loaded.

Reads  nothing.
Gives  `import_torchvision`, which timm and transformers need before they are imported.
Skips  torchvision's compiled operators (nms, file reading): called, they say so themselves.

torchvision's wheel is built against a CUDA build of torch. Beside a CPU build its library is passed over in silence,
and its import then ends in exactly one error, because it describes operators that nobody declared. Declaring them is
what the library would have done. Whatever else goes wrong is not touched.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import torch

MISSING = "operator torchvision::nms does not exist"
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list[Any] = []  # a Library that is collected takes its schemas with it


def import_torchvision() -> bool:
    """Import torchvision, if there is one; True where the schemas had to be declared.

    errors  whatever its import raises, unless that is MISSING and torch is a CPU build
    """
    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if str(error) != MISSING or not _cpu_build():
            raise
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        _kept.append(library)
        importlib.import_module("torchvision")
        return True
    return False


def _cpu_build() -> bool:
    return torch.version.cuda is None and torch.version.hip is None
