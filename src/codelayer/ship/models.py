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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BundleError, CodelayerError, DataError
from .onnxfiles import feeds, main_output, needed, random_rows, session, some_feeds

IN_PYTHON, COMPILED = "in Python", "compiled"
AGREES = 1e-3  # of the answers' scale: float32 arithmetic in another order


@dataclass(frozen=True)
class Servable:
    """A model that is ready to answer.

    name        as tables show it
    kind        "bundle", "onnx" or "scikit-learn": what it was opened from
    form        "in Python" (torch, numpy, scikit-learn) or "compiled" (ONNX Runtime)
    prepare     raw rows -> what `engine` takes: the encoded float32 array (n, *shape), or an ONNX graph's feeds
    engine      -> codes, probabilities or numbers: compute alone
    whole       raw rows -> the same, end to end: checks, encoding, compute
    samples     a count -> that many raw rows of its own kind, where no data are given
    size_bytes  on disk
    threads     it was opened with
    parameters, multiply_adds  numbers it keeps; products for one row (None: not known)
    training_seconds  of its fit (None: not known)
    path        the file it was opened from, None for an object
    trust       types that were trusted when it was opened
    columns     names of the columns it reads, where it reads a table
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
    columns: tuple[str, ...] = ()
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
    errors  DataError: it is compiled already, has a part without an ONNX form (named), or answers differently
    """
    if model.form == COMPILED:
        raise DataError(f"{model.name} is compiled already", "use it as it is")
    rows = model.samples(64) if rows is None else rows
    data = _graph_of(model, rows)
    made = _graph(data, f"{model.name}, compiled", model.threads)
    if model.kind == "bundle":  # its graph reads encoded rows, what comes before is the schema's
        ready = _then(model.prepare, made.prepare)
        made = replace(made, prepare=ready, whole=_then(ready, made.engine))
    fitted = replace(made, samples=model.samples)
    return replace(
        fitted,
        kind=model.kind,
        training_seconds=model.training_seconds,
        columns=model.columns,
        notes=(_agreement(model, fitted, rows),),
    )


# --- opening --------------------------------------------------------------------------------------------------------


def _open_path(path: Path, threads: int, trust: tuple[str, ...], name: str | None) -> Servable:
    from .estimators import read_skops, refuse_unsafe

    refuse_unsafe(path)
    if not path.exists():
        raise BundleError(f"there is no model at {path}", "check the path")
    end, called = path.suffix.lower(), name or path.name
    if end == ".onnx":
        return replace(_graph(_read(path), called, threads), path=path)
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


def _graph(data: bytes, name: str, threads: int) -> Servable:
    opened = session(data, threads)
    answer = [main_output(opened)]
    parameters, adds = _work(data)

    def prepare(rows: Any) -> dict[str, np.ndarray]:
        return rows if isinstance(rows, Mapping) else feeds(opened, rows)

    def engine(given: Any) -> np.ndarray:
        return opened.run(answer, given)[0]

    whole = _then(prepare, engine)
    columns = tuple(one.name for one in opened.get_inputs()) if len(opened.get_inputs()) > 1 else ()
    return Servable(
        name,
        "onnx",
        COMPILED,
        prepare,
        engine,
        whole,
        lambda count: random_rows(opened, count),
        len(data),
        threads,
        parameters,
        adds,
        columns=columns,
        original=data,
        codes=lambda given: opened.run([opened.get_outputs()[0].name], given)[0],
    )


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
        _coder_bytes(model) if size is None else size,
        threads,
        *_coder_work(coder, head),
        training_seconds=record.get("seconds") if isinstance(record, Mapping) else None,
        columns=tuple(one.name for one in schema.columns) if schema.kind == "table" else (),
        original=model,
    )


def _estimator(estimator: Any, name: str, threads: int, size: int | None = None) -> Servable:
    from .estimators import answer_of, features_of, on_threads, rows_for, written_bytes

    held, method, width = on_threads(estimator, threads), answer_of(estimator), features_of(estimator)
    named = hasattr(estimator, "feature_names_in_")

    def whole(rows: Any) -> np.ndarray:
        return np.asarray(getattr(held, method)(rows_for(held, rows)))

    def prepare(rows: Any) -> Any:
        ready = rows_for(held, rows)
        return ready if named else np.ascontiguousarray(ready, np.float32)

    return Servable(
        name,
        "scikit-learn",
        IN_PYTHON,
        prepare,
        lambda ready: np.asarray(getattr(held, method)(ready)),
        whole,
        lambda count: np.random.default_rng(0).random((count, width)),
        written_bytes(estimator) if size is None else size,
        threads,
        columns=tuple(str(one) for one in estimator.feature_names_in_) if named else (),
        original=estimator,
    )


# --- compiling ------------------------------------------------------------------------------------------------------


def _graph_of(model: Servable, rows: Any) -> bytes:
    """The ONNX graph of a model in Python."""
    if model.kind == "scikit-learn":
        from .estimators import estimator_onnx

        return estimator_onnx(model.original)
    return coder_onnx(model.original, rows)


