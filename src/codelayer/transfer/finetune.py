"""Fine-tuning: a backbone and a linear head on its pooled last stage, trained on a few labelled rows.

Reads  a Backbone (or its name), rows it can prepare, labels.
Gives  `FineTunedClassifier` and `FineTunedRegressor`, scikit-learn estimators.
Skips  choosing how: `advise` races several ways.

Sources: Howard and Ruder 2018 (ULMFiT) for rates by layer and gradual unfreezing; Kumar et al. 2022 for LP-FT;
Li et al. 2018 for L2-SP; Lee et al. 2023 for tuning one block and for rates from gradient norms.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from .. import bundle
from ..data.rows import rows_of, take
from ..data.schema import Columns
from ..data.tables import Table, is_frame
from ..errors import BundleError, DataError, SentenceError
from ..learn.heads import plain_label
from ..learn.loop import Epoch
from ..learn.paces import SCHEDULES
from ..learn.run import RunFolder
from ..learn.settings import seed_of
from ..nets.backbone import Backbone
from .features import check_rows, fingerprint_of
from .feeding import BLOCK
from .opening import backbone_from, backbone_parts, open_backbone
from .parts import Parts
from .readying import Readied, readied
from .targets import Targets, class_targets, number_targets
from .tuned import settings
from .tuning import Tuning

GOLDEN_ROWS = 4


class _FineTuned(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A backbone that is tuned with a linear head.

    Parameters
    ----------
    backbone : Backbone or str, default=None
        What `open_backbone` takes, for example "file:mobilenet.npz".
        A copy learns: the one that is given stays as it is.
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
        normalisation layers then keep the running statistics the probe was fitted to. With tune="scratch" they are
        random in any case.
    anchor : float, (float, float) or None, default=None
        L2-SP: alpha, or (alpha, beta), beta is 0.01 else; it replaces weight decay.
    schedule : "one_cycle" or "cosine", default="one_cycle"
        Up over 30 % of the steps and down, or down from a warm-up of 5 %.
    epochs : int or "auto", default="auto"
        "auto" makes 200 steps, within 6 to 30 passes; from scratch twice as many.
    batch_size : int or "auto", default="auto"
        "auto" is an eighth of the rows, as a power of 2 within 8 to 32.
    learning_rate : float or "auto", default="auto"
        Peak rate of the head; "auto" is 0.003 from scratch, 0.0003 from a probe, 0.01 for a random head alone, else
        0.001.
    augment : "flip", "shift", "flip + shift" or None, default=None
        Of pictures, anew at every step.
    random_state : int, RandomState or None, default=None
        Of the head, the order of rows, dropout and changes of pictures.
    run : path or None, default=None
        A folder for checkpoints: a fit that is stopped goes on where it was.

    Attributes
    ----------
    backbone_ : Backbone, tuned
    classes_ : (classes,), of a classifier
    rates_ : dict, group -> its peak learning rate
    settings_ : dict, epochs, batch_size and learning_rate
    history_ : list of dict, one per epoch
    notes_ : list of str, what a reader should know
    probe_strength_, start_loss_ : C of the probe and its loss on the labelled rows; None without one
    kept_ : str, what was kept in memory: "vectors", "stage", "prepared" or "made anew"
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
        """`fit`, yielding after every epoch, where it can predict; `break` leaves a checkpoint in the `run` folder."""
        rows, targets = self.checked(X, y)
        if self.run is None:
            yield from self._tuned(rows, targets, seed_of(self.random_state), None, checkpoint_seconds)
            return
        data = f"{fingerprint_of(rows)} {fingerprint_of(targets.values.numpy())} {targets.classes}"
        seed = seed_of(int(data[:7], 16) if self.random_state is None else self.random_state)
        with RunFolder(self.run, self._options(seed, rows_of(rows)), data) as run:
            yield from self._tuned(rows, targets, seed, run.state / "training.zip", checkpoint_seconds)
            run.finish()

    def _tuned(
        self, rows: Any, targets: Targets, seed: int, checkpoint: Path | None, checkpoint_seconds: float
    ) -> Iterator[Epoch]:
        tuning = self.tuning(rows, targets, seed)
        self._seed, self._golden = seed, take(rows, slice(0, GOLDEN_ROWS))
        loop = tuning.run(checkpoint, checkpoint_seconds)
        try:
            for epoch in loop:
                self._take_over(tuning)
                yield epoch
        finally:
            loop.close()
            self._take_over(tuning)
            for note in tuning.parts.notes:
                warnings.warn(note, stacklevel=4)

    def _take_over(self, tuning: Tuning) -> None:
        head = tuning.joined.head
        self.head_weight_ = head.weight.detach().numpy().copy()
        self.head_bias_ = head.bias.detach().numpy().copy()
        self._n_features_out = self.head_weight_.shape[1]
        self.history_, self.train_seconds_ = tuning.position.history, tuning.position.seconds
        self.notes_ += [one for one in tuning.parts.notes if one not in self.notes_]

    def _options(self, seed: int, rows: int) -> dict[str, Any]:
        names = ("tune", "rates", "unfreeze", "start", "anchor", "schedule", "augment")
        chosen = {name: getattr(self, name) for name in names}
        numbers = settings(self.get_params(deep=False), rows)
        net = self._opened(seed).features_hash()
        return {"command": "finetune", "backbone": net, **chosen, **numbers, "random_state": seed}

    def checked(self, X: Any, y: Any) -> tuple[Any, Targets]:
        """The labelled rows and their targets; words among the options are checked, notes begin anew.

        errors  DataError, SentenceError
        """
        for name, known in (("start", ("probe", "random")), ("schedule", tuple(SCHEDULES))):
            if getattr(self, name) not in known:
                raise SentenceError(f"{name}={getattr(self, name)!r} is not possible", f"known: {', '.join(known)}")
        rows = plain_rows(X)
        targets = self._targets(y, rows_of(rows))
        self.notes_ = list(targets.notes)
        return take(rows, targets.rows) if len(targets.rows) < rows_of(rows) else rows, targets

    def _targets(self, y: Any, n: int) -> Targets:
        raise NotImplementedError

    def _opened(self, seed: int) -> Backbone:
        if self.backbone is None:
            raise SentenceError("no backbone was given", "give one, or a name such as 'file:mobilenet.npz'")
        return open_backbone(self.backbone, seed=seed)

    def tuning(self, rows: Any, targets: Targets, seed: int) -> Tuning:
        """All that a fit needs, before its first step, from what `checked` gave."""
        net = self._opened(seed)
        check_rows(net, rows)
        ready: Readied = readied(net, self.get_params(deep=False), rows, targets, seed)
        tuning = ready.tuning
        self.backbone_, self.settings_ = ready.backbone, ready.settings
        self.probe_strength_, self.start_loss_ = ready.strength, ready.loss
        self.backbone_.trained = True
        self.kept_ = tuning.feed.form
        self.rates_ = {one.name: tuning.paces.peak * one.rate for one in tuning.paces.groups}
        self.notes_ += ready.notes
        if targets.classes is not None:
            self.classes_ = targets.classes
        self.target_ = (targets.mean, targets.scale)
        return tuning

    # --- using --------------------------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """Pooled last stage of the tuned net, (rows, width) float32."""
        check_is_fitted(self, "head_weight_")
        rows, parts, made = plain_rows(X), Parts(), []
        for start in range(0, rows_of(rows), BLOCK):
            some = take(rows, slice(start, start + BLOCK))
            made += parts.run(rows_of(some), lambda part, some=some: self._block(take(some, part)))
        return np.concatenate(made)

    def _block(self, rows: Any) -> np.ndarray:
        last = self.backbone_.last
        return self.backbone_.vectors(rows, last)[last]

    def _scores(self, X: Any) -> np.ndarray:
        return self.transform(X) @ self.head_weight_.T + self.head_bias_

    # --- saving -------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write the tuned net with its head as a bundle of kind "finetuned": a folder, or one file ending in .zip.

        errors  BundleError: the backbone was given as a module, so that no file could build it again
        """
        check_is_fitted(self, "head_weight_")
        net, tensors = backbone_parts(self.backbone_)
        tensors |= {"head.weight": self.head_weight_, "head.bias": self.head_bias_}
        options = {n: v for n, v in self.get_params(deep=False).items() if n not in ("backbone", "run")}
        plan = {
            "task": "class" if hasattr(self, "classes_") else "number",
            "classes": [plain_label(one) for one in getattr(self, "classes_", ())],
            "target": list(self.target_),
            "backbone": net,
            "options": {**options, "random_state": self._seed},
            "record": {name: getattr(self, f"{name}_") for name in RECORD},
        }
        golden = {}
        if isinstance(self._golden, np.ndarray):
            golden = {"rows": self._golden, "codes": self.transform(self._golden)}
        bundle.write(path, "finetuned", plan, tensors, golden, facts)

    def check_golden(self, golden: Mapping[str, np.ndarray]) -> float:
        """The largest difference between the saved golden codes and this machine's; 0 where they were written."""
        if "rows" not in golden:
            return 0.0
        return float(np.abs(self.transform(golden["rows"]) - golden["codes"]).max(initial=0.0))

    def _restore(self, found: bundle.Bundle) -> Self:
        plan, tensors = found.plan, found.tensors
        self.backbone_ = backbone_from(plan["backbone"], tensors)
        self.head_weight_ = np.array(tensors["head.weight"], np.float32)
        self.head_bias_ = np.array(tensors["head.bias"], np.float32)
        self._n_features_out = self.head_weight_.shape[1]
        if plan["task"] == "class":
            self.classes_ = np.array(plan["classes"])
        outputs = len(plan["classes"]) if plan["task"] == "class" else 1
        if self.head_weight_.shape[0] != outputs or self.head_bias_.shape != (outputs,):
            raise BundleError("its head does not fit its classes", "save it again")
        self.target_ = (float(plan["target"][0]), float(plan["target"][1]))
        for name in RECORD:
            setattr(self, f"{name}_", plan["record"][name])
        self._seed, self._golden = int(plan["options"]["random_state"]), found.golden.get("rows")
        return self


