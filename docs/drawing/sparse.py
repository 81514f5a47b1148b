"""Pictures of sparse codes: penalties on activity, the largest outputs, thresholds, nested widths, dead units."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from codelayer import Autoencoder, Pca
from codelayer.objective.inference import infer
from codelayer.objective.sparse_penalties import decode_first

from .canvas import BLACK, BLUE, GREEN, GREY, INK, MUTED, ORANGE, PAPER, SERIES, Picture, blend, heat, signed
from .data import KEPT, arc, atoms, circle, digits, even, fit_digits, fit_toy, one_of_each, rays, rebuilt, squares
from .rebuilding import error


def active(coder: Autoencoder, x: np.ndarray) -> float:
    """Units that are on, per row."""
    return float((coder.transform(x) != 0).sum(1).mean())


def tints(which: np.ndarray) -> list[str]:
    """A pale colour per number; below 0 is paper."""
    return [PAPER if k < 0 else blend(PAPER, SERIES[k % 10], 0.2 if k < 10 else 0.38) for k in which]


def sparse_l1() -> Picture:
    """A price on activity."""
    x = rays()
    made = Picture("Sparse by a price on activity", "Atoms of a toy with and without l1; atoms of digits.")
    a, b = made.both(
        ("Rows on 5 rays, relu code of 8 units", "arrows: what each unit writes, all of length 1"),
        ("Digits, relu code of 32: 20 of the atoms", "white is 0, orange above, blue below"),
    )
    a.plane(np.concatenate([x, [[-1.7, -1.7], [1.7, 1.7]]]), below=2)
    a.dots(x, GREY, 1.6)
    told = []
    for weight, colour in ((0.0, ORANGE), (0.2, BLUE)):
        sentence = "relu() + unit_norm()" + (f" + l1({weight})" if weight else "")
        coder = fit_toy(x, 8, sentence, "mlp()", 150)
        a.arrows(np.zeros((8, 2)), atoms(coder) * (1.5 if weight else 1.2), colour, 1.8, 7)
        name = f"l1({weight})" if weight else "no penalty"
        told.append((colour, f"{name}: {active(coder, x):.1f} units active, error {error(x, rebuilt(coder, x)):.3f}"))
    a.legend(told)
    flat, _ = digits()
    rest, rows = flat[KEPT:], []
    for sentence, name in (("relu() + unit_norm()", "no penalty"), ("relu() + l1(0.3) + unit_norm()", "l1(0.3)")):
        coder = fit_digits(32, sentence, "mlp()", 40)
        order = np.argsort(-coder.transform(rest).mean(0))[:20]
        pictures = even(atoms(coder)[order])
        told = f"{name}\n{active(coder, rest):.1f} active"
        rows += [(told, pictures[:10]), (f"error\n{error(rest, rebuilt(coder, rest)):.2f}", pictures[10:])]
    b.rows_of(rows[:2], room=84, top=92, gap=14, paint=signed)
    b.rows_of(rows[2:], room=84, top=232, gap=14, paint=signed)
    return made


def sparse_kl() -> Picture:
    """A target for each unit's average."""
    x = circle()
    made = Picture(
        "Sparse by a target activity", "Where units are on in the plane; histograms of mean activity on digits."
    )
    a, b = made.both(
        ("Two features, sigmoid code of 6, target 0.15", "colour: the most active unit; the fuller, the more"),
        ("Digits, sigmoid code of 64 units", "mean activity of every unit over 1500 pictures"),
    )
    coder = fit_toy(x, 6, "sigmoid() + kl(0.3, target=0.15)", "mlp(32)", 200)
    a.plane(np.concatenate([x, [[-1.5, -1.5], [1.5, 1.5]]]), below=1)
    codes = coder.transform(a.grid(60))
    strong = np.round(codes.max(1), 1)
    a.shade([blend(PAPER, SERIES[k], 0.6 * v) for k, v in zip(codes.argmax(1), strong, strict=True)], 60)
    a.dots(x, INK, 1.4)
    mean = coder.transform(x).mean(0)
    a.legend([(INK, f"rows; mean activity {mean.min():.2f} to {mean.max():.2f} by unit")])
    flat, _ = digits()
    edges, told, tops = np.linspace(0, 1, 41), [], []
    for sentence, colour in (("sigmoid()", ORANGE), ("sigmoid() + kl(1, target=0.05)", BLUE)):
        one = fit_digits(64, sentence, "mlp()", 40, learning_rate=0.01)
        tops.append((np.histogram(one.transform(flat[:KEPT]).mean(0), edges)[0], colour))
        wrong = error(flat[KEPT:], rebuilt(one, flat[KEPT:]))
        told.append((colour, f"{sentence.removeprefix('sigmoid() + ')}: error {wrong:.2f}"))
    b.chart(edges, [0, 75, *np.ravel([one for one, _ in tops])], "mean activity of a unit", "units")
    for one, colour in tops:
        b.bars(one, edges, colour)
    b.line(np.array([[0.05, 0], [0.05, 100]]), BLACK, 1.5, "4 3")
    b.legend([*told, (BLACK, "target 0.05")])
    return made


