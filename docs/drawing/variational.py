"""Pictures of codes that are distributions: samples, nats per unit, total correlation, covariances."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.stats import norm

from codelayer import Autoencoder
from codelayer.objective.bottlenecks import moments
from codelayer.objective.variational import unit_nats

from .canvas import BLUE, GREEN, GREY, MUTED, ORANGE, PURPLE, Picture, signed
from .data import KEPT, digits, fit_digits, fit_toy, levels, moons, rebuilt, squares
from .rebuilding import error


def posterior(coder: Autoencoder, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of every unit, each (rows, units)."""
    with torch.no_grad():
        mean, log_variance = moments(coder.model_.net.encode(torch.from_numpy(x)))
    return mean.numpy(), (log_variance / 2).exp().numpy()


def nats(coder: Autoencoder, x: np.ndarray) -> np.ndarray:
    """Mean KL from the prior of every unit."""
    with torch.no_grad():
        return unit_nats(coder.model_.net.encode(torch.from_numpy(x))).mean(0).numpy()


def total_correlation_of(coder: Autoencoder, x: np.ndarray) -> float:
    """KL(q(code) || product of its units), in nats, all rows of x in the place of the population."""
    mean, deviation = (torch.from_numpy(one).double() for one in posterior(coder, x))
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = mean + deviation * noise
    density = -(((z[:, None] - mean) / deviation) ** 2) / 2 - deviation.log() - math.log(2 * math.pi) / 2
    rows = math.log(len(x))
    joint, alone = density.sum(2).logsumexp(1) - rows, (density.logsumexp(1) - rows).sum(1)
    return float((joint - alone).mean())


def variational() -> Picture:
    """A code that rows can be drawn from."""
    x = moons()[0]
    coder = fit_toy(x, 2, "gaussian() + prior(1)", "mlp(32, 32)", 300)
    made = Picture("Variational", "Rows drawn from the prior beside real ones; digits over the plane of a code of two.")
    a, b = made.both(
        ("Two features, gaussian code of 2 units", "400 draws from N(0, I), through the decoder"),
        ("Digits, gaussian code of 2 units", "what the decoder makes of 9 x 9 codes"),
    )
    a.plane(np.concatenate([x, [[-1.5, -1], [2.5, 1.5]]]), below=2)
    a.dots(x, GREY, 1.8)
    a.dots(np.asarray(coder.sample(400, random_state=0)), BLUE, 1.6)
    a.legend([(GREY, "rows"), (BLUE, "drawn")])
    two = fit_digits(2, "gaussian() + prior(1) + bernoulli()", "mlp(64, 32)", 80)
    steps = np.round(norm.ppf(np.linspace(0.04, 0.96, 9)), 6) + 0.0
    codes = np.array([[u, v] for v in steps[::-1] for u in steps], np.float32)
    pictures = squares(np.asarray(two.inverse_transform(codes)))
    for i in range(9):
        b.strip(pictures[9 * i : 9 * i + 9], b.left + 60, 64 + 37 * i, 4)
    for i, at in enumerate(steps):
        b.text_at(b.left + 76 + 37 * i, 410, f"{at + 0:.1f}", MUTED, "middle", 11)
        b.text_at(b.left + 52, 84 + 37 * (8 - i), f"{at + 0:.1f}", MUTED, "end", 11)
    b.text_at(b.left + 60 + 164, 427, "unit 1; upwards: unit 2", MUTED, "middle")
    return made


def rate() -> Picture:
    """How much a code may say."""
    x = moons()[0]
    made = Picture(
        "The price of information", "Posteriors of rows as ellipses under two weights; nats per unit on digits."
    )
    a, b = made.both(
        ("Two features: the codes of 60 rows", "each ellipse: mean and one deviation of a row's code"),
        ("Digits, gaussian code of 10 units", "nats per unit, sorted; unseen pictures"),
    )
    told, drawn = [], []
    for weight, colour in ((1, BLUE), (20, ORANGE)):
        coder = fit_toy(x, 2, f"gaussian() + prior({weight})", "mlp(32, 32)", 150)
        mean, deviation = posterior(coder, x[:60])
        drawn.append((mean, deviation, colour))
        told.append(
            (colour, f"prior({weight}): {nats(coder, x).sum():.1f} nats, error {error(x, rebuilt(coder, x)):.3f}")
        )
    a.plane(np.array([[-2.9, -2.4], [2.9, 2.4]]), "unit 1", "unit 2", below=2)
    turn = np.linspace(0, 2 * np.pi, 25)
    for mean, deviation, colour in drawn:
        for m, s in zip(mean, deviation, strict=True):
            a.line(m + s * np.stack([np.cos(turn), np.sin(turn)], 1), colour, 0.9)
    a.legend(told)
    flat, _ = digits()
    rest, lines = flat[KEPT:], []
    for sentence, colour in (
        ("prior(1)", BLUE), ("prior(4)", ORANGE), ("prior(1, free_bits=1)", GREEN), ("prior(10, capacity=6)", PURPLE),
    ):  # fmt: skip
        one = fit_digits(10, f"gaussian() + {sentence} + bernoulli()", "mlp(64, 32)", 40)
        units = np.sort(nats(one, rest))[::-1]
        lines.append((colour, units, f"{sentence}: sum {units.sum():.1f}, error {error(rest, rebuilt(one, rest)):.2f}"))
    ranks = np.arange(1, 11)
    b.chart(ranks, [0, 3.3, *np.ravel([v for _, v, _ in lines])], "unit, by nats", "nats")
    for colour, values, _ in lines:
        b.line(np.stack([ranks, values], 1), colour)
        b.dots(np.stack([ranks, values], 1), colour, 3)
    b.legend([(colour, name) for colour, _, name in lines])
    return made


