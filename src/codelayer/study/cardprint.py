"""One card, or several and their comparison, from files to a folder and to lines for a terminal.

Reads  what the command was given.
Gives  the lines to print; the folder holds card.json and card.html, or one such folder per code and comparison.html.
Skips  the metrics, and the page.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError, RunError
from ..measure import Card, compare, save_card, save_comparison
from ..measure.cardpage import card_cells
from ..measure.comparisonpage import comparison_cells
from ..measure.unfinished import clear
from ..report import table_text
from .cardfiles import Beside, card_of_files, cards_of
from .ending import heard_as_interrupt

Update = Callable[[float, str], None]
UNFINISHED = "unfinished"


def measure_codes(
    sources: Sequence[str],
    x: str | None,
    task: str | None,
    out: str,
    seed: int,
    beside: Beside,
    bundle: Path | None,
    columns: Sequence[str],
    only: Sequence[str],
    update: Update,
) -> list[str]:
    """Measure one code, or several and compare them; write everything into `out`.

    sources  files of codes or folders of cards; none where a bundle makes the codes
    update   told (done, what) as metrics are read
    errors   as `card_of_files`, `compare`; RunError: `out` is a file

    Finished readings are kept in `out`/unfinished until everything is written: the same call goes on after a stop.
    """
    if Path(out).is_file():
        raise RunError(f"{out} is a file, not a folder", "choose another --out")
    keep = Path(out) / UNFINISHED

    def taken(codes: str | None) -> Card:
        def told(done: int, of: int, what: str) -> None:
            update(done, f"of {of}: {what}")

        return card_of_files(
            codes,
            None,
            x,
            task,
            seed,
            beside=beside,
            bundle=bundle,
            columns=columns,
            only=only,
            progress=told,
            keep=keep,
        )

    if len(sources) == 1 and Path(sources[0]).is_dir():
        raise DataError(f"{sources[0]} is a folder", "give a file of codes, or two cards to compare")
    with _kept_in(keep):
        if len(sources) < 2:
            lines = _one(taken(sources[0] if sources else None), out)
        else:
            lines = _several(cards_of(sources, taken), out)
    clear(keep)
    return lines


@contextmanager
def _kept_in(keep: Path) -> Generator[None]:
    """Ctrl-C, and a request to end, say what is kept."""
    try:
        with heard_as_interrupt():
            yield
    except KeyboardInterrupt:
        if not keep.is_dir():
            raise
        raise KeyboardInterrupt(
            f"what was measured is kept in {keep}; give the same command again to continue"
        ) from None


def _several(cards: dict[str, Card], out: str) -> list[str]:
    for name, card in cards.items():
        save_card(card, Path(out) / name, name)
    found = compare(cards)
    page = save_comparison(found, out)
    lines = [f"note: {note}" for note in found["notes"]]
    lines += [table_text(*comparison_cells(found))]
    lines += [f"not tested: {one['metric']}: {one['why']}" for one in found["untested"]]
    return [*lines, f"\ncomparison: {page} and {page.with_suffix('.json')}"]


def _one(card: Card, out: str) -> list[str]:
    page = save_card(card, out, card["name"])
    lines = [f"note: {note}" for note in card["notes"]]
    lines.append(table_text(*card_cells(card)))
    lines += [f"not measured: {one['name']}: {one['why'].splitlines()[0]}" for one in card["not_measured"]]
    return [*lines, f"\ncard: {page} and {page.with_suffix('.json')}"]
