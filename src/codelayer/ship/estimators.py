"""scikit-learn models: read without running what is in the file, held to some threads.

Reads  .skops files, or fitted estimators as objects.
Gives  the estimator; the rows that it takes.
Skips  .pkl, .pickle and .joblib files: opening one runs whatever it holds, so that they are refused.
"""

from __future__ import annotations

import copy
import io
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.onnxfile import library
from ..bundle.zips import check_directory
from ..errors import BundleError, DataError

TREE, DTYPE = "sklearn.tree._tree.Tree", "numpy.dtype"
CAN_BE_TRUSTED = (TREE, DTYPE)
MOST_ENTRIES, MOST_DIRECTORY = 200_000, 64 << 20  # a forest of 10,000 trees has about 50,000
MOST_UNPACKED, MOST_RATIO, FREE = 4 << 30, 200, 64 << 20  # bytes in all; times the file, where they are above FREE
UNSAFE = (".pkl", ".pickle", ".joblib", ".pck")
CONVERT = (
    'convert it where you trust it: python -c "import joblib, skops.io; '
    "skops.io.dump(joblib.load('{name}'), '{stem}.skops')\""
)


def refuse_unsafe(path: Path) -> None:
    """Refuse a file whose opening would run code.

    errors  BundleError with the line that converts it
    """
    if path.suffix.lower() in UNSAFE:
        raise BundleError(
            f"{path} is not opened: such a file runs code when it is loaded",
            CONVERT.format(name=path.name, stem=path.stem),
        )


def read_skops(path: Path, trust: Sequence[str] = ()) -> Any:
    """The estimator in a .skops file, if it holds none but types that skops trusts.

    trust   of CAN_BE_TRUSTED: skops does not trust a tree's arrays, with which a forged file could read other memory,
            nor the types of numbers that imputers and encoders keep; they are taken only where the caller says that
            the file is its own
    errors  BundleError: other types, named; a damaged file, or one that unpacks to more than 4 GB or 200 times its size
            (at most 64 MB are always taken). DataError: another type in `trust`
    """
    other = sorted(set(trust) - {*CAN_BE_TRUSTED})
    if other:
        known = " and ".join(CAN_BE_TRUSTED)
        raise DataError(f"{other[0]!r} cannot be trusted here", f"the types that --trust takes are {known}")
    io_of_skops = library("skops.io", "ship")
    try:
        data = path.read_bytes()
        _check_unpacked(path, data)
        unknown = sorted(set(io_of_skops.get_untrusted_types(data=data)))
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(f"{path} is no skops file: {_first_line(error)}", "write it with skops.io.dump") from None
    refused = [one for one in unknown if one not in trust]
    if refused:
        names = ", ".join(refused[:8])
        own = set(refused) <= {*CAN_BE_TRUSTED}
        remedy = f"{' '.join(f'--trust {one}' for one in unknown)}, if the file is your own"
        remedy = remedy if own else "it was not loaded"
        raise BundleError(f"{path} holds types that are not trusted: {names}", remedy)
    try:
        return io_of_skops.loads(data, trusted=list(unknown))
    except Exception as error:
        raise BundleError(f"{path} cannot be loaded: {_first_line(error)}", "write it again") from None


def _check_unpacked(path: Path, data: bytes) -> None:
    """Refuse an archive that would take much more memory than its file; zipfile never gives more than is declared."""
    with io.BytesIO(data) as file:
        check_directory(path, file, MOST_ENTRIES, MOST_DIRECTORY)
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    (twice, times), *_ = Counter(one.filename for one in entries).most_common(1) or [("", 1)]
    if times > 1:  # which of them is looked at, and which is loaded?
        raise BundleError(f"{path} holds {twice[:60]!r} twice", "write it anew with skops.io.dump")
    if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in entries):
        raise BundleError(f"{path} is compressed in a way that is not read", "write it with ZIP_STORED or ZIP_DEFLATED")
    whole, most = sum(one.file_size for one in entries), min(MOST_UNPACKED, max(FREE, MOST_RATIO * len(data)))
    if whole > most:
        raise BundleError(
            f"{path} has {len(data):,} bytes and would take {whole:,} unpacked, where at most {most:,} are",
            "write it anew with skops.io.dump, without compression",
        )


def on_threads(estimator: Any, threads: int) -> Any:
    """The same fitted estimator with n_jobs=threads; the one that was given is not changed.

    Of what is nested, the steps of a pipeline are held to it too.
    """
    held = copy.copy(estimator)
    if hasattr(held, "steps"):
        held.steps = [(name, one if isinstance(one, str) else on_threads(one, threads)) for name, one in held.steps]
    if hasattr(held, "n_jobs"):
        held.n_jobs = threads
    return held


def answer_of(estimator: Any) -> str:
    """The method that answers: predict_proba, predict or transform.

    errors  DataError when there is none
    """
    for name in ("predict_proba", "predict", "transform"):
        if hasattr(estimator, name):
            return name
    raise DataError(f"a {type(estimator).__name__} neither predicts nor transforms", "give a fitted estimator")


def features_of(estimator: Any) -> int:
    """How many columns it was fitted on.

    errors  DataError when it was not fitted
    """
    found = getattr(estimator, "n_features_in_", None)
    if found is None:
        raise DataError(f"the {type(estimator).__name__} is not fitted", "fit it first")
    return int(found)


def rows_for(estimator: Any, rows: Any) -> Any:
    """Rows as the estimator takes them: an array, CSR, or a frame where it was fitted on one.

    errors  DataError: another number of columns, a missing column
    """
    wanted, names = features_of(estimator), getattr(rows, "names", None)
    if names is None:
        rows = rows.reshape(len(rows), -1) if isinstance(rows, np.ndarray) and rows.ndim != 2 else rows
        if rows.shape[1] != wanted:
            raise DataError(f"rows have {rows.shape[1]} columns, the model was fitted on {wanted}", "give its own rows")
        return rows
    if hasattr(estimator, "feature_names_in_"):
        from ..export.frames import frame_of  # with torch, which a graph does without

        return frame_of(estimator, rows)
    if len(names) != wanted:
        raise DataError(
            f"the rows have {len(names)} columns, the model was fitted on {wanted} without names",
            "give rows with its own columns alone",
        )
    try:
        return np.stack([np.asarray(rows.column(name), np.float64) for name in names], axis=1)
    except (TypeError, ValueError):
        raise DataError("a column holds text, and the model was fitted on numbers", "give its own rows") from None


def block_for(estimator: Any, rows: Any) -> np.ndarray:
    """Rows as one float32 block in the order of the columns it was fitted on, as its graph takes them.

    errors  DataError as `rows_for`; a column that holds text
    """
    ready = rows_for(estimator, rows)
    try:
        return np.ascontiguousarray(ready.toarray() if hasattr(ready, "toarray") else ready, np.float32)
    except (TypeError, ValueError):
        raise DataError("a column holds text, and the graph reads one block of numbers", "encode it first") from None


def written_bytes(estimator: Any) -> int:
    """Bytes of the estimator as joblib would write it; nothing is kept."""
    import joblib

    counted = _Counter()
    joblib.dump(estimator, counted)
    return counted.total


class _Counter(io.RawIOBase):
    """A file that only counts."""

    total = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.total += size
        return size


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
