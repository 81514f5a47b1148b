"""Does the advisor say no where a net is of no use, and name the kind of shift?  python benchmarks/advisor_planted.py

Of no use: another random net in the place of the trained one, and labels that are shuffled; 8 targets x 5, 20 labels
per class x 2 draws each (needs the folder CODELAYER_DATA; a quarter of an hour on one core). Beside them trained nets,
which may or may not help. Kinds of shift: rows of one target against other rows of it (none), the same altered in five
ways (input), other classes of it (task).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import write
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest
from transfer_targets import TARGETS, Target, backbone, key, rows_for, target

from codelayer.nets.backbone import random_twin
from codelayer.transfer.advisor import tell_shift
from codelayer.transfer.diagnosis import Diagnosis, diagnose
from codelayer.transfer.features import FeatureExtractor
from codelayer.transfer.opening import open_backbone
from codelayer.transfer.rawrows import raw_features, raw_scores
from codelayer.transfer.scoring import folds_of

NET = "mobilenet_v1_0.25"
COUNTS, DRAWS, SHIFT_ROWS = (5, 20), 2, 150
ALTERED: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "inverted": lambda x, rng: 1 - x,
    "noisy": lambda x, rng: np.clip(x + rng.normal(0, 0.25, x.shape), 0, 1),
    "blurred": lambda x, rng: gaussian_filter(x, (0, 1.5, 1.5, 0)),
    "turned": lambda x, rng: np.rot90(x, axes=(1, 2)),
    "pale": lambda x, rng: 0.3 + 0.4 * x,
}


def extractor(which: str) -> FeatureExtractor:
    """The trained net, its twin, or another random net in the trained one's place."""
    source, size = backbone(NET)
    if which == "twin":
        return FeatureExtractor(f"random:{source}", "all", "auto", size, random_state=0)
    if which == "useless":
        return FeatureExtractor(random_twin(open_backbone(source, size), 7), "all", "auto", size)
    return FeatureExtractor(source, "all", "auto", size)


def drawn(found: Target, count: int, draw: int) -> np.ndarray:
    """Rows to label."""
    rng = np.random.default_rng(key(found.name, count, draw, "planted"))
    rows = [
        rng.choice(np.flatnonzero(found.pool_y == label), count, replace=False) for label in np.unique(found.pool_y)
    ]
    return np.sort(np.concatenate(rows))


def planted() -> list[dict[str, Any]]:
    """Whether the diagnosis says that a net helps, in every case."""
    found = []
    for place in TARGETS:
        one = target(place)
        pool = rows_for(NET, one.pool)
        raw = raw_features(one.pool)
        by = {which: extractor(which).fit(pool).stage_features(pool) for which in ("trained", "twin", "useless")}
        for count in COUNTS:
            for draw in range(DRAWS):
                rows = drawn(one, count, draw)
                y = one.pool_y[rows]
                mixed = np.random.default_rng(key(place, draw)).permutation(y)
                for case, net, labels in (
                    ("random net", "useless", y),
                    ("shuffled labels", "trained", mixed),
                    ("trained net", "trained", y),
                ):
                    d = _diagnosed(by[net], by["twin"], raw, rows, labels)
                    lead, error = d.lead
                    found.append(
                        {"case": case, "target": place, "count": count, "draw": draw, "helps": d.helps, "lead": lead}
                        | {"error": error}
                    )
                print(place, count, draw, [one["helps"] for one in found[-3:]], flush=True)
    return found


def _diagnosed(net: Any, twin: Any, raw: np.ndarray, rows: np.ndarray, y: np.ndarray) -> Diagnosis:
    folds = folds_of(y)
    scores = raw_scores(raw[rows], y, folds)
    return diagnose(
        {s: one[rows] for s, one in net.items()}, {s: one[rows] for s, one in twin.items()}, scores, y, folds
    )


def shifts() -> list[dict[str, Any]]:
    """What kind of shift is told, in every synthetic case."""
    found = []
    for place in TARGETS:
        one = target(place)
        rng = np.random.default_rng(key(place, "shift"))
        x = rows_for(NET, one.pool)
        x = (x if x.ndim == 4 else x[..., None]).astype(np.float32) / 255
        order = rng.permutation(len(x))
        a, b = order[:SHIFT_ROWS], order[SHIFT_ROWS : 2 * SHIFT_ROWS]
        labels = one.pool_y
        classes = np.unique(labels)
        first = np.isin(labels, classes[: len(classes) // 2])
        cases = [("none", "other rows", a, b, x[b])]
        cases += [("input", name, a, b, np.asarray(way(x[b], rng), np.float32)) for name, way in ALTERED.items()]
        p, q = np.flatnonzero(first)[:SHIFT_ROWS], np.flatnonzero(~first)[:SHIFT_ROWS]
        cases.append(("task", "other classes", p, q, x[q]))
        for kind, name, source, goal, altered in cases:
            made = extractor("trained").fit(x[source])
            stages = made.stage_features(np.ascontiguousarray(altered))
            shift, why, _ = tell_shift(made, x[source], labels[source], stages, labels[goal], 1 / len(classes), 0)
            found.append({"target": place, "kind": kind, "case": name, "told": shift, "why": why})
            print(place, kind, name, shift, flush=True)
    return found


def main() -> None:
    """All cases; results/advisor_planted.json."""
    warnings.simplefilter("ignore")
    cells, kinds = planted(), shifts()
    rows = []
    for case in ("random net", "shuffled labels", "trained net"):
        said = [not one["helps"] for one in cells if one["case"] == case]
        rows.append({"question": "says that it does not help", "case": case, **_share(said)})
    for kind in ("none", "input", "task"):
        right = [one["told"] == kind for one in kinds if one["kind"] == kind]
        rows.append({"question": "names the kind of shift", "case": kind, **_share(right)})
    rows.append(
        {"question": "names the kind of shift", "case": "all", **_share([o["told"] == o["kind"] for o in kinds])}
    )
    wrong = [one for one in kinds if one["told"] != one["kind"]]
    write("advisor_planted", "does the advisor say no, and name the kind of shift?", rows, cells=cells, wrong=wrong)
    for row in rows:
        print(row)


def _share(right: list[bool]) -> dict[str, Any]:
    ends = binomtest(int(sum(right)), len(right)).proportion_ci(method="wilson")
    return {"share": float(np.mean(right)), "low": ends.low, "high": ends.high, "n": len(right)}


if __name__ == "__main__":
    main()