def coder_onnx(model: Any, rows: Any) -> bytes:
    """The ONNX graph of a learned code, with its head where it has one, by torch's exporter.

    rows    raw rows: two of them are traced
    errors  DataError: the code is none of torch's, or holds what the exporter does not know
    """
    import contextlib
    import io
    import logging

    import torch

    coder, head = getattr(model, "code", model), getattr(model, "head", None)
    if not hasattr(coder, "model_"):
        raise DataError(f"a {type(coder).__name__} has no ONNX form here", "it is measured in Python alone")
    few = torch.from_numpy(np.repeat(coder.schema_.encode(_as_rows(coder, rows))[:1], 2, axis=0))
    needed("onnxscript")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            made: Any = torch.onnx.export(
                _with_head(coder.model_, head).eval(),
                (few,),
                dynamo=True,
                input_names=["x"],
                output_names=["code"] if head is None else ["code", "probabilities"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                verbose=False,
            )
    except Exception as error:
        said = (str(error).splitlines() or [""])[0][:200]
        raise DataError(f"torch cannot export it: {said}", "it is measured in Python alone") from None
    return bytes(made.model_proto.SerializeToString())


def _with_head(model: Any, head: Any) -> Any:
    """A torch module from encoded rows to the code, and with a head to (code, probabilities or numbers)."""
    import torch

    class Coded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            if head is not None:
                self.weight = torch.nn.Parameter(torch.from_numpy(np.array(head.weight)))
                self.bias = torch.nn.Parameter(torch.from_numpy(np.array(head.intercept)))

        def forward(self, x: torch.Tensor) -> Any:
            code = self.model.codes(x)
            if head is None:
                return code
            scores = code @ self.weight + self.bias
            return code, scores if head.task == "number" else torch.softmax(scores, 1)

    return Coded()


def _agreement(model: Servable, graph: Servable, rows: Any) -> str:
    """How far the compiled answers are from the original ones, in words; refused when they differ."""
    one, other = np.asarray(model.whole(rows), float), np.asarray(graph.whole(rows), float)
    if one.ndim == 2 and one.shape[1] == 1:
        one = one[:, 0]
    other = other.reshape(one.shape) if other.size == one.size else other
    if one.shape != other.shape:
        raise DataError(
            f"{model.name} answers {one.shape[1:]} per row, its graph {other.shape[1:]}", "it was not compiled"
        )
    scale = max(float(np.abs(one).max(initial=0.0)), 1e-12)
    share = float(np.abs(one - other).max(initial=0.0)) / scale
    rows_told = f"{len(one):,} rows"
    if model.kind == "scikit-learn" and one.ndim == 2:
        # a threshold that float32 rounds sends single rows to another leaf: the labels are what must agree
        same = float((one.argmax(1) == other.argmax(1)).mean())
        if same < 0.99:
            raise DataError(f"{model.name}: its graph agrees on {same:.1%} of {rows_told} only", "it was not compiled")
        return f"the same label on {same:.1%} of {rows_told}, largest difference {share:.1e} of the scale"
    if share > AGREES:
        raise DataError(f"{model.name}: its graph differs by {share:.1e} of the scale", "it was not compiled")
    return f"largest difference {share:.1e} of the scale on {rows_told}"


# --- parts ----------------------------------------------------------------------------------------------------------


def _then(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda given: second(first(given))


def _answers(head: Any, codes: np.ndarray) -> np.ndarray:
    return head.scores(codes)[:, 0] if head.task == "number" else head.predict_proba(codes)


def _as_rows(coder: Any, rows: Any) -> Any:
    return coder._rows(rows, reset=False)


def _again(schema: Any, golden: np.ndarray | None, count: int) -> Any:
    """As many raw rows as asked for: those the bundle keeps, over and over."""
    if golden is None or not len(golden):
        return schema.inverse(np.zeros((count, *schema.shape), np.float32))
    return schema.inverse(np.resize(golden, (count, *golden.shape[1:])).astype(np.float32))


def _coder_bytes(model: Any) -> int:
    from ..measure.cost import size_mb

    parts = (model.code if hasattr(model, "head") else model).parts()
    head = getattr(model, "head", None)
    return int(1e6 * size_mb([*parts[1].values(), *([] if head is None else [head.weight, head.intercept])]))


def _coder_work(coder: Any, head: Any) -> tuple[int, int | None]:
    """Parameters and multiply-adds of coding one row, head included; the decoder is not needed for it."""
    from ..measure.graphs import array_work

    arrays = {} if head is None else {"head": np.asarray(head.weight), "bias": np.asarray(head.intercept)}
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
        onnx = needed("onnx")
        model = onnx.load_model_from_string(data)
        work = graph_work(model, onnx.shape_inference.infer_shapes(model))
    except CodelayerError:
        return None, None
    return work.parameters, work.multiply_adds


def feeds_of(model: Servable, ready: Any, rows: slice) -> Any:
    """Some of the rows of what `prepare` gave."""
    return some_feeds(ready, rows) if isinstance(ready, dict) else ready[rows]
