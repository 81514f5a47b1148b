"""The saved form of everything that was fitted: one folder, or one zip, of exactly three parts.

    bundle.json          format, kind, plan (enough to repeat the fit), facts, sha256 of each part and of itself
    weights.safetensors  arrays by name
    golden.safetensors   a few encoded rows and their codes, to check a copy on another machine

Reads  such a folder or zip. Everything is checked before anything is used, and no code in it is ever run.
Gives  a `Bundle`, and through `restore` the object it holds: classes register by @kind("pca") and `from_bundle`.
Skips  forgery: the hashes tell accidents, anyone may compute them. What a kind means belongs to its class.

A folder under training may also hold `checkpoints/` and `.lock`; both are passed over. A zip is stored, never
compressed, so that no size in it can be a lie. NaN and infinities in plan and facts are spelled {"$float": "nan"}.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import io
import json
import math
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.numpy

from .errors import BundleError, CodelayerError, RunError
from .registry import find, part

FORMAT = 1
ABOUT, WEIGHTS, GOLDEN = "bundle.json", "weights.safetensors", "golden.safetensors"
MAX_BYTES = {ABOUT: 16 << 20, WEIGHTS: 8 << 30, GOLDEN: 256 << 20}
MAX_HEADER, MAX_TENSORS, MAX_DEPTH = 16 << 20, 10_000, 64
PASSED_OVER = ("checkpoints", ".lock")
FIELDS = {"format": int, "kind": str, "written_by": str, "plan": dict, "facts": dict, "parts": dict, "sha256": str}
AGAIN = "fetch a fresh copy, or save it again"

T = TypeVar("T", bound=type)


@dataclass
class Bundle:
    """What was read from one bundle.

    kind     the registered name of the class that wrote it
    plan     plain JSON: objective text, net, schema, seed, ...
    tensors  arrays by name; golden: "rows" and their "codes"
    facts    plain JSON: versions, data fingerprint, scores, ...
    path     where it was read from
    """

    kind: str
    plan: dict[str, Any]
    tensors: dict[str, np.ndarray]
    golden: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None


def kind(name: str) -> Callable[[T], T]:
    """Register a class with a `from_bundle(bundle)` classmethod as the home of bundles of this kind."""
    return part("kind", name)


def restore(bundle: Bundle) -> Any:
    """The object a bundle holds, made by the class registered for its kind.

    errors  BundleError: no such kind (with the closest name), or a plan the class cannot follow
    """
    try:
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
) -> Path:
    """Save as a folder, or as one zip where the path ends in .zip; equal contents give equal bytes.

    All is written and synced under a temporary name beside the target and then renamed: a full disk leaves the old
    bundle, a crash the old one, the new one or none (`read` says so). Other entries of the folder stay untouched.

    returns  the path written
    errors   RunError: full disk, no permission; BundleError: too big, or the folder holds something else;
             TypeError: what JSON or safetensors cannot hold
    """
    path = Path(os.path.realpath(path))
    parts = {WEIGHTS: _packed(tensors), GOLDEN: _packed(golden or {})}
    about = {
        "format": FORMAT,
        "kind": kind,
        "written_by": _version(),
        "plan": plain(plan),
        "facts": plain(facts or {}),
        "parts": {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in parts.items()},
    }
    about["sha256"] = _sha256(_canonical(from_json(json.dumps(about).encode())))
    parts[ABOUT] = json.dumps(about, indent=1, allow_nan=False).encode()
    for name, data in parts.items():
        if len(data) > MAX_BYTES[name]:
            raise BundleError(f"{name} would be {len(data):,} bytes", f"at most {MAX_BYTES[name]:,} are written")
    _check_target(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".zip":
            write_atomic(path, _zipped(parts))
        else:
            _write_folder(path, parts)
    return path


def read(path: str | Path) -> Bundle:
    """Read and verify a folder or zip.

    errors  BundleError naming the file and what to do: missing, truncated, altered, of a newer format, unsafe
    """
    path = Path(path)
    if not os.path.exists(path):
        raise BundleError(f"there is no bundle at {path}", "check the path: a bundle is a folder or a .zip")
    try:
        parts, odd = _folder_parts(path) if path.is_dir() else _zip_parts(path)
        if ABOUT not in parts:
            stopped = (path / "checkpoints").is_dir()
            remedy = "its run was stopped: give the same command again, it continues" if stopped else AGAIN
            raise BundleError(f"{path} holds no {ABOUT}: it is not a finished bundle", remedy)
        about = _about(path, parts[ABOUT])
        if odd:
            raise BundleError(f"{path} carries {odd[0]!r}, which a bundle never holds", "it was not loaded")
        for name in (WEIGHTS, GOLDEN):
            _check_part(path, name, parts.get(name), about["parts"][name])
        tensors, golden = (_unpacked(path, name, parts[name]) for name in (WEIGHTS, GOLDEN))
    except BundleError:
        raise
    except Exception as error:  # hostile bytes reach zipfile, json and safetensors: whatever they say, it is refused
        raise BundleError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}", AGAIN) from error
    return Bundle(about["kind"], about["plan"], tensors, golden, about["facts"], path)


def size_bytes(path: str | Path) -> int:
    """Bytes on disk of a bundle: its three parts, or the zip."""
    path = Path(path)
    files = [path / name for name in MAX_BYTES] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.exists())


def plain(value: Any) -> Any:
    """Plain JSON of a value: tuples become lists, numpy scalars Python's, NaN and infinities {"$float": ...}.

    errors  TypeError for anything else (arrays belong into `tensors`), and for keys that are no text
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str) or key.startswith("$")]
        if odd:
            raise TypeError(f"the key {odd[0]!r} cannot be saved: keys are text not starting with $")
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    raise TypeError(f"a {type(value).__name__} cannot be saved as JSON: {value!r}")


