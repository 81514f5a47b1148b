"""The commands below `codelayer transfer`, as plain functions, as in `codelayer.commands`.

Reads  names, paths and numbers, as they are typed.
Gives  files, and lines of text on stdout.
Skips  parsing (cli), which reads these signatures and docstrings.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .layerscommand import layers

if TYPE_CHECKING:
    from ..data.load import Data
    from ..nets.backbone import Backbone


def features(
    data: str,
    *,
    backbone: str,
    out: str,
    stages: str | None = None,
    grid: str = "1",
    size: int | None = None,
    label: str | None = None,
    seed: int = 0,
) -> None:
    """Write the features of a pre-trained net as codes.

    Any stage, pooled to one vector per row. They are made once and kept in a cache folder (CODELAYER_CACHE): stopped
    with Ctrl-C, the same command goes on where it was.

    data: what study reads
    backbone: file:PATH, timm:NAME, keras:NAME, hf:NAME, a bundle; random: before any of them is the same net untrained
    out: where the codes go: .npy, .csv or .parquet
    stages: names with commas between them, or all; by default the last
    grid: a map is pooled to its mean (1), to N x N parts, or "auto": 1 for the last stage and 2 before it
    size: pixels per side to which pictures are brought; by default what the net was trained on
    label: the column that is no input
    seed: of a random twin
    """
    from ..learn.files import checked_kind
    from .featurecommand import write_features
    from .features import AUTO, FeatureExtractor
    from .opening import open_backbone

    checked_kind(out, (".npy", ".csv", ".parquet"), data)
    net = open_backbone(backbone, size, seed)
    read = _rows(data, net, label)
    chosen = None if stages is None else "all" if stages == "all" else [one.strip() for one in stages.split(",")]
    made = FeatureExtractor(net, chosen, grid if grid == AUTO else _whole(grid, "--grid"), random_state=seed)
    with _kept("the features that were made are kept"):
        codes = _told(lambda: made.fit(read.x)).transform(read.x)
    lines = write_features(out, codes, read)
    print(f"{lines[0]}, {codes.shape[1]} units of {', '.join(made.stages_)} of {backbone}: {out}")
    for note in [*lines[1:], *made.notes_]:
        print(f"note: {note}")


def advise(
    data: str,
    *,
    backbone: str,
    label: str | None = None,
    minutes: float = 10.0,
    source: str | None = None,
    source_label: str | None = None,
    group: str | None = None,
    task: str | None = None,
    strategy: str = "race",
    size: int | None = None,
    out: str | None = None,
    seed: int = 0,
) -> None:
    """Say how a pre-trained net is best used on your rows, or that it does not help.

    Every stage is probed beside the same net untrained and beside raw rows; what the quadrant (little or much data,
    similar or different) puts on the short list is raced inside the labelled rows, training from scratch always among
    it; the winner is fitted on all labels and saved. Stopped with Ctrl-C, the same command goes on where it was.

    data: what study reads; rows without a label serve self-supervised learning alone
    backbone: file:PATH, timm:NAME, keras:NAME, hf:NAME, or a bundle
    label: the column (in an .npz the array) to predict, or a file of labels, row for row
    minutes: for candidates that train; heads on frozen features come on top; 0 leaves training out
    source: rows the net was trained on: with them distances and the kind of shift are told
    source_label: their labels
    group: column whose equal values stay on one side of every split
    task: "class" or "number"; by default the labels decide
    strategy: "race", or "textbook": its four sentences taken literally, for comparison
    size: pixels per side to which pictures are brought; by default what the net was trained on
    out: folder for report.html, advice.json and the bundle; by default ./advice-NAME
    seed: makes the run repeatable, but for the budget
    """
    from ..errors import DataError
    from .advicecommand import advised
    from .opening import open_backbone

    if source is None and source_label is not None:
        raise DataError(f"--source-label {source_label} has no --source", "name the rows it is a column of")
    if not 0 <= minutes < float("inf"):
        raise DataError(f"--minutes {minutes:g} is not possible", "give a number of minutes, 0 for heads alone")
    net = open_backbone(backbone, size, seed)
    read = _labelled(data, net, label, group)
    other = None if source is None else _rows(source, net, source_label)
    folder = Path(out or f"advice-{read.name}")
    asked = {"backbone": backbone, "label": label, "minutes": minutes, "source": source, "source_label": source_label}
    asked |= {"group": group, "task": task, "strategy": strategy, "size": size, "seed": seed}
    with _kept("what was scored is kept"):
        for line in advised(net, read, other, folder, asked):
            print(line)


def finetune(
    data: str,
    *,
    backbone: str,
    label: str | None = None,
    tune: str = "all",
    rates: str = "1",
    start: str = "probe",
    task: str | None = None,
    unfreeze: bool = False,
    epochs: int | None = None,
    learning_rate: float | None = None,
    range_test: str | None = None,
    size: int | None = None,
    out: str | None = None,
    seed: int = 0,
) -> None:
    """Fine-tune a pre-trained net on labelled rows.

    Stopped with Ctrl-C, the same command goes on where it was, to the same bits.

    data: what study reads
    backbone: file:PATH, timm:NAME, keras:NAME, hf:NAME, or a bundle
    label: the column (in an .npz the array) to predict, or a file of labels, row for row
    tune: head, last, all, norms, scratch, a number of last stages, or the name of one stage
    rates: rates fall by this factor per stage from the head down (2.6 in ULMFiT), or "gradient"
    start: of the head: probe (LP-FT: fitted to the frozen net first), or random
    task: "class" or "number"; by default the labels decide
    unfreeze: open stages one after the other, the last first
    epochs: passes over the rows; by default some 200 steps' worth
    learning_rate: the peak
    range_test: an .html file for a learning-rate range test; nothing else is done
    size: pixels per side to which pictures are brought; by default what the net was trained on
    out: folder for the bundle; by default ./finetuned-NAME
    seed: makes the run repeatable
    """
    from .finecommand import run_range_test, tuned
    from .opening import open_backbone

    net = open_backbone(backbone, size, seed)
    read = _labelled(data, net, label)
    options = {
        "tune": int(tune) if tune.isdigit() else tune,
        "rates": rates if rates == "gradient" else _number(rates, "--rates"),
        "start": start,
        "unfreeze": unfreeze,
        "epochs": "auto" if epochs is None else epochs,
        "learning_rate": "auto" if learning_rate is None else learning_rate,
    }
    if range_test is not None:
        print(run_range_test(read, net, options, seed, range_test, task))
        return
    folder = Path(out or f"finetuned-{read.name}")
    with _kept("what was learned is kept"):
        for line in tuned(read, net, options, seed, folder, task):
            print(line)


def _rows(data: str, net: Backbone, label: str | None = None, group: str | None = None) -> Data:
    """Rows; pictures of unlike sizes are brought to the net's own."""
    from ..data.load import load_data

    side = (getattr(net.prepare, "height", 0), getattr(net.prepare, "width", 0))
    return load_data(data, label=label, group=group, unlike_to=side if all(side) else None)


def _labelled(data: str, net: Backbone, label: str | None, group: str | None = None) -> Data:
    from ..errors import DataError

    read = _rows(data, net, label, group)
    if read.labels is None:
        why = [note for note in read.notes if "no labels" in note]
        raise DataError(f"{data} has no labels to learn" + (f": {why[0]}" if why else ""), "name them with --label")
    return read


@contextmanager
def _kept(what: str) -> Generator[None]:
    """Ctrl-C says what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{what}; give the same command again to continue") from None


def _told(work: Any) -> Any:
    """What `work` gives; its warnings are printed as notes later on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


def _whole(text: str, option: str) -> int:
    from ..errors import DataError

    if not text.isdigit():
        raise DataError(f"{option} {text} is not possible", 'give a whole number, or "auto"')
    return int(text)


def _number(text: str, option: str) -> float:
    from ..errors import DataError

    try:
        return float(text)
    except ValueError:
        raise DataError(f"{option} {text} is not possible", "give a number, 2.6 for example") from None


COMMANDS: Sequence[Any] = (advise, features, finetune, layers)
