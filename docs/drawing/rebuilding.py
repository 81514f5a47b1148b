"""Pictures of objectives that rebuild their input: plain, deep, tied, losses, corruptions, contraction, all at once."""

from __future__ import annotations

import numpy as np
import torch

from codelayer import Autoencoder, Pca

from .canvas import BLUE, GREEN, GREY, INK, MUTED, ORANGE, PURPLE, Panel, Picture, heat, signed
from .data import (
    KEPT,
    arc,
    atoms,
    digits,
    even,
    fit,
    fit_digits,
    fit_toy,
    moons,
    one_of_each,
    rebuilt,
    spiral,
    squares,
)  # fmt: skip


def error(x: np.ndarray, back: np.ndarray) -> float:
    """Mean squared error per row, summed over features."""
    return float(((x - back) ** 2).sum(1).mean())


def curve(coder: Autoencoder, x: np.ndarray) -> np.ndarray:
    """What a decoder of one unit draws between its 1st and 99th percentile."""
    low, high = np.percentile(coder.transform(x), [0.5, 99.5])
    steps = np.linspace(low, high, 240, dtype=np.float32)[:, None]
    return np.asarray(coder.inverse_transform(steps), float)


def jacobians(coder: Autoencoder, x: np.ndarray) -> np.ndarray:
    """(rows, units, features) derivatives of the settled code."""
    rows = torch.tensor(x, requires_grad=True)
    codes = coder.model_.codes(rows)
    pulls = [torch.autograd.grad(codes[:, j].sum(), rows, retain_graph=True)[0] for j in range(codes.shape[1])]
    return torch.stack(pulls, 1).detach().numpy()


def field(panel: Panel, coder: Autoencoder, count: int = 17, colour: str = BLUE) -> None:
    """An arrow from places of the plane to what they are rebuilt as, shortened to half."""
    at = panel.grid(count)
    panel.arrows(at, at + 0.5 * (rebuilt(coder, at) - at), colour)


def undercomplete() -> Picture:
    """A code narrower than its input."""
    x, line = arc(), Pca(1, scale="none", random_state=0)
    line.fit(x)
    coder = fit_toy(x, 1, "squared()")
    made = Picture("Undercomplete", "A curve through rows on an arc, and digits rebuilt from 8 numbers.")
    a, b = made.both(
        ("Two features, code of one unit", "rows, their reconstructions, all a decoder can say"),
        ("Digits, code of 8 units", "pictures that were not learned from"),
    )
    a.plane(np.concatenate([x, [[-1.3, -0.5], [1.3, 1.2]]]), below=3)
    ends = np.asarray(line.inverse_transform(np.array([[-1.3], [1.3]], np.float32)))
    a.line(ends, ORANGE, 2, "5 4")
    a.segments(x, rebuilt(coder, x), "#c3ccd4")
    a.dots(x, GREY)
    a.line(curve(coder, x), BLUE, 2.5)
    a.legend(
        [(GREY, "rows"), (BLUE, f"autoencoder, error {error(x, rebuilt(coder, x)):.3f}"),
         (ORANGE, f"PCA, error {error(x, rebuilt(line, x)):.3f}")]
    )  # fmt: skip
    flat, _ = digits()
    pca, deep = Pca(8, scale="none", random_state=0).fit(flat[:KEPT]), fit_digits(8, "squared()", "mlp(48, 24)", 60)
    some, rest = flat[one_of_each()], flat[KEPT:]
    b.rows_of(
        [("input", squares(some)), (f"PCA\nerror {error(rest, rebuilt(pca, rest)):.2f}", squares(rebuilt(pca, some))),
         (f"autoencoder\nerror {error(rest, rebuilt(deep, rest)):.2f}", squares(rebuilt(deep, some)))],
        room=84, top=110, gap=28,
    )  # fmt: skip
    return made


