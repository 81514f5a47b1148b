"""How long does advice on 2,000 labelled pictures take?  python benchmarks/advice_time.py  (10 min)

CIFAR-10 through MobileNet v1 0.25 at 64 pixels (needs the folder CODELAYER_DATA), stages of net and twin in the cache
already; four minutes for candidates that train. Asked are 10 minutes on two cores, and 2 s for reading the cache.
"""

from __future__ import annotations

import tempfile
import time
import warnings

import numpy as np
from machine import write
from transfer_targets import backbone, target

from codelayer.transfer import FeatureExtractor, advise

ROWS, SIZE, BUDGET = 2000, 64, 240.0


def main() -> None:
    """Once; results/advice_time.json."""
    warnings.simplefilter("ignore")
    found, source = target("cifar"), backbone("mobilenet_v1_0.25")[0]
    x = np.concatenate([found.pool, found.test])[:ROWS]
    y = np.concatenate([found.pool_y, found.test_y])[:ROWS]
    with tempfile.TemporaryDirectory() as cache:
        made = FeatureExtractor(source, "all", "auto", SIZE, cache, 0).fit(x)
        started = time.perf_counter()
        made.stage_features(x)
        making = time.perf_counter() - started
        started = time.perf_counter()
        made.stage_features(x)
        reading = time.perf_counter() - started
        advise(source, x, y, 0, size=SIZE, cache=cache)  # fills the cache with the twin's stages
        started = time.perf_counter()
        advice = advise(source, x, y, BUDGET, size=SIZE, cache=cache)
        taken = time.perf_counter() - started
    row = {"rows": ROWS, "seconds": taken, "making_stages": making, "cache_hit_seconds": reading, "budget": BUDGET}
    row |= {"chosen": advice.chosen.candidate.name, "parts": advice.seconds, "helps": advice.diagnosis.helps}
    print(row)
    print(advice)
    write("advice_time", "how long does advice on 2,000 labelled pictures take?", [row])


if __name__ == "__main__":
    main()
