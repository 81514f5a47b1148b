"""transformers' picture nets as backbones: "hf:FOLDER", or "hf:OWNER/NAME" of the Hugging Face hub.

Reads  a folder with config.json, preprocessor_config.json and model.safetensors (also in parts).
Gives  a Backbone whose stages are the encoder's layers, and last what the net itself gives.
Skips  code that a folder brings along, pickled weights, crops, nets of texts or sounds, heads.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...bundle.onnxfile import library
from ...errors import BundleError, DataError, did_you_mean
from ...nets.backbone import Backbone, Pictures
from ..files import CONVERT, PICKLED
from .torchvision_shim import import_torchvision
from .watching import apart, arrays, outer, outputs, with_end
from .weight_files import hub_file, not_for

CONFIG, PREPARING, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
PARTS = "model.safetensors.index.json"
MOST_JSON = 16 << 20
MOST_PARAMETERS = 2_000_000_000
RESAMPLE = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
BYTE = 1 / 255
# what could bring code along, or would change the numbers
LEFT_OUT = ("auto_map", "quantization_config", "attn_implementation", "_attn_implementation", "experts_implementation")
LICENCE = re.compile(r"\A---\n(?:.*\n)*?licen[sc]e:[ \t]*[\"']?([\w.+-]{1,60})")


class HfNet(nn.Module):
    """A model that is told how large its pictures are."""

    def __init__(self, model: Any, resized: bool) -> None:
        super().__init__()
        self.model, self.resized = model, resized

    def forward(self, x: Tensor) -> Any:
        """(n, channels, height, width) -> the model's output."""
        return self.model(x, interpolate_pos_encoding=True) if self.resized else self.model(x)


def open_hf(rest: str, size: int | None, weights: bool) -> Backbone:
    """A net in a folder, or of the hub.

    rest     FOLDER or OWNER/NAME
    size     pixels per side, or None for the size it was trained on
    weights  False leaves the net as transformers draws it; then config.json is enough, and pictures are brought to
             [-1, 1] where no preprocessing is recorded
    errors   DataError: no such folder, no pictures, no record of preprocessing; BundleError: weights of another net,
             pickled or damaged; CodelayerError: transformers is not installed, or the hub is not there
    """
    transformers = hf_library()
    folder = Path(rest) if Path(rest).exists() else _fetched(rest, weights)
    if not (folder / CONFIG).is_file():
        raise DataError(f"{folder} is no folder of a transformers net: it has no {CONFIG}", "check the path")
    told = _json(folder / CONFIG)
    if weights:
        _refuse_pickles(folder)
    prepare, flipped = _pictures(folder, told, size, weights)
    if flipped:
        raise DataError(f"{folder} wants blue before red, which is not done here", "choose another net")
    net = _net(transformers, told, size, f"hf:{rest}")
    if weights:
        _fill(net.model, folder, f"hf:{rest}")
    return _backbone(net, f"hf:{rest}", prepare, _licence(folder), size)


def restore_hf(source: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Backbone:
    """The net of a Backbone's `source`, its weights and preprocessing still to be put in."""
    size = source["size"]
    net = _net(hf_library(), dict(source["config"]), size, "the net in the bundle")
    told, channels = int(source["picture"]), int(source["config"].get("num_channels", 3))
    prepare = Pictures(told, told, channels, (0.5,) * channels, (0.5,) * channels)
    return _backbone(net, "hf", prepare, "not stated", size)


def hf_library() -> Any:
    """transformers, imported where torchvision can be.

    errors  CodelayerError: not installed
    """
    if "transformers" not in sys.modules:
        import_torchvision()
    return library("transformers", "hf")


def _fetched(rest: str, weights: bool) -> Path:
    owner, _, name = rest.partition("/")
    if not owner or not name or "/" in name or name.startswith(".") or owner.startswith("."):
        near = [one.name for one in Path(rest).parent.iterdir()] if Path(rest).parent.is_dir() else []
        raise DataError(
            f"there is no folder {rest}{did_you_mean(Path(rest).name, near)}", "give a folder, or OWNER/NAME of the hub"
        )
    instead = f"fetch it where there is one (hf download {rest}) and give the folder: hf:FOLDER"
    config = hub_file(rest, CONFIG, f"hf:{rest}", instead)
    if weights:
        hub_file(rest, PREPARING, f"hf:{rest}", instead)
        hub_file(rest, WEIGHTS, f"hf:{rest}", instead)
    return config.parent


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MOST_JSON:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes", f"at most {MOST_JSON:,}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}", "fetch it again") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} is no record", "fetch it again")
    return found


