"""Features on disk, by what they are made of: a net that has seen these rows once is not asked again.

Reads  the hash of a net with its preprocessing, the rows (hashed), names of stages.
Gives  `FeatureCache`: one float32 file per stage, written block by block, continued where it was stopped.
Skips  deciding what to compute: `features` does.

    FOLDER/KEY/about.json      what the net is; without it a folder is somebody else's and stays as it is
    FOLDER/KEY/STAGE.f32       rows x width, whole; its sha256, its width and the stage's name stand in STAGE.sha256
    FOLDER/KEY/STAGE.part      the rows so far
    FOLDER/KEY/checkpoints/    held by the process that writes

STAGE is a hash of the stage's name: a net's file may call a stage "/layer1/Relu" or "../x".
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import write_atomic, writing
from ..errors import RunError
from ..learn.run import RunFolder

MOST_BYTES = 8 << 30  # of all entries: the oldest go first
SUFFIX, PART, HASH = ".f32", ".part", ".sha256"
ABOUT, MADE = "about.json", {"made_by": "codelayer features"}  # the first line of what is in an entry
KEY = re.compile("[0-9a-f]{32}")


def default_folder() -> Path:
    """CODELAYER_CACHE, or where this system keeps caches."""
    told = os.environ.get("CODELAYER_CACHE")
    if told:
        return Path(told)
    home = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "codelayer" / "features"


class FeatureCache:
    """The files of one net and one set of rows.

    folder  of all entries; made when missing
    about   plain JSON that says which net, which preprocessing and which rows: its hash names the entry
    rows    how many there are
    """

    def __init__(self, folder: str | Path, about: Mapping[str, Any], rows: int) -> None:
        text = json.dumps(dict(about), sort_keys=True)
        self.about, self.rows = dict(about), rows
        self.folder = Path(folder)
        self.path = self.folder / hashlib.sha256(text.encode()).hexdigest()[:32]

    def read(self, stage: str) -> np.ndarray | None:
        """A stage's features, (rows, width) float32, mapped from the disk; None where they are not whole."""
        file = self._file(stage, SUFFIX)
        try:
            told, width = self._file(stage, HASH).read_text().splitlines()[0].split()
            found = np.memmap(file, np.float32, "r", shape=(self.rows, int(width)))
            if file.stat().st_size != found.nbytes or hashlib.sha256(found.data).hexdigest() != told:
                return None
            os.utime(self.path)
            return found
        except (OSError, ValueError, IndexError):
            return None

    @contextmanager
    def held(self) -> Generator[bool]:
        """Hold the entry for writing; False where another process holds it, or the disk refuses."""
        try:
            run = RunFolder(self.path, {"command": "features"}, self.path.name)
            write_atomic(self.path / ABOUT, json.dumps({**MADE, **self.about}, indent=1).encode())
        except RunError:
            yield False
            return
        try:
            yield True
        finally:
            run.close()

    def begun(self, widths: Mapping[str, int]) -> int:
        """Rows that all of these stages hold already; what one of them has more is cut off."""
        sizes = [_size(self._file(stage, PART)) // (4 * width) for stage, width in widths.items()]
        rows = min(min(sizes), self.rows)
        for stage, width in widths.items():
            with self._file(stage, PART).open("ab") as file:
                file.truncate(rows * 4 * width)
        return rows

    def append(self, blocks: Mapping[str, np.ndarray]) -> None:
        """Write the next rows of stages.

        errors  RunError: full disk
        """
        for stage, block in blocks.items():
            path = self._file(stage, PART)
            with writing(path), path.open("ab") as file:
                file.write(np.ascontiguousarray(block, np.float32).data)

    def finish(self, widths: Mapping[str, int]) -> None:
        """All rows are there: give the files their names, and make room among older entries."""
        for stage, width in widths.items():
            part = self._file(stage, PART)
            with part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            os.replace(part, self._file(stage, SUFFIX))
            write_atomic(self._file(stage, HASH), f"{found} {width}\n{json.dumps(stage)}\n".encode())
        self._make_room()

    def _file(self, stage: str, suffix: str) -> Path:
        name = hashlib.sha256(stage.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.path / f"{name}{suffix}"

    def _make_room(self) -> None:
        entries = [one for one in self.folder.iterdir() if _is_entry(one)]
        sizes = {one: sum(_size(file) for file in one.iterdir() if file.is_file()) for one in entries}
        for one in sorted(entries, key=lambda entry: entry.stat().st_mtime):
            if sum(sizes.values()) <= MOST_BYTES or one == self.path:
                break
            shutil.rmtree(one, ignore_errors=True)
            del sizes[one]


def _is_entry(path: Path) -> bool:
    """Whether a cache made this folder: only then may one remove it."""
    if not KEY.fullmatch(path.name) or path.is_symlink():
        return False
    try:
        with (path / ABOUT).open("rb") as file:
            start = json.dumps(MADE, indent=1).encode().removesuffix(b"\n}")
            return file.read(len(start)) == start
    except OSError:
        return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
