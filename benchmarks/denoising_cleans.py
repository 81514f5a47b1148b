"""Does a denoising autoencoder clean?  python benchmarks/denoising_cleans.py [SET ...] [--quick]  (12 min, 1 core)

Held-out pictures get noise and are cleaned: by PCA (the number of components chosen), a 3 x 3 median, wavelets (Haar
or Daubechies-4, soft thresholds or BayesShrink, with or without shifts: chosen), the best linear map from noisy to
clean training rows, an autoencoder of equal shape trained without noise, and a denoising one. Every choice is made on
a validation part, never on the pictures that are scored. Patches are split by picture. Five seeds move split, noise,
weights. Crops are 96 x 96 pieces of the held-out pictures: there median and wavelets see the whole piece, and what
works on patches cleans every patch of it and is averaged where patches overlap. --picture draws one crop only.
"""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from machine import write
from PIL import Image, ImageDraw
from scipy.ndimage import median_filter
from tables_learning import load

from codelayer import Autoencoder
from codelayer.data.load import load_data
from codelayer.data.named import stored

QUICK = "--quick" in sys.argv
SEEDS = 1 if QUICK else 5
SIDE, CROP = 8, 96
NOISES = {"Gaussian 0.1": "noise(0.1)", "Gaussian 0.3": "noise(0.3)", "mask 0.3": "mask(0.3)", "salt 0.2": "salt(0.2)"}
NETS = {
    "digits": ((32, "mlp(256)"), (128, "mlp(256)")),
    "natural_ccby19": ((16, "mlp(256)"), (128, "mlp(256)")),
    "bsds_val40": ((128, "mlp(256)"),),
    "mnist": ((256, "mlp(384)"),),  # runs where it is named: at 14 passes it is far from trained
}
EPOCHS = {"digits": 100, "natural_ccby19": 28, "bsds_val40": 28, "mnist": 60}
SHOWN, SHOWN_AT = "grace_hopper.bmp", (18, 178)  # public domain
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
Clean = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Parts:
    """Pictures (n, H, W) in [0, 1] to learn from, to choose on and to score; crops of what is chosen on and scored."""

    train: np.ndarray
    choose: np.ndarray
    score: np.ndarray
    choose_crops: np.ndarray | None = None
    score_crops: np.ndarray | None = None


# --- data -----------------------------------------------------------------------------------------------------------


@cache
def photographs(name: str) -> tuple[list[np.ndarray], list[str]]:
    """The grey pictures of a packed set in [0, 1], and their names."""
    folder = stored("mnist")
    if folder is None:
        raise SystemExit(f"set CODELAYER_DATA to the folder that holds mnist.npz and {name}.npz")
    with np.load(folder.with_name(f"{name}.npz")) as found:
        edges, packed, names = found["offset"], found["jpeg"], [str(one) for one in found["name"]]
    files = [packed[a:b].tobytes() for a, b in pairwise(edges)]
    return [np.asarray(Image.open(io.BytesIO(one)).convert("L"), np.float32) / 255 for one in files], names


