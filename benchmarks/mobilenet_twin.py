"""What are ImageNet weights worth, frozen and fine-tuned?  python benchmarks/mobilenet_twin.py

MobileNet v1 0.25 at 64 pixels beside its random twin: a linear head on the last stage and on all stages, fine-tuning
(from a probe), and the twin trained from scratch, on CIFAR-10, handwritten digits and cells cut out of blood smears, 5
and 20 labels per class, 3 draws of labelled rows; balanced accuracy on rows that chose nothing (needs the folder
CODELAYER_DATA; some 15 minutes on one core). Runs lie in results/mobilenet_twin_runs.jsonl, so that a stopped one goes
on.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import RESULTS, write
from transfer_targets import Target, backbone, key, target

from codelayer.measure.probes import score
from codelayer.transfer import FeatureExtractor, FineTunedClassifier, open_backbone
from codelayer.transfer.heads import make_head
from codelayer.transfer.scoring import Joint

SIZE, COUNTS, DRAWS, MOST = 64, (5, 20), 3, 500
PLACES = ("cifar", "digits", "blood")
RUNS = RESULTS / "mobilenet_twin_runs.jsonl"


def drawn(found: Target, count: int, draw: int) -> np.ndarray:
    """Labelled rows."""
    rng = np.random.default_rng(key(found.name, count, draw, "twin"))
    places = [np.flatnonzero(found.pool_y == label) for label in np.unique(found.pool_y)]
    return np.sort(np.concatenate([rng.choice(mine, count, replace=False) for mine in places]))


def ways(found: Target, seed: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Way -> labelled rows -> predictions for the scored rows."""
    source, _ = backbone("mobilenet_v1_0.25")
    test = found.test[:MOST]

    def frozen(before: str, stages: str) -> Callable[[np.ndarray], np.ndarray]:
        def run(rows: np.ndarray) -> np.ndarray:
            made = FeatureExtractor(f"{before}{source}", "all", 1, SIZE, random_state=seed).fit(found.pool)
            pool, scored = made.stage_features(found.pool), made.stage_features(test)
            joint = Joint({name: one[rows] for name, one in pool.items()})
            mine, other = (
                (joint(pool)[rows], joint(scored)) if stages == "all" else (pool[stages][rows], scored[stages])
            )
            y = found.pool_y[rows]
            model = make_head("ridge", mine.shape[1], len(rows), least=int(np.unique(y, return_counts=True)[1].min()))
            return model.fit(mine, y).predict(other)

        return run

    def tuned(options: dict[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
        def run(rows: np.ndarray) -> np.ndarray:
            model = FineTunedClassifier(open_backbone(source, SIZE), random_state=seed, **options)
            return model.fit(found.pool[rows], found.pool_y[rows]).predict(test)

        return run

    return {
        "ImageNet, frozen, last stage": frozen("", "stage5"),
        "ImageNet, frozen, all stages": frozen("", "all"),
        "twin, frozen, last stage": frozen("random:", "stage5"),
        "twin, frozen, all stages": frozen("random:", "all"),
        "ImageNet, fine-tuned (LP-FT)": tuned({"tune": "all", "start": "probe"}),
        "twin, trained from scratch": tuned({"tune": "scratch"}),
    }


def main() -> None:
    """All runs that are missing, then the table."""
    warnings.simplefilter("ignore")
    runs = [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []
    done = {(one["target"], one["count"], one["draw"], one["way"]) for one in runs}
    for draw in range(DRAWS):
        for place in PLACES:
            found = target(place)
            for count in COUNTS:
                rows = drawn(found, count, draw)
                for name, way in ways(found, draw).items():
                    if (place, count, draw, name) in done:
                        continue
                    started = time.process_time()
                    reached = score(found.test_y[:MOST], way(rows))
                    one = {"target": place, "count": count, "draw": draw, "way": name, "score": reached}
                    runs.append(one | {"seconds": time.process_time() - started})
                    with RUNS.open("a") as file:
                        file.write(json.dumps(runs[-1]) + "\n")
                    print(runs[-1], flush=True)
    write("mobilenet_twin", "what are ImageNet weights worth, frozen and fine-tuned?", table(runs), size=SIZE)


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over draws with Student's interval, per way, target and count."""
    from scipy.stats import t

    rows = []
    for name in dict.fromkeys((one["way"], one["target"], one["count"]) for one in runs):
        mine = [one for one in runs if (one["way"], one["target"], one["count"]) == name]
        values = np.array([one["score"] for one in mine])
        half = (
            float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
        )
        about = {"way": name[0], "target": name[1], "count": name[2], "mean": float(values.mean()), "half": half}
        rows.append(about | {"n": len(values), "seconds": float(np.mean([one["seconds"] for one in mine]))})
    return rows


if __name__ == "__main__":
    main()
