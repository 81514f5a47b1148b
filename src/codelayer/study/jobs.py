"""The work of a study that runs in worker processes: fit one rival, score it on `choose`, later read `report`.

Reads  plain `Task` records (rows as arrays that joblib maps from disk).
Gives  bundles and score files in the state folder: what is there already is not done again.
Skips  decisions: which rival wins is decided in the main process.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import bundle
from ..data.codefiles import read_codes
from ..data.rows import rows_of, take
from ..data.schema import Schema
from ..errors import DataError
from ..learn.autoencoder import Autoencoder
from ..learn.baselines import RawFeatures
from ..learn.diverged import Diverged
from ..learn.many import fit_noting
from ..learn.saved import load
from ..measure.curves import Curve, label_curve
from ..measure.probes import linear_probe
from .controls import control
from .kept import Kept, LinearHead
from .parts import Parts
from .rivals import Rival, seed_of


@dataclass(frozen=True)
class Task:
    """One rival at one seed.

    folder     the study's state folder
    task       "class", "number" or None (no labels)
    """

    rival: Rival
    seed: int
    study_seed: int
    folder: Path
    task: str | None

    @property
    def place(self) -> Path:
        """Where this fit's bundle lies; rivals that do not vary are fitted once."""
        return self.folder / f"{self.rival.name_of_file}-{self.seed if self.rival.varies else 0}"

    @property
    def run(self) -> Path:
        """The run folder of a fit under way."""
        return self.place.with_name(self.place.name + "-run")

    @property
    def kept(self) -> Path:
        """Where the fitted probes of this rival and seed are kept."""
        return self.folder / f"{self.rival.name_of_file}-{self.seed}-probes.npz"

    @property
    def random_state(self) -> int:
        """The seed of this fit."""
        return seed_of(self.study_seed, self.seed if self.rival.varies else 0)


def fit_code(task: Task, train_x: Any, groups: np.ndarray | None = None) -> dict[str, Any]:
    """Fit one coder and save it; {"seconds", "warnings"}. A fit that was stopped continues from its checkpoint.

    groups  of the rows, for slowness()
    One that diverges is not saved: "diverged" then holds the sentence that says where.
    """
    torch.set_num_threads(1)
    if (task.place / bundle.ABOUT).exists():
        facts = bundle.read(task.place).facts
        return {"seconds": facts["seconds"], "warnings": facts["warnings"]}
    coder = task.rival.build(task.random_state)
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            if isinstance(coder, Autoencoder):
                coder.set_params(run=task.run).fit(train_x, groups=groups)
            else:
                coder.fit(train_x)
        except Diverged as end:
            return {"seconds": time.perf_counter() - started, "warnings": [], "diverged": str(end).splitlines()[0]}
    said = set(getattr(coder, "notes_", ()))  # of a net and its rows: the study has told them before it began
    told = sorted({str(one.message) for one in caught if issubclass(one.category, UserWarning)} - said)
    # a resumed fit knows only its last stretch: the record sums training time over all of them
    seconds = max(time.perf_counter() - started, float(getattr(coder, "train_seconds_", 0.0)))
    coder.save(task.place, {"seconds": seconds, "warnings": told})
    return {"seconds": seconds, "warnings": told}


def fit_codes(tasks: Sequence[Task], train_x: Any, groups: Any = None) -> list[dict[str, Any]]:
    """`fit_code` of every task; several learn in one pass, and each is then said to have taken its share of it."""
    if len(tasks) == 1:
        return [fit_code(tasks[0], train_x, groups)]
    torch.set_num_threads(1)
    coders = [task.rival.build(task.random_state) for task in tasks]
    started = time.perf_counter()
    try:
        noted = fit_noting(coders, train_x)
    except Diverged:  # one of them: the others are not to lose their fits by it
        return [fit_code(task, train_x, groups) for task in tasks]
    seconds = (time.perf_counter() - started) / len(tasks)
    found = [{"seconds": seconds, "warnings": sorted(set(told))} for told in noted]
    for task, coder, facts in zip(tasks, coders, found, strict=True):
        coder.save(task.place, {**facts, "fits_in_one_pass": len(tasks)})
    return found


