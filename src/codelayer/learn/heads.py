"""Heads: what turns a code into a label or a number, and the saved pair of code and head.

Reads  codes (rows, units) and labels.
Gives  `Head` (a linear head as plain arrays) and `Headed` (a coder with its head: transform, predict, save).
Skips  choosing the head: the study measures linear heads, and forests are compared in `study`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import bundle
from ..errors import BundleError
from .coder import Coder


@dataclass(frozen=True)
class Head:
    """A linear head: scores = codes @ weight + intercept, softmax over classes, or one number.

    task       "class" or "number"
    classes    the labels in the order of the scores (task "class"), else empty
    weight     (units, outputs) float32
    intercept  (outputs,) float32
    """

    task: str
    classes: tuple[Any, ...]
    weight: np.ndarray
    intercept: np.ndarray

    @classmethod
    def from_probe(cls, probe: Any, task: str) -> Head:
        """The head of a fitted linear probe: anything with coef (outputs, units), intercept and classes (or None)."""
        classes = () if probe.classes is None else tuple(plain_label(one) for one in probe.classes)
        weight, intercept = np.asarray(probe.coef).T, np.asarray(probe.intercept)
        return cls(task, classes, weight.astype(np.float32), intercept.astype(np.float32))

    def scores(self, codes: np.ndarray) -> np.ndarray:
        """(rows, outputs)."""
        return codes @ self.weight + self.intercept

    def predict_proba(self, codes: np.ndarray) -> np.ndarray:
        """(rows, classes), each row sums to 1."""
        scores = self.scores(codes).astype(np.float64)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True)

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """(rows,) labels, or numbers."""
        scores = self.scores(codes)
        if self.task == "number":
            return scores[:, 0]
        return np.array(self.classes, dtype=object)[scores.argmax(1)]


def plain_label(label: Any) -> Any:
    """A label as plain JSON."""
    return label.item() if isinstance(label, np.generic) else label


@bundle.kind("headed")
class Headed:
    """A coder with its head, saved as one bundle.

    code  a Coder: autoencoder, PCA, ...
    head  a Head
    """

    kind_name = "headed"

    def __init__(self, code: Coder, head: Head) -> None:
        self.code, self.head = code, head
        self.schema_ = code.schema_

    def transform(self, X: Any) -> np.ndarray:
        """The codes of the rows, (rows, units) float32."""
        return self.code.transform(X)

    def inverse_transform(self, X: Any) -> Any:
        """Rows rebuilt from codes."""
        return self.code.inverse_transform(X)

    def predict(self, X: Any) -> np.ndarray:
        """(rows,) labels, or numbers."""
        return self.head.predict(self.transform(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """(rows, classes) probabilities."""
        return self.head.predict_proba(self.transform(X))

    def save(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write code and head as one bundle."""
        plan, tensors, golden = self.code.parts()
        whole = {f"code.{name}": value for name, value in tensors.items()}
        whole |= {"head.weight": self.head.weight, "head.intercept": self.head.intercept}
        head = {"task": self.head.task, "classes": list(self.head.classes)}
        both = {"code": {"kind": self.code.kind_name, **plan}, "head": head}
        bundle.write(path, self.kind_name, both, whole, golden, facts, self.code.reference_)

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Headed:
        """Code and head of a bundle.

        errors  BundleError when a part is missing or the two do not fit
        """
        try:
            plan = dict(found.plan["code"])
            tensors = {n.removeprefix("code."): v for n, v in found.tensors.items() if n.startswith("code.")}
            kind = str(plan.pop("kind"))
            if kind == cls.kind_name:
                raise KeyError("a head inside a head")
            code = bundle.restore(replace(found, kind=kind, plan=plan, tensors=tensors))
            about = found.plan["head"]
            head = Head(
                str(about["task"]),
                tuple(about["classes"]),
                np.asarray(found.tensors["head.weight"], np.float32),
                np.asarray(found.tensors["head.intercept"], np.float32),
            )
        except (KeyError, TypeError) as error:
            raise BundleError(f"{found.path} does not hold a code with a head ({error})", "save it again") from None
        outputs = len(head.classes) if head.task == "class" else 1
        if head.weight.shape != (code._n_features_out, outputs) or head.intercept.shape != (outputs,):
            raise BundleError(f"{found.path}: head and code do not fit together", "save it again")
        return cls(code, head)
