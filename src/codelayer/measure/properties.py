"""The properties of a good representation, in the order of a card, and the files whose metrics measure each.

Reads  nothing.
Gives  PROPERTIES (name -> what it asks, files), MODULES, `property_of`.
"""

from __future__ import annotations

from typing import NamedTuple


class Property(NamedTuple):
    """A section of the card: its title, the question it answers, the files that hold its metrics."""

    title: str
    asks: str
    modules: tuple[str, ...]


PROPERTIES = {
    "usefulness": Property(
        "Usefulness",
        "What can be learned from the code with few labels?",
        (
            "usefulness",
            "all_labels",
            "neighbor_labels",
            "clusters",
            "evidence",
            "new_concepts",
            "robustness",
            "nuisance",
        ),
    ),
    "reconstruction": Property(
        "Reconstruction",
        "How much of the sample does the code keep?",
        ("reconstruction",),
    ),
    "factors": Property(
        "Latent factors",
        "Does each unit stand for one thing that varies?",
        ("factors", "dci", "factor_fits", "factor_votes", "agreement"),
    ),
    "distribution": Property(
        "Distributed",
        "Do many units share the work, so that few name many concepts?",
        ("distribution", "selectivity", "ablation"),
    ),
    "smoothness": Property(
        "Smoothness and invariance",
        "Does the code move little where the sample changes little?",
        ("smoothness", "contraction", "invariance", "sphere"),
    ),
    "hierarchy": Property(
        "Hierarchy",
        "Do later layers tell more abstract things?",
        ("hierarchy", "similarity"),
    ),
    "sparsity": Property(
        "Sparsity",
        "How few units speak for one sample?",
        ("sparsity", "sparse_curve"),
    ),
    "manifold": Property(
        "Manifold",
        "Are neighbours kept, and along how many directions do the rows vary?",
        ("manifold", "dimension", "effective_rank"),
    ),
    "cost": Property(
        "Cost",
        "What does a code cost to make?",
        ("cost",),
    ),
}
MODULES = tuple(module for one in PROPERTIES.values() for module in one.modules)


def property_of(module: str) -> str:
    """The name of the property that a file of metrics belongs to; "other" for a metric defined elsewhere."""
    return next((name for name, one in PROPERTIES.items() if module in one.modules), "other")
