"""The advisor: which way to use a pre-trained net pays on these rows, with the numbers behind it.

    found = advise("file:mobilenet.npz", pictures, labels, budget=600)
    print(found)
    found.model.predict(more)

Reads  a backbone, rows with some labels, a budget of seconds; source rows where there are some.
Gives  `Advice`: the quadrant, the reasons, every candidate with its score and minutes, the winner fitted on all labels.
Skips  scored rows of the user's: candidates are compared by cross-validation inside the labelled rows alone.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..data.rows import rows_of, take
from ..errors import CodelayerError, DataError
from ..nets.backbone import Backbone, random_twin
from ..nets.backbone.twin import OwnTwin
from .advicetext import sentences
from .candidates import Candidate, always, short_list, textbook
from .diagnosis import Diagnosis, diagnose
from .features import AUTO, FeatureExtractor, fingerprint_of, schema_for
from .kept import KeptScores
from .labelled import checked_seed, groups_of, labels_of
from .opening import open_backbone
from .race import RUNGS, Race, Raced, choice, order_of
from .rawrows import raw_features, raw_scores
from .scoring import Once, always_new, folds_of
from .shifts import stored_distances, tell_shift
from .weak import weak_scores
from .winner import OwnCode, Winner

STRATEGIES = ("race", "textbook")
BUDGET = 600.0
NO_TWIN = (
    "no untrained twin could be drawn of this net, which gives no parameters (an ONNX file): "
    "it was compared with raw rows and chance alone"
)


@dataclass
class Advice:
    """What was found.

    diagnosis   the numbers of the quadrant
    raced       every candidate, best first, then those that dropped out
    chosen      the first of them; model: fitted on all labelled rows, with predict
    textbook    what the textbook would do, and its sentence
    sentences   the answer in words
    notes       what a reader should know of rows and net
    seconds     diagnosis, race and refit
    """

    backbone: str
    diagnosis: Diagnosis
    raced: list[Raced]
    chosen: Raced
    model: Any
    textbook: tuple[Candidate, str]
    sentences: list[str]
    notes: list[str]
    seconds: dict[str, float]
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The sentences, one per line."""
        return "\n".join(self.sentences)

    def record(self) -> dict[str, Any]:
        """Plain JSON: everything but the model."""
        return {
            "backbone": self.backbone,
            "diagnosis": self.diagnosis.record(),
            "candidates": [_line(one) for one in self.raced],
            "chosen": self.chosen.candidate.name,
            "textbook": {"name": self.textbook[0].name, "sentence": self.textbook[1]},
            "sentences": self.sentences,
            "notes": self.notes,
            "seconds": self.seconds,
            **self.facts,
        }


def _line(one: Raced) -> dict[str, Any]:
    found = {} if one.score is None else one.score.record()
    return {
        "name": one.candidate.name,
        "kind": one.candidate.kind,
        "why": one.candidate.why,
        **found,
        "share_of_epochs": one.share,
        "ended": one.ended,
        "seconds": one.seconds,
        "seconds_of_one_fit": one.to_fit,
    }