def _licence(folder: Path) -> str:
    """What the head of the folder's README states."""
    readme = folder / "README.md"
    if not readme.is_file():
        return "not stated"
    with readme.open(encoding="utf-8", errors="replace") as file:
        head = file.read(1 << 16).partition("\n---")[0]
    found = LICENCE.match(head)
    return found[1] if found else "not stated"


def _refuse_pickles(folder: Path) -> None:
    if (folder / WEIGHTS).is_file() or (folder / PARTS).is_file():
        return
    pickled = sorted(one for one in folder.iterdir() if one.suffix.lower() in PICKLED)
    if pickled:
        raise BundleError(f"{pickled[0]} is a pickled checkpoint", CONVERT.replace("OUT.safetensors", WEIGHTS))
    raise DataError(f"{folder} has no {WEIGHTS}", f"fetch it; random:hf:{folder} is the net untrained")


def _pictures(folder: Path, config: Mapping[str, Any], size: int | None, weights: bool) -> tuple[Pictures, bool]:
    """The preprocessing a folder records, and whether blue comes first.

    errors  DataError: none is recorded, and the net is not to be untrained
    """
    told = _json(folder / PREPARING) if (folder / PREPARING).is_file() else {}
    channels = int(config.get("num_channels", 3))
    side = size or _side(told.get("crop_size") if told.get("do_center_crop") else None)
    side = side or _side(told.get("size")) or _side(config.get("image_size"))
    mean, std = told.get("image_mean"), told.get("image_std")
    if told.get("do_normalize") is False:
        mean, std = [0.0] * channels, [1.0] * channels
    if weights and not (isinstance(mean, list) and isinstance(std, list) and side):
        raise DataError(
            f"{folder} does not record how its pictures are prepared "
            f"(image_mean {mean!r}, image_std {std!r}, size {side})",
            f'write {PREPARING} with "image_mean", "image_std" and "size", as its authors state them',
        )
    grey = float(told.get("rescale_factor", BYTE)) * 255 if told.get("do_rescale", True) else 255.0
    centre, spread = (_row(one, channels) for one in (mean, std))
    prepare = Pictures(
        side or 224,
        side or 224,
        channels,
        tuple(one / grey for one in centre),
        tuple(one / grey for one in spread),
        RESAMPLE.get(told.get("resample", 2), "bilinear"),
    )
    return prepare, bool(told.get("do_flip_channel_order"))


def _row(values: Any, channels: int) -> tuple[float, ...]:
    try:
        found = tuple(map(float, values)) if isinstance(values, list) else (0.5,) * channels
    except (TypeError, ValueError):
        raise DataError(f"{PREPARING} states {str(values)[:60]}", "it takes one number per channel") from None
    return found * channels if len(found) == 1 else found


def _side(size: Any) -> int | None:
    """Pixels per side of what a record calls a size."""
    if isinstance(size, Mapping):
        size = size.get("shortest_edge") or size.get("height")
    if isinstance(size, list) and size:
        size = size[0]
    return size if isinstance(size, int) and 0 < size <= 4096 else None