def deep() -> Picture:
    """More layers."""
    x = spiral()
    made = Picture("Deep", "Curves of decoders of one, two and four layers; error on digits by code size.")
    a, b = made.both(
        ("Two features, code of one unit", "what decoders of more layers can follow"),
        ("Digits: error by size of the code", "297 pictures that were not learned from"),
    )
    a.plane(x, below=3)
    a.dots(x, GREY)
    told = []
    for net, colour, name in (
        ("mlp()", ORANGE, "1 layer each"), ("mlp(24)", GREEN, "2 layers"), ("mlp(64, 64, 64)", BLUE, "4 layers"),
    ):  # fmt: skip
        coder = fit_toy(x, 1, "squared()", net, 300)
        a.line(curve(coder, x), colour, 2.5)
        told.append((colour, f"{name}, error {error(x, rebuilt(coder, x)):.3f}"))
    a.legend(told)
    flat, _ = digits()
    rest, sizes = flat[KEPT:], (1, 2, 4, 8, 16)
    lines = {"PCA": [], "mlp(48)": [], "mlp(64, 48, 24)": []}
    for size in sizes:
        lines["PCA"].append(error(rest, rebuilt(Pca(size, scale="none", random_state=0).fit(flat[:KEPT]), rest)))
        for net in ("mlp(48)", "mlp(64, 48, 24)"):
            lines[net].append(error(rest, rebuilt(fit_digits(size, "squared()", net, 40), rest)))
    b.chart(sizes, [0, *np.ravel(list(lines.values()))], "units of the code", "squared error per picture", True,
            [(s, str(s)) for s in sizes])  # fmt: skip
    colours = (ORANGE, GREEN, BLUE)
    for (_, values), colour in zip(lines.items(), colours, strict=True):
        b.line(np.stack([sizes, values], 1), colour)
        b.dots(np.stack([sizes, values], 1), colour, 3.5)
    b.legend([(colour, name) for colour, name in zip(colours, lines, strict=True)])
    return made


def tied() -> Picture:
    """One weight matrix, used both ways."""
    x = moons()[0] - np.float32([0.5, 0.25])
    made = Picture("Tied weights", "What units read and what they write, with and without tied weights.")
    a, b = made.both(
        ("Two features, sigmoid code of 4 units", "what each unit reads and what it writes"),
        ("Digits, sigmoid code of 8, contractive(0.1)", "what units read and write: white 0, orange above, blue below"),
    )
    sentence = "sigmoid() + contractive(1)"
    loose, bound = fit_toy(x, 4, sentence, "mlp()"), fit_toy(x, 4, sentence, "mlp(tied=True)")
    read = {name: one.model_.net.affine_weight().detach().numpy() for name, one in (("untied", loose), ("tied", bound))}
    written = {"untied": atoms(loose), "tied": atoms(bound)}
    a.plane(
        np.concatenate([*read.values(), *written.values(), x]), "weight on feature 1", "weight on feature 2", below=4
    )
    a.dots(x, "#d5dae0")
    zero = np.zeros((4, 2))
    a.arrows(zero, written["untied"], ORANGE, 1.8, 7)
    a.arrows(zero, read["untied"], BLUE, 1.8, 7)
    a.arrows(zero, read["tied"], GREEN, 1.8, 7)
    sizes = [np.linalg.norm(one, axis=1).mean() for one in (read["untied"], written["untied"], read["tied"])]
    named = zip((BLUE, ORANGE, GREEN), ("untied: read", "untied: written", "tied: both"), sizes, strict=True)
    a.legend([*((colour, f"{name}, mean length {size:.2f}") for colour, name, size in named), ("#d5dae0", "rows")])
    loose = fit_digits(8, "sigmoid() + contractive(0.1)", "mlp()")
    bound = fit_digits(8, "sigmoid() + contractive(0.1)", "mlp(tied=True)")
    read = {name: one.model_.net.affine_weight().detach().numpy() for name, one in (("untied", loose), ("tied", bound))}
    sizes = {name: np.linalg.norm(w, axis=1).mean() for name, w in read.items()}
    wide = {name: np.linalg.norm(atoms(one), axis=1).mean() for name, one in (("untied", loose), ("tied", bound))}
    b.rows_of(
        [(f"untied: read\nlength {sizes['untied']:.2f}", even(read["untied"])),
         (f"untied: written\nlength {wide['untied']:.2f}", even(atoms(loose))),
         (f"tied: both\nlength {sizes['tied']:.2f}", even(read["tied"]))],
        room=104, top=110, gap=28, paint=signed,
    )  # fmt: skip
    return made


