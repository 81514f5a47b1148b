"""The scales of a random twin, drawn from as many rows as fit into memory.

Reads  a twin, rows it can prepare.
Gives  `calibrated`: a scaled copy of the twin, and notes.
Skips  how scales are drawn: `nets/backbone/twin`.
"""

from __future__ import annotations

import gc
from typing import Any

from ..data.rows import rows_of, take
from ..nets.backbone import Backbone, calibrate
from .parts import lacks_memory


def calibrated(twin: Backbone, rows: Any) -> tuple[Backbone, list[str]]:
    """A copy of a random twin, scaled on these rows; on the first half of them, and so on, where memory runs out.

    rows    what `twin.prepare` takes
    errors  SentenceError: as `calibrate`
    """
    whole = count = rows_of(rows)
    while True:
        copy = twin.copy()
        try:
            calibrate(copy, copy.prepare(take(rows, slice(0, count))))
        except (MemoryError, RuntimeError) as error:
            if not lacks_memory(error) or count < 4:
                raise
        else:
            told = f"{whole} rows did not fit into memory: the random twin is scaled on {count} of them"
            return copy, [told] if count < whole else []
        del copy
        gc.collect()
        count //= 2
