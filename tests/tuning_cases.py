"""Small backbones and pictures for the tests of fine-tuning."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from codelayer.nets.backbone import Backbone, Pictures, planned
from codelayer.transfer.finetune import FineTunedClassifier


def pictures(rows: int = 36, seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Noisy 8 x 8 pictures with a bright corner per class, uint8, and the classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    x = rng.integers(0, 120, (rows, 8, 8, 1))
    for row, one in enumerate(y):
        up, left = divmod(int(one), 2)
        x[row, 4 * up : 4 * up + 4, 4 * left : 4 * left + 4] += 100
    return x.astype(np.uint8), y


def block(a: int, b: int, stride: int = 1, norm: bool = True, drop: float = 0.0) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Conv2d(a, b, 3, stride, 1)]
    parts += [nn.BatchNorm2d(b)] if norm else []
    parts += [nn.ReLU(inplace=True)]
    parts += [nn.Dropout(drop)] if drop else []
    return nn.Sequential(*parts)


PREPARE = Pictures(8, 8, 1, (0.4,), (0.25,))


def small(norm: bool = True, drop: float = 0.0, seed: int = 0) -> Backbone:
    """Three blocks, and a head of its own that is never used."""
    torch.manual_seed(seed)
    net = nn.Sequential()
    for name, one in (
        ("b1", block(1, 4, 1, norm, drop)),
        ("b2", block(4, 6, 2, norm, drop)),
        ("b3", block(6, 8, 2, norm, drop)),
    ):
        net.add_module(name, one)
    net.add_module("tail", nn.Sequential(nn.Flatten(), nn.Linear(8 * 2 * 2, 5)))
    if norm:  # statistics that are not those of new pictures
        net.train()
        for at in range(5):
            net(torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(at)))
    return Backbone("small", net, {"b1": "b1", "b2": "b2", "b3": "b3"}, PREPARE)


class Residual(nn.Module):
    """A sum reaches across the first stage: nothing can enter behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.other = nn.Conv2d(1, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x))) + self.other(x)


class Ending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.end = Residual(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.body(x))


def crossing() -> Backbone:
    torch.manual_seed(0)
    return Backbone("crossing", Ending(), {"first": "body.first", "end": "end"}, PREPARE)


def plan_parts() -> tuple[dict, dict[str, np.ndarray]]:
    """The plan of a net with a sum inside its second stage, and its arrays."""
    rng = np.random.default_rng(0)
    ops = [
        {"op": "conv", "name": "a", "src": "input", "stride": 2, "act": "relu6"},
        {"op": "conv", "name": "b", "src": "a", "act": None},
        {"op": "add", "name": "c", "src": ["a", "b"]},
        {"op": "conv", "name": "d", "src": "c", "stride": 2, "act": "relu6"},
        {"op": "global_avg_pool", "name": "e", "src": "d"},
    ]
    arrays = {}
    for name, shape in (("a", (4, 1, 3, 3)), ("b", (4, 4, 3, 3)), ("d", (8, 4, 3, 3))):
        arrays[f"{name}.weight"] = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(0, 0.1, shape[0]).astype(np.float32)
    return {"ops": ops, "preprocessing": PREPARE.record()}, arrays


def plan() -> Backbone:
    """That net."""
    net, places = planned(*plan_parts())
    return Backbone("plan", net, places, PREPARE)


class Hungry(nn.Module):
    """Passes rows through, but has no memory for more than `most` of them in training."""

    def __init__(self, most: int, error: type[Exception] | None = None, text: str = "not enough memory") -> None:
        super().__init__()
        self.most, self.error, self.text = most, error or RuntimeError, text

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and len(x) > self.most:
            raise self.error(self.text)
        return x


def hungry(most: int, norm: bool, error: type[Exception] | None = None, text: str = "not enough memory") -> Backbone:
    found = small(norm)
    found.net.b2.add_module("hungry", Hungry(most, error, text))
    return found


X, Y = pictures()
QUICK = {"epochs": 3, "batch_size": 12, "random_state": 0, "start": "random"}


def state(backbone: Backbone) -> dict[str, np.ndarray]:
    """A copy of all that a net holds."""
    return {name: value.numpy().copy() for name, value in backbone.net.state_dict().items()}


def moved(before: dict, after: dict) -> set[str]:
    """Names of what is not the same any more."""
    return {name for name in before if not np.array_equal(before[name], after[name])}


def learned(**options) -> FineTunedClassifier:
    """A small net tuned on the pictures."""
    return FineTunedClassifier(**({"backbone": small()} | QUICK | options)).fit(X, Y)
