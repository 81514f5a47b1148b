"""Is what a fit will take known before it starts?  CODELAYER_DATA=... python benchmarks/forecast.py  (about 8 min)

Five jobs, each in a fresh process with one thread: the forecast from a few steps, then the whole fit. Where patience
ends a fit sooner, its seconds are held against the forecast's share for the epochs it ran.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
from data_sets import folder
from machine import spread, write

ROUNDS = 3
JOBS = {
    "digits, undercomplete": ("digits", "Autoencoder(16, random_state=0)"),
    "coupon, denoising": ("coupon", "Autoencoder(16, 'denoising', random_state=0, epochs=20)"),
    "mnist, 10,000 rows, conv": ("mnist", "Autoencoder(32, 'mask(0.3)', net='conv(16, 32)', random_state=0, epochs=2)"),
    "usps, invariant": ("usps", "Autoencoder(32, 'invariant', random_state=0, epochs=2)"),
    "200,000 x 100 numbers, sparse": ("made", "Autoencoder(32, 'sparse', random_state=0, epochs=6)"),
}
RUN = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np, torch
torch.set_num_threads(1)
from codelayer import Autoencoder
from codelayer.data import load_data
from codelayer.learn.forecast import forecast
def peak():
    return 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
name, coder, place = sys.argv[1], eval(sys.argv[2]), sys.argv[3]
if name == "coupon":
    x = load_data(place + "/coupon.csv.gz", label="Y").x
elif name == "mnist":
    x = np.load(place + "/mnist.npz")["x_train"][:10000]
elif name == "usps":
    x = (np.load(place + "/usps_train.npz")["x"] // 8).clip(0, 250).astype(np.uint8)
elif name == "made":
    x = np.random.default_rng(0).normal(size=(200_000, 100)).astype(np.float32)
else:
    x = load_data(name).x
started = time.perf_counter()
told = forecast(coder, x)
took = time.perf_counter() - started
started = time.perf_counter()
coder.fit(x)
seconds = time.perf_counter() - started
print(json.dumps({"told": told.seconds, "bytes": told.bytes, "took": took, "seconds": seconds, "peak": peak(),
                  "epochs": told.epochs, "run": coder.record_["epochs_run"]}))
"""


def main() -> None:
    """Measure and write the result."""
    rows: list[dict[str, Any]] = []
    for title, (name, coder) in JOBS.items():
        found = [_job(name, coder) for _ in range(ROUNDS)]
        times = [one["told"] * one["run"] / one["epochs"] / one["seconds"] for one in found]
        sizes = [one["bytes"] / one["peak"] for one in found]
        rows.append(
            {
                "job": title,
                "forecast_seconds": spread([one["told"] for one in found]),
                "seconds": spread([one["seconds"] for one in found]),
                "epochs": found[0]["epochs"],
                "epochs_run": found[0]["run"],
                "time_ratio": spread(times),
                "forecast_mb": spread([one["bytes"] / 1e6 for one in found]),
                "peak_mb": spread([one["peak"] / 1e6 for one in found]),
                "memory_ratio": spread(sizes),
                "forecast_took": spread([one["took"] for one in found]),
            }
        )
        print(title, f"time {np.median(times):.2f}", f"memory {np.median(sizes):.2f}", flush=True)
    write("forecast", "Is what a fit will take known before it starts?", rows, rounds=ROUNDS, threads=1)


def _job(name: str, coder: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, name, coder, str(folder())], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
