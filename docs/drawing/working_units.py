"""Pictures of three properties of codes: how units share the work, how smoothly they move, how few speak."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from codelayer import Autoencoder
from codelayer.measure import METRICS, concepts_named, held_out_combinations, rebuild_curve

from .canvas import BLUE, GREEN, GREY, ORANGE, PURPLE, Panel, Picture
from .data import KEPT, digits, fit, fit_digits

Encode = Callable[[np.ndarray], np.ndarray]
VICREG = "views(affine(0.2), noise(0.1)) + invariance(25) + variance(25) + covariance(1)"


def bars_of_pictures(n: int = 2048) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 64) of 8 bars, four across and four down, each there or not; and which are there (n, 8)."""
    rng = np.random.default_rng(0)
    there = rng.integers(0, 2, (n, 8))
    across = np.repeat(there[:, :4], 2, axis=1)[:, :, None]
    down = np.repeat(there[:, 4:], 2, axis=1)[:, None, :]
    pictures = np.maximum(across, down) + 0.1 * rng.standard_normal((n, 8, 8))
    return pictures.reshape(n, 64).astype(np.float32), there


@cache
def held_out_by_width() -> dict[str, list[float]]:
    """Share of unseen combinations of bars recognised, by kind of code, for 2, 4, 8, 16 and 32 units."""
    x, there = bars_of_pictures()
    told: dict[str, list[float]] = {"autoencoder": [], "PCA": [], "one-hot": []}
    for units in (2, 4, 8, 16, 32):
        coder = fit(x, units, "squared()", "mlp(64)", 60, batch_size=64, learning_rate=0.003)
        found = held_out_combinations(coder.transform(x), there, x)
        told["autoencoder"].append(found["code"]["combination"])
        told["one-hot"].append(found["one_hot"]["combination"])
        told["PCA"].append(held_out_combinations(principal(x, units)(x), there, x)["code"]["combination"])
    return told


def principal(x: np.ndarray, units: int) -> Encode:
    """The projection on the first principal components of x."""
    mean = x.mean(0)
    axes = np.linalg.svd(x - mean, full_matrices=False)[2][:units].T
    return lambda rows: (rows.reshape(len(rows), -1) - mean) @ axes


def distributed() -> Picture:
    """What n units can name, and what they recognise unseen."""
    made = Picture("Distributed codes", "Concepts named by n units; combinations recognised that were never seen.")
    a, b = made.both(
        ("Concepts that n units tell apart", "a unit per feature, against a unit per cluster (k-means)"),
        ("Combinations of 8 bars no probe has seen", "share recognised as a whole, by linear probes on the code"),
    )
    units = np.arange(1, 11)
    counts = [concepts_named(int(n)) for n in units]
    a.chart([1, 10], [0, 10], "units", "log2 of concepts")
    for kind, colour in (("distributed", BLUE), ("one_hot", ORANGE)):
        rows = np.stack([units, np.log2([one[kind] for one in counts])], 1)
        a.line(rows, colour, 2.5)
        a.dots(rows, colour, 3.5)
    a.legend([(BLUE, "distributed: 2^n"), (ORANGE, "one-hot: n")], a.box[0] + 10)
    widths, told = (2, 4, 8, 16, 32), held_out_by_width()
    b.chart([2, 32], [0, 1], "units of the code", "share of rows right", True, [(w, str(w)) for w in widths])
    for (name, shares), colour in zip(told.items(), (BLUE, GREEN, ORANGE), strict=True):
        rows = np.stack([widths, shares], 1)
        b.line(rows, colour, 2.5)
        b.dots(rows, colour, 3.5)
        b.tell(32, shares[-1] + (0.03 if name != "PCA" else -0.06), f"{name} {shares[-1]:.2f}", colour, "end")
    return made


