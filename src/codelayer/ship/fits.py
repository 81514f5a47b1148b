"""Fitting one candidate and compiling it: the work of `ship fit` that runs in worker processes.

Reads  plain `Job` records, train rows (as arrays that joblib maps from disk), labels as places or numbers.
Gives  NAME.onnx, the bundle NAME/ (not of LightGBM) and, last of all, NAME.json in the state folder: what is there
       already is not done again, and a code that was stopped continues from its checkpoint.
Skips  every row but the train rows: scores are taken in the main process.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ..bundle import plain, write_atomic
from ..bundle.onnxfile import library
from ..data.rows import rows_of, take
from ..errors import CodelayerError
from ..export import onnx_bytes, sklearn_exported
from ..export.checks import allowed
from ..export.graphs import label_table
from ..learn.baselines import RawFeatures
from ..learn.diverged import Diverged
from ..learn.forest import Forest
from ..learn.headed_forest import ForestHead, HeadedForest
from ..learn.heads import Head, Headed
from ..measure.probes import linear_probe
from .candidates import Candidate
from .whole import behind

CHECKED = 512  # train rows on which a graph is held against its original
CALLS = 9  # of the original at one row, for the cost of calling it


@dataclass(frozen=True)
class Target:
    """The labels of the train rows.

    task     "class" or "number"
    classes  the labels that can be learned, in order; empty for numbers
    places   (rows,) places in `classes`, or numbers; NaN without a label that can be learned
    """

    task: str
    classes: tuple[Any, ...]
    places: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(labelled,) row numbers."""
        return np.flatnonzero(np.isfinite(self.places))

    @property
    def learned(self) -> np.ndarray:
        """(labelled,) what estimators learn: int64 places, or numbers."""
        values = self.places[self.known]
        return values.astype(np.int64) if self.task == "class" else values

    @property
    def told(self) -> Any:
        """(rows,) what labels() reads: texts or None; or numbers."""
        if self.task == "number":
            return self.places
        return np.array([None if place != place else f"{int(place)}" for place in self.places], dtype=object)


@dataclass(frozen=True)
class Job:
    """One candidate to fit.

    seed    random_state of the fit
    folder  the state folder
    aside   columns that were left out on purpose: the bundle notes them
    """

    candidate: Candidate
    seed: int
    folder: Path
    aside: tuple[str, ...] = ()

    @property
    def place(self) -> Path:
        """The bundle."""
        return self.folder / self.candidate.name

    @property
    def graph(self) -> Path:
        """The graph."""
        return self.folder / f"{self.candidate.name}.onnx"

    @property
    def about(self) -> Path:
        """Figures of the fit; there when it is complete."""
        return self.folder / f"{self.candidate.name}.json"


@dataclass(frozen=True)
class Made:
    """A fitted candidate.

    graph      rows to compare it on -> the bytes of its graph
    save       writes its bundle, with facts, into a folder; None where it has no such form
    python_ms  for one row in scikit-learn; None for what is not its
    """

    graph: Callable[[Any], bytes]
    save: Callable[[Path, Mapping[str, Any]], None] | None = None
    python_ms: float | None = None


def fit_job(job: Job, train_x: Any, target: Target, groups: np.ndarray | None = None) -> dict[str, Any]:
    """Fit and compile a candidate.

    groups   of the rows, for slowness()
    returns  {"seconds": of the fit, head included and compiling not, "warnings", "python_ms": see `Made`,
             "dropped": why it has no graph (it diverged, or cannot be exported), or ""}
    """
    torch.set_num_threads(1)
    if job.about.exists():
        return json.loads(job.about.read_text(encoding="utf-8"))
    started = time.perf_counter()
    facts: dict[str, Any] = {"seconds": 0.0, "warnings": [], "python_ms": None, "dropped": ""}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            made, trained = _MAKERS[job.candidate.kind](job, train_x, target, groups)
            facts |= {"seconds": max(time.perf_counter() - started, trained), "python_ms": made.python_ms}
            few = np.unique(np.linspace(0, rows_of(train_x) - 1, CHECKED).astype(int))
            write_atomic(job.graph, made.graph(take(train_x, few)))
            if made.save is not None:
                made.save(job.place, {"seconds": facts["seconds"], "set_aside": list(job.aside)})
        except (Diverged, CodelayerError) as error:
            if not (isinstance(error, Diverged) or type(error).__name__ == "ExportError"):
                raise
            facts["dropped"] = str(error).splitlines()[0]
    own = [one for one in caught if issubclass(one.category, UserWarning) and "codelayer" in str(one.filename)]
    facts["warnings"] = sorted({str(one.message) for one in own})
    write_atomic(job.about, json.dumps(plain(facts)).encode())
    return facts


