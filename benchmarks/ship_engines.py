"""How quick is a code in ONNX Runtime beside torch?  CODELAYER_DATA=... python benchmarks/ship_engines.py  (3 min)

An encoder 784-512-256-64 and two small convolutional ones on MNIST, one thread: torch eager, ONNX Runtime in float32
and in every int8 form, at one row and at 256, in turns. Every contestant reads a numpy array and gives one. Graphs of
codes scale their rows themselves; torch is given scaled ones.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch
from data_sets import folder
from machine import spread, write
from torch import nn

from codelayer import Autoencoder
from codelayer.export import onnx_bytes
from codelayer.measure.turns import paces
from codelayer.ship.models import open_model
from codelayer.ship.quantize import cpu_flags, quantise

BATCH, ROUNDS, SECONDS = 256, 9, 2.0


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    pictures = np.load(folder() / "mnist.npz")["x_train"][:4000]
    flat = (pictures.reshape(len(pictures), -1) / 255).astype(np.float32)
    grey = np.ascontiguousarray((pictures[:, None] / 255).astype(np.float32))
    mlp = Autoencoder(64, net="mlp(512, 256)", epochs=5, random_state=0).fit(flat)
    conv = Autoencoder(64, net="conv(16, 32, 64)", epochs=1, random_state=0).fit(pictures[:2000])
    pooled = _pooled().eval()
    rows = [
        _contest(
            "encoder 784-512-256-64",
            onnx_bytes(mlp, flat[:64]),
            flat,
            mlp.schema_.encode(flat),
            _layers(mlp),
            _package(mlp),
        ),
        _contest("three convolutions, global pool, 64", _exported(pooled), grey, grey, pooled, None),
        _contest(
            "conv(16, 32, 64), code of 64",
            onnx_bytes(conv, pictures[:64]),
            pictures,
            conv.schema_.encode(pictures),
            None,
            _package(conv),
        ),
    ]
    write("ship_engines", "How quick is a code in ONNX Runtime beside torch?", rows, threads=1, cpu=list(cpu_flags()))


def _contest(title: str, graph: bytes, x: np.ndarray, encoded: np.ndarray, net: Any, package: Any) -> dict[str, Any]:
    judged = quantise(graph, x, rounds=3, seconds=0.1)
    opened = {"ONNX Runtime float32": open_model(graph)}
    opened |= {f"ONNX Runtime {one.name}": open_model(one.data) for one in judged.variants if one.data}
    calls: dict[str, Any] = {}
    if net is not None:
        calls["torch eager, bare layers"] = _bare(net)
    if package is not None:
        calls["torch eager, as the package codes"] = package
    first = next(iter(calls))
    found: dict[str, Any] = {}
    for size in (1, BATCH):
        parts = [slice(i * size, (i + 1) * size) for i in range(min(16, len(x) // size))]
        ready = [encoded[part] for part in parts]
        inputs: dict[str, Any] = dict.fromkeys(calls, ready)
        graphs = {name: one.engine for name, one in opened.items()}
        inputs |= {name: [{"x": x[part]} for part in parts] for name in graphs}
        times = paces({**calls, **graphs}, inputs, size, ROUNDS, SECONDS)
        for name, pace in times.items():
            ratios = [a / b for a, b in zip(pace.medians, times[first].medians, strict=True)]
            one = found.setdefault(name, {})
            one[f"us_at_{size}"] = spread([1e3 * value for value in pace.medians])
            one[f"ratio_at_{size}"] = spread(ratios)
    sizes = {"ONNX Runtime float32": len(graph)}
    sizes |= {f"ONNX Runtime {one.name}": one.size_bytes for one in judged.variants}
    for name, one in found.items():
        print(title, name, f"{one['us_at_1']['median']:.0f} us", f"{one['ratio_at_1']['median']:.2f}", flush=True)
    engines = [{"name": name, "bytes": sizes.get(name), **one} for name, one in found.items()]
    return {"net": title, "engines": engines}


def _package(coder: Any) -> Any:
    return lambda part: coder._encode_block(part)


def _layers(coder: Any) -> nn.Module:
    """The encoder's affine layers and activations in a row, without what the package adds."""
    layers = [one for one in coder.model_.net.stages.modules() if isinstance(one, nn.Linear)]
    parts: list[nn.Module] = []
    for one in layers:
        parts += [one, nn.ReLU()]
    return nn.Sequential(*parts[:-1]).eval()


def _bare(net: nn.Module) -> Any:
    def call(part: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(part)).numpy()

    return call


def _pooled() -> nn.Module:
    parts: list[nn.Module] = []
    for i, (before, after) in enumerate([(1, 16), (16, 32), (32, 64)]):
        parts += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        parts += [nn.MaxPool2d(2)] if i < 2 else [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 64)]
    torch.manual_seed(0)
    return nn.Sequential(*parts)


def _exported(net: nn.Module) -> bytes:
    with contextlib.redirect_stdout(io.StringIO()):
        made: Any = torch.onnx.export(
            net,
            (torch.zeros(2, 1, 28, 28),),
            dynamo=True,
            input_names=["x"],
            output_names=["code"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            verbose=False,
        )
    return bytes(made.model_proto.SerializeToString())


if __name__ == "__main__":
    main()
