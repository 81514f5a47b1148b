"""What can go wrong, grouped by what the caller can do about it.

    CodelayerError (a ValueError)
    |-- DataError      the data cannot be used: mend the file or the option that names it
    |-- SentenceError  an objective or a net that cannot be read or cannot train: mend the text
    |-- BundleError    a saved file that is damaged, altered, too new or unsafe: it was not loaded
    |-- RunError       an output folder that is locked or belongs to another run: choose another
    '-- ExportError    what cannot leave for another engine, or does not give there what it gives here

Messages are two lines at most: what is wrong and with which value, then what to do.
Skips  wrong calls from Python (TypeError) and bugs (anything else): those keep their traceback.
"""

from __future__ import annotations

from collections.abc import Iterable


class CodelayerError(ValueError):
    """A user's mistake, told in at most two lines: what is wrong, then what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}\n  {remedy}" if remedy else problem)


class DataError(CodelayerError):
    """The data cannot be used as they are."""


class SentenceError(CodelayerError):
    """An objective or a net that cannot be read, or cannot train."""


class BundleError(CodelayerError):
    """A saved file that was refused."""


class RunError(CodelayerError):
    """An output folder that is locked, or holds another run."""


class ExportError(CodelayerError):
    """A model, or a part of one, that cannot be exported, or whose export differs from it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest known name, or "" if none is close."""
    import difflib  # only where something is wrong: it takes longer than all else here

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
