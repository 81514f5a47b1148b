"""How fast are sparse codes, and a net that predicts them?  python benchmarks/sparse_coding_speed.py  (about 3 min)

64 x 256 dictionaries, rows of length 1, l1 = 0.1, one thread (set OMP_NUM_THREADS=1), contestants in alternating
rounds: one dictionary learned on digits, one of random atoms with random rows. scikit-learn's sparse_encode with its
default (lasso_lars, on the first 200 rows) and with lasso_cd, beside feature_sign and fista, and active_set where numba
is installed (what compiling costs is measured by itself: the first call of a new process, with an empty cache and with
a full one). The gap is the mean objective above the optimum, as a share of it. Then PSD on digits: its encoder against
FISTA on its own dictionary, with the objective and the accuracy of a linear probe on both codes.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from machine import spread, write
from sklearn.datasets import load_digits
from sklearn.decomposition import sparse_encode
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from codelayer import Autoencoder
from codelayer.learn.sparse_coding import Dictionary, active_set, feature_sign, fista, objective
from codelayer.learn.sparse_coding.compiled import compiled

L1, UNITS, ROUNDS, SLOW_ROWS = 0.1, 256, 3, 200


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Rows of length 1 around their mean, and labels."""
    x, y = load_digits(return_X_y=True)
    x = x - x.mean(0)
    return x / np.linalg.norm(x, axis=1, keepdims=True), y


def problems() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rows and a dictionary, by name."""
    x, _ = digits()
    learned = Dictionary(UNITS, L1, epochs=2, scale="none", random_state=0).fit(x)
    rng = np.random.default_rng(0)
    rows, atoms = rng.normal(size=(2000, 64)), rng.normal(size=(64, UNITS))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    atoms /= np.linalg.norm(atoms, axis=0)
    return {"digits": (x - learned.mean_, learned.atoms_.T.astype(np.float64)), "random": (rows, atoms)}


def timed(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Seconds, and what came out."""
    started = time.perf_counter()
    made = call()
    return time.perf_counter() - started, made


def solvers(name: str, x: np.ndarray, atoms: np.ndarray) -> dict[str, Any]:
    """Rows per second of every solver in alternating rounds, and how far above the optimum it ends."""
    best = feature_sign(x, atoms, L1, tolerance=1e-13)
    single, small = x.astype(np.float32), atoms.astype(np.float32)
    calls: dict[str, Callable[[], np.ndarray]] = {
        "lasso_lars": lambda: sparse_encode(x[:SLOW_ROWS], atoms.T, algorithm="lasso_lars", alpha=L1),
        "lasso_cd": lambda: sparse_encode(x, atoms.T, algorithm="lasso_cd", alpha=L1),
        "feature_sign": lambda: feature_sign(single, small, L1, tolerance=2e-5),
        "fista": lambda: fista(single, small, L1, tolerance=1e-3),
    }
    kernel = compiled()
    if kernel is not None:
        calls["active_set"] = lambda: active_set(single, small, L1, tolerance=2e-5)
        active_set(single[:2], small, L1)
    pace: dict[str, list[float]] = {one: [] for one in calls}
    gaps: dict[str, float] = {}
    for _ in range(ROUNDS):
        for one, call in calls.items():
            seconds, codes = timed(call)
            n = len(codes)
            least = objective(x[:n], best[:n], atoms, L1).mean()
            gaps[one] = objective(x[:n], codes.astype(np.float64), atoms, L1).mean() / least - 1
            pace[one].append(n / seconds)
    row: dict[str, Any] = {"problem": name, "rows": len(x), "active_units": float((best != 0).sum(1).mean())}
    for one in calls:
        row[one] = {"rows_per_second": spread(pace[one]), "gap": gaps[one]}
    for ours in ("feature_sign", "fista", *(["active_set"] if kernel else [])):
        for theirs in ("lasso_lars", "lasso_cd"):
            ratio = [a / b for a, b in zip(pace[ours], pace[theirs], strict=True)]
            row[f"{ours}_over_{theirs}"] = spread(ratio)
            print(f"{name}: {ours} {np.median(ratio):.1f} x {theirs}, gap {gaps[ours]:.1e}")
    return row