def topk() -> Picture:
    """The largest outputs of each sample."""
    x = circle()
    coder = fit_toy(x, 8, "relu() + topk(1) + transposed()", "mlp()", 200)
    made = Picture("k-sparse", "The plane cut into the regions of units; digits as sums of four atoms.")
    a, b = made.both(
        ("Two features, topk(1) of 8 units", "colour: the unit that stays; black: rows rebuilt"),
        ("Digits, topk(4) of 64 units", "the bias and four atoms, shown twice as strong"),
    )
    a.plane(np.concatenate([x, [[-1.5, -1.5], [1.5, 1.5]]]))
    codes = coder.transform(a.grid(60))
    a.shade(tints(np.where(codes.max(1) > 0, codes.argmax(1), -1)), 60)
    a.dots(x, GREY, 1.6)
    a.dots(rebuilt(coder, x), BLACK, 1.4)
    flat, _ = digits()
    one = fit_digits(64, "relu() + topk(4) + unit_norm()", "mlp()", 60)
    some = flat[one_of_each()]
    codes, written = one.transform(some), atoms(one)
    bias = one.model_.net.dictionary()[1].detach().numpy()
    names = ("input", "bias", "atom", "atom", "atom", "atom", "rebuilt")
    for j, name in enumerate(names):
        b.text_at(b.left + 58 * j + 52, b.top + 8, name, MUTED, "middle")
    for i, digit in enumerate((0, 1, 2, 3, 5, 7, 8)):
        code, top = codes[digit], b.top + 16 + i * 42
        order = np.argsort(-code)[:4]
        parts = [some[digit], bias, *(code[k] * written[k] for k in order), rebuilt(one, some)[digit]]
        for j, part in enumerate(parts):
            b.shown(squares(part)[0] * (2 if 1 < j < 6 else 1), b.left + 58 * j + 36, top, 4, signed)
            if j:
                b.text_at(b.left + 58 * j + 22, top + 20, "=" if j == 6 else "+" if j > 1 else "", MUTED, "middle", 14)
    return made


