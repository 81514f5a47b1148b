"""What the pictures are made of: toys of two features, handwritten digits, and fits with fixed seeds."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.datasets import make_moons

from codelayer import Autoencoder
from codelayer.data import load_data

from .canvas import Panel

PASSES = 1.0  # share of its passes that a fit makes; a test makes fewer
KEPT = 1500  # digits that are learned from; pictures show the others


def moons(n: int = 400, noise: float = 0.06) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles: (n, 2) rows and which of the two each is on."""
    x, y = make_moons(n, noise=noise, random_state=0)
    return x.astype(np.float32), y


def arc(n: int = 300, noise: float = 0.05) -> np.ndarray:
    """Rows along most of a circle of radius 1."""
    rng = np.random.default_rng(0)
    t = rng.uniform(-0.3, np.pi + 0.3, n)
    return (np.stack([np.cos(t), np.sin(t)], 1) + noise * rng.normal(size=(n, 2))).astype(np.float32)


def circle(n: int = 400, noise: float = 0.06) -> np.ndarray:
    """Rows around a circle of radius 1."""
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 2 * np.pi, n)
    r = 1 + noise * rng.normal(size=n)
    return np.stack([r * np.cos(t), r * np.sin(t)], 1).astype(np.float32)


def spiral(n: int = 400, noise: float = 0.04) -> np.ndarray:
    """Rows along a spiral of one and a half turns."""
    rng = np.random.default_rng(0)
    t = np.sqrt(rng.uniform(0.04, 1, n)) * 3 * np.pi
    rows = np.stack([t * np.cos(t), t * np.sin(t)], 1) / 6
    return (rows + noise * rng.normal(size=(n, 2))).astype(np.float32)


def rays(n: int = 400, count: int = 5, noise: float = 0.04) -> np.ndarray:
    """Rows on a few rays from the origin: each is a length times one of `count` directions."""
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * (np.arange(count) + 0.15) / count
    which, length = rng.integers(count, size=n), rng.uniform(0.2, 1.6, n)
    rows = length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)[which]
    return (rows + noise * rng.normal(size=(n, 2))).astype(np.float32)


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """(1797, 64) grey values in [0, 1], and the digit each shows."""
    data = load_data("digits")
    return data.x.reshape(len(data.x), -1).astype(np.float32), np.asarray(data.labels).astype(int)


def one_of_each(start: int = KEPT) -> np.ndarray:
    """The places of the first 0, 1, ... 9 among the digits that are not learned from."""
    labels = digits()[1]
    return np.array([start + int(np.flatnonzero(labels[start:] == d)[0]) for d in range(10)])


def fit(x: np.ndarray, size: int, objective: str, net: str = "auto", epochs: int = 40, **given: Any) -> Autoencoder:
    """An autoencoder with a fixed seed, no held-out rows, the features' own scale; given: other options, and y."""
    y = given.pop("y", None)
    options = {"validation": 0, "scale": "none", "random_state": 0, "device": "cpu"} | given
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Autoencoder(size, objective, net, epochs=max(1, round(epochs * PASSES)), **options).fit(x, y)


def fit_toy(x: np.ndarray, size: int, objective: str, net: str = "mlp(32, 32)", epochs: int = 150, **given: Any):
    """A fit on two features: small batches, a larger step."""
    return fit(x, size, objective, net, epochs, **({"batch_size": 64, "learning_rate": 0.005} | given))


def fit_digits(size: int, objective: str, net: str = "auto", epochs: int = 30, **given: Any) -> Autoencoder:
    """A fit on the first digits as rows of 64."""
    return fit(digits()[0][:KEPT], size, objective, net, epochs, **({"batch_size": 64, "learning_rate": 0.002} | given))


def rebuilt(coder: Autoencoder, x: np.ndarray) -> np.ndarray:
    """x through the code and back, as an array."""
    back = coder.inverse_transform(coder.transform(x))
    return np.asarray(back, float).reshape(len(x), -1)


def squares(flat: np.ndarray) -> np.ndarray:
    """(n, 64) as pictures (n, 8, 8)."""
    return np.asarray(flat, float).reshape(-1, 8, 8)


def atoms(coder: Autoencoder) -> np.ndarray:
    """What each unit writes: (units, features) of the decoder's first layer."""
    weight, along = coder.model_.net.atoms()
    weight = weight.detach().numpy()
    return weight.T.copy() if along == 0 else weight.copy()


def even(pictures: np.ndarray) -> np.ndarray:
    """Each of (n, 64) divided by its largest absolute value, as pictures (n, 8, 8)."""
    flat = pictures.reshape(len(pictures), -1)
    return squares(flat / np.abs(flat).max(1, keepdims=True).clip(1e-9))


def levels(panel: Panel, coder: Autoencoder, x: np.ndarray, colours: tuple[str, ...], reach: float = 0.14) -> None:
    """Level lines of the first units, through the rows' deciles, one colour per unit, where rows are near."""
    count, flat = 50, x.reshape(len(x), -1)
    at, codes = panel.grid(count), coder.transform(x)
    near = np.sqrt(((at[:, None] - flat[None]) ** 2).sum(2)).min(1) < reach
    there = coder.transform(at.reshape(-1, *x.shape[1:]))
    for j, colour in enumerate(colours):
        values = np.where(near, there[:, j], np.nan)
        panel.contours(values, count, np.percentile(codes[:, j], np.arange(10, 100, 10)), colour)
