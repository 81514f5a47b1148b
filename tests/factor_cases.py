"""Factors on a grid and codes of them whose scores are known: sections 3.1 and 3.3 of the reference."""

from __future__ import annotations

import numpy as np

SIZES = np.array([3, 6, 8, 10, 4])
TURN = np.linalg.qr(np.random.RandomState(7).randn(5, 5))[0]


def grid(n: int, seed: int = 0, sizes: np.ndarray = SIZES) -> tuple[np.ndarray, np.random.RandomState]:
    """Factors drawn one after another, (n, factors), and the generator that goes on."""
    r = np.random.RandomState(seed)
    return np.stack([r.randint(size, size=n) for size in sizes], 1), r


def standard(factors: np.ndarray, sizes: np.ndarray = SIZES) -> np.ndarray:
    """Factors of mean 0 and variance 1: the perfect code."""
    return (factors - (sizes - 1) / 2) / np.sqrt((sizes**2 - 1) / 12)


def noisy(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The perfect code with .3 of noise, and its factors."""
    factors, r = grid(n, seed)
    return standard(factors) + 0.3 * r.randn(n, 5), factors


def ten(n: int = 3000) -> np.ndarray:
    """Ten factors, uniform on 1 to 10: the identity data of disentanglement_lib's tests."""
    return np.random.RandomState(0).randint(1, 11, size=(n, 10)).astype(float)
