"""ONNX files as frozen nets: "file:PATH.onnx" runs in ONNX Runtime, its outputs are the stages.

Reads  a file with one input of pictures (n, C, H, W) or (n, H, W, C), or of rows (n, width).
Gives  a Backbone without parameters: its features can be used, it cannot be fine-tuned.
Skips  tensors that the file does not give as outputs; rows with names and kinds, which the bundle itself reads.

How pictures are prepared stands in the file's metadata ("codelayer.preprocessing") or beside it, in PATH.onnx.json:
a record of `Pictures`. Without one, pictures are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...bundle.onnxfile import session
from ...errors import BundleError, DataError, SentenceError
from ...nets.backbone import Backbone, Pictures
from ...nets.backbone.core import LAYOUTS
from ..files import checked_file

SUFFIX = ".onnx"
METADATA = "codelayer.preprocessing"
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
CHANNELS = (1, 3)
THREADS = 1
MOST_JSON = 1 << 20


class Session(nn.Module):
    """A file as a module; its bytes are a buffer, so that a bundle keeps them."""

    model: Tensor
    names: list[str]

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__()
        self.register_buffer("model", torch.frombuffer(bytearray(data), dtype=torch.uint8))
        self.name = name
        self._open(data)
        self.stages = nn.ModuleList(nn.Identity() for _ in self.names)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) or (n, width) -> the last output.

        errors  SentenceError: gradients are asked for
        """
        if torch.is_grad_enabled() and (self.training or x.requires_grad):
            raise SentenceError(
                f"{self.name} is frozen: no gradients come out of an ONNX file",
                "use its features, or open the net it was exported from",
            )
        rows = x.detach().cpu().numpy()
        rows = np.ascontiguousarray(rows.transpose(0, 2, 3, 1) if self.last else rows).astype(self.floats, copy=False)
        try:
            found = self.run.run(None, {self.input: rows})
        except Exception as error:  # ONNX Runtime's own kinds: what does not fit its input
            raise DataError(
                f"{self.name} does not take rows of shape {rows.shape[1:]}: {' '.join(str(error).split())[:200]}",
                f"its input is {self.shape}",
            ) from None
        for stage, one in zip(self.stages, found, strict=True):
            x = stage(torch.from_numpy(np.array(one, np.float32)))
        return x

    def __deepcopy__(self, memo: Any) -> Session:
        """The same file, opened once more."""
        return Session(self.model.numpy().tobytes(), self.name)

    def _open(self, data: bytes) -> None:
        self.run = session(data, THREADS)
        inputs = self.run.get_inputs()
        if len(inputs) != 1:
            raise BundleError(
                f"{self.name} has {len(inputs)} inputs: {', '.join(one.name for one in inputs)[:120]}",
                "a net of one input is used; of a model of named columns give its bundle",
            )
        self.input, self.shape, kind = inputs[0].name, list(inputs[0].shape), inputs[0].type
        if kind not in TYPES or len(self.shape) not in (2, 4):
            raise BundleError(
                f"{self.name} takes {kind} of shape {self.shape}", "it has to take pictures or rows of floats"
            )
        self.floats = TYPES[kind]
        self.names = [one.name for one in self.run.get_outputs()]
        odd = [one for one in self.run.get_outputs() if one.type not in TYPES]
        if odd:
            raise BundleError(f"{self.name} gives {odd[0].type} as {odd[0].name}", "its outputs have to be floats")
        self.last = len(self.shape) == 4 and self.shape[1] not in CHANNELS and self.shape[3] in CHANNELS