def sector(n: int = 600) -> np.ndarray:
    """Rows whose distance and angle are independent and even: a piece of a ring."""
    rng = np.random.default_rng(0)
    r, t = rng.uniform(0.7, 2.0, n), rng.uniform(0.1, np.pi / 2 - 0.1, n) + np.pi / 4
    return np.stack([r * np.cos(t), r * np.sin(t) - 1.2], 1).astype(np.float32)


def total_correlation() -> Picture:
    """Units that say independent things."""
    x = sector()
    made = Picture("Total correlation", "Level lines of two units on a piece of a ring; total correlation on digits.")
    a, b = made.both(
        ("Two independent causes: distance and angle", "level lines of unit 1 (blue) and unit 2 (orange)"),
        ("Digits, gaussian code of 10 units", "of the codes of 1500 pictures"),
    )
    a.plane(np.concatenate([x, [[-1.7, -0.9], [1.7, 1.1]]]), below=2)
    a.dots(x, "#d5dae0", 1.8)
    told = []
    for weight in (0, 0.1):
        more = f" + total_correlation({weight})" if weight else ""
        coder = fit_toy(x, 2, "gaussian() + squared() + prior(0.02)" + more, "mlp(32, 32)", 150)
        told.append(total_correlation_of(coder, x))
    levels(a, coder, x, (BLUE, ORANGE))
    a.legend(
        [
            (GREY, f"without: {told[0]:.3f} nats between the units"),
            (BLUE, f"total_correlation(0.1), drawn: {told[1]:.3f} nats"),
        ]
    )
    flat, _ = digits()
    weights, found, wrong = (0, 0.5, 1, 2), [], []
    for weight in weights:
        more = f" + total_correlation({weight})" if weight else ""
        one = fit_digits(10, "gaussian() + bernoulli() + prior(0.2)" + more, "mlp(64, 32)", 40)
        found.append(total_correlation_of(one, flat[:KEPT]))
        wrong.append(error(flat[KEPT:], rebuilt(one, flat[KEPT:])))
    b.chart(weights, [0, *found, *wrong], "weight of total_correlation()", "nats, squared error")
    for values, colour in ((found, BLUE), (wrong, ORANGE)):
        b.line(np.stack([weights, values], 1), colour)
        b.dots(np.stack([weights, values], 1), colour, 3.5)
    b.legend([(BLUE, "total correlation, nats"), (ORANGE, "squared error of unseen pictures")])
    return made


def dip() -> Picture:
    """A covariance near the identity."""
    x = moons()[0]
    made = Picture("Disentangled inferred prior", "Codes of a toy with and without dip; covariances on digits.")
    a, b = made.both(
        ("Two features, gaussian code of 2 units", "codes of the rows; rings: two deviations"),
        ("Digits, gaussian code of 10 units", "covariance of the means: white 0, full orange 1"),
    )
    drawn, told = [], []
    for sentence, colour in (("prior(0.02)", ORANGE), ("prior(0.02) + dip(1)", BLUE)):
        coder = fit_toy(x, 2, f"gaussian() + squared() + {sentence}", "mlp(32, 32)", 150)
        codes = coder.transform(x)
        drawn.append((codes, colour))
        c = np.cov(codes.T, bias=True)
        told.append((colour, f"{sentence}: variances {c[0, 0]:.2f}, {c[1, 1]:.2f}, covariance {c[0, 1]:.2f}"))
    a.plane(np.array([[-3, -2.4], [3, 2.4]]), "unit 1", "unit 2", below=2)
    turn = np.linspace(0, 2 * np.pi, 60)
    ring = np.stack([np.cos(turn), np.sin(turn)])
    for codes, colour in drawn:
        a.dots(codes, colour, 1.3, 0.6)
        size, axis = np.linalg.eigh(np.cov(codes.T, bias=True))
        a.line(codes.mean(0) + 2 * (axis @ (np.sqrt(size)[:, None] * ring)).T, colour, 1.8)
    a.legend(told)
    flat, _ = digits()
    rest = flat[KEPT:]
    for i, sentence in enumerate(("prior(0.2)", "prior(0.2) + dip(10)")):
        one = fit_digits(10, f"gaussian() + {sentence} + bernoulli()", "mlp(64, 32)", 40)
        c = np.cov(one.transform(flat[:KEPT]).T, bias=True)
        left, apart = b.left + 10 + 230 * i, c - np.diag(np.diag(c))
        b.text_at(left, 110, sentence, size=13)
        b.shown(c, left, 120, 20, signed)
        b.text_at(left, 342, f"off the diagonal: {np.sqrt((apart**2).sum() / 90):.3f} on average", MUTED)
        b.text_at(left, 360, f"diagonal: {np.diag(c).min():.2f} to {np.diag(c).max():.2f}", MUTED)
        b.text_at(left, 378, f"squared error of unseen ones: {error(rest, rebuilt(one, rest)):.2f}", MUTED)
    return made


DRAWN = (variational, rate, total_correlation, dip)
