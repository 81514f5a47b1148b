"""`codelayer ship export`: a bundle as one ONNX file, checked against it.

Reads  a bundle, and rows where they are given.
Gives  the file, and lines of text on stdout.
Skips  the export itself: `codelayer.export`.
"""

from __future__ import annotations

MOST_ROWS = 10_000


def export(bundle: str, *, out: str, data: str | None = None, tolerance: float = 1e-4) -> None:
    """Write a bundle as one ONNX file, checked against it.

    Preprocessing and head are inside. A study's folder gives its forest if that won, else the best code with its head.

    bundle: what learn or study saved
    out: the .onnx file, for ONNX Runtime; or a .pt2 file, a torch.export program without preprocessing
    data: rows to compare the two on, 10,000 at most; by default the few rows that the bundle keeps
    tolerance: how far the two may differ, as a share of the code's scale
    """
    from pathlib import Path

    from ..data.streaming import stream
    from ..errors import DataError
    from ..export import to_onnx, to_torch_export
    from ..export.core import coder_of
    from ..learn.saved import load, predictor_in

    kind = Path(out).suffix.lower()
    if kind not in (".onnx", ".pt2"):
        raise DataError(f"{out} cannot be written", "give a name that ends in .onnx or .pt2")
    place = predictor_in(bundle)
    if kind == ".pt2":
        print(f"{to_torch_export(place, out)}: samples as the schema encodes them -> code")
        return
    rows = None
    if data is not None:
        rows = next((x for _, x in stream(data, coder_of(load(place)).schema_, MOST_ROWS)), None)
    done = to_onnx(place, out, rows, tolerance)
    print(f"{out}: {done.bytes / 1e6:.3g} MB")
    compared = f"on {done.rows:,} rows the largest difference is {done.difference:.2g} of the code's scale"
    print(f"{compared} ({done.tolerance:g} is allowed)")
    if done.turned:
        print(f"note: {done.turned} rows with a unit at its threshold were left out")
    if done.ties:
        print(f"note: {done.ties} labels differ where two classes are equally likely")
