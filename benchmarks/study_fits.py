"""Do a study's fits gain by learning in one pass?  python benchmarks/study_fits.py  (about 4 min)

The fits of `codelayer study digits` that may be put together (the recipes on small plain nets, three seeds each), as
the study lists them for two workers, against the same fits one by one; in turns, one thread, processor time and clock.
Beside them: what the recipes that stay alone (views, convolutions) are forecast to take.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path

import torch
from machine import spread, write

from codelayer.data.load import load_data
from codelayer.data.schema import Schema
from codelayer.study.jobs import Task, fit_codes
from codelayer.study.parts import make_parts
from codelayer.study.rivals import default_code_size, forecast, line_up
from codelayer.study.together import fit_lists

ROUNDS = 3
SEEDS = 3
WORKERS = 2


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    data = load_data("digits")
    x = make_parts(data, None, None, 0, 2000).rows("train")
    schema = Schema.fit(x)
    rivals = [one for one in line_up(schema, default_code_size(schema.features), (), (), "class") if one.learned]
    clock: dict[str, list[float]] = {"alone": [], "together": []}
    processor: dict[str, list[float]] = {"alone": [], "together": []}
    lists: list[list[Task]] = []
    for _ in range(ROUNDS):
        for way in clock:
            with tempfile.TemporaryDirectory() as folder:
                tasks = [Task(one, seed, 0, Path(folder), "class") for one in rivals for seed in range(SEEDS)]
                lists = [some for some in fit_lists(tasks, x, WORKERS) if len(some) > 1]
                started, used = time.perf_counter(), time.process_time()
                for some in lists:
                    for few in [some] if way == "together" else [[task] for task in some]:
                        fit_codes(few, x)
                clock[way].append(time.perf_counter() - started)
                processor[way].append(time.process_time() - used)
    joined = {task.rival.name for some in lists for task in some}
    rest = {one.name: SEEDS * forecast(one, x) for one in rivals if one.name not in joined}
    row = {
        "lists": [[task.place.name for task in some] for some in lists],
        **{f"{way}_seconds": spread(values) for way, values in clock.items()},
        "faster_by": spread([a / b for a, b in zip(clock["alone"], clock["together"], strict=True)]),
        "less_processor_time_by": spread(
            [a / b for a, b in zip(processor["alone"], processor["together"], strict=True)]
        ),
        "seconds_of_the_others_by_forecast": rest,
    }
    print(row)
    write("study_fits", "Do a study's fits gain by learning in one pass?", [row], rounds=ROUNDS, seeds=SEEDS, threads=1)


if __name__ == "__main__":
    main()
