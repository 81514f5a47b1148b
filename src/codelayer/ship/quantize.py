"""Quantise: int8 and float16 forms of a graph, kept only where they pay on this CPU.

    done = quantise("model.onnx", rows, labels)
    done.chosen.data                                    # the graph, or done.chosen is None

Reads  an ONNX graph (or a bundle), rows of its own kind, labels where there are any.
Gives  the report of every variant: code error, loss of a probe, size, speed beside the float graph; and the choice.
Skips  what must be trained again (quantisation-aware training) and graphs of trees: those hold no products.

A variant is kept only if the error of its code is at most 2 % (relative, in the mean over rows), a linear probe loses
at most half a point, its file is smaller, and it is really faster: in nearly every round at one row or in batches, and
not slower at the other. On CPUs without VNNI int8 saturates at 16 bits where 7-bit weights (reduce_range) do not: both
are tried, and measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.onnxfile import library
from ..data.rows import rows_of, take
from ..errors import DataError
from ..export.inputs import used_columns
from ..measure.draws import task_of
from ..measure.probes import linear_probe
from ..measure.turns import ROUNDS, Pace, paces, times_as_long
from .forms import forms
from .models import COMPILED, Servable, compiled, feeds_of, open_model

MOST_ERROR, MOST_LOSS = 0.02, 0.5  # share of the code, points of a probe's score
SLOWER_ROUNDS = 1  # of 9 in which what is called faster may be slower: by chance alone as rarely as 2 times of 100
ALIKE = 1.05  # times as long, up to which what is not faster is not slower either
CALIBRATION, CHECKED = 512, 4000  # rows, at most
NOTE = "codelayer.quantised"
SHOWN_FLAGS = ("avx", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "f16c", "fma", "asimddp", "i8mm")


@dataclass(frozen=True)
class Variant:
    """One form of a graph, and how it did.

    name          such as "int8 dynamic, reduced range"
    size_bytes    of its file
    code_error    mean over rows of |code - float code| / mean |float code|, both Euclidean
    probe_loss    points that a linear probe loses, with a 95 % interval; None without labels
    time_one, time_batch  times as long as the float graph: median, lowest, highest round
    reasons       why it is refused; empty where it is kept
    data          the graph
    """

    name: str
    size_bytes: int = 0
    code_error: float | None = None
    probe_loss: tuple[float, float, float] | None = None
    time_one: tuple[float, float, float] | None = None
    time_batch: tuple[float, float, float] | None = None
    reasons: tuple[str, ...] = ()
    data: bytes = b""

    @property
    def kept(self) -> bool:
        """Whether it pays."""
        return not self.reasons

    def record(self) -> dict[str, Any]:
        """The figures as plain JSON."""
        kept = {name: value for name, value in vars(self).items() if name != "data"}
        return {**kept, "kept": self.kept}


@dataclass(frozen=True)
class Quantised:
    """What came of it.

    variants    all that were tried
    chosen      the smallest that was kept (the quicker of two of nearly one size), or None
    size_bytes, pace_one, pace_batch  of the float graph
    rows        rows the error was measured on; none of them calibrated
    calibrated  rows that calibrated static int8
    probe_score of the float graph's codes, None without labels
    cpu         flags that decide which form is quick here
    """

    variants: tuple[Variant, ...]
    chosen: Variant | None
    size_bytes: int
    pace_one: Pace
    pace_batch: Pace
    rows: int
    probe_score: float | None
    cpu: tuple[str, ...]
    calibrated: int = 0

    def record(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {
            "variants": [one.record() for one in self.variants],
            "chosen": None if self.chosen is None else self.chosen.name,
            "size_bytes": self.size_bytes,
            "float_ms": [self.pace_one.p50_ms, self.pace_batch.p50_ms],
            "batch_size": self.pace_batch.batch_size,
            "rows": self.rows,
            "calibration_rows": self.calibrated,
            "probe_score": self.probe_score,
            "cpu": list(self.cpu),
        }


def quantise(
    model: Any,
    rows: Any,
    labels: np.ndarray | None = None,
    *,
    threads: int = 1,
    batch_size: int = 256,
    rounds: int = ROUNDS,
    seconds: float = 0.5,
) -> Quantised:
    """Make every variant of a graph, measure it beside the float graph, and choose.

    model    an .onnx file, a graph's bytes, or a bundle (which is compiled first)
    rows     raw rows of its own kind: a third, at most 512, calibrates; the code is compared on at most 4,000 others
    labels   one per row (NaN or None: none): a linear probe on the float codes of one half is scored with the codes of
             both graphs on the other, as a head in use would be
    errors   DataError: rows of another schema, fewer than 30, a graph without products; BundleError as `open_model`
    """
    count = rows_of(rows)
    if count < 30:
        raise DataError(f"{count} rows are too few to calibrate and check with", "give at least 30, better 1,000")
    graph = _graph(model, threads, rows)
    order = np.random.default_rng(0).permutation(count)
    calibrating = min(CALIBRATION, count // 3)
    first, rest = np.sort(order[:calibrating]), np.sort(order[calibrating:][:CHECKED])
    ready = graph.prepare(take(rows, first)), graph.prepare(take(rows, rest))
    known = None if labels is None else np.asarray(labels)[rest]
    made = [
        Variant(name, len(form), reasons=(why,) if why else (), data=form)
        for name, form, why in forms(graph.original, ready[0])
    ]
    told = _Judge(graph, ready[1], known, threads, batch_size, rounds, seconds)
    judged = told.judge(made)
    floats = told.floats()
    chosen = _choice(judged)
    return Quantised(
        tuple(judged), chosen, graph.size_bytes, *floats, len(rest), told.probe_score, cpu_flags(), len(first)
    )


def cpu_flags() -> tuple[str, ...]:
    """What this CPU can do that matters for int8 and float16; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    words = next(
        (line.split(":", 1)[1].split() for line in lines if line.lower().startswith(("flags", "features"))), []
    )
    return tuple(one for one in SHOWN_FLAGS if one in words)


