"""Which remedy keeps the units of a wide topk() code alive?  python benchmarks/dead_units.py [mnist|cifar|outliers]

Sixteen units per feature, one affine layer each way, the default rate, 150 to 320 steps over a few thousand rows, 3
seeds. k is 32, and on MNIST, where that is a quarter of a per cent of the units, 128 too (one per cent). A unit is dead
when it is on for none of the held-out rows. Beside the dead share stand the share of variance that is not rebuilt
(FVU) and the active units per row (L0), on the same rows: a remedy that keeps units alive by rebuilding worse is none.
CIFAR-10 pictures are read as 256 features of the MobileNet that lies in CODELAYER_DATA. The outliers are made: 64
columns, 5 of them far from 0; there the centring of mlp() is left out, too. Results of several calls are joined.
About 25 minutes on one thread (set OMP_NUM_THREADS=1); the features are kept in the system's folder for passing files.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RESULTS, write
from scipy import stats
from torch.nn import functional as F

from codelayer import Autoencoder
from codelayer.learn.doctor import mean_ratio
from codelayer.learn.loop import train
from codelayer.learn.sources import Rows

DATA = Path(os.environ.get("CODELAYER_DATA", "."))
QUESTION = "Which remedy keeps the units of a wide topk() code alive?"
EXPANSION, SEEDS = 16, 3
EPOCHS = {"mnist": 3, "cifar": 10, "outliers": 8}
BATCH = {"mnist": 128, "cifar": 128, "outliers": 256}
REMEDIES = (
    "",
    " + revive()",
    " + transposed()",
    " + unit_norm()",
    " + transposed() + revive()",
    " + transposed() + unit_norm() + revive()",
)
TRIED = {  # fewer where a fit takes minutes
    "mnist": [f"topk({k}){remedy}" for remedy in (" + transposed()", "") for k in (128, 32)],
    "cifar": [f"topk(32){remedy}" for remedy in ("", " + transposed()", " + transposed() + revive()")],
    "outliers": [f"topk(32){remedy}" for remedy in REMEDIES],
}


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """10,000 pictures to learn from, 10,000 held out, as rows of 784 grey levels."""
    found = np.load(DATA / "mnist.npz")
    rows = [found[name].reshape(-1, 784).astype(np.float32) / 255 for name in ("x_train", "x_test")]
    return rows[0][:10_000], rows[1]


def cifar() -> tuple[np.ndarray, np.ndarray]:
    """4,000 pictures to learn from, 5,000 held out, each as 256 features of an ImageNet-trained net."""
    kept = Path(tempfile.gettempdir()) / "codelayer_cifar_mobilenet_025.npy"
    if not kept.exists():
        np.save(kept, _features(10_000))
    found = np.load(kept)
    return found[:4000], found[5000:]


def _features(count: int) -> np.ndarray:
    from PIL import Image

    found = np.load(DATA / "cifar10_train.npz")
    net = np.load(DATA / "mobilenet_v1_0.25_128.npz")
    order, made = np.random.default_rng(0).permutation(len(found["y"]))[:count], []
    packed, ends = found["jpeg"], found["offset"]  # read once: every look-up in an .npz unpacks the whole array
    for block in np.array_split(order, count // 100):
        files = [io.BytesIO(packed[ends[i] : ends[i + 1]].tobytes()) for i in block]
        x = np.stack([np.asarray(Image.open(one).convert("RGB")) for one in files]).transpose(0, 3, 1, 2)
        wide = F.interpolate(torch.from_numpy(x / np.float32(127.5) - 1), size=(128, 128), mode="bilinear")
        made.append(_pooled(wide, net).numpy())
    return np.concatenate(made)


@torch.no_grad()
def _pooled(x: torch.Tensor, net: Any) -> torch.Tensor:
    """The net's features: convolutions in a row, padded as TensorFlow pads ("same": more at bottom and right)."""
    for op in json.loads(str(net["spec"]))["ops"]:
        if op["op"] != "conv":
            return x.mean((2, 3))
        q, scale, zero, bias = (net[f"{op['name']}.{part}"] for part in ("q", "scale", "zero", "bias"))
        weight, stride = torch.from_numpy((q.astype(np.float32) - zero) * scale), op["stride"]
        lacking = max((-(-x.shape[2] // stride) - 1) * stride + weight.shape[2] - x.shape[2], 0)
        sides = (lacking // 2, lacking - lacking // 2)
        h = F.conv2d(F.pad(x, sides * 2), weight.float(), torch.from_numpy(bias).float(), stride, groups=op["groups"])
        x = h.clamp(0, 6)
    raise ValueError("this net has no pooled features")


def outliers() -> tuple[np.ndarray, np.ndarray]:
    """Sparse sums of 256 atoms in 64 columns, of which 5 are moved far from 0; 5,000 rows each."""
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(256, 64)) / 8
    active = (rng.random((10_000, 256)) < 0.05) * rng.gamma(2, 1, size=(10_000, 256))
    x = active @ atoms
    x[:, :5] += [60, -40, 30, 30, -50]
    return x[:5000].astype(np.float32), x[5000:].astype(np.float32)


def fitted(x: np.ndarray, text: str, epochs: int, batch: int, seed: int, centred: bool) -> Autoencoder:
    """A code of 16 units per column; without centring, the net subtracts nothing from its input."""
    options = {"epochs": epochs, "batch_size": batch, "validation": 0, "random_state": seed}
    scale = "none" if mean_ratio(x) > 5 else "auto"  # so that outliers stay ones, and one FVU with the other compares
    coder = Autoencoder(EXPANSION * x.shape[1], text, "mlp()", scale=scale, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if centred:
            return coder.fit(x)
        coder.prepare(x)
    coder.model_.net.mean.zero_()
    loop = train(coder.model_, Rows(x, coder.schema_), epochs=epochs, batch_size=batch, learning_rate=0.001, seed=seed)
    for _ in loop:
        pass
    return coder


def measured(coder: Autoencoder, x: np.ndarray) -> dict[str, float]:
    """Dead share, FVU and L0 on rows."""
    codes = coder.transform_sparse(x)
    codes.eliminate_zeros()
    alive = len(np.unique(codes.indices))
    return {"dead": 1 - alive / coder.units, "fvu": 1 - coder.score(x), "l0": codes.nnz / len(x)}


def interval(values: list[float]) -> dict[str, float]:
    """Mean and 95 % interval over seeds, by Student's t."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": len(values)}


def race(name: str) -> Iterator[dict[str, Any]]:
    """Every sentence on one data set, as soon as it is measured."""
    x, held = {"mnist": mnist, "cifar": cifar, "outliers": outliers}[name]()
    epochs, batch, ways = EPOCHS[name], BATCH[name], (True, False) if name == "outliers" else (True,)
    for centred, text in itertools.product(ways, TRIED[name]):
        started = time.perf_counter()
        found = [measured(fitted(x, text, epochs, batch, seed, centred), held) for seed in range(SEEDS)]
        ends = {key: interval([one[key] for one in found]) for key in found[0]}
        seconds = (time.perf_counter() - started) / SEEDS
        told = " ".join(f"{key} {one['mean']:.3f}" for key, one in ends.items())
        print(f"{name} {'' if centred else 'not centred '}{text}: {told}, {seconds:.0f} s", flush=True)
        record = {"data": name, "epochs": epochs, "batch": batch, "centred": centred, "objective": text}
        size = {"rows": len(x), "held_out": len(held), "features": x.shape[1], "units": EXPANSION * x.shape[1]}
        yield {**record, "seconds": seconds, **size, "mean_over_deviation": mean_ratio(x), **ends}


def main() -> None:
    """Measure the data sets that are named, or all, and write every figure among those that are there."""
    torch.set_num_threads(1)
    path = RESULTS / "dead_units.json"
    for name in sys.argv[1:] or TRIED:
        found: list[dict[str, Any]] = []
        for record in race(name):
            found.append(record)
            before = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
            rows = [one for one in before if one["data"] != name] + found
            write("dead_units", QUESTION, rows, threads=1, seeds=SEEDS)


if __name__ == "__main__":
    main()