def advise(
    backbone: str | Path | Backbone,
    X: Any,
    y: Any,
    budget: float = BUDGET,
    *,
    source: Any = None,
    source_y: Any = None,
    groups: Any = None,
    task: str | None = None,
    strategy: str = "race",
    size: int | None = None,
    cache: str | Path | None = AUTO,
    keep: str | Path | None = None,
    seed: int = 0,
) -> Advice:
    """Diagnose, short-list, race, refit.

    X, y      rows and their labels; None, NaN or "" where a row has none: it serves self-supervised learning alone
    budget    seconds for candidates that train; heads on frozen features and the diagnosis come on top
    source    rows the net was trained on, as X; source_y their labels: with them distances and the kind of shift
    groups    (n,) rows of one group stay together in every split; every class lies in at least two
    task      "class" or "number"; None: the labels decide
    strategy  "race", or "textbook": the four sentences of the textbook taken literally, for comparison
    size      pixels per side to which pictures are brought; None is what the net was trained on
    cache     of features; keep: a folder where every score lies once it is there, so that a stopped call goes on
    errors    DataError: fewer than two labels of a class, labels and rows of other lengths, a class in one group alone,
              a labelled row without a group, rows the net cannot take
    """
    if strategy not in STRATEGIES:
        raise DataError(f"strategy={strategy!r} is not possible", f"known: {', '.join(STRATEGIES)}")
    if isinstance(budget, bool) or not isinstance(budget, Real) or not 0 <= float(budget) < float("inf"):
        raise DataError(f"budget={budget!r} is not possible", "it is a number of seconds, 0 for heads alone")
    started, seed = time.perf_counter(), checked_seed(seed)
    task, labelled, targets = labels_of(X, y, task)
    groups = groups_of(groups, rows_of(X), labelled)
    folds, few = (folds_of(targets, task, groups, seed, repeats=repeats) for repeats in (None, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = open_backbone(backbone, size, seed)
        rows = take(X, labelled)
        made = FeatureExtractor(net, "all", AUTO, size, cache, seed).fit(rows)
        stages = made.stage_features(rows)
        twin = _twin_features(made.backbone_, rows, cache, seed)
    schema = schema_for(net, rows)
    raw = raw_features(rows, None if len(schema.shape) == 3 else schema)
    once: Once = always_new
    if keep is not None:
        once = KeptScores(Path(keep), _about(made, X, labelled, targets, groups, task, seed))
    rivals = raw_scores(raw, targets, folds, task, seed, once)
    diagnosis = diagnose(stages, twin, rivals, targets, folds, task, seed, once)
    if source is not None:
        told = tell_shift(made, source, source_y, stages, targets, diagnosis.chance, seed)
        diagnosis.shift, diagnosis.shift_why, diagnosis.distances = told
    else:
        diagnosis.distances = stored_distances(made.backbone_, stages, seed)
    diagnosed = time.perf_counter()
    race = Race(stages, raw, rows, targets, folds, made.backbone_, float(budget), task, seed=seed)
    race.known, race.once = diagnosis.known, once
    race.few = few
    race.own = OwnCode(X, labelled, schema, seed)
    guided = textbook(diagnosis)
    trained = [guided[0]] if strategy == "textbook" else short_list(diagnosis)
    trained = [one for one in trained if one.trains] if budget > 0 else []
    raced = race.run([*always(diagnosis), *trained], (1.0,) if strategy == "textbook" else RUNGS)
    order = order_of(raced)
    chosen = _named(order, guided[0].name) if strategy == "textbook" else choice(raced, diagnosis.helps)
    ran = time.perf_counter()
    model = Winner(made, chosen.candidate, race).fit()
    ended = time.perf_counter()
    seconds = {"diagnosis": diagnosed - started, "race": ran - diagnosed, "refit": ended - ran, "all": ended - started}
    facts = {
        "rows": int(rows_of(X)),
        "labelled": len(labelled),
        "task": task,
        "seed": seed,
        "strategy": strategy,
        "budget_seconds": float(budget),
        "net": made.backbone_.record() | {"source": {}},
        "weak": {} if task != "class" else weak_scores(made, rows, stages, targets, seed),
    }
    notes = list(made.notes_) if twin else [*made.notes_, NO_TWIN]
    others = [one for one in order if one is not chosen] + [one for one in raced if not one.finished]
    found = Advice(net.name, diagnosis, [chosen, *others], chosen, model, guided, [], notes, seconds, facts)
    found.sentences = sentences(found)
    return found


def _about(
    made: FeatureExtractor, X: Any, labelled: np.ndarray, y: np.ndarray, groups: Any, task: str, seed: int
) -> str:
    """Everything that a score follows from, but for the candidate."""
    from .. import __version__

    told = [labelled.tolist(), y.tolist(), None if groups is None else groups.tolist(), task, seed]
    return repr((__version__, made.backbone_.features_hash(), made.schema_.to_json(), fingerprint_of(X), told))


def _twin_features(backbone: Backbone, rows: Any, cache: Any, seed: int) -> dict[str, np.ndarray]:
    """Features of the untrained twin by stage; none of a net that holds nothing that could be drawn anew."""
    held = any(isinstance(one, OwnTwin) for one in backbone.net.modules())
    if not held and next(backbone.net.parameters(), None) is None:
        return {}
    made = FeatureExtractor(random_twin(backbone, seed), "all", AUTO, None, cache, seed)
    return made.fit(rows).stage_features(rows)


def _named(order: Sequence[Raced], name: str) -> Raced:
    found = next((one for one in order if one.candidate.name == name), None)
    if found is None:
        raise CodelayerError(f"{name} did not finish within the budget", "give a larger budget")
    return found