def losses() -> Picture:
    """What a reconstruction is charged."""
    rng = np.random.default_rng(1)
    x = arc(260)
    wrong = np.stack([rng.uniform(0.3, 1.6, 26), rng.uniform(1.2, 2.1, 26)], 1).astype(np.float32)
    both = np.concatenate([x, wrong])
    made = Picture(
        "Losses", "A curve bent by outliers under the squared loss, less under huber; digits under three losses."
    )
    a, b = made.both(
        ("Two features, a tenth of the rows far off", "the curve of a code of one unit"),
        ("Digits, code of 8 units, three losses", "pictures that were not learned from"),
    )
    a.plane(both, below=3)
    a.dots(x, GREY)
    a.dots(wrong, PURPLE, 2.5)
    told = [(PURPLE, "rows that do not belong")]
    for sentence, colour in (("squared()", ORANGE), ("huber(0.05)", BLUE)):
        coder = fit_toy(both, 1, sentence, "mlp(16)", 200)
        a.line(curve(coder, x), colour, 2.5)
        told.append((colour, f"{sentence}, error on the others {error(x, rebuilt(coder, x)):.3f}"))
    a.legend(told)
    flat, _ = digits()
    some, rest = flat[one_of_each()], flat[KEPT:]
    rows = [("input", squares(some))]
    for sentence in ("squared()", "bernoulli()", "normal()"):
        coder = fit_digits(8, sentence, "mlp(48, 24)", 60)
        rows.append((f"{sentence}\nerror {error(rest, rebuilt(coder, rest)):.2f}", squares(rebuilt(coder, some))))
    b.rows_of(rows, room=84, top=92, gap=26)
    return made


def denoising() -> Picture:
    """Cleaning what was spoiled."""
    x = moons()[0]
    coder = fit_toy(x, 8, "noise(0.25)", "mlp(64, 64)", 150)
    made = Picture("Denoising", "Arrows from places of the plane back to the rows; digits cleaned.")
    a, b = made.both(
        ("Two features, code of 8 units, noise(0.25)", "arrows: half the way from x to x rebuilt"),
        ("Digits, code of 32 units, three corruptions", "pictures that were not learned from"),
    )
    a.plane(np.concatenate([x, [[-1.6, -1.1], [2.6, 1.6]]]))
    a.dots(x, ORANGE, 1.6)
    field(a, coder, 21)
    flat, _ = digits()
    some, rng = flat[one_of_each()], np.random.default_rng(0)
    chance = rng.random(some.shape)
    spoiled = {
        "mask(0.4)": np.where(chance < 0.4, 0, some),
        "noise(0.3)": some + 0.3 * rng.normal(size=some.shape),
        "salt(0.3)": np.where(chance < 0.15, 1, np.where(chance < 0.3, 0, some)),
    }
    rows = [("clean", squares(some))]
    for sentence, seen in spoiled.items():
        cleaner = fit_digits(32, sentence, "mlp(128)", 40)
        seen = seen.astype(np.float32)
        back = rebuilt(cleaner, seen)
        rows += [
            (sentence, squares(seen)),
            (f"rebuilt\n{error(some, seen):.1f} to {error(some, back):.1f}", squares(back)),
        ]
    b.rows_of(rows, room=88, pixel=4, gap=13, top=68)
    return made


