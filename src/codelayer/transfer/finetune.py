"""Fine-tuning: a backbone and a linear head on its pooled last stage, trained on a few labelled rows.

Reads  a Backbone (or its name), rows it can prepare, labels.
Gives  `FineTunedClassifier` and `FineTunedRegressor`, scikit-learn estimators.
Skips  choosing how: `advise` races several ways.

Sources: Howard and Ruder 2018 (ULMFiT) for rates by layer and gradual unfreezing; Kumar et al. 2022 for LP-FT;
Li et al. 2018 for L2-SP; Lee et al. 2023 for tuning one block and for rates from gradient norms.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..errors import DataError, SentenceError
from ..learn.loop import Epoch
from ..learn.paces import SCHEDULES, Paces, gradient_rates
from ..learn.run import RunFolder
from ..learn.settings import seed_of
from ..nets.backbone import Backbone, calibrate, random_twin
from .feeding import BLOCK, Feed, changes_of
from .parts import Parts
from .probing import probed_head
from .targets import Targets, class_targets, number_targets
from .tuned import chosen, groups_of, settings
from .tuning import Anchor, Joined, Tuning

BETA = 0.01  # of L2-SP, on the head


class _FineTuned(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A backbone that is tuned with a linear head.

    Parameters
    ----------
    backbone : Backbone, or a name such as "file:mobilenet.npz"
        Fitted on a copy: the one that is given stays as it is.
    tune : str or int, default="all"
        What learns beside the head: "head" nothing, "last" the last stage, a number so many last stages, "all", a
        stage's name that stage alone, "norms" the normalisation layers, "scratch" the same net from random weights.
    rates : float or "gradient", default=1.0
        Rate of a stage k steps below the head: learning_rate / rates ** k (2.6 in ULMFiT). "gradient" takes relative
        gradient norms at the start.
    unfreeze : bool, default=False
        Open the head first, then one stage after the other, the first after half the steps.
    start : "probe" or "random", default="probe"
        The head's first weights. "probe" (LP-FT) is a linear probe whose strength is chosen inside cross-validation;
        with tune="scratch" they are random in any case.
    anchor : float, (float, float) or None, default=None
        L2-SP: alpha, or (alpha, beta), beta is 0.01 else; it replaces weight decay.
    schedule : "one_cycle" or "cosine", default="one_cycle"
    epochs, batch_size, learning_rate : number or "auto"
        The rules of "auto" stand at `codelayer.transfer.tuned.settings`.
    augment : "flip", "shift", "flip + shift" or None, default=None
        Of pictures, anew at every step.
    random_state : int, RandomState or None, default=None
    run : path or None, default=None
        A folder for checkpoints: a fit that is stopped goes on where it was.

    Fitted: backbone_ (tuned), rates_ (peak learning rate of every group), history_, notes_, probe_strength_,
    start_loss_ (of the probe, on the labelled rows; None without one), settings_, kept_ (what was kept in memory).
    """

    def __init__(
        self,
        backbone: Any = None,
        tune: str | int = "all",
        rates: float | str = 1.0,
        unfreeze: bool = False,
        start: str = "probe",
        anchor: float | tuple[float, float] | None = None,
        schedule: str = "one_cycle",
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
        augment: str | None = None,
        random_state: Any = None,
        run: str | Path | None = None,
    ) -> None:
        self.backbone = backbone
        self.tune = tune
        self.rates = rates
        self.unfreeze = unfreeze
        self.start = start
        self.anchor = anchor
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.augment = augment
        self.random_state = random_state
        self.run = run

    # --- learning -----------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Tune on rows X with labels y, one per row; rows whose label is None, NaN or "" are left out.

        errors  DataError, SentenceError: rows, labels or options that cannot be used
        """
        for _ in self.fit_epochs(X, y):
            pass
        return self

    def fit_epochs(self, X: Any, y: Any, checkpoint_seconds: float = 30.0) -> Iterator[Epoch]:
        """`fit`, yielding after every epoch; `break` leaves a checkpoint where there is a `run` folder."""
        rows, targets = self.checked(X, y)
        if self.run is None:
            tuning = self.tuning(rows, targets, seed_of(self.random_state))
            yield from self._tuned(tuning, targets, None, checkpoint_seconds)
            return
        data = _fingerprint(rows, targets)
        seed = seed_of(int(data[:7], 16) if self.random_state is None else self.random_state)
        tuning = self.tuning(rows, targets, seed)
        with RunFolder(self.run, self._options(seed), data) as run:
            yield from self._tuned(tuning, targets, run.state / "training.zip", checkpoint_seconds)
            run.finish()

    def _tuned(
        self, tuning: Tuning, targets: Targets, checkpoint: Path | None, checkpoint_seconds: float
    ) -> Iterator[Epoch]:
        told = len(tuning.parts.notes)
        loop = tuning.run(checkpoint, checkpoint_seconds)
        try:
            yield from loop
        finally:
            loop.close()
            self._finish(tuning, targets)
            for note in tuning.parts.notes[told:]:
                warnings.warn(note, stacklevel=4)

    def _finish(self, tuning: Tuning, targets: Targets) -> None:
        head = tuning.joined.head
        self.head_weight_ = head.weight.detach().numpy().copy()
        self.head_bias_ = head.bias.detach().numpy().copy()
        if targets.classes is not None:
            self.classes_ = targets.classes
        self.target_ = (targets.mean, targets.scale)
        self.backbone_ = self._built
        self.backbone_.trained = True
        self.rates_ = {one.name: tuning.paces.peak * one.rate for one in tuning.paces.groups}
        self.history_, self.train_seconds_ = tuning.position.history, tuning.position.seconds
        self.kept_ = tuning.feed.form
        self.notes_ += [one for one in tuning.parts.notes if one not in self.notes_]
        self._n_features_out = self.head_weight_.shape[1]

    def _options(self, seed: int) -> dict[str, Any]:
        names = ("tune", "rates", "unfreeze", "start", "anchor", "schedule", "augment")
        return {
            "command": "finetune",
            "backbone": self.backbone.features_hash(),
            **{name: getattr(self, name) for name in names},
            **self.settings_,
            "random_state": seed,
        }

    # --- setting up ---------------------------------------------------------------------------------------------

    def checked(self, X: Any, y: Any) -> tuple[np.ndarray, Targets]:
        """The labelled rows and their targets; options are checked, notes begin anew.

        errors  DataError, SentenceError
        """
        for name, known in (("start", ("random", "probe")), ("schedule", tuple(SCHEDULES))):
            if getattr(self, name) not in known:
                raise SentenceError(f"{name}={getattr(self, name)!r} is not possible", f"known: {', '.join(known)}")
        rows = _rows(X)
        targets = self._targets(y, len(rows))
        used = rows[targets.rows] if len(targets.rows) < len(rows) else rows
        self.notes_ = list(targets.notes)
        return used, targets

    def _targets(self, y: Any, n: int) -> Targets:
        raise NotImplementedError

    def tuning(self, rows: np.ndarray, targets: Targets, seed: int) -> Tuning:
        """All that a fit needs, before its first step."""
        net = self._net(rows, seed)
        found = chosen(net, self.tune)
        self.settings_ = settings(self.get_params(deep=False), len(rows))
        feed = Feed(net, rows, found.after, changes_of(self.augment), seed)
        width, outputs = self._width(feed), 1 if targets.classes is None else len(targets.classes)
        joined = Joined(net.net, width, outputs, seed)
        for one in net.net.parameters():
            one.requires_grad_(False)
        total = self.settings_["epochs"] * -(-len(rows) // self.settings_["batch_size"])
        groups = groups_of(found, self.rates, self.unfreeze, total)
        closed = [f"net.{leaf}" for leaf in found.closed]
        known = dict(joined.named_parameters())
        for group in groups:
            for name in group.parameters:
                known[name].requires_grad_(True)
        paces = Paces(joined, groups, self.settings_["learning_rate"], total, self.schedule, closed)
        anchor = self._anchor(joined, groups[:-1])
        numbers = {name: self.settings_[name] for name in ("epochs", "batch_size")}
        tuning = Tuning(joined, feed, targets.values, paces, seed=seed, anchor=anchor, **numbers)
        self._begin(tuning, seed)
        return tuning

    def _net(self, rows: np.ndarray, seed: int) -> Backbone:
        given = self.backbone
        if not isinstance(given, Backbone):
            raise SentenceError(f"backbone={given!r} is no backbone", "give a Backbone, or a name such as 'file:...'")
        given.prepare(rows[:1])  # refuses what it cannot take
        self.notes_ += given.prepare.notes(rows)
        net = random_twin(given, seed) if self.tune == "scratch" else given.copy()
        if not net.trained and not net.calibrated:
            calibrate(net, net.prepare(rows[:BLOCK]))
        self._built = net
        return net

    def _width(self, feed: Feed) -> int:
        with torch.no_grad():
            return feed.vectors(feed.batch(torch.arange(1))).shape[1]

    def _anchor(self, joined: Joined, groups: Any) -> Anchor | None:
        if self.anchor is None:
            return None
        pair = self.anchor if isinstance(self.anchor, tuple | list) else (self.anchor, BETA)
        if len(pair) != 2 or not all(isinstance(one, int | float) and one >= 0 for one in pair):
            raise SentenceError(f"anchor={self.anchor!r} is not possible", "give alpha, or (alpha, beta), at least 0")
        if self.tune == "scratch":
            raise SentenceError('anchor with tune="scratch" is not possible', "random weights are nothing to stay near")
        known = dict(joined.named_parameters())
        start = {name: known[name].detach().clone() for group in groups for name in group.parameters}
        return Anchor(float(pair[0]), float(pair[1]), start)

    def _begin(self, tuning: Tuning, seed: int) -> None:
        """The head's first weights, and rates from the first gradient."""
        self.start_loss_ = self.probe_strength_ = None
        if self.start == "probe" and self.tune != "scratch":
            features = _vectors(tuning.feed)
            weight, bias, self.probe_strength_ = probed_head(features.numpy(), tuning.targets.numpy(), seed)
            with torch.no_grad():
                tuning.joined.head.weight.copy_(torch.from_numpy(weight))
                tuning.joined.head.bias.copy_(torch.from_numpy(bias))
                self.start_loss_ = first_loss(tuning, features)
        if self.rates == "gradient":
            tuning.paces = self._paced(tuning)

    def _paced(self, tuning: Tuning) -> Paces:
        """The same groups at rates from the gradient over an even sample of rows, in eval mode."""
        paces = tuning.paces
        places = torch.unique(torch.linspace(0, len(tuning.feed) - 1, min(len(tuning.feed), 8 * BLOCK)).long())
        tuning.joined.eval()
        for some in places.split(BLOCK):
            batch = tuning.feed.batch(some)
            (tuning.losses(batch, tuning.targets[some]).sum() / len(places)).backward()
        groups = gradient_rates(tuning.joined, paces.groups)
        tuning.optimizer.clear()
        return Paces(tuning.joined, groups, paces.peak, paces.total, paces.schedule, paces.closed)

    # --- using --------------------------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """Pooled last stage of the tuned net, (rows, width) float32."""
        check_is_fitted(self, "backbone_")
        rows, parts, made = _rows(X), Parts(), []
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK]
            made += parts.run(len(some), lambda part, some=some: self._block(some[part]))
        return np.concatenate(made)

    def _block(self, rows: np.ndarray) -> np.ndarray:
        last = self.backbone_.last
        return self.backbone_.vectors(rows, last)[last]

    def _scores(self, X: Any) -> np.ndarray:
        return self.transform(X) @ self.head_weight_.T + self.head_bias_