def keep_features(tasks: Sequence[Task], rows: Any) -> None:
    """Put the features of rows into the cache, of all stages that the fits of one net want, in one walk of the net."""
    torch.set_num_threads(1)
    coders = [load(task.place) for task in tasks]
    first, widths = coders[0], {stage: width for one in coders for stage, width in one.widths_.items()}
    first.stages_, first.widths_ = first.backbone_.chosen(tuple(widths)), widths
    with redirect_stderr(io.StringIO()):  # a line of progress for each worker would be too many
        first.stage_features(rows)


def score_code(
    task: Task, train_x: Any, train_y: np.ndarray, eval_x: Any, eval_y: np.ndarray, picked: dict[int, list[np.ndarray]]
) -> dict[str, Curve]:
    """Linear and kNN label curves of a saved coder on the given rows; linear heads are fitted once, and kept."""
    torch.set_num_threads(1)
    coder = load(task.place)
    codes = coder.transform(train_x), coder.transform(eval_x)
    return curves_of(codes[0], train_y, codes[1], eval_y, picked, task.task, task.kept)


def curves_of(
    train_codes: np.ndarray,
    train_y: np.ndarray,
    eval_codes: np.ndarray,
    eval_y: np.ndarray,
    picked: dict[int, list[np.ndarray]],
    task: str | None,
    kept: Path | None = None,
) -> dict[str, Curve]:
    """The label curve of each probe.

    kept  a file from which linear heads are read, or to which they are written when it is not there
    """

    def linear(codes: np.ndarray, kind: str) -> Any:
        plain = linear_probe(codes, kind)
        head = LinearHead(plain.center, plain.scale, kind)
        return head if held is None else held.probe(head)

    held = None if kept is None else Kept(kept)
    makers: dict[str, Any] = {"linear": linear, "knn": "knn"}
    curves = {
        name: label_curve(train_codes, train_y, eval_codes, eval_y, probe=probe, picked=picked, task=task)
        for name, probe in makers.items()
    }
    if held is not None:
        held.save()
    return curves


def score_control(
    task: Task, train_x: Any, train_y: np.ndarray, eval_x: Any, eval_y: np.ndarray, picked: dict[int, list[np.ndarray]]
) -> dict[str, Any]:
    """The label curve of a supervised control on the raw (encoded) features, and its size in bytes."""
    torch.set_num_threads(1)
    raw = RawFeatures().fit(train_x)
    train_codes, eval_codes = raw.transform(train_x), raw.transform(eval_x)
    model = control(task.rival.name, str(task.task), task.random_state)
    held = Kept(task.kept)
    probe = held.probe(model)
    curve = label_curve(
        train_codes, train_y, eval_codes, eval_y, probe=lambda codes, kind: probe, picked=picked, task=task.task
    )
    held.save()
    return {"linear": curve, "bytes": model.bytes, "seconds": float(np.mean(held.seconds))}


def given_codes(path: str, parts: Parts) -> np.ndarray:
    """The user's own codes, (rows, units) float32, one row per sample of the data, scaled by their train rows.

    errors  DataError when the file has another number of rows, no numbers, NaN or infinities
    """
    x, data = read_codes(path)[1], parts.data
    total = rows_of(data.x) if data.total is None else data.total
    unread = np.isnan(x).all(1)
    if unread.sum() == len(data.skipped):  # what could not be read has NaN for a code, and is not in the data
        x = x[~unread]
    if len(x) != total:
        raise DataError(f"{path} has {len(x):,} rows, the data have {total:,}", "give one row of codes per sample")
    x = x if data.origin is None else x[data.origin]
    return Schema.fit(take(x, parts.train), scale="auto").encode(x).reshape(rows_of(data.x), -1)
