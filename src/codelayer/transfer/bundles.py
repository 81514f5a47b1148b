"""Codelayer's own bundles as backbones: the encoder's stages and, last, the code.

Reads  a bundle, or the folder of a study.
Gives  a Backbone whose rows are prepared by the bundle's schema.
Skips  coders without a net (PCA, k-means): there is nothing to fine-tune in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import bundle
from ..data.schema import Schema
from ..errors import BundleError, DataError
from ..learn.saved import bundle_in, coder_in
from ..nets.backbone import Backbone
from ..objective import Model

CODE = "code"


class Rows:
    """Rows as the schema of a bundle encodes them."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __call__(self, x: Any) -> Tensor:
        """Rows, or rows that the schema has encoded already, -> (rows, *shape) float32."""
        encoded = x if isinstance(x, np.ndarray) and _is_encoded(x, self.schema) else self.schema.encode(x)
        return torch.from_numpy(np.ascontiguousarray(encoded, np.float32))

    def notes(self, x: Any) -> list[str]:
        """Nothing: the schema speaks for itself."""
        return []

    def sample(self) -> Tensor:
        """One row of zeros, (1, *shape)."""
        return torch.zeros(1, *self.schema.shape)

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"form": "schema", "schema": self.schema.to_json()}


def _is_encoded(x: np.ndarray, schema: Schema) -> bool:
    return x.dtype == np.float32 and x.shape[1:] == tuple(schema.shape)


class Encoder(nn.Module):
    """The stages of a model and how its code settles."""

    mean: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.stages = model.net.stages
        self.code = _Settle(model)
        self.register_buffer("mean", model.net.mean)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) -> (batch, units)."""
        h = x - self.mean
        for stage in self.stages.values():
            h = stage(h)
        return self.code(h)


class _Settle(nn.Module):
    """From the encoder's output to the code."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.terms = model.terms
        object.__setattr__(self, "model", model)  # outside the module tree: what it holds is saved once

    def forward(self, h: Tensor) -> Tensor:
        """(batch, outputs) -> (batch, units)."""
        model: Any = self.model
        return model.objective.settle(h, model.settling())


def open_bundle(path: str, size: int | None) -> Backbone:
    """The encoder in a bundle, or the pre-trained net that it holds, as it was tuned.

    errors  BundleError: damaged, or nothing with a net; DataError: a size was given, which its schema decides
    """
    if size is not None:
        raise DataError("the pictures of a bundle have the size it was learned with", "leave size away")
    coder = coder_in(path)
    net = getattr(coder, "backbone_", None)
    if isinstance(net, Backbone):  # features of a net, or a net that was fine-tuned
        net.name = str(path)
        return net
    return _backbone(coder, str(path), bundle.read(bundle_in(path)).kind)


def restore_bundle(source: Mapping[str, Any], kept: Mapping[str, np.ndarray]) -> Backbone:
    """The encoder of a coder whose plan is `source["plan"]`, with its arrays."""
    coder = bundle.restore(bundle.Bundle(str(source["kind"]), dict(source["plan"]), dict(kept)))
    return _backbone(coder, "bundle", str(source["kind"]))


def _backbone(coder: Any, name: str, kind: str) -> Backbone:
    model = getattr(coder, "model_", None)
    if not isinstance(model, Model):
        raise BundleError(
            f"{name} holds no net with stages (its kind is {kind})",
            "give a bundle that learn, transfer advise or transfer finetune made",
        )
    plan, tensors, _ = coder.parts()
    net = Encoder(model)
    places = {stage: f"stages.{stage}" for stage in model.net.stages}
    source = {"form": "bundle", "kind": coder.kind_name, "plan": bundle.plain(plan)}
    found = Backbone(name, net, {**places, CODE: CODE}, Rows(coder.schema_), "your own", source=source)
    found.kept = tensors
    known = {
        name.removeprefix("codes."): one for name, one in getattr(coder, "reference_", {}).items() if "codes." in name
    }
    found.statistics = {CODE: known} if "sketch" in known else {}
    return found
