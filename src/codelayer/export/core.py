"""The core of a coder as one torch module: encoded samples in, codes out, and what a head says of them.

Reads  a fitted coder, or one with its head.
Gives  `Core`, a chain of named parts that torch's exporters can follow.
Skips  the schema: inputs.py puts it before the core. Coders whose codes are found by iterating or by looking rows up
       are refused, by name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ExportError
from ..learn.autoencoder import Autoencoder
from ..learn.baselines import KMeansFeatures, Pca, RandomProjection, RawFeatures
from ..learn.coder import Coder
from ..learn.headed_forest import HeadedForest
from ..learn.heads import Head, Headed
from ..learn.sparse_coding import Lista
from ..nets.net import Affine
from ..nets.table import Embedding
from ..objective.sparse_bottlenecks import BatchTopk, JumpRelu
from ..objective.trace import Context

Parts = Iterator[tuple[str, nn.Module]]
STEPS = ("topk", "batch_topk", "jumprelu")  # a unit is on from a value on, so that rounding may turn it


class Core(nn.Module):
    """Encoded samples (rows, *shape) -> code (rows, units); with a head also what it says.

    names  of the parts, in order, as error messages call them
    task   of the head: "class" (probabilities (rows, classes) and places (rows,) follow), "number" ((rows,)), or None
    """

    def __init__(self, parts: Parts, head: Head | None) -> None:
        super().__init__()
        named = list(parts)
        self.names = tuple(name for name, _ in named)
        self.parts = nn.ModuleList([part for _, part in named])
        self.task = None if head is None else head.task
        self.head = None if head is None else _linear(head.weight.T, head.intercept)
        self.eval()

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """See the class."""
        for part in self.parts:
            x = part(x)
        if self.head is None:
            return x
        scores = self.head(x)
        return (x, scores.softmax(1), scores.argmax(1)) if self.task == "class" else (x, scores[:, 0])

    @property
    def outputs(self) -> list[str]:
        """Names of what it gives."""
        beside: dict[str | None, list[str]] = {"class": ["probabilities", "place"], "number": ["number"]}
        return ["code", *beside.get(self.task, [])]


def coder_of(model: Any) -> Coder:
    """The coder of a model: itself, or the one its head reads.

    errors  ExportError for what is neither
    """
    coder = model.code if isinstance(model, Headed) else model
    if not isinstance(coder, Coder):
        raise ExportError(f"a {type(model).__name__} is no coder", "give what codelayer.load brings back, or its path")
    return coder


def task_of(model: Any) -> str | None:
    """The task of a model's head: "class", "number", or None without one."""
    return model.head.task if isinstance(model, Headed) else None


def core_of(model: Any) -> Core:
    """The core of a fitted model, a copy of its weights on the CPU; a forest as a head stays out of it.

    errors  ExportError for a coder that is no fixed chain of operators
    """
    coder = coder_of(model)
    if type(coder) not in _PARTS:
        raise ExportError(f"the codes of {_described(coder)}, so that it cannot be exported", _INSTEAD)
    head = model.head if isinstance(model, Headed) and not isinstance(model, HeadedForest) else None
    return Core(_PARTS[type(coder)](coder), head)


def turns_at_steps(model: Any) -> bool:
    """Whether a unit is switched on at a threshold, so that a row at the threshold may be coded either way."""
    coder = coder_of(model)
    return isinstance(coder, Autoencoder) and any(t.name in STEPS for t in coder.model_.objective.bottlenecks)


_INSTEAD = "export an Autoencoder, Lista, Pca, RandomProjection, KMeansFeatures or RawFeatures"


def _described(coder: Coder) -> str:
    if hasattr(coder, "solver"):
        return f"{type(coder).__name__}(solver={coder.solver!r}) are found by iterating until they settle"
    if hasattr(coder, "landmarks"):
        return f"{type(coder).__name__}() are looked up among landmarks"
    return f"{type(coder).__name__}() are made by no operators that are known here"


# --- autoencoders -------------------------------------------------------------------------------------------------


def _autoencoder(coder: Autoencoder) -> Parts:
    model = coder.model_
    yield "the mean taken off", _Shift(model.net.mean.detach().cpu().clone())
    for name, stage in model.net.stages.items():
        yield f"stage {name!r} of {coder.net_}", _plain(copy.deepcopy(stage).cpu())
    for term in model.objective.bottlenecks:
        yield f"{term.name}() of the objective", _settled(term, model.module_of(term.name))


