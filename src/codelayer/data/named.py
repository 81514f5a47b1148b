"""Data sets by name.

Reads  digits, breast_cancer, wine, iris, diabetes out of scikit-learn; mnist, fashion_mnist, cifar10 from the
       folder in CODELAYER_DATA (`<name>.npz` or `<name>_train.npz`), else from OpenML, size announced beforehand;
       dsprites, shapes3d, shifted_digits are drawn, with their factors: "dsprites:5000" is 5,000 of them.
Gives  samples and labels; pictures as (n, H, W, C).
Skips  the official test rows: a named set is its training part.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError

if TYPE_CHECKING:
    from .generate import Generated

EMBEDDED = ("digits", "breast_cancer", "wine", "iris", "diabetes")


@dataclass(frozen=True)
class Remote:
    """A set at OpenML: its number there, the download's size, its training rows and the shape of one sample.

    sha256  of the training pixels as uint8, in the official order; "" when only OpenML's own md5 is checked
    """

    number: int
    megabytes: int
    rows: int
    shape: tuple[int, int, int]
    sha256: str = ""


REMOTE = {
    "mnist": Remote(554, 15, 60000, (28, 28, 1), "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"),
    "fashion_mnist": Remote(40996, 31, 60000, (28, 28, 1)),
    "cifar10": Remote(40927, 620, 50000, (32, 32, 3)),
}
DRAWN = ("dsprites", "shapes3d", "shifted_digits")
DRAWN_ROWS = 10_000
NAMES = (*EMBEDDED, *REMOTE, *DRAWN)


def is_named(source: str) -> bool:
    """Whether it is a known name; one of drawn pictures may say how many, as in "dsprites:5000"."""
    return source in NAMES or source.partition(":")[0] in DRAWN


def drawn(source: str) -> Generated:
    """Pictures with their factors, the same for the same name: "dsprites" are 10,000, "dsprites:5000" are 5,000.

    errors  DataError: a number of pictures that is none, or more than there are
    """
    from .generate import GRIDS

    name, colon, count = source.partition(":")
    if colon and not count.isdecimal():
        raise DataError(f"{count!r} is no number of pictures", f"write for example {name}:{DRAWN_ROWS}")
    return GRIDS[name]().sample(int(count) if colon else DRAWN_ROWS)


def embedded(name: str) -> tuple[Any, np.ndarray]:
    """Samples and labels of a set that scikit-learn ships; digits as (1797, 8, 8, 1) in [0, 1], others as a Table."""
    from sklearn import datasets

    from .tables import Table

    if name == "digits":
        found = datasets.load_digits()
        return (found.images[..., None] / 16).astype(np.float32), found.target.astype(np.float64)
    found = getattr(datasets, f"load_{name}")()
    labels = found.target
    if name != "diabetes":
        labels = np.array([str(found.target_names[i]) for i in labels], object)
    names = [str(one) for one in found.feature_names]
    return Table(dict(zip(names, found.data.T, strict=True))), labels


def stored(name: str) -> Path | None:
    """The file of a named set in the folder CODELAYER_DATA, if it is there."""
    folder = os.environ.get("CODELAYER_DATA")
    paths = [Path(folder) / f"{name}{end}.npz" for end in ("", "_train")] if folder else []
    return next((path for path in paths if path.is_file()), None)


def download(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The training pictures (n, H, W, C) uint8 and labels of a named set from OpenML, kept in scikit-learn's cache.

    errors  DataError: no connection, or other bytes than expected
    """
    from sklearn.datasets import fetch_openml

    remote = REMOTE[name]
    print(
        f"{name}: fetching about {remote.megabytes} MB from openml.org, unless scikit-learn's cache has it"
        " (a folder named in CODELAYER_DATA would be used instead)",
        file=sys.stderr,
        flush=True,
    )
    try:
        found = fetch_openml(data_id=remote.number, as_frame=False, parser="liac-arff")
    except Exception as fault:  # whatever the network, the cache and the client raise
        raise DataError(
            f"{name} could not be fetched: {(str(fault).splitlines() or [type(fault).__name__])[0][:120]}",
            f"put {name}.npz with x_train and y_train into a folder and name it in CODELAYER_DATA",
        ) from None
    flat = np.asarray(found.data, np.float64)[: remote.rows].astype(np.uint8)
    if flat.shape != (remote.rows, int(np.prod(remote.shape))):
        raise DataError(f"{name} came as {flat.shape} from OpenML", "fetch it elsewhere and name it in CODELAYER_DATA")
    if remote.sha256 and hashlib.sha256(flat.tobytes()).hexdigest() != remote.sha256:
        raise DataError(f"{name} from OpenML has another checksum than it should", "empty the cache of scikit-learn")
    height, width, channels = remote.shape
    if channels == 3:  # OpenML's CIFAR-10 lists all red values first, then green, then blue
        x = flat.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    else:
        x = flat.reshape(-1, height, width, channels)
    return np.ascontiguousarray(x), np.asarray(found.target[: remote.rows], np.float64)
