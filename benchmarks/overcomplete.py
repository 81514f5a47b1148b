"""Does regularising make wide codes useful?  python benchmarks/overcomplete.py [--quick]  (about 10 min, 1 core)

One hidden layer with twice as many units as features, with a regulariser and without it: the control is the same
sentence on the same net with the regulariser taken out. Scored by the measure package's linear probe at 1, 5, 10, 50
and 100 labels per class. Weights are chosen on the choose part (first seed), the scores come from the report part.
Five seeds move weights, order, draws of noise and of labels; intervals resample label draws and scored rows, paired.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
import torch
from machine import write
from svg_plots import Line, curves

from codelayer import Autoencoder, Pca, RawFeatures
from codelayer.data.load import Data, load_data
from codelayer.data.named import stored
from codelayer.measure import Curve, area_interval, curve_bands, join_curves, label_curve, label_draws, paired_interval
from codelayer.study.parts import Parts, make_parts

QUICK = "--quick" in sys.argv
SEEDS, DRAWS, COUNTS = (1, 2, (1, 5)) if QUICK else (5, 4, (1, 5, 10, 50, 100))
EPOCHS = {"digits": 60, "dry_bean": 25, "mnist 14 x 14": 16}
SMALL = "mlp()"
TIED = "mlp(tied=True)"
# name: sentence with a place for the weight, weights to choose from, the control, the net of both
REGULARISED: dict[str, tuple[str, tuple[float, ...], str, str]] = {
    "mask": ("mask({}) + relu()", (0.1, 0.3), "relu()", SMALL),
    "noise": ("noise({}) + relu()", (0.1, 0.3), "relu()", SMALL),
    "l1": ("relu() + l1({}) + unit_norm()", (0.01, 0.1), "relu()", SMALL),
    "topk": ("topk({})", (0.1, 0.3), "squared()", SMALL),
    "contractive": ("sigmoid() + contractive({})", (0.1, 3.0), "sigmoid()", TIED),
    "psd": ("shrink(0.1) + infer({}) + predict(1.0) + unit_norm()", (0.03, 0.1), "squared()", SMALL),
}


def sets() -> dict[str, Data]:
    """Digits, a table and small MNIST; the latter two from the data folder, else wine and breast_cancer."""
    digits, folder = load_data("digits"), stored("mnist")
    if folder is None:
        return {"digits": digits, "wine": load_data("wine"), "breast_cancer": load_data("breast_cancer")}
    rng = np.random.default_rng(0)
    bean = load_data(str(folder.with_name("tab_dry_bean.parquet")), label="Class")
    mnist = load_data("mnist").take(np.sort(rng.permutation(60_000)[:5000]))
    # 2 x 2 means: a code of twice 784 units would not train in minutes
    whole = np.asarray(mnist.x, np.float32).reshape(-1, 14, 2, 14, 2).mean((2, 4)) / 255
    small = Data(**{**vars(mnist), "x": whole.reshape(len(whole), -1).astype(np.float32)})
    return {
        "digits": digits,
        "dry_bean": bean.take(np.sort(rng.permutation(len(bean.x))[:5000])),
        "mnist 14 x 14": small,
    }


class Race:
    """All codes of one data set."""

    def __init__(self, name: str, data: Data) -> None:
        self.name, self.parts = name, make_parts(data, None, "class", 0)
        self.x, self.y = self.parts.rows("train"), self.parts.known_labels("train")
        self.raw = RawFeatures().fit(self.x)
        self.features = self.raw.units
        smallest = min(np.unique(self.y, return_counts=True)[1])
        self.counts = [count for count in COUNTS if count <= smallest]

    def curve(self, coder: Any, seed: int, part: str) -> Curve:
        """The label curve of a fitted coder on a part; label draws depend on the seed alone."""
        picked = {count: label_draws(self.y, count, 100 + seed, DRAWS, "class") for count in self.counts}
        codes = coder.transform(self.x), coder.transform(self.parts.rows(part))
        return label_curve(codes[0], self.y, codes[1], self.parts.known_labels(part), picked=picked, task="class")

    def fit(self, sentence: str, net: str, seed: int) -> Autoencoder:
        """One wide code."""
        epochs = 1 if QUICK else EPOCHS.get(self.name, 60)
        options: dict[str, Any] = {"epochs": epochs, "batch_size": 128, "learning_rate": 0.002, "validation": 0.0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # wider than its features: that is the question
            return Autoencoder(2 * self.features, sentence, net=net, random_state=seed, **options).fit(self.x)

    def chosen(self, pattern: str, grid: tuple[float, ...], net: str) -> float:
        """The weight with the largest area on the choose part."""
        grid = grid[:1] if QUICK else grid
        areas = [self.curve(self.fit(pattern.format(weight), net, 50), 50, "choose").area for weight in grid]
        return grid[int(np.argmax(areas))]

    def seeds(self, sentence: str, net: str) -> tuple[Curve, float]:
        """The joined curve of all seeds on the report part, and the mean share of units that never vary."""
        coders = [self.fit(sentence, net, seed) for seed in range(SEEDS)]
        dead = [len(coder.dead_units_) / (2 * self.features) for coder in coders]
        joined = join_curves([self.curve(coder, seed, "report") for seed, coder in enumerate(coders)])
        return joined, float(np.mean(dead))

    def run(self) -> list[dict[str, Any]]:
        """One record per code."""
        weights = {name: self.chosen(p, grid, net) for name, (p, grid, _, net) in REGULARISED.items()}
        parts: Parts = self.parts
        parts.open_report()
        size = min(32, self.features // 2)
        pca = Pca(size, random_state=0).fit(self.x)
        found: dict[str, tuple[Curve, float]] = {
            "raw features": (join_curves([self.curve(self.raw, seed, "report") for seed in range(SEEDS)]), 0.0),
            f"PCA {size}": (join_curves([self.curve(pca, seed, "report") for seed in range(SEEDS)]), 0.0),
        }
        control = {}
        for name, (pattern, _, without, net) in REGULARISED.items():
            if without not in found:
                found[without] = self.seeds(without, net)
                self.say(without, found[without][0])
            sentence = pattern.format(weights[name])
            found[sentence] = self.seeds(sentence, net)
            control[sentence] = without
            self.say(sentence, found[sentence][0])
        return [self.record(sentence, found, control.get(sentence)) for sentence in found]

    def record(self, sentence: str, found: dict[str, tuple[Curve, float]], without: str | None) -> dict[str, Any]:
        """What is written of one code."""
        curve, dead = found[sentence]
        pca = next(name for name in found if name.startswith("PCA"))
        against = {"control": without, "raw": "raw features", "pca": pca}
        differences = {
            kind: list(paired_interval(curve, found[other][0])) for kind, other in against.items() if other is not None
        }
        bands = {str(count): list(band) for count, band in zip(curve.counts, curve_bands(curve), strict=True)}
        own = {"data": self.name, "features": self.features, "sentence": sentence, "control": without}
        return {**own, "area": list(area_interval(curve)), "bands": bands, "differences": differences, "dead": dead}

    def say(self, sentence: str, curve: Curve) -> None:
        """One line of progress."""
        print(f"{self.name:14s} {sentence:55s} area {curve.area:.4f}", flush=True)


def picture(rows: list[dict[str, Any]]) -> None:
    """docs/pictures/overcomplete.svg: the difference to the same net without, one panel per set."""
    panels = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        best = max((row for row in own if row["control"]), key=lambda row: row["area"][0])
        shown = [row for row in own if row["sentence"] in ("raw features", best["sentence"], best["control"])]
        shown += [row for row in own if row["sentence"].startswith("PCA")]
        lines = [
            Line(
                row["sentence"],
                [float(count) for count in row["bands"]],
                *map(list, zip(*row["bands"].values(), strict=True)),
            )
            for row in shown
        ]
        panels.append((data, lines))
    curves("overcomplete", panels, "labels per class", "balanced accuracy", log_x=True)


def main() -> None:
    """Run every set, write the table and the picture."""
    torch.set_num_threads(1)
    started, rows = time.perf_counter(), []
    for name, data in sets().items():
        rows += Race(name, data).run()
        print(f"{time.perf_counter() - started:.0f} s", flush=True)
        if not QUICK:
            facts = {"seeds": SEEDS, "draws": DRAWS, "seconds": time.perf_counter() - started, "epochs": EPOCHS}
            write("overcomplete", "Does regularising make wide codes useful?", rows, **facts)
            picture(rows)


if __name__ == "__main__":
    main()
