"""What does int8 lose, and does it pay?  CODELAYER_DATA=... python benchmarks/quantised.py  (about 8 min)

Codes of digits (mlp), coupon (table) and CIFAR-10 (conv): every int8 and float16 form beside the float graph, as
`codelayer ship quantise` judges them: error of the code and loss of a linear probe on rows that calibrated nothing,
size, and speed in turns on one thread.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from data_sets import folder
from machine import write
from PIL import Image

from codelayer import Autoencoder
from codelayer.data import load_data
from codelayer.ship.quantize import quantise
from codelayer.ship.quantprint import quantised_text

PICTURES = 8000


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    rows = []
    for make in MAKERS:
        title, coder, x, y = make()
        done = quantise(coder, x, y, rounds=9, seconds=1.0)
        print(title, quantised_text(done), sep="\n", flush=True)
        rows.append({"code": title, **done.record()})
    write("quantised", "What does int8 lose, and does it pay?", rows, threads=1)


Made = tuple[str, Any, Any, np.ndarray]


def digits() -> Made:
    """Pictures of 8 x 8, flat."""
    data = load_data("digits")
    x = np.asarray(data.x, np.float32).reshape(len(data.labels), -1)
    coder = Autoencoder(32, net="mlp(512, 256)", epochs=100, random_state=0).fit(x)
    return "digits, mlp(512, 256), code of 32", coder, x, data.labels


def coupon() -> Made:
    """A table of categories."""
    data = load_data(str(folder() / "coupon.csv.gz"), label="Y")
    coder = Autoencoder(32, "denoising", net="mlp(512, 256)", epochs=20, random_state=0).fit(data.x)
    return "coupon, denoising mlp(512, 256), code of 32", coder, data.x, data.labels


def cifar() -> Made:
    """Colour pictures of 32 x 32."""
    stored = np.load(folder() / "cifar10_train.npz")
    raw, offset = stored["jpeg"].tobytes(), stored["offset"]
    opened = [Image.open(io.BytesIO(raw[offset[i] : offset[i + 1]])) for i in range(PICTURES)]
    x = np.stack([np.asarray(one.convert("RGB")) for one in opened])
    coder = Autoencoder(128, net="conv(32, 64)", epochs=3, random_state=0).fit(x)
    return "CIFAR-10, conv(32, 64), code of 128", coder, x, stored["y"][:PICTURES]


MAKERS: tuple[Callable[[], Made], ...] = (digits, coupon, cifar)


if __name__ == "__main__":
    main()