def compiling() -> dict[str, Any]:
    """Seconds of the first call of two new processes that share an empty cache: to import numba, and to compile."""
    code = """
import time
import numpy as np
from codelayer.learn.sparse_coding import active_set
atoms = np.eye(8, dtype=np.float32)
started = time.perf_counter()
import numba
imported = time.perf_counter()
active_set(atoms, atoms, 0.1)
print(imported - started, time.perf_counter() - imported)
"""
    row: dict[str, Any] = {"problem": "compiling", "numba": importlib.metadata.version("numba")}
    with tempfile.TemporaryDirectory() as folder:
        for when in ("empty_cache", "full_cache"):
            env = os.environ | {"NUMBA_CACHE_DIR": folder}
            made = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
            spent = [float(one) for one in made.stdout.split()]
            row[when] = {"import_seconds": spent[0], "first_call_seconds": spent[1]}
    print(row)
    return row


def probe(codes: np.ndarray, y: np.ndarray, train: np.ndarray) -> float:
    """Accuracy of a linear probe on the rows that are not in train."""
    codes = StandardScaler().fit(codes[train]).transform(codes)
    return float(LogisticRegression(max_iter=300).fit(codes[train], y[train]).score(codes[~train], y[~train]))


def psd() -> dict[str, Any]:
    """PSD's encoder against FISTA at convergence on PSD's own dictionary."""
    x, y = digits()
    train = np.random.default_rng(0).random(len(x)) < 0.6
    coder = Autoencoder(UNITS, "psd", scale="none", epochs=60, learning_rate=0.003, random_state=0).fit(x[train])
    found = coder.model_.net.dictionary()
    if found is None:
        raise RuntimeError("this PSD has no linear decoder")
    atoms, bias = (one.detach().numpy() for one in found)
    rows = x.astype(np.float32)
    rest, tensor = rows - bias, torch.from_numpy(rows)

    def encode() -> np.ndarray:
        with torch.no_grad():
            return coder.model_.codes(tensor).numpy()

    encode()
    slow, quick = [], []
    for _ in range(ROUNDS):
        seconds, best = timed(lambda: fista(rest, atoms, L1, tolerance=1e-5))
        slow.append(seconds)
        quick.append(min(timed(encode)[0] for _ in range(5)))
    codes, ratio = encode(), [a / b for a, b in zip(slow, quick, strict=True)]
    exact = feature_sign(rest.astype(np.float64), atoms.astype(np.float64), L1)
    value = {
        name: float(objective(rest.astype(np.float64), z.astype(np.float64), atoms.astype(np.float64), L1).mean())
        for name, z in {"encoder": codes, "fista": best, "optimum": exact, "zeros": 0 * exact}.items()
    }
    share = {"encoder": probe(codes, y, train), "fista": probe(best, y, train), "raw": probe(x, y, train)}
    print(f"psd: encoder {np.median(ratio):.0f} x FISTA at convergence, objective {value}, probe {share}")
    return {
        "problem": "psd on digits",
        "rows": len(x),
        "objective_text": coder.objective_,
        "encoder_over_fista": spread(ratio),
        "encoder_rows_per_second": spread([len(x) / s for s in quick]),
        "mean_objective": value,
        "probe_accuracy": share,
        "zeros": {"encoder": float((codes == 0).mean()), "optimum": float((exact == 0).mean())},
    }


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [solvers(name, x, atoms) for name, (x, atoms) in problems().items()]
        rows.append(psd())
        if compiled() is not None:
            rows.append(compiling())
    write("sparse_coding_speed", "How fast are sparse codes, and a net that predicts them?", rows, threads=1, l1=L1)


if __name__ == "__main__":
    main()
