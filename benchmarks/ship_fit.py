"""How long does `ship fit` take, and what does it choose?  python benchmarks/ship_fit.py  (12 min on a busy machine)

On the coupon log (needs the folder CODELAYER_DATA), for an edge device with 2 ms and 1 MB, on two worker processes.
Clock and processor time are both kept: on a machine that does other work the clock tells of that work as well.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

from joblib.externals.loky import get_reusable_executor
from machine import write

from codelayer.ship import Fit

WORKERS = 2


def main() -> None:
    """Run once and write the result."""
    data = Path(os.environ["CODELAYER_DATA"]) / "coupon.csv.gz"
    started, before = time.perf_counter(), _processor()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        asked = Fit(
            data, label="Y", target="edge", max_latency_ms=2, max_size_mb=1, out=Path(folder) / "out", workers=WORKERS
        )
        done = asked.run()
    clock = time.perf_counter() - started
    get_reusable_executor().shutdown(wait=True)  # processor time of workers is known when they have ended
    facts = done.facts
    row = {
        "clock_seconds": clock,
        "processor_seconds": _processor() - before,
        "forecast_seconds": facts["forecast_seconds"],
        "load_average_before_and_after": [load[0], os.getloadavg()[0]],
        "chosen": done.chosen,
        "sentences": done.sentences,
        "not_measured": facts["not_measured"],
    }
    print(row)
    bills = [{name: value for name, value in one.items() if name != "objective"} for one in facts["candidates"]]
    write("ship_fit", "how long does ship fit take on coupon, and what does it choose?", [row, *bills], workers=WORKERS)


def _processor() -> float:
    """Seconds of processor time of this process and of those it waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, kinds))


if __name__ == "__main__":
    main()
