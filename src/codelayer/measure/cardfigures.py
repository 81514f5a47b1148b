"""Pictures of a card: what a reading holds beside its value, drawn.

Reads  rows of a card.
Gives  `figures`: (figure, caption) pairs of one property.
Skips  values and intervals: they stand in the table.

Metrics of the package are named here; one of your own is drawn where its `more` holds "curve" {"x", "y", "x_label",
"y_label", ...}, "curves" (name -> such a curve) or "matrix" {"rows", "columns", "values"}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..report import Figure, Series, curves, image_rows, matrix, number

Row = Mapping[str, Any]
Pairs = list[tuple[Figure, str]]
MOST_UNITS = 24
TELLS = {"factors": "factors told", "columns": "columns along"}
LABEL_CURVES = {"linear_area": "linear probe", "knn_area": "nearest neighbours"}


def figures(rows: Sequence[Row], task: str | None) -> Pairs:
    """The figures of one property, in the order of its metrics.

    rows  of a card, all of one property
    task  "class", "number" or None: what the scores of probes are
    """
    found = _label_curves([one for one in rows if one["metric"] in LABEL_CURVES], task)
    for row in rows:
        draw = DRAWN.get(row["metric"], _generic)
        try:
            found += draw(row, task)
        except (KeyError, TypeError, ValueError):  # a card of another version may hold other things beside its values
            continue
    return found


def unit_cells(card: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """The table of a card's units: columns and rows; of factors and columns only what some unit tells."""
    units = card.get("unit_table", ())
    kinds = {kind: title for kind, title in TELLS.items() if any(one[kind] for one in units)}
    rows = []
    for one in units:
        told = [", ".join(f"{name} {number(value)}" for name, value in one[kind]) for kind in kinds]
        rows.append([one["unit"], one["active"], one["low"], one["high"], *told, ", ".join(map(str, one["top"]))])
    return ["unit", "share active", "5 %", "95 %", *kinds.values(), "top samples (rows)"], rows


def unit_pictures(card: Mapping[str, Any]) -> Pairs:
    """The top samples of each unit, and what the decoder makes of edits of the widest; nothing without pictures."""
    found: Pairs = []
    shown = [one for one in card.get("unit_table", ()) if one.get("samples")][:12]
    if shown:
        rows = [[np.asarray(picture) for picture in one["samples"]] for one in shown]
        found.append((image_rows(rows, [f"unit {one['unit']}" for one in shown]), "Samples with the largest values."))
    edits = card.get("edits", ())
    if edits:
        rows = [[np.asarray(picture) for picture in one["samples"]] for one in edits]
        told = [_moved(one) for one in edits]
        found.append((image_rows(rows, told), "One typical sample, decoded with one unit turned from low to high."))
    return found


def rebuilt_pictures(card: Mapping[str, Any]) -> Pairs:
    """Samples above what was rebuilt of them; nothing without pictures."""
    both = card.get("pictures") or {}
    if not both:
        return []
    rows = [[np.asarray(one) for one in both[name]] for name in ("x", "rebuilt")]
    return [(image_rows(rows, ["samples", "rebuilt"]), "Samples, and what is rebuilt of them.")]


def _moved(edit: Mapping[str, Any]) -> str:
    if edit["others"] is None:
        return f"unit {edit['unit']}"
    return f"unit {edit['unit']}: {edit['factor'] or 'no factor'} moves, {edit['others']} others"


def _label_curves(rows: Sequence[Row], task: str | None) -> Pairs:
    shown = [one for one in rows if len(one["more"].get("counts", ())) > 1]
    if not shown:
        return []
    lines = [Series(LABEL_CURVES[one["metric"]], one["more"]["counts"], one["more"]["scores"]) for one in shown]
    unit = "labels per class" if task == "class" else "labelled rows"
    drawn = curves(lines, unit, _score(task), chance=shown[0]["chance"])
    return [(drawn, f"Mean {_score(task)} of each probe as labels grow.")]


def _score(task: str | None) -> str:
    return "balanced accuracy" if task == "class" else "R2"


def _one(row: Row, x: Any, y: Any, labels: tuple[str, str], caption: str, **ends: Any) -> Pairs:
    line = Series(row["name"].replace("_", " "), x, y, ends.get("low"), ends.get("high"))
    return [(curves([line], *labels, log_x=bool(ends.get("log_x")), chance=ends.get("chance")), caption)]


