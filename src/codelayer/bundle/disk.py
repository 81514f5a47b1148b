"""Files that are whole at any moment: the old one or the new one, whatever stops the writer.

Reads  bytes.
Gives  files, folders and zips under their own name only when all of them is on the disk; RunError with a remedy.
Skips  what the bytes mean.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import RunError


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Turn what the disk says while `path` is written into a RunError with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            remedy = "free some space and give the same command again: it continues"
            raise RunError(f"the disk is full: {path} could not be written", remedy) from error
        problem = f"{path} cannot be written: {error.strerror or error}"
        raise RunError(problem, "choose another place, or mend its permissions") from error


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file so that at any moment it is either the old one or the new one, whole and on the disk.

    errors  RunError: full disk (the old file stays), no permission
    """
    path = Path(path)
    new = _beside(path)
    with writing(path):
        try:
            _write_synced(new, data)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)
        _sync_folder(path.parent)


def write_folder(path: Path, parts: Mapping[str, bytes], seal: str, known: Iterable[str]) -> None:
    """Write a folder of parts, or replace those of one that is there; other entries stay.

    seal   the part without which the folder counts for nothing: it goes first and comes last, so that a writer cut
           short at any point leaves the old folder, the new one or none, never a mixed one
    known  names of parts that go when they are not among the new ones
    """
    import shutil

    new = _beside(path)
    try:
        new.mkdir()
        for name, data in parts.items():
            _write_synced(new / name, data)
        _sync_folder(new)
        if path.is_dir():
            (path / seal).unlink(missing_ok=True)
            for name in {*known} - {*parts}:
                (path / name).unlink(missing_ok=True)
            for name in (*({*parts} - {seal}), seal):
                os.replace(new / name, path / name)
            _sync_folder(path)
        else:
            os.rename(new, path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def zipped(parts: Mapping[str, bytes]) -> bytes:
    """A zip of the parts, stored and not compressed; equal parts give equal bytes."""
    import zipfile

    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name)  # dated 1980: equal contents, equal bytes
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return whole.getvalue()


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def clear_files(folder: Path, suffix: str) -> None:
    """Remove every file with a suffix in a folder, and the folder unless something else is in it.

    What a killed `write_atomic` of such a file left half written goes too.
    """
    for one in (*folder.glob(f"*{suffix}"), *folder.glob(f".*{suffix}.*.tmp")):
        one.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
