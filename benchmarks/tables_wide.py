"""Sections of docs/figures.md: wide rows, filters of natural patches, sparse coding, the contractive penalty's cost."""

from __future__ import annotations

import numpy as np
from rendering import about, load, ratio, table


def _seeds(values: list[float], digits: int = 0) -> str:
    """The mean over seeds, and each of them."""
    return f"{np.mean(values):.{digits}f} ({', '.join(f'{one:.{digits}f}' for one in values)})"


def wide_rows() -> str:
    """Reconstruction sampling beside batches made dense."""
    result = load("wide_rows")
    if result is None:
        return ""
    one, rows = result["settings"], []
    for name in dict.fromkeys(row["name"] for row in result["rows"]):
        found = [row for row in result["rows"] if row["name"] == name]
        last = [row["course"][-1] for row in found]
        cells = [
            _seeds([row["step_ms"] for row in found]),
            _seeds([row["steps_mb"] for row in found]),
            _seeds([end["steps"] for end in last]),
            _seeds([end["loss"] for end in last], 1),
            _seeds([end["probe"] for end in last], 3),
        ]
        rows.append([name, f"`{found[0]['sentence']}`", *cells])
    start = result["rows"][0]["course"][0]
    return "\n\n".join(
        [
            "## Wide sparse rows",
            f"{one['rows']:,} rows of {one['features']:,} columns, at most {one['words']} of them not 0, from a made "
            f"topic model of {one['topics']} topics; mlp(128), code of 32, batches of {one['batch_size']}, "
            f"{result['seconds']:.0f} processor seconds of steps each. Held-out loss (all columns, nats per row) and "
            f"probe (ten labels per topic) after that time; before training {start['loss']:.1f} and "
            f"{start['probe']:.3f}. Mean over seeds, and each.",
            table(["rows", "sentence", "ms per step", "MB of the steps", "steps", "held-out loss", "probe"], rows),
            about(result),
        ]
    )


def natural_filters() -> str:
    """How many filters of natural patches are Gabors."""
    result = load("natural_filters")
    if result is None:
        return ""
    one, sets = result["settings"], list(dict.fromkeys(row["data"] for row in result["rows"]))
    found = {(row["data"], row["filters"]): row for row in result["rows"]}
    rows = []
    for name in dict.fromkeys(row["filters"] for row in result["rows"]):
        cells = []
        for data in sets:
            row = found[data, name]
            cells += [f"{row['gabors']:.3f} [{row['low']:.3f}, {row['high']:.3f}]", f"{row['explained_median']:.2f}"]
        rows.append([name, *cells])
    heads = [head for data in sets for head in (f"{data} ({one['seeds'][data]} seeds)", "median explained")]
    return "\n\n".join(
        [
            "## Filters of natural patches",
            f"Share of filters of which one localised Gabor explains at least {one['enough']} of the sum of squares, "
            f"with a 95 % interval over seeds; {one['patches']:,} whitened patches of {one['side']} x {one['side']}, "
            f"{one['units']} units. Principal components and the patches themselves are the chance level.",
            table(["filters", *heads], rows),
            "Filters of `Dictionary` and of `psd`, seed 0, best fits first:",
            "![Filters of Dictionary](pictures/filters_dictionary.png)",
            "![Filters of psd](pictures/filters_psd.png)",
            about(result),
        ]
    )


def sparse_coding_speed() -> str:
    """The solvers beside scikit-learn's, and PSD's encoder beside FISTA."""
    result = load("sparse_coding_speed")
    if result is None:
        return ""
    rows = []
    for row in result["rows"]:
        if "feature_sign" in row:
            for name in (one for one in ("feature_sign", "fista", "active_set") if one in row):
                cells = [ratio(row[name]["rows_per_second"], 0), ratio(row[f"{name}_over_lasso_lars"], 1)]
                cells += [ratio(row[f"{name}_over_lasso_cd"], 1), f"{row[name]['gap']:.1e}"]
                rows.append([row["problem"], name, *cells])
    psd = next(row for row in result["rows"] if "encoder_over_fista" in row)
    value, accuracy = psd["mean_objective"], psd["probe_accuracy"]
    said = (
        f"PSD's encoder on digits makes {ratio(psd['encoder_over_fista'], 0)} times as many codes per second as FISTA "
        f"on its own dictionary. Mean objective: encoder {value['encoder']:.3f}, FISTA {value['fista']:.3f}, all zeros "
        f"{value['zeros']:.3f}; linear probe: {accuracy['encoder']:.3f} and {accuracy['fista']:.3f}, raw features "
        f"{accuracy['raw']:.3f}."
    )
    cost = next((row for row in result["rows"] if row["problem"] == "compiling"), None)
    if cost is not None:
        empty, full = (cost[one]["first_call_seconds"] for one in ("empty_cache", "full_cache"))
        said += (
            f" `active_set` is compiled by numba {cost['numba']}: its first call took {empty:.0f} s, that of a later "
            f"process {full:.1f} s; importing numba {cost['full_cache']['import_seconds']:.1f} s."
        )
    heads = ["rows", "solver", "rows per second", "times lasso_lars", "times lasso_cd", "gap"]
    return "\n\n".join(
        [
            "## Sparse coding",
            f"64 x 256 dictionaries, l1 = {result['l1']}, one thread, beside scikit-learn's `sparse_encode`; the gap "
            "is the mean objective above the optimum, as a share of it.",
            table(heads, rows),
            said,
            about(result),
        ]
    )


def contractive_speed() -> str:
    """What the contractive penalty costs."""
    result = load("contractive_speed")
    if result is None:
        return ""
    rows = [
        [row["step"], f"{1000 * row['seconds']['median']:.0f}", ratio(row["times_plain"], 2)]
        for row in result["rows"]
        if "times_plain" in row
    ]
    closed = next(row for row in result["rows"] if "times_as_fast" in row)
    said = f"The closed form is {ratio(closed['times_as_fast'], 0)} times as fast as Jacobians, per sample."
    return "\n\n".join(
        [
            "## The contractive penalty",
            f"Steps in alternating rounds ({result['rounds']}), one thread; ratios of neighbouring rounds.",
            table(["step", "ms", "times a plain step"], rows),
            said,
            about(result),
        ]
    )


def sections() -> list[str]:
    """All sections, empty ones where a benchmark has not been run."""
    return [wide_rows(), natural_filters(), sparse_coding_speed(), contractive_speed()]


if __name__ == "__main__":
    print("\n\n".join(one for one in sections() if one))
