"""The saved form of everything that was fitted: one folder, or one zip, of three parts and two that may be there.

    bundle.json            format, kind, plan (enough to repeat the fit), facts, sha256 of each part and of itself
    weights.safetensors    arrays by name
    golden.safetensors     a few encoded rows and their codes, to check a copy on another machine
    reference.safetensors  may be there: what inputs and codes of training rows looked like
    model.onnx             may be there: the same model for ONNX Runtime

Reads  such a folder or zip. Everything is checked before anything is used, and no code in it is ever run.
Gives  a `Bundle`, and through `restore` the object it holds: classes register by @kind("pca") and `from_bundle`.
Skips  forgery: the hashes tell accidents, anyone may compute them. What a kind means belongs to its class.

A folder under training may also hold `checkpoints/` and `.lock`; both are passed over. A zip is stored, never
compressed, so that no size in it can be a lie. NaN and infinities in plan and facts are spelled {"$float": "nan"}.
The layout is documented, and frozen, in docs/format.md.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import BundleError, CodelayerError
from ..registry import find, part
from .disk import write_atomic, write_folder, writing, zipped
from .jsontext import from_json, plain
from .parts import (
    ABOUT,
    AGAIN,
    ALWAYS,
    FORMAT,
    GOLDEN,
    MAX_BYTES,
    ONNX,
    OPTIONAL,
    PASSED_OVER,
    REFERENCE,
    WEIGHTS,
    about_in,
    assembled,
    opened,
    packed,
    part_bytes,
    unpacked,
)

__all__ = [
    "ABOUT",
    "FORMAT",
    "GOLDEN",
    "MAX_BYTES",
    "ONNX",
    "OPTIONAL",
    "REFERENCE",
    "WEIGHTS",
    "Bundle",
    "attach",
    "from_json",
    "kind",
    "plain",
    "read",
    "restore",
    "size_bytes",
    "sizes",
    "write",
    "write_atomic",
    "writing",
]

T = TypeVar("T", bound=type)
# kinds whose classes stand to the right of whoever opens bundles: their modules are imported when one is met
LATER = {"features": "transfer.features", "finetuned": "transfer.finetune"}


@dataclass
class Bundle:
    """What was read from one bundle.

    kind      the registered name of the class that wrote it
    plan      plain JSON: objective text, net, schema, seed, ...
    tensors   arrays by name; golden: "rows" and their "codes"
    facts     plain JSON: versions, data fingerprint, scores, ...
    path      where it was read from
    optional  bytes and sha256 of each optional part that is there; they are read when they are asked for
    """

    kind: str
    plan: dict[str, Any]
    tensors: dict[str, np.ndarray]
    golden: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    optional: dict[str, Any] = field(default_factory=dict)
    written_by: str = ""

    def part(self, name: str) -> bytes | None:
        """The bytes of an optional part, verified now; None where the bundle has none.

        errors  BundleError: altered, or gone since the bundle was read
        """
        if name not in self.optional or self.path is None:
            return None
        return _verified(self.path, lambda there: part_bytes(there, name, self.optional[name]))

    def reference(self) -> dict[str, np.ndarray]:
        """The reference statistics by name (docs/format.md), verified now; empty where the bundle has none.

        errors  BundleError: altered, or gone since the bundle was read
        """
        data = self.part(REFERENCE)
        return {} if data is None else _verified(self.path, lambda _: unpacked(data))


def kind(name: str) -> Callable[[T], T]:
    """Register a class with a `from_bundle(bundle)` classmethod as the home of bundles of this kind."""
    return part("kind", name)


def restore(bundle: Bundle) -> Any:
    """The object a bundle holds, made by the class registered for its kind.

    errors  BundleError: no such kind (with the closest name), or a plan the class cannot follow
    """
    try:
        if bundle.kind in LATER:
            importlib.import_module(f"..{LATER[bundle.kind]}", __package__)
        home: Any = find(bundle.kind, "kind")
        return home.from_bundle(bundle)
    except BundleError:
        raise
    except Exception as error:
        name = "" if isinstance(error, CodelayerError) else f"{type(error).__name__}: "
        raise BundleError(f"{bundle.path or 'the bundle'} cannot be restored: {name}{error}") from error


def write(
    path: str | Path,
    kind: str,
    plan: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    golden: Mapping[str, np.ndarray] | None = None,
    facts: Mapping[str, Any] | None = None,
    reference: Mapping[str, np.ndarray] | None = None,
    onnx: bytes | None = None,
) -> Path:
    """Save as a folder, or as one zip where the path ends in .zip; equal contents give equal bytes.

    All is written and synced under a temporary name beside the target and then renamed: a full disk leaves the old
    bundle, a crash the old one, the new one or none (`read` says so). Other entries of the folder stay untouched.

    reference, onnx  the optional parts; None or nothing leaves them out
    returns  the path written
    errors   RunError: full disk, no permission; BundleError: too big, or the folder holds something else;
             TypeError: what JSON or safetensors cannot hold
    """
    about = {"kind": kind, "written_by": _version(), "plan": plain(plan), "facts": plain(facts or {})}
    parts = {WEIGHTS: packed(tensors), GOLDEN: packed(golden or {})}
    if reference:
        parts[REFERENCE] = packed(reference)
    if onnx is not None:
        parts[ONNX] = onnx
    return _put(path, assembled(about, parts))


def attach(path: str | Path, name: str, data: bytes | None) -> Path:
    """Give a bundle an optional part, or take it out (None); all else keeps its bytes.

    name    "model.onnx" or "reference.safetensors"
    errors  BundleError: the bundle is not whole, no such optional part, too big; RunError: full disk, no permission
    """
    if name not in OPTIONAL:
        raise BundleError(f"a bundle has no optional part {name!r}", f"it may hold {' and '.join(OPTIONAL)}")
    path = Path(path)

    def changed(there: Any) -> dict[str, bytes]:
        about = about_in(there)
        kept = [one for one in (*ALWAYS, *OPTIONAL) if one in about["parts"] and one != name]
        parts = {one: part_bytes(there, one, about["parts"][one]) for one in kept}
        parts |= {} if data is None else {name: data}
        about["plan"], about["facts"] = plain(about["plan"]), plain(about["facts"])
        return assembled(about, {one: parts[one] for one in (*ALWAYS, *OPTIONAL) if one in parts})

    return _put(path, _verified(path, changed))


def read(path: str | Path) -> Bundle:
    """Read and verify a folder or zip; of optional parts the sizes alone, until they are asked for.

    errors  BundleError naming the file and what to do: missing, truncated, altered, of a newer format, unsafe
    """
    path = Path(path)

    def whole(there: Any) -> Bundle:
        about = about_in(there)
        tensors, golden = (unpacked(part_bytes(there, name, about["parts"][name])) for name in ALWAYS)
        optional = {name: noted for name, noted in about["parts"].items() if name in OPTIONAL}
        return Bundle(
            about["kind"], about["plan"], tensors, golden, about["facts"], path, optional, about["written_by"]
        )

    return _verified(path, whole)


def size_bytes(path: str | Path) -> int:
    """Bytes on disk of what a bundle needs to make codes: its parts without the optional ones."""
    found = sizes(path)
    return sum(size for name, size in found.items() if name not in OPTIONAL)


def sizes(path: str | Path) -> dict[str, int]:
    """Bytes on disk by part; of a zip "zip" is what it takes beside them.

    errors  BundleError: not a bundle, unsafe
    """
    path = Path(path)
    found = _verified(path, lambda there: dict(there.sizes))
    return found if path.is_dir() else found | {"zip": path.stat().st_size - sum(found.values())}


def _verified(path: Any, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of the opened folder or zip; whatever hostile bytes bring up is a BundleError."""
    if not os.path.exists(path):
        raise BundleError(f"there is no bundle at {path}", "check the path: a bundle is a folder or a .zip")
    try:
        with opened(path) as there:
            return use(there)
    except BundleError:
        raise
    except Exception as error:  # hostile bytes reach zipfile, json and safetensors: whatever they say, it is refused
        raise BundleError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}", AGAIN) from error


def _put(path: str | Path, parts: Mapping[str, bytes]) -> Path:
    path = Path(os.path.realpath(path))
    _check_target(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".zip":
            write_atomic(path, zipped(parts))
        else:
            write_folder(path, parts, ABOUT, MAX_BYTES)
    return path


def _check_target(path: Path) -> None:
    found = {path.name} if path.exists() else set()
    if path.suffix.lower() == ".zip":
        found = found if path.is_dir() else set()
    elif path.is_dir():
        found = {one.name for one in path.iterdir()} - {*MAX_BYTES, *PASSED_OVER}
    if found:
        raise BundleError(f"{path} is taken: {min(found)!r} is no part of a bundle", "choose another path")


def _version() -> str:
    from importlib import metadata  # slow, and needed for writing alone

    try:
        return f"codelayer {metadata.version('codelayer')}"
    except metadata.PackageNotFoundError:
        return "codelayer"