def cut(pictures: list[np.ndarray], count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` square patches at random places, equally many of every picture."""
    found = []
    for picture in pictures:
        for _ in range(count // len(pictures)):
            i, j = (int(rng.integers(size - SIDE + 1)) for size in picture.shape)
            found.append(picture[i : i + SIDE, j : j + SIDE])
    return np.stack(found)


def middle(picture: np.ndarray) -> np.ndarray:
    """The central crop."""
    i, j = ((size - CROP) // 2 for size in picture.shape)
    return picture[i : i + CROP, j : j + CROP]


def parts(name: str, seed: int) -> Parts:
    """The three parts of a set; rows of one photograph are never on two sides."""
    rng = np.random.default_rng([seed, 1])
    if name in ("digits", "mnist"):
        x = load_data(name).x
        x = (x.astype(np.float32) / 255 if x.dtype == np.uint8 else np.asarray(x, np.float32)).reshape(
            len(x), *x.shape[1:3]
        )
        order = rng.permutation(len(x))[: 1500 if QUICK else 10_000]
        a, b = int(0.6 * len(order)), int(0.8 * len(order))
        return Parts(x[order[:a]], x[order[a:b]], x[order[b:]])
    pictures, names = photographs(name)
    order = rng.permutation(len(pictures)).tolist()
    if seed == 0 and SHOWN in names:  # the picture that is printed must be a held-out one
        place = order.index(names.index(SHOWN))
        order[-1], order[place] = order[place], order[-1]
    a, b = int(0.6 * len(order)), int(0.8 * len(order))
    train, choose, score = ([pictures[i] for i in side] for side in (order[:a], order[a:b], order[b:]))
    count = 1000 if QUICK else 7500
    crops = (np.stack([middle(one) for one in side]) for side in (choose, score))
    return Parts(cut(train, count, rng), cut(choose, count // 5, rng), cut(score, count // 5, rng), *crops)


def spoilt(x: np.ndarray, noise: str, rng: np.random.Generator) -> np.ndarray:
    """x with noise."""
    kind, amount = noise.split()
    if kind == "Gaussian":
        return (x + float(amount) * rng.normal(size=x.shape)).astype(np.float32)
    hit = rng.random(x.shape) < float(amount)
    return np.where(hit, 0 if kind == "mask" else rng.random(x.shape) < 0.5, x).astype(np.float32)


def psnr(cleaned: np.ndarray, truth: np.ndarray) -> float:
    """10 log10(1 / mean squared error) in dB; every method's output is cut to [0, 1]."""
    return float(
        -10 * np.log10(np.mean((np.clip(cleaned, 0, 1) - truth.reshape(cleaned.shape)) ** 2, dtype=np.float64))
    )


# --- rivals ---------------------------------------------------------------------------------------------------------

ROOT3 = 3**0.5
LOW = {"haar": np.ones(2) / 2**0.5, "d4": np.array([1 + ROOT3, 3 + ROOT3, 3 - ROOT3, 1 - ROOT3]) / (4 * 2**0.5)}


@cache
def analysis(size: int, kind: str) -> np.ndarray:
    """The orthonormal periodic transform of `size` samples: lower half means, upper half details."""
    low = LOW[kind]
    high = low[::-1] * (-1.0) ** np.arange(len(low))
    matrix = np.zeros((size, size))
    for row in range(size // 2):
        for k in range(len(low)):
            matrix[row, (2 * row + k) % size] += low[k]
            matrix[size // 2 + row, (2 * row + k) % size] += high[k]
    return matrix


def split_bands(x: np.ndarray, kind: str) -> list[tuple[np.ndarray, ...]]:
    """(n, H, W) -> details of every level, finest first, and at the end the means alone."""
    levels = []
    while min(x.shape[1:]) >= 4 and x.shape[1] % 2 == 0 and x.shape[2] % 2 == 0:
        h, w = x.shape[1] // 2, x.shape[2] // 2
        whole = analysis(2 * h, kind) @ x @ analysis(2 * w, kind).T
        levels.append((whole[:, :h, w:], whole[:, h:, :w], whole[:, h:, w:]))
        x = whole[:, :h, :w]
    return [*levels, (x,)]


def join_bands(levels: list[tuple[np.ndarray, ...]], kind: str) -> np.ndarray:
    """The inverse of split_bands."""
    x = levels[-1][0]
    for right, lower, both in reversed(levels[:-1]):
        whole = np.concatenate([np.concatenate([x, right], 2), np.concatenate([lower, both], 2)], 1)
        x = analysis(whole.shape[1], kind).T @ whole @ analysis(whole.shape[2], kind)
    return x


def shrunk(band: np.ndarray, rule: float, sigma: float) -> np.ndarray:
    """Soft thresholding at rule * sigma; rule 0: sigma^2 / deviation of the band's clean part (Chang et al. 2000)."""
    if rule:
        limit: np.ndarray | float = rule * sigma
    else:
        clean = np.maximum((band**2).mean((1, 2), keepdims=True) - sigma**2, 0)
        limit = np.where(clean > 0, sigma**2 / np.sqrt(np.maximum(clean, 1e-12)), np.inf)
    return np.sign(band) * np.maximum(np.abs(band) - limit, 0)


def wavelet(x: np.ndarray, kind: str, rule: float, shifts: int, sigma: float) -> np.ndarray:
    """Details shrunk, averaged over `shifts` x `shifts` cyclic shifts (Coifman and Donoho 1995)."""
    total = np.zeros(x.shape)
    for i in range(shifts):
        for j in range(shifts):
            *details, mean = split_bands(np.roll(x, (i, j), (1, 2)).astype(np.float64), kind)
            kept = [tuple(shrunk(band, rule, sigma) for band in level) for level in details]
            total += np.roll(join_bands([*kept, mean], kind), (-i, -j), (1, 2))
    return total / shifts**2


def check_wavelets() -> None:
    """Both transforms are orthonormal and come back exactly; D4 does not see a straight slope."""
    x = np.random.default_rng(0).normal(size=(3, 28, 28))
    for kind in LOW:
        assert np.allclose(analysis(12, kind) @ analysis(12, kind).T, np.eye(12), atol=1e-12)
        assert np.allclose(join_bands(split_bands(x, kind), kind), x, atol=1e-12)
    assert np.allclose((analysis(12, "d4") @ np.arange(12.0))[6:11], 0, atol=1e-12)


def median(x: np.ndarray) -> np.ndarray:
    """The 3 x 3 median of every picture."""
    return median_filter(x, size=(1, 3, 3))


def pca_grid(train: np.ndarray) -> dict[str, Clean]:
    """Projection on the first k components of the clean training rows."""
    flat = train.reshape(len(train), -1).astype(np.float64)
    mean = flat.mean(0)
    axes = np.linalg.eigh(np.cov(flat.T))[1][:, ::-1]

    def project(x: np.ndarray, k: int) -> np.ndarray:
        rows = x.reshape(len(x), -1) - mean
        return (rows @ axes[:, :k] @ axes[:, :k].T + mean).reshape(x.shape)

    sizes = [k for k in (2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 150, 200) if k <= flat.shape[1]]
    return {f"{k} components": partial(project, k=k) for k in sizes}


def wavelet_grid(sigma: float) -> dict[str, Clean]:
    """Wavelet, rule and shifts to choose from; sigma is the root of the noise's mean square."""
    rules = (0, 0.25, 0.5, 1, 1.5, 2, 3)
    return {
        f"{kind}, {'BayesShrink' if not rule else f'soft {rule} sigma'}, {shifts * shifts} shifts": partial(
            wavelet, kind=kind, rule=rule, shifts=shifts, sigma=sigma
        )
        for kind in LOW
        for rule in rules
        for shifts in (1, 4)
    }


def linear(train: np.ndarray, noise: str, rng: np.random.Generator) -> Clean:
    """The affine map with the least squared error from noisy to clean training rows, three draws of noise each."""
    clean = np.concatenate([train] * 3).reshape(3 * len(train), -1).astype(np.float64)
    seen = np.concatenate([spoilt(train, noise, rng) for _ in range(3)]).reshape(clean.shape).astype(np.float64)
    means = seen.mean(0), clean.mean(0)
    left, right = seen - means[0], clean - means[1]
    gram = left.T @ left
    weights = np.linalg.solve(gram + 1e-4 * np.trace(gram) / len(gram) * np.eye(len(gram)), left.T @ right)
    return lambda x: ((x.reshape(len(x), -1) - means[0]) @ weights + means[1]).reshape(x.shape)


def learned(train: np.ndarray, name: str, sentence: str, shape: tuple[int, str], seed: int) -> Clean:
    """What a trained autoencoder makes of pictures."""
    coder = Autoencoder(
        shape[0],
        sentence,
        net=shape[1],
        epochs=2 if QUICK else EPOCHS[name],
        batch_size=64 if name == "mnist" else 128,
        learning_rate=0.003,
        validation=0.0,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a code wider than its features is meant here
        coder.fit(train[..., None])
    return lambda x: coder.rebuilt(x[..., None].astype(np.float32)).reshape(x.shape)


def by_patches(clean: Clean, crops: np.ndarray) -> np.ndarray:
    """Every patch of every crop cleaned, averaged where patches overlap."""
    size = CROP - SIDE + 1
    total, count = np.zeros(crops.shape), np.zeros(crops.shape)
    windows = np.lib.stride_tricks.sliding_window_view(crops, (SIDE, SIDE), axis=(1, 2))
    for n, one in enumerate(windows):
        cleaned = clean(one.reshape(-1, SIDE, SIDE)).reshape(size, size, SIDE, SIDE)
        for i in range(SIDE):
            for j in range(SIDE):
                total[n, i : i + size, j : j + size] += cleaned[:, :, i, j]
                count[n, i : i + size, j : j + size] += 1
    return total / count


def best(grid: dict[str, Clean], seen: np.ndarray, truth: np.ndarray) -> str:
    """The name of the choice that cleans the validation part best."""
    return max(grid, key=lambda name: psnr(grid[name](seen[:500]), truth[:500]))


# --- the race -------------------------------------------------------------------------------------------------------


class Race:
    """All methods on one set with one seed; what needs no noise to be made is made once."""

    def __init__(self, name: str, seed: int, chosen: dict[str, tuple[int, str]]) -> None:
        self.name, self.seed, self.chosen, self.parts = name, seed, chosen, parts(name, seed)
        self.pca = pca_grid(self.parts.train)
        self.plain: dict[tuple[int, str], Clean] = {}

    def methods(self, noise: str) -> dict[str, tuple[str, Clean]]:
        """Method -> (what was chosen, cleaner of patches or whole small pictures)."""
        own, rng = self.parts, np.random.default_rng([self.seed, 2])
        seen = spoilt(own.choose, noise, rng)
        sigma = float(np.sqrt(np.mean((seen - own.choose) ** 2)))
        waves = wavelet_grid(sigma)
        k, wave = best(self.pca, seen, own.choose), best(waves, seen, own.choose)
        nets = NETS[self.name]
        self.chosen.setdefault(noise, nets[0])
        if len(nets) > 1 and self.seed == 0:  # the net is chosen with the first seed and kept
            tried = [learned(own.train, self.name, NOISES[noise], shape, self.seed + 100) for shape in nets]
            self.chosen[noise] = nets[int(np.argmax([psnr(clean(seen), own.choose) for clean in tried]))]
        shape = self.chosen[noise]
        if shape not in self.plain:
            self.plain[shape] = learned(own.train, self.name, "squared()", shape, self.seed)
        told = f"{shape[1]}, code of {shape[0]}"
        return {
            "noisy": ("", lambda x: x),
            "median 3 x 3": ("", median),
            "wavelets": (wave, waves[wave]),
            "PCA": (k, self.pca[k]),
            "linear map": ("", linear(own.train, noise, rng)),
            "autoencoder, no noise in training": (told, self.plain[shape]),
            "denoising autoencoder": (told, learned(own.train, self.name, NOISES[noise], shape, self.seed)),
        }

    def run(self, noise: str) -> list[dict[str, object]]:
        """One record per method, for patches and for crops; with the first seed the pictures."""
        own, methods = self.parts, self.methods(noise)
        seen = spoilt(own.score, noise, np.random.default_rng([self.seed, 3]))
        cleaned = {method: clean(seen) for method, (_, clean) in methods.items()}
        rows = [self._row(self.name, noise, m, methods[m][0], psnr(cleaned[m], own.score)) for m in methods]
        if not QUICK and self.seed == 0 and self.name == "digits" and noise in ("Gaussian 0.3", "salt 0.2"):
            strips(f"denoising_digits_{noise.split()[0].lower()}", own.score[:12], cleaned)
        if own.score_crops is None or own.choose_crops is None:
            return rows
        tuning = spoilt(own.choose_crops, noise, np.random.default_rng([self.seed, 4]))
        waves = wavelet_grid(float(np.sqrt(np.mean((tuning - own.choose_crops) ** 2))))
        wave = best(waves, tuning, own.choose_crops)
        seen = spoilt(own.score_crops, noise, np.random.default_rng([self.seed, 5]))
        whole = {"noisy": seen, "median 3 x 3": median(seen), "wavelets": waves[wave](seen)}
        whole |= {m: by_patches(clean, seen) for m, (_, clean) in methods.items() if m not in whole}
        for m, picture in whole.items():
            choice = wave if m == "wavelets" else methods[m][0]
            rows.append(self._row(f"{self.name} crops", noise, m, choice, psnr(picture, own.score_crops)))
        return rows

    def _row(self, data: str, noise: str, method: str, choice: str, value: float) -> dict[str, object]:
        return {"data": data, "noise": noise, "method": method, "choice": choice, "seed": self.seed, "psnr": value}


def strips(name: str, clean: np.ndarray, cleaned: dict[str, np.ndarray]) -> None:
    """docs/pictures/NAME.png: rows of clean pictures and of what every method makes of them; one alone fills a grid."""
    count, side = len(clean), clean.shape[1]
    zoom = 2 if count == 1 else 36 // side
    rows = {"clean": clean, **{m: x[:count] for m, x in cleaned.items()}}
    step, left, top = side * zoom + 6, 0 if count == 1 else 210, 18 if count == 1 else 0
    size = (4 * step, 2 * (step + top)) if count == 1 else (left + count * step, len(rows) * step)
    page = Image.new("L", size, 255)
    pen = ImageDraw.Draw(page)
    for i, (method, pictures) in enumerate(rows.items()):
        x, y = (i % 4 * step, i // 4 * (step + top)) if count == 1 else (0, i * step)
        pen.text((x, y + 2 if count == 1 else y + step // 2 - 9), method, fill=0)
        for j, one in enumerate(pictures):
            grey = Image.fromarray(np.rint(np.clip(one, 0, 1) * 255).astype(np.uint8))
            grey = grey.resize((side * zoom, side * zoom), Image.Resampling.NEAREST)
            page.paste(grey, (x + left + j * step, y + top))
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.save(PICTURES / f"{name}.png", optimize=True)


def crop_shown() -> None:
    """docs/pictures/denoising_crop.png: a piece of a photograph that the first seed holds out."""
    noise, (i, j) = "Gaussian 0.1", SHOWN_AT
    race = Race("natural_ccby19", 0, {})
    pictures, names = photographs("natural_ccby19")
    clean = pictures[names.index(SHOWN)][None, i : i + CROP, j : j + CROP]
    methods, seen = race.methods(noise), spoilt(clean, noise, np.random.default_rng(6))
    whole = {"noisy": seen, "median 3 x 3": median(seen), "wavelets": wavelet(seen, "haar", 0, 4, 0.1)}
    strips("denoising_crop", clean, whole | {m: by_patches(c, seen) for m, (_, c) in methods.items() if m not in whole})


def main() -> None:
    """Run all sets, noises and seeds; write the table."""
    torch.set_num_threads(1)
    check_wavelets()
    if "--picture" in sys.argv:
        crop_shown()
        return
    names = [name for name in sys.argv[1:] if not name.startswith("-")] or [name for name in NETS if name != "mnist"]
    done = load("denoising_cleans") or {"rows": [], "seconds": 0.0}
    rows = [row for row in done["rows"] if row["data"].split()[0] not in names]  # the other sets keep theirs
    before, started = done["seconds"] if rows else 0.0, time.perf_counter()
    for name in names:
        chosen: dict[str, tuple[int, str]] = {}
        for seed in range(SEEDS):
            race = Race(name, seed, chosen)
            for noise in NOISES:
                found = race.run(noise)
                rows += found
                told = ", ".join(f"{row['method']} {row['psnr']:.2f}" for row in found if row["data"] == name)
                print(f"{time.perf_counter() - started:4.0f} s  {name} {seed} {noise}: {told}", flush=True)
        if not QUICK:  # after every set, so that a stopped run leaves what it has
            facts = {"seeds": SEEDS, "seconds": before + time.perf_counter() - started, "epochs": EPOCHS}
            write("denoising_cleans", "Does a denoising autoencoder clean?", rows, **facts)


if __name__ == "__main__":
    main()
