"""Readings of a card that is not finished: stopped and asked for again, it goes on where it was.

Reads and writes  one small file per reading in a folder, named by the content of everything that a card is given,
                  the metric with its options, and the version.
Gives  `Unfinished`: a reading that is known, or nothing; it keeps what is new. `clear` when the card is saved.
Skips  readings that failed: they are tried again.

A file is whole or not there, so that any way of stopping loses no more than the readings under way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..bundle import from_json, plain, write_atomic
from ..bundle.disk import clear_files, writing
from .arrays import CALLABLES
from .arrays import plain as dense
from .given import Given
from .kept import digest
from .record import Reading

ARRAYS = ("points", "replicates")
SUFFIX = ".reading"
ASKED = 64  # rows, from all over, that tell one `encode` from another


@dataclass(frozen=True)
class Unfinished:
    """Readings in a folder.

    folder   where; it is made with the first reading
    content  what the card is given, see `content_of`
    """

    folder: Path
    content: str

    def opened(self) -> Unfinished:
        """Itself, once a file could be written there: better said now than after the first reading.

        errors  RunError: the folder is a file, or cannot be made or written
        """
        with writing(self.folder):
            new = [one for one in (self.folder, *self.folder.parents) if not one.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                pass
            for one in new:
                one.rmdir()
        return self

    def known(self, job: tuple[str, ...], options: Mapping[str, Any]) -> tuple[Reading, float] | None:
        """The reading of a job (variant, metric, nuisance) and the seconds it took, where it is there."""
        path = self._path(job, options)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="np") as found:
                told = from_json(found.metadata()["reading"].encode())
                held = found.keys()
                arrays = {name: found.get_tensor(name) for name in ARRAYS if name in held}
            seconds = float(told.pop("seconds"))
            return Reading(**told, **arrays), seconds
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OSError):
            return None

    def keep(self, job: tuple[str, ...], options: Mapping[str, Any], reading: Reading, seconds: float) -> None:
        """Write a reading; of its arrays the float32 that a card keeps.

        errors  RunError: full disk, no permission
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        told = {name: value for name, value in vars(reading).items() if name not in ARRAYS}
        arrays = {name: getattr(reading, name) for name in ARRAYS}
        held = {name: np.ascontiguousarray(one, np.float32) for name, one in arrays.items() if one is not None}
        text = json.dumps(plain(told | {"seconds": seconds}), ensure_ascii=False)
        write_atomic(self._path(job, options), save(held, metadata={"reading": text}))

    def _path(self, job: tuple[str, ...], options: Mapping[str, Any]) -> Path:
        told = repr((self.content, job, sorted(options.items())))
        return self.folder / f"{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}{SUFFIX}"


def clear(folder: str | Path) -> None:
    """Remove every reading in a folder, and the folder unless something else is in it."""
    clear_files(Path(folder), SUFFIX)


def content_of(found: Given, seed: int) -> str:
    """What a card is given, as a text: the content of every array, a few answers of the callables, the seed.

    Rivals and shuffled codes follow from it. A function that changed and still answers 64 rows alike is not told apart.
    """
    from .. import __version__

    told: list[Any] = [__version__, seed, found.task]
    for name in sorted(found.arrays):
        one = found.arrays[name]
        if name in CALLABLES:  # with x it was seen to answer, see `given`
            source = found.arrays["x" if name == "encode" else "codes"] if "x" in found.arrays else None
            one = None if source is None else _answers(one, source)
        told.append((name, _told(one)))
    told.append([(name, _told(one)) for name, one in found.nuisances.items()])
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _answers(function: Callable[[np.ndarray], Any], source: np.ndarray) -> Any:
    rows = np.unique(np.linspace(0, len(source) - 1, ASKED).astype(np.intp))
    try:
        return dense(function(source[rows]))
    except Exception as error:  # whatever a caller's function raises, the metric that asks it says so
        return str(error)


def _told(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [(str(name), _told(one)) for name, one in value.items()]
    if isinstance(value, list):
        return [_told(one) for one in value]
    if value is None:
        return None
    rows = np.asarray(value)
    return digest(rows if rows.dtype.kind in "fiub" else rows.astype(str))
