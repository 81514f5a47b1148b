"""Pictures of usefulness and hierarchy: label curves, and what each stage of a deep code tells."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from codelayer.measure import METRICS, curve_bands, label_curve

from .canvas import BLUE, GREEN, GREY, ORANGE, Panel, Picture
from .data import KEPT, digits, fit_digits


def band(panel: Panel, xs: np.ndarray, low: np.ndarray, value: np.ndarray, high: np.ndarray, colour: str) -> None:
    """A line with a bar from low to high at each place."""
    panel.segments(np.stack([xs, low], 1), np.stack([xs, high], 1), colour, 1.4)
    panel.line(np.stack([xs, value], 1), colour)
    panel.dots(np.stack([xs, value], 1), colour, 3)


def label_curves() -> Picture:
    """Score by labels, and what corruption leaves."""
    x, y = digits()
    made = Picture("Usefulness", "Label curves of three codes of digits; what corrupted input leaves of the score.")
    a, b = made.both(
        ("Digits: score by labels per class", "linear probe, mean of 20 draws, 95 % intervals"),
        ("What corruption of the input leaves", "balanced accuracy of a probe fitted on clean codes"),
    )
    pca, random = PCA(10, random_state=0).fit(x[:KEPT]), np.random.default_rng(0).standard_normal((64, 10))
    counts = (1, 5, 10, 50)
    named = (
        ("64 pixels", GREY, x),
        ("PCA, 10 units", BLUE, pca.transform(x)),
        ("10 random directions", ORANGE, x @ random),
    )
    a.chart(
        [1, 50], [0.35, 1], "labels per class", "balanced accuracy", log_x=True, x_ticks=[(c, str(c)) for c in counts]
    )
    half = len(x) // 2
    for _, colour, codes in named:
        curve = label_curve(codes[:half], y[:half], codes[half:], y[half:], counts=counts)
        ends = np.array(curve_bands(curve))
        band(a, np.array(counts), ends[:, 1], ends[:, 0], ends[:, 2], colour)
    a.legend([(colour, name) for name, colour, _ in named], y=a.box[3] - 62)
    arrays = {"x": x.reshape(-1, 8, 8, 1), "labels": y, "encode": lambda rows: pca.transform(rows.reshape(-1, 64))}
    found = METRICS["robust_area"].read(arrays)
    severities = [0.0, *found.more["severities"]]
    b.chart(severities, [0, 1], "severity", "balanced accuracy, PCA of 10 units")
    colours = (GREY, BLUE, ORANGE, GREEN, "#8a2f7b")
    for (_, line), colour in zip(found.more["curves"].items(), colours, strict=True):
        b.line(np.stack([severities, [found.more["clean"], *line]], 1), colour)
    b.line(np.array([[0, found.more["chance"]], [0.8, found.more["chance"]]]), GREY, 1, "4 4")
    b.legend(
        [(colour, name) for name, colour in zip(found.more["curves"], colours, strict=True)],
        b.box[0] + 10,
        b.box[3] - 115,
    )
    return made


def layer_curves() -> Picture:
    """What each stage tells, and how alike stages are."""
    x, y = digits()
    coder = fit_digits(8, "squared()", "mlp(depth=4)", 60)
    stages = {"pixels": x, **coder.layers(x)}
    del stages["encoded"]
    layers = {name: rows[KEPT // 2 :] for name, rows in stages.items()}
    arrays = {"layers": layers, "labels": y[KEPT // 2 :], "coarse": y[KEPT // 2 :] % 2}
    fine = METRICS["coarse_lead"].read(arrays).more
    width = METRICS["layer_dimension"].read(arrays).more
    made = Picture("Hierarchy", "Probe score of digit and of even or odd at each stage of a deep code; dimensions.")
    a, b = made.both(
        ("Digits, a deep code of 8: what each stage tells", "linear probe on all labels, 95 % intervals"),
        ("Along how many dimensions each stage varies", "maximum likelihood over 20 neighbours, 95 % intervals"),
    )
    places, ticks = np.arange(len(layers)), list(enumerate(layers))
    a.chart(places, [0.4, 1], "stage", "balanced accuracy", x_ticks=ticks)
    for name, colour in (("fine", BLUE), ("coarse", ORANGE)):
        band(a, places, *(np.array(fine[name][what]) for what in ("low", "scores", "high")), colour)
    a.legend([(BLUE, "which digit (chance .1)"), (ORANGE, "even or odd (chance .5)")], a.box[0] + 10, a.box[3] - 50)
    b.chart(places, [0, *width["high"]], "stage", "dimensions", x_ticks=ticks)
    band(b, places, *(np.array(width[what]) for what in ("low", "dimensions", "high")), BLUE)
    return made


DRAWN = (label_curves, layer_curves)
