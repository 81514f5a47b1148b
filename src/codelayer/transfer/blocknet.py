"""A small convolutional net of a few equal blocks, for experiments that take nets apart.

Reads  the shape of pictures, channels per block.
Gives  `block_net`: an untrained Backbone with the stages block1, block2, ...
Skips  training: `copies` trains it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import SentenceError
from ..nets.backbone import Backbone, Pictures, random_twin

CHANNELS = (24, 48, 96, 96)
LEAST_STD = 1e-3  # of grey levels: below it pictures are all one shade


def block_net(
    pictures: np.ndarray, channels: Sequence[int] = CHANNELS, name: str = "block net", seed: int = 0
) -> Backbone:
    """An untrained net: per block a 3 x 3 convolution, a pool of 2, batch normalisation, ReLU.

    pictures  (n, height, width, 1 or 3), uint8 or in [0, 1]: their mean and deviation are part of the preprocessing
    channels  of every block, from the input on
    errors    SentenceError: no block, or a block without channels
    """
    if not channels or min(channels) < 1:
        raise SentenceError(f"channels={tuple(channels)!r} is no net", "give a whole number above 0 per block")
    depth = pictures.shape[3]
    parts, before = OrderedDict[str, nn.Module](), depth
    for at, width in enumerate(channels, 1):
        parts[f"block{at}"] = nn.Sequential(
            nn.utils.skip_init(nn.Conv2d, before, width, 3, padding=1, bias=False),
            nn.MaxPool2d(2, ceil_mode=True),  # before normalisation: a quarter of its work
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        before = width
    net = nn.Sequential(parts)
    moved: Any = net
    moved.to(memory_format=torch.channels_last)  # a quicker order on CPUs
    scale = 255.0 if pictures.dtype == np.uint8 else 1.0
    mean = tuple(float(one) / scale for one in pictures.mean((0, 1, 2), dtype=np.float64))
    std = tuple(max(float(one) / scale, LEAST_STD) for one in pictures.std((0, 1, 2), dtype=np.float64))
    made = Backbone(
        name,
        net,
        {stage: stage for stage in parts},
        Pictures(0, 0, depth, mean, std),
        licence="none: trained here",
        trained=False,
        source={"form": "blocks", "channels": [int(one) for one in channels], "depth": depth},
    )
    drawn = random_twin(made, seed)
    drawn.name = name
    return drawn
