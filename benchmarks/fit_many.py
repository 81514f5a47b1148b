"""Is one pass for eight small objectives faster than eight fits?  python benchmarks/fit_many.py  (about 3 min)

Digits, mlp(depth=2), code of 32, one thread, 20 epochs, the two ways taking turns. Three lists of eight: eight
sentences that share no more than their net; the four recipes that a study fits on this net, at two seeds; eight seeds
of one sentence.
"""

from __future__ import annotations

import time
import warnings

import torch
from machine import spread, write

from codelayer import Autoencoder
from codelayer.data.load import load_data
from codelayer.learn.many import fit_many

SENTENCES = (
    "squared()",
    "mask(0.2)",
    "noise(0.2)",
    "relu() + l1(0.03) + unit_norm()",
    "topk(0.1)",
    "sigmoid() + kl(0.1)",
    "huber()",
    "salt(0.1)",
)
RECIPES = ("undercomplete", "denoising", "sparse", "k_sparse")
SEEDS = range(8)
ROUNDS = 5
LISTS = {
    "8 sentences": [(text, 0) for text in SENTENCES],
    "4 recipes, 2 seeds": [(text, seed) for seed in SEEDS[:2] for text in RECIPES],
    "1 sentence, 8 seeds": [("mask(0.2)", seed) for seed in SEEDS],
}


def coders(fits: list[tuple[str, int]]) -> list[Autoencoder]:
    """Unfitted autoencoders of one shape, one per (sentence, seed)."""
    return [Autoencoder(32, text, net="mlp(depth=2)", epochs=20, random_state=seed) for text, seed in fits]


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    x = load_data("digits").x
    rows = []
    for name, fits in LISTS.items():
        alone, together, processor = [], [], []
        for number in range(ROUNDS + 1):
            started, used = time.perf_counter(), time.process_time()
            for coder in coders(fits):
                coder.fit(x)
            middle, used_alone = time.perf_counter(), time.process_time() - used
            fit_many(coders(fits), x)
            if number:  # the first round warms up
                alone.append(middle - started)
                together.append(time.perf_counter() - middle)
                processor.append(used_alone / (time.process_time() - used - used_alone))
        ratio = [a / b for a, b in zip(alone, together, strict=True)]
        row = {"fits": name, "alone": spread(alone), "together": spread(together), "faster_by": spread(ratio)}
        rows.append({**row, "less_processor_time_by": spread(processor)})
        print(rows[-1])
    question = "Is one pass for eight small objectives faster than eight fits?"
    write("fit_many", question, rows, rounds=ROUNDS, threads=1, sentences=SENTENCES)


if __name__ == "__main__":
    main()
