"""The section of docs/figures.md on the runtime: its size, memory, start and latency."""

from __future__ import annotations

from rendering import about, load, ratio, table


def runtime_cost() -> str:
    """What codelayer-runtime costs."""
    result = load("runtime_cost")
    if result is None:
        return ""
    (row,) = result["rows"]
    size, times = row["installed"], row["times_onnx"]
    parts = ", ".join(f"{name} {mb:.1f}" for name, mb in sorted(size.items(), key=lambda one: -one[1]))
    start = row["import_seconds"]
    cells = [
        ["installed, MB", f"{row['installed_mb']:.0f}", "170"],
        ["largest memory of encoding 20,000 rows, MB, numpy", f"{row['peak_mb']['numpy']:.0f}", "100"],
        ["the same from the ONNX form, MB", f"{row['peak_mb']['onnx']:.0f}", "100"],
        ["`import codelayer_runtime`, seconds", ratio(start["codelayer_runtime"]), "0.15"],
        ["of which `import numpy`", ratio(start["numpy"]), ""],
        ["one row, numpy over ONNX Runtime, the net alone", ratio(times["engine"]), "3"],
        ["one row, from rows to codes", ratio(times["whole"]), ""],
        ["256 rows, from rows to codes", ratio(times["rows256"]), ""],
    ]
    made = (
        f"Encoder 784-512-256-64, one thread, {result['rounds']} rounds in turns, processor time. "
        f"Installed: {parts}. numpy's codes are at most {row['largest_difference']:.1g} of the code's scale off."
    )
    return "\n\n".join(["## The runtime", made, table(["what", "measured", "at most"], cells), about(result)])


def sections() -> list[str]:
    """The sections that have results."""
    return [part for part in (runtime_cost(),) if part]
