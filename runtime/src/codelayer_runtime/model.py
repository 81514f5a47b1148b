"""A bundle, ready to code and to predict.

Reads  a bundle, verified; rows as arrays, CSR, columns by name, or dicts.
Gives  `load` and `Model`: codes, labels, probabilities and numbers as codelayer gives them.
Skips  reading rows from files (rows).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import bundle
from .bundle.onnxfile import session
from .coders import coder_of
from .data.schema import Columns, Schema
from .data.schema.cells import objects
from .errors import BundleError, CodelayerError, DataError
from .export.inputs import feeds
from .forest import Forest

AT_ONCE = 1 << 18  # encoded numbers looked at together: 1 MB, which the caches hold and ONNX Runtime's arena too
NUMPY_TOLERANCE, ONNX_TOLERANCE = 1e-4, 1e-3  # of the code's scale; far above rounding, far below another formula
ENGINES = ("auto", "numpy", "onnx")
SEARCHED = ("dictionary", "isomap", "umap")


class Model:
    """What makes codes, and predicts where there is a head.

    kind     of the bundle
    schema   what the rows are
    engine   "numpy" or "onnx"
    task     "class", "number", or None without a head
    classes  the labels in the order of the probabilities
    """

    def __init__(self, found: bundle.Bundle, engine: str, threads: int) -> None:
        self.kind, self._path = found.kind, found.path
        beside = found.kind in ("headed", "forest")
        plan = found.plan["code"] if beside else found.plan
        kind = str(plan["kind"]) if beside else found.kind
        start = "code." if beside else ""
        tensors = {n.removeprefix(start): v for n, v in found.tensors.items() if n.startswith(start)}
        self.schema = Schema.from_json(plan["schema"])
        head = found.plan.get("head") if beside else None
        self.task: str | None = None if head is None else str(head["task"])
        self.classes: tuple[Any, ...] = () if head is None else tuple(head["classes"])
        self._head = None if head is None else self._head_of(found)
        coder = None if engine == "onnx" else coder_of(kind, plan, tensors)
        self.engine = "onnx" if coder is None else "numpy"
        self._coder = coder
        self._session: Any = None
        if coder is None:
            self._session = session(_onnx_form(found, kind, plan, engine), threads)
            self._output = self._session.get_outputs()[0].name
        self._check_golden(found)

    def _head_of(self, found: bundle.Bundle) -> Callable[[np.ndarray], np.ndarray]:
        """codes (rows, units) -> probabilities (rows, classes), or numbers (rows, 1)."""
        if found.kind == "forest":
            start = "forest."
            arrays = {n.removeprefix(start): v for n, v in found.tensors.items() if n.startswith(start)}
            forest = Forest(**arrays, classes=None if self.task == "number" else objects(self.classes))
            forest.check(self.schema.features)
            return forest.outputs
        weight, intercept = found.tensors["head.weight"], found.tensors["head.intercept"]
        if weight.ndim != 2 or intercept.shape != (len(self.classes) or 1,) or weight.shape[1:] != intercept.shape:
            raise ValueError("head and classes do not fit together")
        if self.task == "number":
            return lambda codes: codes @ weight + intercept
        return lambda codes: _softmax(codes @ weight + intercept)

    # --- rows in, codes out -------------------------------------------------------------------------------------

    def encode(self, rows: Any) -> np.ndarray:
        """The codes of the rows, (rows, units) float32.

        rows    an array or CSR of the shape that was fitted; for a table columns by name, a list of dicts, or an array
                of its columns in order
        errors  DataError: another shape, a column of another type, NaN or infinities in an array
        """
        return np.concatenate(self._in_blocks(rows, self._codes))

    transform = encode

    def predict_proba(self, rows: Any) -> np.ndarray:
        """Probabilities (rows, classes), each row sums to 1.

        errors  DataError: as `encode`; a head that gives numbers, or none
        """
        if self.task != "class":
            raise DataError(f"this {self.kind} gives no probabilities", "it needs a head for classes")
        return np.concatenate(self._in_blocks(rows, self._answers))

    def predict(self, rows: Any) -> np.ndarray:
        """Labels (rows,), or numbers.

        errors  DataError: as `encode`; no head
        """
        if self.task == "class":
            return objects(self.classes)[self.predict_proba(rows).argmax(1)]
        if self.task is None:
            raise DataError(f"this {self.kind} has no head, so that it cannot predict", "codelayer study makes one")
        return np.concatenate(self._in_blocks(rows, self._answers))[:, 0]

    @property
    def block_rows(self) -> int:
        """Rows that are coded at once."""
        return max(1, min(4096, AT_ONCE // self.schema.features))

    def _in_blocks(self, rows: Any, use: Callable[[Any], np.ndarray]) -> list[np.ndarray]:
        rows = self.as_rows(rows)
        count, step = len(rows) if isinstance(rows, Columns) else rows.shape[0], self.block_rows
        if count <= step:
            return [use(rows)]
        starts = [slice(i, i + step) for i in range(0, count, step)]
        return [use(rows.take(some) if isinstance(rows, Columns) else rows[some]) for some in starts]

    def _codes(self, rows: Any) -> np.ndarray:
        if self._coder is not None:
            return self._coder(self.schema.encode(rows))
        given = feeds(self.schema, rows, self.task)
        try:
            return self._session.run([self._output], given)[0]
        except Exception as error:  # whatever ONNX Runtime says of a form of another model
            reason = " ".join(str(error).split())[:200]
            raise BundleError(
                f"{bundle.ONNX} in {self._path} does not read this bundle's rows: {reason}",
                "make it anew: codelayer ship export, then codelayer ship attach",
            ) from None

    def _answers(self, rows: Any) -> np.ndarray:
        if self._head is None:
            raise DataError(f"this {self.kind} has no head", "codelayer study makes one")
        return self._head(self._codes(rows))

    def as_rows(self, rows: Any) -> Any:
        """Rows as the schema reads them: an array or CSR, or Columns of a table."""
        table = self.schema.kind == "table"
        if isinstance(rows, Sequence) and rows and all(isinstance(row, Mapping) for row in rows):
            if not table:
                return self._listed(rows)
            names = list(dict.fromkeys(name for row in rows for name in row))
            return Columns({name: objects([row.get(name) for row in rows]) for name in names})
        if not table:
            return rows if hasattr(rows, "shape") else np.asarray(rows)
        if isinstance(rows, Mapping):
            return Columns(rows)
        names = [column.name for column in self.schema.columns]
        if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == len(names):
            return Columns({name: rows[:, i] for i, name in enumerate(names)})
        return rows

    def _listed(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Dicts of an array's features x0, x1, ..., or of the whole sample under "x"."""
        shape = self.schema.shape[:-1] if self.schema.flat else self.schema.shape
        made = []
        for row in rows:
            absent = [] if "x" in row else [name for name in self.schema.names if name not in row]
            if absent:
                raise DataError(f"a row lacks {absent[0]!r}", 'give every feature, or the whole sample under "x"')
            made.append(row["x"] if "x" in row else [row[name] for name in self.schema.names])
        try:
            return np.asarray(made, np.float64).reshape(len(made), *shape)
        except (TypeError, ValueError, OverflowError):
            raise DataError("a row holds something else than the numbers of a sample", f"give shape {shape}") from None

    def _check_golden(self, found: bundle.Bundle) -> None:
        """The few rows the bundle keeps are coded, and compared with the codes it keeps.

        errors  BundleError: none are there, or they differ by more than rounding
        """
        if "rows" not in found.golden or "codes" not in found.golden:
            raise BundleError(f"{found.path} holds no golden rows to check this machine by", "save it again")
        rows, codes = found.golden["rows"], found.golden["codes"]
        if not rows.size or not codes.size:
            raise BundleError(f"{found.path} holds no golden rows to check this machine by", "save it again")
        if self._coder is not None:
            made, tolerance = self._coder(rows), NUMPY_TOLERANCE
        else:
            plain = self.schema.inverse(rows)
            # a category that was unknown comes back as missing: such a row cannot be asked again
            back = np.abs(self.schema.encode(plain) - rows).reshape(len(rows), -1).max(1, initial=0) < 1e-3
            plain = plain.take(np.flatnonzero(back)) if isinstance(plain, Columns) else plain[back]
            made, codes, tolerance = self._codes(plain), codes[back], ONNX_TOLERANCE
        fits = made.shape == codes.shape
        off = float(np.abs(made - codes).max(initial=0) / max(np.abs(codes).max(initial=0), 1e-12)) if fits else np.inf
        if not off <= tolerance:
            raise BundleError(
                f"{found.path} is coded differently here: its golden rows are {off:.2g} of the code's scale off",
                "it may hold a term of a newer version, or other weights than its ONNX form: save it again",
            )