def _net(transformers: Any, told: Mapping[str, Any], size: int | None, name: str) -> HfNet:
    """The net of a config, untrained and without a pooling head.

    errors  DataError: a kind transformers does not know, not of pictures, or too large
    """
    kind = str(told.get("model_type", ""))
    known = transformers.CONFIG_MAPPING
    if kind not in known:
        raise DataError(
            f"transformers has no nets of kind {kind!r}, which {name} is{did_you_mean(kind, list(known.keys()))}",
            "code that a folder brings along is never run",
        )
    rest = {key: one for key, one in told.items() if key not in LEFT_OUT}
    try:
        config = known[kind].from_dict(rest)
        with apart(), torch.device("meta"):
            sketch = transformers.AutoModel.from_config(config, attn_implementation="eager", trust_remote_code=False)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError, ZeroDivisionError) as error:
        raise DataError(
            f"{name} cannot be built ({' '.join(str(error).split())[:200]})", f"check its {CONFIG}"
        ) from None
    if sketch.main_input_name != "pixel_values":
        raise DataError(f"{name} takes {sketch.main_input_name}, not pictures", "choose a net of pictures")
    count = sum(one.numel() for one in sketch.parameters())
    if count > MOST_PARAMETERS:
        raise DataError(f"{name} has {count:,} parameters", f"at most {MOST_PARAMETERS:,}")
    cls = type(sketch)
    config._attn_implementation = "eager"
    bare = _without_pooling(cls)
    with apart():
        model = cls(config, **bare).float().eval()
    resized = size is not None and size != _side(getattr(config, "image_size", None))
    takes = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
    return HfNet(model, resized and takes)


def _without_pooling(cls: Any) -> dict[str, bool]:
    """The option that leaves a head away which checkpoints often lack."""
    return {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(cls.__init__).parameters else {}


@contextlib.contextmanager
def _quiet(transformers: Any) -> Generator[None]:
    """transformers' reports are told in errors instead."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)
        if bars:
            transformers.logging.enable_progress_bar()


def _fill(model: Any, folder: Path, name: str) -> None:
    """Put the weights of a folder into a model; transformers knows under which names older versions saved them.

    errors  BundleError: damaged, or of another net, with the first that does not fit
    """
    transformers = hf_library()
    try:
        with apart(), _quiet(transformers):
            loaded, told = type(model).from_pretrained(
                folder,
                config=model.config,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                **_without_pooling(type(model)),
            )
    except Exception as error:  # whatever the loader says of damaged files, they are refused
        raise BundleError(
            f"the weights in {folder} cannot be read: {' '.join(str(error).split())[:200]}",
            "fetch them again: they may be half of a download",
        ) from None
    for key, there, here in told["mismatched_keys"]:
        raise not_for(str(folder), name, f"{key} has shape {tuple(there)} there, {tuple(here)} in the net")
    for key in sorted(told["missing_keys"]):
        raise not_for(str(folder), name, f"it lacks {key}")
    model.load_state_dict(loaded.state_dict())
    for key, one in model.state_dict().items():
        if one.is_floating_point() and not bool(torch.isfinite(one).all()):
            raise not_for(str(folder), name, f"{key} holds values that are not finite")


def _backbone(net: HfNet, name: str, prepare: Pictures, licence: str, size: int | None) -> Backbone:
    source = {
        "form": "hf",
        "config": json.loads(net.model.config.to_json_string(use_diff=False)),
        "size": size,
        "picture": prepare.height,
    }
    places = _stages(net, prepare, name)
    return Backbone(name, net, places, prepare, licence, source=source)


def _stages(net: HfNet, prepare: Pictures, name: str) -> dict[str, str]:
    """Stage -> place: the entries of the outermost list of layers that run one after the other, and the end."""
    lists = [key for key, one in net.model.named_modules() if isinstance(one, nn.ModuleList) and len(one) > 1]
    if not lists:
        raise DataError(f"{name} has no list of layers", "choose another net: its stages cannot be told")
    longest = min(lists, key=lambda key: key.count("."))
    layers = [f"{longest}.{at}" for at in range(len(net.model.get_submodule(longest)))]
    sample = torch.zeros(1, prepare.channels, prepare.height, prepare.width)
    try:
        ran, end = outputs(net.model, [*layers, *outer(net.model)], lambda: net(sample).last_hidden_state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise DataError(
            f"{name} does not run on pictures of {prepare.height} pixels ({' '.join(str(error).split())[:160]})",
            "choose another size",
        ) from None
    found = with_end(arrays(layers, ran), ran, end)
    if not found:
        raise DataError(f"{name} has no layers whose output is one array", "choose another net")
    return {key.removeprefix("encoder."): f"model.{key}" for key in found}
