"""Reference statistics: what inputs and codes of training rows looked like, so that drift can be told later.

Reads  a fitted coder and the rows it was fitted on; at most 1,000 of them are looked at, spread evenly.
Gives  small arrays for the bundle: quantiles, means, deviations and a covariance sketch of inputs and of codes.
Skips  judging drift; rows as a whole: they are encoded in blocks, CSR rows too.

Of wide rows (over 1,024 columns) the 1,024 that vary most are described, so that the part stays below a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..data.rows import rows_of, take
from ..errors import BundleError

ROWS, COLUMNS, RANK = 1000, 1024, 32
NUMBERS = 1 << 25  # encoded numbers looked at, at most
SHAPES = {"index": 0, "mean": 0, "deviation": 0, "quantiles": 11, "sketch": RANK}  # name -> rows at most, 0: none
LEVELS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


def reference_of(coder: Any, rows: Any) -> dict[str, np.ndarray]:
    """The statistics of a coder's inputs, as its schema encodes them, and of its codes.

    returns  "levels" (11,), "rows" () the rows looked at, and for each of "inputs" and "codes":
             .index (k,) the columns described, .mean and .deviation (k,), .quantiles (11, k),
             .sketch (r, k) with sketch' sketch near the covariance (1/n), exact for k of at most 32
    """
    some = sampled(rows, coder.schema_.features)
    kept = {"levels": np.array(LEVELS, np.float32), "rows": np.array(rows_of(some), np.int64)}

    def inputs() -> Iterator[np.ndarray]:
        for block in coder._blocks(some):
            yield coder.schema_.encode(block).reshape(rows_of(block), -1)

    def codes() -> Iterator[np.ndarray]:
        for block in coder._blocks(some):
            yield coder._encode_padded(coder.schema_.encode(block))

    for name, blocks in (("inputs", inputs), ("codes", codes)):
        kept |= {f"{name}.{key}": value for key, value in described(blocks).items()}
    return kept


def check_reference(kept: Mapping[str, np.ndarray], features: int, units: int) -> None:
    """Refuse statistics that `reference_of` never gives: other names or shapes, numbers that are not finite.

    features, units  encoded columns of an input, and of a code
    errors           BundleError naming the array
    """
    left, odd = dict(kept), []
    levels, rows = left.pop("levels", None), left.pop("rows", None)
    if levels is None or levels.shape != (len(LEVELS),):
        odd.append("levels")
    if rows is None or rows.shape != () or rows.dtype.kind != "i" or not 0 <= rows <= max(ROWS, 64):
        odd.append("rows")
    for name, width in (("inputs", features), ("codes", units)):
        found = {key: left.pop(f"{name}.{key}") for key in SHAPES if f"{name}.{key}" in left}
        count = min(width, COLUMNS)
        for key, first in SHAPES.items() if found else ():
            shape = found[key].shape if key in found else ()
            if shape[-1:] != (count,) or len(shape) != 1 + bool(first) or (first and not shape[0] <= first):
                odd.append(f"{name}.{key}")
        index = found.get("index", np.arange(count))
        if index.dtype.kind != "i" or (index.size and not 0 <= index.min() <= index.max() < width):
            odd.append(f"{name}.index")
    odd += [*left, *[name for name, values in kept.items() if not np.isfinite(values).all()]]
    if odd:
        raise BundleError(f"the reference statistics are not what a fit keeps: {odd[0]!r}", "save the model again")


def sampled(rows: Any, features: int) -> Any:
    """At most 1,000 rows, spread evenly; fewer of rows so wide that these would be over 34 million numbers."""
    n, most = rows_of(rows), max(64, min(ROWS, NUMBERS // max(1, features)))
    return rows if n <= most else take(rows, np.unique(np.linspace(0, n - 1, most).astype(np.int64)))


def described(blocks: Callable[[], Iterator[np.ndarray]]) -> dict[str, np.ndarray]:
    """Index, mean, deviation, quantiles and sketch of blocks of rows (n, columns); wide ones are gone through twice.

    Rows that are not finite are left out; nothing is returned where none is.
    """
    index, found = np.arange(0), []
    for block in blocks():
        index = np.arange(block.shape[1])
        if len(index) > COLUMNS:
            index = _that_vary_most(blocks())
            found = [one[:, index] for one in blocks()]
            break
        found.append(block)
    x = np.concatenate(found)
    x = x[np.isfinite(x).all(1)]
    if not len(x):
        return {}
    centred = x - x.mean(0, dtype=np.float64)
    return {
        "index": index.astype(np.int32),
        "mean": x.mean(0, dtype=np.float64).astype(np.float32),
        "deviation": np.sqrt(np.square(centred).mean(0)).astype(np.float32),
        "quantiles": np.quantile(x, LEVELS, axis=0).astype(np.float32),
        "sketch": sketch(centred),
    }


def _that_vary_most(blocks: Iterator[np.ndarray]) -> np.ndarray:
    count, total, squares = 0, np.zeros(1), np.zeros(1)
    for block in blocks:
        sums = block.sum(1, dtype=np.float64)  # not finite where a number of the row is not
        if not np.isfinite(sums).all():
            block = block[np.isfinite(sums)]
        count, total = count + len(block), total + block.sum(0, dtype=np.float64)
        squares = squares + np.einsum("ij,ij->j", block, block, dtype=np.float64)
    spread = squares / max(count, 1) - np.square(total / max(count, 1))
    return np.sort(np.argsort(-spread, kind="stable")[:COLUMNS])


def sketch(centred: np.ndarray) -> np.ndarray:
    """(r, k) float32 whose product with itself is near the covariance of centred rows (n, k); r is at most 32.

    Its rows are the leading principal directions times their deviations; more than 32 columns are first projected on
    random combinations of themselves, with one power step. Source: Halko, Martinsson and Tropp 2011, algorithm 4.3.
    """
    n, k = centred.shape
    basis = np.eye(k)
    if k > RANK:
        start = np.random.default_rng(0).standard_normal((k, min(k, RANK + 8)))
        for _ in range(2):
            start = np.linalg.qr(centred.T @ (centred @ start))[0]
        basis = start
    _, sizes, turned = np.linalg.svd(np.linalg.qr(centred @ basis, mode="r"), full_matrices=False)
    found = (sizes[:, None] / np.sqrt(n) * turned @ basis.T)[:RANK]
    largest = found[np.arange(len(found)), np.abs(found).argmax(1)]
    return (found * np.where(largest < 0, -1.0, 1.0)[:, None]).astype(np.float32)
