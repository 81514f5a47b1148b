"""Are two equal codes told apart by luck alone, and is a planted difference found?  benchmarks/paired_tests.py

300 rows, three factors (3, 2 and 4 values), the first is the label, the second a nuisance. Twelve features in two
halves of one law: the same effects of the factors, noise of their own. Equal codes: five bent units of one half each,
by the same weights, so that what they score differs by luck alone. Planted: units that mostly follow other features,
four times as steep, and stages in reverse. Dead units: 40 units that are on in one of 40 to 2,000 rows, planted: a
third as often. Rows of new data each time. Shares of data sets with p < .05, of one test by itself, with Wilson's 95 %
interval.

5 min, one thread (set OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from machine import write

from codelayer.measure import METRICS, share_interval
from codelayer.measure.comparison import paired

ROWS, SEEN = 300, 0.05
CHEAP = (
    "neighborhood_hit", "cluster_agreement", "logme", "h_score", "participation_ratio", "pattern_entropy",
    "mean_correlation", "uniformity", "cka", "lifetime_sparsity", "rankme", "rankme_centred", "alpha_req", "hoyer",
    "class_selectivity", "modularity", "knn_score", "invariance", "layer_similarity", "layer_dimension",
)  # fmt: skip
DEAR = (
    "labels_saved", "new_concepts", "nuisance_area", "ablation_area", "layer_gain", "layer_order",
    "center_of_gravity", "coarse_lead", "factor_vae_score", "beta_vae_score",
)  # fmt: skip
EFFECTS = np.random.default_rng(91).standard_normal((3, 6)) * [[1.5], [2], [1]]
WEIGHTS = np.random.default_rng(92).standard_normal((6, 5))
STRAY = np.random.default_rng(93).standard_normal((4, 5))
RATES = np.geomspace(1 / 2000, 1 / 40, 40)


def bent(x: np.ndarray, first: int, stray: float) -> np.ndarray:
    """Five units of six features from `first` on; stray: the share of other features in them; they are steep then."""
    x = x.reshape(len(x), -1)
    told = (1 - stray) * x[:, first : first + 6] @ WEIGHTS + 2 * stray * x[:, 12:] @ STRAY
    return np.tanh((0.5 if stray == 0 else 2.0) * told)


def halves(rng: np.random.Generator) -> list[dict[str, Any]]:
    """What a metric is given of two equal codes and of a planted one."""
    factors = rng.integers(0, [3, 2, 4], (ROWS, 3)).astype(float)
    told = (factors - [1, 0.5, 1.5]) @ EFFECTS
    x = np.c_[told, told, np.zeros((ROWS, 4))] + 0.8 * rng.standard_normal((ROWS, 16))
    about = {"x": x, "labels": factors[:, 0].astype(int), "factors": factors, "nuisance": factors[:, 1].astype(int)}
    about["coarse"] = (factors[:, 0] > 0).astype(int)
    out = []
    for first, stray in ((0, 0.0), (6, 0.0), (6, 0.6)):
        encode = partial(bent, first=first, stray=stray)
        codes, middle = encode(x), np.tanh(x[:, first : first + 6])
        stages = [x[:, first : first + 6], middle, codes][:: -1 if stray else 1]
        layers = dict(zip(("first", "second", "third"), stages, strict=True))
        out.append(about | {"codes": codes, "encode": encode, "layers": layers})
    return out


def rare(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Codes of units that are rarely on, twice by the same law, once more rarely; and one unit that always varies."""
    rates = (RATES, RATES, RATES / 3)
    return [{"codes": np.c_[rng.random((ROWS, 40)) < rate, rng.random(ROWS)].astype(float)} for rate in rates]


def share(found: list[float]) -> dict[str, float]:
    """How often p is below SEEN, with its interval."""
    one = share_interval(float(np.mean(np.array(found) < SEEN)), len(found))
    return {name: round(value, 3) for name, value in one._asdict().items()}


def tested(name: str, make: Callable[[np.random.Generator], list[dict[str, Any]]], repeats: int, planted: int) -> Any:
    """Shares of p < .05 between equal codes, and between the first and the planted one."""
    equal, other, untold = [], [], 0
    for i in range(repeats):
        options = {"seed": i} if "seed" in METRICS[name].settings else {}
        given = make(np.random.default_rng([11, i]))
        first, *rest = (METRICS[name].read(one, options, as_given=True) for one in given[: 3 if i < planted else 2])
        for second, store in zip(rest, (equal, other), strict=False):
            rows, parts = (
                None if one is None or two is None else one - two
                for one, two in ((first.points, second.points), (first.replicates, second.replicates))
            )
            p = paired(first.value, second.value, rows, parts, None)[2]
            untold += p is None
            store.append(1.0 if p is None else p)
    row = {"metric": name, "law": make.__name__, "equal": share(equal), "planted": share(other)}
    row |= {"repeats": repeats, "repeats_planted": planted, "no_test": untold}
    print(row, flush=True)
    return row


def main() -> None:
    """All metrics whose test is made from replicates or from what each row adds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=100, help="data sets; a fifth as many for dear metrics")
    parser.add_argument("--planted", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    plan = [("dead_share", rare, given.repeats)] + [(name, halves, given.repeats) for name in CHEAP]
    plan += [(name, halves, given.repeats // 5) for name in DEAR]
    rows = [tested(*one, given.planted) for one in plan if not given.only or one[0] in given.only]
    if not given.only:
        question = "How often are equal codes told apart by luck, and a planted difference found?"
        write("paired_tests", question, rows, n=ROWS)


if __name__ == "__main__":
    main()
