"""What MIG and DCI have a beta-VAE and a beta-TCVAE on dSprites?  python benchmarks/dsprites.py  (about 15 min of CPU)

dSprites as `data.generate` draws it: 10,000 pictures to train on, 10,000 others to measure on, both random subsets of
the 737,280. Three seeds, one thread, a small net and few steps: figures of this recipe, not of the methods. Every fit
is kept in the temporary folder, so that the script can be stopped and goes on.
"""

from __future__ import annotations

import base64
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RESULTS, write
from PIL import Image
from scipy import stats

from codelayer import Autoencoder, load
from codelayer.data.generate import DSprites, Generated
from codelayer.measure import METRICS, unit_table

QUESTION = "What MIG and DCI have a trained beta-VAE and beta-TCVAE on dSprites?"
OBJECTIVES = {"beta-VAE": "gaussian() + prior(4)", "beta-TCVAE": "gaussian() + prior(1) + total_correlation(5)"}
NET, CODE, EPOCHS, BATCH, RATE, SEEDS = "mlp(128, 128)", 10, 40, 128, 0.001, 3
TRAIN, SCORED = 10_000, 10_000
SCORES = {
    "mig": {},
    "mig_dlib20": {},
    "dci_disentanglement": {},
    "dci_completeness": {},
    "dci_informativeness": {},
    "sap": {},
    "factor_vae_score": {},
}
KEPT = Path(tempfile.gettempdir()) / f"codelayer-dsprites-{EPOCHS}"


def pictures() -> tuple[Generated, Generated]:
    """Disjoint rows to train on and to measure on."""
    grid = DSprites()
    rows = np.random.default_rng(0).permutation(len(grid))[: TRAIN + SCORED]
    return grid.generated(rows[:TRAIN]), grid.generated(rows[TRAIN:])


def fitted(name: str, seed: int, x: np.ndarray) -> tuple[Any, float]:
    """The fit of one seed and its CPU seconds, from the temporary folder where it is there."""
    path = KEPT / f"{name}-{seed}"
    if not (path / "seconds.txt").exists():
        started = time.process_time()
        options = {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": RATE, "validation": 0, "random_state": seed}
        coder = Autoencoder(CODE, OBJECTIVES[name], NET, **options).fit(x)
        seconds = time.process_time() - started
        coder.save(path / "fit")
        (path / "seconds.txt").write_text(f"{seconds}\n", encoding="utf-8")
        print(f"{name} seed {seed}: {seconds:.0f} s", flush=True)
    return load(path / "fit"), float((path / "seconds.txt").read_text(encoding="utf-8"))


def measured(codes: np.ndarray, factors: dict[str, np.ndarray]) -> dict[str, float]:
    """Every score of one code, the units in use, and for MIG the share of each factor."""
    arrays = {"codes": codes, "factors": factors}
    found = {name: METRICS[name].read(arrays, options).value for name, options in SCORES.items()}
    return found | {"active_units": float((codes.std(0) > 0.05).sum())}


def interval(values: list[float]) -> list[float]:
    """Mean and 95 % interval over seeds, by Student's t."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return [mean, mean - half, mean + half]


def draw(coder: Any, scored: Generated) -> None:
    """docs/pictures/dsprites_units.svg: five units in use turned from -2 to 2, what the decoder makes of it."""
    codes = coder.transform(scored.x)
    table = unit_table(codes, factors=scored.columns)
    used = sorted((row for row in table if row["factors"]), key=lambda row: -row["factors"][0][1])[:5]
    start = np.repeat(codes[:1], 9, axis=0)
    strips, body, side = [], [], 64
    for place, row in enumerate(used):
        edited = start.copy()
        edited[:, row["unit"]] = np.linspace(-2, 2, 9)
        made = np.asarray(coder.inverse_transform(edited), dtype=np.float64).reshape(9, side, side)
        strips.append(np.hstack(list(np.clip(made / max(made.max(), 1), 0, 1) * 255)))
        told = ", ".join(f"{name} {share:.2f}" for name, share in row["factors"][:2])
        body.append(f'<text x="8" y="{place * side + 28}" font-weight="bold">unit {row["unit"]}</text>')
        body.append(f'<text x="8" y="{place * side + 44}">{told}</text>')
    file = io.BytesIO()
    Image.fromarray(np.vstack(strips).astype(np.uint8)).save(file, "PNG", optimize=True)
    width, height = 9 * side + 150, len(used) * side
    held = base64.b64encode(file.getvalue()).decode()
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    picture = f'<image x="150" width="{9 * side}" height="{height}" href="data:image/png;base64,{held}"/>'
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    style = ' font-family="sans-serif" font-size="11" fill="#14181c">'
    text = "\n".join([head + style, ground, *body, picture, "</svg>"])
    (RESULTS.parents[1] / "docs" / "pictures" / "dsprites_units.svg").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Fit, measure and write."""
    torch.set_num_threads(1)
    train, scored = pictures()
    fits = {(name, seed): fitted(name, seed, train.x) for seed in range(SEEDS) for name in OBJECTIVES}
    rows, started = [], time.process_time()
    for name, text in OBJECTIVES.items():
        found = [measured(fits[name, seed][0].transform(scored.x), scored.columns) for seed in range(SEEDS)]
        kept = [float(fits[name, seed][0].score(scored.x)) for seed in range(SEEDS)]
        ends = {key: interval([one[key] for one in found]) for key in found[0]}
        seconds = [fits[name, seed][1] for seed in range(SEEDS)]
        rows.append({"model": name, "objective": text, "seconds_per_fit": seconds, "explained": interval(kept), **ends})
        print(name, {key: [round(v, 3) for v in span] for key, span in ends.items()}, flush=True)
    settings = {"net": NET, "code_size": CODE, "epochs": EPOCHS, "batch": BATCH, "learning_rate": RATE}
    size = {
        "train": TRAIN,
        "scored": SCORED,
        "steps": EPOCHS * -(-TRAIN // BATCH),
        "measuring": time.process_time() - started,
    }
    draw(fits["beta-TCVAE", 0][0], scored)
    write("dsprites", QUESTION, rows, seeds=SEEDS, threads=1, **settings, **size)


if __name__ == "__main__":
    main()
