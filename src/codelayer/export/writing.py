"""Writing a model as one file: the export is made, held against its original, and only then written.

Reads  a fitted coder, a code with its head, or the path of its bundle.
Gives  .onnx files, their bytes, .pt2 files.
Skips  scikit-learn models: estimators.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .. import bundle
from ..bundle import write_atomic
from ..errors import ExportError
from ..learn.headed_forest import HeadedForest
from ..learn.heads import Headed
from ..learn.saved import load, predictor_in
from .checks import TOLERANCE, Exported, compared
from .core import coder_of
from .graphs import onnx_model, program


def to_onnx(model: Any, path: str | Path, rows: Any = None, tolerance: float = TOLERANCE) -> Exported:
    """Write a fitted model as an ONNX file, preprocessing and head included.

    Its inputs are one float32 block "x" (rows, features), pictures uint8 "x", or one input (rows, 1) per column of a
    mixed table, named by it; its outputs are "code", and of a head "probabilities" and "label", or "number".

    model      a coder, or a code with its head; or the path of its bundle
    path       of the file; an old one stays until the new one is whole
    rows       on which it is compared with the model, by default the golden rows of the bundle
    tolerance  how far the two may differ, as a share of the code's scale
    errors     ExportError: a part that cannot be exported, or the two differ: nothing is written; DataError: rows of
               another kind; RunError: the disk; CodelayerError: the extra `export` is not installed
    """
    data, found = exported(model, rows, tolerance)
    write_atomic(path, data)
    return found.at(Path(path))


def exported(model: Any, rows: Any = None, tolerance: float = TOLERANCE) -> tuple[bytes, Exported]:
    """What `to_onnx` writes, as bytes, and how far it is from the model.

    model, rows, tolerance  as there, and so are the errors
    """
    if not 0 < tolerance < float("inf"):
        raise ExportError(f"tolerance={tolerance} is not possible", "it is a share of the code's scale, such as 1e-4")
    model, facts = _loaded(model)
    facts["weights_sha256"] = _weights_sha256(model)
    data = onnx_model(model, facts)
    return data, compared(model, data, rows, tolerance)


def onnx_bytes(model: Any, rows: Any = None, tolerance: float = TOLERANCE) -> bytes:
    """What `to_onnx` writes, as bytes.

    model, rows, tolerance  as there, and so are the errors
    """
    return exported(model, rows, tolerance)[0]


def to_torch_export(model: Any, path: str | Path) -> Path:
    """Write the core of a model as a torch.export program (.pt2): samples that the schema has encoded -> code.

    model   a coder, or a code with its head; or the path of its bundle
    path    of the file
    errors  ExportError naming the part that cannot be exported; RunError: the disk
    """
    import torch

    made, whole = program(_loaded(model)[0]), io.BytesIO()
    torch.export.save(made, whole)
    write_atomic(path, whole.getvalue())
    return Path(path)


def _loaded(model: Any) -> tuple[Any, dict[str, str]]:
    """A model, and where it came from; a path is loaded."""
    if not isinstance(model, str | Path):
        return model, {}
    place = predictor_in(model)
    made = load(place)  # which verifies it
    if place.is_dir():
        about = (place / bundle.ABOUT).read_bytes()
    else:
        with zipfile.ZipFile(place) as archive:
            about = archive.read(bundle.ABOUT)
    return made, {"bundle_sha256": str(json.loads(about)["sha256"])}


def _weights_sha256(model: Any) -> str:
    """The same for a model and its bundle, whatever facts stand beside it."""
    plan, tensors, _ = coder_of(model).parts()
    if isinstance(model, Headed):
        head = vars(model.forest if isinstance(model, HeadedForest) else model.head)
        tensors = tensors | {f"head.{n}": v for n, v in head.items() if isinstance(v, np.ndarray) and n != "classes"}
    digest = hashlib.sha256(json.dumps(bundle.plain(plan["schema"]), sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
