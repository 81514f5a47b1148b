"""Normalisation layers in fine-tuning: running statistics of any kind, what "norms" means, what failed parts leave."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from tuning_cases import PREPARE, QUICK, Hungry, X, Y, learned, moved, state

from codelayer.nets.backbone import Backbone
from codelayer.nets.backbone.norms import is_norm, keeps_statistics, reads_batch
from codelayer.transfer.finetune import FineTunedClassifier

BATCH, PLAIN = nn.BatchNorm2d(4), nn.BatchNorm2d(4, track_running_stats=False)
INSTANCE, RUNNING = nn.InstanceNorm2d(4), nn.InstanceNorm2d(4, track_running_stats=True)


class RmsNorm2d(nn.Module):
    """Root mean square over channels, as other libraries have it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (x.square().mean(1, keepdim=True) + 1e-6).rsqrt() * self.weight[:, None, None]


def with_norm(norm: nn.Module) -> Backbone:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Conv2d(4, 6, 3)]
    return Backbone("normed", nn.Sequential(*layers), {"one": "2", "two": "3"}, PREPARE)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (BATCH, (True, True, True)),
        (PLAIN, (True, False, True)),
        (INSTANCE, (True, False, False)),
        (RUNNING, (True, True, False)),
        (nn.LayerNorm(4), (True, False, False)),
        (nn.GroupNorm(2, 4), (True, False, False)),
        (nn.RMSNorm(4), (True, False, False)),
        (RmsNorm2d(4), (True, False, False)),
        (nn.Conv2d(1, 4, 3), (False, False, False)),
        (nn.Sequential(nn.BatchNorm2d(4)), (False, False, False)),
    ],
)
def test_what_is_a_normalisation_keeps_statistics_and_reads_other_rows(module, expected):
    assert (is_norm(module), keeps_statistics(module), reads_batch(module)) == expected
    if isinstance(module, nn.Sequential | nn.Conv2d):
        return
    x = torch.randn(6, 4, 5, 4, generator=torch.Generator().manual_seed(0))
    before = {name: one.clone() for name, one in module.named_buffers()}
    module.train()
    with torch.no_grad():
        whole, part = module(x), module(x[:3])
    assert torch.allclose(whole[:3], part, atol=1e-6) is not reads_batch(module)
    after = dict(module.named_buffers())
    assert any(not torch.equal(one, after[name]) for name, one in before.items()) is keeps_statistics(module)


def test_a_start_from_a_probe_keeps_running_statistics_of_instance_normalisation():
    net = with_norm(nn.InstanceNorm2d(4, affine=True, track_running_stats=True))
    statistics = {"1.running_mean", "1.running_var"}
    kept = moved(state(net), state(learned(backbone=net, start="probe").backbone_))
    assert "1.weight" in kept and not statistics & kept
    assert statistics <= moved(state(net), state(learned(backbone=net).backbone_))


@pytest.mark.parametrize("norm", [RmsNorm2d(4), nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4)])
def test_norms_moves_normalisation_layers_of_any_kind(norm):
    net = with_norm(norm)
    tuned = learned(backbone=net, tune="norms")
    assert moved(state(net), state(tuned.backbone_)) == {f"1.{name}" for name, _ in norm.named_parameters()}


class Counting(nn.Module):
    """Counts its passes in training, and rows of a buffer that lies in memory only once."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(2))
        self.register_buffer("spread", torch.zeros(1).expand(3), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.passes += 1
        return x


def test_a_failed_part_leaves_no_trace_in_any_buffer():
    net = with_norm(Counting())
    net.net.insert(3, Hungry(6))
    model = FineTunedClassifier(net, **QUICK)
    tuning = model.tuning(*model.checked(X, Y), 0)
    tuning.paces.at(0)
    tuning.gradient(torch.arange(12), 0)
    assert tuning.joined.net[1].passes.tolist() == [2, 2] and tuning.parts.count == 2
