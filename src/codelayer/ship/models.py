"""One form for everything that can be served: a bundle, an ONNX graph, a scikit-learn model.

    forest = open_model("forest.skops", threads=1, trust=["sklearn.tree._tree.Tree"])
    graph = compiled(forest)                    # the same model in ONNX Runtime, checked on rows
    graph.engine(graph.prepare(rows))           # compute alone
    graph.whole(rows)                           # from raw rows

Reads  paths (a bundle's folder or .zip, .onnx, .skops) and objects (a coder, a code with its head, an estimator,
       an ONNX graph's bytes).
Gives  `Servable`: two callables with what they cost to keep. `ship.bench` times them, `ship fit` chooses among them.
Skips  timing. Nothing is imported before a model of its kind is opened: an .onnx file needs neither torch nor sklearn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.onnxfile import library, session
from ..data.schema import Columns, Schema
from ..errors import BundleError, CodelayerError, DataError
from ..export import inputs
from .onnxfiles import feeds, main_output, random_rows, some_feeds

if TYPE_CHECKING:
    from ..export import Exported

IN_PYTHON, COMPILED = "in Python", "compiled"


@dataclass(frozen=True)
class Servable:
    """A model that is ready to answer.

    name        as tables show it
    kind        "bundle", "onnx" or "scikit-learn": what it was opened from
    form        "in Python" (torch, numpy, scikit-learn) or "compiled" (ONNX Runtime)
    prepare     raw rows -> what `engine` takes: a coder's encoded float32 array (n, *shape), or an ONNX graph's feeds
    engine      -> codes, probabilities or numbers: compute alone
    whole       raw rows -> the same, end to end: checks, encoding, compute
    samples     a count -> that many raw rows of its own kind, where no data are given
    size_bytes  on disk
    threads     it was opened with
    parameters, multiply_adds  numbers it keeps; products for one row (None: not known)
    training_seconds  of its fit (None: not known)
    path        the file it was opened from, None for an object
    trust       types that were trusted when it was opened
    schema      of the rows it reads; None where it does not say
    original    the object behind it: estimator, coder, or the graph's bytes
    codes       of a graph: like `engine`, but its first output, which is the code where there is a head as well
    notes       what a reader should know
    """

    name: str
    kind: str
    form: str
    prepare: Callable[[Any], Any]
    engine: Callable[[Any], np.ndarray]
    whole: Callable[[Any], np.ndarray]
    samples: Callable[[int], Any]
    size_bytes: int
    threads: int = 1
    parameters: int | None = None
    multiply_adds: int | None = None
    training_seconds: float | None = None
    path: Path | None = None
    trust: tuple[str, ...] = ()
    schema: Schema | None = None
    original: Any = field(default=None, repr=False)
    codes: Callable[[Any], np.ndarray] | None = None
    notes: tuple[str, ...] = ()


def open_model(source: Any, threads: int = 1, *, trust: Sequence[str] = (), name: str | None = None) -> Servable:
    """Open a path or an object.

    source  see above; a Servable stays as it is
    trust   for .skops files: see `estimators.read_skops`
    name    for tables; by default the file's name or the class
    errors  BundleError: not there, damaged, unsafe; DataError: not fitted, a kind that is not known, a missing package
    """
    if isinstance(source, Servable):
        return source if name is None else replace(source, name=name)
    if isinstance(source, bytes):
        return _graph(source, name or "graph", threads)
    if isinstance(source, str | Path):
        return _open_path(Path(source), threads, tuple(trust), name)
    if hasattr(source, "SerializeToString"):
        return _graph(source.SerializeToString(), name or "graph", threads)
    called = name or type(source).__name__
    if hasattr(source, "schema_") and hasattr(source, "save"):
        return _coder(source, called, threads)
    if hasattr(source, "get_params"):
        return _estimator(source, called, threads)
    raise DataError(f"a {type(source).__name__} is no model that can be measured", "give a path or a fitted estimator")


def compiled(model: Servable, rows: Any = None) -> Servable:
    """The same model as a graph in ONNX Runtime, on the same threads, held against the original on rows.

    rows    raw rows; by default its own samples
    errors  DataError: it is compiled already, rows of another kind; ExportError: it has a part without an ONNX form
            (named), or answers differently
    """
    if model.form == COMPILED:
        raise DataError(f"{model.name} is compiled already", "use it as it is")
    rows = model.samples(64) if rows is None else rows
    from ..export.frames import picks_by_name

    data, done = _exported(model, rows)
    made = _graph(data, f"{model.name}, compiled", model.threads)
    if model.kind == "scikit-learn" and not picks_by_name(model.original):
        from .estimators import block_for

        made = _taking(made, lambda given: {inputs.BLOCK: block_for(model.original, given)})
    return replace(
        made,
        kind=model.kind,
        samples=model.samples,
        training_seconds=model.training_seconds,
        notes=(f"largest difference {done.difference:.1e} of the scale on {done.rows:,} rows",),
    )


# --- opening --------------------------------------------------------------------------------------------------------


def _open_path(path: Path, threads: int, trust: tuple[str, ...], name: str | None) -> Servable:
    from .estimators import read_skops, refuse_unsafe

    refuse_unsafe(path)
    if not path.exists():
        raise BundleError(f"there is no model at {path}", "check the path")
    end, called = path.suffix.lower(), name or path.name
    if end == ".onnx":
        return replace(_graph(_read(path), called, threads, str(path)), path=path)
    if end == ".skops":
        made = _estimator(read_skops(path, trust), called, threads, path.stat().st_size)
        return replace(made, path=path, trust=trust)
    if not path.is_dir() and end != ".zip":
        raise DataError(
            f"{path} is no model that can be opened", "a bundle (folder or .zip), an .onnx or a .skops file"
        )
    from .. import bundle
    from ..learn.saved import bundle_in, load

    place = bundle_in(path)
    made = _coder(load(place), called, threads, bundle.size_bytes(place))
    seconds = bundle.read(place).facts.get("seconds", made.training_seconds)
    return replace(made, path=place, training_seconds=seconds)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}", "check the path") from None


def _graph(data: bytes, name: str, threads: int, file: str | None = None) -> Servable:
    """A graph; where its metadata hold a schema, rows are read as the schema reads them."""
    opened = session(data, threads, file)
    answer = [main_output(opened)]
    parameters, adds = _work(data)

    def engine(given: Any) -> np.ndarray:
        return opened.run(answer, given)[0]

    made = Servable(
        name,
        "onnx",
        COMPILED,
        lambda rows: feeds(opened, rows),
        engine,
        engine,
        lambda count: random_rows(opened, count),
        len(data),
        threads,
        parameters,
        adds,
        original=data,
        codes=lambda given: opened.run([opened.get_outputs()[0].name], given)[0],
    )
    told = opened.get_modelmeta().custom_metadata_map
    if "schema" not in told:
        return _taking(made, made.prepare)
    try:
        schema = Schema.from_json(json.loads(told["schema"]))
    except ValueError as error:
        raise BundleError(f"{name} holds a schema that is no JSON: {error}", "export it again") from None
    made = replace(made, schema=schema, samples=lambda count: _again(schema, None, count))
    return _taking(made, lambda rows: inputs.feeds(schema, rows, told.get("task")))


def _taking(made: Servable, prepare: Callable[[Any], dict[str, np.ndarray]]) -> Servable:
    """A graph whose feeds are made of raw rows by `prepare`; feeds are taken as they are."""

    def prepared(rows: Any) -> dict[str, np.ndarray]:
        if isinstance(rows, dict):
            return rows
        return prepare(as_rows(rows))

    return replace(made, prepare=prepared, whole=lambda rows: made.engine(prepared(rows)))


def as_rows(rows: Any) -> Any:
    """A frame as a Table; what is none as it is, without what reads frames."""
    if rows is None or isinstance(rows, np.ndarray | Columns | dict) or hasattr(rows, "tocsr"):
        return rows
    from ..data.tables import Table, is_frame

    return Table.from_frame(rows) if is_frame(rows) else rows


def _coder(model: Any, name: str, threads: int, size: int | None = None) -> Servable:
    head = getattr(model, "head", None)
    coder = model if head is None else model.code
    schema = model.schema_

    def engine(encoded: np.ndarray) -> np.ndarray:
        codes = coder.encode_samples(encoded)
        return codes if head is None else _answers(head, codes)

    def whole(rows: Any) -> np.ndarray:
        codes = model.transform(rows)
        return codes if head is None else _answers(head, codes)

    record = getattr(coder, "record_", {})
    return Servable(
        name,
        "bundle",
        IN_PYTHON,
        lambda rows: schema.encode(_as_rows(coder, rows)),
        engine,
        whole,
        lambda count: _again(schema, getattr(coder, "golden_rows_", None), count),
        _coder_bytes(coder, head) if size is None else size,
        threads,
        *_coder_work(coder, head),
        training_seconds=record.get("seconds") if isinstance(record, Mapping) else None,
        schema=schema,
        original=model,
    )


def _estimator(estimator: Any, name: str, threads: int, size: int | None = None) -> Servable:
    from ..export.frames import picks_by_name
    from .estimators import answer_of, block_for, features_of, on_threads, rows_for, written_bytes

    held, method, width = on_threads(estimator, threads), answer_of(estimator), features_of(estimator)
    named = hasattr(estimator, "feature_names_in_")

    def whole(rows: Any) -> np.ndarray:
        return np.asarray(getattr(held, method)(rows_for(held, rows)))

    def prepare(rows: Any) -> Any:
        return rows_for(held, rows) if named else block_for(held, rows)

    def samples(count: int) -> np.ndarray:
        if picks_by_name(estimator):
            raise DataError(f"{name} picks its columns by name, and there are no rows", "give it rows")
        return np.random.default_rng(0).random((count, width))

    return Servable(
        name,
        "scikit-learn",
        IN_PYTHON,
        prepare,
        lambda ready: np.asarray(getattr(held, method)(ready)),
        whole,
        samples,
        written_bytes(estimator) if size is None else size,
        threads,
        original=estimator,
    )


# --- compiling ------------------------------------------------------------------------------------------------------


def _exported(model: Servable, rows: Any) -> tuple[bytes, Exported]:
    """The graph of a model in Python, by `export`; a bundle that holds its ONNX form gives that one."""
    from ..export import exported, sklearn_exported
    from ..export.checks import allowed, compared
    from ..export.frames import frame_exported, picks_by_name
    from .estimators import block_for

    tolerance = allowed(model.original)
    if model.kind == "scikit-learn" and picks_by_name(model.original):
        return frame_exported(model.original, rows, tolerance)
    if model.kind == "scikit-learn":
        block = block_for(model.original, rows)
        return sklearn_exported(model.original, block.shape[1], block, tolerance)
    held = None
    if model.path is not None:
        from .. import bundle

        held = bundle.read(model.path).part(bundle.ONNX)
    if held is None:
        return exported(model.original, rows, tolerance)
    return held, compared(model.original, held, rows, tolerance)


# --- parts ----------------------------------------------------------------------------------------------------------


def _answers(head: Any, codes: np.ndarray) -> np.ndarray:
    return head.predict(codes) if head.task == "number" else head.predict_proba(codes)


def _as_rows(coder: Any, rows: Any) -> Any:
    return coder._rows(rows, reset=False)


def _again(schema: Schema, golden: np.ndarray | None, count: int) -> Any:
    """As many raw rows as asked for: those the bundle keeps, over and over; else random ones of the schema's kind."""
    if golden is None or not len(golden):
        golden = np.random.default_rng(0).standard_normal((count, *schema.shape))
    return schema.inverse(np.resize(golden, (count, *golden.shape[1:])).astype(np.float32))