def contractive() -> Picture:
    """A code that moves little."""
    x = arc(300)
    turn = x[:, ::-1] * np.float32([-1, 1])  # the direction of the arc at a row is a quarter turn from the row's
    both = {
        w: fit_toy(x, 2, f"tanh() + contractive({w}, probes=0)" if w else "tanh()", "mlp(32)", 150) for w in (0, 0.02)
    }
    held = both[0.02]
    made = Picture("Contractive", "How fast the code moves over the plane; singular values of the Jacobian on digits.")
    a, b = made.both(
        ("Two features, tanh code of 2, contractive", "shade: |J|, the code's speed; arrows: towards x rebuilt"),
        ("Digits, sigmoid code of 64 units, tied", "mean singular values of J over 100 unseen pictures"),
    )
    a.plane(np.concatenate([x, [[-1.7, -0.9], [1.7, 1.6]]]), below=3)
    at = a.grid(42)
    speed = np.sqrt((jacobians(held, at) ** 2).sum((1, 2)))
    a.shade([heat(round(v, 2)) for v in speed / speed.max()], 42)
    a.dots(x, ORANGE, 1.6)
    field(a, held, 17, INK)
    told = [(heat(1), f"|J| = {speed.max():.1f}, white 0")]
    for weight, coder in both.items():
        pulls, unit = jacobians(coder, x), x / np.linalg.norm(x, axis=1, keepdims=True)
        along, across = (
            np.linalg.norm(np.einsum("nuf,nf->nu", pulls, one), axis=1).mean()
            for one in (turn / np.linalg.norm(turn, axis=1, keepdims=True), unit)
        )
        told.append((ORANGE, f"{'with it' if weight else 'without'}: along rows {along:.2f}, across {across:.2f}"))
    a.legend(told)
    flat, _ = digits()
    rest = flat[KEPT : KEPT + 100]
    lines = {}
    for sentence, colour in (
        ("sigmoid()", ORANGE),
        ("sigmoid() + contractive(0.1)", BLUE),
        ("sigmoid() + contractive(0.1, hessian=10, epsilon=0.5)", GREEN),
        ("sigmoid() + contractive(1)", PURPLE),
    ):
        coder = fit_digits(64, sentence, "mlp(tied=True)", 30)
        values = np.linalg.svd(jacobians(coder, rest), compute_uv=False).mean(0)
        lines[sentence.removeprefix("sigmoid() + ") + f": error {error(rest, rebuilt(coder, rest)):.2f}"] = (
            colour,
            values,
        )
    ranks = np.arange(1, 65)
    b.chart(ranks, [0, 0.68, *np.ravel([v for _, v in lines.values()])], "direction, by size", "singular value of J")
    for colour, values in lines.values():
        b.line(np.stack([ranks, values], 1), colour)
    b.legend([(colour, name) for name, (colour, _) in lines.items()])
    return made


def patches() -> Picture:
    """Filling in what is hidden."""
    x = (arc(400, 0.04) + np.float32([1.3, 0.7])) / np.float32(2.6)
    tiny = x.reshape(-1, 1, 2, 1)
    made = Picture("Masked pictures", "Pictures of two pixels of which one is hidden; digits with hidden patches.")
    a, b = made.both(
        ("Pictures of two pixels, one of them hidden", "patches(0.5, size=1): what is put in its place"),
        ("Digits, patches of 2 x 2 pixels hidden", "pictures that were not learned from"),
    )
    coder = fit(tiny, 4, "patches(0.5, size=1, emphasis=10)", "mlp(64, 64)", 150, batch_size=64, learning_rate=0.005)
    a.plane(np.array([[0, 0], [1, 0.75]]), "pixel 1", "pixel 2", below=3)
    a.dots(x, GREY)
    shown = np.linspace(x[:, 0].min(), x[:, 0].max(), 80, dtype=np.float32)
    back = rebuilt(coder, np.stack([shown, 0 * shown], 1).reshape(-1, 1, 2, 1))
    a.line(np.stack([shown, back[:, 1]], 1), BLUE, 2.5)
    tall = np.linspace(x[:, 1].min(), x[:, 1].max(), 80, dtype=np.float32)
    back = rebuilt(coder, np.stack([0 * tall, tall], 1).reshape(-1, 1, 2, 1))
    a.line(np.stack([back[:, 0], tall], 1), ORANGE, 2.5)
    a.legend([(GREY, "pictures"), (BLUE, "pixel 2 rebuilt from pixel 1"), (ORANGE, "pixel 1 rebuilt from pixel 2")])
    flat, _ = digits()
    some, rng = flat[one_of_each()], np.random.default_rng(1)
    rows = [("clean", squares(some))]
    for share in (0.25, 0.5, 0.75):
        sentence = f"patches({share}, size=2)"
        coder = fit(flat[:KEPT].reshape(-1, 8, 8, 1), 32, sentence, "mlp(128)", 40, batch_size=64, learning_rate=0.002)
        hidden = rng.random((10, 16)).argsort(1) < round(16 * share)
        holes = np.kron(hidden.reshape(10, 4, 4), np.ones((1, 2, 2))).reshape(10, 64) > 0
        seen = np.where(holes, 0, some).astype(np.float32)
        back = rebuilt(coder, seen.reshape(-1, 8, 8, 1))
        wrong = [float(((one - some) ** 2)[holes].mean()) for one in (seen, back)]
        rows += [(f"{share:.0%} hidden", squares(seen)), (f"rebuilt\n{wrong[0]:.2f} to {wrong[1]:.2f}", squares(back))]
    b.rows_of(rows, room=92, pixel=4, gap=13, top=68)
    return made


