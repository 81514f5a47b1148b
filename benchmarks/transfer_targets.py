"""Targets and backbones of the benchmarks of transfer: eight kinds of pictures, five nets.

Targets are split once into a pool to label from and rows to score on: by take for sounds, by picture for blood cells,
at random elsewhere. Two backbones are encoders that this package learns on other data and keeps in a cache folder.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from data_sets import folder
from PIL import Image
from scipy.signal import stft

from codelayer import Autoencoder, load
from codelayer.data.load import load_data
from codelayer.transfer.cache import default_folder

SCORED, POOL = 1000, 1500
SIDE = 32  # of pictures for the encoders of this package


@dataclass(frozen=True)
class Target:
    """Pictures with labels: a pool to draw labelled rows from, and rows to score on."""

    name: str
    pool: np.ndarray
    pool_y: np.ndarray
    test: np.ndarray
    test_y: np.ndarray


def _at_random(name: str, x: np.ndarray, y: np.ndarray) -> Target:
    order = np.random.default_rng(0).permutation(len(x))
    test, pool = order[:SCORED], order[SCORED:]
    kept: list[Any] = []
    for label in np.unique(y):
        kept += list(pool[y[pool] == label][: max(100, POOL // len(np.unique(y)))])
    rows = np.sort(kept)
    return Target(name, x[rows], y[rows], x[test], y[test])


def _split(name: str, x: np.ndarray, y: np.ndarray, held: np.ndarray) -> Target:
    rng = np.random.default_rng(0)
    pool, test = rng.permutation(np.flatnonzero(~held)), rng.permutation(np.flatnonzero(held))[:SCORED]
    return Target(name, x[pool], y[pool], x[test], y[test])


@lru_cache
def target(name: str) -> Target:
    """One of TARGETS."""
    return TARGETS[name](name)


def _cifar(name: str) -> Target:
    data = load_data(str(folder() / "cifar10_train.npz"))
    return _at_random(name, data.x[:8000], np.asarray(data.labels)[:8000].astype(str))


def _mnist(name: str) -> Target:
    data = load_data("mnist")
    return _at_random(name, data.x[:6000], np.asarray(data.labels)[:6000].astype(int))


def _usps(name: str) -> Target:
    stored = np.load(folder() / "usps_train.npz")
    return _at_random(name, (stored["x"] // 8).clip(0, 250).astype(np.uint8), stored["y"].astype(int))


def _digits(name: str) -> Target:
    data = load_data("digits")
    x = (255 * np.asarray(data.x)).round().astype(np.uint8)
    return _at_random(name, x.reshape(len(x), *x.shape[1:3]), np.asarray(data.labels).astype(int))


def _traffic(name: str) -> Target:
    stored = np.load(folder() / "ustc_benign10_sessionL7_test.npz")
    return _at_random(name, stored["x"], stored["y"].astype(int))


def _blood(name: str) -> Target:
    """Cells cut out of blood smears, brought to 48 x 48 so that size tells nothing; validation pictures are scored."""
    stored = np.load(folder() / "bccd_trainval.npz")
    crops, labels, held = [], [], []
    boxes, packed, offset, split = stored["boxes"].astype(int), stored["jpeg"], stored["offset"], stored["split"]
    rng = np.random.default_rng(0)
    for at in np.unique(boxes[:, 0]):
        whole = Image.open(BytesIO(packed[offset[at] : offset[at + 1]].tobytes())).convert("RGB")
        mine = boxes[boxes[:, 0] == at]
        red = rng.permutation(np.flatnonzero(mine[:, 1] == 0))[:3]
        for row in [*red, *np.flatnonzero(mine[:, 1] != 0)]:
            _, kind, left, top, right, bottom = mine[row]
            if right - left > 4 and bottom - top > 4:
                crops.append(np.asarray(whole.crop((left, top, right, bottom)).resize((48, 48), Image.BILINEAR)))
                labels.append(int(kind))
                held.append(bool(split[at]))
    return _split(name, np.stack(crops), np.array(labels), np.array(held))


@lru_cache
def log_mel() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Every clip of the spoken digits as grey levels of 32 bands x 32 times, and what is known of it."""
    stored = np.load(folder() / "fsdd_4speakers.npz")
    sounds, rate, pictures = stored["pcm"], int(stored["rate"]), []
    for start, stop in itertools.pairwise(stored["offset"].tolist()):
        sound = sounds[start:stop].astype(np.float32) / 2**15
        _, _, spectrum = stft(sound, fs=rate, nperseg=256, noverlap=192, boundary="zeros")
        level = np.log(np.abs(spectrum) + 1e-4)
        banded = np.stack([band.mean(0) for band in np.array_split(level[1:], 32, axis=0)])
        at = np.linspace(0, banded.shape[1] - 1, 32)
        pictures.append(np.stack([np.interp(at, np.arange(banded.shape[1]), band) for band in banded]))
    whole = np.stack(pictures) - np.log(1e-4)
    grey = (255 * whole / whole.max()).clip(0, 255).astype(np.uint8)
    return grey, {what: stored[what].astype(int) for what in ("speaker", "digit", "take")}


def _spoken(name: str) -> Target:
    grey, about = log_mel()
    return _split(name, grey, about["digit"], about["take"] < 10)


def _speakers(name: str) -> Target:
    grey, about = log_mel()
    return _split(name, grey, about["speaker"], about["take"] < 10)


TARGETS = {
    "cifar": _cifar,
    "blood": _blood,
    "mnist": _mnist,
    "usps": _usps,
    "digits": _digits,
    "spoken": _spoken,
    "speakers": _speakers,
    "traffic": _traffic,
}
# name -> (source, pixels per side)
NETS = {
    "mobilenet_v1_0.25": ("mobilenet_v1_0.25_128.npz", 96),
    "mobilenet_v1_0.5": ("mobilenet_v1_0.5_160.npz", 96),
    "mobilenet_v2_1.0": ("mobilenet_v2_1.0_224.npz", 96),
    "invariant_cifar": ("cifar", None),
    "invariant_mnist": ("mnist", None),
}


def backbone(name: str) -> tuple[str, int | None]:
    """What `open_backbone` takes for one of NETS, and its size; an encoder of this package is learned once."""
    source, size = NETS[name]
    if source.endswith(".npz"):
        return f"file:{folder() / source}", size
    place = default_folder().parent / "benchmark-nets" / name
    if not (place / "bundle.json").exists():
        found = target(source)
        net = Autoencoder(64, "invariant", epochs=30, random_state=0)
        net.fit(coloured(found.pool))
        net.save(place)
        load(place)
    return str(place), None


def coloured(x: np.ndarray) -> np.ndarray:
    """Pictures as (n, 32, 32, 3) uint8, which the encoders of this package take."""
    whole = x if x.ndim == 4 else np.repeat(x[..., None], 3, axis=3)
    if whole.shape[1:3] == (SIDE, SIDE):
        return whole
    return np.stack([np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.BILINEAR)) for one in whole])


def rows_for(name: str, x: np.ndarray) -> np.ndarray:
    """Pictures as a net takes them."""
    return coloured(x) if NETS[name][1] is None else x


def key(*parts: Any) -> int:
    """A seed from words."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16)
