"""A random forest as plain arrays: fitted by scikit-learn, kept and read without it.

Reads  a fitted RandomForestClassifier or RandomForestRegressor.
Gives  `Forest`, whose answers equal scikit-learn's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

BLOCK = 1024
APART = 2**0.5 - 1


def rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """float64 as float32, never above: a float32 number is at most the one where it is at most the other."""
    rounded = thresholds.astype(np.float32)
    above = rounded > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


@dataclass(frozen=True)
class Forest:
    """Trees laid end to end. A row goes left where its feature is at most the threshold; a leaf has no feature (-1).

    roots      (trees,) int32: where each tree begins
    feature    (nodes,) int32
    threshold  (nodes,) float32, rounded down: float32 features fall on the side that scikit-learn sends them to
    children   (nodes, 2) int32: left, right
    value      (nodes, outputs) float32: shares of the classes, or the mean number
    classes    (outputs,) labels, or None for numbers
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    value: np.ndarray
    classes: np.ndarray | None = None

    @classmethod
    def of(cls, model: Any) -> Self:
        """The arrays of a fitted scikit-learn forest with one output."""
        trees = [one.tree_ for one in model.estimators_]
        roots = np.cumsum([0, *[tree.node_count for tree in trees[:-1]]])
        nodes = [
            np.stack([tree.children_left + root, tree.children_right + root], axis=1)
            for tree, root in zip(trees, roots, strict=True)
        ]
        exact = np.concatenate([tree.threshold for tree in trees])
        feature = np.concatenate([tree.feature for tree in trees])
        return cls(
            roots.astype(np.int32),
            np.maximum(feature, -1).astype(np.int32),
            rounded_down(exact),
            np.concatenate(nodes).astype(np.int32),
            np.concatenate([tree.value[:, 0] for tree in trees]).astype(np.float32),
            getattr(model, "classes_", None),
        )

    def centred(self, x: np.ndarray) -> Self:
        """The same answers on rows x (n, features), with every threshold apart from the values around it.

        A threshold lies half-way between two values of its node's rows, where a third may lie as well (55 between 30
        and 80). Which way that one goes is then left to the last bit. Here it lies between the nearest values of all
        rows, at a share of the way (the root of 2, less 1) at which no value of an even grid lies.
        """
        threshold = self.threshold.copy()
        for place in np.unique(self.feature[self.feature >= 0]):
            nodes = np.flatnonzero(self.feature == place)
            values = np.unique(x[:, place].astype(np.float32))
            above = np.searchsorted(values, threshold[nodes], side="right")
            inside = (above > 0) & (above < len(values))
            low, high = (values[above[inside] - step].astype(np.float64) for step in (1, 0))
            threshold[nodes[inside]] = np.maximum(rounded_down(low + APART * (high - low)), low.astype(np.float32))
        return replace(self, threshold=threshold)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(one.nbytes for one in (self.roots, self.feature, self.threshold, self.children, self.value))

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """(rows, features) -> (rows, outputs): the trees' mean shares of the classes, or mean number."""
        x = np.ascontiguousarray(x, np.float32)
        starts = range(0, len(x), BLOCK)
        return np.concatenate([self._block(x[i : i + BLOCK]) for i in starts]) if len(x) else self.value[:0]

    def _block(self, x: np.ndarray) -> np.ndarray:
        rows, trees = len(x), len(self.roots)
        at = np.tile(self.roots, rows)
        line = np.repeat(np.arange(rows, dtype=np.int64) * x.shape[1], trees)
        flat, ways = x.ravel(), self.children.ravel()
        under_way = np.flatnonzero(self.feature[at] >= 0)
        while len(under_way):
            here = at[under_way]
            right = flat[line[under_way] + self.feature[here]] > self.threshold[here]
            here = ways[2 * here + right]
            at[under_way] = here
            under_way = under_way[self.feature[here] >= 0]
        return self.value[at].reshape(rows, trees, -1).mean(1, dtype=np.float64)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(rows,) labels, or numbers."""
        found = self.outputs(x)
        return found[:, 0] if self.classes is None else self.classes[found.argmax(1)]

    def check(self, features: int) -> None:
        """Refuse arrays along which a row of so many features would leave the forest, or never reach a leaf.

        errors  ValueError saying which
        """
        nodes, outputs = len(self.feature), 1 if self.classes is None else len(self.classes)
        shapes = [self.feature.shape, self.threshold.shape, self.children.shape, self.value.shape]
        if shapes != [(nodes,), (nodes,), (nodes, 2), (nodes, outputs)] or not nodes or self.roots.ndim != 1:
            raise ValueError("arrays of another shape")
        if [one.dtype.kind for one in (self.roots, self.feature, self.children)] != ["i"] * 3:
            raise ValueError("places that are no whole numbers")
        inner = self.feature >= 0
        below = self.children[inner]
        if not len(self.roots) or self.roots.min() < 0 or self.roots.max() >= nodes:
            raise ValueError("a tree that begins nowhere")
        # children stand behind their parents, so that every way ends
        beyond = (self.feature >= features).any() or (below >= nodes).any()
        if beyond or (below <= np.flatnonzero(inner)[:, None]).any():
            raise ValueError("a branch that leads nowhere")