def _plain(stage: nn.Module) -> nn.Module:
    """A copied stage whose affine layers are plain ones: theirs look at how many rows there are."""
    for layer in stage.modules():
        if isinstance(layer, Embedding):
            layer.weight.data = layer.weight.data * layer.get_buffer("seen")
        if isinstance(layer, Affine):
            layer.__class__ = nn.Linear
    return stage


def _settled(term: Any, module: nn.Module | None) -> nn.Module:
    if isinstance(term, BatchTopk) and module is not None and int(module.get_buffer("batches")):
        return _Jump(module.get_buffer("value").detach().cpu().clone(), True)
    if isinstance(term, JumpRelu) and module is not None:
        return _Jump(module.get_parameter("threshold").detach().cpu().clone().clamp_min(0), False)
    return _Bottleneck(term, None if module is None else copy.deepcopy(module).cpu())


class _Shift(nn.Module):
    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.get_buffer("mean")


class _Jump(nn.Module):
    """What exceeds (or reaches) its threshold, unchanged; 0 else."""

    def __init__(self, threshold: Tensor, reaches: bool) -> None:
        super().__init__()
        self.register_buffer("threshold", threshold)
        self.reaches = reaches

    def forward(self, x: Tensor) -> Tensor:
        threshold = self.get_buffer("threshold")
        return x * (x >= threshold if self.reaches else x > threshold)


class _Bottleneck(nn.Module):
    """A term as it codes after training, with what it learned."""

    def __init__(self, term: Any, module: nn.Module | None) -> None:
        super().__init__()
        self.term, self.learned = term, module

    def forward(self, x: Tensor) -> Tensor:
        modules = {} if self.learned is None else {self.term.name: self.learned}
        return self.term.settle(x, Context(progress=1.0, modules=modules))


# --- baselines ----------------------------------------------------------------------------------------------------


def _raw(coder: RawFeatures) -> Parts:
    yield "the encoded features", nn.Flatten()


def _pca(coder: Pca) -> Parts:
    yield "the mean taken off", nn.Sequential(nn.Flatten(), _Shift(torch.from_numpy(coder.mean_.copy())))
    yield "the components", _linear(coder.components_, None)


def _random_projection(coder: RandomProjection) -> Parts:
    yield "the directions", nn.Sequential(nn.Flatten(), _linear(coder.directions_, None))


def _kmeans(coder: KMeansFeatures) -> Parts:
    yield "the distances", nn.Sequential(nn.Flatten(), _Triangle(torch.from_numpy(coder.centres_.copy())))


def _lista(coder: Lista) -> Parts:
    yield "the mean taken off", nn.Sequential(nn.Flatten(), _Shift(torch.from_numpy(coder.mean_.copy())))
    yield "the shrinkage steps", _Shrinkage(coder)


def _linear(weight: Any, bias: Any) -> nn.Linear:
    made = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight))
        if bias is not None:
            made.bias.copy_(torch.tensor(bias))
    return made


class _Triangle(nn.Module):
    """KMeansFeatures: in double precision, as there; near a centre single precision loses the distance."""

    def __init__(self, centres: Tensor) -> None:
        super().__init__()
        centres = centres.double()
        self.register_buffer("twice", 2 * centres.t().contiguous())
        self.register_buffer("squares", centres.square().sum(1))

    def forward(self, x: Tensor) -> Tensor:
        x = x.double()
        squared = x.square().sum(1, keepdim=True) - x @ self.get_buffer("twice") + self.get_buffer("squares")
        distance = squared.clamp_min(0).sqrt()
        return (distance.mean(1, keepdim=True) - distance).clamp_min(0).float()


class _Shrinkage(nn.Module):
    """Lista's steps."""

    def __init__(self, coder: Lista) -> None:
        super().__init__()
        self.encode, self.inhibit = _linear(coder.encode_, None), _linear(coder.inhibit_, None)
        self.register_buffer("threshold", torch.from_numpy(coder.threshold_.copy()).clamp_min(0))
        self.steps = coder.steps

    def forward(self, x: Tensor) -> Tensor:
        driven = self.encode(x)
        code = self._shrunk(driven)
        for _ in range(self.steps - 1):
            code = self._shrunk(driven + self.inhibit(code))
        return code

    def _shrunk(self, x: Tensor) -> Tensor:
        return x.sign() * (x.abs() - self.get_buffer("threshold")).relu()


_PARTS: dict[type, Callable[[Any], Parts]] = {
    Autoencoder: _autoencoder,
    RawFeatures: _raw,
    Pca: _pca,
    RandomProjection: _random_projection,
    KMeansFeatures: _kmeans,
    Lista: _lista,
}
