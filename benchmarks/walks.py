"""Does a code put the steps of a translation in order?  python benchmarks/walks.py  (about 1 min, OMP_NUM_THREADS=1)

A digit moved over a canvas, and a decaying tone that rises in pitch: the changed pictures and sounds are far apart in
pixels and samples, although one or two numbers make them all. Codes of 3 units learn from random places and pitches;
then 20 straight paths of 13 steps are walked, from each step on to the nearest one left. Raw features and PCA of equal
width beside. Spearman's correlations, and distances as a share of the median distance of two random samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from machine import write
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from codelayer import Autoencoder
from codelayer.measure import walk

CANVAS, ROOM, STEPS, PATHS, UNITS = 20, 11.99, 13, 20, 3
SENTENCE, NET = "squared()", "mlp(256, 64)"


def moved(at: np.ndarray) -> np.ndarray:
    """The digit at places (n, 2) of the canvas, between pixels by shares: (n, 400)."""
    digit, out = load_digits().images[3] / 16, np.zeros((len(at), CANVAS + 1, CANVAS + 1), np.float32)
    for picture, place in zip(out, at, strict=True):
        (i, j), (u, v) = place.astype(int), place % 1
        for di, one in ((0, 1 - u), (1, u)):
            for dj, other in ((0, 1 - v), (1, v)):
                picture[i + di : i + di + 8, j + dj : j + dj + 8] += one * other * digit
    return out[:, :CANVAS, :CANVAS].reshape(len(at), -1)


def tones(at: np.ndarray) -> np.ndarray:
    """Decaying tones, two octaves from 0 to 11.99 in the first column, loudness in the second: (n, 256) at 8 kHz."""
    time = np.arange(256) / 8000
    pitch = 200 * 2 ** (2 * at[:, :1] / ROOM)
    loud = 0.5 + at[:, 1:] / ROOM / 2
    return (loud * np.sin(2 * np.pi * pitch * time) * np.exp(-60 * time)).astype(np.float32)


def paths() -> list[np.ndarray]:
    """Straight paths (13, 2) of at least 8 between random ends."""
    rng, out = np.random.default_rng(5), []
    while len(out) < PATHS:
        a, b = rng.uniform(0, ROOM, (2, 2))
        if np.hypot(*(a - b)) >= 8:
            out.append(a + (b - a) * np.linspace(0, 1, STEPS)[:, None])
    return out


def measured(name: str, what: str, make: Callable[[np.ndarray], np.ndarray], code: Callable[..., Any]) -> dict:
    """Means over the paths."""
    others = code(make(np.random.default_rng(1).uniform(0, ROOM, (400, 2))))
    found = [walk(code(make(path)), others) for path in paths()]
    row: dict[str, Any] = {"data": name, "code": what}
    for key in ("in_order", "growth", "step", "ends"):
        row[key] = float(np.mean([getattr(one, key) for one in found]))
    row["perfect"] = float(np.mean([one.in_order > 0.9999 for one in found]))
    print(row, flush=True)
    return row


def main() -> None:
    """Learn, walk, and write the results."""
    torch.set_num_threads(1)
    rows = []
    for name, make in (("a digit, moved", moved), ("a tone, its pitch and loudness", tones)):
        x = make(np.random.default_rng(0).uniform(0, ROOM, (4000, 2)))
        rows.append(measured(name, "raw features", make, lambda v: v))
        rows.append(measured(name, f"PCA of {UNITS}", make, PCA(UNITS, random_state=0).fit(x).transform))
        coder = Autoencoder(
            UNITS, SENTENCE, NET, epochs=40, batch_size=100, learning_rate=0.002, scale="none", random_state=0
        )
        rows.append(measured(name, f"`{SENTENCE}` on `{NET}`, {UNITS} units", make, coder.fit(x).transform))
    write("walks", "Does a code put the steps of a translation in order?", rows, steps=STEPS, paths=PATHS)


if __name__ == "__main__":
    main()
