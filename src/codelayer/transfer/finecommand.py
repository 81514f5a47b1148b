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
from ..errors import DataError
from ..measure.draws import task_of
from ..nets.backbone import Backbone
from ..report import Progress, Report
from .finetune import FineTunedClassifier, FineTunedRegressor
from .headed import as_headed


def estimator(
    read: Data, net: Backbone, options: Mapping[str, Any], seed: int, task: str | None = None, run: Any = None
) -> Any:
    """An unfitted classifier, or a regressor where the task is "number" or, without one, the labels are numbers.

    errors  DataError: another task
    """
    if task not in (None, "class", "number"):
        raise DataError(f"task={task!r} is not possible", 'it is "class" or "number"')
    kind: Any = FineTunedRegressor if (task or task_of(read.labels)) == "number" else FineTunedClassifier
    return kind(net, random_state=seed, run=run, **options)


def tuned(
    read: Data, net: Backbone, options: Mapping[str, Any], seed: int, folder: Path, task: str | None = None
) -> Iterator[str]:
    """Fit and save; lines to print."""
    model = estimator(read, net, options, seed, task, run=folder / "run")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with Progress("fine-tuning", None, "epochs") as progress:
            for epoch in model.fit_epochs(read.x, read.labels):
                progress.update(epoch.number, f"loss {epoch.loss:.4f}")
    as_headed(model, read.x).save(folder / "bundle", {"data": read.name})
    epochs, loss = model.settings_["epochs"], model.history_[-1]["loss"]
    yield f"tuned on {len(read)} rows for {epochs} epochs; last loss {loss:.4f}"
    for note in dict.fromkeys([*read.notes, *model.notes_, *(str(one.message) for one in told)]):
        yield f"note: {note}"
    yield f"bundle: {folder / 'bundle'} (codelayer predict {folder / 'bundle'} DATA --out FILE)"


def run_range_test(
    read: Data, net: Backbone, options: Mapping[str, Any], seed: int, out: str, task: str | None = None
) -> str:
    """Climb through the learning rates with the options of a fit and draw the loss; the line to print.

    errors  DataError: the page's name does not end in .html; as `rate_range`
    """
    from .rates import rate_range

    if Path(out).suffix.lower() not in (".html", ".htm"):
        raise DataError(f"--range-test {out} is no page", "give a name that ends in .html")
    model = estimator(read, net, options, seed, task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = rate_range(model, read.x, read.labels)
    named = ", ".join(f"{name}={options[name]}" for name in ("tune", "rates", "start"))
    page = Report(f"Learning-rate range test for {read.name}", f"{net.name}, {named}")
    none = "the loss never fell by more than luck, so that no rate is suggested"
    none += " (the head is fitted already: try --start random)" if options["start"] == "probe" else ""
    said = none if found.suggested is None else f"suggested learning rate {found.suggested:.2g}"
    page.lead(f"{said[0].upper()}{said[1:]}.")
    page.figure(
        found.figure(), "Smoothed loss of a batch before the step at that rate. A tenth of the best is suggested."
    )
    page.write(out)
    return f"{said}: {out}"
