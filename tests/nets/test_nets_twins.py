"""Random twins of nets beyond plain convolutions: standardised weights, root mean squares, nets that collapse."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from transfer_cases import pictures

from codelayer.nets.backbone import Backbone, Pictures, calibrate, random_twin


class Standardised(nn.Conv2d):
    """A convolution whose weights are standardised and scaled by a gain (Brock et al. 2021), as timm has it."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel)
        self.gain = nn.Parameter(torch.full((outputs, 1, 1, 1), 3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deviation, mean = torch.std_mean(self.weight, (1, 2, 3), keepdim=True, correction=0)
        scaled = (self.weight - mean) / deviation * self.gain * self.weight[0].numel() ** -0.5
        return nn.functional.conv2d(x, scaled, self.bias)


class Gained(nn.Conv2d):
    """A plain convolution with a parameter of the same name that is something else."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel)
        self.gain = nn.Parameter(torch.full((outputs,), 3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * self.gain[:, None, None]


class RmsNorm(nn.Module):
    """Root mean square of another library, without torch's name or a way to reset it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.full((width,), 7.0)), nn.Parameter(torch.full((width,), 7.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.weight[:, None, None], self.bias[:, None, None]
        return x * (x.square().mean(1, keepdim=True) + 1e-6).rsqrt() * weight + bias


ROWS = Pictures(12, 12)(pictures(30)[0])


def twin_of(*layers: nn.Module) -> Backbone:
    torch.manual_seed(0)
    return random_twin(Backbone("net", nn.Sequential(*layers), {"end": str(len(layers) - 1)}, Pictures(12, 12)), 1)


def quietly(twin: Backbone) -> Backbone:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibrate(twin, ROWS)
    return twin


@pytest.mark.parametrize(("kind", "name"), [(Standardised, "gain"), (Gained, "weight"), (nn.Conv2d, "weight")])
def test_a_convolution_is_scaled_where_scaling_changes_its_answer(kind, name):
    twin = twin_of(kind(3, 5, 3), nn.ReLU(), kind(5, 6, 3))
    before = {one: value.clone() for one, value in twin.net.state_dict().items()}
    if kind is not nn.Conv2d:
        assert (before["0.gain"] == 1).all(), "a gain starts at 1 and is not drawn"
    quietly(twin)
    moved = {one for one, value in twin.net.state_dict().items() if not torch.equal(value, before[one])}
    assert moved == {f"{at}.{one}" for at in (0, 2) for one in (name, "bias")}
    x = ROWS
    for layer in twin.net:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            deviation, mean = torch.std_mean(x, (0, 2, 3), correction=0)
            np.testing.assert_allclose(mean.detach(), 0, atol=1e-4)
            np.testing.assert_allclose(deviation.detach(), 1, atol=1e-4)


def test_a_deep_twin_of_standardised_convolutions_tells_rows_apart():
    twin = quietly(twin_of(*[layer for _ in range(5) for layer in (Standardised(3, 3, 3), nn.ReLU())]))
    assert float(twin.pooled(twin.walk(ROWS)["end"]).std(0).mean()) > 0.05


@pytest.mark.parametrize("norm", [nn.RMSNorm([5, 10, 10]), nn.InstanceNorm2d(5, affine=True), RmsNorm(5)])
def test_scales_of_any_normalisation_start_at_1_and_shifts_at_0(norm):
    twin = twin_of(nn.Conv2d(3, 5, 3), norm)
    drawn = dict(twin.net[1].named_parameters())
    assert (drawn["weight"] == 1).all() and all((one == 0).all() for name, one in drawn.items() if name == "bias")


def test_statistics_of_instance_normalisation_come_from_the_rows():
    twin = twin_of(nn.Conv2d(3, 5, 3), nn.InstanceNorm2d(5, momentum=0.3, track_running_stats=True), nn.ReLU())
    quietly(twin)
    inside = twin.net[0](ROWS).detach()
    np.testing.assert_allclose(twin.net[1].running_mean, inside.mean((0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(twin.net[1].running_var, inside.var((2, 3)).mean(0), rtol=1e-4)
    assert twin.net[1].momentum == 0.3 and not twin.net[1].training


class Vanishing(nn.Module):
    """Next to nothing of what goes in."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1e-9 * x + 1


def test_a_twin_that_does_not_tell_rows_apart_says_so():
    twin = twin_of(nn.Conv2d(3, 5, 3), Vanishing())
    with pytest.warns(UserWarning, match="random:net does not tell rows apart: over 8 different rows"):
        calibrate(twin, ROWS)
    assert twin.calibrated


def test_rows_that_are_equal_need_not_be_told_apart():
    twin = twin_of(nn.Conv2d(3, 5, 3), Vanishing())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibrate(twin, ROWS[:1].repeat(6, 1, 1, 1))