def first_loss(tuning: Tuning, features: Tensor) -> float:
    """The mean loss of the head on features (rows, width)."""
    scores = tuning.joined.head(features)
    if tuning.targets.dtype == torch.int64:
        return float(torch.nn.functional.cross_entropy(scores, tuning.targets))
    return float((scores[:, 0] - tuning.targets).square().mean())


def _vectors(feed: Feed) -> Tensor:
    """The last stage's vectors of all rows, (rows, width), in eval mode and without changes."""
    feed.backbone.net.eval()
    made: list[Tensor] = []
    with torch.no_grad():
        for places in torch.arange(len(feed)).split(BLOCK):
            rows = feed.rows[places.numpy()]
            plain = feed.backbone.prepare(rows) if feed.kept is None else feed.batch(places)
            made += feed.parts.run(len(places), lambda part, plain=plain: feed.vectors(plain[part]))
    return torch.cat(made)


def _rows(X: Any) -> np.ndarray:
    """Rows as an array.

    errors  DataError: none, NaN, no numbers
    """
    found = X.detach().cpu().numpy() if hasattr(X, "detach") else np.asarray(X)
    if found.ndim < 2 or found.dtype.kind not in "fiub" or not len(found):
        raise DataError(
            f"rows of shape {found.shape} and type {found.dtype} cannot be prepared",
            "give an array of numbers, one row or picture (height, width, channels) per label",
        )
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0, 0])
        raise DataError(f"row {row} holds NaN or infinity", "fill it, or leave the row out")
    return found


