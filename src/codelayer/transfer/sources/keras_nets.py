"""Keras's own nets as backbones, on its torch backend: "keras:InceptionV3", "keras:NAME@FILE.weights.h5".

Reads  a name of keras.applications and a file of weights (.h5).
Gives  a Backbone without the net's head: Inception's stages are mixed0 ... mixed10, of the others the last map of
       each size; the preprocessing is what Keras does for that net.
Skips  .keras archives, which hold code of layers; top layers.

Source: keras.io/api/applications; licences as Keras's documentation names them.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle.onnxfile import library
from ...errors import BundleError, CodelayerError, DataError, did_you_mean
from ...nets.backbone import Backbone, Pictures
from ...nets.backbone.core import LAYOUTS
from ..files import checked_file
from .keras_graph import KerasNet, cuts, on_cpu, ordered
from .watching import apart
from .weight_files import not_for, split_file

SIZES = {
    "InceptionV3": 299,
    "Xception": 299,
    "InceptionResNetV2": 299,
    "NASNetLarge": 331,
    **dict(zip([f"EfficientNetB{at}" for at in range(8)], (224, 240, 260, 300, 380, 456, 528, 600), strict=True)),
    **dict(
        zip(
            [f"EfficientNetV2{at}" for at in ("B1", "B2", "B3", "S", "M", "L")],
            (240, 260, 300, 384, 480, 480),
            strict=True,
        )
    ),
}
USUAL = 224
LICENCES = {
    "Inception": "apache-2.0",
    "Xception": "mit",
    "VGG": "cc-by-4.0",
    "ResNet": "mit",
    "MobileNet": "apache-2.0",
    "NASNet": "apache-2.0",
    "DenseNet": "bsd-3-clause",
    "EfficientNet": "apache-2.0",
}
NOT_STATED = "not stated: the weights are a file of your own"
MOST_BYTES = 4 << 30  # of the arrays in a file of weights
WRONG = (
    ValueError,
    KeyError,
    OSError,
    TypeError,
    IndexError,
    AttributeError,
)  # what Keras says of weights that do not fit
FIRST = "Example error message for object "  # after it Keras names what does not fit
FEW = 3  # cuts of different sizes below which joints of cells are stages


def open_keras(rest: str, size: int | None, weights: bool) -> Backbone:
    """A net of keras.applications.

    rest     NAME, NAME@FILE.h5 or NAME@FILE.h5#sha256=HEX
    size     pixels per side, or None for the size it was trained on
    weights  False leaves the net as Keras draws it
    errors   DataError: no such net; BundleError: weights of another one; CodelayerError: Keras is not installed, runs
             on another backend, or the weights are not on this machine
    """
    name, file = split_file(rest)
    keras = keras_library()
    builder = _builder(keras, name)
    size = size or SIZES.get(name, USUAL)
    if not weights:
        model = _model(builder, size)
    elif file:
        model = _filled(builder, size, checked_file(file), f"keras:{name}")
    else:
        model = _published(builder, size, name)
    found = _backbone(keras, model, name, size)
    if file and weights:
        found.licence = NOT_STATED
    return found


def restore_keras(source: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Backbone:
    """The net of a Backbone's `source`, its weights still to be put in."""
    keras = keras_library()
    name, size = str(source["name"]), int(source["size"])
    return _backbone(keras, _model(_builder(keras, name), size), name, size)


