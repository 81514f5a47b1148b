"""Draws pictures for the pages of docs/: python docs/make_pictures.py [--only NAME ...] [--into FOLDER]

Reads  digits from scikit-learn and toys of two features; all seeds are fixed.
Gives  one .svg per page of docs/objectives/ and docs/measures/ in docs/pictures/; minutes on one core for all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from drawing import canvas, compared, rebuilding, sparse, useful, variational, walked, working_units  # noqa: E402

PICTURES: dict[str, Callable[[], canvas.Picture]] = {
    one.__name__: one
    for module in (rebuilding, sparse, variational, compared, working_units, useful, walked)
    for one in module.DRAWN
}  # fmt: skip


def draw(names: Iterable[str], into: Path) -> None:
    """Write the named pictures into a folder."""
    into.mkdir(parents=True, exist_ok=True)
    for name in names:
        started = time.perf_counter()
        text = PICTURES[name]().svg()
        (into / f"{name}.svg").write_text(text, encoding="utf-8")
        print(f"{name:20} {len(text) / 1000:6.0f} kB {time.perf_counter() - started:6.1f} s", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    told = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    told.add_argument("--only", nargs="+", choices=sorted(PICTURES), metavar="NAME", default=sorted(PICTURES))
    told.add_argument("--into", type=Path, default=HERE / "pictures", metavar="FOLDER")
    given = told.parse_args(arguments)
    draw(given.only, given.into)


if __name__ == "__main__":
    main()
