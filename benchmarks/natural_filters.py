"""Do sparse codes of natural patches look like Gabors?  python benchmarks/natural_filters.py  (about 3 min)

Pictures are made grey and whitened by R(f) = f exp(-(f / f0)^4), f0 = 0.8 of the highest frequency (Olshausen and Field
1997); patches of 10 x 10 lose their mean and are divided by their length where that is above the median. 200 units
for 100 pixels. Filters of: Dictionary (l1 = 0.1), the psd recipe's decoder; and of what shows the chance level: the
patches themselves, principal components, and the last layer of a plain undercomplete autoencoder (code of 50).

A filter counts as a Gabor when one explains at least 0.8 of its sum of squares: a Gaussian envelope (deviations of
0.8 pixels up to a quarter of the side, centre inside the patch) times a wave of 1/12 to 1/2 cycles per pixel. The best
three of a grid of Gabors are the starts of a least-squares fit; amplitude and phase are solved for exactly.
A seed draws other patches and first weights. The pictures in docs/pictures are of seed 0, best fits first.

Data: natural_ccby19 (CC BY 2.0 but for the kite, which is left out) and bsds_val40 (non-commercial: figures only), in
the folder named by CODELAYER_DATA. One thread (set OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from machine import write
from PIL import Image
from scipy.stats import t

from codelayer import Autoencoder
from codelayer.learn.sparse_coding import Dictionary

SIDE, UNITS, PATCHES, ENOUGH = 10, 200, 6_000, 0.8
SEEDS = {"natural_ccby19": 5, "bsds_val40": 3}
LEFT_OUT = ("kite_and_cold.jpg",)
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
AT = np.mgrid[:SIDE, :SIDE].reshape(2, -1).astype(np.float64)
# centre down, centre across, angle, deviation along and across the wave, cycles per pixel
LOW = np.array([-0.5, -0.5, -np.pi, 0.8, 0.8, 1 / 12])
HIGH = np.array([SIDE - 0.5, SIDE - 0.5, 2 * np.pi, SIDE / 4, SIDE / 4, 0.5])


def pictures(name: str) -> list[np.ndarray]:
    """The whitened grey pictures of a file, each of deviation 1."""
    found = np.load(Path(os.environ["CODELAYER_DATA"]) / f"{name}.npz")
    made = []
    for i, file in enumerate(found["name"]):
        if str(file) not in LEFT_OUT:
            start, stop = found["offset"][i : i + 2]
            grey = Image.open(io.BytesIO(found["jpeg"][start:stop].tobytes())).convert("L")
            made.append(whitened(np.asarray(grey, np.float64)))
    return made


def whitened(grey: np.ndarray) -> np.ndarray:
    """The picture with a flat spectrum up to f0."""
    down, across = np.meshgrid(*(np.fft.fftfreq(n) for n in grey.shape), indexing="ij")
    f = np.hypot(down, across)
    flat = np.fft.ifft2(np.fft.fft2(grey - grey.mean()) * f * np.exp(-((f / 0.4) ** 4))).real
    return flat / flat.std()


def patches(all_of: list[np.ndarray], seed: int) -> np.ndarray:
    """(PATCHES, SIDE * SIDE) float64, evenly from all pictures, none from the outermost pixels."""
    rng, made = np.random.default_rng(seed), []
    for i in range(PATCHES):
        one = all_of[i % len(all_of)]
        down, across = (rng.integers(4, n - SIDE - 4) for n in one.shape)
        made.append(one[down : down + SIDE, across : across + SIDE].ravel())
    x = np.array(made)
    x -= x.mean(1, keepdims=True)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.maximum(length, np.median(length))


def waves(parameters: np.ndarray) -> np.ndarray:
    """(..., 2, pixels) the even and the odd Gabor of (..., 6) parameters."""
    y, x, angle, along, across, pace = (parameters[..., i, None] for i in range(6))
    down, right = AT[0] - y, AT[1] - x
    u = right * np.cos(angle) + down * np.sin(angle)
    v = down * np.cos(angle) - right * np.sin(angle)
    envelope = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
    return np.stack((envelope * np.cos(2 * np.pi * pace * u), envelope * np.sin(2 * np.pi * pace * u)), axis=-2)


@cache
def bank() -> tuple[np.ndarray, np.ndarray]:
    """A grid of Gabors: (count, 6) parameters, and (count, 2, pixels) an orthonormal basis of each one's two waves."""
    places = np.arange(0.5, SIDE, 1.5)
    wide = (0.9, 1.5, 2.3)
    axes = (places, places, np.arange(8) * np.pi / 8, wide, wide, (1 / 12, 0.15, 0.25, 0.38))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 6)
    return grid, np.swapaxes(np.linalg.qr(np.swapaxes(waves(grid), 1, 2))[0], 1, 2)


