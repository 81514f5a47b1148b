"""A fine-tuned net as a code with its head: the form in which `codelayer predict` and `encode` read it.

Reads  a fitted FineTunedClassifier or FineTunedRegressor, and rows as it takes them.
Gives  `Headed`: the tuned net's last stage as the code, its linear head as the head.
Skips  going on with training: `FineTunedClassifier.save` keeps what that needs.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..learn.heads import Head, Headed, plain_label
from .features import FeatureExtractor


def as_headed(model: Any, rows: Any) -> Headed:
    """The tuned net with its head; `rows` tell how inputs are encoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = FeatureExtractor(model.backbone_, cache=None).fit(rows)
    weight, bias = np.asarray(model.head_weight_, np.float64).T, np.asarray(model.head_bias_, np.float64)
    if hasattr(model, "classes_"):
        classes = tuple(plain_label(one) for one in model.classes_)
        return Headed(code, Head("class", classes, weight.astype(np.float32), bias.astype(np.float32)))
    mean, scale = model.target_
    weight, bias = scale * weight, scale * bias + mean
    return Headed(code, Head("number", (), weight.astype(np.float32), bias.astype(np.float32)))
