"""timm's nets as backbones: "timm:NAME" with timm's published weights, "timm:NAME@FILE" with those of a file.

Reads  a name of timm's ("inception_v3.tv_in1k"; without a tag, timm's own choice) and a .safetensors file.
Gives  a Backbone whose stages are the modules that timm lists as features, and last what its own head reads.
Skips  crops: whole pictures are brought to the net's size.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...bundle.onnxfile import library
from ...errors import CodelayerError, DataError, did_you_mean
from ...nets.backbone import Backbone, Pictures
from ...nets.backbone.core import LAYOUTS
from ...nets.backbone.pictures import WAYS
from .torchvision_shim import import_torchvision
from .watching import apart, arrays, outer, outputs, with_end
from .weight_files import SUFFIX, hub_file, put, read_tensors, split_file

HUB_FILE = "model.safetensors"
TRAINED_ONLY = "AuxLogits."  # Inception's second head, which its published files keep and nothing else reads
NOT_STATED = "not stated: the weights are a file of your own"


def open_timm(rest: str, size: int | None, weights: bool) -> Backbone:
    """A net of timm's.

    rest     NAME, NAME@FILE.safetensors or NAME@FILE.safetensors#sha256=HEX
    size     pixels per side, or None for the size it was trained on
    weights  False leaves the net as timm draws it
    errors   DataError: no such net; BundleError: weights of another one; CodelayerError: timm or the weights are not
             on this machine
    """
    name, file = split_file(rest)
    timm = timm_library()
    published = _published(timm, name)
    if not weights:
        return _backbone(timm, name, size, 0, None, "")
    source = file or str(_fetched(name, published))
    tensors = {key: one for key, one in read_tensors(source).items() if not key.startswith(TRAINED_ONLY)}
    classes = _classes(published.get("classifier"), tensors)
    found = _backbone(timm, name, size, classes, tensors, source)
    if file:
        found.licence = NOT_STATED
    elif classes == 1000:
        labels = timm.data.ImageNetInfo(timm.data.infer_imagenet_subset(published) or "imagenet-1k")
        found.classes = tuple(labels.label_descriptions())
    return found


def restore_timm(source: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Backbone:
    """The net of a Backbone's `source`, its weights still to be put in."""
    return _backbone(timm_library(), str(source["name"]), source["size"], int(source["classes"]), None, "")


def timm_library() -> Any:
    """timm, imported where torchvision can be.

    errors  CodelayerError: timm is not installed
    """
    if "timm" not in sys.modules:
        import_torchvision()
    return library("timm", "timm")


def _published(timm: Any, name: str) -> dict[str, Any]:
    """timm's own record of a net's published weights.

    errors  DataError: timm knows no such net or no such weights of it
    """
    net, _, tag = name.partition(".")
    if not timm.is_model(net):
        raise DataError(
            f"timm has no net {net!r}{did_you_mean(net, timm.list_models())}",
            "timm.list_models() names them all",
        )
    try:
        return timm.get_pretrained_cfg(name).to_dict()
    except RuntimeError:
        known = [one.partition(".")[2] for one in timm.list_pretrained(f"{net}.*")]
        raise DataError(
            f"timm has no weights {tag!r} of {net}{did_you_mean(tag, known)}", f"it has {', '.join(known) or 'none'}"
        ) from None


def _fetched(name: str, published: Mapping[str, Any]) -> Any:
    instead = f"give a file: timm:{name}@weights.safetensors; or random:timm:{name} for the net untrained"
    if not published.get("hf_hub_id"):
        raise CodelayerError(f"timm publishes no weights of {name}", instead)
    named = str(published.get("hf_hub_filename") or HUB_FILE)
    file = named if named.endswith(SUFFIX) else HUB_FILE
    return hub_file(str(published["hf_hub_id"]), file, f"timm:{name}", instead)


def _classes(classifier: Any, tensors: Mapping[str, Tensor]) -> int:
    """How many classes the head in a file tells apart; 0 without a head."""
    first = classifier[0] if isinstance(classifier, list | tuple) else classifier
    weight = tensors.get(f"{first}.weight")
    return 0 if weight is None else len(weight)


def _backbone(
    timm: Any, name: str, size: int | None, classes: int, tensors: Mapping[str, Tensor] | None, file: str
) -> Backbone:
    net = _net(timm, name, size, classes)
    if tensors is not None:
        rule = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
        put(net, tensors if rule is None else rule(dict(tensors), net), f"timm:{name}", file)
    told = dict(net.pretrained_cfg)
    channels, height, width = told["input_size"]
    way = told.get("interpolation")
    prepare = Pictures(
        size or height,
        size or width,
        channels,
        tuple(map(float, told["mean"])),
        tuple(map(float, told["std"])),
        way if way in WAYS else WAYS[0],
    )
    places, layout = _stages(net.eval(), prepare, f"timm:{name}")
    return Backbone(
        f"timm:{name}",
        net,
        places,
        prepare,
        str(told.get("license") or "not stated"),
        layout,
        source={"form": "timm", "name": name, "classes": classes, "size": size},
    )


def _net(timm: Any, name: str, size: int | None, classes: int) -> Any:
    """The net untrained; nets of one fixed size are built for the size that is asked for."""
    fixed = {"img_size": size} if size is not None and timm.get_pretrained_cfg(name).fixed_input_size else {}
    try:
        with apart():
            return timm.create_model(name, pretrained=False, num_classes=classes, **fixed)
    except (TypeError, AssertionError, ValueError) as error:
        if not fixed:
            raise
        raise DataError(f"timm:{name} takes no pictures of {size} pixels ({error})", "leave size away") from None


def _stages(net: Any, prepare: Pictures, name: str) -> tuple[dict[str, str], str]:
    """Stage -> place in the order in which they run, and where channels lie: seen in one run on a grey picture."""
    told = getattr(net, "feature_info", None)
    taps = {one["module"]: one["num_chs"] for one in (getattr(told, "info", told) or []) if one.get("module")}
    sample = torch.zeros(1, prepare.channels, prepare.height, prepare.width)
    watched = dict.fromkeys([*(key for key, _ in net.named_modules() if key in taps), *outer(net)])
    ran, end = outputs(net, watched, lambda: net.forward_features(sample))
    found = with_end(arrays(taps, ran), ran, end)
    if not found:
        raise DataError(f"{name} lists no features", "choose another net: its stages cannot be told")
    maps = {key: ran[key].shape for key in found if ran[key].ndim == 4 and key in taps}
    behind = [key for key, shape in maps.items() if shape[1] != taps[key] and shape[3] == taps[key]]
    if behind and len(behind) < len(maps):
        found = [key for key in found if key not in maps or key in behind]
    return {key: key for key in found}, LAYOUTS[1] if behind else LAYOUTS[0]
