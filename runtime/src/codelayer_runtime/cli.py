"""codelayer-runtime encode|predict BUNDLE DATA --out FILE

Reads  a bundle, and a .npy, .csv, .tsv, .json or .jsonl file of rows.
Gives  codes or answers, row for row, as .npy or .csv; 0 done, 2 wrong use or bad input with one message on stderr.
Skips  everything else that codelayer does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .bundle import ABOUT
from .data.schema import Columns
from .errors import CodelayerError, DataError
from .export.inputs import used_columns
from .model import ENGINES, Model, load
from .oddcells import OddCells
from .rows import read_blocks, write_csv, write_npy

DONE, WRONG_USE = 0, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    words = _parser().parse_args(argv)
    try:
        done = {"encode": encode, "predict": predict}[words.command](words.bundle, words.data, words.out, words.engine)
    except CodelayerError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    print(f"{done:,} {'row' if done == 1 else 'rows'} in {words.out}")
    return DONE


def encode(bundle: str, data: str, out: str, engine: str = "auto") -> int:
    """Write the codes of the rows in a file; returns the rows.

    out     .npy, (rows, units) float32; or .csv: key and one column per unit
    errors  CodelayerError: a bundle, data or an output that cannot be used; nothing is written then
    """
    kind, model = _checked(out, data), load(_place(bundle, False), engine)
    blocks = (model.encode(block) for block in _rows(model, data))
    if kind == ".npy":
        return write_npy(out, blocks)
    first = next(blocks)
    names = [f"unit{i}" for i in range(first.shape[1])]
    return write_csv(out, names, _chained(first, blocks))


def predict(bundle: str, data: str, out: str, engine: str = "auto") -> int:
    """Write the answers for the rows in a file; returns the rows.

    out     .csv: key, label and one probability per class, or key and number; .npy: probabilities (rows, classes), or
            numbers (rows,)
    errors  CodelayerError: as `encode`; a bundle without a head
    """
    kind, model = _checked(out, data), load(_place(bundle, True), engine)
    if model.task is None:
        raise DataError(f"{bundle} has no head, so that it cannot predict", "codelayer study --label makes one")
    blocks = _rows(model, data)
    if model.task == "number":
        numbers = (model.predict(block) for block in blocks)
        if kind == ".npy":
            return write_npy(out, numbers)
        return write_csv(out, ["number"], (block[:, None] for block in numbers))
    chances = (model.predict_proba(block).astype(np.float32) for block in blocks)
    if kind == ".npy":
        return write_npy(out, chances)
    names = [_class_name(one) for one in model.classes]
    told = ([[names[row.argmax()], *row] for row in block] for block in chances)
    return write_csv(out, ["label", *[f"p_{name}" for name in names]], told)


def _rows(model: Model, data: str) -> Iterator[Any]:
    odd = OddCells(model.schema)
    for place, block in enumerate(read_blocks(data, model.schema, model.block_rows)):
        if not place and isinstance(block[0], dict):
            _tell_absent(model, data, block)
        rows = model.as_rows(block)
        if isinstance(rows, Columns):
            odd.look(rows)
        yield rows
    for note in odd.notes:
        print(f"note: {note}", file=sys.stderr)


def _tell_absent(model: Model, data: str, block: list[dict[str, Any]]) -> None:
    there = set().union(*block)
    absent = [column.name for column in used_columns(model.schema) if column.name not in there]
    if absent:
        more = f" and {len(absent) - 8} more" if len(absent) > 8 else ""
        print(f"note: {data} has no {', '.join(absent[:8])}{more}: counted as missing", file=sys.stderr)


def _place(path: str, predicts: bool) -> Path:
    """The bundle itself, where the folder of a study or of a choice was given: to predict, a forest that won."""
    for inside in ([Path(path) / "forest"] if predicts else []) + [Path(path) / "bundle"]:
        if (inside / ABOUT).exists() and not (Path(path) / ABOUT).exists():
            return inside
    return Path(path)


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _checked(out: str, data: str) -> str:
    kind = Path(out).suffix.lower()
    if kind not in (".npy", ".csv"):
        raise DataError(f"{out} cannot be written", "give a name that ends in .npy or .csv")
    if Path(out).exists() and Path(data).exists() and Path(out).samefile(data):
        raise DataError(f"{out} is the very file that is read", "give another name")
    return kind


def _class_name(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("codelayer-runtime", description="Codes and predictions of saved bundles.")
    parser.add_argument("--version", action="version", version=f"codelayer-runtime {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (("encode", "turn rows into codes"), ("predict", "predict labels or numbers")):
        one = commands.add_parser(name, help=told, description=told)
        one.add_argument("bundle", help="what codelayer saved, a folder or a .zip")
        one.add_argument("data", help="rows: .npy, .csv, .tsv, .json or .jsonl")
        one.add_argument("--out", required=True, help="a .npy or .csv file")
        one.add_argument("--engine", choices=ENGINES, default="auto", help="numpy where it can, else the ONNX form")
    return parser


if __name__ == "__main__":
    sys.exit(main())
