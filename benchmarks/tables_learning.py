"""Tables about what learning is worth, for docs/figures.md, and the page docs/learning.md.

python benchmarks/tables_learning.py writes the page from the committed files in benchmarks/results/. Every number on
it and every "more" or "less" is computed from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rendering import about, load, shown, table
from scipy.stats import t as student
from tables_pays import pays_page

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "learning.md"
DENOISING, PLAIN = "denoising autoencoder", "autoencoder, no noise in training"
Span = tuple[float, float, float]


def mean_interval(values: Sequence[float]) -> Span:
    """Mean of repeated measurements (seeds) with its 95 % interval by Student's t."""
    mean, n = float(np.mean(values)), len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else 0.0
    return mean, mean - half, mean + half


def tally(spans: Sequence[Sequence[float]], better: str = "better", worse: str = "worse") -> str:
    """How many differences are above 0, below 0 and open, in words."""
    above, below = sum(one[1] > 0 for one in spans), sum(one[2] < 0 for one in spans)
    rest = len(spans) - above - below
    return f"{better} in {above}, {worse} in {below} and open in {rest} of {len(spans)}"


# --- denoising ------------------------------------------------------------------------------------------------------


def denoising_values(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """(data, noise) -> method -> PSNR of every seed."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        found.setdefault((row["data"], row["noise"]), {}).setdefault(row["method"], []).append(row["psnr"])
    return found


def rival_of(methods: dict[str, list[float]]) -> str:
    """The best method that learns no denoising net, by its mean over the seeds."""
    return max((name for name in methods if name not in (DENOISING, PLAIN)), key=lambda name: np.mean(methods[name]))


def gain(methods: dict[str, list[float]], other: str) -> Span:
    """The denoising autoencoder's PSNR minus another's, paired by seed."""
    return mean_interval(np.subtract(methods[DENOISING], methods[other]).tolist())


def denoising() -> list[str]:
    """Tables of PSNR, and of the difference to the best rival."""
    result = load("denoising_cleans")
    if result is None:
        return []
    values = denoising_values(result["rows"])
    parts = [
        "## Denoising: does it clean?",
        "PSNR in dB on held-out pictures, higher is cleaner. Components, wavelet, threshold and net are chosen on a "
        "validation part; photographs are never on both sides. Crops: median and wavelets see the whole piece, patch "
        "methods clean every patch and average. Seeds share most photographs, so for new photographs intervals are too "
        "narrow.",
    ]
    for data in dict.fromkeys(data for data, _ in values):
        noises = [noise for other, noise in values if other == data]
        methods = list(values[data, noises[0]])
        cells = [[m, *(shown(mean_interval(values[data, noise][m]), 2) for noise in noises)] for m in methods]
        parts.append(table([data, *noises], cells))
    rows = []
    for (data, noise), methods in values.items():
        rival = rival_of(methods)
        rows.append([data, noise, rival, *(shown(gain(methods, m), 2, sign=True) for m in (rival, "noisy", PLAIN))])
    columns = ["data", "noise", "best rival", "dB above it", "above the noisy input", "above the net without noise"]
    parts += [
        "Paired by seed; the best rival is the one with the highest mean above, which favours it:",
        table(columns, rows),
        about(result),
    ]
    return parts


def denoising_page() -> list[str]:
    """The finding in words, with pictures."""
    result = load("denoising_cleans")
    if result is None:
        return []
    values = denoising_values(result["rows"])
    against = {key: gain(methods, rival_of(methods)) for key, methods in values.items()}
    noisy = [gain(methods, "noisy") for methods in values.values()]
    plain = [gain(methods, PLAIN) for methods in values.values()]
    lost = [
        f"{data} with {noise} ({rival_of(values[data, noise])} {shown(span, 2, True)} dB)"
        for (data, noise), span in against.items()
        if span[2] < 0
    ]
    best, worst = max(against, key=lambda key: against[key][0]), min(against, key=lambda key: against[key][0])
    why = ": training with noise is what cleans, not the net" if all(span[1] > 0 for span in plain) else ""
    said = [
        f"Beside the noisy input a denoising autoencoder is {tally(noisy)} comparisons; beside the same net trained "
        f"without noise, {tally(plain)}{why}.",
        f"Beside the best of median, wavelets, PCA and the best linear map it is {tally(list(against.values()))}. The "
        f"largest gain is {shown(against[best], 2, True)} dB ({best[0]}, {best[1]}), the smallest "
        f"{shown(against[worst], 2, True)} dB ({worst[0]}, {worst[1]}).",
    ]
    if lost:
        said.append(f"Where it loses, use the rival: {'; '.join(lost)}.")
    return [
        "## Denoising cleans",
        '`Autoencoder(128, "noise(0.1)", net="mlp(256)")` learns to undo noise. How clean are pictures it never saw, '
        "beside what does not need a net?",
        "![Digits with Gaussian noise, and what each method makes of them](pictures/denoising_digits_gaussian.png)",
        "![Digits with salt and pepper, and what each method makes of them](pictures/denoising_digits_salt.png)",
        *said,
        "A picture from the held-out part, cleaned patch by patch:",
        "![A held-out photograph, noisy and cleaned](pictures/denoising_crop.png)",
    ]


# --- wide codes -----------------------------------------------------------------------------------------------------


def overcomplete() -> list[str]:
    """Label curves of wide codes and the differences to their controls."""
    result = load("overcomplete")
    if result is None:
        return []
    parts = [
        "## Wide codes: regularised or not",
        "Codes of twice as many units as features, one layer. Balanced accuracy of the linear probe on held-out rows "
        "by labels per class, and the area under that curve. The control is the same sentence and net without its "
        "regulariser; that of topk and psd is a linear code, so part of their difference is that theirs is not.",
    ]
    for data in dict.fromkeys(row["data"] for row in result["rows"]):
        own = [row for row in result["rows"] if row["data"] == data]
        counts = list(own[0]["bands"])
        cells = []
        for row in own:
            differences = row["differences"]
            other = [shown(differences[k], 3, True) if k in differences else "" for k in ("control", "raw", "pca")]
            other = [
                "" if row["sentence"].startswith(mark) else one
                for one, mark in zip(other, ("raw", "raw", "PCA"), strict=True)
            ]
            name = row["sentence"] if row["sentence"].startswith(("raw", "PCA")) else f"`{row['sentence']}`"
            cells.append(
                [name, *(f"{row['bands'][c][0]:.3f}" for c in counts), shown(row["area"]), *other, f"{row['dead']:.0%}"]
            )
        heads = [
            f"{data} ({own[0]['features']} features)",
            *counts,
            "area",
            "minus control",
            "minus raw",
            "minus PCA",
            "dead",
        ]
        parts.append(table(heads, cells))
    return [*parts, about(result)]


def overcomplete_page() -> list[str]:
    """The finding in words, with a picture."""
    result = load("overcomplete")
    if result is None:
        return []
    rows = [row for row in result["rows"] if row["control"]]
    against = {kind: tally([row["differences"][kind] for row in rows]) for kind in ("control", "raw", "pca")}
    said = [
        f"By the area under the label curve a regularised wide code beside the same net without is {against['control']}"
        f" comparisons; beside raw features, {against['raw']}; beside PCA, {against['pca']}.",
    ]
    names = {
        "mask(": "mask",
        "noise(": "noise",
        "l1(": "l1",
        "topk(": "topk",
        "contractive(": "contractive",
        "infer(": "psd",
    }
    for mark, name in names.items():
        own = [row for row in rows if mark in row["sentence"]]
        if own:
            told = ", ".join(f"{row['data']} {shown(row['differences']['control'], 3, True)}" for row in own)
            said.append(f"- {name}: {told}")
    return [
        "## Wide codes and their regularisers",
        "With more units than features a code can copy its input. Does a regulariser make it useful instead? Shown are "
        "the best regularised code of each set, its control, raw features and PCA.",
        "![Label curves of wide codes](pictures/overcomplete.svg)",
        said[0],
        "Area minus that of the control (of topk and psd a linear code):",
        "\n".join(said[1:]),
    ]


# --- deep or shallow ------------------------------------------------------------------------------------------------


def checkpoints(rows: list[dict[str, Any]], data: str, net: str) -> list[list[dict[str, Any]]]:
    """The records of every checkpoint, seeds in order."""
    own = sorted((row for row in rows if row["data"] == data and row["net"] == net), key=lambda row: row["seed"])
    return [[row for row in own if row["epoch"] == epoch] for epoch in sorted({row["epoch"] for row in own})]


def final_difference(rows: list[dict[str, Any]], data: str, what: str) -> Span:
    """Deep minus shallow at the end, paired by seed."""
    deep, shallow = (checkpoints(rows, data, net)[-1] for net in ("deep", "shallow"))
    return mean_interval([a[what] - b[what] for a, b in zip(deep, shallow, strict=True)])


def ratio(rows: list[dict[str, Any]], data: str, what: str) -> Span:
    """Deep over shallow at the end, paired by seed."""
    deep, shallow = (checkpoints(rows, data, net)[-1] for net in ("deep", "shallow"))
    return mean_interval([a[what] / b[what] for a, b in zip(deep, shallow, strict=True)])


def deep_or_shallow() -> list[str]:
    """Both nets at the end of training."""
    result = load("deep_or_shallow")
    if result is None:
        return []
    rows, cells = result["rows"], []
    for pair in result["pairs"]:
        data = pair["data"]
        for net in ("shallow", "deep"):
            last = checkpoints(rows, data, net)[-1]
            spans = [
                shown(mean_interval([row[what] for row in last]), d)
                for what, d in (("unexplained", 4), ("area", 3), ("seconds", 1))
            ]
            widths = "-".join(map(str, pair["widths"][net]))
            cells.append(
                [
                    data,
                    f"{net} {widths}-{pair['code_size']}",
                    f"{pair['parameters'][net]:,}",
                    f"{pair['rates'][net]:g}",
                    *spans,
                ]
            )
        pca = [f"{pair['pca_unexplained']:.4f}", f"{pair['pca_area']:.3f}", ""]
        cells.append([data, f"PCA {pair['code_size']}", "", "", *pca])
        deep = [shown(final_difference(rows, data, "unexplained"), 4, True), shown(pair["probe_difference"], 3, True)]
        cells.append([data, "deep minus shallow", "", "", *deep, f"x {shown(ratio(rows, data, 'seconds'), 2)}"])
    columns = [
        "data",
        "net",
        "parameters",
        "learning rate",
        "variance unexplained",
        "area of the label curve",
        "seconds",
    ]
    return [
        "## Deep or shallow at equal size",
        "Equal code size, parameters equal within 2 %, equal rows seen, the learning rate of each chosen on the choose "
        "part; processor seconds of training. Intervals are over seeds; that of the probe's difference also resamples "
        "the scored rows.",
        table(columns, cells),
        about(result),
    ]


def verdict(result: dict[str, Any]) -> str:
    """One sentence on "deep is more efficient"."""
    rows, names = result["rows"], [pair["data"] for pair in result["pairs"]]
    errors = [final_difference(rows, data, "unexplained") for data in names]
    probes = [pair["probe_difference"] for pair in result["pairs"]]
    seconds = [ratio(rows, data, "seconds")[0] for data in names]
    wins = sum(e[2] < 0 for e in errors), sum(p[1] > 0 for p in probes)
    holds = "holds" if min(wins) == len(names) else "does not hold" if max(wins) == 0 else "holds in part only"
    error = tally([(-e[0], -e[2], -e[1]) for e in errors], "lower", "higher")
    times = f"{min(seconds):.2f} to {max(seconds):.2f} times the seconds"
    return (
        f'"Deep is more efficient" {holds} here: at equal parameters, code size and rows seen the deep net\'s error is '
        f"{error} sets, its probe is {tally(probes)}, and it takes {times}."
    )


def deep_page() -> list[str]:
    """The verdict with its curves."""
    result = load("deep_or_shallow")
    if result is None:
        return []
    rows = [f"{pair['train_rows']:,} training rows of {pair['data']}" for pair in result["pairs"]]
    return [
        "## Deep or shallow",
        "One hidden layer against three, at equal parameters and code size, each at its own best learning rate.",
        verdict(result),
        f"The sets are small: {', '.join(rows)}. The curves say nothing of more rows.",
        "![Error against rows seen](pictures/deep_or_shallow_rows.svg)",
        "![Error against seconds](pictures/deep_or_shallow_seconds.svg)",
        "![Probe against rows seen](pictures/deep_or_shallow_probe.svg)",
    ]


def sections() -> list[str]:
    """The sections for docs/figures.md."""
    return ["\n\n".join(parts) for parts in (denoising(), overcomplete(), deep_or_shallow()) if parts]


def page() -> str:
    """docs/learning.md."""
    head = [
        "# What learning is worth",
        "A question and three claims of the textbooks, tested on held-out rows with 95 % intervals. Written by "
        "`benchmarks/tables_learning.py` from committed results; all tables, settings and machines are in "
        "[figures.md](figures.md).",
    ]
    return "\n\n".join([*head, *pays_page(), *denoising_page(), *overcomplete_page(), *deep_page()]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
