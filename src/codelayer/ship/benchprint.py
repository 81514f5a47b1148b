"""A bench for a terminal, as a page and as JSON.

Reads  a `Bench`.
Gives  two tables (time; size and work), the sentences below them, one picture: latency against size.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..report import Point, Report, number, scatter, table_text
from ..report.text import interval
from .bench import Bench, Cost
from .models import IN_PYTHON

MB = 1e6
EXPLAINED = (
    "p50 with the lowest and highest median of the rounds in brackets; engine: compute alone on encoded rows; "
    "end to end: from one raw row"
)


def bench_text(done: Bench) -> str:
    """What `codelayer ship bench` prints."""
    threads = f"{done.threads} thread{'' if done.threads == 1 else 's'}"
    parts = [
        table_text(*_time_table(done)),
        "",
        table_text(*_size_table(done)),
        "",
        f"{threads}; {EXPLAINED}",
        *done.sentences,
        *_left_out(done),
    ]
    return "\n".join(parts)


def bench_json(done: Bench) -> str:
    """All figures, rounds included."""
    whole = {
        "threads": done.threads,
        "sentences": done.sentences,
        "models": [one.record() for one in done.costs],
        "left_out": done.left_out,
    }
    return json.dumps(whole, indent=1) + "\n"


def write_page(done: Bench, path: str | Path) -> Path:
    """The bench as one HTML file."""
    page = Report("What models cost", f"{len(done.costs)} forms, {done.threads} thread(s)")
    for sentence in [*done.sentences, *_left_out(done)]:
        page.warn(sentence)
    points = [
        Point(
            one.model.name,
            one.model.size_bytes / MB,
            one.engine[1].p50_ms,
            one.engine[1].low_ms,
            one.engine[1].high_ms,
            emphasis=one.model.form != IN_PYTHON,
        )
        for one in done.costs
    ]
    page.section("Latency against size")
    figure = scatter(points, "MB on disk", "ms for one row", front=False, log_y=True)
    page.figure(figure, "Engine latency at one row against size on disk, both logarithmic; compiled forms stand out.")
    page.section("Time")
    page.table(*_time_table(done), caption=f"Latency and throughput: {EXPLAINED}.")
    page.section("Size, memory, work")
    page.table(*_size_table(done), caption="Size and work; memory is what loading and one answer add to a process.")
    return page.write(path)


def _left_out(done: Bench) -> list[str]:
    return [f"not measured: {name}: {why}" for name, why in done.left_out.items()]


def _time_table(done: Bench) -> tuple[list[str], list[list[Any]]]:
    sizes = [size for size in done.costs[0].engine if size > 1]
    columns = ["model", "form", "engine ms", "p90", "p99", "end to end ms", "p99 ", *[f"rows/s at {n}" for n in sizes]]
    rows = []
    for one in done.costs:
        engine, whole = one.engine[1], one.whole
        rates = [(number(round(one.engine[size].rows_per_second)), one.engine[size].rows_per_second) for size in sizes]
        cells = [_spread(engine), engine.p90_ms, engine.p99_ms, _spread(whole), whole.p99_ms]
        rows.append([one.model.name, one.model.form, *cells, *rates])
    return columns, rows


def _size_table(done: Bench) -> tuple[list[str], list[list[Any]]]:
    columns = ["model", "MB", "memory MB", "peak MB", "parameters", "multiply-adds", "cold start s", "fit s"]
    return columns, [[one.model.name, one.model.size_bytes / MB, *_memory(one)] for one in done.costs]


def _memory(one: Cost) -> list[Any]:
    start, model = one.start, one.model
    memory = [None, None] if start is None else [start.memory_bytes, start.peak_bytes]
    cold = None if start is None else (interval(start.seconds, start.low, start.high), start.seconds)
    sizes = [None if value is None else value / MB for value in memory]
    return [*sizes, model.parameters, model.multiply_adds, cold, model.training_seconds]


def _spread(pace: Any) -> tuple[str, float]:
    return f"{number(pace.p50_ms)} [{number(pace.low_ms)}, {number(pace.high_ms)}]", pace.p50_ms
