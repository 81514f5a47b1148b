"""What the named stages of a fitted encoder give.

Reads  a coder, rows, names of stages.
Gives  the activations of each, read in blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..data.rows import rows_of
from ..errors import SentenceError

if TYPE_CHECKING:
    from .autoencoder import Autoencoder


def activations(coder: Autoencoder, rows: Any, names: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Name -> (rows, ...) float32; every stage and "code" when no names are given.

    errors  SentenceError for an unknown stage
    """
    model = coder.model_
    known = [*model.net.stages, "code"]
    wanted = list(names) if names is not None else known
    for name in wanted:
        if name not in known:
            raise SentenceError(f"no stage is called {name!r}", f"stages in order: {', '.join(known)}")
    found: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    with torch.no_grad():
        for block in coder._blocks(rows):
            x = torch.from_numpy(coder.padded(coder.schema_.encode(block))).to(coder._device())
            for name, h in [*model.net.walk(x), ("code", model.codes(x))]:
                if name in found:
                    found[name].append(h[: rows_of(block)].cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}