def keras_library() -> Any:
    """Keras on torch.

    errors  CodelayerError: not installed, or imported on another backend
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    keras = library("keras", "keras")
    if keras.backend.backend() != "torch":
        raise CodelayerError(
            f"keras runs on {keras.backend.backend()} here, because it was imported before",
            "set KERAS_BACKEND=torch before anything imports keras",
        )
    if keras.backend.image_data_format() != "channels_last":
        raise CodelayerError("keras is set to channels first", 'keras.config.set_image_data_format("channels_last")')
    return keras


def _builder(keras: Any, name: str) -> Any:
    known = [one for one in dir(keras.applications) if callable(getattr(keras.applications, one))]
    if name not in known:
        raise DataError(f"keras has no net {name!r}{did_you_mean(name, known)}", f"it has {', '.join(known)}")
    return getattr(keras.applications, name)


def _model(builder: Any, size: int, weights: str | None = None) -> Any:
    try:
        with apart(), on_cpu():
            return builder(weights=weights, include_top=False, input_shape=(size, size, 3))
    except ValueError as error:
        told = " ".join(str(error).split())[:200]
        raise DataError(
            f"keras cannot build this net for pictures of {size} pixels ({told})", "choose another size, or another net"
        ) from None


def _published(builder: Any, size: int, name: str) -> Any:
    try:
        return _model(builder, size, "imagenet")
    except CodelayerError:
        raise
    except Exception as error:  # keras gives a bare Exception for what the network did not give
        told = " ".join(str(error).split())[:160]
        raise CodelayerError(
            f"the weights of keras:{name} are not on this machine and could not be fetched ({told})",
            f"give a file: keras:{name}@weights.h5; or random:keras:{name} for the net untrained",
        ) from None


def _filled(builder: Any, size: int, path: Path, name: str) -> Any:
    """The model without its head and with the weights of a file, which may hold the head's.

    errors  BundleError: no file of weights, arrays that lie elsewhere or are too large, another net's
    """
    heads = [shape[1] for shape in _shapes(path) if len(shape) == 2]
    model = _model(builder, size)
    try:
        _load(model, path)
        return model
    except WRONG as error:
        wrong = " ".join(str(error).split()).rpartition(FIRST)[2][:300]
    try:
        with apart(), on_cpu():
            whole = builder(weights=None, include_top=True, input_shape=(size, size, 3), classes=[1000, *heads][-1])
        _load(whole, path)
        for layer, filled in zip(model.layers, whole.layers, strict=False):
            layer.set_weights(filled.get_weights())
        return model
    except WRONG:
        raise not_for(str(path), name, wrong) from None


def _load(model: Any, path: Path) -> None:
    with warnings.catch_warnings(), on_cpu():
        warnings.simplefilter("ignore")  # one line for every layer that does not fit
        model.load_weights(path)


def _shapes(path: Path) -> list[tuple[int, ...]]:
    """Shapes of the arrays in a file, all of which lie in it."""
    h5py = library("h5py", "keras")
    if path.suffix.lower() == ".keras":
        raise BundleError(
            f"{path} is an archive of a whole model, which may hold code",
            f"where you trust it: keras.saving.load_model({path.name!r}).save_weights('net.weights.h5')",
        )
    if path.suffix.lower() not in (".h5", ".hdf5"):
        raise DataError(f"{path} is no file of Keras's weights", "give a .h5 file")
    found: list[Any] = []

    def look(group: Any) -> None:
        for key in group:
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise BundleError(f"{path} points to other places ({key[:60]!r})", "save the weights again")
            one = group[key]
            if isinstance(one, h5py.Group):
                look(one)
            elif one.is_virtual or one.external:
                raise BundleError(f"{path} keeps {key[:60]!r} in other files", "save the weights again")
            else:
                found.append(one)

    try:
        with h5py.File(path, "r") as file:
            look(file)
            total = sum(one.nbytes for one in found)
            shapes = [tuple(one.shape) for one in found]
    except (OSError, RuntimeError, RecursionError) as error:
        raise BundleError(
            f"{path} cannot be read: {str(error)[:200]}", "fetch it again: it may be half of it"
        ) from None
    if total > MOST_BYTES:
        raise BundleError(f"{path} holds {total:,} bytes of arrays", f"at most {MOST_BYTES:,} are read")
    return shapes


def _backbone(keras: Any, model: Any, name: str, size: int) -> Backbone:
    prepare, flipped = _pictures(keras, name, size)
    builder = _builder(keras, name)
    net = KerasNet(model, flipped, lambda: _model(builder, size))
    licence = next((told for start, told in LICENCES.items() if name.startswith(start)), "not stated")
    return Backbone(
        f"keras:{name}",
        net,
        {net.names[layer]: f"steps.{net.names[layer]}" for layer in _stages(model)},
        prepare,
        licence,
        LAYOUTS[1],
        source={"form": "keras", "name": name, "size": size},
    )


def _pictures(keras: Any, name: str, size: int) -> tuple[Pictures, bool]:
    """What Keras does to the pictures of a net, read off from black, white and red ones; whether blue comes first."""
    module = importlib.import_module(inspect.unwrap(_builder(keras, name)).__module__)
    black, white, red = np.zeros((3, 1, 1, 1, 3), np.float32)
    white, red[..., 0] = white + 255, 255
    low, high, turned = (
        np.asarray(module.preprocess_input(one.copy(), data_format="channels_last"), np.float64).reshape(3)
        for one in (black, white, red)
    )
    flipped = bool(abs(turned[2] - low[2]) > abs(turned[0] - low[0]))
    span, start = high - low, low
    if flipped:
        span, start = span[::-1], start[::-1]
    # float32 gave them: seven digits
    mean, std = (tuple(float(f"{one:.7g}") + 0.0 for one in row) for row in (-start / span, 1 / span))
    return Pictures(size, size, 3, mean, std), flipped


def _stages(model: Any) -> list[str]:
    """Names of the layers that are stages, in the order in which they run."""
    mixed = [node.operation.name for node in ordered(model) if re.fullmatch(r"mixed\d+", node.operation.name)]
    if mixed:
        return mixed
    least = model.outputs[0].shape[1]
    narrow = [(name, shape[1]) for name, shape in cuts(model) if shape[1] is not None and shape[1] >= least]
    if len({tall for _, tall in narrow}) < FEW:
        joints = [node for node in ordered(model) if type(node.operation).__name__ == "Concatenate"]
        narrow = [(node.operation.name, node.output_tensors[0].shape[1]) for node in joints]
    last = {tall: name for name, tall in narrow}
    end = ordered(model)[-1].operation.name
    return list(dict.fromkeys([*(name for name, _ in narrow if name in last.values()), end]))
