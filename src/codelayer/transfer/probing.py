"""The head that a tuning may start from: a linear probe of the frozen net, its strength chosen inside the labels.

Reads  pooled features (n, width), class places or standardised numbers.
Gives  weight and bias of the head, and the strength.
Skips  features of other stages.

Source: Kumar et al. 2022 (LP-FT): a head drawn at random first bends the features it is given.
"""

from __future__ import annotations

import numpy as np

from ..measure.probes import linear_probe

STRENGTHS = tuple(10.0**power for power in range(-4, 3))
FOLDS = 5
UNTRIED = 0.01  # strength where a class has a single label, so that none can be tried


def probed_head(features: np.ndarray, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Weight (outputs, width), bias (outputs,) and the strength C of a regularised linear probe.

    features  (n, width); targets are class places (whole numbers) or numbers; seed of the folds
    returns   for numbers the strength is chosen by leave-one-out inside ridge regression and is None here
    """
    features = np.asarray(features, np.float64)
    task, strength = ("class", _best(features, targets, seed)) if targets.dtype.kind == "i" else ("number", None)
    probe = linear_probe(features, task)
    if strength is not None:
        probe.strength = strength
    probe.fit(features, targets)
    return probe.coef.astype(np.float32), probe.intercept.astype(np.float32), strength


def _best(features: np.ndarray, places: np.ndarray, seed: int) -> float:
    """The strength with the smallest mean log loss over stratified folds; the smaller of equal ones."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(places).min()))
    if folds < 2:
        return UNTRIED
    losses = np.zeros(len(STRENGTHS))
    for kept, tried in StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(features, places):
        probe = linear_probe(features[kept])
        for at, strength in enumerate(STRENGTHS):
            probe.strength = strength
            shares = probe.fit(features[kept], places[kept]).predict_proba(features[tried])
            losses[at] -= np.log(np.maximum(shares[np.arange(len(tried)), places[tried]], 1e-12)).sum()
    return STRENGTHS[int(losses.argmin())]