# --- by kind: what was made, and the training seconds that a fit continued from its checkpoint knows -----------------


def _linear(job: Job, train_x: Any, target: Target, groups: Any) -> tuple[Made, float]:
    return _headed(RawFeatures().fit(train_x), train_x, target), 0.0


def _code(job: Job, train_x: Any, target: Target, groups: Any) -> tuple[Made, float]:
    coder = job.candidate.coder(job.seed).set_params(run=job.folder / f"{job.candidate.name}-run")
    coder.fit(train_x, target.told, groups=groups)
    return _headed(coder, train_x, target), float(getattr(coder, "train_seconds_", 0.0))


def _headed(coder: Any, train_x: Any, target: Target) -> Made:
    codes = coder.transform(train_x)
    probe = linear_probe(codes, target.task).fit(codes[target.known], target.learned)
    model = Headed(coder, replace(Head.from_probe(probe, target.task), classes=target.classes))
    return Made(lambda rows: onnx_bytes(model, rows), model.save)


def _forest(job: Job, train_x: Any, target: Target, groups: Any) -> tuple[Made, float]:
    coder = RawFeatures().fit(train_x)
    x = coder.transform(take(train_x, target.known))
    maker = RandomForestClassifier if target.task == "class" else RandomForestRegressor
    one = job.candidate
    estimator = maker(one.trees, max_depth=one.limit, random_state=job.seed, n_jobs=1).fit(x, target.learned)
    classes = np.array(target.classes, dtype=object) if target.task == "class" else None
    grown = replace(Forest.of(estimator), classes=classes).centred(x)
    model = HeadedForest(coder, ForestHead.of(grown))
    # what is scored is the graph itself
    return Made(lambda rows: onnx_bytes(model, rows, allowed(model)), model.save, _python_ms(estimator, x)), 0.0


def _boosted(job: Job, train_x: Any, target: Target, groups: Any) -> tuple[Made, float]:
    lightgbm = library("lightgbm", "ship")
    coder = RawFeatures().fit(train_x)
    x = coder.transform(take(train_x, target.known))
    one = job.candidate
    maker = lightgbm.LGBMClassifier if target.task == "class" else lightgbm.LGBMRegressor
    estimator = maker(
        n_estimators=one.trees,
        num_leaves=one.limit or 31,
        random_state=job.seed,
        n_jobs=1,
        verbose=-1,
        deterministic=True,
    )
    y = target.learned
    if target.task == "class":
        table = label_table(target.classes)
        y = (table.astype(str) if table.dtype == object else table)[y]
    estimator.fit(x, y)

    def graph(rows: Any) -> bytes:
        trees, _ = sklearn_exported(estimator, x.shape[1], coder.transform(rows))
        facts = {"kind": type(estimator).__name__, "task": target.task}
        if target.task == "class":
            facts["classes"] = json.dumps(plain(list(estimator.classes_)))
        return behind(onnx_bytes(coder, rows), trees, facts)

    return Made(graph, None, _python_ms(estimator, x)), 0.0


_MAKERS: dict[str, Callable[[Job, Any, Target, Any], tuple[Made, float]]] = {
    "linear": _linear,
    "code": _code,
    "forest": _forest,
    "boosting": _boosted,
}


def _python_ms(estimator: Any, x: np.ndarray) -> float:
    """Milliseconds of processor time of one row through the library's own call: other work here is not its fault."""
    answer = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict
    taken = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM on names that an array does not have
        for i in range(CALLS):
            started = time.thread_time()
            answer(x[i % len(x) : i % len(x) + 1])
            taken.append(1e3 * (time.thread_time() - started))
    return float(np.median(taken))
