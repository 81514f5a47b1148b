"""The tables of shipping: engines, int8 forms, the compiled forest, forecasts."""

from __future__ import annotations

from typing import Any

from rendering import about, load, ratio, shown, table


def sections() -> list[str]:
    """All of them; an empty text where a benchmark has not been run."""
    return [engines(), quantised(), forest(), forecasts()]


def engines() -> str:
    """torch beside ONNX Runtime."""
    result = load("ship_engines")
    if result is None:
        return ""
    rows = []
    for net in result["rows"]:
        for one in net["engines"]:
            size = "" if one["bytes"] is None else f"{one['bytes'] / 1e6:.3f}"
            times = [f"{one['us_at_1']['median']:.0f}", ratio(one["ratio_at_1"]), ratio(one["ratio_at_256"])]
            rows.append([net["net"], one["name"], size, *times])
    columns = ["net", "engine", "MB", "us at one row", "time at one row, first line = 1", "time at 256 rows"]
    told = (
        "One thread; every engine reads a numpy array and gives one. The first line of each net is the measure. "
        f"The CPU has {', '.join(result['cpu'])}: without VNNI int8 convolutions are slower than float32."
    )
    return "\n\n".join(["## A code in ONNX Runtime", told, table(columns, rows), about(result)])


def quantised() -> str:
    """Every form of three codes."""
    result = load("quantised")
    if result is None:
        return ""
    rows = []
    for code in result["rows"]:
        for one in code["variants"]:
            if one["time_one"] is None:
                rows.append([code["code"], one["name"], "", "", "", "", "", "; ".join(one["reasons"])])
                continue
            loss = "" if one["probe_loss"] is None else shown(one["probe_loss"], 2, sign=True)
            verdict = "**chosen**" if one["name"] == code["chosen"] else "kept" if one["kept"] else "refused"
            cells = [f"{one['size_bytes'] / code['size_bytes']:.2f}", f"{100 * one['code_error']:.2f}", loss]
            rows.append(
                [code["code"], one["name"], *cells, shown(one["time_one"], 2), shown(one["time_batch"], 2), verdict]
            )
    columns = ["code", "form", "share of size", "code error %", "probe loses, points"]
    columns += ["time at one row, float32 = 1", "time in batch", ""]
    told = (
        "As `codelayer ship quantise` judges: kept are forms with a code error of at most 2 %, whose probe loses at "
        "most half a point, that are smaller, and really faster at one row or in batches, not slower at the other."
    )
    return "\n\n".join(["## What int8 loses, and whether it pays", told, table(columns, rows), about(result)])


def forest() -> str:
    """The forest, compiled, and codes with their heads."""
    result = load("forest_fair")
    if result is None:
        return ""
    rows = [
        [
            one["model"] if one["form"] == "compiled" else f"{one['model']} (in Python)",
            shown(one["score"]),
            _milliseconds(one["engine"]["1"]),
            _milliseconds(one["end_to_end"]),
            ratio(one["time_at_1"]),
            ratio(one["time_at_256"], 4),
            f"{one['size_bytes'] / 1e6:.3f}",
            f"{1 / one['size_of_forest']:.1f}",
            "" if one["training_seconds"] is None else f"{one['training_seconds']:.1f}",
        ]
        for one in result["rows"]
    ]
    columns = ["model", "accuracy", "engine ms, one row", "end to end ms", "time at one row, compiled forest = 1"]
    columns += ["time at 256 rows", "MB", "times smaller than the compiled forest", "training s"]
    told = (
        f"Digits, {result['scored_rows']} scored rows, one thread, in turns. On a busy machine (see below) long calls "
        "are interrupted and short ones are not, which makes the ratios in batches larger than on a quiet one."
    )
    return "\n\n".join(["## The forest's fair chance", told, table(columns, rows), *result["sentences"], about(result)])


def _milliseconds(one: dict[str, Any]) -> str:
    return f"{one['p50_ms']:.3g} [{one['spread_ms'][0]:.3g}, {one['spread_ms'][1]:.3g}], p99 {one['p99_ms']:.3g}"


def forecasts() -> str:
    """What was forecast, and what was."""
    result = load("forecast")
    if result is None:
        return ""
    rows = [
        [
            one["job"],
            f"{one['forecast_seconds']['median']:.0f}",
            f"{one['seconds']['median']:.0f}",
            f"{one['epochs_run']} of {one['epochs']}",
            ratio(one["time_ratio"]),
            f"{one['forecast_mb']['median']:.0f}",
            f"{one['peak_mb']['median']:.0f}",
            ratio(one["memory_ratio"]),
            f"{one['forecast_took']['median']:.1f}",
        ]
        for one in result["rows"]
    ]
    columns = ["job", "forecast s", "took s", "epochs", "forecast / taken, per epoch", "forecast MB", "peak MB"]
    columns += ["forecast / peak", "the forecast took s"]
    told = (
        f"One thread, each in a fresh process, {result['rounds']} rounds. Patience may end a fit before its forecast."
    )
    return "\n\n".join(["## Forecasts", told, table(columns, rows), about(result)])
