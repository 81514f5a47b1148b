"""Measures: what a code is worth, with chance, interval and cost beside every value.

Reads  plain arrays, and for some metrics a callable `encode`; never torch, never a net.
Gives  METRICS (name -> record), label curves with paired intervals, `card` (every metric whose needs are met).
Skips  choosing between rivals: that is the study.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .properties import MODULES

if TYPE_CHECKING:
    from .all_labels import best_of as best_of
    from .all_labels import cross_curve as cross_curve
    from .all_labels import curved_probe as curved_probe
    from .cardpage import read_card as read_card
    from .cardpage import save_card as save_card
    from .cards import Card as Card
    from .cards import card as card
    from .cards import card_rows as card_rows
    from .cards import table_of_metrics as table_of_metrics
    from .comparison import compare as compare
    from .comparisonpage import save_comparison as save_comparison
    from .concepts import concepts_named as concepts_named
    from .concepts import count_patterns as count_patterns
    from .concepts import held_out_combinations as held_out_combinations
    from .concepts import one_hot_codes as one_hot_codes
    from .cost import size_mb as size_mb
    from .cost import timings as timings
    from .curves import Curve as Curve
    from .curves import curve_area as curve_area
    from .curves import join_curves as join_curves
    from .curves import label_curve as label_curve
    from .curves import label_efficiency as label_efficiency
    from .draws import label_counts as label_counts
    from .draws import label_draws as label_draws
    from .draws import labelled as labelled
    from .draws import task_of as task_of
    from .folds import halves as halves
    from .intervals import Interval as Interval
    from .intervals import area_interval as area_interval
    from .intervals import chance_area as chance_area
    from .intervals import curve_bands as curve_bands
    from .intervals import paired_interval as paired_interval
    from .intervals import share_interval as share_interval
    from .invariance import invariance_under as invariance_under
    from .probes import KnnProbe as KnnProbe
    from .probes import LinearProbe as LinearProbe
    from .probes import auc as auc
    from .probes import knn_probe as knn_probe
    from .probes import linear_probe as linear_probe
    from .probes import score as score
    from .ranks import Coranking as Coranking
    from .ranks import coranking as coranking
    from .record import METRICS as METRICS
    from .record import Metric as Metric
    from .record import Reading as Reading
    from .record import metric as metric
    from .sharing import Neighbours as Neighbours
    from .sharing import neighbours as neighbours
    from .sparse_curve import rebuild_curve as rebuild_curve
    from .sparsity import active_units as active_units
    from .sparsity import dead_units as dead_units
    from .units import Varied as Varied
    from .units import factor_probe as factor_probe
    from .units import unit_table as unit_table
    from .units import vary as vary
    from .walks import Walk as Walk
    from .walks import walk as walk

HOMES = {
    "all_labels": ("best_of", "cross_curve", "curved_probe"),
    "cardpage": ("read_card", "save_card"),
    "cards": ("Card", "card", "card_rows", "table_of_metrics"),
    "comparison": ("compare",),
    "comparisonpage": ("save_comparison",),
    "concepts": ("concepts_named", "count_patterns", "held_out_combinations", "one_hot_codes"),
    "cost": ("size_mb", "timings"),
    "curves": ("Curve", "curve_area", "join_curves", "label_curve", "label_efficiency"),
    "draws": ("label_counts", "label_draws", "labelled", "task_of"),
    "folds": ("halves",),
    "intervals": ("Interval", "area_interval", "chance_area", "curve_bands", "paired_interval", "share_interval"),
    "invariance": ("invariance_under",),
    "probes": ("KnnProbe", "LinearProbe", "auc", "knn_probe", "linear_probe", "score"),
    "ranks": ("Coranking", "coranking"),
    "record": ("METRICS", "Metric", "Reading", "metric"),
    "sharing": ("Neighbours", "neighbours"),
    "sparse_curve": ("rebuild_curve",),
    "sparsity": ("active_units", "dead_units"),
    "units": ("Varied", "factor_probe", "unit_table", "vary"),
    "walks": ("Walk", "walk"),
}
_HOME = {name: home for home, names in HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "METRICS":
        for home in MODULES:
            import_module(f".{home}", __name__)
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return list(__all__)