def smoothness() -> Picture:
    """How distances shrink around digits, and which changes a code ignores."""
    made = Picture("Smoothness", "Contraction curves on digits; invariance under shift, rotation and noise.", 460)
    a, b = made.both(
        ("Digits, codes of 32 units: contraction", "distance in the code / in x, beside two samples' (1)"),
        ("The same: invariance", "1: the code stays; 0: it moves as far as to another digit"),
    )
    flat, _ = digits()
    rest = flat[KEPT:].reshape(-1, 8, 8, 1)
    codes = smooth_codes()
    curves = [(name, colour, METRICS["contraction"].read({"encode": f, "x": rest}).more) for name, colour, f in codes]
    top = max(max(more["relative"]) for _, _, more in curves)
    a.chart([0.01, 1], [0, top], "radius, in distances between two digits", "relative distance", True, below=76)
    for _, colour, more in curves:
        a.line(np.stack([more["radius"], more["relative"]], 1), colour, 2.5)
    a.legend([(colour, name) for name, colour, _ in curves], a.box[0], a.box[3] + 40)
    names = ["shift", "rotation", "noise"]
    kept = [METRICS["invariance"].read({"encode": f, "x": rest}).more for _, _, f in codes]
    low = min(0.0, *(more[name] for more in kept for name in names))
    b.chart([-0.5, 2.5], [low, 1], "", "invariance", x_ticks=list(enumerate(names)), below=76)
    for i, ((_, colour, _), more) in enumerate(zip(codes, kept, strict=True)):
        for j, name in enumerate(names):
            left = j - 0.36 + 0.18 * i
            b.bars(np.array([max(more[name], 0.002)]), np.array([left, left + 0.16]), colour, 0.9)
    return made


@cache
def smooth_codes() -> list[tuple[str, str, Encode]]:
    """Codes of digits as callables of pictures (n, 8, 8, 1): name, colour, encode."""
    flat, _ = digits()

    def of_rows(coder: Autoencoder) -> Encode:
        return lambda x: coder.transform(x.reshape(len(x), -1).astype(np.float32))

    plain = fit_digits(32, "squared()", "mlp(48)", 40)
    tied = fit_digits(32, "sigmoid() + contractive(0.1)", "mlp(tied=True)", 40)
    pictures = flat[:KEPT].reshape(-1, 8, 8, 1)
    views = fit(pictures, 32, VICREG, "conv(16, 32)", 20, batch_size=64, learning_rate=0.003)
    return [
        ("raw pixels", GREY, lambda x: x.reshape(len(x), -1)),
        ("undercomplete", ORANGE, of_rows(plain)),
        ("contractive", GREEN, of_rows(tied)),
        ("two views (invariant)", BLUE, lambda x: views.transform(x.astype(np.float32))),
    ]


def sparsity() -> Picture:
    """What few units bring back, and how often each unit speaks."""
    made = Picture("Sparsity", "Reconstruction of digits from the largest units; how often units are active.")
    a, b = made.both(
        ("Digits, codes of 64 units: keep the largest", "variance explained by the code's own decoder"),
        ("How often a unit is active", "units by the share of digits in which they are active"),
    )
    flat, _ = digits()
    rest, told = flat[KEPT:], []
    a.chart([0.01, 1], [0, 1], "share of units active (L0)", "variance explained", True)
    for name, colour, coder in sparse_codes():
        codes = coder.transform(rest)
        found = rebuild_curve(codes, rest, coder.inverse_transform, kept=[1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
        rows = np.stack([found["l0"], np.maximum(found["share"], 0)], 1)
        a.line(rows, colour, 2.5)
        a.dots(rows[-1:], colour, 5)
        told.append((name, colour, codes))
    a.legend([(colour, name) for name, colour, _ in told], a.box[2] - 170, a.box[3] - 66)
    frequency(b, told)
    return made


def frequency(panel: Panel, told: list[tuple[str, str, np.ndarray]]) -> None:
    """Histograms of how often each unit is active, one behind the other."""
    edges = np.linspace(0, 1, 21)
    tops = [np.histogram((codes != 0).mean(0), edges)[0] for _, _, codes in told]
    panel.chart([0, 1], [0, max(int(one.max()) for one in tops)], "share of digits", "units")
    for (_, colour, _), top in zip(told, tops, strict=True):
        panel.bars(top, edges, colour, 0.65)
    panel.legend([
        (colour, f"{name}: Hoyer {METRICS['hoyer'](codes):.2f}") for name, colour, codes in told
    ], panel.box[0] + 60)  # fmt: skip


@cache
def sparse_codes() -> list[tuple[str, str, Autoencoder]]:
    """Codes of digits of 64 units, from dense to sparse: name, colour, coder."""
    return [
        ("dense", GREY, fit_digits(64, "squared()", "mlp()", 60)),
        ("relu + l1(0.02)", PURPLE, fit_digits(64, "relu() + l1(0.02) + unit_norm()", "mlp()", 60)),
        ("topk(6)", BLUE, fit_digits(64, "topk(6)", "mlp()", 60)),
    ]


DRAWN = (distributed, smoothness, sparsity)