def _head_arrays(head: Any) -> dict[str, np.ndarray]:
    """What a head keeps, by name; trees multiply nothing, so that theirs are flat."""
    if head is None:
        return {}
    if not hasattr(head, "forest"):
        return {"head": np.asarray(head.weight), "bias": np.asarray(head.intercept)}
    kept = vars(head.forest).items()
    return {f"forest.{name}": one.ravel() for name, one in kept if isinstance(one, np.ndarray) and name != "classes"}


def _coder_bytes(coder: Any, head: Any) -> int:
    from ..measure.cost import size_mb

    return int(1e6 * size_mb([*coder.parts()[1].values(), *_head_arrays(head).values()]))


def _coder_work(coder: Any, head: Any) -> tuple[int, int | None]:
    """Parameters and multiply-adds of coding one row, head included; the decoder is not needed for it."""
    from ..measure.graphs import array_work

    arrays = _head_arrays(head)
    if not hasattr(coder, "model_"):
        kept = coder._state()[1]
        work = array_work({**arrays, **{name: one for name, one in kept.items() if "ridge" not in name}})
        return work.parameters, work.multiply_adds
    stages = coder.model_.net.stages
    arrays |= {name: one.detach().cpu().numpy() for name, one in stages.named_parameters()}
    work = array_work(arrays)
    return work.parameters, None if any(one.ndim > 2 for one in arrays.values()) else work.multiply_adds


def _work(data: bytes) -> tuple[int | None, int | None]:
    """Parameters and multiply-adds of a graph; not known without the package onnx."""
    from ..measure.graphs import graph_work

    try:
        onnx = library("onnx")
        model = onnx.load_model_from_string(data)
        work = graph_work(model, onnx.shape_inference.infer_shapes(model))
    except CodelayerError:
        return None, None
    return work.parameters, work.multiply_adds


def feeds_of(model: Servable, ready: Any, rows: slice) -> Any:
    """Some of the rows of what `prepare` gave."""
    return some_feeds(ready, rows) if isinstance(ready, dict) else ready[rows]
