"""The winner of a race, fitted on all labelled rows; and codes learned on the user's own rows.

Reads  a race, the candidate that won it.
Gives  `Winner`: predict and predict_proba on rows as they came; `OwnCode`, the candidate that needs no other net.
Skips  the choice.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..data.rows import take
from ..data.schema import Schema
from ..errors import DataError
from ..learn.autoencoder import Autoencoder
from ..learn.baselines import RawFeatures
from ..learn.forest import Forest
from ..learn.headed_forest import ForestHead, HeadedForest
from ..learn.heads import Head, Headed, plain_label
from .candidates import OWN, RAW, TOGETHER, Candidate
from .features import FeatureExtractor
from .headed import as_headed
from .heads import folded
from .race import Race
from .rawrows import PIXELS, raw_features, small_pictures

CODE_SIZE, EPOCHS, SMALLEST = 64, 30, 8


class OwnCode:
    """A code learned on all rows there are, labelled or not; nothing is made of them before it is asked for.

    X, labelled  the rows, and which of them have a label
    schema       how they are encoded
    """

    def __init__(self, X: Any, labelled: np.ndarray, schema: Schema, seed: int) -> None:
        self.given, self.labelled, self.seed = X, labelled, seed
        self.pictures = len(schema.shape) == 3

    @cached_property
    def rows(self) -> Any:
        """What the code is learned from: small pictures, or the rows themselves."""
        return small_pictures(self.given) if self.pictures else self.given

    def learned(self, share: float = 1.0, go_on: Callable[[], None] | None = None) -> Autoencoder:
        """The autoencoder at a share of its epochs: views compared where pictures are large enough, else denoising.

        go_on  called between epochs; what it raises ends the learning
        """
        large = self.pictures and min(self.rows.shape[1:3]) >= SMALLEST
        epochs = max(1, round(EPOCHS * share))
        objective = "invariant" if large else "denoising"
        net = Autoencoder(CODE_SIZE, objective, epochs=epochs, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in net.fit_epochs(self.rows):
                if go_on is not None and epoch.number < epochs:
                    go_on()
        return net

    def __call__(self, share: float, go_on: Callable[[], None] | None = None) -> np.ndarray:
        """Codes of the labelled rows, (rows, units)."""
        return self.learned(share, go_on).transform(take(self.rows, self.labelled))


class Winner:
    """What won, fitted on all labelled rows.

    extractor  of features; candidate and race: what won, and what it learns from
    """

    def __init__(self, extractor: FeatureExtractor, candidate: Candidate, race: Race) -> None:
        self.extractor, self.candidate, self.race = extractor, candidate, race
        self.coder: Autoencoder | None = None

    def fit(self) -> Winner:
        """Learn from all labelled rows."""
        one, race = self.candidate, self.race
        every = np.arange(len(race.y))
        if one.kind == OWN:
            self.coder = race.own.learned()
            codes = self.coder.transform(take(race.own.rows, race.own.labelled))
            self.model = race.head_on(codes.shape[1], "ridge", every).fit(codes, race.y)
        elif one.trains:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.model = race.tuned(one, every)
        else:
            self.model = race.head(one, every).fit(race.features(one), race.y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(rows,) labels, or numbers."""
        return self.model.predict(self._seen(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """(rows, classes), where the winner tells probabilities."""
        return self.model.predict_proba(self._seen(X))

    def save(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write what won as one bundle, the net inside it: `codelayer predict` and `codelayer.load` read it.

        errors  DataError: a head or a forest on pictures that were shrunk first, which no bundle does; nothing is
                written
        """
        one = self.candidate
        if one.trains and self.coder is None:
            as_headed(self.model, self.race.rows).save(path, facts)
            return
        shrunk = not one.stage and self._shrinks()
        if shrunk:
            raise DataError(
                f"{one.name} reads pictures brought to {PIXELS} pixels, which a bundle does not do",
                "bring the pictures to that size first: the net is not needed here",
            )
        if one.head == "forest":
            raw, codes = self._code(), self.race.raw
            HeadedForest(raw, ForestHead.of(Forest.of(self.model).centred(codes))).save(path, facts)
            return
        Headed(self._code(), self._head()).save(path, facts)

    def _shrinks(self) -> bool:
        schema = self.extractor.schema_
        return len(schema.shape) == 3 and max(schema.shape[:2]) > PIXELS

    def _code(self) -> Any:
        one, race = self.candidate, self.race
        if self.coder is not None:
            return self.coder
        if one.kind == RAW:
            levels = isinstance(race.rows, np.ndarray) and race.rows.ndim > 2 and race.rows.dtype != np.uint8
            return RawFeatures(scale="none" if levels else "auto").fit(race.rows)
        if one.stage == TOGETHER:
            return self.extractor
        given = self.extractor
        code = FeatureExtractor(given.backbone_, one.stage, given.grid, None, given.cache)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return code.fit(race.rows)

    def _head(self) -> Head:
        """The head as one linear map on what `_code` gives."""
        weight, intercept, classes = folded(self.model)
        if self.candidate.stage == TOGETHER:
            joint = self.race.joint
            centre, scale = (np.concatenate([one[s] for s in joint.centre]) for one in (joint.centre, joint.scale))
            weight = weight / scale[:, None]
            intercept = intercept - centre @ weight
        labels = () if classes is None else tuple(plain_label(one) for one in classes)
        task = "class" if self.race.task == "class" else "number"
        return Head(task, labels, weight.astype(np.float32), intercept.astype(np.float32))

    def _seen(self, X: Any) -> Any:
        one, schema = self.candidate, self.extractor.schema_
        if self.coder is not None:
            return self.coder.transform(small_pictures(X) if self.race.own.pictures else X)
        if one.trains:
            return X
        if one.kind == RAW:
            return raw_features(X, None if len(schema.shape) == 3 else schema)
        stages = self.extractor.stage_features(X)
        return self.race.joint(stages) if one.stage == TOGETHER else stages[one.stage]
