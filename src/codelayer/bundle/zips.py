"""Where the directory of a zip lies and how large it is, looked at before zipfile reads it whole into memory.

Reads  the last bytes of a file.
Gives  `check_directory`: a zip that is nothing but its entries, its directory and the record of where that lies.
Skips  zips with a comment, over several disks, or with anything before or behind: neither codelayer nor skops writes
       them.
Source: PKWARE, APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO

from ..errors import BundleError

START = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")


def check_directory(path: Path, file: IO[bytes], entries: int, size: int) -> None:
    """Refuse a zip with more than `entries` entries, or more than `size` bytes of names and places of them.

    errors  BundleError: no zip, too large a directory, cut off, bytes before or behind it
    """
    file.seek(0)
    if file.read(4) != START:
        raise BundleError(f"{path} is not a zip", "check the path")
    end = file.seek(0, os.SEEK_END) - _END.size
    count, length, start, ends = _told(path, file, end)
    if count > entries or length > size:
        raise BundleError(
            f"the directory of {path} has {count:,} entries in {length:,} bytes",
            f"at most {entries:,} in {size:,} are read",
        )
    if start + length != ends:
        raise BundleError(f"{path} holds more than its zip, or less", "fetch a fresh copy, or save it again")
    file.seek(0)


def _told(path: Path, file: IO[bytes], end: int) -> tuple[int, int, int, int]:
    """Entries, bytes and start of the directory, and where it has to end."""
    odd = BundleError(f"{path} does not end as a zip ends", "fetch a fresh copy, or save it again")
    if end < 0:
        raise odd
    file.seek(end)
    mark, disk, first, here, count, length, start, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\x05\x06" or disk or first or here != count or comment:
        raise odd
    at = end - _LOCATOR.size
    file.seek(max(0, at))
    mark, disk, place, disks = _LOCATOR.unpack(file.read(_LOCATOR.size))
    if at < _END64.size or mark != b"PK\x06\x07":
        return count, length, start, end
    file.seek(at - _END64.size)
    wide = _END64.unpack(file.read(_END64.size))
    told = wide[7:10]
    narrow = zip((count, length, start), (2**16 - 1, 2**32 - 1, 2**32 - 1), told, strict=True)
    fits = all(short in (most, long) for short, most, long in narrow)
    if wide[0] != b"PK\x06\x06" or disk or place != at - _END64.size or disks != 1 or wide[6] != wide[7] or not fits:
        raise odd
    return *told, place
