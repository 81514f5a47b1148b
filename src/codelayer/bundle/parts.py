"""The parts of a bundle as bytes: which there are, what each may weigh, and how they are checked.

Reads  a folder or a zip, from anyone.
Gives  sizes first, then bytes whose hash agrees, then arrays; BundleError with the name of what is wrong.
Skips  what a kind makes of plan and arrays.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from ..errors import BundleError
from .jsontext import from_json
from .zips import START, check_directory

if TYPE_CHECKING:
    import zipfile  # what a folder needs none of is imported where a zip is met

FORMAT = 1
ABOUT, WEIGHTS, GOLDEN = "bundle.json", "weights.safetensors", "golden.safetensors"
REFERENCE, ONNX = "reference.safetensors", "model.onnx"
ALWAYS, OPTIONAL = (WEIGHTS, GOLDEN), (REFERENCE, ONNX)
MAX_BYTES = {ABOUT: 16 << 20, WEIGHTS: 8 << 30, GOLDEN: 256 << 20, REFERENCE: 16 << 20, ONNX: (2 << 30) - 1}
MAX_HEADER, MAX_TENSORS = 16 << 20, 10_000
MOST_ENTRIES, MOST_DIRECTORY = 64, 1 << 20  # a bundle has five parts; one more is refused by its name
MOST_EXTRA = 64  # bytes behind an entry's name: its times and owner, or sizes above 4 GB
PASSED_OVER = ("checkpoints", ".lock")
FIELDS = {"format": int, "kind": str, "written_by": str, "plan": dict, "facts": dict, "parts": dict, "sha256": str}
AGAIN = "fetch a fresh copy, or save it again"


@dataclass(frozen=True)
class Opened:
    """What lies in a folder or zip: the size of each part a bundle may have, other names, and how a part is opened."""

    path: Path
    sizes: dict[str, int]
    odd: list[str]
    open: Callable[[str], IO[bytes]]


@contextmanager
def opened(path: Path) -> Generator[Opened, None, None]:
    """A folder or zip whose parts can be opened; nothing but sizes and names is read before.

    errors  BundleError: no bundle, a link, a part too large, a zip that is compressed, encrypted, holds a name twice or
            anything before, between or behind its parts
    """
    if path.is_dir():
        yield _folder(path)
        return
    import zipfile

    with open(path, "rb") as file:
        if file.read(4) != START:
            raise BundleError(f"{path} is not a bundle", "a bundle is a folder or a .zip written by codelayer")
        check_directory(path, file, MOST_ENTRIES, MOST_DIRECTORY)
        with zipfile.ZipFile(file) as archive:
            yield _zip(path, archive)


def _folder(path: Path) -> Opened:
    sizes: dict[str, int] = {}
    odd = []
    for entry in sorted(os.scandir(path), key=lambda one: one.name):
        if entry.name in MAX_BYTES:
            if not entry.is_file(follow_symlinks=False):
                raise BundleError(f"{entry.path} is a link or a folder, not a file", "put the file itself in its place")
            sizes[entry.name] = _bounded(path, entry.name, entry.stat().st_size)
        elif entry.name not in PASSED_OVER or entry.is_symlink():
            odd.append(entry.name)
    return Opened(path, sizes, odd, lambda name: open(path / name, "rb"))


def _zip(path: Path, archive: zipfile.ZipFile) -> Opened:
    import zipfile

    entries, names = archive.infolist(), set(archive.namelist())
    odd = any(one.flag_bits & 1 or stat.S_ISLNK(one.external_attr >> 16) for one in entries)
    if odd or len(names) != len(entries):
        raise BundleError(f"{path} holds a name twice, or a part that is encrypted or a link", AGAIN)
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise BundleError(f"{path} is compressed, which a bundle never is", "unpack it and give the folder")
    placed = sorted(entries, key=lambda one: one.header_offset)
    starts = [one.header_offset for one in placed] + [archive.start_dir]
    ends = [0, *[one.header_offset + 30 + len(one.filename.encode()) + one.file_size for one in placed]]
    if not all(0 <= start - end <= MOST_EXTRA for start, end in zip(starts, ends, strict=True)) or starts[0] != 0:
        raise BundleError(f"{path} holds more than its parts, or less", AGAIN)
    known = [one for one in entries if one.filename in MAX_BYTES]
    sizes = {one.filename: _bounded(path, one.filename, one.file_size) for one in known}
    return Opened(path, sizes, sorted(names - set(MAX_BYTES)), archive.open)


def _bounded(path: Path, name: str, size: int) -> int:
    if size > MAX_BYTES[name]:
        raise BundleError(f"{name} in {path} has {size:,} bytes", f"at most {MAX_BYTES[name]:,} are read")
    return size


def about_in(there: Opened) -> dict[str, Any]:
    """bundle.json, checked: its format, its fields, its own hash, and that what it lists is what lies there.

    errors  BundleError: unfinished, of a newer format, altered, a part missing, of another size or never held
    """
    path = there.path
    if ABOUT not in there.sizes:
        stopped = (path / "checkpoints").is_dir()
        remedy = "its run was stopped: give the same command again, it continues" if stopped else AGAIN
        raise BundleError(f"{path} holds no {ABOUT}: it is not a finished bundle", remedy)
    with there.open(ABOUT) as handle:
        about = _about(path, handle.read())
    unlisted = sorted(set(there.sizes) - {ABOUT, *about["parts"]})
    if there.odd or unlisted:
        name = (there.odd or unlisted)[0]
        why = "which a bundle never holds" if there.odd else f"which its {ABOUT} does not list"
        raise BundleError(f"{path} carries {name!r}, {why}", "it was not loaded")
    for name, noted in about["parts"].items():
        if name not in there.sizes:
            raise BundleError(f"{path} lacks {name}: it is incomplete", AGAIN)
        if noted.get("bytes") != there.sizes[name]:
            problem = f"{name} in {path} has {there.sizes[name]:,} bytes instead of {noted.get('bytes')}"
            raise BundleError(problem, AGAIN)
    return about


def _about(path: Path, data: bytes) -> dict[str, Any]:
    about = from_json(data)
    if isinstance(about, dict) and isinstance(about.get("format"), int) and about["format"] > FORMAT:
        problem = f"{path} was written by {str(about.get('written_by'))[:60]} in format {about['format']}"
        raise BundleError(f"{problem}; this version reads up to {FORMAT}", "upgrade: pip install --upgrade codelayer")
    whole = isinstance(about, dict) and set(about) == set(FIELDS)
    if not whole or not all(isinstance(about[name], of) for name, of in FIELDS.items()) or about["format"] != FORMAT:
        raise BundleError(f"{ABOUT} in {path} is not what codelayer writes", AGAIN)
    listed = set(about["parts"])
    whole = set(ALWAYS) <= listed <= {*ALWAYS, *OPTIONAL}
    if about["sha256"] != sha256(canonical(about)) or not whole:
        raise BundleError(f"{ABOUT} in {path} was altered or damaged: its sha256 differs", AGAIN)
    return about


def part_bytes(there: Opened, name: str, noted: Mapping[str, Any]) -> bytes:
    """One part, whose hash agrees with what is noted of it.

    errors  BundleError: altered; a file of arrays whose header does not tell its size
    """
    with there.open(name) as handle:
        start = b""
        if name not in (ABOUT, ONNX):
            start = _safe_header(there, name, handle)
        data = start + handle.read(there.sizes[name] + 1 - len(start))
    if len(data) != there.sizes[name] or noted.get("sha256") != sha256(data):
        raise BundleError(f"{name} in {there.path} was altered or damaged: its sha256 differs", AGAIN)
    return data


def _safe_header(there: Opened, name: str, handle: IO[bytes]) -> bytes:
    """The first bytes, once the header in them tells arrays that fill the part exactly: a small header cannot ask for
    much memory, nor hide bytes behind it."""
    size, first = there.sizes[name], handle.read(8)
    length = int.from_bytes(first, "little")
    if not 2 <= length <= min(MAX_HEADER, size - 8):
        raise BundleError(f"{name} in {there.path} has a header of {length:,} bytes", AGAIN)
    text = handle.read(length)
    told = from_json(text)
    if len(told) > MAX_TENSORS:
        raise BundleError(f"{name} in {there.path} has {len(told):,} tensors", f"at most {MAX_TENSORS:,} are read")
    ends = [one["data_offsets"][1] for key, one in told.items() if key != "__metadata__"]
    if 8 + length + max(ends, default=0) != size:
        raise BundleError(f"{name} in {there.path} is not as long as its header says", AGAIN)
    return first + text


def unpacked(data: bytes) -> dict[str, np.ndarray]:
    """The arrays in the bytes of a safetensors part."""
    return safetensors.numpy.load(data)


def packed(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name as the bytes of a safetensors part.

    errors  BundleError: too many; TypeError: what is no array of numbers
    """
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


def assembled(about: Mapping[str, Any], parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The parts with their bundle.json: `about` holds kind, written_by, plan and facts.

    errors  BundleError: a part that is too big
    """
    noted = {name: {"bytes": len(data), "sha256": sha256(data)} for name, data in parts.items()}
    whole = {"format": FORMAT, **{name: about[name] for name in ("kind", "written_by", "plan", "facts")}}
    whole["parts"] = noted
    whole["sha256"] = sha256(canonical(from_json(json.dumps(whole).encode())))
    made = {**parts, ABOUT: json.dumps(whole, indent=1, allow_nan=False).encode()}
    for name, data in made.items():
        if len(data) > MAX_BYTES[name]:
            raise BundleError(f"{name} would be {len(data):,} bytes", f"at most {MAX_BYTES[name]:,} are written")
    return made


def sha256(data: bytes) -> str:
    """The hash of bytes, as a bundle notes it."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def canonical(about: Mapping[str, Any]) -> bytes:
    """The bytes over which bundle.json notes its own hash: without that field, keys sorted, no white space."""
    rest = {name: value for name, value in about.items() if name != "sha256"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
