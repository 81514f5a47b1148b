"""Where does learning a code pay?  python benchmarks/where_learning_pays.py [NAME ...]  (an hour, 2 cores)

Data sets of different kinds (data_sets.py; the committed result is of nine of them, without `spoken`), at most 4,000
rows each, split 60/20/20 (electricity by time). Every
recipe, PCA and k-means features are fitted on the first part with three seeds (five on digits, dry_bean, electricity);
a linear probe on each, and a forest and a logistic regression on raw features, learn from 5, 10, 50 and 100 labels per
class (25 draws or a few more). The best learned code is the one with the largest area under the label curve on the
second part; every figure comes from the third, read once. A difference is paired over draws and rows; a win or a loss
is one whose 95 % interval leaves 0 out. Pictures of 28 x 28 and 32 x 32 are halved by means, for time. What is fitted
is kept in --state FOLDER. --workers 1 leaves the second core alone.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from data_sets import KINDS, data_set
from machine import RESULTS, write

from codelayer.data.load import Data, load_data
from codelayer.data.rows import rows_of
from codelayer.data.schema import Schema
from codelayer.measure.intervals import Interval, area_interval, curve_bands, paired_interval
from codelayer.objective import PICTURE_RECIPES
from codelayer.report import Progress
from codelayer.study.parts import make_parts
from codelayer.study.race import Race
from codelayer.study.rivals import OTHER_RECIPES, default_code_size, line_up

DRAWS, FEWEST, MOST = 25, 5, 100
SEEDS = dict.fromkeys(KINDS, 3) | dict.fromkeys(("digits", "dry_bean", "electricity"), 5)
FOR_TABLES = tuple(name for name in OTHER_RECIPES if name not in PICTURE_RECIPES)
AGAINST = ("raw", "pca", "kmeans", "forest")
QUESTION = "Where does learning a code pay?"


def halved(data: Data) -> Data:
    """Pictures of 28 x 28 or more, each 2 x 2 block of grey levels as its mean."""
    x = data.x
    if not isinstance(x, np.ndarray) or x.ndim != 3 or x.shape[1] < 28:
        return data
    n, height, width = x.shape
    small = x.reshape(n, height // 2, 2, width // 2, 2).mean((2, 4)).round().astype(np.uint8)
    return load_data(small, label=data.labels)


def race_on(name: str, state: Path, workers: int) -> dict[str, Any]:
    """All rivals on one data set."""
    data = halved(data_set(name))
    parts = make_parts(data, None, "class", 0)
    parts.counts = tuple(count for count in parts.counts if FEWEST <= count <= MOST)
    schema = Schema.fit(parts.rows("train"))
    width = default_code_size(schema.features)
    rivals = line_up(schema, width, (), (), "class", OTHER_RECIPES if schema.kind == "image" else FOR_TABLES)
    rivals = [one for one in rivals if one.name != "random_projection"]
    state.mkdir(parents=True, exist_ok=True)
    seeds = SEEDS[name]
    race = Race(parts, rivals, state, seeds, -(-DRAWS // seeds), 0, workers)
    started = time.perf_counter()
    with Progress(name, total=race.steps, unit="fits") as progress:
        race.fit(parts.rows("train"), progress, None)
        race.choose(None, None)
        parts.open_report()
        race.reported = race._score("report", progress)  # without the metrics of a study's page
    learned = [one.name for one in race.rivals if one.learned]
    chosen, reported, groups = race.chosen_on["linear"], race.reported["linear"], parts.groups("report")
    best = max(learned, key=lambda one: chosen[one].area)
    return {
        "data": name,
        "kind": KINDS[name],
        "rows": rows_of(data.x),
        "features": schema.features,
        "code_size": width,
        "counts": list(parts.counts),
        "seeds": seeds,
        "draws": seeds * -(-DRAWS // seeds),
        "best_learned": best,
        "sentences": {one.name: one.sentence for one in race.rivals if one.learned},
        "chosen_on": {one: curve.area for one, curve in chosen.items()},
        "area": {one: interval(area_interval(curve, groups)) for one, curve in reported.items()},
        "bands": {one: [interval(band) for band in curve_bands(curve, groups)] for one, curve in reported.items()},
        "best_minus": {
            one: interval(paired_interval(reported[best], reported[one], groups)) for one in (*AGAINST, *learned)
        },
        "seconds": {one: race.seconds.get(one) for one in learned},
        "all_seconds": time.perf_counter() - started,
    }


def interval(one: Interval) -> list[float]:
    """[value, low, high]."""
    return [float(one.value), float(one.low), float(one.high)]


def main() -> None:
    """Every data set, or those named; a set that is in the results already is left alone."""
    reading = argparse.ArgumentParser()
    reading.add_argument("names", nargs="*", default=list(KINDS))
    reading.add_argument("--state", type=Path)
    reading.add_argument("--workers", type=int, default=2)
    given = reading.parse_args()
    path = RESULTS / "where_learning_pays.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    with TemporaryDirectory() as folder:
        for name in given.names or list(KINDS):
            if name in {row["data"] for row in rows}:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rows.append(race_on(name, (given.state or Path(folder)) / name, given.workers))
            rows.sort(key=lambda row: list(KINDS).index(row["data"]))
            write("where_learning_pays", QUESTION, rows)
            last = next(row for row in rows if row["data"] == name)
            print(name, last["best_learned"], last["best_minus"], f"{last['all_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
