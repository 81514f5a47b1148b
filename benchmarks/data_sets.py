"""The data sets of the benchmarks that compare codes over many kinds of data: pictures, sound, bytes, tables, text.

Files are looked for in the folder CODELAYER_DATA (see docs/data.md); `text` needs none: it is made of the docstrings of
installed packages, so that its rows depend on their versions, which every result names.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import os
import pkgutil
import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy.signal import stft
from sklearn.feature_extraction.text import TfidfVectorizer

from codelayer.data.load import Data, load_data

ROWS = 4000
KINDS = {
    "digits": "pictures 8 x 8",
    "usps": "pictures 16 x 16",
    "mnist": "pictures 28 x 28",
    "traffic": "bytes as pictures 28 x 28",
    "spoken": "sound, log spectrum 32 x 32",
    "dry_bean": "table, 16 numbers",
    "electricity": "table, 7 numbers, in time",
    "bank": "table, numbers and categories",
    "mushroom": "table, 22 categories",
    "text": "CSR words, 500 columns",
}
PACKAGES = ("numpy", "scipy", "sklearn", "pandas", "torch", "pyarrow")


def folder() -> Path:
    """Where the stored data lies.

    errors  SystemExit when CODELAYER_DATA is not set
    """
    place = os.environ.get("CODELAYER_DATA")
    if not place:
        raise SystemExit("set CODELAYER_DATA to the folder that holds the data sets (docs/data.md)")
    return Path(place)


def data_set(name: str, rows: int = ROWS) -> Data:
    """One labelled data set of KINDS, thinned evenly (in time) or at random to at most `rows` rows."""
    data = globals()[f"_{name}"]()
    total = len(data.labels)
    if total <= rows:
        return data
    if name == "electricity":
        return data.take(np.unique(np.linspace(0, total - 1, rows).astype(int)))
    return data.take(np.sort(np.random.default_rng(0).choice(total, rows, replace=False)))


def _digits() -> Data:
    return load_data("digits")


def _mnist() -> Data:
    return load_data("mnist")


def _usps() -> Data:
    stored = np.load(folder() / "usps_train.npz")
    return load_data((stored["x"] // 8).clip(0, 250).astype(np.uint8), label=stored["y"])


def _traffic() -> Data:
    stored = np.load(folder() / "ustc_benign10_sessionL7_test.npz")
    return load_data(stored["x"], label=stored["y"])


def _spoken() -> Data:
    """Log spectrum of every clip as a picture of 32 frequencies x 32 times."""
    stored = np.load(folder() / "fsdd_4speakers.npz")
    sounds, offset, rate = stored["pcm"], stored["offset"], int(stored["rate"])
    pictures = []
    for start, stop in itertools.pairwise(offset):
        sound = sounds[start:stop].astype(np.float32) / 2**15
        _, _, spectrum = stft(sound, fs=rate, nperseg=256, noverlap=192, boundary="zeros")
        level = np.log(np.abs(spectrum) + 1e-4)
        bands = np.array_split(level[1:], 32, axis=0)
        banded = np.stack([band.mean(0) for band in bands])
        at = np.linspace(0, banded.shape[1] - 1, 32)
        pictures.append(np.stack([np.interp(at, np.arange(banded.shape[1]), band) for band in banded]))
    whole = np.stack(pictures)
    grey = (255 * (whole - np.log(1e-4)) / (whole.max() - np.log(1e-4))).clip(0, 255).astype(np.uint8)
    return load_data(grey, label=stored["digit"])


def _dry_bean() -> Data:
    return load_data(str(folder() / "tab_dry_bean.parquet"), label="Class")


def _electricity() -> Data:
    return load_data(str(folder() / "tab_electricity.parquet"), label="class", time="date")


def _bank() -> Data:
    return load_data(str(folder() / "bank_marketing.csv.gz"), label="y", drop=["duration"])


def _mushroom() -> Data:
    return load_data(str(folder() / "tab_mushroom.parquet"), label="class")


def _text() -> Data:
    """Which package does a docstring come from?  Its own names are taken out."""
    texts, names = docstrings()
    hidden = re.compile("|".join([*PACKAGES, "np", "scikit", "pd", "pa"]), re.IGNORECASE)
    words = TfidfVectorizer(max_features=500, sublinear_tf=True, token_pattern=r"[a-z]{3,}", dtype=np.float32)
    return load_data(words.fit_transform([hidden.sub(" ", text) for text in texts]), label=np.asarray(names))


def docstrings() -> tuple[list[str], list[str]]:
    """Every different docstring of at least 200 characters of the public modules, with its package."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        for module in _modules(name):
            for word, one in sorted(vars(module).items()):
                if word.startswith("_") or not (inspect.isclass(one) or callable(one)):
                    continue
                for thing in [one, *(vars(one).values() if inspect.isclass(one) else ())]:
                    home = getattr(thing, "__module__", None) or ""
                    text = getattr(thing, "__doc__", None)
                    if isinstance(text, str) and len(text) >= 200 and str(home).split(".")[0] == name:
                        found.setdefault(text, name)
    return list(found), list(found.values())


def _modules(name: str) -> list[ModuleType]:
    package = importlib.import_module(name)
    found: list[Any] = [package]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in pkgutil.iter_modules(package.__path__):
            if not one.name.startswith("_") and one.name not in ("tests", "conftest", "testing", "distributed", "f2py"):
                with contextlib.suppress(Exception):
                    found.append(importlib.import_module(f"{name}.{one.name}"))
    return found
