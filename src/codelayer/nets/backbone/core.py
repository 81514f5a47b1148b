"""One protocol for every pre-trained net: named stages in order, preprocessing, licence, a hash of the weights.

Reads  an nn.Module and where its stages lie in it.
Gives  `Backbone`: prepared batches walked stage by stage, maps pooled to vectors, parameters and buffers by stage.
Skips  training: `learn/groups` freezes and paces stages, `transfer/finetune` trains them.

Stages are read by forward hooks, so that any module serves, whatever its control flow; a walk ends at the last stage
that was asked for.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import SentenceError, did_you_mean
from .owning import stages_of_modules

LAYOUTS = ("channels first", "channels last")


class Prepare(Protocol):
    """How rows become what a net takes."""

    def __call__(self, x: Any) -> Tensor: ...

    def notes(self, x: Any) -> list[str]: ...

    def record(self) -> dict[str, Any]: ...


@runtime_checkable
class Sampled(Protocol):
    """A preparation that knows what its rows become."""

    def sample(self) -> Tensor | None:
        """One prepared row, or None where rows have no shape yet."""
        ...


class _Enough(Exception):
    """The last stage that was asked for has been reached."""


class Backbone:
    """A net with named stages.

    name         as it was asked for, "file:mobilenet.npz"
    net          the module; its forward takes what `prepare` gives. One of another precision than float32 is copied
    places       stage -> dotted path of the module whose output it is, in the order in which they run
    prepare      rows -> tensor
    licence      of the weights, in words, or "not stated"
    layout       where the channels of a map (n, ?, ?, ?) lie
    trained      False for a random twin
    classes      what the net's own head tells apart, or ()
    source       plain JSON from which the same net can be built without its weights
    calibrated   whether a twin's scales were drawn from rows; others always are
    kept         arrays beside the net's own that its source needs to build it again
    statistics   stage -> index, mean, deviation and covariance sketch of the rows it was trained on, if kept
    """

    kept: Mapping[str, np.ndarray] = {}
    statistics: Mapping[str, Mapping[str, np.ndarray]] = {}

    def __init__(
        self,
        name: str,
        net: nn.Module,
        places: Mapping[str, str],
        prepare: Prepare,
        licence: str = "not stated",
        layout: str = LAYOUTS[0],
        trained: bool = True,
        classes: Sequence[str] = (),
        source: Mapping[str, Any] | None = None,
    ) -> None:
        if not places:
            raise SentenceError(f"{name} has no stage", "name at least one")
        if layout not in LAYOUTS:
            raise SentenceError(f"layout={layout!r} is not possible", f"known: {', '.join(LAYOUTS)}")
        known = dict(net.named_modules())
        for stage, place in places.items():
            if place not in known:
                raise SentenceError(f"{name} has no module {place!r} for its stage {stage!r}", "check its places")
        self.name, self.net, self.places, self.prepare = name, _single(net).eval(), dict(places), prepare
        self.licence, self.layout, self.trained = licence, layout, trained
        self.classes, self.source = tuple(classes), dict(source or {})
        self.calibrated = trained
        self._stage_of: dict[str, str] | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """Names, from the input on."""
        return tuple(self.places)

    @property
    def last(self) -> str:
        """The last stage."""
        return self.stages[-1]

    def chosen(self, stages: str | Iterable[str] | None) -> tuple[str, ...]:
        """Stages by name, in the net's order; None is the last, "all" is every one.

        errors  SentenceError with the closest name
        """
        if stages is None:
            return (self.last,)
        wanted = self.stages if stages == "all" else (stages,) if isinstance(stages, str) else tuple(stages)
        for one in wanted:
            if one not in self.places:
                raise SentenceError(
                    f"{self.name} has no stage {one!r}{did_you_mean(str(one), self.stages)}",
                    f"it has {', '.join(self.stages)}",
                )
        if not wanted:
            raise SentenceError("no stage was chosen", f"{self.name} has {', '.join(self.stages)}")
        return tuple(stage for stage in self.stages if stage in wanted)

    def walk(self, prepared: Tensor, stages: str | Iterable[str] | None = None) -> dict[str, Tensor]:
        """Activations of stages, in order; gradients flow where they are on.

        prepared  what `prepare` gave
        """
        wanted = self.chosen(stages)
        found: dict[str, Tensor] = {}

        def keep(stage: str) -> Any:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                found[stage] = output[0] if isinstance(output, tuple | list) else output
                if len(found) == len(wanted):
                    raise _Enough

            return hook

        handles = [self.net.get_submodule(self.places[stage]).register_forward_hook(keep(stage)) for stage in wanted]
        try:
            self.net(prepared)
        except _Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()
        missing = [stage for stage in wanted if stage not in found]
        if missing:
            raise SentenceError(f"{self.name} did not run its stage {missing[0]!r}", "choose another stage")
        return {stage: found[stage] for stage in wanted}

    def pooled(self, activation: Tensor, grid: int = 1) -> Tensor:
        """One vector per row: the mean over places of a map (or over its grid x grid parts) or over tokens."""
        if activation.ndim == 4:
            maps = activation if self.layout == LAYOUTS[0] else activation.permute(0, 3, 1, 2)
            if grid == 1:
                return maps.mean((2, 3))
            return nn.functional.adaptive_avg_pool2d(maps, grid).flatten(1)
        return activation.mean(1) if activation.ndim == 3 else activation.flatten(1)

    def vectors(self, x: Any, stages: str | Iterable[str] | None = None, grid: int | str = 1) -> dict[str, np.ndarray]:
        """Pooled activations of a block of rows, stage -> (rows, width) float32; nothing is learned.

        grid  parts per side to which maps are pooled; "auto" is 1 for the last stage and 2 for those before it
        """
        self.net.eval()
        with torch.inference_mode():
            walked = self.walk(self.prepare(x), stages)
            return {stage: self.pooled(one, self._parts(stage, grid)).float().numpy() for stage, one in walked.items()}

    def _parts(self, stage: str, grid: int | str) -> int:
        return int(grid) if grid != "auto" else 1 if stage == self.last else 2

    def widths(self, x: Any, grid: int | str = 1) -> dict[str, int]:
        """Width of every stage's vector, probed with the first of some rows."""
        return {stage: one.shape[1] for stage, one in self.vectors(x[:1], "all", grid).items()}

    def stage_of(self, name: str) -> str:
        """The stage to which a parameter or buffer of the net belongs; "" is behind the last one.

        A stage holds the modules that run after the stage before it, up to the end of its own module.
        """
        return self._owners()[name]

    def by_stage(self) -> dict[str, list[str]]:
        """Names of parameters and buffers of each stage; "" holds the net's own head."""
        found: dict[str, list[str]] = {stage: [] for stage in (*self.stages, "")}
        for name, stage in self._owners().items():
            found[stage].append(name)
        return found

    def _owners(self) -> dict[str, str]:
        """State name -> stage."""
        stages = self.stages_of_modules()
        return {name: stages[name.rpartition(".")[0]] for name in self.net.state_dict(keep_vars=True)}

    def stages_of_modules(self) -> dict[str, str]:
        """Module name -> the stage to which it belongs; "" is behind the last one. The net is run once, on one row."""
        if self._stage_of is None:
            row = self.prepare.sample() if isinstance(self.prepare, Sampled) else None
            self._stage_of = stages_of_modules(self.net, self.places, row)
        return self._stage_of

    def weights_hash(self) -> str:
        """sha256 of names, shapes, types and values of all that the net holds."""
        digest = hashlib.sha256()
        for name, value in sorted(self.net.state_dict().items()):
            values = np.ascontiguousarray(value.detach().cpu().numpy())
            digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
            digest.update(values.data)
        return digest.hexdigest()

    def record(self) -> dict[str, Any]:
        """What these features come from, plain JSON: name, weights, preprocessing, stages, licence."""
        return {
            "name": self.name,
            "trained": self.trained,
            "weights_sha256": self.weights_hash(),
            "preprocessing": self.prepare.record(),
            "stages": dict(self.places),
            "layout": self.layout,
            "licence": self.licence,
            "source": self.source,
        }

    def features_hash(self) -> str:
        """sha256 of the record: other weights, another preprocessing or other stages give another text."""
        record = {name: value for name, value in self.record().items() if name != "name"}
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those of the net."""
        return self.net.parameters()

    def copy(self, name: str | None = None) -> Backbone:
        """The same net with weights of its own."""
        other = copy.copy(self)
        other.net, other.name = copy.deepcopy(self.net), name or self.name
        return other


def _single(net: nn.Module) -> nn.Module:
    """The net in float32, which is what rows come in; one that is so already is given back itself."""
    other = any(one.is_floating_point() and one.dtype != torch.float32 for one in net.parameters())
    return copy.deepcopy(net).float() if other else net
