"""Nets in files: a plan with its weights, as .npz or .safetensors. A pickle is never opened.

Reads  .npz with "spec" (JSON, docs/backbones.md), .safetensors with the same JSON as metadata "codelayer.plan".
Gives  a Backbone with licence and preprocessing from the plan.
Skips  checkpoints without a plan: "timm:NAME@FILE" and the like say which net they belong to.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.arrayfiles import Npz
from ..errors import BundleError, DataError
from ..nets.backbone import Backbone, Pictures, check_plan, planned

SUFFIXES = (".npz", ".safetensors", ".onnx")
PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".tar")
HASHED = re.compile(r"^(?P<path>.*)#sha256=(?P<hash>[0-9a-fA-F]{64})$")
METADATA = "codelayer.plan"
MAX_PLAN = 16 << 20
GROWTH, FREE = 50, 1 << 26  # times a file's bytes, and bytes in any case, that its weights may take in memory
OF_PLAN = ("ops", "stages", "input_size", "input", "preprocessing")  # what a net is built from
CONVERT = (
    "pickled files can run code: convert yours once where you trust it, "
    'python -c "import torch, safetensors.torch as s; '
    "s.save_file({k: v.contiguous() for k, v in torch.load('IN', weights_only=True).items()}, 'OUT.safetensors')\""
)
# what the plans of the MobileNets say in words
KNOWN_INPUTS = {"RGB/127.5-1, NCHW": ((0.5,) * 3, (0.5,) * 3)}  # means and deviations


def checked_file(text: str) -> Path:
    """The path in "PATH" or "PATH#sha256=HEX", which has to be that file.

    errors  DataError: no such file; BundleError: another hash (half a download), a pickle
    """
    told = HASHED.match(text)
    path = Path(told["path"] if told else text)
    if not path.is_file():
        raise DataError(f"there is no file {path}", "check the path")
    if path.suffix.lower() in PICKLED:
        raise BundleError(f"{path} is a pickled checkpoint", CONVERT)
    if told:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != told["hash"].lower():
            raise BundleError(
                f"{path} ({path.stat().st_size:,} bytes) has the sha256 {found}, not the one given",
                "fetch it again: it is another file, or half of it",
            )
    return path


def open_file(rest: str, size: int | None, weights: bool) -> Backbone:
    """The net in a file.

    rest     PATH, or PATH#sha256=HEX
    size     pixels per side, or None for the plan's own
    weights  not needed to tell: the plan of a twin has the same shapes
    errors   DataError, BundleError
    """
    path = checked_file(rest)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        spec, arrays = _npz(path)
    elif suffix == ".safetensors":
        spec, arrays = _safetensors(path)
    else:
        raise DataError(f"{path} is no file of a net", f"known: {', '.join(SUFFIXES)}; {CONVERT}")
    return _backbone(spec, arrays, str(path), size)


def restore_plan(source: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Backbone:
    """The net of a plan from the state of its module."""
    named = {name.removeprefix("steps.").replace(".0.", "."): value for name, value in arrays.items()}
    return _backbone(source["plan"], named, "bundle", None)


def _backbone(spec: Any, arrays: Mapping[str, np.ndarray], name: str, size: int | None) -> Backbone:
    net, places = planned(spec, arrays)
    prepare = pictures_of(spec, name)
    if net.channels != prepare.channels:
        raise BundleError(
            f"{name} takes {net.channels} channels, its preprocessing gives {prepare.channels}", "mend its plan"
        )
    if size is not None:
        prepare = Pictures(size, size, prepare.channels, prepare.mean, prepare.std, prepare.interpolation)
    labels = spec.get("labels", ())
    plan = {
        key: value for key, value in spec.items() if key in ("ops", "stages", "input_size", "input", "preprocessing")
    }
    return Backbone(
        name,
        net,
        places,
        prepare,
        str(spec.get("license", spec.get("licence", "not stated"))),
        classes=[str(one) for one in labels] if isinstance(labels, list) else (),
        source={"form": "plan", "plan": plan},
    )


def pictures_of(spec: Mapping[str, Any], name: str) -> Pictures:
    """The preprocessing a plan records: "preprocessing" (a record of Pictures), or "input" and "input_size".

    errors  DataError: it records none
    """
    if "preprocessing" in spec:
        return Pictures.from_record(spec["preprocessing"])
    size, told = spec.get("input_size"), spec.get("input")
    known = KNOWN_INPUTS.get(told) if isinstance(told, str) else None
    if known is None or not isinstance(size, int):
        raise DataError(
            f"{name} does not say how its pictures are prepared (input {told!r}, input_size {size!r})",
            'add "preprocessing" to its plan: {"height", "width", "channels", "mean", "std", "interpolation"}; '
            "a net that sees other values than in training knows nothing",
        )
    return Pictures(size, size, len(known[0]), *known)


def _npz(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    stored = Npz(path)
    told = stored.entries.get("spec")
    if told is None:
        raise BundleError(f"{path} holds arrays without a plan", 'it needs "spec", JSON as in docs/backbones.md')
    if told.dtype.kind not in "US" or math.prod(told.shape) != 1:
        raise BundleError(f'"spec" in {path} is {told.dtype} of shape {told.shape}', "it is one text, a plan in JSON")
    if told.nbytes > MAX_PLAN:
        raise BundleError(f"the plan in {path} has {told.nbytes:,} bytes", f"at most {MAX_PLAN:,}")
    spec = _plan(_text(stored.read("spec")), path)
    headers = {name: one for name, one in stored.entries.items() if name != "spec"}
    _check_headers(spec, headers, path)
    return spec, {name: stored.read(name) for name in headers}


def _text(found: np.ndarray) -> str:
    one = found.reshape(())[()]
    return one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)


def _check_headers(spec: Any, headers: Mapping[str, Any], path: Path) -> None:
    """Refuse arrays that are not the plan's, or that grow out of nothing, before they are read."""
    check_plan(spec, headers)
    needed, size = sum(4 * math.prod(one.shape) for one in headers.values()), path.stat().st_size
    if needed > max(FREE, GROWTH * size):
        raise BundleError(
            f"the weights in {path} grow from {size:,} to {needed:,} bytes, which no real ones do",
            "save it with numpy.savez, without compression",
        )


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype


def _safetensors(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    import safetensors
    from safetensors.numpy import load_file

    try:
        with safetensors.safe_open(path, "np") as file:
            told = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in sorted(file.keys())}
            headers = {name: _Header(tuple(one.get_shape()), _dtype(one.get_dtype())) for name, one in slices.items()}
        if METADATA not in told:
            raise BundleError(
                f"{path} holds weights without the net they belong to",
                f"say which: timm:NAME@{path.name}, hf:FOLDER, or write its plan as metadata {METADATA!r}",
            )
        spec = _plan(told[METADATA], path)
        _check_headers(spec, headers, path)
        return spec, load_file(path)
    except safetensors.SafetensorError as error:
        raise BundleError(f"{path} cannot be read: {error}", "fetch it again: it may be half of it") from None


def _dtype(name: str) -> np.dtype:
    """numpy's type of one of safetensors'."""
    short = {"BOOL": "?", "F16": "f2", "F32": "f4", "F64": "f8"} | {f"U{8 * n}": f"u{n}" for n in (1, 2, 4, 8)}
    short |= {f"I{8 * n}": f"i{n}" for n in (1, 2, 4, 8)}
    if name not in short:
        raise BundleError(f"an array has the type {name}", "save it as float32")
    return np.dtype(short[name])


def _plan(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the plan in {path} is no JSON: {error}", "see docs/backbones.md") from None
