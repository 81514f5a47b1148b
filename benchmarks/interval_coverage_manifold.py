"""Do 95 % intervals of neighbourhoods, dimension and factors cover the truth?  benchmarks/interval_coverage_manifold.py

Truth: the mean of the metric over 200 data sets of the same law and size (n = 300), because neighbours and dimensions
change with the number of rows. Coverage: the share of those data sets whose interval holds it; what 200 data sets can
tell is 92 to 98 % for a true 95 %. The encoder is fixed: another data set has other rows of the same law.

With --only the rows of these metrics take the place of the old ones in the results.

2 min, one thread (set OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from interval_coverage import ROWS, coverage, merged
from machine import write

NEIGHBOURS = (
    "trustworthiness", "continuity", "mrre_false", "mrre_missing", "neighbor_overlap", "lcmc", "rnx", "rnx_area",
)  # fmt: skip
DIMENSIONS = ("dimension_mle", "dimension_mle_mean", "dimension_twonn", "dimension_twonn_ml", "dimension_gride")
FACTORS = ("mig", "mig_dlib20", "modularity")
MIX = np.random.default_rng(0).standard_normal((4, 8))


def plane(rng: np.random.Generator) -> dict[str, Any]:
    """Four Gaussian causes in 8 columns with a little noise, the code is the first two of them."""
    causes = rng.standard_normal((ROWS, 4)) * [1, 1, 0.6, 0.3]
    noisy = causes @ MIX + 0.1 * rng.standard_normal((ROWS, 8))
    return {"codes": causes[:, :2] + 0.1 * rng.standard_normal((ROWS, 2)), "x": noisy}


def roll(rng: np.random.Generator) -> dict[str, Any]:
    """A Swiss roll with noise, the code looks at it from one side."""
    angle, high = 1.5 * np.pi * (1 + 2 * rng.random(ROWS)), 21 * rng.random(ROWS)
    x = np.c_[angle * np.cos(angle), high, angle * np.sin(angle)] + 0.5 * rng.standard_normal((ROWS, 3))
    return {"codes": x @ np.array([[1, 0.2], [0.1, 1], [0.4, -0.3]]), "x": x}


def groups(rng: np.random.Generator) -> dict[str, Any]:
    """Five Gaussians in 8 columns, the code is two random directions."""
    centres = 4 * np.random.default_rng(3).standard_normal((5, 8))
    x = centres[rng.integers(5, size=ROWS)] + rng.standard_normal((ROWS, 8))
    return {"codes": x @ MIX[:2].T, "x": x}


def cube(rng: np.random.Generator) -> dict[str, Any]:
    """A cube of three dimensions in 8 columns."""
    return {"codes": rng.random((ROWS, 3)) @ MIX[:3]}


def gaussian(rng: np.random.Generator) -> dict[str, Any]:
    """A Gaussian of six dimensions."""
    return {"codes": rng.standard_normal((ROWS, 6))}


def rolled(rng: np.random.Generator) -> dict[str, Any]:
    """The noisy Swiss roll itself."""
    return {"codes": roll(rng)["x"]}


def told(rng: np.random.Generator) -> dict[str, Any]:
    """Three factors of 3, 5 and 8 values; a unit with noise for each, two of noise, and one for two factors."""
    factors = np.stack([rng.integers(k, size=ROWS) for k in (3, 5, 8)], axis=1)
    codes = factors / np.array([1, 2, 3]) + np.array([0.15, 0.4, 0.8]) * rng.standard_normal((ROWS, 3))
    return {"codes": np.c_[codes, rng.standard_normal((ROWS, 2)), codes[:, 0] + codes[:, 1]], "factors": factors}


def main() -> None:
    """All laws and metrics."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    rows = []
    laws = [(make, NEIGHBOURS) for make in (plane, roll, groups)]
    laws += [(make, DIMENSIONS) for make in (cube, gaussian, rolled)] + [(told, FACTORS)]
    for make, names in laws:
        some = [name for name in names if not given.only or name in given.only]
        rows += coverage(some, make.__name__, make, given.repeats)
    question = "Do 95 % intervals of neighbours, dimension and factors cover the mean over data sets?"
    write("interval_coverage_manifold", question, merged("interval_coverage_manifold", rows), n=ROWS)


if __name__ == "__main__":
    main()
