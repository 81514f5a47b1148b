"""The range test: rates in equal factors, losses before each step, a suggestion, nothing moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from tuning_cases import pictures, small

from codelayer.errors import SentenceError
from codelayer.objective.trace import generator
from codelayer.transfer.finetune import FineTunedClassifier
from codelayer.transfer.rates import rate_range

X, Y = pictures()


def test_rates_climb_losses_are_those_of_a_plain_loop_and_nothing_is_moved():
    net = small(norm=False)
    model = FineTunedClassifier(net, tune="head", start="random", batch_size=12, random_state=0)
    before = net.weights_hash()
    found = rate_range(model, X, Y, 1e-4, 100.0, 40)
    assert net.weights_hash() == before and not hasattr(model, "backbone_")
    tried = len(found.rates)
    np.testing.assert_allclose(found.rates, 1e-4 * (1e6 ** (np.arange(tried) / 39)), rtol=1e-9)
    features = torch.from_numpy(net.vectors(X)["b3"])
    head = nn.Linear(8, 3)
    stream = generator(0, "head", 0)
    with torch.no_grad():
        head.weight.normal_(0.0, 0.5 * 8**-0.5, generator=stream)
        head.bias.zero_()
    optimizer, losses, labels = torch.optim.AdamW(head.parameters(), lr=1.0), [], torch.from_numpy(Y)
    for step in range(tried):
        order = torch.randperm(36, generator=generator(0, "order", step // 3))
        rows = order[12 * (step % 3) : 12 * (step % 3) + 12]
        optimizer.param_groups[0]["lr"] = float(found.rates[step])
        loss = nn.functional.cross_entropy(head(features[rows]), labels[rows])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(found.losses[:15], losses[:15], rtol=1e-4)
    smooth, mean = [], 0.0
    for step, loss in enumerate(found.losses):
        mean = 0.98 * mean + 0.02 * loss
        smooth.append(mean / (1 - 0.98 ** (step + 1)))
    np.testing.assert_allclose(found.smoothed, smooth, rtol=1e-9)
    assert found.suggested == pytest.approx(found.rates[int(np.argmin(smooth))] / 10)


def test_it_stops_at_four_times_the_best_loss():
    model = FineTunedClassifier(small(norm=False), start="probe", batch_size=12, random_state=0)
    found = rate_range(model, X, Y, steps=60)
    assert len(found.rates) < 60 and found.smoothed[-1] > 4 * found.smoothed.min()
    assert (found.smoothed[:-1] <= 4 * np.minimum.accumulate(found.smoothed)[:-1]).all()


def test_the_picture_shows_the_suggestion():
    found = rate_range(FineTunedClassifier(small(), start="random", random_state=0), X, Y, steps=30)
    picture = str(found.figure())
    assert picture.startswith("<") and "svg" in picture and "learning rate" in picture
    assert f"suggested {found.suggested:.2g}" in picture


def test_a_loss_that_never_fell_suggests_nothing():
    found = rate_range(FineTunedClassifier(small(), start="probe", random_state=0), X, Y, 100.0, 1000.0, 5)
    assert found.suggested is None and "suggested" not in str(found.figure())


@pytest.mark.parametrize("odd", [(0.0, 1.0, 5), (1.0, 0.1, 5), (1e-3, 1.0, 1)])
def test_rates_that_do_not_climb_are_refused(odd):
    with pytest.raises(SentenceError, match="are not possible"):
        rate_range(FineTunedClassifier(small()), X, Y, *odd)
