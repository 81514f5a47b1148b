"""Every kind of code that plain numpy can make.

Reads  kind, plan and arrays of a bundle.
Gives  a function from encoded samples to codes; None where only the ONNX form can tell.
Skips  heads (model); dictionaries, Isomap and UMAP, whose codes are searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .nets import Arrays, Coder, flat, net_coder


def coder_of(kind: str, plan: Mapping[str, Any], tensors: Arrays) -> Coder | None:
    """The function (rows, *shape) float32 -> (rows, units) float32 of a bundle's code, or None.

    errors  KeyError, ValueError, SentenceError: plan and arrays that do not fit together
    """
    made = _KINDS.get(kind)
    return None if made is None else made(plan, tensors)


def _autoencoder(plan: Mapping[str, Any], tensors: Arrays) -> Coder | None:
    return net_coder(str(plan["objective"]), str(plan["net"]), tensors)


def _raw(plan: Mapping[str, Any], tensors: Arrays) -> Coder:
    return flat


def _pca(plan: Mapping[str, Any], tensors: Arrays) -> Coder:
    mean, components = tensors["mean"].astype(np.float32), tensors["components"].astype(np.float32).T
    return lambda encoded: (flat(encoded) - mean) @ components


def _random_projection(plan: Mapping[str, Any], tensors: Arrays) -> Coder:
    directions = tensors["directions"].astype(np.float32).T
    return lambda encoded: flat(encoded) @ directions


def _kmeans(plan: Mapping[str, Any], tensors: Arrays) -> Coder:
    """Triangle features. Coates, Lee and Ng 2011, eq. 4; in float64, as a small difference of large squares."""
    centres = tensors["centres"].astype(np.float64)
    squares = np.square(centres).sum(1)

    def code(encoded: np.ndarray) -> np.ndarray:
        rows = flat(encoded).astype(np.float64)
        squared = np.square(rows).sum(1, keepdims=True) - 2 * rows @ centres.T + squares
        distance = np.sqrt(np.maximum(squared, 0))
        return np.maximum(0, distance.mean(1, keepdims=True) - distance).astype(np.float32)

    return code


def _lista(plan: Mapping[str, Any], tensors: Arrays) -> Coder:
    """A few learned shrinkage steps. Gregor and LeCun 2010, equations 5 and 6."""
    mean, encode, inhibit = (tensors[name].astype(np.float32) for name in ("mean", "encode", "inhibit"))
    threshold = np.maximum(tensors["threshold"].astype(np.float32), 0)
    steps = int(plan["options"]["steps"])

    def shrunk(v: np.ndarray) -> np.ndarray:
        return v - np.clip(v, -threshold, threshold)

    def code(encoded: np.ndarray) -> np.ndarray:
        driven = (flat(encoded) - mean) @ encode.T
        found = shrunk(driven)
        for _ in range(steps - 1):
            found = shrunk(driven + found @ inhibit.T)
        return found

    return code


_KINDS: dict[str, Callable[[Mapping[str, Any], Arrays], Coder | None]] = {
    "autoencoder": _autoencoder,
    "raw": _raw,
    "pca": _pca,
    "random_projection": _random_projection,
    "kmeans": _kmeans,
    "lista": _lista,
}
