"""Plain JSON of plans and facts, and back: strict in both directions.

Reads  dicts, lists, texts, numbers; numpy scalars and tuples on the way out.
Gives  JSON that holds NaN and infinities as {"$float": "nan"}; ValueError for what `plain` would not have written.
Skips  arrays: they belong into tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

MAX_DEPTH = 64


def plain(value: Any) -> Any:
    """Plain JSON of a value: tuples become lists, numpy scalars Python's, NaN and infinities {"$float": ...}.

    errors  TypeError for anything else (arrays belong into `tensors`), and for keys that are no text
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str) or key.startswith("$")]
        if odd:
            raise TypeError(f"the key {odd[0]!r} cannot be saved: keys are text not starting with $")
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    raise TypeError(f"a {type(value).__name__} cannot be saved as JSON: {value!r}")


def from_json(data: bytes) -> Any:
    """Read JSON written from `plain`; ValueError or RecursionError: not JSON, a name twice, nested too deeply."""

    def pairs(found: list[tuple[str, Any]]) -> Any:
        names = [name for name, _ in found]
        if len(set(names)) != len(names):
            raise ValueError("a JSON name stands twice in one object")
        return float(found[0][1]) if names == ["$float"] else dict(found)

    value = json.loads(data, object_pairs_hook=pairs)
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        nested = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level, depth = [one for some in nested for one in some], depth + 1
    if depth > MAX_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH}")
    return value
