"""Which weights should the recipes have?  python benchmarks/recipe_weights.py  (about 10 min, 2 cores)

Every recipe with one free number is trained over a small grid of it on three data sets (pictures, two tables), three
seeds each; the score is the area under the label curve of a linear probe on rows that the codes have not seen,
beside that of PCA of equal width. A recipe takes the value with the best mean rank over the data sets. Only the
`train` and `choose` parts of a fixed split are used, so that a study of the same data still has fresh report rows.
"""

from __future__ import annotations

import warnings

import joblib
import numpy as np
import torch
from machine import write

from codelayer import Autoencoder, Pca
from codelayer.data.load import Data, load_data
from codelayer.data.named import stored
from codelayer.data.rows import rows_of
from codelayer.measure.curves import label_curve
from codelayer.objective import RECIPES
from codelayer.study.parts import make_parts
from codelayer.study.rivals import default_code_size

SEEDS = 3
GRIDS = {
    "sparse": ("relu() + l1({}) + unit_norm()", (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)),
    "k_sparse": ("topk({})", (0.1, 0.2, 0.4, 0.6)),
    "denoising": ("mask({})", (0.1, 0.2, 0.3, 0.5)),
    "contractive": ("sigmoid() + contractive({})", (0.001, 0.01, 0.03, 0.1, 0.3)),
}


def sets() -> dict[str, Data]:
    """Three data sets of different kinds; USPS from the data folder when it is there, else wine."""
    found = {"digits": load_data("digits"), "breast_cancer": load_data("breast_cancer")}
    folder = stored("mnist")
    bean = None if folder is None else folder.with_name("tab_dry_bean.parquet")
    if bean is not None and bean.exists():
        found["dry_bean"] = load_data(str(bean), label="Class").take(np.arange(0, 13_611, 4))
    else:
        found["wine"] = load_data("wine")
    return found


def area(data: Data, text: str, net: str, seed: int) -> dict[str, float]:
    """The label curve's area of one fit, and its dead units."""
    torch.set_num_threads(1)
    parts = make_parts(data, None, "class", 0)
    x, y = parts.rows("train"), parts.known_labels("train")
    size = default_code_size(int(np.prod(x.shape[1:])) if hasattr(x, "shape") else len(x.names))
    coder = Pca(size, random_state=seed) if text == "pca" else Autoencoder(size, text, net=net, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coder.fit(x)
    curve = label_curve(
        coder.transform(x),
        y,
        coder.transform(parts.rows("choose")),
        parts.known_labels("choose"),
        picked=parts.picked(seed, 7),
        task="class",
    )
    return {"area": curve.area, "dead": len(getattr(coder, "dead_units_", ()))}


def main() -> None:
    """Run the grids and write the table."""
    rows = []
    for name, data in sets().items():
        jobs = [("pca", "", "pca", s) for s in range(SEEDS)]
        for recipe, (pattern, grid) in GRIDS.items():
            jobs += [(recipe, str(value), pattern.format(value), s) for value in grid for s in range(SEEDS)]
        found = joblib.Parallel(n_jobs=2)(
            joblib.delayed(area)(data, text, RECIPES.get(recipe, ("", "mlp()"))[1], s) for recipe, _, text, s in jobs
        )
        for (recipe, value, text, s), one in zip(jobs, found, strict=True):
            rows.append(
                {
                    "data": name,
                    "rows": rows_of(data.x),
                    "recipe": recipe,
                    "value": value,
                    "text": text,
                    "seed": s,
                    **one,
                }
            )
        for recipe, value in dict.fromkeys((job[0], job[1]) for job in jobs):
            areas = [r["area"] for r in rows if r["data"] == name and r["recipe"] == recipe and r["value"] == value]
            dead = [r["dead"] for r in rows if r["data"] == name and r["recipe"] == recipe and r["value"] == value]
            print(
                f"{name:14s} {recipe:12s} {value:7s} area {np.mean(areas):.4f} +- {np.std(areas):.4f} "
                f"dead {np.mean(dead):.1f}",
                flush=True,
            )
    write("recipe_weights", "Which weights should the recipes have?", rows, seeds=SEEDS)


if __name__ == "__main__":
    main()
