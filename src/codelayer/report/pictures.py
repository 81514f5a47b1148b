"""Rows of small pictures: originals above reconstructions, a query and its neighbours.

Reads  arrays (H, W) or (H, W, C), uint8 or float in [0, 1].
Gives  `Figure`: a grid of PNG data URIs, shown pixel by pixel.
Skips  large pictures: over 96 pixels a side they are made smaller.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import escape

from ..errors import DataError
from .svg import Figure
from .text import one_line

LARGEST = 96


def image_rows(
    rows: Sequence[Sequence[Any]],
    captions: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    notes: Sequence[Sequence[str]] | None = None,
    apart: int = 0,
    title: str = "",
) -> Figure:
    """Rows of pictures under each other, each with its caption.

    rows      pictures (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): uint8, bool, or float in [0, 1]
              (floats far outside it are stretched over the range of all); None leaves a place empty
    captions  (rows,) names of the rows
    columns   names above the columns, such as "query", "nearest", ...
    notes     texts under the pictures, such as labels; same layout as rows
    apart     the first so many pictures of every row stand apart: 1 for a query before its neighbours
    errors    DataError for an array that is no picture
    """
    pictures = [[_array(one) for one in row] for row in rows]
    span = _span([one for row in pictures for one in row if one is not None and one.dtype.kind == "f"])
    count = max([len(row) for row in pictures] + [len(columns or [])], default=0)
    if not count:
        return Figure('<div class="plot"><p class="nothing">nothing to show</p></div>')
    lead = min(max(apart, 0), count)
    cells: list[str] = []
    if columns:
        heads = [f'<span class="column-name">{escape(one_line(name))}</span>' for name in columns]
        heads += ["<span></span>"] * (count - len(heads))
        cells += _row("", captions is not None, heads, lead)
    for i, row in enumerate(pictures):
        name = one_line(captions[i]) if captions is not None and i < len(captions) else ""
        shown = []
        for j in range(count):
            note = one_line(notes[i][j]) if notes is not None and i < len(notes) and j < len(notes[i]) else ""
            told = ", ".join(filter(None, (name or f"row {i + 1}", f"{j + 1}", note)))
            shown.append(_cell(row[j] if j < len(row) else None, span, told, note))
        cells += _row(name, captions is not None, shown, lead)
    kind = "images" if captions is None else "images captioned"
    words = escape(one_line(title or f"{len(pictures)} rows of pictures"))
    one = "minmax(0,64px)"
    tracks = f"repeat({lead},{one}) 10px repeat({count - lead},{one})" if 0 < lead < count else f"repeat({count},{one})"
    opening = f'<div class="{kind}" style="--columns:{tracks}" role="group" aria-label="{words}">'
    return Figure(f'<div class="plot">{opening}{"".join(cells)}</div></div>')


def _row(name: str, named: bool, cells: list[str], lead: int) -> list[str]:
    caption = [f'<span class="row-name">{escape(name)}</span>'] if named else []
    gap = ["<span></span>"] if 0 < lead < len(cells) else []
    return [*caption, *cells[:lead], *gap, *cells[lead:]]


def png_uri(picture: np.ndarray, span: tuple[float, float] = (0.0, 1.0)) -> str:
    """A picture as a PNG data URI.

    picture  (H, W) or (H, W, C) array
    span     the values of a float picture that become black and white
    """
    from PIL import Image

    image = Image.fromarray(_bytes(picture, span))
    if max(image.size) > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _array(given: Any) -> np.ndarray | None:
    if given is None:
        return None
    found = np.asarray(given.detach().cpu().numpy() if hasattr(given, "detach") else given)
    if found.ndim not in (2, 3) or found.dtype.kind not in "buif":
        wrong = f"an array of shape {found.shape} and type {found.dtype} is no picture"
        raise DataError(wrong, "give (H, W) or (H, W, C) numbers")
    return found if found.size else None


def _span(pictures: list[np.ndarray]) -> tuple[float, float]:
    known = [one[np.isfinite(one)] for one in pictures]
    known = [one for one in known if one.size]
    if not known:
        return 0.0, 1.0
    low, high = min(float(one.min()) for one in known), max(float(one.max()) for one in known)
    # a reconstruction leaves [0, 1] by a little; other units leave it by far
    return (0.0, 1.0) if low > -1 and high < 2 else (low, max(high, low + 1e-12))


def _bytes(picture: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    if picture.dtype.kind == "b":
        picture = picture.astype(np.uint8) * 255
    elif picture.dtype.kind == "f":
        shown = (np.nan_to_num(picture.astype(float), nan=span[0]) - span[0]) / (span[1] - span[0])
        picture = np.round(np.clip(shown, 0, 1) * 255)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if picture.ndim == 2:
        return picture
    if picture.shape[2] in (3, 4):
        return np.ascontiguousarray(picture)
    return np.ascontiguousarray(picture[:, :, :3] if picture.shape[2] > 4 else picture.mean(axis=2).astype(np.uint8))


def _cell(picture: np.ndarray | None, span: tuple[float, float], told: str, note: str) -> str:
    under = f"<small>{escape(note)}</small>" if note else ""
    if picture is None:
        return f'<div><span class="blank"></span>{under}</div>'
    return f'<div><img src="{png_uri(picture, span)}" alt="{escape(told)}">{under}</div>'