def noted(variant: Variant, cpu: Sequence[str]) -> bytes:
    """The graph of a variant, with its name, error and the CPU it was chosen on in its metadata."""
    onnx = library("onnx")
    model = onnx.load_model_from_string(variant.data)
    entry = model.metadata_props.add()
    entry.key, entry.value = (
        NOTE,
        json.dumps({"variant": variant.name, "code_error": variant.code_error, "cpu": [*cpu]}),
    )
    return bytes(model.SerializeToString())


# --- making ---------------------------------------------------------------------------------------------------------


def _graph(model: Any, threads: int, rows: Any) -> Servable:
    """The float graph.

    errors  DataError: the rows lack a column that it reads, so that they cannot tell its range
    """
    opened = open_model(model, threads)
    names = getattr(rows, "names", None)
    if names is not None and opened.schema is not None:
        absent = [column.name for column in used_columns(opened.schema) if column.name not in names]
        if absent:
            raise DataError(
                f"the rows have no column {absent[0]!r}, which the model reads", "give rows of its own kind"
            )
    return opened if opened.form == COMPILED else compiled(opened, take(rows, np.arange(min(64, rows_of(rows)))))


# --- judging --------------------------------------------------------------------------------------------------------


class _Judge:
    """Holds variants against the float graph on rows that calibrated nothing."""

    def __init__(
        self,
        graph: Servable,
        ready: Any,
        labels: np.ndarray | None,
        threads: int,
        batch_size: int,
        rounds: int,
        seconds: float,
    ) -> None:
        self.graph, self.ready, self.threads, self.rounds, self.seconds = graph, ready, threads, rounds, seconds
        count = len(next(iter(ready.values())))
        self.batch_size = min(batch_size, count)
        self.codes = _codes(graph, ready)
        self.probe_score: float | None = None
        self._head, self._scored = None, None
        if labels is not None:
            self._fit_probe(labels)

    def judge(self, variants: Sequence[Variant]) -> list[Variant]:
        """Every variant with its figures and, where it is refused, the reasons."""
        opened: dict[str, Servable] = {}
        judged = {one.name: one for one in variants}
        for one in variants:
            if one.kept:
                try:
                    opened[one.name] = open_model(one.data, self.threads)
                    judged[one.name] = self._compared(one, opened[one.name])
                except Exception as error:
                    judged[one.name] = replace(one, reasons=(f"it does not run: {str(error).splitlines()[0]}",))
                    opened.pop(one.name, None)
        self._alone, self._together = self._timed(opened, 1), self._timed(opened, self.batch_size)
        return [self._decided(one) if name in opened else one for name, one in judged.items()]

    def floats(self) -> tuple[Pace, Pace]:
        """The float graph's times."""
        return self._alone[""], self._together[""]

    def _compared(self, variant: Variant, opened: Servable) -> Variant:
        codes = _codes(opened, self.ready)
        error = np.linalg.norm(codes - self.codes, axis=1).mean() / max(
            np.linalg.norm(self.codes, axis=1).mean(), 1e-12
        )
        return replace(variant, code_error=float(error), probe_loss=self._loss(codes))

    def _fit_probe(self, labels: np.ndarray) -> None:
        known = np.flatnonzero([one is not None and one == one and one != "" for one in labels.tolist()])
        if len(known) < 20:
            raise DataError(f"{len(known)} labelled rows are too few for a probe", "give more labels, or none")
        task, half = task_of(labels[known]), len(known) // 2
        values = labels[known].astype(str) if task == "class" else labels[known].astype(float)
        order = np.random.default_rng(1).permutation(len(known))
        fit, self._scored = order[:half], known[order[half:]]
        self._head = linear_probe(self.codes[known[fit]], task).fit(self.codes[known[fit]], values[fit])
        self._values, self._task = values[order[half:]], task
        self.probe_score = float(self._points(self.codes).mean())

    def _points(self, codes: np.ndarray) -> np.ndarray:
        """Per scored row, what it adds to the score: 1 where the label is right, or its part of R2."""
        head: Any = self._head
        answers = head.predict(codes[self._scored])
        if self._task == "class":
            return (np.asarray(answers).astype(str) == self._values).astype(float)
        values = np.asarray(self._values, float)
        return 1 - (values - np.asarray(answers, float)) ** 2 / max(float(values.var()), 1e-12)

    def _loss(self, codes: np.ndarray) -> tuple[float, float, float] | None:
        if self._head is None:
            return None
        lost = 100 * (self._points(self.codes) - self._points(codes))
        half = 1.96 * float(lost.std(ddof=1)) / len(lost) ** 0.5
        return float(lost.mean()), float(lost.mean()) - half, float(lost.mean()) + half

    def _timed(self, opened: dict[str, Servable], size: int) -> dict[str, Pace]:
        count = max(1, min(16, len(self.codes) // size))
        given = [feeds_of(self.graph, self.ready, slice(i * size, (i + 1) * size)) for i in range(count)]
        rivals = {"": self.graph.engine, **{name: one.engine for name, one in opened.items()}}
        return paces(rivals, dict.fromkeys(rivals, given), size, self.rounds, self.seconds, self.threads)

    def _decided(self, one: Variant) -> Variant:
        alone, together = self._alone, self._together
        one = replace(
            one,
            time_one=times_as_long(alone[one.name], alone[""]),
            time_batch=times_as_long(together[one.name], together[""]),
        )
        return replace(one, reasons=tuple(self._reasons(one)))

    def _reasons(self, one: Variant) -> Iterator[str]:
        if one.code_error is None or not one.code_error <= MOST_ERROR:
            yield f"code error {100 * (one.code_error or np.nan):.2f} %, at most {100 * MOST_ERROR:.0f} % is allowed"
        if one.probe_loss is not None and one.probe_loss[0] > MOST_LOSS:
            yield f"the probe loses {one.probe_loss[0]:.2f} points, at most {MOST_LOSS} are allowed"
        if one.size_bytes >= self.graph.size_bytes:
            yield f"its file is {one.size_bytes / self.graph.size_bytes:.2f} times as large"
        places = [(self._alone, "at one row"), (self._together, f"at {self.batch_size} rows")]
        speeds = [(*self._speed(one.name, where), told) for where, told in places]
        for slower, ratio, told in speeds:
            if ratio > ALIKE:
                yield f"slower {told}: {ratio:.2f} times as long, slower in {slower} of {self.rounds} rounds"
        quick = any(slower <= SLOWER_ROUNDS for slower, _, _ in speeds)
        if not quick and all(ratio <= ALIKE for _, ratio, _ in speeds):
            told = " and ".join(f"{slower} {told}" for slower, _, told in speeds)
            yield f"not really faster: of {self.rounds} rounds it was slower in {told}"

    def _speed(self, name: str, where: dict[str, Pace]) -> tuple[int, float]:
        """In how many rounds it was slower than the float graph, and how many times as long it took."""
        slower = sum(a >= b for a, b in zip(where[name].medians, where[""].medians, strict=True))
        return slower, times_as_long(where[name], where[""])[0]


def _codes(opened: Servable, ready: Any) -> np.ndarray:
    """The codes of all rows: a graph's first output, a thousand rows at a time."""
    count = len(next(iter(ready.values())))
    code: Any = opened.codes
    parts = [code(feeds_of(opened, ready, slice(i, i + 1000))) for i in range(0, count, 1000)]
    return np.concatenate(parts).reshape(count, -1).astype(np.float64)


def _choice(judged: Sequence[Variant]) -> Variant | None:
    kept = [one for one in judged if one.kept]
    if not kept:
        return None
    smallest = min(one.size_bytes for one in kept)
    alike = [one for one in kept if one.size_bytes <= 1.1 * smallest]
    return min(alike, key=lambda one: (one.time_one or (np.inf,))[0])
