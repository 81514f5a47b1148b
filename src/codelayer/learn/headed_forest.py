"""A random forest on raw features in the saved form of a code with its head.

Reads  a Forest and the RawFeatures coder whose codes it was grown on.
Gives  `HeadedForest`: predict, predict_proba, save; bundles of kind "forest", plain arrays that need no scikit-learn.
Skips  growing it: the study does, by scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from .. import bundle
from ..errors import BundleError
from .baselines import RawFeatures
from .forest import Forest
from .heads import Head, Headed, plain_label

ARRAYS = tuple(field.name for field in fields(Forest) if field.name != "classes")


@dataclass(frozen=True)
class ForestHead:
    """A forest where a linear head may stand.

    task     "class" or "number"
    classes  the labels in the order of the forest's outputs (task "class"), else empty
    """

    task: str
    classes: tuple[Any, ...]
    forest: Forest

    @classmethod
    def of(cls, forest: Forest) -> ForestHead:
        """The head of a forest."""
        classes = () if forest.classes is None else tuple(plain_label(one) for one in forest.classes)
        return cls("number" if forest.classes is None else "class", classes, forest)

    def predict_proba(self, codes: np.ndarray) -> np.ndarray:
        """(rows, classes), each row sums to 1."""
        return self.forest.outputs(codes)

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """(rows,) labels, or numbers."""
        found = self.forest.outputs(codes)
        return found[:, 0] if self.task == "number" else np.array(self.classes, dtype=object)[found.argmax(1)]


@bundle.kind("forest")
class HeadedForest(Headed):
    """Raw features with a forest, saved as one bundle.

    code  RawFeatures
    head  a ForestHead
    """

    kind_name = "forest"

    def __init__(self, code: RawFeatures, head: ForestHead) -> None:
        super().__init__(code, cast(Head, head))
        self.forest = head.forest

    def save(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write features' schema and forest as one bundle."""
        plan, tensors, golden = self.code.parts()
        whole = {f"code.{name}": value for name, value in tensors.items()}
        whole |= {f"forest.{name}": getattr(self.forest, name) for name in ARRAYS}
        head = {"task": self.head.task, "classes": list(self.head.classes)}
        both = {"code": {"kind": self.code.kind_name, **plan}, "head": head}
        bundle.write(path, self.kind_name, both, whole, golden, facts, self.code.reference_)

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> HeadedForest:
        """The forest of a bundle.

        errors  BundleError when an array is missing, or its trees lead nowhere
        """
        try:
            plan, about = dict(found.plan["code"]), found.plan["head"]
            if plan.pop("kind") != RawFeatures.kind_name:
                raise KeyError("it does not read raw features")
            code = RawFeatures.from_bundle(replace(found, kind="raw", plan=plan, tensors={}))
            arrays = {name: np.asarray(found.tensors[f"forest.{name}"]) for name in ARRAYS}
            classes = None if about["task"] == "number" else np.array(about["classes"], dtype=object)
            forest = Forest(**arrays, classes=classes)
            forest.check(code.units)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{found.path} does not hold a forest ({error})", "save it again") from None
        return cls(code, ForestHead.of(forest))
