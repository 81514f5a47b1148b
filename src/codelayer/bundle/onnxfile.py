"""ONNX files are opened here: looked through before ONNX Runtime sees them, and run on as many threads as said.

Reads  a path, or the bytes of a model.
Gives  an onnxruntime.InferenceSession on the CPU.
Skips  onnx, which is not needed to look: of the protobuf only the fields that matter are walked.
Source: onnx.proto, whose field numbers stand below.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import BundleError, CodelayerError

MOST_BYTES = 2**31 - 1  # protobuf reads no more
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # the last holds what quantised models use
OTHER_FORMAT = b"ORTM"  # at byte 4; ONNX Runtime would read such bytes by other rules than these here
DEEPEST = 64
AGAIN = "fetch a fresh copy, or export it again"
# fields by message, as (number -> message inside)
_MODEL = {7: "graph", 20: "training", 25: "function"}
_INSIDE = {
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_OPSETS, _DOMAIN, _EXTERNAL, _LOCATION = 8, 1, 13, 14


def library(name: str, extra: str = "export") -> Any:
    """A library of an extra, imported when it is needed.

    errors  CodelayerError with the line that installs it
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise CodelayerError(
            f"this needs {error.name}, which is not installed", f'pip install "codelayer[{extra}]"'
        ) from None


def session(source: str | Path | bytes, threads: int = 1, name: str | None = None) -> Any:
    """An ONNX model, ready to run on the CPU.

    source   a file, or its bytes; at most 2 GB, everything inside it, standard operators only
    threads  that one run may use
    name     what errors call it: the file that bytes are of
    errors   BundleError: missing, too big, damaged, with data in other files or operators of another library;
             CodelayerError: onnxruntime is not installed
    """
    runtime = library("onnxruntime")
    if not isinstance(threads, int) or threads < 1:
        raise CodelayerError(f"threads={threads!r} is not possible", "it is a whole number, at least 1")
    name = name or ("the model" if isinstance(source, bytes) else str(source))
    data = source if isinstance(source, bytes) else _read(Path(source))
    check_model(data, name)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever ONNX Runtime says of hostile bytes, they are refused
        raise BundleError(f"{name} cannot be opened: {' '.join(str(error).split())[:300]}", AGAIN) from error


def check_model(data: bytes, name: str = "the model") -> None:
    """Refuse bytes that ONNX Runtime shall not open.

    errors  BundleError: too big, no ONNX model, data kept in other files, operators beyond the standard ones
    """
    if not 0 < len(data) <= MOST_BYTES:
        raise BundleError(f"{name} has {len(data):,} bytes", f"a model has 1 to {MOST_BYTES:,}")
    if data[4:8] == OTHER_FORMAT:
        raise BundleError(f"{name} is no ONNX model, but in ONNX Runtime's own format", "give the .onnx file")
    try:
        domains = list(_domains(memoryview(data)))
        outside = any(_keeps_data_outside(memoryview(data), _MODEL, 0))
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise BundleError(f"{name} is no ONNX model ({error})", AGAIN) from None
    if not domains:
        raise BundleError(f"{name} is no ONNX model: it names no set of operators", AGAIN)
    odd = [domain for domain in domains if domain not in DOMAINS]
    if odd:
        raise BundleError(
            f"{name} uses operators of {odd[0][:60]!r}", f"only the standard ones are run: {', '.join(DOMAINS[1:])}"
        )
    if outside:
        raise BundleError(f"{name} keeps data in other files", "save it as one file, without external data")


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise BundleError(f"there is no model at {path}", "check the path: an ONNX model is one file")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise BundleError(f"{path} has {size:,} bytes", f"a model has at most {MOST_BYTES:,}")
    return path.read_bytes()


def _domains(model: memoryview) -> Iterator[str]:
    for number, value in _fields(model):
        if number == _OPSETS and isinstance(value, memoryview):
            named = [bytes(inner) for n, inner in _fields(value) if n == _DOMAIN and isinstance(inner, memoryview)]
            yield (named[-1] if named else b"").decode("utf-8")


def _keeps_data_outside(message: memoryview, inside: dict[int, str], depth: int) -> Iterator[bool]:
    """Whether tensors say that their numbers lie elsewhere, one by one."""
    if depth > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST}")
    for number, value in _fields(message):
        if isinstance(value, memoryview) and number in inside:
            kind = inside[number]
            if kind == "tensor":
                yield any(n == _EXTERNAL or (n == _LOCATION and inner) for n, inner in _fields(value))
            else:
                yield from _keeps_data_outside(value, _INSIDE[kind], depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(number, value) of a protobuf message: bytes and whole numbers; fixed ones are passed over.

    Stricter than protobuf, which drops bits that it has no room for: what it reads is what is seen here.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _whole(message, at)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            raise ValueError(f"a part of number {number:,}")
        if wire == 0:
            value, at = _whole(message, at)
            yield number, value
        elif wire == 2:
            size, at = _whole(message, at)
            if size > end - at:
                raise ValueError("a part of it is longer than the whole")
            yield number, message[at : at + size]
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"a part of kind {wire}")
    if at != end:
        raise ValueError("it ends early")


def _whole(message: memoryview, at: int) -> tuple[int, int]:
    """A number of at most 64 bits in as few bytes as it takes, and where it ends."""
    value = shift = 0
    while shift < 70:
        byte = message[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            if value >= 2**64 or (byte == 0 and shift):
                raise ValueError("a number that is not written as it should be")
            return value, at
        shift += 7
    raise ValueError("a number without end")
