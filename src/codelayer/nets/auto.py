"""Which net a shape gets: net="auto".

Reads  the sample's shape and the code size.
Gives  the first net in a short list whose encoder costs at most `COST_LIMIT` multiply-adds per sample, a limit under
       which 1,000 steps of 64 samples take one to two minutes on one CPU core.
"""

from __future__ import annotations

from typing import Any

from ..errors import SentenceError
from ..registry import quoted, read
from .conv import Conv
from .mlp import Mlp

COST_LIMIT = 4_000_000


def parse_net(text: str, shape: tuple[int, ...], code_size: int, pictures_only: bool = False) -> Any:
    """The net a text says; "auto" chooses by the sample's shape and the cost limit.

    pictures_only  the objective alters pictures, so a convolutional net is chosen whatever it costs
    errors         SentenceError for an unknown net or a wrong option
    """
    if not isinstance(text, str) or text.strip() != "auto":
        parts = read(text, "net")
        if len(parts) != 1:
            raise SentenceError(f"{quoted(text)} is not one net", "write one, such as mlp(512, 256) or conv(32, 64)")
        return parts[0]
    if len(shape) == 3 and min(shape[:2]) >= 4:
        nets = [Conv((32, 64)), Conv((16, 32)), Conv((8, 16, 32)), Conv((8, 16, 16, 16))]
        for net in nets:
            if net.multiply_adds(shape, code_size) <= COST_LIMIT:
                return net
        if pictures_only:
            return nets[-1]
    return Mlp(depth=2)
