"""What does the runtime cost?  python benchmarks/runtime_cost.py PYTHON  (2 min)

PYTHON is an interpreter in whose environment only codelayer-runtime is installed (pip wheel ./runtime, and pip install
of the wheel). Encoder 784-512-256-64, one thread. Processor time is what is compared, in turns: numpy and ONNX Runtime
on the same row in blocks of calls, the bare interpreter and the import in whole processes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from machine import spread, write
from onnx import TensorProto, helper, numpy_helper

from codelayer import Autoencoder, bundle

ROUNDS, CALLS = 30, 200
LATENCY = """
import sys, json, time, numpy as np, codelayer_runtime
rounds, calls, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
models = {name: codelayer_runtime.load(path, engine=name) for name in ("numpy", "onnx")}
rows = np.random.default_rng(0).random((256, 784), dtype=np.float32)
one = rows[:1]
encoded = models["numpy"].schema.encode(one)
ort = models["onnx"]._session
runs = {"engine": {"numpy": lambda: models["numpy"]._coder(encoded), "onnx": lambda: ort.run(["code"], {"x": one})},
        "whole": {name: (lambda m=m: m.encode(one)) for name, m in models.items()},
        "rows256": {name: (lambda m=m: m.encode(rows)) for name, m in models.items()}}
found = {f"{what} {name}": [] for what, both in runs.items() for name in both}
for _ in range(rounds + 1):
    for what, both in runs.items():
        for name, call in both.items():
            count = calls if what != "rows256" else max(1, calls // 40)
            started = time.process_time()
            for _ in range(count):
                call()
            found[f"{what} {name}"].append((time.process_time() - started) / count * 1e6)
one, other = (model.encode(rows) for model in models.values())
gap = np.abs(one - other).max() / np.abs(other).max()
print(json.dumps({"found": {name: taken[1:] for name, taken in found.items()}, "gap": float(gap)}))
"""
MEMORY = """
import sys, codelayer_runtime
from codelayer_runtime.cli import main
main(["encode", sys.argv[2], sys.argv[3], "--out", sys.argv[4], "--engine", sys.argv[1]])
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(line.split()[1]) * 1024 / 1e6, sorted({"torch", "scipy", "onnxruntime"} & set(sys.modules)))
"""
SIZE = """
import importlib.metadata as m, json
there = {d.metadata["Name"]: [f.locate() for f in d.files if f.suffix != ".pyc"] for d in m.distributions()}
sizes = {name: sum(one.stat().st_size for one in files if one.exists()) for name, files in there.items()}
print(json.dumps(sizes))
"""


def encoder(folder: Path) -> Path:
    """A bundle of an untrained encoder 784-512-256-64 with its ONNX form."""
    x = np.random.default_rng(0).random((300, 784), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coder = Autoencoder(64, "squared()", "mlp(512, 256)", scale="none", random_state=0).prepare(x)
    coder.save(folder / "bundle")
    tensors = bundle.read(folder / "bundle").tensors
    constants = [numpy_helper.from_array(tensors["model.net.mean"], "mean")]
    nodes = [helper.make_node("Sub", ["x", "mean"], ["h0"])]
    for i, stage in enumerate(("hidden1", "hidden2", "encoded")):
        for part in ("weight", "bias"):
            constants.append(numpy_helper.from_array(tensors[f"model.net.stages.{stage}.0.{part}"], f"{part}{i}"))
        last = stage == "encoded"
        out = "code" if last else f"g{i}"
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"weight{i}", f"bias{i}"], [out], transB=1))
        nodes += [] if last else [helper.make_node("Relu", [out], [f"h{i + 1}"])]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", k]) for n, k in (("x", 784), ("code", 64))]
    graph = helper.make_graph(nodes, "encoder", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bundle.attach(folder / "bundle", bundle.ONNX, model.SerializeToString())


def asked(python: str, code: str, *words: object) -> str:
    """What a process of the runtime's environment prints, on one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env = kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([python, "-c", code, *map(str, words)], env=env, capture_output=True, text=True, check=True)
    return done.stdout


def processor_seconds(python: str, code: str) -> float:
    """Processor time of a whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asked(python, code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(python: str) -> None:
    """Measure and write the result."""
    imports = {"python": "pass", "numpy": "import numpy", "codelayer_runtime": "import codelayer_runtime"}
    seconds: dict[str, list[float]] = {name: [] for name in imports}
    for _ in range(16):
        for name, code in imports.items():
            seconds[name].append(processor_seconds(python, code))
    bare = np.array(seconds["python"][1:])
    with tempfile.TemporaryDirectory() as made:
        path = encoder(Path(made))
        told = json.loads(asked(python, LATENCY, ROUNDS, CALLS, path))
        np.save(Path(made) / "x.npy", np.random.default_rng(1).random((20_000, 784), dtype=np.float32))
        words = (path, Path(made) / "x.npy", Path(made) / "z.npy")
        memory = {name: asked(python, MEMORY, name, *words).splitlines()[-1] for name in ("numpy", "onnx")}
    sizes = {name: size / 1e6 for name, size in json.loads(asked(python, SIZE)).items()}
    for name in ("pip", "setuptools"):
        sizes.pop(name, None)
    row = {
        "installed_mb": sum(sizes.values()),
        "installed": sizes,
        "peak_mb": {name: float(line.split()[0]) for name, line in memory.items()},
        "modules": {name: line.partition(" ")[2] for name, line in memory.items()},
        "import_seconds": {n: spread(list(np.array(seconds[n][1:]) - bare)) for n in ("numpy", "codelayer_runtime")},
        "microseconds": {name: spread(taken) for name, taken in told["found"].items()},
        "times_onnx": {
            what: spread(list(np.divide(told["found"][f"{what} numpy"], told["found"][f"{what} onnx"])))
            for what in ("engine", "whole", "rows256")
        },
        "largest_difference": told["gap"],
    }
    print(json.dumps(row, indent=1))
    write("runtime_cost", "What does the runtime cost?", [row], rounds=ROUNDS, calls=CALLS)


if __name__ == "__main__":
    main(sys.argv[1])