RECORD = ("rates", "settings", "history", "notes", "probe_strength", "start_loss", "kept", "train_seconds")


@bundle.kind("finetuned")
class FineTuned:
    """The home of bundles of kind "finetuned": a classifier or a regressor."""

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> FineTunedClassifier | FineTunedRegressor:
        """The estimator a bundle holds, its net inside and as its `backbone`.

        errors  BundleError when its parts do not fit together
        """
        try:
            home = {"class": FineTunedClassifier, "number": FineTunedRegressor}[found.plan["task"]]
            options = {
                name: found.plan["options"][name] for name in home().get_params() if name in found.plan["options"]
            }
            made = home(**options)._restore(found)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"{found.path} does not hold a fine-tuned net ({error})", "save it again") from None
        made.backbone = made.backbone_
        return made


def plain_rows(X: Any) -> Any:
    """Rows as an array or a table; grey pictures (n, H, W) uint8 gain their channel.

    errors  DataError: none, NaN, no numbers
    """
    if isinstance(X, Columns) or is_frame(X):
        return X if isinstance(X, Columns) else Table.from_frame(X)
    found = X.detach().cpu().numpy() if hasattr(X, "detach") else np.asarray(X)
    if found.ndim < 2 or found.dtype.kind not in "fiub" or not len(found):
        raise DataError(
            f"rows of shape {found.shape} and type {found.dtype} cannot be prepared",
            "give an array of numbers, one row or picture (height, width, channels) per label",
        )
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0, 0])
        raise DataError(f"row {row} holds NaN or infinity", "fill it, or leave the row out")
    return found[..., None] if found.ndim == 3 and found.dtype == np.uint8 else found


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
        check_is_fitted(self, "head_weight_")
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