def batch_topk() -> Picture:
    """The largest outputs of a whole batch."""
    rng = np.random.default_rng(0)
    flat, _ = digits()
    made = Picture("Batch top-k", "Active units over the plane; histograms of active units per picture.")
    a, b = made.both(
        ("Plain and rich rows, batch_topk(1), 4 units", "shade and number: how many units are on"),
        ("Digits, 8 of 64 units on average", "active units per picture, 297 unseen pictures"),
    )
    plain, rich = rays(300, 4), rng.uniform(-1.2, 1.2, (100, 2)).astype(np.float32)
    x = np.concatenate([plain, rich])
    coder = fit_toy(x, 4, "relu() + batch_topk(1) + transposed()", "mlp()", 200)
    a.plane(np.concatenate([x, [[-1.7, -1.7], [1.7, 1.7]]]), below=2)
    count = (coder.transform(a.grid(60)) != 0).sum(1)
    a.shade([heat(v / 4) for v in count], 60)
    a.dots(plain, ORANGE, 1.5)
    a.dots(rich, BLACK, 1.5)
    for k in range(int(count.max()) + 1):
        spot = a.grid(60)[np.flatnonzero(count == k)]
        if len(spot):
            middle = spot[np.square(spot - np.median(spot, 0)).sum(1).argmin()]
            a.tell(*middle, str(k), anchor="middle")
    a.legend([(ORANGE, f"rows on 4 rays: {active(coder, plain):.2f} units on"),
              (BLACK, f"rows all over: {active(coder, rich):.2f} units on")])  # fmt: skip
    rest, edges, told, tops = flat[KEPT:], np.arange(-0.5, 21), [], []
    for sentence, colour in (("topk(8)", ORANGE), ("batch_topk(8)", BLUE)):
        one = fit_digits(64, f"relu() + {sentence}", "mlp()", 60)
        tops.append(((np.histogram((one.transform(rest) != 0).sum(1), edges)[0]), colour))
        told.append((colour, f"{sentence}: {active(one, rest):.1f} on, error {error(rest, rebuilt(one, rest)):.2f}"))
    b.chart(edges, [0, 360], "units on", "pictures")
    for one, colour in tops:
        b.bars(one, edges, colour)
    b.legend(told, b.box[0] + 8)
    return made


def jumprelu() -> Picture:
    """Learned thresholds."""
    x = rays()
    made = Picture("Thresholds", "Active units over the plane under jumprelu; error against active units on digits.")
    a, b = made.both(
        ("Rows on 5 rays, jumprelu code of 8, l0(0.02)", "shade: units on; arrows: what each unit writes"),
        ("Digits, 64 units: error against units on", "each dot a fit with another weight or k"),
    )
    coder = fit_toy(x, 8, "jumprelu(0.1, bandwidth=0.3) + l0(0.02) + unit_norm() + transposed()", "mlp()", 200)
    a.plane(np.concatenate([x, [[-1.7, -1.7], [1.7, 1.7]]]), below=4)
    count = (coder.transform(a.grid(60)) != 0).sum(1)
    a.shade([heat(v / 5) for v in count], 60)
    a.dots(x, ORANGE, 1.6)
    a.arrows(np.zeros((8, 2)), atoms(coder), INK, 1.6, 7)
    limits = coder.model_.terms["jumprelu"].threshold.detach().numpy()
    a.legend([(ORANGE, f"rows: {active(coder, x):.1f} units on, error {error(x, rebuilt(coder, x)):.3f}"),
              (INK, f"atoms; thresholds {limits.min():.2f} to {limits.max():.2f}"),
              *((heat(k / 5), f"{k} units on") for k in (0, count.max()))])  # fmt: skip
    flat, _ = digits()
    rest, told, lines = flat[KEPT:], [], []
    families = (
        ("relu() + l1(w)", "relu() + l1({}) + unit_norm()", (0.03, 0.1, 0.3, 0.6), ORANGE),
        ("jumprelu() + l0(w)", "jumprelu(0.1, bandwidth=0.1) + l0({}) + unit_norm()", (0.003, 0.01, 0.03, 0.06), BLUE),
        ("relu() + topk(k)", "relu() + topk({}) + unit_norm()", (4, 8, 16, 24), GREEN),
    )
    for name, sentence, values, colour in families:
        fits = [fit_digits(64, sentence.format(v), "mlp()", 30) for v in values]
        lines.append(sorted((active(one, rest), error(rest, rebuilt(one, rest))) for one in fits))
        told.append((colour, name))
    every = np.concatenate(lines)
    b.chart([0, *every[:, 0]], [0, *every[:, 1]], "units on per picture", "squared error per picture")
    for way, (colour, _) in zip(lines, told, strict=True):
        b.line(np.array(way), colour)
        b.dots(np.array(way), colour, 3.5)
    b.legend(told)
    return made


