"""Numbers and names as a reader sees them, the same on a page and on a terminal.

Reads  any cell: text, a number, None, NaN, a (text, sort_value) pair, a figure.
Gives  short strings, and `Cell` with what to show and what to sort by.
Skips  escaping for HTML: the page does it, once.
"""

from __future__ import annotations

import math
import numbers
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

MISSING = "\u2013"
ROUNDING = 1e-6  # an interval narrower than this share of its value is none
# direction overrides can make a name read as another one
_HIDDEN = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")


_NUMBER = re.compile(r"[<>~\u2264\u2265+\u2212-]?\s?[.\d\u2013\u221e]")


@dataclass(frozen=True)
class Cell:
    """One table cell: what is shown, what it sorts by (None sorts last), and whether it is a number."""

    text: str
    sort: float | str | None
    numeric: bool
    figure: Any = None


def number(value: Any) -> str:
    """A number with three significant digits: 0.941, 13.9, 1,234, 4.56e-7.

    Whole numbers (int) are written out; nothing is rounded above its units below a million.
    None and NaN give an en dash, infinities the sign for them.
    """
    found = as_float(value)
    if found is None:
        return MISSING
    if math.isinf(found):
        return "\u221e" if found > 0 else "-\u221e"
    if isinstance(value, numbers.Integral) and abs(found) < 1e15:
        return f"{int(value):,}"
    if found == 0:
        return "0"
    exponent = int(f"{found:.2e}".split("e")[1])
    if exponent < -4 or exponent >= 6:
        return short_exponent(f"{found:.2e}")
    return f"{found:,.{max(0, 2 - exponent)}f}"


def position(value: Any) -> str:
    """A number on an axis: whole ones without decimals (50, not 50.0)."""
    found = as_float(value)
    return number(int(found) if found is not None and abs(found) < 1e6 and found == int(found) else value)


def interval(value: Any, low: Any, high: Any) -> str:
    """A value with its interval, such as "0.94 [0.92, 0.95]"; the width decides how many decimals are worth showing.

    A missing value gives an en dash; without both ends it is `number(value)`.
    """
    ends = [as_float(one) for one in (value, low, high)]
    if ends[0] is None or ends[1] is None or ends[2] is None:
        return number(value)
    known = [one for one in ends if one is not None]
    size, half = max(abs(one) for one in known), (known[2] - known[1]) / 2
    if not math.isfinite(size) or not math.isfinite(half) or half <= ROUNDING * size or not 1e-3 <= size < 1e6:
        return f"{number(value)} [{number(low)}, {number(high)}]"
    decimals = max(math.ceil(-math.log10(half)), 2 if size < 10 else 1 if size < 100 else 0)
    first, second, third = (f"{one:,.{min(decimals, 6)}f}" for one in known)
    return f"{first} [{second}, {third}]"


def short_exponent(text: str) -> str:
    """1.20e-07 as 1.20e-7, 1e+09 as 1e9."""
    head, _, tail = text.partition("e")
    return f"{head}e{int(tail)}" if tail else head


def as_float(value: Any) -> float | None:
    """The number as float (infinities stay), or None for None, NaN and what is no number."""
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(found) else found


def clean(value: Any) -> str:
    """Text that can be shown anywhere: no control characters, no broken surrogates, no direction overrides."""
    text = str(value).translate(_HIDDEN)
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text)


def one_line(value: Any) -> str:
    """`clean` text on one line."""
    return " ".join(clean(value).split())


def cell(value: Any) -> Cell:
    """Read one table cell.

    value  text, number, bool, None, NaN, a figure, or a pair (any of these, sort_value)
    """
    if isinstance(value, tuple) and len(value) == 2:
        shown, by = cell(value[0]), as_float(value[1])
        if by is not None:
            return Cell(shown.text, by, shown.numeric or bool(_NUMBER.match(shown.text)), shown.figure)
        return Cell(shown.text, None if _is_missing(value[1]) else one_line(value[1]), shown.numeric, shown.figure)
    if hasattr(value, "__html__"):
        return Cell("", None, False, value)
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return Cell("yes" if value else "no", "yes" if value else "no", False)
    if _is_missing(value):
        return Cell(MISSING, None, False)
    if isinstance(value, str):
        return Cell(clean(value), clean(value), False)
    if isinstance(value, numbers.Number) or hasattr(value, "detach"):
        return Cell(number(value), as_float(value), True)
    return Cell(clean(value), clean(value), False)


def is_numeric_column(cells: list[Cell]) -> bool:
    """A column is numeric when it has a number and whatever else it has is missing."""
    return any(one.numeric for one in cells) and all(one.numeric or one.sort is None for one in cells)


def width_of(text: str) -> int:
    """Columns the text takes on a terminal: wide East Asian characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_columns(c) for c in text)


def cut(text: str, width: int) -> str:
    """The text in at most `width` terminal columns, with an ellipsis where it was cut."""
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for c in text:
        used += _columns(c)
        if used > width - 1:
            break
        kept.append(c)
    return "".join(kept) + "…" if width > 0 else ""


def _columns(c: str) -> int:
    if unicodedata.combining(c) or unicodedata.category(c) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, numbers.Number) and as_float(value) is None and not isinstance(value, complex)