def from_json(data: bytes) -> Any:
    """Read JSON written from `plain`; ValueError or RecursionError: not JSON, a name twice, nested too deeply."""

    def pairs(found: list[tuple[str, Any]]) -> Any:
        names = [name for name, _ in found]
        if len(set(names)) != len(names):
            raise ValueError("a JSON name stands twice in one object")
        return float(found[0][1]) if names == ["$float"] else dict(found)

    value = json.loads(data, object_pairs_hook=pairs)
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        nested = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level, depth = [one for some in nested for one in some], depth + 1
    if depth > MAX_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH}")
    return value


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Turn what the disk says while `path` is written into a RunError with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            remedy = "free some space and give the same command again: it continues"
            raise RunError(f"the disk is full: {path} could not be written", remedy) from error
        problem = f"{path} cannot be written: {error.strerror or error}"
        raise RunError(problem, "choose another place, or mend its permissions") from error


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file so that at any moment it is either the old one or the new one, whole and on the disk.

    errors  RunError: full disk (the old file stays), no permission
    """
    path = Path(path)
    new = _beside(path)
    with writing(path):
        try:
            _write_synced(new, data)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _write_folder(path: Path, parts: Mapping[str, bytes]) -> None:
    new = _beside(path)
    try:
        new.mkdir()
        for name, data in parts.items():
            _write_synced(new / name, data)
        _sync_folder(new)
        if path.is_dir():
            # bundle.json goes first and comes last: cut short at any point, what is left is no bundle, not a wrong one
            (path / ABOUT).unlink(missing_ok=True)
            for name in (WEIGHTS, GOLDEN, ABOUT):
                os.replace(new / name, path / name)
            _sync_folder(path)
        else:
            os.rename(new, path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _zipped(parts: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name)  # dated 1980: equal contents, equal bytes
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return whole.getvalue()


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _canonical(about: Mapping[str, Any]) -> bytes:
    rest = {name: value for name, value in about.items() if name != "sha256"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()


def _version() -> str:
    try:
        return f"codelayer {importlib.metadata.version('codelayer')}"
    except importlib.metadata.PackageNotFoundError:
        return "codelayer"


def _packed(tensors: Mapping[str, np.ndarray]) -> bytes:
    if len(tensors) > MAX_TENSORS:
        raise BundleError(f"{len(tensors):,} tensors are too many for a bundle", f"at most {MAX_TENSORS:,} are written")
    ready = {}
    for name, array in tensors.items():
        if not isinstance(array, np.ndarray | np.generic) or array.dtype.kind not in "buif":
            raise TypeError(f"tensor {name!r} is a {type(array).__name__}, not a numpy array of numbers")
        if name in ("__metadata__", "$float"):
            raise TypeError(f"a tensor cannot be called {name!r}")
        # neither ascontiguousarray, which turns 0-d into 1-d, nor strides or byte order, which safetensors would lose
        ready[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return safetensors.numpy.save(ready)


def _check_target(path: Path) -> None:
    found = {path.name} if path.exists() else set()
    if path.suffix.lower() == ".zip":
        found = found if path.is_dir() else set()
    elif path.is_dir():
        found = {one.name for one in path.iterdir()} - {*MAX_BYTES, *PASSED_OVER}
    if found:
        raise BundleError(f"{path} is taken: {min(found)!r} is no part of a bundle", "choose another path")


def _folder_parts(path: Path) -> tuple[dict[str, bytes], list[str]]:
    parts, odd = {}, []
    for entry in sorted(os.scandir(path), key=lambda one: one.name):
        if entry.name in MAX_BYTES:
            if not entry.is_file(follow_symlinks=False):
                raise BundleError(f"{entry.path} is a link or a folder, not a file", "put the file itself in its place")
            _check_size(path, entry.name, entry.stat().st_size)
            parts[entry.name] = (path / entry.name).read_bytes()
        elif entry.name not in PASSED_OVER or entry.is_symlink():
            odd.append(entry.name)
    return parts, odd


def _zip_parts(path: Path) -> tuple[dict[str, bytes], list[str]]:
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise BundleError(f"{path} is not a bundle", "a bundle is a folder or a .zip written by codelayer")
        with zipfile.ZipFile(file) as archive:
            entries, names = archive.infolist(), set(archive.namelist())
            odd = any(one.flag_bits & 1 or stat.S_ISLNK(one.external_attr >> 16) for one in entries)
            if odd or len(names) != len(entries):
                raise BundleError(f"{path} holds a name twice, or a part that is encrypted or a link", AGAIN)
            for entry in entries:
                _check_size(path, entry.filename, entry.file_size)
                if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                    raise BundleError(f"{path} is compressed, which a bundle never is", "unpack it and give the folder")
            return {name: archive.read(name) for name in names & set(MAX_BYTES)}, sorted(names - set(MAX_BYTES))


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MAX_BYTES.get(name, size):
        raise BundleError(f"{name} in {path} has {size:,} bytes", f"at most {MAX_BYTES[name]:,} are read")


def _about(path: Path, data: bytes) -> dict[str, Any]:
    about = from_json(data)
    if isinstance(about, dict) and isinstance(about.get("format"), int) and about["format"] > FORMAT:
        problem = f"{path} was written by {str(about.get('written_by'))[:60]} in format {about['format']}"
        raise BundleError(f"{problem}; this version reads up to {FORMAT}", "upgrade: pip install --upgrade codelayer")
    whole = isinstance(about, dict) and set(about) == set(FIELDS)
    if not whole or not all(isinstance(about[name], of) for name, of in FIELDS.items()) or about["format"] != FORMAT:
        raise BundleError(f"{ABOUT} in {path} is not what codelayer writes", AGAIN)
    if about["sha256"] != _sha256(_canonical(about)) or set(about["parts"]) != {WEIGHTS, GOLDEN}:
        raise BundleError(f"{ABOUT} in {path} was altered or damaged: its sha256 differs", AGAIN)
    return about


def _check_part(path: Path, name: str, data: bytes | None, noted: Any) -> None:
    if data is None:
        raise BundleError(f"{path} lacks {name}: it is incomplete", AGAIN)
    if noted.get("bytes") != len(data):
        raise BundleError(f"{name} in {path} has {len(data):,} bytes instead of {noted.get('bytes')}", AGAIN)
    if noted.get("sha256") != _sha256(data):
        raise BundleError(f"{name} in {path} was altered or damaged: its sha256 differs", AGAIN)


def _unpacked(path: Path, name: str, data: bytes) -> dict[str, np.ndarray]:
    header = int.from_bytes(data[:8], "little")
    if not 2 <= header <= min(MAX_HEADER, len(data) - 8) or len(from_json(data[8 : 8 + header])) > MAX_TENSORS:
        raise BundleError(f"{name} in {path} has a header of {header:,} bytes or too many tensors", AGAIN)
    return safetensors.numpy.load(data)
