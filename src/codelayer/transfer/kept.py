"""Scores of a race that is not finished: stopped and asked for again, it goes on where it was.

Reads and writes  one small file per score in a folder, named by what the race is about and what was scored.
Gives  `KeptScores`: a score that is known, or a new one that is kept. `clear` when the advice is written.
Skips  what could not be scored: it is tried again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..bundle import write_atomic
from ..bundle.disk import clear_files, writing
from .scoring import Scored

SUFFIX = ".score"


@dataclass(frozen=True)
class KeptScores:
    """Scores in a folder.

    folder  where; it is made with the first score
    about   the content of everything that scores follow from, as a text
    """

    folder: Path
    about: str

    def __call__(self, name: str, make: Callable[[], Scored]) -> Scored:
        """The score of this name: as it is kept, or made and kept, with the seconds it took.

        errors  RunError: full disk, no permission; whatever `make` raises
        """
        path = self.folder / f"{hashlib.blake2b(repr((self.about, name)).encode(), digest_size=16).hexdigest()}{SUFFIX}"
        known = _read(path)
        if known is not None:
            return known
        made = make()
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        told = {"name": name, "seconds": repr(float(made.seconds)), "share": str(int(made.share))}
        write_atomic(path, save({"points": np.ascontiguousarray(made.points, np.float64)}, metadata=told))
        return made


def clear(folder: Path) -> None:
    """Remove every score in a folder, and the folder unless something else is in it."""
    clear_files(folder, SUFFIX)


def _read(path: Path) -> Scored | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as found:
            told = found.metadata()
            return Scored(found.get_tensor("points"), float(told["seconds"]), bool(int(told["share"])))
    except (SafetensorError, ValueError, KeyError, TypeError, OSError):
        return None