def nested() -> Picture:
    """A code that can be cut short."""
    x = arc(300, 0.12)
    made = Picture("Nested", "What the first unit alone rebuilds; error by the number of units kept.")
    a, b = made.both(
        ("Two features, code of 2: the first unit alone", "what the decoder makes of it, the second unit put to 0"),
        ("Digits, code of 32: only the first units are kept", "a 5 is rebuilt from 1, 2, 4, 8, 16, 32 units"),
    )
    a.plane(x, below=3)
    a.dots(x, GREY, 1.6)
    told = []
    for sentence, colour in (("squared()", ORANGE), ("squared() + nested(1, widths=(1,))", BLUE)):
        coder = fit_toy(x, 2, sentence, "mlp(32)", 200)
        codes = coder.transform(x)
        codes[:, 1] = 0
        back = np.asarray(coder.inverse_transform(codes))
        a.dots(back, colour, 1.8)
        told.append((colour, f"{'nested' if 'nested' in sentence else 'squared() alone'}: error {error(x, back):.2f}"))
    a.legend([(GREY, "rows"), *told])
    flat, _ = digits()
    rest, widths, lines = flat[KEPT:], (1, 2, 4, 8, 16, 32), {}
    five = one_of_each()[5] - KEPT
    strips = []
    for name, sentence, colour in (("squared() alone", "squared()", ORANGE), ("nested", "squared() + nested(1)", BLUE)):
        coder = fit_digits(32, sentence, "mlp()", 60)
        with torch.no_grad():
            codes = torch.from_numpy(coder.transform(rest))
            cut = [decode_first(coder.model_.net.decoder, codes, w).numpy() for w in widths]
        lines[name] = (colour, [error(rest, one) for one in cut])
        strips.append((name, squares(np.stack([one[five] for one in cut]))))
    pca = [error(rest, rebuilt(Pca(w, scale="none", random_state=0).fit(flat[:KEPT]), rest)) for w in widths]
    lines["PCA of that size"] = (GREY, pca)
    b.chart(widths, [0, *np.minimum(np.ravel([v for _, v in lines.values()]), 12)], "units kept",
            "squared error per picture", True, [(w, str(w)) for w in widths], below=92)  # fmt: skip
    for colour, values in lines.values():
        b.line(np.stack([widths, values], 1), colour)
        b.dots(np.stack([widths, values], 1), colour, 3)
    b.legend([(colour, name) for name, (colour, _) in lines.items()], b.box[0] + 6, b.box[3] - 64)
    b.rows_of(strips, room=130, top=346, gap=8)
    b.text_at(b.left + 370, 367, "input", MUTED)
    b.shown(squares(rest[five])[0], b.left + 410, 346, 4)
    return made


def revive() -> Picture:
    """Units that are never on."""
    x = rays(400, 5)
    made = Picture("Dead units", "Dead units' atoms on a toy; share of dead units over the passes on digits.")
    a, b = made.both(
        ("Rows on 5 rays, relu code of 24, l1(0.5)", "arrows: what units write; those never on are grey"),
        ("Digits, topk(8) of 512 units", "share of units that are on for no picture"),
    )
    a.plane(np.concatenate([x, [[-1.7, -1.7], [1.7, 1.7]]]), below=3)
    a.dots(x, "#f0c9a8", 1.6)
    told = []
    for sentence, colour in (("", ORANGE), (" + revive(1/32, after=500)", BLUE)):
        coder = fit_toy(x, 24, "relu() + l1(0.5) + unit_norm()" + sentence, "mlp()", 150)
        on = (coder.transform(x) != 0).any(0)
        longer = 1.0 if sentence else 1.35
        written = atoms(coder) * longer
        a.arrows(np.zeros_like(written[~on]), written[~on], GREY, 1.2, 5)
        a.arrows(np.zeros_like(written[on]), written[on], colour, 1.8, 7)
        told.append((colour, f"{'with revive()' if sentence else 'without'}: {(~on).sum()} of 24 dead"))
    a.legend([*told, (GREY, "dead")])
    flat, _ = digits()
    lines = []
    for name, more, colour in (
        ("topk(8)", "", ORANGE), ("+ revive(1/32)", " + revive(1/32, after=3000)", BLUE),
        ("+ transposed()", " + transposed() + unit_norm()", GREEN),
    ):  # fmt: skip
        lines.append((colour, name, dead_by_epoch(flat[:KEPT], "relu() + topk(8)" + more)))
    epochs = np.arange(1, len(lines[0][2]) + 1)
    b.chart(epochs, [0, 0.7, *np.ravel([v for *_, v in lines])], "passes over the pictures", "share of dead units")
    for colour, name, values in lines:
        b.line(np.stack([epochs, values], 1), colour, 2.5, "1 7" if "revive" in name else "")
    b.legend([(colour, f"{name}: {values[-1]:.2f} at the end") for colour, name, values in lines])
    return made


