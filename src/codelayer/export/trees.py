"""Trees as one ONNX operator: our forests, scikit-learn's histogram boosting, LightGBM.

Reads  `Forest`, fitted HistGradientBoosting* and LGBM* models: those that skl2onnx does not translate.
Gives  `Trees`, arrays laid end to end, and the operator TreeEnsembleRegressor made of them.
Skips  splits on categories, which that operator has not.

Thresholds are rounded down to single precision: a float32 number falls on the side that the model sends it to. Every
class is a target of its own, so that the labels are the model's whatever the operator does with two classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ExportError
from ..learn.forest import Forest, rounded_down
from .preparing import ML, Graph

IDENTITY_LOSSES = ("squared_error", "absolute_error", "quantile")  # what is added up is the answer
FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")


@dataclass(frozen=True)
class Trees:
    """A sum of trees. A row goes left where its feature is at most the threshold; a leaf has no feature (-1).

    roots      (trees,) int64: where each tree begins
    feature    (nodes,) int64
    threshold  (nodes,) float32
    children   (nodes, 2) int64: left, right
    nan_left   (nodes,) bool: where a missing number goes
    value      (nodes, outputs) float32, of leaves: what they add
    base       (outputs,) float32: what is added once
    link       what turns sums into probabilities: "none", "logistic" (one output, two classes) or "softmax"
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    nan_left: np.ndarray
    value: np.ndarray
    base: np.ndarray
    link: str = "none"


def of_forest(forest: Forest) -> Trees:
    """The mean of a forest's trees as a sum."""
    return Trees(
        forest.roots.astype(np.int64),
        forest.feature.astype(np.int64),
        forest.threshold,
        forest.children.astype(np.int64),
        np.zeros(len(forest.feature), bool),
        (forest.value.astype(np.float64) / len(forest.roots)).astype(np.float32),
        np.zeros(forest.value.shape[1], np.float32),
    )


def of_model(model: Any) -> Trees | None:
    """The trees of a boosted model, or of a forest that saw missing numbers; None of any other.

    errors  ExportError: splits on categories, an unknown objective
    """
    home = type(model).__module__.partition(".")[0]
    if home == "lightgbm" and hasattr(model, "booster_"):
        return _of_lightgbm(model)
    if home == "sklearn" and type(model).__name__ in FORESTS and model.n_outputs_ == 1:
        return _of_forest_with_missing(model)
    if home == "sklearn" and hasattr(model, "_predictors") and hasattr(model, "_baseline_prediction"):
        return _of_histograms(model)
    return None


def add_trees(trees: Trees, name: str, graph: Graph) -> str:
    """Add the operator that sums the trees' answers to (rows, features); returns the name of (rows, outputs)."""
    sizes = np.diff([*trees.roots, len(trees.feature)])
    tree = np.repeat(np.arange(len(trees.roots)), sizes)
    node = np.arange(len(trees.feature)) - trees.roots[tree]
    leaf = trees.feature < 0
    children = np.where(leaf[:, None], 0, trees.children - trees.roots[tree][:, None])
    at, target = np.nonzero(leaf[:, None] & (trees.value != 0))
    summed = graph.node(
        "TreeEnsembleRegressor",
        name,
        domain=ML,
        attributes={
            "n_targets": trees.value.shape[1],
            "aggregate_function": "SUM",
            "post_transform": "NONE",
            "base_values": trees.base.tolist(),
            "nodes_treeids": tree.tolist(),
            "nodes_nodeids": node.tolist(),
            "nodes_featureids": np.where(leaf, 0, trees.feature).tolist(),
            "nodes_values": np.where(leaf, 0, trees.threshold).astype(np.float32).tolist(),
            "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
            "nodes_truenodeids": children[:, 0].tolist(),
            "nodes_falsenodeids": children[:, 1].tolist(),
            "nodes_missing_value_tracks_true": trees.nan_left.astype(int).tolist(),
            "target_treeids": tree[at].tolist(),
            "target_nodeids": node[at].tolist(),
            "target_ids": target.tolist(),
            "target_weights": trees.value[at, target].tolist(),
        },
    )
    if trees.link == "softmax":
        return graph.node("Softmax", summed, attributes={"axis": 1})
    if trees.link == "logistic":
        chance = graph.node("Sigmoid", summed)
        return graph.node("Concat", graph.node("Sub", graph.constant(1), chance), chance, attributes={"axis": 1})
    return summed


# --- scikit-learn -------------------------------------------------------------------------------------------------


