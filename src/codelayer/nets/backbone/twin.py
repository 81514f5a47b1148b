"""The random twin of a net: the same layers untrained, scaled on rows so that nothing vanishes and nothing explodes.

Reads  a backbone, a seed, some prepared rows.
Gives  a backbone with weights drawn anew; each affine layer and convolution answers those rows with mean 0 and
       variance 1 per output, through its gain where it standardises its weights. A warning where all rows end alike.
Skips  training: what a twin's features are worth is what the shape of the net alone is worth.

Source: Mishkin and Matas 2016 (LSUV) for scales drawn from data; here per output, as batch normalisation would.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ...errors import SentenceError
from .core import Backbone
from .norms import INSTANCE, is_norm, keeps_statistics

AFFINE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCHED = nn.modules.batchnorm._BatchNorm
GAIN = "gain"  # scales each output where weights are standardised (timm's ScaledStdConv2d)
SMALL = 0.02  # deviation of what is neither an affine layer nor a normalisation (positions, class tokens)
ROWS = 64  # that are enough for the scales
COMPARED = 8  # rows whose vectors are compared at the end
ALIKE = 1e-5  # of a deviation of 1, which calibrated layers have: below it the last vectors do not tell rows apart


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
            elif is_norm(module):
                _reset(module)
            else:
                for name, one in module.named_parameters(recurse=False):
                    _draw(module, name, one, generator)
    return twin


def _reset(norm: Any) -> None:
    """A normalisation as it is before training: scales of 1, shifts of 0."""
    if hasattr(norm, "reset_parameters"):
        norm.reset_parameters()
        return
    for name, one in norm.named_parameters(recurse=False):
        one.fill_(float(name != "bias"))


def _draw(module: nn.Module, name: str, one: nn.Parameter, generator: torch.Generator) -> None:
    if isinstance(module, AFFINE) and name == "weight":
        one.normal_(0.0, math.sqrt(1.0 / one[0].numel()), generator=generator)
    elif isinstance(module, AFFINE) and name == GAIN:
        one.fill_(1.0)
    elif name == "bias":
        one.zero_()
    else:
        one.normal_(0.0, SMALL, generator=generator)


@torch.no_grad()
def calibrate(twin: Backbone, prepared: Tensor) -> None:
    """Scale a random twin: every affine layer answers `prepared` (at most ROWS of it) with mean 0 and variance 1.

    Where different rows end in the same last vectors all the same, a warning says so.
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
        if _standardised(layer, inputs, output):
            layer.gain /= deviation.view(layer.gain.shape)
        else:
            layer.weight /= deviation.view(-1, *[1] * (layer.weight.ndim - 1))
        shape = [1 if at in along else -1 for at in range(output.ndim)]
        if layer.bias is None:
            return output / deviation.view(shape)
        layer.bias.copy_((layer.bias - mean) / deviation)
        return (output - mean.view(shape)) / deviation.view(shape)

    layers = [one for one in twin.net.modules() if isinstance(one, AFFINE)]
    norms: list[Any] = [one for one in twin.net.modules() if isinstance(one, BATCHED) or _running_instances(one)]
    own = [one for one in twin.net.modules() if isinstance(one, OwnTwin)]
    handles = [one.register_forward_hook(scaled) for one in layers]
    paces = [one.momentum for one in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0 if isinstance(norm, INSTANCE) else None  # all of what the rows say
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
    _check_apart(twin, prepared[:COMPARED])


def _running_instances(module: nn.Module) -> bool:
    return isinstance(module, INSTANCE) and keeps_statistics(module)


def _standardised(layer: Any, inputs: Any, output: Tensor) -> bool:
    """Whether a layer has a gain for each output and answers the same when its weights are twice as large."""
    gain = dict(layer.named_parameters(recurse=False)).get(GAIN)
    if gain is None or gain.numel() != len(layer.weight):
        return False
    layer.weight *= 2.0
    twice = layer.forward(*inputs)
    layer.weight /= 2.0
    return float((twice - output).norm()) < 0.5 * float(output.norm())  # as large as the output where it is affine


def _check_apart(twin: Backbone, prepared: Tensor) -> None:
    """Warn where rows that differ have the same last vectors."""
    if not bool((prepared != prepared[:1]).any()):
        return
    vectors = twin.pooled(twin.walk(prepared)[twin.last]).double()
    apart = float(vectors.std(0, correction=0).max())
    if not apart > ALIKE:
        warnings.warn(
            f"{twin.name} does not tell rows apart: over {len(prepared)} different rows its last vectors deviate by "
            f"{apart:.1g}, so that what it is worth says nothing about the shape of the net",
            stacklevel=4,
        )
