"""Does a code put the steps of a translation in order?  python benchmarks/walks.py  (about 9 min, OMP_NUM_THREADS=1)

A digit moved over a wide canvas, and a tone that rises in pitch: from one step to the next nothing overlaps, so that in
pixels all steps are equally far apart, although one or two numbers make them all. Codes of 4 units learn without labels
from films, in which things move by a fraction of such a step. Judged on digits and tones of no film: 20 straight walks
of 7 steps, from each step on to the nearest one left. The features as they are and PCA of equal width beside, and an
autoencoder that does not know the order of the frames. 5 seeds: films, first weights and walks are drawn anew.

--choose prints the settings that were tried, on other digits and walks than those that judge. docs/make_pictures.py
draws from the results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from machine import write
from scipy.stats import t
from sklearn.decomposition import PCA
from walk_makers import STEPS, WALK_SHOWN, Digits, Maker, Tones

from codelayer import Autoencoder
from codelayer.measure import walk

PATHS, UNITS, SEEDS = 20, 4, 5
PLAIN, NET = "squared()", "mlp(256, 64)"
SLOW = "views(noise(0.02), projector=16) + variance(25) + covariance(1) + slowness(500)"
TRIED = (
    PLAIN,
    "gaussian() + prior(1)",
    SLOW.replace("500", "50"),
    SLOW.replace(", projector=16", "").replace("500", "50"),
    SLOW,
)
PASSES = (10, 30)
KEYS = ("in_order", "perfect", "growth", "step", "ends", "straight")
Code = Callable[[np.ndarray], np.ndarray]


def learned(sentence: str, passes: int, x: np.ndarray, films: np.ndarray, seed: int) -> Code:
    """A code of the frames."""
    coder = Autoencoder(
        UNITS, sentence, NET, epochs=passes, batch_size=50, learning_rate=0.002, scale="none", random_state=seed
    )
    return coder.fit(x, groups=films if "slowness" in sentence else None).transform


def judged(code: Code, maker: Maker, seed: int, final: bool = True) -> dict[str, Any]:
    """Means over 20 walks; and the distance from the first step, as a share of that of two other samples."""
    rng = np.random.default_rng([21 if final else 22, seed])
    others = code(maker.others(rng, final))
    pairs = np.linalg.norm(others[:200] - others[200:], axis=1)
    rows, away = [], []
    for _ in range(PATHS):
        steps = code(maker.path(rng, final))
        found = walk(steps, others)
        lengths = np.linalg.norm(np.diff(steps, axis=0), axis=1)
        straight = np.linalg.norm(steps[-1] - steps[0]) / lengths.sum()
        rows.append([found.in_order, found.in_order > 0.9999, found.growth, found.step, found.ends, straight])
        away.append(np.linalg.norm(steps - steps[0], axis=1) / np.median(pairs))
    return dict(zip(KEYS, np.mean(rows, 0), strict=True)) | {"away": np.mean(away, 0)}


def flat(code: Code, maker: Maker) -> dict[str, str]:
    """One walk and 150 other samples on the two main directions of the code: texts "x,y x,y ..."."""
    rng = np.random.default_rng(WALK_SHOWN)
    steps, others = code(maker.path(rng, True)), code(maker.others(rng, True))
    plane = PCA(2, random_state=0).fit(others)
    told = {"steps": plane.transform(steps), "others": plane.transform(others[:150])}
    return {name: " ".join(f"{a:.3f},{b:.3f}" for a, b in places) for name, places in told.items()}


def codes(maker: Maker, seed: int) -> dict[str, Code]:
    """What is compared, by name."""
    x, films = maker.films(np.random.default_rng([23, seed]))
    return {
        maker.raw: lambda v: v.astype(np.float64),
        f"PCA of {UNITS}": PCA(UNITS, random_state=0).fit(x).transform,
        "autoencoder": learned(PLAIN, maker.passes, x, films, seed),
        "slow code": learned(SLOW, maker.passes, x, films, seed),
    }


def choose(maker: Maker) -> None:
    """Print the sentences that were tried with 10 passes, then the passes with the one that was chosen."""
    x, films = maker.films(np.random.default_rng([23, 0]))
    for sentence in TRIED:
        print(maker.name, sentence, judged(learned(sentence, 10, x, films, 0), maker, 0, False), flush=True)
    for passes, seed in product(PASSES, range(100, 103)):  # films, first weights and walks of their own
        x, films = maker.films(np.random.default_rng([23, seed]))
        found = judged(learned(SLOW, passes, x, films, seed), maker, seed, False)
        print(maker.name, passes, "passes", seed, f"in order {found['in_order']:.2f}", flush=True)


def main() -> None:
    """Learn, walk, and write the results; or print what was tried."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    makers = {maker.name: maker for maker in (Digits(), Tones())}
    found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in makers}
    maps: dict[str, dict[str, dict[str, str]]] = {}
    for maker in makers.values() if given.choose else ():
        choose(maker)
    for seed in range(0 if given.choose else SEEDS):
        for maker in makers.values():
            made = codes(maker, seed)
            for name, code in made.items():
                found[maker.name].setdefault(name, []).append(judged(code, maker, seed))
                print(maker.name, seed, name, found[maker.name][name][-1], flush=True)
            maps[maker.name] = {name: flat(code, maker) for name, code in made.items()}
        written(found, maps, seed + 1)


def written(found: dict[str, Any], maps: dict[str, Any], seeds: int) -> None:
    """What so many seeds gave."""
    rows = [
        {"data": data, "code": name, **{key: span([one[key] for one in some]) for key in (*KEYS, "away")}}
        for data, codes in found.items()
        for name, some in codes.items()
    ]
    facts = {"steps": STEPS, "paths": PATHS, "seeds": seeds, "units": UNITS, "net": NET}
    facts["passes"] = {maker.name: maker.passes for maker in (Digits(), Tones())}
    question = "Does a code put the steps of a translation in order?"
    write("walks", question, rows, **facts, plain=PLAIN, slow=SLOW, maps=maps)


def span(values: list[Any]) -> dict[str, Any]:
    """The mean over seeds with its 95 % interval (Student's t)."""
    every = np.array(values, np.float64)
    half = t.ppf(0.975, max(len(every) - 1, 1)) * every.std(0, ddof=min(1, len(every) - 1)) / len(every) ** 0.5
    mean = every.mean(0)
    return {"value": mean.tolist(), "low": (mean - half).tolist(), "high": (mean + half).tolist()}


if __name__ == "__main__":
    main()
