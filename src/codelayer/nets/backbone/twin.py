"""The random twin of a net: the same layers untrained, scaled on rows so that nothing vanishes and nothing explodes.

Reads  a backbone, a seed, some prepared rows.
Gives  a backbone with weights drawn anew; each affine layer and convolution answers those rows with mean 0 and
       variance 1 per output.
Skips  training: what a twin's features are worth is what the shape of the net alone is worth.

Source: Mishkin and Matas 2016 (LSUV) for scales drawn from data; here per output, as batch normalisation would.
"""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ...errors import SentenceError
from .core import Backbone

AFFINE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
SMALL = 0.02  # deviation of what is neither an affine layer nor a normalisation (positions, class tokens)
ROWS = 64  # that are enough for the scales


@runtime_checkable
class OwnTwin(Protocol):
    """A module, of another library's layers, that draws and scales what it holds itself.

    settling  while it is true, `forward` scales its weights so that it answers with mean 0 and variance 1 per output
    """

    settling: bool

    def draw(self, generator: torch.Generator) -> None:
        """Draw the weights that it holds anew."""
        ...


def random_twin(backbone: Backbone, seed: int = 0) -> Backbone:
    """The same net with weights drawn from `seed`; `calibrate` it with rows before it is used."""
    twin = backbone.copy(f"random:{backbone.name}")
    twin.trained, twin.calibrated, twin.classes = False, False, ()
    twin.licence = "none: drawn at random"
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in twin.net.modules():
            if isinstance(module, OwnTwin):
                module.draw(generator)
            elif isinstance(module, NORMS):
                module.reset_parameters()
            else:
                for name, one in module.named_parameters(recurse=False):
                    _draw(module, name, one, generator)
    return twin


def _draw(module: nn.Module, name: str, one: nn.Parameter, generator: torch.Generator) -> None:
    if isinstance(module, AFFINE) and name == "weight":
        one.normal_(0.0, math.sqrt(1.0 / one[0].numel()), generator=generator)
    elif name == "bias":
        one.zero_()
    else:
        one.normal_(0.0, SMALL, generator=generator)


@torch.no_grad()
def calibrate(twin: Backbone, prepared: Tensor) -> None:
    """Scale a random twin: every affine layer answers `prepared` (at most ROWS of it) with mean 0 and variance 1.

    errors  SentenceError: the net is trained, which this would undo, or there are fewer than two rows
    """
    if twin.trained:
        raise SentenceError(f"{twin.name} is trained: scaling would undo it", "calibrate its random twin")
    if len(prepared) < 2:
        raise SentenceError(f"{len(prepared)} row tells no scale", "give at least two")
    seen: set[int] = set()

    def scaled(module: nn.Module, inputs: Any, output: Any) -> Any:
        if id(module) in seen or not isinstance(output, Tensor):
            return None
        seen.add(id(module))
        along = [at for at in range(output.ndim) if at != (1 if isinstance(module, AFFINE[1:]) else output.ndim - 1)]
        deviation, mean = torch.std_mean(output, along, correction=0)
        deviation = torch.where(deviation > 1e-6 * deviation.max().clamp(min=1e-12), deviation, 1.0)
        layer: Any = module
        layer.weight /= deviation.view(-1, *[1] * (layer.weight.ndim - 1))
        shape = [1 if at in along else -1 for at in range(output.ndim)]
        if layer.bias is None:
            return output / deviation.view(shape)
        layer.bias.copy_((layer.bias - mean) / deviation)
        return (output - mean.view(shape)) / deviation.view(shape)

    layers = [one for one in twin.net.modules() if isinstance(one, AFFINE)]
    norms = [one for one in twin.net.modules() if isinstance(one, NORMS[0])]
    own = [one for one in twin.net.modules() if isinstance(one, OwnTwin)]
    handles = [one.register_forward_hook(scaled) for one in layers]
    paces = [one.momentum for one in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for one in own:
        one.settling = True
    try:
        twin.net(prepared[:ROWS])
    finally:
        for handle in handles:
            handle.remove()
        for norm, pace in zip(norms, paces, strict=True):
            norm.momentum = pace
        for one in own:
            one.settling = False
        twin.net.eval()
    twin.calibrated = True
