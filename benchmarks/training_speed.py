"""How fast is the training loop beside a bare one and three peers?  python benchmarks/training_speed.py  (about 2 min)

784-512-256-64 mirrored, squared loss, Adam, batch 256, one thread (set OMP_NUM_THREADS=1). Training steps alone, the
contestants taking turns in one process. `bare` is an in-memory loop with fused Adam; `dataloader` the usual DataLoader
loop with its default Adam; `mlpregressor` is the one of scikit-learn; `pythae` runs where it is installed.
Also a toy of 301 x 80 rows, and the share of the matrix product's peak that the bare loop reaches.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from machine import spread, write
from sklearn.neural_network import MLPRegressor
from torch import nn

from codelayer import Autoencoder
from codelayer.data.load import load_data
from codelayer.learn.loop import train
from codelayer.learn.sources import Rows

WIDTHS = (784, 512, 256, 64)


def layers(widths: tuple[int, ...]) -> nn.Sequential:
    """The mirrored net, its mean subtraction and all, as one Sequential."""
    sizes = [*widths, *reversed(widths[:-1])]
    parts: list[nn.Module] = []
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        parts.append(nn.Linear(a, b))
        if i not in (len(widths) - 2, len(sizes) - 2):
            parts.append(nn.ReLU())
    return nn.Sequential(*parts)


def bare(x: torch.Tensor, widths: tuple[int, ...], batch: int, epochs: int) -> float:
    """Seconds per epoch of the plainest fast loop."""
    net = layers(widths)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    started = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for rows in order.split(batch):
            seen = x[rows]
            loss = (net(seen) - seen).square().sum(1).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return (time.perf_counter() - started) / epochs


def ours(x: np.ndarray, widths: tuple[int, ...], batch: int, epochs: int) -> float:
    """Seconds per epoch of our loop, as it counts its own training steps."""
    net = f"mlp({', '.join(str(width) for width in widths[1:-1])})"
    coder = Autoencoder(widths[-1], "squared()", net=net, scale="none", random_state=0).prepare(x)
    rows = Rows(x, coder.schema_)
    loop = train(coder.model_, rows, epochs=epochs, batch_size=batch, learning_rate=1e-3)
    return sum(epoch.seconds for epoch in loop) / epochs


def dataloader(x: torch.Tensor, widths: tuple[int, ...], batch: int, epochs: int) -> float:
    """Seconds per epoch of the usual loop."""
    net = layers(widths)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=batch, shuffle=True)
    started = time.perf_counter()
    total = 0.0
    for _ in range(epochs):
        for (seen,) in loader:
            loss = nn.functional.mse_loss(net(seen), seen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
    return (time.perf_counter() - started) / epochs


def mlpregressor(x: np.ndarray, widths: tuple[int, ...], batch: int, epochs: int) -> float:
    """Seconds per epoch of scikit-learn's MLPRegressor fitted to its own input."""
    hidden = (*widths[1:], *reversed(widths[1:-1]))
    model = MLPRegressor(
        hidden_layer_sizes=hidden, batch_size=batch, max_iter=epochs, n_iter_no_change=epochs + 1, random_state=0
    )
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, x)
    return (time.perf_counter() - started) / epochs


def pythae(x: np.ndarray, widths: tuple[int, ...], batch: int, epochs: int) -> float:
    """Seconds per epoch of pythae's trainer on the same layers."""
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    half = len(widths) - 1

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers(widths)[: 2 * half - 1]

        def forward(self, seen: torch.Tensor) -> ModelOutput:
            return ModelOutput(embedding=self.layers(seen.reshape(len(seen), -1)))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers(widths)[2 * half - 1 :]

        def forward(self, code: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.layers(code))

    from pythae.data.datasets import BaseDataset

    model = AE(AEConfig(input_dim=(widths[0],), latent_dim=widths[-1]), Encoder(), Decoder())
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, per_device_train_batch_size=batch, learning_rate=1e-3, no_cuda=True
        )
        trainer = BaseTrainer(model, BaseDataset(torch.from_numpy(x), torch.zeros(len(x))), None, config)
        trainer.prepare_training()
        started = time.perf_counter()
        for epoch in range(epochs):
            trainer.train_step(epoch)
        return (time.perf_counter() - started) / epochs


def peak_share(seconds_per_epoch: float, rows: int, widths: tuple[int, ...]) -> float:
    """The bare loop's share of the peak of a large matrix product on this thread."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    times = []
    for _ in range(20):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    peak = 2 * 1024**3 / min(times)
    sizes = [*widths, *reversed(widths[:-1])]
    work = sum(x * y for x, y in itertools.pairwise(sizes))
    done = 2 * rows * (3 * work - sizes[0] * sizes[1])  # no gradient of the input
    return done / seconds_per_epoch / peak


def race(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds per epoch of each, taking turns; a first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            seconds = run()
            if number:
                times[name].append(seconds)
    return times


def main() -> None:
    """Run both races and write the results."""
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    flat = load_data("mnist").x.reshape(-1, 784)[:12_800].astype(np.float32) / 255
    tensor = torch.from_numpy(flat)
    contestants: dict[str, Callable[[], float]] = {
        "codelayer": lambda: ours(flat, WIDTHS, 256, 1),
        "bare": lambda: bare(tensor, WIDTHS, 256, 1),
        "dataloader": lambda: dataloader(tensor, WIDTHS, 256, 1),
        "mlpregressor": lambda: mlpregressor(flat, WIDTHS, 256, 1),
    }
    if importlib.util.find_spec("pythae"):
        contestants["pythae"] = lambda: pythae(flat, WIDTHS, 256, 1)
    mnist = race(contestants, rounds)
    toy = np.random.default_rng(0).normal(size=(301, 80)).astype(np.float32)
    small = (80, 40, 20, 10)
    toys = race(
        {
            "codelayer": lambda: ours(toy, small, 32, 30),
            "bare": lambda: bare(torch.from_numpy(toy), small, 32, 30),
        },
        rounds,
    )
    rows = []
    for data, times in (("mnist 12,800 rows, 784-512-256-64", mnist), ("toy 301 x 80, 80-40-20-10", toys)):
        for name, values in times.items():
            ratios = [b / v for b, v in zip(times["bare"], values, strict=True)]
            faster = [v / o for v, o in zip(values, times["codelayer"], strict=True)]
            rows.append(
                {
                    "data": data,
                    "loop": name,
                    "seconds_per_epoch": spread(values),
                    "speed_of_bare": spread(ratios),
                    "codelayer_is_faster_by": spread(faster),
                }
            )
            print(
                f"{data}: {name} {np.median(values):.3f} s per epoch, {np.median(ratios):.1%} of bare, "
                f"codelayer x {np.median(faster):.2f}"
            )
    share = peak_share(float(np.median(mnist["bare"])), len(flat), WIDTHS)
    print(f"the bare loop reaches {share:.0%} of the matrix product's peak")
    write(
        "training_speed",
        "How fast is the training loop beside a bare one and three peers?",
        rows,
        threads=1,
        rounds=rounds,
        bare_share_of_peak=share,
    )


if __name__ == "__main__":
    main()
