"""int8 and float16 forms of a graph, made by ONNX Runtime's tools.

Reads  an ONNX graph, feeds that calibrate it.
Gives  the graph of every form, or why it could not be made.
Skips  whether they pay: quantize.py.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.onnxfile import DOMAINS, library
from ..errors import CodelayerError, DataError

CONVOLVE = {"Conv", "ConvTranspose"}
DENSE = ["MatMul", "Gemm"]


def forms(data: bytes, calibration: dict[str, np.ndarray]) -> Iterator[tuple[str, bytes, str]]:
    """(name, graph, "") of every form, or (name, b"", why it could not be made).

    data         the float graph
    calibration  feeds that tell the range of activations
    errors       DataError: a graph without matrix products; CodelayerError: the extra `export` is not installed
    """
    onnx = library("onnx")
    plain = onnx.load_model_from_string(data)
    kinds, facts = {node.op_type for node in plain.graph.node}, {one.key: one.value for one in plain.metadata_props}
    if not kinds & {*DENSE, *CONVOLVE}:
        raise DataError("the graph holds no matrix products", "only nets and linear models can be quantised")
    with tempfile.TemporaryDirectory() as folder:
        ready, made = Path(folder) / "ready.onnx", Path(folder) / "made.onnx"
        # without it shapes of an exported graph contradict themselves, and every quantiser fails
        ready.write_bytes(data)
        with _quiet():
            library("onnxruntime.quantization.shape_inference").quant_pre_process(str(ready), str(ready))
        makers: list[tuple[str, Any]] = [
            ("int8 dynamic", lambda: _dynamic(ready, made, False)),
            ("int8 dynamic, reduced range", lambda: _dynamic(ready, made, True)),
            ("int8 static", lambda: _static(ready, made, False, calibration)),
            ("int8 static, reduced range", lambda: _static(ready, made, True, calibration)),
        ]
        if kinds & CONVOLVE and kinds & set(DENSE):
            makers += [
                ("int8 dynamic, dense layers", lambda: _dynamic(ready, made, False, DENSE)),
                ("int8 static, dense layers", lambda: _static(ready, made, False, calibration, DENSE)),
            ]
        makers.append(("float16", lambda: _half(data, made)))
        for name, make in makers:
            try:
                with _quiet():
                    make()
                yield name, _whole(made.read_bytes(), facts), ""
            except CodelayerError:
                raise
            except Exception as error:  # whatever a quantiser meets, the others are still tried
                yield name, b"", f"it could not be made: {' '.join(str(error).split())[:160]}"


@contextmanager
def _quiet() -> Generator[None]:
    """Without the lines that the tools log about every operator they leave as it is."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _whole(data: bytes, facts: Mapping[str, str]) -> bytes:
    """A form with the metadata of its graph, which tools forget, and without operators that they name in vain."""
    onnx = library("onnx")
    model = onnx.load_model_from_string(data)
    onnx.helper.set_model_props(model, dict(facts))
    used = {node.domain for node in model.graph.node}
    named = [one for one in model.opset_import if one.domain in DOMAINS or one.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(named)
    return bytes(model.SerializeToString())


def _dynamic(ready: Path, made: Path, reduced: bool, only: list[str] | None = None) -> None:
    tool = library("onnxruntime.quantization")
    tool.quantize_dynamic(
        str(ready),
        str(made),
        weight_type=tool.QuantType.QInt8,
        reduce_range=reduced,
        op_types_to_quantize=only,
        nodes_to_exclude=_around(ready),
    )


def _static(
    ready: Path, made: Path, reduced: bool, calibration: dict[str, np.ndarray], only: list[str] | None = None
) -> None:
    tool = library("onnxruntime.quantization")

    class Reader(tool.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            count = len(next(iter(calibration.values())))
            parts = [slice(i, min(i + 64, count)) for i in range(0, count, 64)]
            self.left = iter([{name: one[part] for name, one in calibration.items()} for part in parts])

        def get_next(self) -> Any:
            return next(self.left, None)

    tool.quantize_static(
        str(ready),
        str(made),
        Reader(),
        quant_format=tool.QuantFormat.QDQ,
        activation_type=tool.QuantType.QUInt8,
        weight_type=tool.QuantType.QInt8,
        reduce_range=reduced,
        op_types_to_quantize=only,
        nodes_to_exclude=_around(ready),
    )


def _around(ready: Path) -> list[str]:
    """Names of the operators around the core of an exported model: what scales raw rows shall not be rounded."""
    nodes = library("onnx").load_model(str(ready)).graph.node
    return [one.name for one in nodes if one.name.lstrip("_").startswith("codelayer/") and "/core/" not in one.name]


def _half(data: bytes, made: Path) -> None:
    onnx = library("onnx")
    convert = library("onnxruntime.transformers.float16").convert_float_to_float16
    onnx.save_model(convert(onnx.load_model_from_string(data), keep_io_types=True), str(made))
