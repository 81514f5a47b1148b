"""Every HTML report, figure and terminal table: one look, self-contained.

Reads  plain numbers, strings and numpy arrays.
Gives  `Report` (one HTML file), figure functions (SVG markup), `table_text` and `Progress` for the terminal.
Skips  torch, matplotlib, requests to anywhere. Names are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gauges import gauge, matrix
    from .lines import Series, bars, curves, strip
    from .maps import map2d
    from .page import Report
    from .pictures import image_rows
    from .points import Point, scatter
    from .svg import Figure
    from .terminal import Progress, table_text
    from .text import interval, number

_HOME = {
    "Figure": "svg",
    "Point": "points",
    "Progress": "terminal",
    "Report": "page",
    "Series": "lines",
    "bars": "lines",
    "curves": "lines",
    "gauge": "gauges",
    "image_rows": "pictures",
    "interval": "text",
    "map2d": "maps",
    "matrix": "gauges",
    "number": "text",
    "scatter": "points",
    "strip": "lines",
    "table_text": "terminal",
}

__all__ = [
    "Figure",
    "Point",
    "Progress",
    "Report",
    "Series",
    "bars",
    "curves",
    "gauge",
    "image_rows",
    "interval",
    "map2d",
    "matrix",
    "number",
    "scatter",
    "strip",
    "table_text",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
