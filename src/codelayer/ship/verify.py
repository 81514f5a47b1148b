"""Does a bundle still hold what was saved? Hashes, golden rows, and its ONNX form beside the model itself.

Reads  a bundle.
Gives  `verified` (every part's hash, the golden rows coded anew, the ONNX form run on them) and `attach`, which puts
       an ONNX form into a bundle once it agrees.
Skips  rows of the user's: the export compares on those.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import bundle
from ..errors import BundleError, DataError, ExportError
from ..export.checks import TOLERANCE, allowed, compared
from ..learn.reference import check_reference
from ..learn.saved import load


@dataclass(frozen=True)
class Verified:
    """What was found, with nothing wrong.

    sizes   bytes by part; of a zip also "zip", what it takes beside them
    rows    golden rows
    golden  largest difference between their saved codes and those made now, as a share of the code's scale
    onnx    the same between the ONNX form's outputs and the model's, or None without one
    """

    sizes: dict[str, int]
    rows: int
    golden: float
    onnx: float | None


def verified(path: str | Path, tolerance: float = TOLERANCE) -> Verified:
    """Check a bundle as a whole.

    tolerance  how far codes may be off, as a share of the code's scale
    errors     BundleError naming what is wrong: a part missing or altered, no golden rows, other statistics than a fit
               keeps, golden rows or an ONNX form that differ
    """
    found = bundle.read(path)
    parts = {name: found.part(name) for name in found.optional}
    reference = found.reference()
    rows, codes = (found.golden.get(name, np.zeros((0, 1))) for name in ("rows", "codes"))
    if not rows.size or codes.ndim != 2 or len(codes) != len(rows):
        raise BundleError(f"{path} holds no golden rows with their codes: nothing can be checked", "save it again")
    model = load(path)
    coder = getattr(model, "code", model)
    if bundle.REFERENCE in parts:
        check_reference(reference, coder.schema_.features, codes.shape[1])
    golden = coder.check_golden(found.golden) / _scale(codes)
    if not golden <= tolerance:
        raise BundleError(
            f"the golden rows of {path} are coded {golden:.2g} of the code's scale off ({tolerance:g} is allowed)",
            "the versions or the machine differ from those that saved it: fit it again here",
        )
    form = parts.get(bundle.ONNX)
    onnx = None if form is None else _form_difference(model, form, f"{bundle.ONNX} in {path}")
    return Verified(bundle.sizes(path), len(codes), golden, onnx)


def attach(path: str | Path, form: str | Path) -> float:
    """Put an ONNX form into a bundle, so that the runtime can use it.

    form     the .onnx file that `codelayer ship export` wrote of this bundle
    returns  its largest difference on the golden rows, as a share of the code's scale
    errors   BundleError: a form of another model, unsafe, or no bundle; RunError: the disk
    """
    data = _bytes_of(Path(form))
    off = _form_difference(load(path), data, str(form))
    bundle.attach(path, bundle.ONNX, data)
    return off


def _form_difference(model: Any, form: bytes, what: str) -> float:
    """The largest difference between what an ONNX form and its model give for the golden rows, over the code's scale.

    errors  BundleError: more than is allowed, other labels, other inputs or outputs than a form of this model has
    """
    try:
        return compared(model, form, None, allowed(model)).difference
    except (DataError, ExportError) as error:
        raise BundleError(f"{what} is no form of this model: {str(error).splitlines()[0]}", _AGAIN) from None


_AGAIN = "make it anew: codelayer ship export BUNDLE --out model.onnx"


def _bytes_of(form: Path) -> bytes:
    if not form.is_file():
        raise BundleError(f"there is no model at {form}", _AGAIN)
    if form.stat().st_size > bundle.MAX_BYTES[bundle.ONNX]:
        raise BundleError(f"{form} has {form.stat().st_size:,} bytes", "at most 2 GB are kept in a bundle")
    return form.read_bytes()


def _scale(values: np.ndarray) -> float:
    return max(float(np.abs(values).max(initial=0.0)), 1e-12)
