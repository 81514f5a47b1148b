"""Pictures: files and bytes become equally large uint8 arrays.

Reads  png, jpeg, bmp, gif (first frame), webp, tiff, ppm; a folder, where a label is the name of a top folder.
Gives  (n, H, W, C) uint8, C 1 when every picture is grey, else 3; the size is the most common one.
Skips  a picture that cannot be read or is larger than 64 million pixels: it is named with the reason.
       Transparency, EXIF rotation and further frames are passed over.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
MAX_PIXELS = 2**26
MAX_BYTES = 2**31
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_GREY = ("1", "L", "LA", "I;16", "I;16B", "I", "F")

Picture = Path | bytes


def picture_files(folder: Path) -> list[Path]:
    """The picture files below a folder, sorted by their path; hidden ones are passed over."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def common_shape(
    pictures: Sequence[Picture], wanted: tuple[int, int] | None = None
) -> tuple[tuple[int, int, int], list[str]]:
    """(H, W, C) that most pictures have, read from their headers, and notes on what is brought to it.

    wanted  (H, W) to which all are brought instead, where they are not all of one size
    errors  DataError when none of them can be read
    """
    sizes: Counter[tuple[int, int]] = Counter()
    grey = True
    for picture in pictures:
        try:
            with _opened(picture) as image:
                sizes[image.size] += 1
                grey = grey and image.mode in _GREY
        except _FAULTS:
            continue
    if not sizes:
        raise DataError("none of the pictures can be read", "give png, jpeg, bmp, gif, webp, tiff or ppm files")
    (width, height), often = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[0]
    if wanted is not None and often < sizes.total():
        height, width = wanted
        often = sizes[width, height]
    channels = 1 if grey else 3
    notes = []
    if often < sizes.total():
        notes.append(f"{sizes.total() - often} of {sizes.total()} pictures were brought to {width} x {height} pixels")
    shrink = (len(pictures) * width * height * channels / MAX_BYTES) ** 0.5
    if shrink > 1:
        width, height = max(1, int(width / shrink)), max(1, int(height / shrink))
        notes.append(f"all pictures were brought to {width} x {height} pixels, to stay below 2 GiB")
    return (height, width, channels), notes


def read_picture(picture: Picture, shape: tuple[int, ...]) -> np.ndarray:
    """One picture as uint8 (H, W, C), scaled to the shape.

    errors  DataError with the reason when it cannot be read
    """
    height, width, channels = shape
    try:
        with _opened(picture) as image:
            if image.mode in ("I;16", "I;16B", "I", "F"):
                deep = np.asarray(image, np.float64)
                top = 65535.0 if image.mode != "F" else max(1.0, float(np.nanmax(deep)))
                grey = np.nan_to_num(np.clip(deep / top, 0, 1)) * 255
                image = Image.fromarray(np.rint(grey).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(image, np.uint8).reshape(height, width, channels)
    except _FAULTS as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        reason = reason.replace(str(picture), "the file") if isinstance(picture, Path) else reason
        raise DataError(reason[:100]) from None


def read_pictures(
    pictures: Sequence[Picture], keys: Sequence[str | int], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, list[tuple[str | int, str]]]:
    """All readable pictures (m, H, W, C), a mask of which they were (n,), and (key, reason) of the others."""
    out = np.empty((len(pictures), *shape), np.uint8)
    good = np.zeros(len(pictures), bool)
    skipped: list[tuple[str | int, str]] = []
    for row, (picture, key) in enumerate(zip(pictures, keys, strict=True)):
        try:
            out[row] = read_picture(picture, shape)
            good[row] = True
        except DataError as fault:
            skipped.append((key, str(fault)))
    return out if good.all() else out[good], good, skipped


def packed_pictures(jpeg: np.ndarray, offset: np.ndarray) -> list[bytes]:
    """Pictures laid end to end in one flat uint8 array; picture i is jpeg[offset[i]:offset[i + 1]].

    errors  DataError when the offsets do not fit the array
    """
    fits = jpeg.dtype == np.uint8 and jpeg.ndim == offset.ndim == 1 and offset.dtype.kind in "iu" and len(offset) > 1
    if not fits or offset[0] < 0 or (np.diff(offset.astype(np.int64)) < 0).any() or offset[-1] > len(jpeg):
        raise DataError("'offset' does not fit 'jpeg'", "picture i is jpeg[offset[i]:offset[i + 1]], both flat arrays")
    return [jpeg[a:b].tobytes() for a, b in zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True)]


_FAULTS = (  # what Pillow raises on damaged files
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)


def _opened(picture: Picture) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=_FORMATS)
    if image.size[0] * image.size[1] > MAX_PIXELS:
        image.close()
        raise DataError(f"{image.size[0]} x {image.size[1]} pixels are too many (at most 64 million)")
    return image