def all_at_once() -> Picture:
    """Three ideas in one sentence."""
    x = moons()[0]
    sentence = "noise(0.2) + relu() + l1(0.02) + contractive(0.01) + unit_norm()"
    coder = fit_toy(x, 16, sentence, "mlp()", 200)
    made = Picture("All at once", "Arrows and active units on a toy; three measures for five sentences on digits.")
    a, b = made.both(
        ("Two features, code of 16, three ideas at once", "shade: active units; arrows: half the way to x rebuilt"),
        ("Digits, relu code of 64 units, unit_norm() in all", "297 unseen pictures; error after masking 30%"),
    )
    a.plane(np.concatenate([x, [[-1.6, -1.1], [2.6, 1.6]]]), below=3)
    at = a.grid(42)
    active = (coder.transform(at) > 0).sum(1)
    a.shade([heat(v / 16) for v in active], 42)
    a.dots(x, ORANGE, 1.6)
    field(a, coder, 17, INK)
    a.legend([(ORANGE, "rows"), (heat(active.min() / 16), f"{active.min()} units active"),
              (heat(active.max() / 16), f"{active.max()} units active")])  # fmt: skip
    flat, _ = digits()
    rest, rng = flat[KEPT:], np.random.default_rng(0)
    spoiled = np.where(rng.random(rest.shape) < 0.3, 0, rest).astype(np.float32)
    measured = []
    extras = {
        "nothing more": "",
        "mask(0.3)": "mask(0.3) + ",
        "l1(0.1)": "l1(0.1) + ",
        "contractive(0.01)": "contractive(0.01) + ",
    }
    extras["all three"] = "".join(extras.values())
    for name, more in extras.items():
        one = fit_digits(64, more + "relu() + unit_norm()", "mlp()", 30)
        codes, pulls = one.transform(rest), jacobians(one, rest)
        measured.append(
            (name, error(rest, rebuilt(one, spoiled)), (codes > 0).mean() * 100, np.sqrt((pulls**2).sum((1, 2))).mean())
        )
    table(b, measured, (("error, masked", "{:.1f}"), ("% units active", "{:.0f}"), ("mean |J|", "{:.1f}")))
    return made


def table(panel: Panel, rows: list[tuple], columns: tuple[tuple[str, str], ...]) -> None:
    """Names with bars and numbers, one column per measure."""
    room = 118.0
    wide = (panel.right - panel.left - room) / len(columns)
    for j, (name, form) in enumerate(columns):
        left, most = panel.left + room + j * wide, max(row[j + 1] for row in rows)
        panel.text_at(left, panel.top + 34, name, MUTED, size=11.5)
        for i, row in enumerate(rows):
            top = panel.top + 52 + i * 44
            length = (wide - 52) * row[j + 1] / most
            panel.picture.parts.append(
                f'<rect x="{left:.0f}" y="{top:.0f}" width="{length:.1f}" height="18" fill="{BLUE}"/>'
            )
            panel.text_at(left + length + 5, top + 13.5, form.format(row[j + 1]))
    for i, row in enumerate(rows):
        panel.text_at(panel.left, panel.top + 66 + i * 44, row[0], size=12.5)


DRAWN = (undercomplete, deep, tied, losses, denoising, contractive, patches, all_at_once)
