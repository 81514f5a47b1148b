"""What `codelayer transfer advise` does.

Reads  a net, data with labels, source rows, what was asked.
Gives  a folder with page, figures and bundle, locked while it is made and continued after a stop; lines of text.
Skips  parsing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.load import Data
from ..learn.run import RunFolder
from ..nets.backbone import Backbone
from .advicepage import write_advice
from .advisor import advise
from .features import fingerprint_of
from .kept import clear


def advised(net: Backbone, read: Data, other: Data | None, folder: Path, asked: Mapping[str, Any]) -> Iterator[str]:
    """Diagnose, race, write; lines to print.

    asked   the options of the command, by which a stopped run is told from another
    errors  as `advise`; RunError: another run lies in the folder
    """
    told = {"command": "transfer advise", **asked, "weights": net.features_hash()}
    with RunFolder(folder, told, _content_of([read] if other is None else [read, other])) as run:
        if run.done and (folder / "advice.json").is_file():
            first = json.loads((folder / "advice.json").read_text(encoding="utf-8"))["sentences"][0]
            yield first
            yield f"{folder} is complete: there was nothing left to do; see {folder / 'report.html'}"
            return
        keep = run.state / "scores"
        source, source_y = (None, None) if other is None else (other.x, other.labels)
        found = advise(
            net,
            read.x,
            read.labels,
            60 * asked["minutes"],
            source=source,
            source_y=source_y,
            groups=read.groups,
            task=asked["task"],
            strategy=asked["strategy"],
            keep=keep,
            seed=asked["seed"],
        )
        yield str(found)
        for note in [*read.notes, *found.notes]:
            yield f"note: {note}"
        yield from write_advice(found, folder, read.name)
        clear(keep)
        run.finish()


def _content_of(parts: Sequence[Data]) -> str:
    told = [
        (fingerprint_of(one.x), *(None if beside is None else beside.tolist() for beside in (one.labels, one.groups)))
        for one in parts
    ]
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()
