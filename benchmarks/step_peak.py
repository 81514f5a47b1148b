"""What share of the matrix product's peak does a training step reach?  python benchmarks/step_peak.py  (about 3 min)

Autoencoder 784-1000-500-250-30 mirrored, squared(), the package's own loop (learn/loop.train), one thread (set
OMP_NUM_THREADS=1), MNIST. The peak is that of the best of several large square float32 products, measured between the
epochs in turns; a share holds a step against the peak of its own round. The work of a step is counted as three
products per layer (forward, weights, inputs) less the input's gradient of the first layer; activations, biases, the
loss and Adam are work that is not counted. Beside it stand what the bare products of one step take, without anything
between them, and what Adam takes. Time is the processor time of this process, so that being put aside for other
processes does not count; the share by the clock is kept too.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import torch
from machine import spread, write

from codelayer import Autoencoder
from codelayer.data.load import load_data
from codelayer.learn.adam import Adam
from codelayer.learn.loop import train
from codelayer.learn.sources import Rows

WIDTHS = (784, 1000, 500, 250, 30)
BATCHES = (128, 256, 1024)
SIZES = (1024, 1536, 2048)
ROUNDS = 25
STEPS = {128: 8, 256: 4, 1024: 1}


def pairs() -> list[tuple[int, int]]:
    """(inputs, outputs) of every layer."""
    return list(itertools.pairwise([*WIDTHS, *reversed(WIDTHS[:-1])]))


def step_flops(batch: int) -> float:
    """Floating-point operations of the products of one step."""
    work = sum(a * b for a, b in pairs())
    return 2.0 * batch * (3 * work - WIDTHS[0] * WIDTHS[1])


def peak() -> float:
    """GFLOP/s of the best of a few large square products."""
    best = 0.0
    for size in SIZES:
        a, b, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
        started = time.process_time()
        torch.mm(a, b, out=out)
        best = max(best, 2 * size**3 / (time.process_time() - started) / 1e9)
    return best


def products(batch: int) -> float:
    """Seconds of the products of one step alone, in the shapes and layouts of the step."""
    layers = [(torch.randn(batch, a), torch.randn(b, a), torch.randn(batch, b)) for a, b in pairs()]
    started = time.process_time()
    for x, weight, _ in layers:
        x @ weight.t()
    for number, (x, weight, grad) in enumerate(layers):
        grad.t() @ x
        if number:
            grad @ weight
    return time.process_time() - started


def moves(optimizer: Adam) -> float:
    """Seconds of one step of Adam."""
    for one in optimizer.parameters:
        one.grad = torch.zeros_like(one)
    started = time.process_time()
    optimizer.step(0.0)
    return time.process_time() - started


def _shares(work: float, seconds: list[float], peaks: list[float]) -> dict[str, float]:
    return spread([work / s / p for s, p in zip(seconds, peaks, strict=True)])


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    x = load_data("mnist").x.reshape(-1, 784)[: max(STEPS[b] * b for b in BATCHES)].astype(np.float32) / 255
    rows = []
    for batch in BATCHES:
        few = x[: STEPS[batch] * batch]
        coder = Autoencoder(30, "squared()", "mlp(1000, 500, 250)", scale="none", random_state=0).prepare(few)
        loop = train(coder.model_, Rows(few, coder.schema_), epochs=ROUNDS + 1, batch_size=batch, learning_rate=1e-3)
        peaks, steps, alone, moved, clocked = [], [], [], [], []
        before = time.process_time()
        optimizer = Adam(coder.model_.parameters())
        for number, epoch in enumerate(loop):
            if number:  # the first epoch warms up
                steps.append((time.process_time() - before) / STEPS[batch])
                clocked.append(epoch.seconds / STEPS[batch])
                peaks.append(peak())
                alone.append(min(products(batch) for _ in range(2)))
                moved.append(min(moves(optimizer) for _ in range(2)))
            before = time.process_time()
        work = step_flops(batch) / 1e9
        rows.append(
            {
                "batch": batch,
                "peak_gflops": spread(peaks),
                "step_ms": spread([1e3 * s for s in steps]),
                "share_of_peak": _shares(work, steps, peaks),
                "best_step_of_best_peak": work / min(steps) / max(peaks),
                "share_by_the_clock": _shares(work, clocked, peaks),
                "products_share_of_peak": _shares(work, alone, peaks),
                "adam_ms": spread([1e3 * s for s in moved]),
            }
        )
        print(rows[-1], flush=True)
    question = "What share of the matrix product's peak does a training step reach?"
    write("step_peak", question, rows, rounds=ROUNDS, threads=1, widths=WIDTHS)


if __name__ == "__main__":
    main()
