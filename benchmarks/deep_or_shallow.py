"""Is deep more efficient than shallow?  python benchmarks/deep_or_shallow.py [--quick]  (about 8 min, 1 core)

Pairs of nets with equal code size and parameters equal within 2 %: one hidden layer against three. Both are trained
epoch by epoch in turns, so that other load meets both alike; seconds are processor seconds of training alone. The
peak learning rate of each is chosen on the choose part (another seed), so that neither is handicapped. On the report
part: the share of variance the code leaves unexplained, and the area under the label curve of the linear probe, at
checkpoints of one cosine schedule. Five seeds move weights, order and label draws.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from machine import write
from svg_plots import Line, curves
from tables_learning import mean_interval

from codelayer import Autoencoder, Pca
from codelayer.data.load import Data, load_data
from codelayer.data.named import stored
from codelayer.measure import Curve, join_curves, label_curve, label_draws, paired_interval
from codelayer.study.parts import make_parts

QUICK = "--quick" in sys.argv
SEEDS, DRAWS, COUNTS = (2, 2, (1, 5)) if QUICK else (5, 4, (1, 5, 10, 50))
RATES = (0.001, 0.003) if QUICK else (0.001, 0.003, 0.01)
# data: code size, hidden widths of the deep net, epochs, epochs after which both are measured
PAIRS: dict[str, tuple[int, tuple[int, ...], int, tuple[int, ...]]] = {
    "digits": (16, (128, 64, 32), 120, (1, 3, 8, 20, 50, 120)),
    "dry_bean": (4, (64, 32, 16), 40, (1, 2, 4, 8, 20, 40)),
    "wine": (4, (64, 32, 16), 120, (1, 3, 8, 20, 50, 120)),
    "mnist": (32, (256, 128, 64), 30, (1, 2, 4, 8, 16, 30)),
}


def sets() -> dict[str, Data]:
    """Digits, a table, and MNIST when the data folder is there."""
    digits, folder = load_data("digits"), stored("mnist")
    if folder is None:
        return {"digits": digits, "wine": load_data("wine")}
    rng = np.random.default_rng(0)
    bean = load_data(str(folder.with_name("tab_dry_bean.parquet")), label="Class")
    bean = bean.take(np.sort(rng.permutation(len(bean.x))[:5000]))
    mnist = load_data("mnist").take(np.sort(rng.permutation(60_000)[: 1000 if QUICK else 5000]))
    return {"digits": digits, "dry_bean": bean, "mnist": mnist}


def parameters(features: int, widths: tuple[int, ...], code: int) -> int:
    """Weights and biases of encoder and mirrored decoder."""
    chain = [features, *widths, code]
    back = chain[::-1]
    return sum(a * b + b for one in (chain, back) for a, b in pairwise(one))


def equal_width(features: int, widths: tuple[int, ...], code: int) -> int:
    """The one hidden width with as many parameters as `widths`, within 2 %."""
    wanted = parameters(features, widths, code)
    width = min(range(1, 4 * sum(widths)), key=lambda w: abs(parameters(features, (w,), code) - wanted))
    assert abs(parameters(features, (width,), code) / wanted - 1) < 0.02
    return width


class Match:
    """Both nets on one data set."""

    def __init__(self, name: str, data: Data) -> None:
        self.name, self.parts = name, make_parts(data, None, "class", 0)
        self.x, self.y = self.parts.rows("train"), self.parts.known_labels("train")
        self.code, deep, self.epochs, self.marks = PAIRS[name]
        if QUICK:
            self.epochs, self.marks = 2, (1, 2)
        features = Pca(1).fit(self.x).schema_.features
        self.widths = {"shallow": (equal_width(features, deep, self.code),), "deep": deep}
        self.sizes = {kind: parameters(features, widths, self.code) for kind, widths in self.widths.items()}
        smallest = min(np.unique(self.y, return_counts=True)[1])
        self.counts = [count for count in COUNTS if count <= smallest]
        self.rates: dict[str, float] = {}
        self.final: dict[str, list[Curve]] = {"shallow": [], "deep": [], "pca": []}

    def coder(self, kind: str, rate: float, seed: int) -> Autoencoder:
        """One contestant, not trained yet."""
        net = f"mlp({', '.join(map(str, self.widths[kind]))})"
        options: dict[str, Any] = {"epochs": self.epochs, "batch_size": 64, "validation": 0.0}
        made = Autoencoder(self.code, "squared()", net=net, learning_rate=rate, random_state=seed, **options)
        return made

    def left(self, coder: Any, part: str) -> float:
        """Share of the variance that codes leave unexplained."""
        return 1.0 - coder.score(self.parts.rows(part))

    def curve(self, coder: Any, seed: int, part: str = "report") -> Curve:
        """The label curve; draws depend on the seed alone."""
        picked = {count: label_draws(self.y, count, 100 + seed, DRAWS, "class") for count in self.counts}
        codes = coder.transform(self.x), coder.transform(self.parts.rows(part))
        return label_curve(codes[0], self.y, codes[1], self.parts.known_labels(part), picked=picked, task="class")

    def choose_rates(self) -> list[dict[str, Any]]:
        """The learning rate of each net with the least error on the choose part."""
        tried = []
        for kind in self.widths:
            for rate in RATES:
                coder = self.coder(kind, rate, 50).fit(self.x)
                tried.append({"net": kind, "rate": rate, "unexplained": self.left(coder, "choose")})
            own = [one for one in tried if one["net"] == kind]
            self.rates[kind] = min(own, key=lambda one: one["unexplained"])["rate"]
        return tried

    def trained(self, kind: str, seed: int) -> Iterator[dict[str, Any]]:
        """Train one net; after every epoch a record, measured where a checkpoint is due."""
        coder, spent = self.coder(kind, self.rates[kind], seed), 0.0
        epochs = coder.fit_epochs(self.x)
        for number in range(1, self.epochs + 1):
            started = time.process_time()
            next(epochs)
            spent += time.process_time() - started
            found: dict[str, Any] = {"data": self.name, "net": kind, "seed": seed, "epoch": number, "seconds": spent}
            if number in self.marks:
                curve = self.curve(coder, seed)
                found |= {"rows": number * len(self.y), "unexplained": self.left(coder, "report"), "area": curve.area}
                if number == self.epochs:
                    self.final[kind].append(curve)
            yield found

    def run(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """All checkpoints of all seeds, and what holds for the pair."""
        tried = self.choose_rates()
        self.parts.open_report()
        rows = []
        for seed in range(SEEDS):
            both = [self.trained(kind, seed) for kind in (("shallow", "deep") if seed % 2 else ("deep", "shallow"))]
            for pair in zip(*both, strict=True):
                rows += [one for one in pair if "rows" in one]
            told = [
                f"{one['net']} {one['unexplained']:.4f} {one['area']:.3f} {one['seconds']:.1f} s" for one in rows[-2:]
            ]
            print(f"{self.name:9s} {seed} {'; '.join(told)}", flush=True)
        pca = Pca(self.code, random_state=0).fit(self.x)
        self.final["pca"] = [self.curve(pca, seed) for seed in range(SEEDS)]
        joined = {kind: join_curves(found) for kind, found in self.final.items()}
        facts = {
            "data": self.name,
            "code_size": self.code,
            "widths": self.widths,
            "parameters": self.sizes,
            "rates": self.rates,
            "tried": tried,
            "pca_unexplained": self.left(pca, "report"),
            "pca_area": joined["pca"].area,
            "probe_difference": list(paired_interval(joined["deep"], joined["shallow"])),
            "epochs": self.epochs,
            "train_rows": len(self.y),
        }
        return rows, facts


def picture(rows: list[dict[str, Any]]) -> None:
    """docs/pictures/deep_or_shallow_{rows,seconds,probe}.svg."""
    for name, across, up, label in (
        ("rows", "rows", "unexplained", "variance unexplained"),
        ("seconds", "seconds", "unexplained", "variance unexplained"),
        ("probe", "rows", "area", "area of the label curve"),
    ):
        panels = []
        for data in dict.fromkeys(row["data"] for row in rows):
            lines = []
            for kind in ("shallow", "deep"):
                own = [row for row in rows if row["data"] == data and row["net"] == kind]
                marks = [[row for row in own if row["epoch"] == epoch] for epoch in sorted({r["epoch"] for r in own})]
                x = [float(np.mean([row[across] for row in mark])) for mark in marks]
                spans = [mean_interval([row[up] for row in mark]) for mark in marks]
                lines.append(Line(kind, x, *(list(side) for side in zip(*spans, strict=True))))
            panels.append((data, lines))
        label_x = "rows seen" if across == "rows" else "processor seconds"
        curves(f"deep_or_shallow_{name}", panels, label_x, label, log_x=True)


def main() -> None:
    """Run every set, write the table and the pictures."""
    torch.set_num_threads(1)
    started, rows, pairs = time.perf_counter(), [], []
    for name, data in sets().items():
        found, facts = Match(name, data).run()
        rows, pairs = rows + found, [*pairs, facts]
        print(f"{time.perf_counter() - started:.0f} s", flush=True)
        if not QUICK:
            seconds = time.perf_counter() - started
            write(
                "deep_or_shallow",
                "Is deep more efficient than shallow?",
                rows,
                pairs=pairs,
                seeds=SEEDS,
                seconds=seconds,
            )
            picture(rows)


if __name__ == "__main__":
    main()
