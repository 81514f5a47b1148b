"""A zip that is more than its parts is refused before its directory is in memory."""

from __future__ import annotations

import io
import os
import struct
import zipfile

import numpy as np
import pytest

from codelayer import bundle
from codelayer.bundle.zips import check_directory
from codelayer.errors import BundleError

END, LOCATOR, END64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")


@pytest.fixture
def saved(tmp_path):
    return bundle.write(tmp_path / "b.zip", "pca", {}, {"a": np.ones(3)}, {"rows": np.ones((1, 2))})


def end_of(entries, size, start):
    return END.pack(b"PK\x05\x06", 0, 0, entries, entries, size, start, 0)


def wide(data, entries, size, start, shown=(2**16 - 1, 2**32 - 1, 2**32 - 1)):
    """`data` closed by the records of a zip64."""
    record = END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    return data + record + LOCATOR.pack(b"PK\x06\x07", 0, len(data), 1) + end_of(*shown)


def test_a_directory_that_is_claimed_to_be_huge_is_not_read(tmp_path):
    path = tmp_path / "huge.zip"
    with open(path, "wb") as file:
        file.write(b"PK\x03\x04")
        os.truncate(path, 2**31)
        file.seek(2**31)
        file.write(end_of(1, 2**31 - 4, 4))
    with pytest.raises(BundleError, match="2,147,483,644 bytes"):
        bundle.read(path)


def test_a_directory_of_many_entries_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for place in range(65):
            archive.writestr(str(place), b"")
    with pytest.raises(BundleError, match="has 65 entries"):
        bundle.read(tmp_path / "b.zip")


def test_a_zip64_is_read_by_its_wide_record_and_only_where_both_records_agree(saved):
    whole = saved.read_bytes()
    entries, size, start = END.unpack(whole[-22:])[4:7]
    saved.write_bytes(wide(whole[:-22], entries, size, start))
    assert bundle.read(saved).kind == "pca"
    saved.write_bytes(wide(whole[:-22], entries, size, start, (entries, size, start)))
    assert bundle.read(saved).kind == "pca"
    for told in ((entries, 2**31, start), (entries, size, start - 1)):
        saved.write_bytes(wide(whole[:-22], *told, (entries, size, start)))
        with pytest.raises(BundleError, match="does not end as a zip"):
            bundle.read(saved)
    saved.write_bytes(wide(whole[:-22], entries, 2**31, start))
    with pytest.raises(BundleError, match="2,147,483,648 bytes"):
        bundle.read(saved)


def test_bytes_before_between_and_behind_the_parts_are_refused(saved):
    whole = saved.read_bytes()
    entries, size, start = END.unpack(whole[-22:])[4:7]
    commented = whole[:-2] + struct.pack("<H", 4) + b"evil"
    for odd in (b"PK\x03\x04" + bytes(96) + whole, whole + b"evil", whole + bytes(22), commented, whole[:-3]):
        saved.write_bytes(odd)
        with pytest.raises(BundleError, match=r"more than its zip|does not end as"):
            bundle.read(saved)
    moved = bytearray(whole[start:-22])
    at = 0
    for _ in range(entries):  # each entry of the directory points behind the new bytes
        place = int.from_bytes(moved[at + 42 : at + 46], "little") + 100
        moved[at + 42 : at + 46] = place.to_bytes(4, "little")
        at += 46 + int.from_bytes(moved[at + 28 : at + 30], "little")
    saved.write_bytes(b"PK\x03\x04" + bytes(96) + whole[:start] + moved + end_of(entries, size, start + 100))
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
    with pytest.raises(BundleError, match="more than its parts"):
        bundle.read(saved)
    saved.write_bytes(whole[:start] + bytes(100) + whole[start:-22] + end_of(entries, size, start + 100))
    with pytest.raises(BundleError, match="more than its parts"):
        bundle.read(saved)


def test_what_is_no_zip_is_refused(tmp_path):
    for data in (b"", b"PK\x03\x04", bytes(30)):
        with pytest.raises(BundleError, match=r"not a zip|does not end"):
            check_directory(tmp_path, io.BytesIO(data), 1, 100)
