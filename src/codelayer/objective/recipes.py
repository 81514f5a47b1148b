"""Recipes: a name for a pair (objective, net), shown expanded wherever it is used.

The net of `invariant` and `invariant_mild` is the largest conv() within the cost limit of `nets.auto`.
Weights have the best mean rank over three data sets in benchmarks/recipe_weights.py, but for two: k_sparse keeps the
tenth that makes it sparse (more active units score higher), and contractive is flat from 0.001 to 0.3.
"""

from __future__ import annotations

# predictive sparse decomposition, and predictive sparse coding: two names of one thing
_PSD = "shrink(0.1) + infer(0.1) + predict(1.0) + unit_norm()"

RECIPES: dict[str, tuple[str, str]] = {
    "undercomplete": ("squared()", "mlp(depth=2)"),
    "deep": ("squared()", "mlp(depth=4)"),
    "sparse": ("relu() + l1(0.03) + unit_norm()", "mlp(depth=2)"),
    "k_sparse": ("topk(0.1)", "mlp(depth=2)"),
    "denoising": ("mask(0.2)", "mlp(depth=2)"),
    "contractive": ("sigmoid() + contractive(0.1)", "mlp(tied=True)"),
    "variational": ("gaussian() + prior(1.0)", "mlp(depth=2)"),
    "psd": (_PSD, "mlp()"),
    "psc": (_PSD, "mlp()"),
    "scarf": ("views(swap(0.6)) + contrast(1.0)", "auto"),
    "invariant": ("views(affine(0.2), noise(0.1)) + invariance(25.0) + variance(25.0) + covariance(1.0)", "auto"),
    "invariant_mild": (
        "views(affine(0.1, rotation=5.0, shear=0.05), flip(0.5), brightness(0.2))"
        " + invariance(25.0) + variance(25.0) + covariance(1.0)",
        "auto",
    ),
}

PICTURE_RECIPES = ("invariant", "invariant_mild")