def _of_forest_with_missing(model: Any) -> Trees | None:
    nan_left = np.concatenate([one.tree_.missing_go_to_left for one in model.estimators_]).astype(bool)
    return replace(of_forest(Forest.of(model)), nan_left=nan_left) if nan_left.any() else None


def _of_histograms(model: Any) -> Trees:
    if not hasattr(model, "classes_") and model.loss not in IDENTITY_LOSSES:
        raise ExportError(
            f"{type(model).__name__} with loss={str(model.loss)!r} cannot be exported",
            f"use {', '.join(IDENTITY_LOSSES)}",
        )
    base = np.asarray(model._baseline_prediction, np.float32).ravel()
    grown = [(target, one.nodes) for stage in model._predictors for target, one in enumerate(stage)]
    if any(nodes["is_categorical"].any() for _, nodes in grown):
        raise _by_categories(model)
    sizes = [len(nodes) for _, nodes in grown]
    roots = np.cumsum([0, *sizes[:-1]])
    whole = np.concatenate([nodes for _, nodes in grown])
    leaf = whole["is_leaf"].astype(bool)
    value = np.zeros((len(whole), len(base)), np.float32)
    value[np.arange(len(whole)), np.repeat([target for target, _ in grown], sizes)] = whole["value"]
    children = np.stack([whole["left"], whole["right"]], 1).astype(np.int64) + np.repeat(roots, sizes)[:, None]
    links = {0: "none", 1: "logistic"} if hasattr(model, "classes_") else {}
    return Trees(
        roots,
        np.where(leaf, -1, whole["feature_idx"]).astype(np.int64),
        rounded_down(np.where(leaf, 0.0, whole["num_threshold"])),
        children,
        whole["missing_go_to_left"].astype(bool),
        np.where(leaf[:, None], value, 0),
        base,
        links.get(len(base), "softmax") if links else "none",
    )


def _by_categories(model: Any) -> ExportError:
    name = type(model).__name__
    return ExportError(f"{name} splits on categories, which cannot be exported", "give it one-hot columns instead")


# --- LightGBM -----------------------------------------------------------------------------------------------------


def _of_lightgbm(model: Any) -> Trees:
    booster = model.booster_
    dumped = booster.dump_model()
    objective = str(dumped.get("objective", "")).split()
    outputs = int(dumped["num_tree_per_iteration"])
    link = _link(model, objective)
    roots: list[int] = []
    nodes: list[tuple[int, float, int, int, bool, float, int]] = []
    for number, tree in enumerate(dumped["tree_info"]):
        roots.append(len(nodes))
        nodes += _nodes(model, tree["tree_structure"], len(nodes), number % outputs)
    feature, threshold, left, right, nan_left, value, target = (np.array(one) for one in zip(*nodes, strict=True))
    given = np.zeros((len(nodes), outputs), np.float32)
    given[np.arange(len(nodes)), target] = value
    return Trees(
        np.array(roots, np.int64),
        feature.astype(np.int64),
        rounded_down(threshold.astype(np.float64)),
        np.stack([left, right], 1).astype(np.int64),
        nan_left.astype(bool),
        given,
        np.zeros(outputs, np.float32),
        link,
    )


def _link(model: Any, objective: Sequence[str]) -> str:
    name, options = (objective[0], objective[1:]) if objective else ("", [])
    classes = hasattr(model, "classes_")
    if classes and name == "binary" and "sigmoid:1" in options:
        return "logistic"
    if classes and name == "multiclass":
        return "softmax"
    if not classes and name in ("regression", "regression_l1", "huber", "quantile", "mape") and "sqrt" not in options:
        return "none"
    raise ExportError(
        f"LightGBM's objective {' '.join(objective)!r} cannot be exported", "use binary, multiclass or l2"
    )


def _nodes(
    model: Any, root: Mapping[str, Any], start: int, target: int
) -> Iterator[tuple[int, float, int, int, bool, float, int]]:
    """The nodes of one tree, parents first: feature, threshold, left, right, nan_left, value, target."""
    waiting, last = [root], start
    while waiting:
        node = waiting.pop(0)
        if "split_feature" not in node:
            yield -1, 0.0, 0, 0, False, float(node["leaf_value"]), target
            continue
        if node["decision_type"] != "<=":
            raise _by_categories(model)
        if node["missing_type"] == "Zero":
            raise ExportError(
                "LightGBM takes zeros for missing here, which cannot be exported", "zero_as_missing=False"
            )
        threshold = float(node["threshold"])
        # without missing numbers in training NaN counts as 0
        nan_left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0
        yield int(node["split_feature"]), threshold, last + 1, last + 2, nan_left, 0.0, target
        waiting += [node["left_child"], node["right_child"]]
        last += 2
