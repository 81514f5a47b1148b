"""Pictures of codes that compare: two views, neighbours in time, labels; and of tables with categories."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from codelayer import Autoencoder, Table
from codelayer.data import augment

from .canvas import BLUE, GREEN, GREY, INK, MUTED, ORANGE, PAPER, SERIES, Picture, blend, heat
from .data import KEPT, digits, fit, fit_digits, fit_toy, levels, moons

SLOW = "views(noise(0.02), projector=16) + variance(25) + covariance(1) + slowness(50)"
VICREG = " + invariance(25) + variance(25) + covariance(1)"


def invariant() -> Picture:
    """What two views share."""
    rng = np.random.default_rng(0)
    angle, length = rng.uniform(0.15, np.pi / 2 - 0.15, 400), rng.uniform(0.35, 0.95, 400)
    x = np.stack([length * np.cos(angle), length * np.sin(angle)], 1).astype(np.float32).reshape(-1, 1, 2, 1)
    made = Picture(
        "Invariance to views", "Level lines that ignore brightness; how far codes move when digits are turned."
    )
    a, b = made.both(
        ("Pictures of two pixels, code of one unit", "views(brightness(0.7)): level lines of the unit"),
        ("Digits, code of 32 units: pictures are turned", "distance to the upright one, in distances between pictures"),
    )
    a.plane(np.array([[0, 0], [1, 0.95]]), "pixel 1", "pixel 2", below=3)
    a.dots(x.reshape(-1, 2), "#d5dae0", 1.8)
    sentence = "views(brightness(0.7))" + VICREG
    levels(a, fit_toy(x, 1, "squared()", "mlp(32)", 100), x, (ORANGE,), 0.08)
    levels(a, fit_toy(x, 1, sentence, "mlp(32)", 150), x, (BLUE,), 0.08)
    a.segments(x[:12, 0, :, 0] * 0.8, x[:12, 0, :, 0] * 1.0, INK, 2)
    a.legend([(ORANGE, "squared(): across brightness too"), (BLUE, "two views: only the ratio of the pixels"),
              (INK, "twelve pictures, each in two views")])  # fmt: skip
    flat, _ = digits()
    pictures = flat.reshape(-1, 8, 8, 1)
    rest = pictures[KEPT : KEPT + 150]
    sentence = "views(affine(0.2), noise(0.1))" + VICREG
    coders = [
        ("raw pixels", GREY, None), ("undercomplete", ORANGE, fit_digits(32, "squared()", "mlp(48)", 40)),
        ("invariant", BLUE, fit(pictures[:KEPT], 32, sentence, "conv(16, 32)", 20, batch_size=64, learning_rate=0.003)),
    ]  # fmt: skip
    angles, moved = np.arange(-60, 61, 10), []
    for name, _, coder in coders:

        def codes(shown: np.ndarray, coder: Autoencoder | None = coder, wide: bool = name == "invariant") -> np.ndarray:
            return (
                shown.reshape(len(shown), -1)
                if coder is None
                else coder.transform(shown if wide else shown.reshape(-1, 64))
            )

        still = codes(rest)
        apart = np.sqrt(((still[:, None] - still) ** 2).sum(2)).sum() / (len(rest) * (len(rest) - 1))
        turned = [ndimage.rotate(rest, t, (1, 2), reshape=False, order=1).astype(np.float32) for t in angles]
        moved.append([float(np.linalg.norm(codes(one) - still, axis=1).mean() / apart) for one in turned])
    b.chart(angles, [0, 1.25, *np.ravel(moved)], "degrees", "distance moved, 1 = to another picture")
    for (_, colour, _), values in zip(coders, moved, strict=True):
        b.line(np.stack([angles, values], 1), colour)
        b.dots(np.stack([angles, values], 1), colour, 3)
    b.legend([(colour, name) for name, colour, _ in coders], b.box[0] + 130)
    return made


def contrast() -> Picture:
    """Views that find each other."""
    rng = np.random.default_rng(0)
    which = rng.integers(3, size=300)
    middle = np.array([[-0.9, -0.6], [0.0, 0.9], [0.9, -0.3]])[which]
    x = (middle + 0.16 * rng.normal(size=(300, 2))).astype(np.float32)
    made = Picture("Contrast", "Projections of three clouds, drawn apart; cosines of views of one digit and of two.")
    a, b = made.both(
        ("Three clouds, views(noise(0.2)) + contrast(1)", "inside: rows; on the ring: directions of their projections"),
        ("Digits: two views of one picture, or of two", "cosines of projections of unseen pictures"),
    )
    coder = fit_toy(x, 8, "views(noise(0.2), projector=16) + contrast(1)", "mlp(32, 32)", 150)
    with torch.no_grad():
        z = coder.model_.terms["views"].eval()(torch.from_numpy(coder.transform(x))).numpy()
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    axes = np.linalg.svd(z - z.mean(0), full_matrices=False)[2][:2]
    ring = z @ axes.T
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    alike = z @ z.T
    a.plane(np.array([[-2.6, -2.4], [2.6, 2.4]]), below=2)
    turn = np.linspace(0, 2 * np.pi, 90)
    a.line(2.2 * np.stack([np.cos(turn), np.sin(turn)], 1), "#d5dae0", 1)
    for k in range(3):
        a.dots(x[which == k], SERIES[k], 1.5)
        a.dots(2.2 * ring[which == k], SERIES[k], 2.4)
    same = which[:, None] == which
    a.legend(
        [(SERIES[0], "one colour per cloud, which the fit is not told"),
         (INK, f"mean cosine within clouds {alike[same].mean():.2f}, between {alike[~same].mean():.2f}")]
    )  # fmt: skip
    flat, _ = digits()
    pictures = flat.reshape(-1, 8, 8, 1)
    rest, edges, told, tops = pictures[KEPT:], np.linspace(-1, 1, 51), [], []
    deep = fit(
        pictures[:KEPT],
        32,
        "views(affine(0.2), noise(0.1)) + contrast(1)",
        "conv(16, 32)",
        15,
        batch_size=64,
        learning_rate=0.003,
    )
    views = []
    for seed in (1, 2):
        stream = np.random.default_rng(seed)
        seen = augment.affine(rest, 0.2, stream, None, None) + 0.1 * stream.normal(size=rest.shape)
        with torch.no_grad():
            p = deep.model_.terms["views"].eval()(torch.from_numpy(deep.transform(seen.astype(np.float32)))).numpy()
        views.append(p / np.linalg.norm(p, axis=1, keepdims=True))
    alike = views[0] @ views[1].T
    labels = digits()[1][KEPT:]
    other = ~np.eye(len(rest), dtype=bool)
    kinds = (("two views of one picture", np.diag(alike), BLUE),
             ("two pictures of one digit", alike[other & (labels[:, None] == labels)], GREEN),
             ("pictures of two digits", alike[labels[:, None] != labels], ORANGE))  # fmt: skip
    for name, values, colour in kinds:
        tops.append((np.histogram(values, edges)[0] / len(values), colour))
        told.append((colour, f"{name}: mean {values.mean():.2f}"))
    b.chart(edges, [0, *np.ravel([one for one, _ in tops])], "cosine", "share of pairs")
    for one, colour in tops:
        b.bars(one, edges, colour, 0.6)
    b.legend(told, b.box[0] + 10)
    return made


def slowness() -> Picture:
    """What changes slowly."""
    rng = np.random.default_rng(0)
    time = np.arange(600)
    slow = np.sin(2 * np.pi * time / 150)
    fast = rng.normal(size=600)
    x = np.stack([fast, 0.6 * slow + 0.25 * fast**2 - 0.25], 1).astype(np.float32)
    made = Picture("Slowness", "Level lines that ignore what changes fast; a unit that follows the angle of a film.")
    a, b = made.both(
        ("Rows in time: a fast and a slow cause", "level lines of a code of one unit"),
        ("A film of a turning, flickering digit, 400 frames", "code of 2 units: the one that follows the angle best"),
    )
    a.plane(np.concatenate([x[np.abs(fast) < 2.2], [[-2, -1.2], [2, 1.8]]]), below=3)
    a.dots(x, "#d5dae0", 1.6)
    told = [("#d5dae0", "rows: the height over the bow is slow")]
    for name, sentence, colour in (("squared()", "squared()", ORANGE), ("slowness", SLOW, BLUE)):
        coder = fit_toy(x, 1, sentence, "mlp(32)", 100)
        levels(a, coder, x, (colour,), 0.35)
        follows = abs(np.corrcoef(coder.transform(x)[:, 0], slow)[0, 1])
        told.append((colour, f"{name}: correlation with the slow cause {follows:.2f}"))
    a.legend(told)
    flat, _ = digits()
    frames = np.arange(400)
    angle = 50 * np.sin(2 * np.pi * frames / 130)
    still = flat[1503].reshape(8, 8)
    film = np.stack([ndimage.rotate(still, t, reshape=False, order=1) for t in angle])
    film = film * rng.uniform(0.3, 1, (400, 1, 1)) + 0.1 * rng.normal(size=film.shape)
    film = film.reshape(400, 64).astype(np.float32)
    names, found = [(INK, "angle of the digit")], []
    for name, sentence, colour in (("squared()", "squared()", ORANGE), ("slowness", SLOW, BLUE)):
        codes = fit(film, 2, sentence, "mlp(32)", 60, batch_size=32, learning_rate=0.003).transform(film)
        follows = [np.corrcoef(unit, angle)[0, 1] for unit in codes.T]
        best = int(np.argmax(np.abs(follows)))
        unit = (codes[:, best] - codes[:, best].mean()) / codes[:, best].std() * np.sign(follows[best])
        found.append((unit, colour))
        names.append((colour, f"{name}: correlation {abs(follows[best]):.2f}"))
    b.chart(frames[:200], [-2.6, 4.4], "frame (the first 200)", "unit, in deviations", below=46)
    for unit, colour in found:
        b.line(np.stack([frames, unit], 1)[:200], colour, 1.2)
    b.line(np.stack([frames, angle / angle.std()], 1)[:200], INK, 1.6, "5 4")
    b.legend(names)
    b.strip(film[0:200:20].reshape(-1, 8, 8), b.left + 60, b.bottom - 36, 4)
    return made


def labels() -> Picture:
    """A few labels."""
    x, y = moons(400, 0.08)
    made = Picture("A few labels", "Where the head decides between two moons; accuracy on digits by labels.")
    a, b = made.both(
        ("Two moons, 20 rows of 400 have a label", "shade: what the sentence's own head decides"),
        ("Digits, code of 32 units", "accuracy of a logistic probe on unseen pictures"),
    )
    few = np.concatenate([np.flatnonzero(y == k)[:10] for k in (0, 1)])
    told = np.full(400, np.nan)
    told[few] = y[few]
    coder = fit_toy(x, 4, "noise(0.1) + labels(20)", "mlp(32, 32)", 200, y=told)
    head = coder.model_.terms["labels"].head
    a.plane(np.concatenate([x, [[-1.4, -0.9], [2.4, 1.4]]]), below=3)

    def decided(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return head(torch.from_numpy(coder.transform(rows))).argmax(1).numpy()

    a.shade([blend(PAPER, SERIES[k], 0.18) for k in decided(a.grid(60))], 60)
    for k in (0, 1):
        a.dots(x[y == k], SERIES[k], 1.4)
        a.dots(x[few[y[few] == k]], INK, 5)
        a.dots(x[few[y[few] == k]], SERIES[k], 3.4)
    straight = LogisticRegression(C=100).fit(x[few], y[few])
    (u, v), c = straight.coef_[0], straight.intercept_[0]
    alone = MLPClassifier((32, 32), max_iter=2000, random_state=0).fit(x[few], y[few])
    ends = np.array([-2.0, 3.0])
    a.line(np.stack([ends, -(c + u * ends) / v], 1), INK, 1.6, "5 4")
    scores = [f"{score:.0%}" for score in ((decided(x) == y).mean(), straight.score(x, y), alone.score(x, y))]
    a.legend([(BLUE, "large dots: the labelled rows; colour: which moon"),
              (BLUE, f"right with the head: {scores[0]} of the rows"),
              (INK, f"dashed: logistic on the 20 rows, {scores[1]}; a net on them {scores[2]}")])  # fmt: skip
    flat, digit = digits()
    counts, results = (1, 2, 5, 10, 20), {"raw pixels": [], "squared()": [], "squared() + labels(w)": []}
    plain = fit_digits(32, "squared()", "mlp(48)", 40)
    for count in counts:
        few = np.concatenate([np.flatnonzero(digit[:KEPT] == d)[:count] for d in range(10)])
        told = np.full(KEPT, np.nan)
        told[few] = digit[few]
        helped = fit_digits(32, f"squared() + labels({KEPT / len(few):.0f})", "mlp(48)", 40, y=told)
        for name, one in zip(results, (lambda z: z, plain.transform, helped.transform), strict=True):
            probe = LogisticRegression(max_iter=2000).fit(one(flat[few]), digit[few])
            results[name].append(probe.score(one(flat[KEPT:]), digit[KEPT:]))
    reached = [*np.ravel(list(results.values())), 1.0]
    b.chart(counts, reached, "labels per digit", "accuracy", True, [(c, str(c)) for c in counts])
    for values, colour in zip(results.values(), (GREY, ORANGE, BLUE), strict=True):
        b.line(np.stack([counts, values], 1), colour)
        b.dots(np.stack([counts, values], 1), colour, 3.5)
    shown = zip((GREY, ORANGE, BLUE), results, strict=True)
    b.legend([(colour, name) for colour, name in shown], b.box[2] - 180, b.box[3] - 66)
    return made


def tables() -> Picture:
    """Numbers beside categories."""
    rng = np.random.default_rng(0)
    kinds, middles = np.array(["red", "green", "blue"], object), np.array([-2.0, 0.0, 2.0])
    which = rng.integers(3, size=900)
    number = middles[which] + 0.9 * rng.normal(size=900)
    made = Picture("Tables", "A hidden category filled in from a number; digits filled in from pixels.")
    a, b = made.both(
        ("A number and a category, code of 2 units", "the category is hidden: what the decoder puts there"),
        ("Digits as a table: 16 pixel columns, 1 category", "the digit is hidden: rebuilt probabilities, unseen rows"),
    )
    table = Table({"number": number, "colour": kinds[which]})
    coder = fit(table, 2, "mask(0.3)", "table(32)", 80, scale="auto", batch_size=64, learning_rate=0.005)
    at = np.linspace(-4.5, 4.5, 120)
    names, guessed = filled(coder, Table({"number": at, "colour": np.full(120, "red", object)}), "colour")
    a.plane(np.array([[-4.5, 0], [4.5, 1]]), "number", "probability", below=4, equal=False)
    density = np.exp(-((at[:, None] - middles) ** 2) / 2 / 0.81)
    told = []
    for k, (name, look) in enumerate(zip(kinds, (ORANGE, GREEN, BLUE), strict=True)):
        a.line(np.stack([at, density[:, k] / density.sum(1)], 1), look, 1.4, "4 4")
        a.line(np.stack([at, guessed[:, names.index(name)]], 1), look, 2.4)
        told.append((look, f"{name}, rebuilt"))
    a.legend([*told, (INK, "dashed: what is right for this made table")])
    flat, digit = digits()
    small = flat.reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16)
    words = np.array([str(d) for d in digit], object)
    columns = {f"p{i}": small[:, i].astype(float) for i in range(16)} | {"digit": words}
    learn = Table({name: column[:KEPT] for name, column in columns.items()})
    asked = Table({name: column[KEPT:] for name, column in columns.items()})
    coder = fit(learn, 12, "mask(0.3)", "table(48)", 60, scale="auto", batch_size=64, learning_rate=0.003)
    names, guessed = filled(coder, asked, "digit")
    order = [names.index(str(d)) for d in range(10)]
    guessed, truth = guessed[:, order], digit[KEPT:]
    matrix = np.stack([guessed[truth == d].mean(0) for d in range(10)])
    left, top, pixel = b.left + 74, 92, 28
    b.shown(matrix, left, top, pixel, heat)
    for d in range(10):
        b.text_at(left + (d + 0.5) * pixel, top - 6, str(d), MUTED, "middle")
        b.text_at(left - 8, top + (d + 0.65) * pixel, str(d), MUTED, "end")
        right = matrix[d, d]
        b.text_at(
            left + (d + 0.5) * pixel,
            top + (d + 0.65) * pixel,
            f"{right:.2f}",
            PAPER if right > 0.5 else INK,
            "middle",
            10.5,
        )
    b.text_at(left + 5 * pixel, top + 10 * pixel + 18, "rebuilt digit; downwards: the digit it is", MUTED, "middle")
    b.text_at(
        left + 5 * pixel,
        top + 10 * pixel + 36,
        f"most probable one is right for {(guessed.argmax(1) == truth).mean():.0%}",
        MUTED,
        "middle",
    )
    return made


def filled(coder: Autoencoder, rows: Table, name: str) -> tuple[list[str], np.ndarray]:
    """The categories of a column, and the probabilities rebuilt for it where it is hidden, (rows, categories)."""
    block = next(one for one in coder.schema_.layout if one.name == name and one.kind == "category")
    column = next(one for one in coder.schema_.columns if one.name == name)
    seen = coder.schema_.encode(rows)
    seen[:, block.start : block.stop] = 0  # what mask() does
    return [*column.vocabulary, "unknown", "missing"], coder.rebuilt(seen)[:, block.start : block.stop]


DRAWN = (invariant, contrast, slowness, labels, tables)