class Numbers:
    """Rows of numbers as they are."""

    def __init__(self, width: int | None) -> None:
        self.width = width

    def __call__(self, x: Any) -> Tensor:
        """(rows, width) -> float32.

        errors  DataError: another shape, or values that are not finite
        """
        found = np.ascontiguousarray(x, np.float32)
        if found.ndim != 2 or self.width not in (None, found.shape[1]):
            raise DataError(
                f"this net takes rows of {self.width or 'some'} numbers, not {found.shape}", "check the data"
            )
        if not np.isfinite(found).all():
            raise DataError("these rows hold values that are not finite", "fill them in first")
        return torch.from_numpy(found)

    def notes(self, x: Any) -> list[str]:
        """Nothing."""
        return []

    def sample(self) -> Tensor | None:
        """One row of zeros, (1, width); None where any width is taken."""
        return None if self.width is None else torch.zeros(1, self.width)

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"form": "numbers", "width": self.width}


def open_onnx(rest: str, size: int | None, weights: bool) -> Backbone:
    """The net in an ONNX file.

    rest     PATH.onnx, or PATH.onnx#sha256=HEX
    size     pixels per side, for nets that take any
    weights  False is refused: what an ONNX file holds cannot be drawn anew
    errors   DataError, BundleError, SentenceError; CodelayerError: onnxruntime is not installed
    """
    path = checked_file(rest)
    if not weights:
        raise SentenceError(
            f"{path} has no untrained twin", "an ONNX file is frozen: open the net it was exported from"
        )
    return _backbone(path.read_bytes(), str(path), size, _beside(path))


def restore_onnx(source: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Backbone:
    """The net whose bytes stand among a bundle's arrays."""
    return _backbone(np.asarray(arrays["model"], np.uint8).tobytes(), "the net in the bundle", None, source["prepare"])


def _beside(path: Path) -> Any:
    """The record of preprocessing that lies beside a file."""
    beside = path.with_name(f"{path.name}.json")
    if not beside.is_file():
        return None
    if beside.stat().st_size > MOST_JSON:
        raise DataError(f"{beside} has {beside.stat().st_size:,} bytes", f"at most {MOST_JSON:,}")
    return _record(beside.read_text(encoding="utf-8", errors="replace"), str(beside))


def _record(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the preprocessing in {name} is no JSON: {error}", "it is a record of Pictures") from None


def _backbone(data: bytes, name: str, size: int | None, beside: Any) -> Backbone:
    net = Session(data, name)
    told = net.run.get_modelmeta().custom_metadata_map
    record = beside if beside is not None else _record(told[METADATA], name) if METADATA in told else None
    prepare = _pictures(net, record, size) if len(net.shape) == 4 else Numbers(_fixed(net.shape[1]))
    if size is not None and len(net.shape) != 4:
        raise DataError(f"{name} takes rows, not pictures", "leave size away")
    return Backbone(
        name,
        net,
        {stage: f"stages.{at}" for at, stage in enumerate(net.names)},
        prepare,
        str(told.get("license", told.get("licence", "not stated"))),
        LAYOUTS[1] if net.last else LAYOUTS[0],
        source={"form": "onnx", "prepare": prepare.record()},
    )


def _pictures(net: Session, record: Any, size: int | None) -> Pictures:
    if record is None:
        raise DataError(
            f"{net.name} does not record how its pictures are prepared",
            f"write {Path(net.name).name}.json beside it, with height, width, channels, mean and std as in training",
        )
    told = Pictures.from_record(record)
    tall, wide, channels = (net.shape[at] for at in ((1, 2, 3) if net.last else (2, 3, 1)))
    height, width = size or _fixed(tall) or told.height, size or _fixed(wide) or told.width
    if channels in CHANNELS and channels != told.channels:
        raise DataError(f"{net.name} takes {channels} channels, its record says {told.channels}", "mend the record")
    if (_fixed(tall) or height, _fixed(wide) or width) != (height, width):
        raise DataError(f"{net.name} takes pictures of {wide} x {tall} pixels only", "leave size away")
    return Pictures(height, width, told.channels, told.mean, told.std, told.interpolation)


def _fixed(size: Any) -> int | None:
    """A dimension that a file fixes; others have names."""
    return size if isinstance(size, int) and size > 0 else None
