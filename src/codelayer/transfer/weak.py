"""Scores of transferability without training: shown as what they are, weak.

Reads  a net's own class probabilities of target rows, features of stages, labels.
Gives  `leep`, and `weak_scores` of a net: LogME of every stage, LEEP where the net has a head of its own.
Skips  choosing by them: on the standard benchmark a fixed list by model size does better.

Sources: Nguyen et al. 2020 (LEEP), You et al. 2021 (LogME).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..data.rows import rows_of, take
from ..errors import DataError
from ..measure.evidence import logme
from .features import FeatureExtractor

ROWS, BLOCK = 500, 32


def leep(shares: np.ndarray, y: np.ndarray) -> float:
    """Mean log probability of the labels when each is told through the source's classes, at most 0.

    shares  (rows, source classes) probabilities; y: (rows,) target classes
    errors  DataError: other lengths, rows that do not sum to 1
    """
    shares, y = np.asarray(shares, np.float64), np.asarray(y)
    if shares.ndim != 2 or len(shares) != len(y) or not len(y):
        raise DataError(f"probabilities of shape {shares.shape} do not fit {len(y)} labels", "give one row per label")
    if shares.min() < 0 or not np.allclose(shares.sum(1), 1, atol=1e-3):
        raise DataError("the rows are no probabilities", "give a softmax, each row sums to 1")
    _, places = np.unique(y, return_inverse=True)
    joint = np.zeros((places.max() + 1, shares.shape[1]))
    np.add.at(joint, places, shares / len(y))
    seen = joint.sum(0)
    given = np.divide(joint, seen, out=np.zeros_like(joint), where=seen > 0)
    told = (shares @ given.T)[np.arange(len(y)), places]
    return float(np.log(np.maximum(told, 1e-300)).mean())


def weak_scores(
    made: FeatureExtractor, rows: Any, stages: Mapping[str, np.ndarray], y: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """{"logme": {stage: nats per row}, "leep": nats per row, or None without a head}, from at most 500 rows.

    rows  as the extractor takes them; stages: stage -> (rows, width)
    """
    some = np.sort(np.random.default_rng([seed, 17]).permutation(len(y))[:ROWS])
    try:
        evidence = {stage: _value(logme(one[some], y[some])) for stage, one in stages.items()}
    except DataError:  # of very many classes, too few have two rows among those drawn
        evidence = {}
    headed = bool(made.backbone_.classes)
    return {"logme": evidence, "leep": leep(_shares(made, take(rows, some)), y[some]) if headed else None}


def _shares(made: FeatureExtractor, rows: Any) -> np.ndarray:
    """What the net's own head says of rows."""
    found, net = [], made.backbone_.net.eval()
    with torch.inference_mode():
        for start in range(0, rows_of(rows), BLOCK):
            encoded = made.schema_.encode(take(rows, slice(start, start + BLOCK)))
            logits = net(made.backbone_.prepare(encoded))
            found.append(logits.double().softmax(1).numpy())
    return np.concatenate(found)


def _value(reading: Any) -> float:
    return float(getattr(reading, "value", reading))
