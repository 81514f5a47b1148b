"""`codelayer transfer layers`, as a plain function: its signature and docstring are read by `codelayer.cli`.

Reads  names, paths and numbers, as they are typed.
Gives  a folder, and lines of text on stdout.
Skips  parsing.
"""

from __future__ import annotations

import re
from typing import Any


def layers(
    source: str,
    target: str,
    *,
    label: str | None = None,
    test: str | None = None,
    out: str | None = None,
    labels: tuple[str, ...] = ("5",),
    seeds: int = 3,
    steps: int = 100,
    source_steps: int = 400,
    tune_copies: bool = False,
) -> None:
    """Find out which layers of a net are worth copying.

    A small net is trained on the source; its first or last blocks are copied and held, one block of a full copy is
    tuned, or all of it, with a few labelled target rows. Equal classes on both sides make it a shift of the input,
    others one of the task. Given again with the same --out it continues a run that was stopped.

    source: pictures with labels: an .npz file, a folder with one folder per class, a known name
    target: pictures of the same size with labels
    label: the array of labels in .npz files, y by default
    test: target pictures with labels that are only scored; by default a third of the target's rows, drawn by class
    out: folder for report.html and layers.json; by default ./layers-SOURCE-TARGET
    labels: labelled target rows per class to learn from; may be given several times
    seeds: source nets, each with its own draw of labelled rows
    steps: of every treatment
    source_steps: of the source net
    tune_copies: also copies that go on learning
    """
    from ..errors import DataError
    from .layers import layer_transfer
    from .layerspage import layers_text, write_layers

    try:
        counts = [int(one) for some in labels for one in some.split(",")]
    except ValueError:
        raise DataError(f"--labels {' '.join(labels)} is no number of rows", "for example --labels 5") from None
    known, wanted = _pictures(source, label), _pictures(target, label)
    learned, scored = (wanted, _pictures(test, label)) if test is not None else _split(wanted)
    place = out or f"layers-{_plain(known.name)}-{_plain(wanted.name)}"
    try:
        found = layer_transfer(
            known.x,
            known.labels,
            learned.x,
            learned.labels,
            scored.x,
            scored.labels,
            counts,
            seeds,
            steps=steps,
            source_steps=source_steps,
            tune_copies=tune_copies,
            run=place,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was finished is kept; give the same command again to continue") from None
    page = write_layers(found, place, known.name, wanted.name)
    for note in found.notes:
        print(f"note: {note}")
    print(layers_text(found))
    print(f"page:    {page}")


def _pictures(source: str, label: str | None) -> Any:
    from ..data import load_data

    found = load_data(source, label)
    for note in found.notes:
        print(f"note: {note}")
    return found


def _split(data: Any) -> tuple[Any, Any]:
    """Two thirds to learn from and a third to score, of every class; always the same rows."""
    import numpy as np

    from ..errors import DataError

    if data.labels is None:
        raise DataError(f"{data.name} has no labels", "name them with --label")
    names = np.array([str(one) for one in data.labels])
    order = np.random.default_rng(0).permutation(len(names))
    scored = np.concatenate([(mine := order[names[order] == one])[: len(mine) // 3] for one in np.unique(names)])
    if not len(scored):
        raise DataError(f"{data.name} has fewer than three rows of every class", "name test rows with --test")
    return data.take(np.setdiff1d(order, scored)), data.take(np.sort(scored))


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