def dead_by_epoch(x: np.ndarray, sentence: str, epochs: int = 20) -> list[float]:
    """The share of units that no row turns on, after every epoch."""
    coder = Autoencoder(512, sentence, "mlp()", epochs, 64, 0.002, 0, scale="none", random_state=0, device="cpu")
    shares = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in coder.fit_epochs(x):
            with torch.no_grad():
                codes = coder.model_.codes(torch.from_numpy(x))
            shares.append(float((codes == 0).all(0).float().mean()))
    return shares


def psd() -> Picture:
    """Inferred codes, predicted afterwards."""
    x = rays()
    sentence = "shrink(0.1) + infer(0.1) + predict(1) + unit_norm()"
    made = Picture(
        "Predictive sparse decomposition", "Inferred beside predicted codes on a toy; digits rebuilt from both."
    )
    a, b = made.both(
        ("Rows on 5 rays, code of 8 units", "each dot: one unit of one row"),
        ("Digits, code of 64 units, l1 0.1", "20 atoms; unseen pictures rebuilt from both codes"),
    )
    a.plane(
        np.array([[-1.7, -1.7], [1.7, 1.7]]),
        "value inferred in training, 10 steps of FISTA",
        "value predicted in one pass",
        below=2,
    )
    a.line(np.array([[-2, -2], [2, 2]]), GREY, 1)
    told = []
    for epochs, colour in ((2, ORANGE), (150, BLUE)):
        coder = fit_toy(x, 8, sentence, "mlp()", epochs)
        said, found = coder.transform(x), inferred(coder, x, 10, 1.0)
        a.dots(np.stack([found[::3].ravel(), said[::3].ravel()], 1), colour, 1.5, 0.7)
        told.append((colour, f"after {epochs} passes, mean difference {np.abs(found - said).mean():.2f}"))
    a.legend(told)
    flat, _ = digits()
    coder = fit_digits(64, sentence, "mlp()", 60)
    some, rest = flat[one_of_each()], flat[KEPT:]
    said, found = coder.transform(rest), inferred(coder, rest)
    back = [rebuilt(coder, rest), np.asarray(coder.inverse_transform(found))]
    one = np.asarray(coder.inverse_transform(inferred(coder, some)))
    written = even(atoms(coder)[np.argsort(-np.abs(said).mean(0))[:20]])
    b.rows_of([("atoms", written[:10]), ("", written[10:])], room=96, top=74, gap=6, paint=signed)
    b.rows_of(
        [("input", squares(some)),
         (f"inferred\n{error(rest, back[1]):.2f}, {np.mean(found != 0):.0%} on", squares(one)),
         (f"predicted\n{error(rest, back[0]):.2f}, {np.mean(said != 0):.0%} on", squares(rebuilt(coder, some)))],
        room=96, top=182, gap=26,
    )  # fmt: skip
    return made


def inferred(coder: Autoencoder, x: np.ndarray, steps: int = 100, pull: float = 0.0) -> np.ndarray:
    """The sparse codes that the decoder's dictionary gives, as infer(0.1) finds them; by default without its pull."""
    written, bias = (one.detach() for one in coder.model_.net.dictionary())
    start = torch.from_numpy(coder.transform(x))
    return infer(torch.from_numpy(x) - bias, written, start, 0.1, pull, steps).numpy()


DRAWN = (sparse_l1, sparse_kl, topk, batch_topk, jumprelu, nested, revive, psd)