def load(path: str | Path, engine: str = "auto", threads: int = 1) -> Model:
    """The model in a bundle: a folder or a .zip that codelayer wrote.

    engine   "numpy", "onnx" (the bundle's own model.onnx), or "auto": numpy wherever it can
    threads  of ONNX Runtime; numpy's are set by OMP_NUM_THREADS
    errors   BundleError: damaged, altered, too new, or a code that needs an ONNX form and has none
    """
    if engine not in ENGINES:
        raise CodelayerError(f"engine={engine!r} is not known", f"it is one of {', '.join(ENGINES)}")
    found = bundle.read(path)
    try:
        return Model(found, engine, threads)
    except BundleError:
        raise
    except (CodelayerError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BundleError(f"{path} does not hold a {found.kind} ({reason})", "save it again") from None


def _onnx_form(found: bundle.Bundle, kind: str, plan: Mapping[str, Any], engine: str) -> bytes:
    data = found.part(bundle.ONNX) if engine != "numpy" else None
    if data is not None:
        return data
    what = f"{plan['net']} of an {kind}" if "net" in plan else f"a {kind}"
    if engine == "numpy":
        raise BundleError(f"{found.path} holds {what}, which plain numpy does not run", "leave engine='auto'")
    if kind in SEARCHED:
        problem = f"{found.path} holds {what}, whose codes are searched for and not computed"
        raise BundleError(problem, "use codelayer itself, or learn another kind of code")
    raise BundleError(
        f"{found.path} holds {what}, which runs from its ONNX form, and it has none",
        f"where codelayer is: codelayer ship export {found.path} --out model.onnx, and then "
        f"codelayer ship attach {found.path} model.onnx",
    )


def _softmax(scores: np.ndarray) -> np.ndarray:
    wide = scores.astype(np.float64)
    weights = np.exp(wide - wide.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)
