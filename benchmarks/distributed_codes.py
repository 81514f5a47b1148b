"""Do distributed codes recognise what they never saw?  python benchmarks/distributed_codes.py [--quick]  (3 min)

Pictures of eight bars, four across and four down, each there or not, with noise: 256 combinations, of which a quarter
is held out. Linear probes for each bar learn from rows of the others, on codes of an autoencoder, of PCA and on the
k-means one-hot code of equal width, and are asked about the rows held out. Seeds move pictures, weights, clusters and
which combinations are held out.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import torch
from machine import write
from sklearn.decomposition import PCA

from codelayer import Autoencoder
from codelayer.measure import held_out_combinations

SEEDS = 1 if "--quick" in sys.argv else 5
WIDTHS = (4, 8, 16, 32)


def bars(seed: int, n: int = 2048) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 64) float32 and which of eight bars each shows (n, 8)."""
    rng = np.random.default_rng(seed)
    there = rng.integers(0, 2, (n, 8))
    across = np.repeat(there[:, :4], 2, axis=1)[:, :, None]
    down = np.repeat(there[:, 4:], 2, axis=1)[:, None, :]
    pictures = np.maximum(across, down) + 0.1 * rng.standard_normal((n, 8, 8))
    return pictures.reshape(n, 64).astype(np.float32), there


def main() -> None:
    """One record per seed, width and kind of code."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    begun, rows = time.perf_counter(), []
    for seed in range(SEEDS):
        x, there = bars(seed)
        for units in WIDTHS:
            coder = Autoencoder(
                units, "squared()", "mlp(64)", epochs=60, batch_size=64, learning_rate=0.003, validation=0,
                scale="none", random_state=seed, device="cpu",
            ).fit(x)  # fmt: skip
            told = {"autoencoder": held_out_combinations(coder.transform(x), there, x, seed=seed)}
            codes = PCA(units, svd_solver="full").fit_transform(x)
            told["PCA"] = held_out_combinations(codes, there, x, seed=seed)
            found = {name: one["code"] for name, one in told.items()}
            found |= {"k-means one-hot": told["PCA"]["one_hot"], "chance": told["PCA"]["chance"]}
            rows += [{"seed": seed, "units": units, "code": name, **one} for name, one in found.items()]
            print(seed, units, {name: round(one["combination"], 3) for name, one in found.items()}, flush=True)
    facts = {"seeds": SEEDS, "seconds": time.perf_counter() - begun}
    name = "distributed_codes_quick" if SEEDS == 1 else "distributed_codes"
    print(write(name, "Are combinations recognised that were never seen together?", rows, **facts))


if __name__ == "__main__":
    main()
