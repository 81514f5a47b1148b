"""How far below PCA does a deep autoencoder get on MNIST?  python benchmarks/hinton_2006.py [PASSES]  (about 40 min)

784-1000-500-250-30 with a linear code, squared error per picture on the 10,000 test pictures, pixels in [0, 1]:
published 3.00 (Hinton and Salakhutdinov 2006), PCA-30 13.87. Plain training overfits (train 2.6, test 4.05 after 60
epochs), so the work is in the regularising: the net sees each training picture beside copies that are turned, scaled
and shifted a little, and nothing else is done about it. Nothing was tuned on the test
pictures; they are read once, at the end.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from machine import write

from codelayer import Autoencoder, Pca
from codelayer.data.augment import affine
from codelayer.data.load import load_data
from codelayer.data.named import stored

NET = 'mlp(1000, 500, 250, activation="gelu")'
COPIES, STRENGTH = 7, 0.06


def enlarged(pictures: np.ndarray, copies: int, strength: float) -> np.ndarray:
    """The pictures and altered copies of them, uint8 (n * (1 + copies), 28, 28)."""
    rng = np.random.default_rng(0)
    parts = [pictures]
    for _ in range(copies):
        for block in np.array_split(pictures, 12):
            grey = block[..., None].astype(np.float32) / 255
            parts.append(np.round(affine(grey, strength, rng)[..., 0] * 255).astype(np.uint8))
    return np.concatenate(parts)


def squared_error(coder: Autoencoder | Pca, pictures: np.ndarray) -> float:
    """Squared error per picture, pixels in [0, 1]."""
    truth = pictures.reshape(len(pictures), -1).astype(np.float32) / 255
    rebuilt = coder._decode_block(coder.transform(pictures))
    return float(((truth - rebuilt) ** 2).sum(1).mean())


def main() -> None:
    """Train, read the test pictures once, write the result."""
    passes = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    train = load_data("mnist").x
    path = stored("mnist")
    if path is None:
        raise SystemExit("set CODELAYER_DATA to the folder that holds mnist.npz")
    with np.load(path) as arrays:
        test = arrays["x_test"]
    pca = Pca(30, random_state=0).fit(train)
    rows = enlarged(train, COPIES, STRENGTH)
    coder = Autoencoder(
        30, "squared()", net=NET, epochs=passes, batch_size=256, learning_rate=1e-3, validation=0.0, random_state=0
    )
    started = time.perf_counter()
    for epoch in coder.fit_epochs(rows):
        print(f"pass {epoch.number}: {epoch.terms['squared']:.3f}, {time.perf_counter() - started:.0f} s", flush=True)
    seconds = time.perf_counter() - started
    result = {
        "net": NET,
        "code_size": 30,
        "passes": passes,
        "copies": COPIES,
        "strength": STRENGTH,
        "seed": 0,
        "seconds": seconds,
        "train": squared_error(coder, train),
        "test": squared_error(coder, test),
        "pca_30_train": squared_error(pca, train),
        "pca_30_test": squared_error(pca, test),
        "published_test": 3.00,
        "n_test": len(test),
    }
    truth = test.reshape(len(test), -1).astype(np.float32) / 255
    per_picture = ((truth - coder._decode_block(coder.transform(test))) ** 2).sum(1)
    result["test_interval"] = [
        result["test"] - 1.96 * per_picture.std() / 100,
        result["test"] + 1.96 * per_picture.std() / 100,
    ]
    print(result)
    write(
        "hinton_2006",
        "How far below PCA does a deep autoencoder get on MNIST?",
        [result],
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
