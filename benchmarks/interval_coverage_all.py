"""Do the 95 % intervals of all other metrics cover the truth?  benchmarks/interval_coverage_all.py

What interval_coverage.py and interval_coverage_manifold.py leave out, on one law: three factors of 3, 4 and 5 values
move 6 features with noise, the code is 5 bent units of them, five seeds are five such nets. Each data set has new rows
(and new seeds); the encoder stays. Truth: the mean of the metric over the data sets, of 250 rows each. Coverage: the
share of them whose interval holds it, with Wilson's 95 % interval of that share. What a metric draws (altered samples,
splits of the rows) is drawn anew for each. More laws: rare units (for dead units), noisy codes (for votes, that are
nearly all right on the first law), weak units (for modularity), overlapping classes (for neighbours). `other`, `own`
and `line` have 400, 500 and 350 rows, other factors, units and noise: no rule was chosen on them.

With --only the rows of these metrics take the place of the old ones in the results.

30 min, one thread (set OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from interval_coverage import coverage, merged
from machine import write

from codelayer.measure import share_interval

ROWS = 250
CHEAP = (
    "explained_share", "squared_error", "linear_rebuild", "sap", "total_correlation_nats", "participation_ratio",
    "pattern_entropy", "mean_correlation", "local_smoothness", "jacobian_norm", "relative_jacobian", "contraction",
    "invariance", "uniformity", "alignment", "layer_dimension", "cka_biased", "layer_similarity", "hoyer", "gini",
    "treves_rolls", "l0_share", "population_sparsity", "lifetime_sparsity", "saturation", "rankme", "rankme_centred",
    "alpha_req", "silhouette", "udr", "sap_svm", "knn_score", "modularity",
    "class_selectivity", "ablation_area",
)  # fmt: skip
DEAR = (
    "labels_saved", "dci_disentanglement", "dci_completeness", "dci_informativeness", "explicitness",
    "factor_vae_score", "beta_vae_score", "udr_lasso", "k90", "layer_order", "center_of_gravity", "sparse_rebuild",
)  # fmt: skip
VOTES = ("factor_vae_score", "beta_vae_score")
HELD_OUT = ("class_selectivity", "ablation_area", "modularity")
WEAK = np.array([[1, 0, 0], [0, 0.5, 0], [0.35, 0.3, 0], [0, 0.25, 0.4], [0.2, 0, 0.3]])
EFFECTS = np.random.default_rng(99).standard_normal((3, 6))
WEIGHTS = np.random.default_rng(98).standard_normal((6, 5))
MORE = np.random.default_rng(97).standard_normal((4, 7))
RATES = np.geomspace(0.1, 10, 40) / ROWS


def bent(x: np.ndarray) -> np.ndarray:
    """The encoder: 5 bent units of the 6 features."""
    return np.tanh(x.reshape(len(x), -1) @ WEIGHTS * 0.5)


def whole(rng: np.random.Generator) -> dict[str, Any]:
    """Everything a metric may ask for."""
    factors = rng.integers(0, [3, 4, 5], (ROWS, 3)).astype(float)
    x = (factors - [1, 1.5, 2]) @ EFFECTS + 0.7 * rng.standard_normal((ROWS, 6))
    codes, labels = bent(x), factors[:, 0].astype(int)
    given = {"codes": codes, "x": x, "labels": labels, "factors": factors, "encode": bent}
    given |= {"rebuilt": 0.8 * x + 0.1 * rng.standard_normal(x.shape)}
    given |= {"layers": {"x": x, "bent": np.tanh(x), "code": codes}}
    nets = [WEIGHTS[:, rng.permutation(5)] + 0.5 * rng.standard_normal(WEIGHTS.shape) for _ in range(5)]
    return given | {"seeds": [np.tanh(x @ net * 0.5) for net in nets]}


def rare(rng: np.random.Generator) -> dict[str, Any]:
    """40 units that are on in a tenth of a row of 250 to ten of them, and one that always is."""
    return {"codes": np.c_[rng.random((ROWS, len(RATES))) < RATES, rng.random(ROWS)].astype(float)}


def noisy(rng: np.random.Generator) -> dict[str, Any]:
    """Three factors of 3, 5 and 8 values, two units with much noise for each."""
    factors = np.stack([rng.integers(k, size=ROWS) for k in (3, 5, 8)], axis=1).astype(float)
    return {"codes": np.c_[factors, factors] + [2, 4, 8, 4, 8, 16] * rng.standard_normal((ROWS, 6)), "factors": factors}


def weak(rng: np.random.Generator) -> dict[str, Any]:
    """Three factors of 3, 4 and 3 values, told weakly by five units of several each."""
    factors = np.stack([rng.integers(k, size=ROWS) for k in (3, 4, 3)], axis=1).astype(float)
    return {"codes": factors @ WEAK.T + 0.7 * rng.standard_normal((ROWS, 5)), "factors": factors}


def near(rng: np.random.Generator) -> dict[str, Any]:
    """Two classes that overlap in three units: neighbours vote, and are often wrong."""
    labels = rng.integers(2, size=ROWS)
    return {"codes": rng.standard_normal((ROWS, 3)) + np.eye(3)[labels], "labels": labels}


def other(rng: np.random.Generator) -> dict[str, Any]:
    """Four factors of 2, 3, 6 and 4 values in 7 units between 0 and 1, six classes of unequal size."""
    factors = np.stack([rng.integers(k, size=400) for k in (2, 3, 6, 4)], axis=1).astype(float)
    factors[:, 2] = np.minimum(factors[:, 2], rng.integers(6, size=400))
    told = (factors / [1, 2, 5, 3] - 0.5) @ MORE + 0.4 * rng.standard_normal((400, 7))
    return {"codes": 1 / (1 + np.exp(-2 * told)), "factors": factors, "labels": factors[:, 2].astype(int)}


def own(rng: np.random.Generator) -> dict[str, Any]:
    """Four factors of 4, 6, 2 and 3 values with a noisy unit of its own each: votes are mostly right."""
    factors = np.stack([rng.integers(k, size=500) for k in (4, 6, 2, 3)], axis=1).astype(float)
    return {"codes": factors + [1.2, 1.8, 0.6, 0.9] * rng.standard_normal((500, 4)), "factors": factors}


def line(rng: np.random.Generator) -> dict[str, Any]:
    """A number that 8 units tell with noise, of which two are alike."""
    codes = rng.standard_normal((350, 8))
    codes[:, 1] = codes[:, 0] + 0.5 * codes[:, 1]
    return {"codes": codes, "labels": codes @ np.linspace(1, 0.1, 8) + 1.5 * rng.standard_normal(350)}


def main() -> None:
    """All groups of metrics, the dear ones on fewer data sets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=200, help="data sets; two fifths as many for dear metrics")
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    rows = []
    laws = [
        (rare, ("dead_share",), 1.0),
        (whole, CHEAP, 1.0),
        (weak, ("modularity",), 1.0),
        (near, ("knn_score",), 1.0),
    ]
    laws += [(other, HELD_OUT, 1.0), (line, ("ablation_area",), 1.0)]
    laws += [(whole, DEAR, 0.4), *((law, VOTES, 0.4) for law in (noisy, other, own))]
    for make, names, share in laws:
        some = [name for name in names if not given.only or name in given.only]
        if some:
            rows += coverage(some, make.__name__, make, int(given.repeats * share), seeded=True)
    for row in rows:
        ends = share_interval(row["coverage"], row["repeats"])
        row |= {"coverage_low": round(ends.low, 3), "coverage_high": round(ends.high, 3)}
    question = "Do 95 % intervals of the other metrics cover the mean?"
    write("interval_coverage_all", question, merged("interval_coverage_all", rows), n=ROWS)


if __name__ == "__main__":
    main()