def _generic(row: Row, task: str | None) -> Pairs:
    more, name = row["more"], row["name"].replace("_", " ")
    many = more.get("curves", {name: more["curve"]} if "curve" in more else {})
    many = {key: one for key, one in many.items() if isinstance(one, Mapping)}
    found: Pairs = []
    if many:
        first = next(iter(many.values()))
        lines = [Series(key, one["x"], one["y"], one.get("low"), one.get("high")) for key, one in many.items()]
        labels = (first.get("x_label", "x"), first.get("y_label", name))
        found.append((curves(lines, *labels, log_x=bool(first.get("log_x"))), f"{name}: {row['question']}"))
    if isinstance(more.get("matrix"), Mapping):
        one = more["matrix"]
        drawn = matrix(one["rows"], one["columns"], one["values"], one.get("low"), one.get("high"))
        found.append((drawn, f"{name}: {row['question']}"))
    return found


def _robustness(row: Row, task: str | None) -> Pairs:
    more = row["more"]
    lines = [Series(name, more["severities"], line) for name, line in more["curves"].items()]
    drawn = curves(lines, "strength of the corruption", _score(task), log_x=False, chance=more["chance"])
    return [(drawn, "What a linear probe still tells when the input is corrupted.")]


def _ablation(row: Row, task: str | None) -> Pairs:
    labels = ("share of the units dropped", "score")
    return _one(row, row["more"]["dropped"], row["more"]["scores"], labels, "The probe as units are dropped at random.")


def _contraction(row: Row, task: str | None) -> Pairs:
    more, labels = row["more"], ("radius in units of the distance between neighbours", "distance kept")
    told = "How much of a distance is left in the code, by the length of the step (1: as between samples)."
    return _one(row, more["radius"], more["relative"], labels, told, chance=1.0, log_x=True)


def _sparse_curve(row: Row, task: str | None) -> Pairs:
    labels = ("share of the units kept", "share of the variance of x")
    return _one(
        row, row["more"]["l0"], row["more"]["share"], labels, "Reconstruction when only the largest units stay."
    )


def _stages(row: Row, task: str | None) -> Pairs:
    more = row["more"]
    places = list(range(len(more["stages"])))
    ends = {"low": more["low"], "high": more["high"], "chance": more["chance"]}
    told = f"A linear probe at each stage: {', '.join(f'{i} {name}' for i, name in enumerate(more['stages']))}."
    return _one(row, places, more["scores"], ("stage", _score(task)), told, **ends)


def _levels(row: Row, task: str | None) -> Pairs:
    levels = {name: one for name, one in row["more"].items() if isinstance(one, Mapping) and "scores" in one}
    lines = [
        Series(name, list(range(len(one["scores"]))), one["scores"], one["low"], one["high"])
        for name, one in levels.items()
    ]
    return (
        [(curves(lines, "stage", _score(task), log_x=False), "Coarse and fine labels at each stage.")] if lines else []
    )


def _similarity(row: Row, task: str | None) -> Pairs:
    more = row["more"]
    return [(matrix(more["stages"], more["stages"], more["matrix"], 0.0, 1.0), "Debiased CKA between stages.")]


def _curve_of_k(row: Row, task: str | None) -> Pairs:
    labels = ("neighbours", "agreement above chance, R_NX")
    return _one(
        row, row["more"]["k"], row["more"]["rnx"], labels, "Neighbours kept, by how many are asked for.", log_x=True
    )


def _profile(row: Row, task: str | None) -> Pairs:
    scales = {int(scale): value for scale, value in row["more"]["profile"].items()}
    labels, told = ("neighbours to the shorter distance", "dimension"), "Dimension by scale: small on the left"
    taken = row["more"].get("scale")
    told += "." if taken is None else f"; the value is that of {taken} neighbours."
    return _one(row, list(scales), list(scales.values()), labels, told, log_x=True)


def _importance(row: Row, task: str | None) -> Pairs:
    found = np.asarray(row["more"]["importance"])[:MOST_UNITS]
    share = found / max(float(found.max(initial=0.0)), 1e-12)
    units = [f"unit {place}" for place in range(len(found))]
    factors = [f"factor {place}" for place in range(found.shape[1])]
    return [
        (matrix(units, factors, share.tolist(), 0.0, 1.0), "Importance of each unit for each factor (1: the largest).")
    ]


DRAWN: dict[str, Callable[[Row, str | None], Pairs]] = {
    "robust_area": _robustness,
    "ablation_area": _ablation,
    "contraction": _contraction,
    "sparse_rebuild": _sparse_curve,
    "layer_gain": _stages,
    "coarse_lead": _levels,
    "layer_similarity": _similarity,
    "rnx_area": _curve_of_k,
    "dimension_gride": _profile,
    "dci_disentanglement": _importance,
}
