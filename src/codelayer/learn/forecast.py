"""Before a long fit: how many minutes will it take, and how much memory?

    told = forecast(Autoencoder(32), X)
    print(told.text())                       # about 4 min, 0.6 GB

Reads  an unfitted coder and the rows it is to learn from.
Gives  `Forecast`: seconds and bytes, from a few steps of a copy; the coder, its seed and its run folder stay untouched.
Skips  patience: a fit may end sooner. What the data hold already is part of the memory, other programs are not.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from ..data.rows import rows_of, take
from ..report.terminal import duration
from .autoencoder import Autoencoder
from .batches import steps_of
from .loop import VALIDATION_ROWS, held_out_loss, train
from .memory import available_bytes
from .rowlabels import Beside, beside
from .sources import KEEP_BYTES, Rows

SECONDS = 1.5  # of steps that are measured
MOST_STEPS, FEWEST_STEPS, BATCHES = 200, 6, 4
SAMPLE_BYTES = 24 << 20  # of encoded rows that memory is measured with
FEW_ROWS = 1024
STATUS, PEAKS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
INTERPRETER = 300 << 20  # resident once torch is loaded, where the system does not tell


@dataclass(frozen=True)
class Forecast:
    """What a fit will take.

    seconds      of all its epochs and what comes before and after
    bytes        the most that will be resident, the interpreter and the rows included
    epochs       at most
    step_seconds of one training step
    """

    seconds: float
    bytes: int
    epochs: int
    step_seconds: float

    def text(self) -> str:
        """In words: about 4 min 10 s, 0.6 GB."""
        return f"about {duration(self.seconds)}, {self.bytes / 1e9:.1f} GB"


def forecast(coder: Autoencoder, X: Any, y: Any = None, groups: Any = None, seconds: float = SECONDS) -> Forecast:
    """Run a few steps of a copy of the fit, and reckon from them.

    y, groups  as in `Autoencoder.fit`
    seconds    that steps are measured for
    errors     as `Autoencoder.fit`
    """
    copy = clone(coder).set_params(run=None, random_state=0)
    n = rows_of(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an untrained net has dead units, and half the rows a torn graph
        few, said = _some(X, y, groups, min(n, FEW_ROWS))
        copy._rows(few, reset=True)
        copy.prepare(few, said[0])
        per_row = _bytes_per_row(copy, X, n)
        return _extrapolated(copy, few, said, n, per_row, seconds)


def shortfall(told: Forecast, workers: int = 1, device: str = "cpu") -> str:
    """What to say when the machine will not hold it, or "".

    workers  fits at once, each of which takes the same again
    """
    free = available_bytes(device)
    asked = told.bytes * workers
    if free is None or asked <= free + resident():
        return ""
    fits = f" for {workers} fits at once" if workers > 1 else ""
    return f"about {asked / 1e9:.1f} GB will be needed{fits}, but {free / 1e9:.1f} GB are available"


def overtime(seconds: float, minutes: float | None) -> str:
    """What to say when a budget of minutes will not hold a fit, or ""."""
    if minutes is None or seconds <= 60 * minutes:
        return ""
    return f"about {duration(seconds)} will be needed, but the budget is {minutes:g} min"


def grown_by(work: Callable[[], Any]) -> int:
    """Bytes by which this process grows at most while `work` runs; 0 where the system does not tell."""
    before, told = resident(), _reset_peak()
    work()
    return max(0, (_status("VmHWM") or before) - before) if told else 0


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return _status("VmRSS") or INTERPRETER


# --- parts ----------------------------------------------------------------------------------------------------------


def _some(X: Any, y: Any, groups: Any, count: int) -> tuple[Any, tuple[Any, Any]]:
    """Rows spread over the whole, with what stands beside them."""
    where = np.unique(np.linspace(0, rows_of(X) - 1, count).astype(int))
    beside_them = tuple(None if one is None else np.asarray(one)[where] for one in (y, groups))
    return take(_rows_like(X), where), (beside_them[0], beside_them[1])


def _rows_like(X: Any) -> Any:
    """Rows that can be taken from: a frame becomes a table."""
    from ..data.tables import Table, is_frame

    return Table.from_frame(X) if is_frame(X) else X


def _extrapolated(
    copy: Autoencoder, few: Any, said: tuple[Any, Any], n: int, per_row: float, seconds: float
) -> Forecast:
    held = int(n * copy.validation)
    settings = copy.settings(n - held)
    batch, epochs = settings["batch_size"], settings["epochs"]
    told: Beside = beside(copy.objective, *said, rows_of(few), copy.model_.plan.target)
    sample = Rows.some(few, np.arange(min(rows_of(few), BATCHES * batch)), copy.schema_, copy._device(), told)
    in_pairs = copy.model_.objective.needs("pairs")
    before = resident()
    _reset_peak()
    step = _step_seconds(copy, sample, min(batch, sample.length), settings["learning_rate"], seconds)
    checked = _check_seconds(copy, sample, min(held, VALIDATION_ROWS))
    grown = max(0, (_status("VmHWM") or before) - before)
    steps = steps_of(n - held, batch, in_pairs)
    around = _around_seconds(copy, few, n)
    return Forecast(
        epochs * (steps * step * batch / min(batch, sample.length) + checked) + around,
        int(before + grown + per_row * n),
        epochs,
        step,
    )


def _step_seconds(copy: Autoencoder, sample: Rows, batch: int, pace: float, seconds: float) -> float:
    """The median second of a step, the first ones left out."""
    steps = max(1, sample.length // batch)
    taken: list[float] = []
    started = time.perf_counter()
    for epoch in train(
        copy.model_, sample, epochs=MOST_STEPS, batch_size=batch, learning_rate=min(pace, 1e-4), seed=0, steady=True
    ):
        if epoch.number > 1:
            taken.append(epoch.seconds / steps_of(sample.length, batch, copy.model_.objective.needs("pairs")))
        enough = len(taken) * steps >= FEWEST_STEPS
        if enough and (time.perf_counter() - started > seconds or len(taken) * steps >= MOST_STEPS):
            break
    return float(np.median(taken))


def _check_seconds(copy: Autoencoder, sample: Rows, rows: int) -> float:
    """What one look at the held-out rows takes."""
    if rows < 1:
        return 0.0
    held_out_loss(copy.model_, sample, 0)
    started = time.perf_counter()
    held_out_loss(copy.model_, sample, 0)
    return (time.perf_counter() - started) * rows / min(sample.length, VALIDATION_ROWS)


def _around_seconds(copy: Autoencoder, few: Any, n: int) -> float:
    """Checking and encoding all rows, and coding up to 10,000 of them at the end."""
    started = time.perf_counter()
    encoded = copy.schema_.encode(few)
    encoding = (time.perf_counter() - started) / rows_of(few) * n
    started = time.perf_counter()
    copy.encode_samples(encoded[:256])
    return 2 * encoding + (time.perf_counter() - started) / min(256, len(encoded)) * min(n, 10_000)


def _bytes_per_row(copy: Autoencoder, X: Any, n: int) -> float:
    """What a fit keeps per row beside the rows it was given: parts of them, encoded ones, what encoding needs."""
    features = copy.schema_.features
    count = int(min(n, max(FEW_ROWS, SAMPLE_BYTES // (4 * features))))
    rows = take(_rows_like(X), np.arange(count))
    raw = _bytes_of(rows) / count
    kept = 4 * features * n <= KEEP_BYTES and getattr(X, "dtype", None) != np.uint8
    if not kept or not _reset_peak():
        return raw + (12.0 * features if kept else 0.0)  # checked in part; float64 on the way to float32
    before = resident()
    made = Rows(take(rows, np.arange(count)), copy.schema_, copy._device())
    grown = max(0, (_status("VmHWM") or before) - before)
    del made
    return max(grown / count, raw + 4.0 * features)


def _bytes_of(rows: Any) -> int:
    if hasattr(rows, "names"):
        return sum(np.asarray(rows.column(name)).nbytes for name in rows.names)
    data = getattr(rows, "data", rows)
    return int(getattr(rows, "nbytes", None) or 2 * getattr(data, "nbytes", 0))


def _reset_peak() -> bool:
    """Let the peak of resident memory begin anew; whether the system allows it."""
    try:
        with open(PEAKS, "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return os.path.exists(STATUS)


def _status(what: str) -> int | None:
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(what)), None)
