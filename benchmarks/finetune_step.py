"""What does a step of fine-tuning cost beside a bare loop?  python benchmarks/finetune_step.py [rounds]  (about 4 min)

MobileNet v1 0.25 on CIFAR-10 pictures brought to 64 x 64, and a small net with batch normalisation on pictures of
32 x 32; batch 32, AdamW with a rate per stage, one-cycle, one thread (set OMP_NUM_THREADS=1). `bare` is the plainest
loop of torch with the same groups, rates and prepared pictures in memory, and torch's fused AdamW. They take turns in
one process. The first stages of a net whose last stage alone is tuned are run once and kept; the bare loop runs them
at every step.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from data_sets import folder
from machine import spread, write
from torch import nn

from codelayer.data.load import load_data
from codelayer.nets.backbone import Backbone, Pictures
from codelayer.transfer import FineTunedClassifier, open_backbone

ROWS, BATCH, STEPS = 320, 32, 10
BAR = 1.1


def mobilenet() -> Backbone:
    """MobileNet v1 0.25 for pictures of 64 x 64."""
    return open_backbone(f"file:{folder() / 'mobilenet_v1_0.25_128.npz'}", size=64)


def small() -> Backbone:
    """Four convolutions with batch normalisation."""
    torch.manual_seed(0)
    net, last = nn.Sequential(), 3
    for at, width in enumerate((16, 32, 64, 64), 1):
        block = nn.Sequential(nn.Conv2d(last, width, 3, 1 if at == 1 else 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        net.add_module(f"block{at}", block)
        last = width
    places = {f"block{at}": f"block{at}" for at in range(1, 5)}
    return Backbone("small", net, places, Pictures(32, 32, 3, (0.5,) * 3, (0.25,) * 3))


def body(backbone: Backbone) -> nn.Sequential:
    """All layers up to the last stage, one after the other, in the mode they are in."""
    steps = getattr(backbone.net, "steps", backbone.net)
    names = list(steps._modules)
    end = names.index(backbone.places[backbone.last].removeprefix("steps.")) + 1
    return nn.Sequential(*(steps[at] if steps is backbone.net else steps[names[at]] for at in range(end)))


def ours(backbone: Backbone, x: np.ndarray, y: np.ndarray, options: dict) -> Callable[[], float]:
    """Seconds per step of one epoch, as the loop counts its own steps."""

    def run() -> float:
        model = FineTunedClassifier(backbone, **options, batch_size=BATCH, epochs=1, random_state=0, start="random")
        model.fit(x, y)
        return model.train_seconds_ / STEPS

    return run


def bare(backbone: Backbone, x: np.ndarray, y: np.ndarray, options: dict) -> Callable[[], float]:
    """Seconds per step of the plainest loop with the same groups."""
    prepared, labels = backbone.prepare(x), torch.from_numpy(y)
    width = backbone.widths(x)[backbone.last]

    def run() -> float:
        net, head = backbone.copy(), nn.Linear(width, 10)
        stages = net.stages if options["tune"] == "all" else net.stages[-1:]
        known = dict(net.net.named_parameters())
        for one in net.parameters():
            one.requires_grad_(False)
        groups, rates = [], []
        for at, stage in enumerate(stages):
            own = [known[name].requires_grad_(True) for name in net.by_stage()[stage] if name in known]
            groups.append({"params": own})
            rates.append(1e-3 / 2.6 ** (len(stages) - at))
        groups.append({"params": list(head.parameters())})
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
        plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, [*rates, 1e-3], total_steps=STEPS + 1)
        if options["tune"] == "all":
            net.net.train()
        front = body(net)
        started = time.perf_counter()
        for rows in torch.randperm(ROWS).split(BATCH):
            loss = nn.functional.cross_entropy(head(front(prepared[rows]).mean((2, 3))), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            plan.step()
            loss.item()
        return (time.perf_counter() - started) / STEPS

    return run


def main() -> None:
    """Run the races and write the results."""
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    data = load_data(str(folder() / "cifar10_train.npz"))
    x, y = np.asarray(data.x[:ROWS]), np.unique(data.labels[:ROWS], return_inverse=True)[1].astype(np.int64)
    records = []
    for net, backbone in (("MobileNet v1 0.25, 64 x 64", mobilenet()), ("4 convolutions with BN, 32 x 32", small())):
        for tune in ("all", "last"):
            options = {"tune": tune, "rates": 2.6}
            ways = {"codelayer": ours(backbone, x, y, options), "bare": bare(backbone, x, y, options)}
            times: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(rounds + 1):
                for name, run in ways.items():
                    seconds = run()
                    if number:
                        times[name].append(seconds)
            ratios = [a / b for a, b in zip(times["codelayer"], times["bare"], strict=True)]
            records.append(
                {
                    "net": net,
                    "tune": tune,
                    "codelayer_ms": spread([1000 * one for one in times["codelayer"]]),
                    "bare_ms": spread([1000 * one for one in times["bare"]]),
                    "times_bare": spread(ratios),
                    "bar": BAR,
                }
            )
            middle = np.quantile(ratios, [0.25, 0.5, 0.75])
            records[-1]["times_bare_quartiles"] = middle.tolist()
            print(f"{net}, {tune}: {middle[1]:.3f} times bare [{middle[0]:.3f}, {middle[2]:.3f}]", flush=True)
    write(
        "finetune_step", "What does a step of fine-tuning cost beside a bare loop?", records, rounds=rounds, threads=1
    )


if __name__ == "__main__":
    main()
