"""The commands below `codelayer ship`, as plain functions, as in `codelayer.commands`.

Reads  names, paths and numbers, as they are typed.
Gives  files, and lines of text on stdout.
Skips  parsing (cli), which reads these signatures and docstrings.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .exportcommand import export
from .fitcommand import fit


def bench(
    models: tuple[str, ...],
    *,
    data: str | None = None,
    label: str | None = None,
    drop: Sequence[str] = (),
    threads: int = 1,
    batch: tuple[str, ...] = ("256",),
    seconds: float = 0.5,
    trust: Sequence[str] = (),
    json: str | None = None,
    html: str | None = None,
    no_compile: bool = False,
    no_start: bool = False,
) -> None:
    """Measure what models cost: size, memory, latency, start.

    Models take turns on the same threads. A scikit-learn model and a learned code are measured in Python and compiled
    (ONNX Runtime): a forest's 24 ms for one row become 0.03 ms. A model that does not read its rows is named with the
    reason, the others are measured, and the command ends with status 2.

    models: bundles (a folder or .zip), .onnx files, .skops files; MODEL@ROWS reads rows of its own in place of --data
    data: a file, folder or name whose rows models read; by default each answers sample rows of its own kind
    label: the column that is no input; it is left out
    drop: a column to leave out; may be given several times
    threads: that every model may use
    batch: rows per call, beside one; may be given several times
    seconds: time per model and size
    trust: a type to trust in .skops files, if the file is your own: sklearn.tree._tree.Tree, which forests hold, or
        numpy.dtype, which imputers hold; may be given several times
    json: a file for all figures
    html: a file for the tables and a picture of latency against size
    no_compile: leave out the compiled forms
    no_start: leave out cold start and memory, which take fresh processes
    """
    from ..errors import CodelayerError, DataError
    from .bench import bench as measured
    from .benchdata import entrants
    from .benchprint import bench_json, bench_text, write_page

    try:
        batches = [int(one) for some in batch for one in some.split(",")]
    except ValueError:
        raise DataError(f"--batch {' '.join(batch)} is no number of rows", "for example --batch 256") from None
    rivals, notes = entrants(models, data, label, drop)
    for note in notes:
        print(f"note: {note}")
    done = measured(
        rivals,
        threads=threads,
        batches=batches,
        seconds=seconds,
        compile_too=not no_compile,
        fresh=not no_start,
        trust=trust,
        say=_under_way,
    )
    print(bench_text(done))
    if json is not None:
        _write(json, bench_json(done))
        print(f"figures: {json}")
    if html is not None:
        print(f"page:    {write_page(done, html)}")
    if done.left_out:
        raise CodelayerError(
            f"{len(done.left_out)} of {len(models)} models were not measured: {', '.join(done.left_out)}",
            "the reasons stand above; rows of its own are given to a model as MODEL@ROWS",
        )


def quantise(
    model: str,
    *,
    data: str,
    out: str,
    label: str | None = None,
    drop: Sequence[str] = (),
    threads: int = 1,
    batch: int = 256,
    json: str | None = None,
) -> None:
    """Make a graph smaller and faster by int8 or float16.

    Int8 (dynamic and static, with and without reduced range) and float16 are tried; the best is written only if the
    error of its code is at most 2 %, a probe loses at most half a point, and it is smaller and faster here. Otherwise
    nothing is written, and the figures say why.

    model: an .onnx file, or a bundle, which is compiled first
    data: rows of its own kind, which calibrate and check; more than 1,000 are better
    out: the .onnx file to write
    label: the column of --data that a probe predicts; without it the error of the code decides
    drop: a column of --data to leave out; may be given several times
    threads: that graphs may use
    batch: rows per call, beside one
    json: a file for all figures
    """
    import json as text

    from .. import bundle
    from ..errors import CodelayerError, DataError
    from .quantize import noted
    from .quantize import quantise as tried
    from .quantprint import quantised_text

    if Path(out).suffix.lower() != ".onnx":
        raise DataError(f"{out} is no .onnx file", "choose a name that ends in .onnx")
    source = _rows(data, label, drop)
    done = tried(model, source.x, source.labels if label is not None else None, threads=threads, batch_size=batch)
    print(quantised_text(done))
    if json is not None:
        _write(json, text.dumps(done.record(), indent=1) + "\n")
        print(f"figures: {json}")
    if done.chosen is None:
        raise CodelayerError(f"{out} was not written: no form pays", "keep the float model; the figures above say why")
    bundle.write_atomic(out, noted(done.chosen, done.cpu))
    print(f"{done.chosen.name} in {out}")


def verify(bundle: str) -> None:
    """Check a bundle: hashes, golden rows and ONNX form.

    bundle: what learn or study saved, a folder or a .zip
    """
    from ..learn.saved import bundle_in
    from .verify import verified

    done = verified(bundle_in(bundle))
    wide = max(len(name) for name in (*done.sizes, "golden rows"))
    for name, size in done.sizes.items():
        print(f"{name:<{wide}}  {size:,} bytes{'' if name == 'zip' else ', hash agrees'}")
    print(f"{'golden rows':<{wide}}  {done.rows}, coded as when saved ({done.golden:.2g} of the code's scale off)")
    if done.onnx is not None:
        print(f"{'ONNX form':<{wide}}  agrees with it ({done.onnx:.2g} of the code's scale off)")


def attach(bundle: str, model: str) -> None:
    """Put an ONNX form into its bundle, for codelayer-runtime.

    It is run on the bundle's golden rows first, and refused where it differs.

    bundle: what learn or study saved, a folder or a .zip
    model: the .onnx file that `codelayer ship export` wrote of it
    """
    from ..learn.saved import bundle_in
    from .verify import attach as put

    off = put(bundle_in(bundle), model)
    print(f"{bundle} holds {model} ({off:.2g} of the code's scale off on its golden rows)")


COMMANDS = (fit, export, bench, quantise, verify, attach)


def _rows(data: str, label: str | None, drop: Sequence[str]) -> Any:
    from ..data import load_data

    source = load_data(data, label, drop=tuple(drop))
    for note in source.notes:
        print(f"note: {note}")
    return source


def _write(path: str, text: str) -> None:
    from .. import bundle

    bundle.write_atomic(path, text.encode())


def _under_way(text: str) -> None:
    if sys.stderr.isatty():
        print(f"{text} ...", file=sys.stderr)
