"""What `codelayer transfer finetune` does.

Reads  data with labels, a backbone, options.
Gives  a bundle, a picture of a learning-rate range test, lines of text.
Skips  parsing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..data.load import Data
from ..measure.draws import task_of
from ..report import Progress, Report
from .finetune import FineTunedClassifier, FineTunedRegressor
from .headed import as_headed
from .opening import open_backbone


def estimator(
    read: Data, backbone: str, options: Mapping[str, Any], size: int | None, seed: int, run: Any = None
) -> Any:
    """An unfitted classifier, or a regressor where the labels are numbers."""
    kind: Any = FineTunedRegressor if task_of(read.labels) == "number" else FineTunedClassifier
    return kind(open_backbone(backbone, size, seed), random_state=seed, run=run, **options)


def tuned(
    read: Data, backbone: str, options: Mapping[str, Any], size: int | None, seed: int, folder: Path
) -> Iterator[str]:
    """Fit and save; lines to print."""

    model = estimator(read, backbone, options, size, seed, run=folder / "run")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with Progress("fine-tuning", None, "epochs") as progress:
            for epoch in model.fit_epochs(read.x, read.labels):
                progress.update(epoch.number, f"loss {epoch.loss:.4f}")
    as_headed(model, read.x).save(folder / "bundle", {"data": read.name})
    epochs, loss = model.settings_["epochs"], model.history_[-1]["loss"]
    yield f"tuned on {len(read)} rows for {epochs} epochs; last loss {loss:.4f}"
    for note in dict.fromkeys([*model.notes_, *(str(one.message) for one in told)]):
        yield f"note: {note}"
    yield f"bundle: {folder / 'bundle'} (codelayer predict {folder / 'bundle'} DATA --out FILE)"


def run_range_test(read: Data, backbone: str, tune: str, size: int | None, seed: int, out: str) -> str:
    """Climb through the learning rates and draw the loss; the line to print."""
    from .rates import rate_range

    options = {"tune": int(tune) if tune.isdigit() else tune}
    model = estimator(read, backbone, options, size, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = rate_range(model, read.x, read.labels)
    page = Report(f"Learning-rate range test for {read.name}", f"{backbone}, tune={tune}")
    said = "the loss never fell" if found.suggested is None else f"suggested learning rate {found.suggested:.2g}"
    page.lead(f"{said[0].upper()}{said[1:]}.")
    page.figure(
        found.figure(), "Smoothed loss of a batch before the step at that rate. A tenth of the best is suggested."
    )
    page.write(out)
    return f"{said}: {out}"