def _fingerprint(rows: np.ndarray, targets: Targets) -> str:
    digest = hashlib.blake2b(f"{rows.shape} {rows.dtype} {targets.classes}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(rows).data)
    digest.update(targets.values.numpy().data)
    return digest.hexdigest()


class FineTunedClassifier(ClassifierMixin, _FineTuned):
    __doc__ = _FineTuned.__doc__

    def _targets(self, y: Any, n: int) -> Targets:
        return class_targets(y, n)

    def predict_proba(self, X: Any) -> np.ndarray:
        """(rows, classes), in the order of `classes_`; each row sums to 1."""
        scores = self._scores(X).astype(np.float64)
        odds = np.exp(scores - scores.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """(rows,) the most probable class."""
        return self.classes_[self._scores(X).argmax(1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose class is told; rows of a class that was not learned count as missed, with a warning."""
        check_is_fitted(self, "backbone_")
        told, given = self.predict(X), np.asarray(y)
        unknown, counts = np.unique(given[~np.isin(given, self.classes_)], return_counts=True)
        if len(unknown):
            named = ", ".join(f"{one!r} ({n} rows)" for one, n in zip(unknown.tolist()[:5], counts, strict=False))
            warnings.warn(f"not among the classes learned, so counted as missed: {named}", stacklevel=2)
        return float(np.average(told == given, weights=sample_weight))


class FineTunedRegressor(RegressorMixin, _FineTuned):
    __doc__ = _FineTuned.__doc__

    def _targets(self, y: Any, n: int) -> Targets:
        return number_targets(y, n)

    def predict(self, X: Any) -> np.ndarray:
        """(rows,) numbers."""
        mean, scale = self.target_
        return self._scores(X)[:, 0].astype(np.float64) * scale + mean
