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
from ..data.rows import rows_of, take
from ..errors import BundleError
from ..export.inputs import feeds
from ..export.opening import session
from ..learn.saved import load

TOLERANCE = 1e-4  # of the code's scale


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
    errors     BundleError naming what is wrong: a part missing or altered, golden rows or an ONNX form that differ
    """
    found = bundle.read(path)
    parts = {name: found.part(name) for name in found.optional}
    found.reference()
    model = load(path)
    coder = getattr(model, "code", model)
    codes = found.golden.get("codes", np.zeros((0, 1)))
    golden = coder.check_golden(found.golden) / _scale(codes)
    if not golden <= tolerance:
        raise BundleError(
            f"the golden rows of {path} are coded {golden:.2g} of the code's scale off ({tolerance:g} is allowed)",
            "the versions or the machine differ from those that saved it: fit it again here",
        )
    form = parts.get(bundle.ONNX)
    onnx = None if form is None else onnx_difference(model, found.golden, form)
    if onnx is not None and not onnx <= tolerance:
        raise _other_form(f"{bundle.ONNX} in {path}", onnx, tolerance)
    return Verified(bundle.sizes(path), len(codes), golden, onnx)


def attach(path: str | Path, form: str | Path, tolerance: float = TOLERANCE) -> float:
    """Put an ONNX form into a bundle, so that the runtime can use it.

    form     the .onnx file that `codelayer ship export` wrote of this bundle
    returns  its largest difference on the golden rows, as a share of the code's scale
    errors   BundleError: a form of another model, unsafe, or no bundle; RunError: the disk
    """
    found = bundle.read(path)
    data = _bytes_of(Path(form))
    off = onnx_difference(load(path), found.golden, data)
    if not off <= tolerance:
        raise _other_form(str(form), off, tolerance)
    bundle.attach(path, bundle.ONNX, data)
    return off


def onnx_difference(model: Any, golden: dict[str, np.ndarray], form: bytes) -> float:
    """The largest difference between what an ONNX form and its model give for golden rows, over the code's scale.

    errors  BundleError: no golden rows, other inputs or outputs than a form of this model has
    """
    if not len(golden.get("rows", ())):
        raise BundleError("this bundle holds no golden rows to compare an ONNX form on", "save it again")
    schema, head = model.schema_, getattr(model, "head", None)
    rows = schema.inverse(golden["rows"])
    # a category that was unknown comes back as missing: such a row cannot be asked again
    back = np.abs(schema.encode(rows) - golden["rows"]).reshape(len(golden["rows"]), -1).max(1) < 1e-3
    rows = take(rows, np.flatnonzero(back))
    opened = session(form)
    try:
        names = [one.name for one in opened.get_outputs()]
        given = dict(zip(names, opened.run(None, feeds(schema, rows, getattr(head, "task", None))), strict=True))
        code = given["code"]
    except Exception as error:  # whatever ONNX Runtime says of a form that does not fit, it is refused
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"the ONNX form does not read what this bundle reads: {reason}", _AGAIN) from error
    made = model.transform(rows)
    off = [_apart(code, made)]
    if "probabilities" in given:
        off.append(_apart(given["probabilities"], model.predict_proba(rows), 1.0))
    if "number" in given:
        off.append(_apart(given["number"].reshape(rows_of(rows)), model.predict(rows)))
    return max(off)


_AGAIN = "make it anew: codelayer ship export BUNDLE --out model.onnx"


def _other_form(what: str, off: float, tolerance: float) -> BundleError:
    how = f"{off:.2g} of the code's scale off ({tolerance:g} is allowed)" if off < np.inf else "of another shape"
    return BundleError(f"{what} gives codes that are {how}", _AGAIN)


def _bytes_of(form: Path) -> bytes:
    if not form.is_file():
        raise BundleError(f"there is no model at {form}", _AGAIN)
    if form.stat().st_size > bundle.MAX_BYTES[bundle.ONNX]:
        raise BundleError(f"{form} has {form.stat().st_size:,} bytes", "at most 2 GB are kept in a bundle")
    return form.read_bytes()


def _scale(values: np.ndarray) -> float:
    return max(float(np.abs(values).max(initial=0.0)), 1e-12)


def _apart(given: np.ndarray, made: np.ndarray, scale: float | None = None) -> float:
    if given.shape != made.shape:
        return float("inf")
    made = np.asarray(made, np.float64)
    return float(np.abs(given - made).max(initial=0.0)) / (_scale(made) if scale is None else scale)