def explained(parameters: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the share of each filter of length 1 that its Gabor explains, and (n, pixels) what that leaves over."""
    basis = waves(parameters)
    gram = basis @ basis.swapaxes(1, 2)
    gram[:, [0, 1], [0, 1]] += 1e-9
    amplitudes = np.linalg.solve(gram, basis @ rows[..., None])
    rest = rows - (amplitudes.swapaxes(1, 2) @ basis)[:, 0]
    return 1 - np.square(rest).sum(1), rest


def gabor_fits(atoms: np.ndarray, starts: int = 3, steps: int = 30) -> np.ndarray:
    """(n,) the largest share of each filter's sum of squares that one Gabor explains.

    Levenberg and Marquardt's steps, held inside the limits, of all filters and starts at once.
    """
    atoms = atoms / np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-12)
    grid, basis = bank()
    near = np.square(atoms @ basis.reshape(-1, atoms.shape[1]).T).reshape(len(atoms), -1, 2).sum(2)
    chosen = np.argsort(-near, axis=1)[:, :starts].ravel()
    rows, at = atoms.repeat(starts, 0), grid[chosen]
    share, rest = explained(at, rows)
    damping = np.full(len(at), 1e-2)
    for _ in range(steps):
        slope = np.empty((len(at), atoms.shape[1], at.shape[1]))
        for k in range(at.shape[1]):
            moved = at.copy()
            moved[:, k] += 1e-5
            slope[..., k] = (explained(moved, rows)[1] - rest) / 1e-5
        curve = slope.swapaxes(1, 2) @ slope
        diagonal = np.einsum("nkk->nk", curve)
        diagonal += damping[:, None] * (diagonal + 1e-6)
        step = np.linalg.solve(curve, slope.swapaxes(1, 2) @ rest[..., None])[..., 0]
        tried = np.clip(at - step, LOW, HIGH)
        found, left = explained(tried, rows)
        better = found > share
        at[better], share[better], rest[better] = tried[better], found[better], left[better]
        damping = np.where(better, damping / 3, damping * 4).clip(1e-9, 1e6)
    return share.reshape(-1, starts).max(1)


def filters(x: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """(count, pixels) by contestant."""
    rng = np.random.default_rng([seed, 1])
    learned = Dictionary(UNITS, 0.1, epochs=4, scale="none", random_state=seed).fit(x)
    options: dict[str, Any] = {"scale": "none", "learning_rate": 0.003, "validation": 0, "random_state": seed}
    psd = Autoencoder(UNITS, "psd", epochs=18, batch_size=256, **options).fit(x)
    plain = Autoencoder(50, "undercomplete", epochs=25, batch_size=256, **options).fit(x)
    found, last = psd.model_.net.dictionary(), list(plain.model_.net.decoder.children())[-1]
    axes = np.linalg.svd(x - x.mean(0), full_matrices=False)[2]
    return {
        "Dictionary": learned.atoms_.astype(np.float64),
        "psd": found[0].detach().numpy().T.astype(np.float64),
        "principal components": axes[: SIDE * SIDE - 1],  # the mean of every patch is 0
        "the patches themselves": x[rng.choice(len(x), UNITS, replace=False)],
        "undercomplete autoencoder": last.weight.detach().numpy().T.astype(np.float64),
    }


def picture(path: Path, atoms: np.ndarray, order: np.ndarray, across: int = 20, grow: int = 3) -> None:
    """A grid of filters, grey where they are 0."""
    cell = SIDE * grow + 2
    sheet = np.full((-(-len(atoms) // across) * cell + 2, across * cell + 2), 255, np.uint8)
    for place, one in enumerate(atoms[order]):
        tile = np.rint(127.5 + 127.5 * one / np.abs(one).max()).reshape(SIDE, SIDE).astype(np.uint8)
        top, left = 2 + place // across * cell, 2 + place % across * cell
        sheet[top : top + cell - 2, left : left + cell - 2] = tile.repeat(grow, 0).repeat(grow, 1)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(sheet).save(path, optimize=True)


def main() -> None:
    """Fit, count, write."""
    rows: list[dict[str, Any]] = []
    started = time.perf_counter()
    for data, seeds in SEEDS.items():
        whole = pictures(data)
        shares: dict[str, list[float]] = {}
        middle: dict[str, list[float]] = {}
        for seed in range(seeds):
            for name, atoms in filters(patches(whole, seed), seed).items():
                fits = gabor_fits(atoms)
                shares.setdefault(name, []).append(float((fits >= ENOUGH).mean()))
                middle.setdefault(name, []).append(float(np.median(fits)))
                if seed == 0 and data == "natural_ccby19" and name in ("Dictionary", "psd"):
                    picture(PICTURES / f"filters_{name.lower()}.png", atoms, np.argsort(-fits, kind="stable"))
                print(f"{data} {seed} {name}: {shares[name][-1]:.3f} {middle[name][-1]:.3f}", flush=True)
        for name, values in shares.items():
            mean, half = np.mean(values), t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
            one = {"data": data, "filters": name, "gabors": mean, "low": mean - half, "high": mean + half}
            rows.append({**one, "values": values, "explained_median": float(np.mean(middle[name]))})
    settings = {"side": SIDE, "units": UNITS, "patches": PATCHES, "enough": ENOUGH, "seeds": SEEDS}
    seconds = time.perf_counter() - started
    print(write("natural_filters", "Are filters of natural patches Gabors?", rows, settings=settings, seconds=seconds))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        SEEDS = {"natural_ccby19": int(sys.argv[1])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        main()
