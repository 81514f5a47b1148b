"""The commands below `codelayer transfer`, as plain functions, as in `codelayer.commands`.

Reads  names, paths and numbers, as they are typed.
Gives  files, and lines of text on stdout.
Skips  parsing (cli), which reads these signatures and docstrings.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .layerscommand import layers


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

    checked_kind(out, (".npy", ".csv", ".parquet"), data)
    read = _rows(data, label)
    chosen = None if stages is None else "all" if stages == "all" else [one.strip() for one in stages.split(",")]
    made = FeatureExtractor(backbone, chosen, grid if grid == AUTO else _whole(grid, "--grid"), size, random_state=seed)
    codes = _told(lambda: made.fit(read.x)).transform(read.x)
    write_features(out, codes, read)
    print(f"{len(codes)} rows, {codes.shape[1]} units of {', '.join(made.stages_)} of {backbone}: {out}")
    _say_skipped(read)
    for note in made.notes_:
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
    strategy: "race", or "textbook": its four sentences taken literally, for comparison
    size: pixels per side to which pictures are brought; by default what the net was trained on
    out: folder for report.html, advice.json and the bundle; by default ./advice-NAME
    seed: makes the run repeatable, but for the budget
    """
    from ..data.load import load_data
    from ..errors import DataError
    from .advicepage import write_advice
    from .kept import clear

    read = load_data(data, label=label, group=group)
    if read.labels is None:
        raise DataError(f"{data} has no labels to learn", "name them with --label")
    folder = Path(out or f"advice-{read.name}")
    keep = _place_in(folder)
    other = None if source is None else load_data(source, label=source_label)
    options = {"groups": read.groups, "strategy": strategy, "size": size, "seed": seed}
    found = _advised(backbone, read, 60 * minutes, other, keep, options)
    print(found)
    _say_skipped(read)
    for note in found.notes:
        print(f"note: {note}")
    for line in write_advice(found, folder, read.name):
        print(line)
    clear(keep)


def _advised(backbone: str, read: Any, budget: float, other: Any, keep: Path, options: Mapping[str, Any]) -> Any:
    """Advice; Ctrl-C says what is kept."""
    from .advisor import advise

    source, source_y = (None, None) if other is None else (other.x, other.labels)
    try:
        return advise(backbone, read.x, read.labels, budget, source=source, source_y=source_y, keep=keep, **options)
    except KeyboardInterrupt:
        if not keep.is_dir():
            raise
        kept = f"what was scored is kept in {keep}; give the same command again to continue"
        raise KeyboardInterrupt(kept) from None


def _place_in(folder: Path) -> Path:
    """Where unfinished scores lie in a folder for results.

    errors  RunError: a file is in its place
    """
    from ..errors import RunError

    if folder.is_file():
        raise RunError(f"{folder} is a file, not a folder", "choose another --out")
    return folder / "unfinished"


def finetune(
    data: str,
    *,
    backbone: str,
    label: str | None = None,
    tune: str = "all",
    rates: str = "1",
    start: str = "random",
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
    start: of the head: random, or probe (LP-FT)
    unfreeze: open stages one after the other, the last first
    epochs: passes over the rows; by default some 200 steps' worth
    learning_rate: the peak
    range_test: an .html file for a learning-rate range test; nothing else is done
    size: pixels per side to which pictures are brought; by default what the net was trained on
    out: folder for the bundle; by default ./finetuned-NAME
    seed: makes the run repeatable
    """
    from ..data.load import load_data
    from ..errors import DataError
    from .finecommand import run_range_test, tuned

    read = load_data(data, label=label)
    if read.labels is None:
        raise DataError(f"{data} has no labels to learn", "name them with --label")
    if range_test is not None:
        print(run_range_test(read, backbone, tune, size, seed, range_test))
        return
    options = {
        "tune": int(tune) if tune.isdigit() else tune,
        "rates": rates if rates == "gradient" else _number(rates, "--rates"),
        "start": start,
        "unfreeze": unfreeze,
        "epochs": "auto" if epochs is None else epochs,
        "learning_rate": "auto" if learning_rate is None else learning_rate,
    }
    folder = Path(out or f"finetuned-{read.name}")
    for line in tuned(read, backbone, options, size, seed, folder):
        print(line)
    _say_skipped(read)


def _rows(data: str, label: str | None) -> Any:
    from ..data.load import load_data

    return load_data(data, label=label)


def _say_skipped(read: Any) -> None:
    """What was mended or could not be read on the way."""
    for note in read.notes:
        print(f"note: {note}")
    if read.skipped:
        key, why = read.skipped[0]
        print(f"note: {len(read.skipped)} could not be read and were left out, first {key}: {why}")


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
